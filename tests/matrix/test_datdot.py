"""datdot itself behind the gateways: a feed is fetched by its key alone, by the relay where there is no direct way."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_process import done
from tests.support.needs import missing

from .cells import START_SECONDS, PeerProgram, program
from .topology import Topology, sweep, what_is_missing

SECONDS = 90.0
NODES = ("44.10.0.1", "44.10.0.2", "44.10.0.3")
RELAY = "44.10.0.12"
PORT = 49737


@pytest.fixture
def root() -> Iterator[None]:
    lacking = what_is_missing()
    if lacking is not None:
        missing(lacking)
    yield
    assert not [name for name in sweep(own=True) if f"-{os.getpid()}-" in name], "nothing is left"


class Place:
    """A topology with three nodes of the DHT on its public segment, and `datdot` in each of its namespaces."""

    def __init__(self, topology: Topology, stack: AsyncExitStack) -> None:
        self._topology, self._stack = topology, stack

    async def begin(self, role: str, *command: object) -> PeerProgram:
        """Start a command in a namespace."""
        given = [sys.executable, "-m", "service.cli", *map(str, command), "--json"]
        name = f"datdot {command[0]}"
        return await self._stack.enter_async_context(program(self._topology.namespace(role), name, *given))

    async def told(self, role: str, *command: object, seconds: float = START_SECONDS) -> dict[str, Any]:
        """Start a command, and return its first line."""
        return await (await self.begin(role, *command)).line(seconds)


async def fetched(tmp_path: Path, kind: str, *relays: bool) -> dict[str, Any]:
    """Serve a feed behind one gateway, fetch it behind another of its kind. `relays`: whether server and reader name the relay."""
    (tmp_path / "file").write_bytes(bytes(range(256)) * 1000)
    made = done("feed", "import", tmp_path / "file", "--dir", tmp_path / "author")
    with Topology(7, kind, kind) as topology:
        async with AsyncExitStack() as stack:
            place = Place(topology, stack)
            by = ("--bootstrap", f"{NODES[0]}:{PORT}")
            for host in NODES:
                await place.told("pub", "dht", "--listen", f"{host}:{PORT}", *(() if host == NODES[0] else by))
            relay = await place.told("pub", "relay", "--listen", f"{RELAY}:0", *by)
            named = [("--relay", relay["key"]) if one else () for one in relays]
            serve = (
                "feed",
                "serve",
                made["key"],
                "--dir",
                tmp_path / "author",
                "--listen",
                "0.0.0.0:0",
                *by,
                *named[0],
            )
            await place.told("ha", *serve)
            fetch = ("feed", "fetch", made["key"], "--dir", tmp_path / "reader", *by, *named[1])
            return {"made": made, **await place.told("hb", *fetch, seconds=SECONDS)}


@pytest.mark.parametrize(
    ("kind", "relays", "path"),
    [
        ("cons", (False, False), "punched"),
        ("rand", (True, False), "relayed"),
        ("rand", (False, True), "relayed"),
        ("block", (False, True), "relayed"),
    ],
)
async def test_a_feed_is_fetched_by_its_key(
    root: None, tmp_path: Path, kind: str, relays: tuple[bool, bool], path: str
) -> None:
    told = await fetched(tmp_path, kind, *relays)
    assert told["length"] == told["made"]["length"]
    assert [one["path"] for one in told["peers"]] == [path]
    assert told["peers"][0]["bytes"] == told["made"]["byte_length"]


async def test_without_a_relay_the_reason_is_told(root: None, tmp_path: Path) -> None:
    told = await fetched(tmp_path, "rand", False, False)
    assert told["error"]["code"] == "network"
    assert "both peers are behind NATs that use random ports" in told["error"]["message"]
