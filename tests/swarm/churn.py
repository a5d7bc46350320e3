"""A day of churn: 200 nodes of which each lives for some hours, under a virtual clock. Does anything pile up?

`python -m tests.swarm.churn [--hours 24] [--nodes 200]` prints a line for each hour: the greatest of each table of any node, the
objects of the whole process, what lookups cost and whether they found what was announced. The exit status is 1 if a table passes
its bound, if objects grow, or if a lookup in fifty finds nothing.

Each node that dies is replaced by one at a new address. Some peers announce themselves, as servers do, and each ten minutes under
topics; others look for these.
"""

from __future__ import annotations

import argparse
import gc
import math
import random
import sys
import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass, field

from service.hypercore.crypto import KeyPair
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.messages import Announcement, Command, FoundPeer, decode_peers, sign_announcement
from service.hypercore.swarm.dht.node import MAX_CHECKS, MAX_DELAYED, MAX_SWAPS, DhtNode
from service.hypercore.swarm.dht.query import Answerer, Query
from service.hypercore.swarm.dht.rpc import DhtReply
from service.hypercore.swarm.dht.table import LATEST, ROW_NODES
from service.hypercore.swarm.reach.announcer import Announcer
from service.hypercore.swarm.reach.hub import Hub
from tests.swarm.dht_net import MINUTE, Net, network

HOUR = 3600.0
LIFE_SECONDS = 2 * HOUR
"""Mean life of a node: half of those of the public DHT live longer, but a day sees each place taken anew twelve times."""
TOPICS, SERVERS, AGAIN_SECONDS, LOOKUP_SECONDS = 20, 5, 10 * MINUTE, 2 * MINUTE
BOUNDS = {
    "table": 20 * 12,
    "requests": 200,
    "queries": 4,
    "checks": MAX_CHECKS,
    "swaps": MAX_SWAPS,
    "delayed": MAX_DELAYED,
    "latest": LATEST,
    "hosts": 300,
    "announced": TOPICS,
    "targets": TOPICS,
    "routes": SERVERS,
    "refreshes": 0,
    "bumps": 0,
    "records": 0,
    "timers": 20,
}
"""The most of each that any node may hold: the hosts of one second, what lives for twenty minutes, nobody's records."""
GROWTH = 1.10
"""By how much the objects of the last hours may exceed those of the first, once all tables are as full as they become."""
LEAST_FOUND = 0.98


def tables(node: DhtNode) -> dict[str, int]:
    """Return the size of everything in which a node keeps something."""
    records = node.records
    return {
        "table": len(node.table),
        "requests": len(node.requests),
        "queries": len(node._running),
        "checks": len(node._checks),
        "swaps": len(node._swaps),
        "delayed": len(node._delayed),
        "latest": len(node._latest),
        "hosts": len(node.limits),
        "announced": len(records._announced),
        "targets": len(records._announced._keys),
        "routes": len(records._routes),
        "refreshes": len(records._refreshes),
        "bumps": len(records._bumps),
        "records": len(records._mutable) + len(records._immutable),
        "timers": len(node.timers._due),
    }


@dataclass
class Sample:
    """What there was at a time."""

    hours: float
    tables: dict[str, int]
    objects: int
    traced: int
    """Bytes that Python has allocated, 0 if that is not watched."""
    lookups: int
    found: int
    asked: float
    """Requests for each lookup."""

    def line(self, nodes: int) -> str:
        """Return it as it is printed."""
        told = " ".join(f"{name} {size}" for name, size in self.tables.items() if size)
        traced = f", {self.traced / 2**20:.1f} MiB" if self.traced else ""
        found = f"{self.found} of {self.lookups} lookups found it, {self.asked:.1f} requests each (least {theory(nodes):.1f})"
        return f"{self.hours:5.1f} h  {self.objects:,} objects{traced}; at most {told}; {found}"


def theory(nodes: int) -> float:
    """Return the requests that a lookup must make: the 20 nearest, and one for each halving of the way to them."""
    return ROW_NODES + max(0.0, math.log2(nodes / ROW_NODES))


