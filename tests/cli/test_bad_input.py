"""What strangers send and users mistype: refused with a message that names it, in the log or the output; nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.hypercore import Corestore, discovery_key
from service.hypercore.codec import encode_uint
from tests.support.cli_process import WAIT, Running, RunningChain, datdot, done, running
from tests.support.hostile_peer import Shaken, opening, rubbish_server, say, wrong_stream_id

HANDSHAKES: dict[str, tuple[Callable[[str], None], str]] = {
    "HTTP": (lambda peer: say(peer, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "the peer speaks another protocol"),
    "TLS": (lambda peer: say(peer, bytes.fromhex("16030100f8010000f40303") + bytes(240)), "a handshake frame of"),
    "an absurd length": (lambda peer: say(peer, b"\xff\xff\xff"), "a handshake frame of 16777215 bytes"),
    "not a point of the curve": (lambda peer: say(peer, b"\x20\0\0" + b"\xff" * 32), "not a point of the curve"),
    "a small-order key": (lambda peer: say(peer, b"\x20\0\0" + b"\1" + bytes(31)), "small order"),
    "a short handshake": (lambda peer: say(peer, b"\x05\0\0hello"), "the handshake message is too short"),
    "another version's header": (wrong_stream_id, "another version of the protocol"),
}
MESSAGES: dict[str, tuple[Callable[[Shaken], object], str]] = {
    "a frame that nobody sealed": (lambda peer: peer.end(b"\x40\0\0" + bytes(64)), "a frame does not decrypt"),
    "a frame too short": (lambda peer: peer.end(b"\x03\0\0abc"), "a frame of 3 bytes is too short"),
    "no protomux": (lambda peer: peer.message(b"\xff\xff"), "a protomux message does not decode"),
    "an absurd length in a batch": (
        lambda peer: peer.message(b"\0\0\1" + b"\xff" + (1 << 60).to_bytes(8, "little")),
        "a protomux message does not decode",
    ),
    "a protocol name without end": (
        lambda peer: peer.message(b"\0\1\1" + b"\xfe" + (1 << 30).to_bytes(4, "little") + b"hyper"),
        "a protomux message does not decode",
    ),
    "a channel that skips numbers": (
        lambda peer: peer.message(opening(7, "hypercore/alpha", bytes(32))),
        "the peer opened channel 7, which is taken or skips a number",
    ),
    "another version of hypercore's": (
        lambda peer: peer.ask_and_listen(opening(1, "hypercore/beta", bytes(32))),
        "'hypercore/beta' is not served here",
    ),
    "another version of the copy protocol": (
        lambda peer: peer.ask_and_listen(opening(1, "datdot/copy/2", bytes(8))),
        "'datdot/copy/2' is not served here",
    ),
}


def wait_for_reason(child: Running, reason: str) -> dict[str, object]:
    """The log line that names it."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        assert child.process.poll() is None, child.log.read_text()
        for line in child.logged():
            if reason in str(line.get("reason")):
                return line
        time.sleep(0.05)
    raise AssertionError(f"{reason!r} is not in the log:\n{child.log.read_text()}")


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    """A directory with a feed, its key and its length."""
    base = tmp_path_factory.mktemp("feed")
    (base / "source").write_bytes(bytes(200_000))
    made = done("feed", "import", base / "source", "--dir", base / "dir")
    return base / "dir", made["key"], made["length"]


