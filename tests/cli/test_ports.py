"""A port that is taken: every command says which option named it, what holds it, and what to do."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.hypercore.net.taken import cannot_listen, holders, listening_at
from tests.support.cli_process import RunningChain, datdot, done, running_chain

NAME = f"(process {os.getpid()})"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which this process listens, with TCP and UDP."""
    with socket.socket() as held, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = int(held.getsockname()[1])
        datagrams.bind(("127.0.0.1", port))
        yield port


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    with running_chain("model", tmp_path_factory.mktemp("chain")) as chain:
        yield chain


def test_every_option_that_names_a_port(model: RunningChain, tmp_path: Path, taken: int) -> None:
    where = f"127.0.0.1:{taken}"
    key = done("feed", "create", "--dir", tmp_path / "feed")["key"]
    node = ("node", "--dir", tmp_path / "node", "--roles", "author", "--chain", model.url)
    for option, command in (
        ("--http", (*node, "--http", where)),
        ("--listen", (*node, "--listen", where)),
        ("--listen", ("feed", "serve", key, "--dir", tmp_path / "feed", "--listen", where)),
        ("--listen", ("dht", "--listen", where)),
        ("--listen", ("relay", "--listen", where, "--bootstrap", "127.0.0.1:9")),
    ):
        error = datdot(*command, "--json").failure("os")
        assert error["where"] == where
        assert error["message"].startswith(f"{option} {where}: the port is taken by "), command
        assert NAME in error["message"]
        assert error["message"].endswith(f"stop that, or name another port with {option}")


def test_who_holds_a_port_and_nobody_else(taken: int) -> None:
    assert [NAME in one for one in holders(taken)] == [True]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert holders(int(free.getsockname()[1])) == [], "bound, but nobody listens"


def test_where_nothing_tells_who_holds_it(tmp_path: Path) -> None:
    said = cannot_listen("--http", "[::1]:80", OSError(errno.EADDRINUSE, "in use"), tmp_path)
    assert (said.errno, said.filename) == (errno.EADDRINUSE, "[::1]:80")
    assert said.strerror == (
        "--http [::1]:80: the port is taken by a process of another user, or of another container: "
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
