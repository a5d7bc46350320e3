"""DHT nodes in one network under a virtual clock: delay, loss, dead hosts. Each datagram is counted."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable

from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.node import DhtNode
from service.hypercore.swarm.dht.requests import Via

SERVER_PORT, CLIENT_PORT = 49737, 50000
MINUTE = 60.0


class Net:
    """Hosts with one node each. `dead` hosts neither send nor receive."""

    def __init__(self, seed: int, loss: float = 0.0) -> None:
        self.now = 0.0
        self.chance = random.Random(seed)
        self.loss = loss
        self.nodes: dict[str, DhtNode] = {}
        self.dead: set[str] = set()
        self.datagrams: Counter[str] = Counter()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._timers: dict[str, float] = {}

    def add(self, number: int, *, stays: bool = True) -> DhtNode:
        """A node on a host of its own. The first one is what the others begin with."""
        host = f"44.10.{number >> 8}.{number & 255}"
        bootstrap = [] if not self.nodes else [Address(next(iter(self.nodes)), SERVER_PORT)]
        address = Address(host, SERVER_PORT) if stays else None
        node = DhtNode(bootstrap, self.now, random.Random(self.chance.random()), address)
        self.nodes[host] = node
        return node

    def flush(self, host: str) -> None:
        """Put on the way what a node has to send, and wake it in time."""
        node = self.nodes[host]
        if host in self.dead:
            node.out.clear()
            return
        for datagram in node.out:
            self.datagrams[host] += 1
            if datagram.to.host not in self.dead and self.chance.random() >= self.loss:
                sender = Address(host, SERVER_PORT if datagram.via is Via.SERVER else CLIENT_PORT)
                at = self.now + 0.005 + 0.05 * self.chance.random()
                self._at(at, self._arrive, datagram.data, sender, datagram.to)
        node.out.clear()
        at = node.deadline()
        if self._timers.get(host) != at:
            self._timers[host] = at
            self._at(at, self._fire, host, at)

    def _at(self, at: float, work: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self._due, (max(at, self.now), next(self._order), lambda: work(*arguments)))

    def _arrive(self, data: bytes, sender: Address, to: Address) -> None:
        node = self.nodes.get(to.host)
        if node is not None and to.host not in self.dead:
            node.take(data, sender, Via.SERVER if to.port == SERVER_PORT else Via.CLIENT, self.now)
            self.flush(to.host)

    def _fire(self, host: str, at: float) -> None:
        if self._timers.get(host) == at and host not in self.dead:
            self._timers.pop(host)
            self.nodes[host].fire(self.now)
            self.flush(host)

    def run(self, until: Callable[[], bool] = lambda: False, seconds: float = 10 * MINUTE) -> bool:
        """Go on until something holds, or for so long. Return whether it holds."""
        for host in self.nodes:
            self.flush(host)
        end = self.now + seconds
        while not until():
            if not self._due or self._due[0][0] > end:
                self.now = end
                return until()
            at, _, work = heapq.heappop(self._due)
            self.now = max(self.now, at)
            work()
        return True


def network(count: int, seed: int = 1, loss: float = 0.0) -> Net:
    """Nodes that stay, of which each has looked for its place."""
    net = Net(seed, loss)
    for number in range(1, count + 1):
        node = net.add(number)
        over: list[float] = []
        node.refresh(net.now, lambda query, now, over=over: over.append(now))  # type: ignore[misc]
        assert net.run(lambda over=over: bool(over))  # type: ignore[misc]
    return net