@pytest.fixture(scope="module")
def server(feed: tuple[Path, str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """`datdot feed serve`, which must live through all that strangers do to it, and where it listens."""
    log = tmp_path_factory.mktemp("server") / "log"
    with running(log, "feed", "serve", feed[1], "--dir", feed[0], "--json") as child:
        yield child, child.line()["peer"]
        assert child.stop() == 0


@pytest.mark.parametrize("name", HANDSHAKES)
def test_rubbish_instead_of_a_handshake(server: tuple[Running, str], name: str) -> None:
    act, reason = HANDSHAKES[name]
    act(server[1])
    line = wait_for_reason(server[0], reason)
    assert str(line["peer"]).rpartition("@")[2].startswith("127.0.0.1:")
    assert line["level"] == "warning"


@pytest.mark.parametrize("name", MESSAGES)
def test_rubbish_behind_the_handshake(server: tuple[Running, str], name: str) -> None:
    act, reason = MESSAGES[name]
    act(Shaken(server[1]))
    wait_for_reason(server[0], reason)


def test_who_does_not_know_the_key_gets_nothing(server: tuple[Running, str], feed: tuple[Path, str, int]) -> None:
    """The discovery key alone, which is public, opens nothing: the capability proves the key."""
    name = discovery_key(bytes.fromhex(feed[1]))
    Shaken(server[1]).message(opening(1, "hypercore/alpha", name, encode_uint(1) + bytes(32)))
    wait_for_reason(server[0], f"the peer does not know the key of core {name.hex()}")


def test_afterwards_all_is_served(server: tuple[Running, str], feed: tuple[Path, str, int], tmp_path: Path) -> None:
    directory, key, length = feed
    say(server[1], b"rubbish first")
    assert done("feed", "fetch", key, "--dir", tmp_path, "--peer", server[1])["length"] == length
    assert done("feed", "verify", key, "--dir", directory)["blocks_verified"] == length
    assert done("feed", "verify", key, "--dir", tmp_path)["blocks_verified"] == length


# ---- what the reader sees


def test_wrong_feed_key(server: tuple[Running, str], feed: tuple[Path, str, int], tmp_path: Path) -> None:
    wrong = "00" * 32
    error = datdot("feed", "fetch", wrong, "--dir", tmp_path, "--peer", server[1], "--json").failure("network")
    assert wrong in error["message"]
    assert "the peer does not serve that" in error["message"]


def test_wrong_peer_key(server: tuple[Running, str], feed: tuple[Path, str, int], tmp_path: Path) -> None:
    wrong = f"{'ab' * 32}@{server[1].partition('@')[2]}"
    error = datdot("feed", "fetch", feed[1], "--dir", tmp_path, "--peer", wrong, "--json").failure("network")
    assert f"the peer's key is {server[1].partition('@')[0]}, not {'ab' * 32}" in error["message"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the peer speaks another protocol"),
        (b"\xff\xff\xff", "a handshake frame of 16777215 bytes"),
        (b"\x60\0\0" + b"\xff" * 96, "not a point of the curve"),
    ],
)
def test_a_peer_that_speaks_rubbish(tmp_path: Path, raw: bytes, reason: str) -> None:
    with rubbish_server(raw) as address:
        peer = f"{'ab' * 32}@{address}"
        error = datdot("feed", "fetch", "cd" * 32, "--dir", tmp_path, "--peer", peer, "--json").failure("network")
    assert peer in error["message"]
    assert reason in error["message"]


def test_a_peer_whose_blocks_are_not_what_was_signed(tmp_path: Path) -> None:
    """It is refused by name, and what came before it is kept."""
    import sqlite3

    store = Corestore(tmp_path / "liar")
    core = store.create()
    core.append([b"a" * 1000, b"b" * 1000, b"c" * 1000])
    store.close()
    database = sqlite3.connect(tmp_path / "liar" / "corestore.sqlite")
    with database:
        database.execute("UPDATE block SET data = ? WHERE idx = 1", (b"x" * 1000,))
    database.close()
    key = core.key.hex()
    with running(tmp_path / "log", "feed", "serve", key, "--dir", tmp_path / "liar", "--json") as child:
        peer = child.line()["peer"]
        error = datdot("feed", "fetch", key, "--dir", tmp_path / "reader", "--peer", peer, "--json").failure("network")
        assert child.stop() == 0
    assert key in error["message"]
    assert "is known here" in error["message"] or "signature" in error["message"]
    verified = done("feed", "verify", key, "--dir", tmp_path / "reader")
    assert verified["length"] == 3
    assert verified["blocks_verified"] < 3


# ---- a node on a chain


def test_a_node_names_what_it_refuses(chain: RunningChain, feed: tuple[Path, str, int], tmp_path: Path) -> None:
    directory, key, length = feed
    arguments = ("--dir", directory, "--chain", chain.url, "--roles", "author", "--listen", "127.0.0.1:0", "--json")
    with running(tmp_path / "node.log", "node", *arguments) as child:
        peer = child.line()["peer"]
        say(peer, b"SSH-2.0-OpenSSH_9.2\r\n")
        wait_for_reason(child, "the peer speaks another protocol")
        Shaken(peer).ask_and_listen(opening(1, "datdot/copy/2", bytes(8)))
        wait_for_reason(child, "'datdot/copy/2' is not served here")
        assert done("feed", "fetch", key, "--dir", tmp_path / "reader", "--peer", peer)["length"] == length
        assert child.stop() == 0