@dataclass
class Churn:
    """A network whose nodes come and go. `run` gives a sample after each span."""

    nodes: int
    seed: int = 7
    life: float = LIFE_SECONDS
    trace: bool = False
    lookups: int = 0
    found: int = 0
    asked: int = 0
    died: int = 0
    _servers: dict[str, Announcer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.net: Net = network(self.nodes, self.seed)
        self.first = next(iter(self.net.nodes))
        self._number = self.nodes
        self._pairs = [KeyPair(self.chance.randbytes(32)) for _ in range(TOPICS)]
        self._topics = [self.chance.randbytes(32) for _ in range(TOPICS)]
        for host in list(self.net.nodes)[1 : 1 + SERVERS]:
            self._serve(host)
        for host in list(self.net.nodes)[1:]:
            self._live(host)
        for at in range(TOPICS):
            self._again(at)
        self._look()
        self._flush()

    def _flush(self) -> None:
        for host in self.net.nodes:
            self.net.flush(host)

    def _later(self, seconds: float, work: object, *arguments: object) -> None:
        self.net._at(self.net.now + seconds, work, *arguments)  # type: ignore[arg-type]

    def _serve(self, host: str) -> None:
        announcer = Announcer(Hub(self.net.nodes[host]), KeyPair(self.chance.randbytes(32)))
        announcer.start(lambda count, now: None, self.net.now)
        self._servers[host] = announcer

    # ---- nodes that come and go

    def _live(self, host: str) -> None:
        self._later(self.chance.expovariate(1 / self.life), self._die, host)

    def _die(self, host: str) -> None:
        net = self.net
        self.died += 1
        net.nodes.pop(host)
        net.datagrams.pop(host, None)
        net._timers.pop(host, None)
        served = self._servers.pop(host, None)
        self._number += 1
        net.add(self._number)
        new = next(reversed(net.nodes))
        net.nodes[new].refresh(net.now)
        if served is not None:
            self._serve(new)
        self._live(new)
        net.flush(new)

    def _any(self) -> DhtNode:
        return self.net.nodes[self.chance.choice(list(self.net.nodes))]

    # ---- what is announced, and looked for

    def _ask(self, node: DhtNode, topic: bytes, done: object, on_answer: object = None) -> None:
        given = {} if on_answer is None else {"on_answer": on_answer}
        node.query(Command.LOOKUP, topic, done, self.net.now, **given)  # type: ignore[arg-type]
        host = next(host for host, one in self.net.nodes.items() if one is node)
        self.net.flush(host)

    def _again(self, at: int) -> None:
        """Announce a topic, from wherever its peer is now."""
        node, pair, topic = self._any(), self._pairs[at], self._topics[at]
        peer = FoundPeer(pair.public)

        def value_of(one: Answerer) -> bytes:
            signature = sign_announcement(pair, topic, one.id, one.reply.token or b"", peer)
            return Announcement(peer, signature=signature).encode()

        def commit(query: Query, now: float) -> None:
            node.commit(query.closest, Command.ANNOUNCE, topic, value_of, lambda count, now: None, now)

        self._ask(node, topic, commit)
        self._later(AGAIN_SECONDS, self._again, at)

    def _look(self) -> None:
        at = self.chance.randrange(TOPICS)
        node, keys = self._any(), set[bytes]()

        def answer(sender: Address, reply: DhtReply) -> None:
            if reply.value:
                keys.update(peer.key for peer in decode_peers(reply.value))

        def done(query: Query, now: float) -> None:
            if now > MINUTE + self._begun:  # the first announcements are under way
                self.lookups += 1
                self.found += self._pairs[at].public in keys
                self.asked += query.answers + query.failures

        self._begun = getattr(self, "_begun", self.net.now)
        self._ask(node, self._topics[at], done, answer)
        self._later(LOOKUP_SECONDS, self._look)

    # ---- time

    def sample(self, hours: float) -> Sample:
        """Return what there is now, and begin to count lookups anew."""
        gc.collect()
        most: dict[str, int] = {}
        for node in self.net.nodes.values():
            for name, size in tables(node).items():
                most[name] = max(size, most.get(name, 0))
        traced = tracemalloc.get_traced_memory()[0] if self.trace else 0
        asked = self.asked / max(1, self.lookups)
        found = Sample(hours, most, len(gc.get_objects()), traced, self.lookups, self.found, asked)
        self.lookups = self.found = self.asked = 0
        return found

    def run(self, hours: float, step: float) -> Iterable[Sample]:
        """Let so many hours pass. Give a sample after each step."""
        began = self.net.now
        while self.net.now < began + hours * HOUR - 1:
            self.net.run(seconds=step * HOUR)
            yield self.sample((self.net.now - began) / HOUR)


def faults(samples: list[Sample]) -> list[str]:
    """Return what is wrong with a run: tables beyond their bounds, growth from its second quarter to its last, lost lookups."""
    told = [
        f"{name}: {size} of at most {BOUNDS[name]} after {one.hours:.1f} h"
        for one in samples
        for name, size in one.tables.items()
        if size > BOUNDS[name]
    ]
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    for name in ("objects", "traced"):
        before, after = max(getattr(one, name) for one in early), max(getattr(one, name) for one in late)
        if after > GROWTH * before:
            told.append(f"{name}: {before:,} in the second quarter, {after:,} in the last")
    lookups, found = sum(one.lookups for one in samples), sum(one.found for one in samples)
    if found < LEAST_FOUND * lookups or not lookups:
        told.append(f"{found} of {lookups} lookups found what was announced")
    return told


def main() -> int:
    """Run, and print. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.swarm.churn", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--trace", action="store_true", help="count bytes, too (tracemalloc: three times as slow)")
    options = parser.parse_args()
    if options.trace:
        tracemalloc.start()
    churn, samples = Churn(options.nodes, trace=options.trace), list[Sample]()
    for one in churn.run(options.hours, min(1.0, options.hours / 8)):
        samples.append(one)
        print(one.line(options.nodes), flush=True)
    told = faults(samples)
    print(
        *told, f"{churn.died} nodes were replaced; {'nothing piles up' if not told else 'it does not hold'}", sep="\n"
    )
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
