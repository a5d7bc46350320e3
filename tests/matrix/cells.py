"""The cells of the matrix: which hosts, which programs, what is to come of it, and a run of one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .topology import Topology

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = ("npm", "python")
PAIRINGS = tuple((server, client) for server in PROGRAMS for client in PROGRAMS)
WAYS = ("", "relay", "topic", "topic+relay")
NATS = ("pub", "cone", "none", "cons", "rand", "naive")
DIAL_SECONDS, START_SECONDS = 60.0, 60.0
TRIES = 3
"""With npm itself one of three tries between random and naive gateways fails: so often a cell is tried before it is red."""
REFUSALS = {
    "npm": {"HOLEPUNCH_ABORTED", "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS", "CANNOT_HOLEPUNCH", "REMOTE_ABORTED"},
    "python": {"BOTH_RANDOM", "PUNCH_REFUSED", "PUNCH_FAILED"},
}
"""What a dialling program says where there is no way: that it says so, and does not merely hang, is asked of it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A server behind one gateway and a client behind another.

    `way`: "" by key, "relay" by key and both may use the blind relay, "topic" and "topic+relay" by a topic that both join.
    """

    server: str
    client: str
    way: str = ""

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Parse `server:client` or `server:client:way`. Raises ValueError."""
        server, colon, rest = text.partition(":")
        client, _, way = rest.partition(":")
        if not colon or way not in WAYS:
            raise ValueError(
                f"{text}: a cell is SERVER:CLIENT or SERVER:CLIENT:WAY, with a way of {', '.join(WAYS[1:])}"
            )
        return cls(server, client, way)

    def __str__(self) -> str:
        return f"{self.server}:{self.client}" + (f":{self.way}" if self.way else "")

    @property
    def connects(self) -> bool:
        """Whether a connection can be made: not through two gateways with random ports, nor where UDP is blocked."""
        return "relay" in self.way or (self.server, self.client) not in (("rand", "rand"), ("block", "block"))


