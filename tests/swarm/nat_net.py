"""Peers behind NATs, and nodes of the DHT that all can reach, under a virtual clock.

A gateway gives each socket one port (`cons`, `cone`) or each of its destinations another one (`rand`), and lets in what comes
from where its peer has sent to; `cone` lets in all, at the port of the same number. `pub` and `none` have no NAT: `none` lets in
answers only. `block` lets nobody through but the nodes. Peers behind one gateway reach each other in its network (`lan`), and not
from outside. A datagram that may pass five routers leaves its gateway and dies before the next one.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from service.hypercore.crypto import KeyPair
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.messages import RelayThrough
from service.hypercore.swarm.dht.node import DhtNode
from service.hypercore.swarm.dht.requests import Datagram, Port, Via
from service.hypercore.swarm.reach.announcer import Announcer
from service.hypercore.swarm.reach.dial import Dial
from service.hypercore.swarm.reach.handshakes import Handshakes, OnHeard, OnPaired, OnSeen, OnUnpaired
from service.hypercore.swarm.reach.hub import FoundPath, Hub
from service.hypercore.swarm.reach.reasons import Reason
from service.hypercore.swarm.udx.packet import DATA, header, is_udx, stream_of

NODE_PORT, FIRST_PORT = 49_737, 20_000
RELAY = Address("44.10.0.200", 5000)
"""A blind relay. It passes on what comes for a stream once it knows whence the other side's packets come."""
ROUTERS = 10
"""Routers between two gateways."""
KINDS = ("pub", "none", "cone", "cons", "rand")


@dataclass
class Gateway:
    """What stands between a peer and the world. `host` is the address by which the world knows the peer."""

    kind: str
    host: str
    chance: random.Random
    mapped: dict[tuple[int, Address | None], int] = field(default_factory=dict)
    back: dict[int, int] = field(default_factory=dict)
    sent: set[tuple[int, Address]] = field(default_factory=set)

    def leave(self, local: int, to: Address) -> Address:
        """The address with which a datagram goes on."""
        key = (local, to if self.kind == "rand" else None)
        if key not in self.mapped:
            port = local
            while self.kind == "rand" and (port == local or port in self.back):
                port = self.chance.randint(1024, 65_535)
            self.mapped[key], self.back[port] = port, local
        self.sent.add((self.mapped[key], to))
        return Address(self.host, self.mapped[key])

    def enter(self, sender: Address, port: int) -> int | None:
        """The local port to which a datagram goes, or None."""
        if self.kind in ("pub", "cone"):
            return port
        if (port, sender) not in self.sent:
            return None
        return self.back.get(port)


