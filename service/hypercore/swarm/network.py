"""What a swarm asks of the network: a node of the DHT is one, a script in a test another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Protocol

from ..crypto import KeyPair
from ..net.connection import Connection
from .dht.address import Address
from .dht.messages import FoundPeer
from .dht.sockets import OnFound
from .reach.reasons import Reason, Unreachable

RELAY_HELPS = frozenset(
    {Reason.NOT_PUNCHABLE, Reason.PROBE_FAILED, Reason.BOTH_RANDOM, Reason.PUNCH_REFUSED, Reason.PUNCH_FAILED}
)
"""Reasons of a failure that a relay can mend."""


class SwarmListener(Protocol):
    """What takes connections that others dial."""

    @property
    def relays(self) -> tuple[Address, ...]:
        """Nodes that pass handshakes on."""
        ...

    def refresh(self) -> None:
        """Announce it anew, at once."""
        ...

    def __aiter__(self) -> AsyncIterator[Connection]:
        """Give each connection, once it is open."""
        ...

    async def __aenter__(self) -> SwarmListener:
        """Begin."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        ...


class SwarmNetwork(Protocol):
    """What a swarm asks of a node of the DHT."""

    async def connect(
        self, key: bytes, *, pair: KeyPair, relays: Sequence[Address] = (), relay_through: bytes | None = None
    ) -> Connection:
        """Return an open connection. Raises ConnectError."""
        ...

    def listen(
        self,
        pair: KeyPair,
        *,
        firewall: Callable[[bytes], bool] | None = None,
        may_relay: Callable[[bytes], bool] | None = None,
    ) -> SwarmListener:
        """Take connections. `firewall` says which keys are refused, `may_relay` by which relays they may come."""
        ...

    async def lookup(self, topic: bytes, on_found: OnFound | None = None) -> list[FoundPeer]:
        """Find peers. Raises DhtError."""
        ...

    async def announce(
        self, topic: bytes, pair: KeyPair, relays: tuple[Address, ...] = (), on_found: OnFound | None = None
    ) -> int:
        """Be found, and find. Raises DhtError."""
        ...

    def network_changed(self) -> None:
        """Find out anew where this node is."""
        ...

    async def unannounce(self, topic: bytes, pair: KeyPair) -> int:
        """Be found no longer. Raises DhtError."""
        ...


def needs_relay(error: BaseException) -> bool:
    """Return whether an error means that there is no path between the two but through a relay."""
    return isinstance(error, Unreachable) and error.reason in RELAY_HELPS
