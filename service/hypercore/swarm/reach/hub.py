"""What all dials and servers of a node share: its node, its addresses, and the right to punch at random ports."""

from __future__ import annotations

import random
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ...wire.noise import Noise
from ..dht.address import Address, is_bogon
from ..dht.messages import Command
from ..dht.nat import Firewall
from ..dht.node import DhtNode
from ..dht.requests import Port, Via
from ..dht.rpc import DhtRequest
from .routes import Routes

RANDOM_PUNCHES = 1
RANDOM_REST_SECONDS = 20.0
"""Punches at random ports that run at a time, and the rest between them: each makes some NAT remember 2000 addresses."""
UPGRADE_SECONDS = 300.0
"""Time to find a direct way for a stream that goes by a relay: punches at random ports wait for each other."""
MAX_KNOWN = 512
"""Peers of which it is remembered through which nodes they were reached."""


@dataclass(frozen=True, slots=True)
class FoundPath:
    """Where to send a stream's packets: from which socket, to which address, to which number of the peer's."""

    port: Port
    remote: Address
    remote_stream: int
    noise: Noise
    """The handshake, done."""
    kind: str
    """ "direct", "punched" or "relayed"."""


class TakesRequests(Protocol):
    """Who listens under a key."""

    def take(self, request: DhtRequest, sender: Address, port: Port, now: float) -> bool:
        """Take a request for the key's hash. Return whether it was for a server."""
        ...

    def is_passed_on(self, sender: Address) -> bool:
        """Return whether requests from there come by a node that the server asked to pass them on."""
        ...


class RandomPunches:
    """The right to punch at random ports."""

    def __init__(self) -> None:
        self._running = 0
        self._ended: float | None = None

    def begin(self, now: float) -> bool:
        """Take the right, if it is free."""
        rests = self._ended is not None and now - self._ended < RANDOM_REST_SECONDS
        if rests or self._running >= RANDOM_PUNCHES:
            return False
        self._running += 1
        return True

    def end(self, now: float, *, punched: bool) -> None:
        """Give it back."""
        self._running -= 1
        if punched:
            self._ended = now


class Hub:
    """A node, and what is known of its place. `local` are its addresses in its own networks."""

    def __init__(
        self,
        node: DhtNode,
        local: Callable[[], tuple[Address, ...]] = lambda: (),
        chance: random.Random | None = None,
    ) -> None:
        self.node, self.local = node, local
        self.chance = chance or random.Random(secrets.randbits(64))
        self.random_punches = RandomPunches()
        self.routes = Routes()
        self.servers: dict[bytes, TakesRequests] = {}
        self.on_close: dict[bytes, Callable[[], None]] = {}
        """What ends servers before their node is closed, by the hashes of their keys."""
        self.closed = False
        self._known: OrderedDict[bytes, tuple[Address, ...]] = OrderedDict()
        node.on_request = self._take
        node.limits.is_passed_on = self._is_passed_on

    @property
    def main(self) -> Port:
        """The socket from which the node asks."""
        return Via.CLIENT if self.node.open_address is None else Via.SERVER

    @property
    def random(self) -> bool:
        """Whether this node is behind a NAT that uses another port for each destination, as far as it knows."""
        return self.node.samples.judge().firewall is Firewall.RANDOM

    def addresses(self) -> tuple[Address, ...]:
        """Return where peers may try to reach this node."""
        own = self.node.open_address
        return tuple(dict.fromkeys(((own,) if own else ()) + self.local()))

    def remember(self, key: bytes, relays: tuple[Address, ...]) -> None:
        """Note the nodes through which a peer was reached, for the next time."""
        self._known.pop(key, None)
        if relays:
            self._known[key] = relays
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def known(self, key: bytes) -> tuple[Address, ...]:
        """Return the nodes through which a peer was reached."""
        return self._known.get(key, ())

    def _is_passed_on(self, request: DhtRequest, sender: Address) -> bool:
        server = None if request.target is None else self.servers.get(request.target)
        passed = request.command in (Command.PEER_HANDSHAKE, Command.PEER_HOLEPUNCH) and not request.internal
        return passed and server is not None and server.is_passed_on(sender)

    def _take(self, request: DhtRequest, sender: Address, port: Port, now: float) -> bool:
        server = None if request.target is None else self.servers.get(request.target)
        return server is not None and server.take(request, sender, port, now)


def nearest(own: tuple[Address, ...], others: tuple[Address, ...]) -> Address | None:
    """Return the address that shares most of its first three numbers with one of our own, or the first one."""

    def shared(one: Address, other: Address) -> int:
        count = 0
        for a, b in zip(one.host.split(".")[:3], other.host.split(".")[:3], strict=True):
            if a != b:
                break
            count += 1
        return count

    return max(others, key=lambda other: max((shared(one, other) for one in own), default=0), default=None)


def reachable(addresses: tuple[Address, ...], own: tuple[Address, ...]) -> tuple[Address, ...]:
    """Return the addresses that may be punched: of the internet, unless our own are of none, as on one machine."""
    private = any(is_bogon(one.host) for one in own)
    return tuple(one for one in addresses if private or not is_bogon(one.host))