class Peer:
    """A peer behind a gateway. Streams are played by single packets, sent until one has come back."""

    def __init__(self, net: NatNet, gateway: Gateway, number: int, bootstrap: list[Address], lan: str) -> None:
        self.net, self.gateway, self.lan = net, gateway, lan
        self._first = FIRST_PORT + 1000 * number
        local = (Address(lan, self._first),) if lan else ()
        self.node = DhtNode(bootstrap, net.now, random.Random(net.chance.random()))
        self.hub = Hub(self.node, lambda: local, random.Random(net.chance.random()))
        self.local: dict[Port, int] = {}
        self.ports: dict[int, Port] = {}
        self.bind(Via.SERVER, 0)
        self.bind(Via.CLIENT, 1)
        self.most_sockets = 0
        self.waiting: dict[int, OnHeard] = {}
        """Who is told whence packets come for a stream. Of one that has a direct path, nobody."""
        self.paths: dict[int, FoundPath] = {}
        self.heard: Counter[int] = Counter()
        self.kinds: list[str] = []
        self.failures: list[Reason] = []
        self.dropped = 0
        self.handshakes: Handshakes | None = None
        self._streams = itertools.count(1000)

    def bind(self, port: Port, number: int) -> None:
        self.local[port] = self._first + number
        self.ports[self.local[port]] = port

    # ---- what the machines ask for

    def open_stream(self, heard: OnHeard) -> int:
        stream = next(self._streams)
        self.waiting[stream] = heard
        return stream

    def connect_stream(self, stream: int, path: FoundPath) -> None:
        if path.kind != "relayed":
            del self.waiting[stream]
        self.kinds.append(path.kind)
        self.paths[stream] = path
        self._knock(stream)

    def drop_stream(self, stream: int) -> None:
        del self.waiting[stream]
        self.dropped += 1

    def _knock(self, stream: int) -> None:
        """Send a packet of a stream, again until one has come."""
        path = self.paths[stream]
        self._send_packet(path)
        if not self.heard[stream]:
            self.node.timers.at(self.net.now + 0.5, lambda now: self._again(stream))

    def _again(self, stream: int) -> None:
        if not self.heard[stream]:
            self._knock(stream)

    def _send_packet(self, path: FoundPath) -> None:
        data = header(DATA, path.remote_stream, 1 << 20, 0, 0) + b"x"
        self.node.out.append(Datagram(data, path.remote, path.port))

    def take(self, data: bytes, sender: Address, port: Port) -> None:
        if not is_udx(data):
            self.node.take(data, sender, port, self.net.now)
            return
        stream = stream_of(data)
        path = self.paths.get(stream)
        by_path = path is not None and (path.remote, path.port) == (sender, port)
        if not by_path and stream in self.waiting and not self.waiting[stream](port, sender, self.net.now):
            return
        path = self.paths.get(stream)
        if path is not None and (path.remote, path.port) != (sender, port):
            return
        self.heard[stream] += 1
        if path is not None and self.heard[stream] == 1:
            self._send_packet(path)

    def relay_stream(
        self, stream: int, through: RelayThrough, initiator: bool, seen: OnSeen, paired: OnPaired, refused: OnUnpaired
    ) -> bool:
        seen(Via.CLIENT, RELAY, self.net.now)
        self.net.relay.pair(through.token, initiator, stream, paired)
        return True

    def upgrade_stream(self, stream: int, path: FoundPath) -> None:
        self.kinds.append(path.kind)
        self.paths[stream] = path
        self.heard[stream] = 0
        self._knock(stream)

    # ---- what a test does

    def listen(
        self, pair: KeyPair, firewall: Callable[[bytes], bool] | None = None, *, reusable: bool = False
    ) -> Announcer:
        """Listen at a key, and wait until it is announced."""
        announcer = Announcer(self.hub, pair)
        self.handshakes = Handshakes(self.hub, pair, announcer, self, firewall, reusable_socket=reusable)
        self.hub.servers[announcer.target] = self.handshakes
        taken: list[int] = []
        announcer.start(lambda count, now: taken.append(count), self.net.now)
        assert self.net.run(lambda: bool(taken))
        assert taken[0] >= 1
        return announcer

    def dial(
        self,
        key: bytes,
        relay_through: RelayThrough | None = None,
        *,
        pair: KeyPair | None = None,
        reusable: bool = False,
    ) -> Dial:
        stream = next(self._streams)

        def found(path: FoundPath, now: float) -> None:
            if stream in self.paths:
                self.upgrade_stream(stream, path)
            else:
                self.connect_stream(stream, path)

        def relay(through: RelayThrough, initiator: bool) -> None:
            self.relay_stream(stream, through, initiator, dial.relay_seen, dial.relayed, dial.relay_failed)

        def failed(reason: Reason, detail: str, now: float) -> None:
            self.waiting.pop(stream)
            self.failures.append(reason)

        dial = Dial(
            self.hub, key, pair or KeyPair.generate(), stream, found, failed,
            relay_through=relay_through, on_relay=relay, reusable_socket=reusable,
        )  # fmt: skip
        self.waiting[stream] = dial.heard
        dial.start(self.net.now)
        return dial

    @property
    def connected(self) -> bool:
        """Whether packets have come by each stream that has begun, and one has."""
        return bool(self.paths) and all(self.heard[stream] for stream in self.paths)


class BlindRelay:
    """What a relay does with streams, without the channel on which it is asked to."""

    def __init__(self, net: NatNet) -> None:
        self._net = net
        self._half: dict[bytes, tuple[int, OnPaired]] = {}
        self._other: dict[int, int] = {}
        self._remote: dict[int, int] = {}
        self._known: dict[int, Address] = {}
        self._next = itertools.count(1)
        self.passed = 0

    def pair(self, token: bytes, initiator: bool, stream: int, paired: OnPaired) -> None:
        first = self._half.pop(token, None)
        if first is None:
            self._half[token] = (stream, paired)
            return
        one, other = next(self._next), next(self._next)
        self._other |= {one: other, other: one}
        self._remote |= {one: first[0], other: stream}
        first[1](one, self._net.now)
        paired(other, self._net.now)

    def take(self, data: bytes, sender: Address) -> None:
        number = stream_of(data)
        self._known[number] = sender
        other = self._other[number]
        if other in self._known:
            self.passed += 1
            on = data[:4] + self._remote[other].to_bytes(4, "little") + data[8:]
            self._net._go(RELAY, Datagram(on, self._known[other], Via.SERVER))