def all_cells() -> list[Cell]:
    """Return the whole matrix."""
    direct = [Cell(server, client) for server in NATS for client in NATS]
    relayed = [
        Cell(*ends, "relay") for ends in (("rand", "rand"), ("block", "block"), ("cons", "rand"), ("rand", "cons"))
    ]
    topics = [Cell(*ends, "topic") for ends in (("cons", "cons"), ("cone", "none"), ("rand", "cons"), ("lan", "lan"))]
    both = [Cell("rand", "rand", "topic+relay")]
    return [*direct, Cell("lan", "lan"), Cell("block", "block"), *relayed, *topics, *both]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one cell with one pair of programs."""

    cell: str
    server: str
    client: str
    green: bool
    ms: int | None = None
    """From the dial to an open stream."""
    first: int | None = None
    """From the dial to the answer to a message."""
    path: str = ""
    reason: str = ""
    failures: tuple[str, ...] = field(default=())
    """Why tries before the last one were not enough."""

    def line(self) -> str:
        """Return it as it is printed."""
        told = f"{self.path} {self.ms} ms, answer {self.first} ms" if self.path else self.reason
        tries = f"  (after {len(self.failures)}: {'; '.join(self.failures)})" if self.failures else ""
        colour = "green" if self.green else "RED  "
        return f"{colour} {self.cell:18} {self.server:>6}:{self.client:6} {told}{tries}"


class PeerFailed(Exception):
    """A program of a cell ended, or said nothing in time."""


class PeerProgram:
    """A program in a namespace, and its lines."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process, self._name = process, name

    async def line(self, seconds: float) -> dict[str, Any]:
        """Return its next line. Raises PeerFailed."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                text = await self._process.stdout.readline()
        except TimeoutError:
            raise PeerFailed(f"{self._name} said nothing within {seconds:.0f} s") from None
        if not text:
            assert self._process.stderr is not None
            said = (await self._process.stderr.read()).decode(errors="replace").strip()
            raise PeerFailed(f"{self._name} ended: {said.splitlines()[-1] if said else 'without a word'}")
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:
            raise PeerFailed(f"{self._name} said {text.decode(errors='replace').strip():.200}") from None
        return found


@contextlib.asynccontextmanager
async def program(namespace: str, name: str, *command: str) -> AsyncIterator[PeerProgram]:
    """Run a program in a namespace, in a session of its own: Ctrl-C is for us, who end it."""
    process = await asyncio.create_subprocess_exec(
        "ip", "netns", "exec", namespace, *command,
        cwd=ROOT, start_new_session=True,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield PeerProgram(process, name)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


def command(kind: str, role: str, options: dict[str, Any]) -> list[str]:
    """Return the command of a peer: `kind` is a program, `role` what it is to be."""
    said = json.dumps(options)
    if kind == "python":
        return [sys.executable, "-m", "tests.matrix.peer", role, said]
    return [str(shutil.which("node")), str(HERE / "peer.mjs"), role, said]


async def _try(topology: Topology, cell: Cell, relay: str, pairing: tuple[str, str]) -> dict[str, Any]:
    """Run a server and a client once. Return what the client says. Raises PeerFailed."""
    (server_place, server_host), (client_place, client_host) = topology.host(0), topology.host(1)
    how: dict[str, Any] = {"seconds": DIAL_SECONDS}
    if "relay" in cell.way:
        how["relay"] = relay
    if "topic" in cell.way:
        how["topic"] = secrets.token_hex(32)  # of this try alone: servers that were killed stay in the DHT for a while
    serving = command(pairing[0], "server", how | {"host": server_host})
    async with program(server_place, f"the server ({pairing[0]})", *serving) as server:
        key = (await server.line(START_SECONDS))["ready"]
        dialling = command(pairing[1], "client", how | {"host": client_host, "key": key})
        async with program(client_place, f"the client ({pairing[1]})", *dialling) as client:
            return await client.line(START_SECONDS + DIAL_SECONDS)


def judge(cell: Cell, pairing: tuple[str, str], told: dict[str, Any]) -> str | None:
    """Return what is wrong with what the client says, None if it is as it must be."""
    if cell.connects:
        return None if told["ok"] else str(told["reason"])
    if told["ok"]:
        return "it connected where there is no way: the gateways are not what they should be"
    if told["reason"] not in REFUSALS[pairing[1]]:
        return f"it does not say why: {told['reason']}"
    return None


async def _outcome(topology: Topology, cell: Cell, relay: str, pairing: tuple[str, str], tries: int) -> Outcome:
    failures: list[str] = []
    while True:
        told: dict[str, Any] = {}
        try:
            told = await _try(topology, cell, relay, pairing)
            wrong = judge(cell, pairing, told)
        except PeerFailed as error:
            wrong = str(error)
        if wrong is None or len(failures) + 1 >= tries:
            reason = wrong or str(told.get("reason", ""))
            return Outcome(
                str(cell),
                *pairing,
                wrong is None,
                told.get("ms"),
                told.get("first"),
                told.get("path", ""),
                reason,
                tuple(failures),
            )
        failures.append(wrong)


@contextlib.asynccontextmanager
async def public_segment(topology: Topology, nodes: int = 3) -> AsyncIterator[str]:
    """Run the nodes of the DHT, and a blind relay. Gives the relay's key in hex."""
    begun = (str(shutil.which("node")), str(HERE / "public.mjs"), str(nodes))
    async with program(topology.namespace("pub"), "the public segment", *begun) as public:
        yield (await public.line(START_SECONDS))["relay"]


async def run_cells(
    number: int, ends: tuple[str, str], cells: Sequence[Cell], pairings: Sequence[tuple[str, str]],
    *, delay_ms: float = 0.0, nodes: int = 3, tries: int = TRIES,
) -> AsyncGenerator[Outcome, None]:  # fmt: skip
    """Run cells between the same two kinds of gateways, with each pair of programs, in one topology."""
    with Topology(number, *ends, delay_ms=delay_ms) as topology:
        async with public_segment(topology, nodes) as relay:
            for cell in cells:
                for pairing in pairings:
                    yield await _outcome(topology, cell, relay, pairing, tries)


def by_ends(cells: Sequence[Cell]) -> Iterator[tuple[tuple[str, str], list[Cell]]]:
    """Group cells that share their gateways."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        found.setdefault((cell.server, cell.client), []).append(cell)
    return iter(found.items())
