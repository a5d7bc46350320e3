"""A port that is taken: every command says which option named it, what holds it, and what to do."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from service.hypercore.crypto import KeyPair
from service.hypercore.net.taken import CannotListen, cannot_listen, holders, listening_at
from service.hypercore.swarm import transport
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.transport import SwarmTransport
from tests.support.cli_process import RunningChain, datdot, done, running_chain

NAME = f"(process {os.getpid()})"


KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


@contextmanager
def listening(*protocols: str) -> Iterator[int]:
    """Listen in this process with those protocols, and with no other one, at a port that nobody else has with any."""
    for _ in range(50):
        with ExitStack() as stack:
            sockets = {name: stack.enter_context(socket.socket(type=kind)) for name, kind in KINDS.items()}
            sockets["tcp"].bind(("127.0.0.1", 0))
            port = int(sockets["tcp"].getsockname()[1])
            try:
                sockets["udp"].bind(("127.0.0.1", port))
            except OSError:
                continue  # somebody else has that one
            for name in KINDS.keys() - set(protocols):
                sockets[name].close()
            if "tcp" in protocols:
                sockets["tcp"].listen()
            yield port
            return
    raise AssertionError("no port is free for both")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    with running_chain("model", tmp_path_factory.mktemp("chain")) as chain:
        yield chain


def commands(model: RunningChain, tmp_path: Path, where: str) -> list[tuple[str, tuple[object, ...], set[str]]]:
    """Every command that listens: the option that says where, the command, and what it needs to be free there."""
    key = done("feed", "create", "--dir", tmp_path / "feed")["key"]
    node = ("node", "--dir", tmp_path / "node", "--roles", "author", "--chain", model.url)
    serve = ("feed", "serve", key, "--dir", tmp_path / "feed", "--listen", where)
    found = ("--bootstrap", "127.0.0.1:9")
    return [
        ("--http", (*node, "--http", where), {"tcp"}),
        ("--listen", (*node, "--listen", where), {"tcp"}),
        ("--listen", (*node, "--listen", where, *found), {"tcp", "udp"}),
        ("--listen", serve, {"tcp"}),
        ("--listen", (*serve, *found), {"tcp", "udp"}),
        ("--listen", ("dht", "--listen", where), {"udp"}),
        ("--listen", ("relay", "--listen", where, *found), {"udp"}),
    ]


@pytest.mark.parametrize("protocols", [("tcp", "udp"), ("tcp",), ("udp",)], ids="+".join)
def test_every_option_that_names_a_port(model: RunningChain, tmp_path: Path, protocols: tuple[str, ...]) -> None:
    with listening(*protocols) as port:
        where = f"127.0.0.1:{port}"
        for option, command, needed in commands(model, tmp_path, where):
            if not needed & set(protocols):
                continue
            error = datdot(*command, "--json").failure("os")
            assert error["where"] == where
            named = [
                name
                for name in protocols
                if f"{option} {where}: the {name.upper()} port is taken by " in error["message"]
            ]
            assert set(named) <= needed, command
            assert len(named) == 1, command
            assert NAME in error["message"]
            assert error["message"].endswith(f"stop that, or name another port with {option}")


async def test_any_port_is_one_that_is_free_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer of the DHT listens with both at one port."""
    with listening("tcp") as first:
        ports = iter([first, 0])
        monkeypatch.setattr(transport, "_free_beside", lambda host, port: next(ports))
        async with SwarmTransport(KeyPair.generate(), [Address("127.0.0.1", 9)]) as peer:
            _, port = await peer.listen("127.0.0.1", 0)
    assert port not in (0, first)


async def test_a_peer_does_not_wait_for_a_port_that_is_taken() -> None:
    with listening("udp") as port:
        async with SwarmTransport(KeyPair.generate(), [Address("127.0.0.1", 9)]) as peer:
            with pytest.raises(
                CannotListen, match=f"--listen 127.0.0.1:{port}: the UDP port is taken by .*{os.getpid()}"
            ):
                await peer.stay(Address("127.0.0.1", port))


def test_who_holds_a_port_and_nobody_else() -> None:
    with listening("tcp", "udp") as port:
        assert [[NAME in one for one in holders(port, protocol)] for protocol in KINDS] == [[True], [True]]
    for protocol, other in (("tcp", "udp"), ("udp", "tcp")):
        with listening(protocol) as port:
            assert [NAME in one for one in holders(port, protocol)] == [True]
            assert holders(port, other) == [], "another protocol's"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert holders(int(free.getsockname()[1]), "tcp") == [], "bound, but nobody listens"


def test_where_nothing_tells_who_holds_it(tmp_path: Path) -> None:
    said = cannot_listen("--http", "[::1]:80", OSError(errno.EADDRINUSE, "in use"), proc=tmp_path)
    assert (said.errno, said.filename) == (errno.EADDRINUSE, "[::1]:80")
    assert said.strerror == (
        "--http [::1]:80: the TCP port is taken by a process of another user, or of another container: "
        "stop that, or name another port with --http"
    )


@pytest.mark.parametrize(
    ("number", "part"),
    [(errno.EADDRNOTAVAIL, "no address of this machine"), (errno.EACCES, "from 1024 on"), (errno.EIO, "as it came")],
)
def test_other_reasons(number: int, part: str) -> None:
    with pytest.raises(OSError, match=part) as caught, listening_at("--listen", "10.0.0.1:80"):
        raise OSError(number, "as it came")
    assert caught.value.errno == number
