"""A siege: a network of real processes, honest readers, spans of quiet and of attack, and what was missed in each."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from service.chain_client.pallet import events
from service.devnet.network import NetPeer
from service.hypercore.net import ReplicationError
from service.units import UNIT
from tests.support.whole_network import SMALL, Network, Published, network

from .attackers import Target, argument

KINDS = (*SMALL, ("attester", 3, 100 * UNIT))
HONEST_READERS = 4
SIZE = 1_200_000
ERAS = 400


@dataclass
class Span:
    """What happened from one moment to another."""

    name: str
    proofs: int = 0
    missed: int = 0
    served: int = 0
    not_served: int = 0
    read: int = 0
    read_failed: int = 0
    slowest_read: float = 0.0
    memory_mib: int = 0
    descriptors: int = 0
    log_kib: int = 0
    reasons: list[str] = field(default_factory=list)


def describe(span: Span) -> str:
    """Return a span as one line."""
    return "  ".join(f"{name} {value}" for name, value in asdict(span).items() if name != "reasons")


class Siege:
    """One hoster of a network, watched."""

    def __init__(self, net: Network, published: Published, hoster: NetPeer, target: Target) -> None:
        self.counts: dict[str, int] = {}
        self.net, self.published, self._hoster, self._target = net, published, hoster, target

    async def span(self, name: str, during: Callable[[], Awaitable[None]], span: Span | None = None) -> Span:
        """Let honest readers read while something lasts, and count what the chain and the readers saw."""
        span, begun, log = span or Span(name), self.net.now, self._log_size()
        readers = [asyncio.create_task(self._read_on(span)) for _ in range(HONEST_READERS)]
        try:
            await during()
        finally:
            for one in readers:
                one.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
        self._count(span, begun)
        span.memory_mib, span.descriptors = memory_mib(self.pid), descriptors(self.pid)
        span.log_kib = (self._log_size() - log) // 1024
        return span

    def _count(self, span: Span, begun: int) -> None:
        account, copy = self._hoster.keys.account, self._target.copy

        def since(kind: type, **wanted: object) -> list[object]:
            return [event for number, event in self.net.happened(kind, **wanted) if number > begun]

        span.proofs = len(since(events.StorageProved, hoster=account))
        span.missed = len(since(events.StorageMissed, hoster=account))
        reports = since(events.RetrievalRevealed, copy=copy)
        span.served = sum(bool(event.report.served) for event in reports)  # type: ignore[attr-defined]
        span.not_served = len(reports) - span.served

    async def read(self) -> bytes:
        """Read the feed from the hoster, as a stranger does. Raises ReplicationError."""
        return await self.net.read(self.published.core, [self._hoster])

    async def _read_on(self, span: Span) -> None:
        while True:
            begun = time.monotonic()
            try:
                data = await self.read()
                assert data == self.published.data
                span.read += 1
                span.slowest_read = max(span.slowest_read, round(time.monotonic() - begun, 1))
            except (ReplicationError, OSError, TimeoutError) as error:
                span.read_failed += 1
                span.reasons.append(f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(2.0)

    async def eras(self, count: int) -> None:
        """Wait for so many whole eras."""
        end = self.net.now + count * self.net.client.times.era
        await self.net.until(
            f"{count} eras", lambda: self.net.now >= end, blocks=10 * count * self.net.client.times.era
        )

    async def under_attack(
        self, wait: Callable[[], Awaitable[None]], program: str = "tests.attack.attackers", given: str | None = None
    ) -> None:
        """Attack while `wait` lasts, by a program. What the attackers count is in `counts`."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", program, given or argument(self._target), stdout=asyncio.subprocess.PIPE
        )
        counting = asyncio.create_task(self._count_attacks(child))
        try:
            await wait()
            assert child.returncode is None, "the attackers failed"
            assert not counting.done(), "the attackers' counts cannot be read"
        finally:
            if child.returncode is None:
                child.kill()
            await child.wait()
            await counting

    async def _count_attacks(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        async for line in child.stdout:
            self.counts = json.loads(line)

    @property
    def hoster(self) -> NetPeer:
        """The hoster."""
        return self._hoster

    @property
    def pid(self) -> int:
        """The hoster's process."""
        assert self._hoster.child is not None
        return self._hoster.child.pid

    def _log_size(self) -> int:
        return sum(path.stat().st_size for path in self._hoster.directory.parent.rglob("*.log"))


def memory_mib(pid: int) -> int:
    """Return a process's resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    raise LookupError(f"process {pid} has no memory")


def descriptors(pid: int) -> int:
    """Return how many files and sockets a process has open."""
    with suppress(FileNotFoundError):
        return len(os.listdir(f"/proc/{pid}/fd"))
    raise LookupError(f"process {pid} is gone")


async def besieged(
    directory: Path, siege: Callable[[Siege], Awaitable[None]], chain: str = "model", greedy_readers: int = 16
) -> None:
    """Start a network whose hoster keeps a feed, and let a siege happen to it."""
    async with network(directory, chain, KINDS) as net:
        published = await net.publish(SIZE, seed=7, eras=ERAS)
        ((number, copy),) = (await net.active(published.plan)).items()
        hoster = net.peer(copy.hoster)
        part = copy.segments[0]
        target = Target(
            str(hoster.address), published.core.key.hex(), published.core.length, net.client.genesis.hex(), number,
            part.segment, part.sectors, greedy_readers,
        )  # fmt: skip
        await siege(Siege(net, published, hoster, target))
