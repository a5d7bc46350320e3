"""`datdot relay`: npm's peers and ours meet there, and options that make no sense are refused."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from service.hypercore.crypto import KeyPair
from service.hypercore.swarm import DHT, Address, BlindRelay
from service.hypercore.swarm.reach.reasons import Reason, Unreachable
from service.hypercore.swarm.transport import SwarmTransport
from service.node.settings import NodeSettings
from tests.support.cli_process import datdot, done, running
from tests.support.npm_dht import ANY, npm

KEY = "ab" * 32


@pytest.mark.node
async def test_npm_fetches_a_feed_of_ours_by_our_relay_and_by_it_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 1000)
    made = done("feed", "import", tmp_path / "file", "--dir", tmp_path / "author")
    with contextlib.ExitStack() as stack:

        def start(name: str, *command: object) -> dict[str, str]:
            found: dict[str, str] = stack.enter_context(running(tmp_path / name, *command, "--json")).line()
            return found

        node = start("dht.log", "dht", "--listen", "127.0.0.1:0")["address"]
        by = ("--bootstrap", node)
        relay = start("relay.log", "relay", "--listen", "127.0.0.1:0", *by)["key"]
        peer = start("serve.log", "feed", "serve", made["key"], "--dir", tmp_path / "author", *by)["peer"].partition(
            "@"
        )[0]
        (tmp_path / "npm").mkdir()
        wanted = {"peer": peer, "directory": str(tmp_path / "npm"), "key": made["key"], "length": made["length"]}
        async with npm(Address.parse(node)) as reader:
            fetched = await reader("fetchFeed", relay=relay, **wanted)
            assert fetched["length"] == made["length"]


async def test_a_peer_without_a_direct_way_is_dialled_again_by_the_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        DHT(ANY, (), ANY) as first,
        DHT(ANY, [first.address]) as passing,
        BlindRelay(passing, KeyPair(b"\7" * 32)) as _,
        SwarmTransport(KeyPair.generate(), [first.address]) as server,
        SwarmTransport(KeyPair.generate(), [first.address], relay=KeyPair(b"\7" * 32).public) as client,
        SwarmTransport(KeyPair.generate(), [first.address]) as without,
    ):
        await server.join(ANY, listen=True)
        await client.join(ANY)
        await without.join(ANY)
        direct, tried = DHT.connect, list[bytes | None]()

        async def connect(self: DHT, key: bytes, **given: object) -> object:
            tried.append(given.get("relay_through"))  # type: ignore[arg-type]
            if given.get("relay_through") is None:
                raise Unreachable(key, Reason.BOTH_RANDOM)
            return await direct(self, key, **given)  # type: ignore[arg-type]

        monkeypatch.setattr(DHT, "connect", connect)
        connection = await client.connect(server.public_key)
        assert tried == [None, KeyPair(b"\7" * 32).public]
        assert connection.remote_key == server.public_key
        with pytest.raises(Unreachable, match="random ports"):
            await without.connect(server.public_key)


def test_the_key_of_a_relay_is_the_same_at_each_start_with_a_key_file(tmp_path: Path) -> None:
    made = done("key", "create", tmp_path / "key.json")
    with running(tmp_path / "dht.log", "dht", "--listen", "127.0.0.1:0", "--json") as dht:
        node = dht.line()["address"]
        for _ in range(2):
            given = ("--bootstrap", node, "--key", tmp_path / "key.json", "--listen", "127.0.0.1:0", "--json")
            with running(tmp_path / "r.log", "relay", *given) as relay:
                assert relay.line()["key"] == made["swarm_key"]
                assert relay.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("relay", "--listen", "127.0.0.1:0"), "add --bootstrap HOST:PORT"),
        (
            ("feed", "fetch", KEY, "--dir", "x", "--relay", KEY, "--peer", f"{KEY}@127.0.0.1:1"),
            "add --bootstrap HOST:PORT",
        ),
        (("feed", "fetch", KEY, "--dir", "x", "--relay", "ab", "--bootstrap", "127.0.0.1:1"), "64 hex digits"),
        (("feed", "serve", KEY, "--dir", "x", "--relay", "zz" * 32, "--bootstrap", "127.0.0.1:1"), "64 hex digits"),
        (("node", "--dir", "x", "--roles", "hoster", "--relay", KEY), "add --bootstrap HOST:PORT"),
    ],
)
def test_options_that_make_no_sense(arguments: tuple[str, ...], said: str) -> None:
    assert said in datdot(*arguments, "--json").failure("usage", 2)["message"]


def test_a_node_keeps_its_relay_and_settings_of_before_have_none(tmp_path: Path) -> None:
    NodeSettings("ws://x", ("author",), "127.0.0.1", 0, bootstrap=("127.0.0.1:1",), relay=KEY).save(tmp_path)
    again = NodeSettings.load(tmp_path)
    assert again is not None
    assert again.relay == KEY
    fields = json.loads((tmp_path / "node.json").read_text())
    del fields["relay"]
    (tmp_path / "node.json").write_text(json.dumps(fields))
    older = NodeSettings.load(tmp_path)
    assert older is not None
    assert older.relay is None