class NatNet:
    """The world. Each datagram takes `delay` seconds; those that `lose` names are lost."""

    def __init__(self, seed: int = 1, nodes: int = 4, delay: float = 0.01) -> None:
        self.now = 1000.0
        self.chance = random.Random(seed)
        self.delay = delay
        self.lose: Callable[[Datagram], bool] = lambda datagram: False
        self.sent: list[tuple[float, Address, Datagram]] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._wakes: dict[DhtNode, float] = {}
        self.nodes: dict[str, DhtNode] = {}
        self.peers: list[Peer] = []
        self.relay = BlindRelay(self)
        first: list[Address] = []
        for number in range(nodes):
            address = Address(f"44.10.0.{number + 1}", NODE_PORT)
            self.nodes[address.host] = node = DhtNode(first, self.now, random.Random(number), address)
            first = first or [address]
            self._refresh(node)

    def _refresh(self, node: DhtNode) -> None:
        over: list[float] = []
        node.refresh(self.now, lambda query, now: over.append(now))
        assert self.run(lambda: bool(over) or not node.bootstrap)

    def peer(self, kind: str, number: int, lan: str = "", behind: Peer | None = None, *, check: bool = True) -> Peer:
        """A peer that knows the nodes, behind a gateway of its own or another one's. `check`: it finds out whether it is open."""
        gateway = Gateway(kind, f"44.10.{number}.2", random.Random(self.chance.random()))
        gateway = behind.gateway if behind else gateway
        peer = Peer(self, gateway, number, [Address(next(iter(self.nodes)), NODE_PORT)], lan)
        self.peers.append(peer)
        self._refresh(peer.node)
        if check:
            checked: list[bool] = []
            peer.node.server_port = peer.local[Via.SERVER]
            peer.node.check_open(lambda opened, now: checked.append(opened), self.now)
            assert self.run(lambda: bool(checked), seconds=1.5)
            assert checked == [kind in ("pub", "cone")]
        return peer

    # ---- datagrams and time

    def _flush(self) -> None:
        for host, node in self.nodes.items():
            for datagram in node.out:
                self._go(Address(host, NODE_PORT), datagram)
            node.out.clear()
            self._wake(node)
        for peer in self.peers:
            self._flush_peer(peer)
            self._wake(peer.node)

    def _flush_peer(self, peer: Peer) -> None:
        punches = peer.node.punches
        for datagram in peer.node.out:
            port = datagram.via
            if port not in peer.local:
                if isinstance(port, Via) or not punches.is_open(port):
                    continue
                peer.bind(port, 10 + port)
            near = [one for one in self.peers if one.lan == datagram.to.host and one.gateway is peer.gateway]
            if near:
                self._go_near(near[0], Address(peer.lan, peer.local[port]), datagram)
            else:
                self._go(peer.gateway.leave(peer.local[port], datagram.to), datagram)
        peer.node.out.clear()
        peer.most_sockets = max(peer.most_sockets, len(peer.local))
        for number in punches.closed:
            peer.ports.pop(peer.local.pop(number, 0), None)
        punches.closed.clear()

    def _go_near(self, peer: Peer, sender: Address, datagram: Datagram) -> None:
        port = peer.ports.get(datagram.to.port)
        if port is not None:
            self._at(self.now + self.delay, lambda: peer.take(datagram.data, sender, port))

    def kind_of(self, host: str) -> str:
        """The kind of the gateway at an address, or nothing."""
        return next((peer.gateway.kind for peer in self.peers if peer.gateway.host == host), "")

    def _go(self, sender: Address, datagram: Datagram) -> None:
        self.sent.append((self.now, sender, datagram))
        if (0 < datagram.ttl < ROUTERS and self.kind_of(datagram.to.host)) or self.lose(datagram):
            return
        if sender.host == datagram.to.host:
            return  # a gateway that sends nothing back into its own network
        kinds = {self.kind_of(host) for host in (sender.host, datagram.to.host)}
        if "block" in kinds and not {sender.host, datagram.to.host} & {RELAY.host, *self.nodes}:
            return
        self._at(self.now + self.delay, lambda: self._arrive(datagram.data, sender, datagram.to))

    def _arrive(self, data: bytes, sender: Address, to: Address) -> None:
        if to == RELAY:
            self.relay.take(data, sender)
        elif to.host in self.nodes:
            self.nodes[to.host].take(data, sender, Via.SERVER, self.now)
        for peer in [one for one in self.peers if one.gateway.host == to.host]:
            local = peer.gateway.enter(sender, to.port)
            port = None if local is None else peer.ports.get(local)
            if port is not None:
                peer.take(data, sender, port)

    def _at(self, at: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._due, (max(at, self.now), next(self._order), work))

    def _wake(self, node: DhtNode) -> None:
        at = node.deadline()
        if at < self._wakes.get(node, float("inf")):
            self._wakes[node] = at
            self._at(at, lambda: self._fire(node, at))

    def _fire(self, node: DhtNode, at: float) -> None:
        if self._wakes.get(node) == at:
            del self._wakes[node]
            node.fire(self.now)

    def run(self, until: Callable[[], bool] = lambda: False, seconds: float = 120.0) -> bool:
        """Go on until something holds, or for so long. Return whether it holds."""
        end = self.now + seconds
        self._flush()
        while not until():
            if not self._due or self._due[0][0] > end:
                self.now = end
                return until()
            at, _, work = heapq.heappop(self._due)
            self.now = max(self.now, at)
            work()
            self._flush()
        return True

    def sockets(self) -> int:
        """How many sockets are open at all peers, beyond the two of each."""
        return sum(len(peer.local) - 2 for peer in self.peers)
