"""The node of the DHT that also dials and listens. The machines beside this module say what to do; here are sockets and a clock."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable, Iterable, Sequence

from ...crypto import KeyPair
from ...net.connection import Connection
from ...net.shared import Shared
from ...net.transport import MAX_UNFINISHED
from ..dht.address import Address
from ..dht.messages import TOKEN_BYTES, RelayThrough
from ..dht.sockets import DhtSockets
from ..udx.passing import PassingStream
from .dialling import Dialling
from .hub import Hub
from .links import Links, OnConnection
from .reasons import Reason, Unreachable
from .server import DhtServer


class DHT(DhtSockets):
    """A node of the DHT, by which peers are dialled and listened at: `connect`, `listen`.

    `upload_limit` are the bytes a second of blocks that are served to all peers together, None for no limit. With
    `shared` its connections share buffers, turns and limit with those of another transport.
    """

    def __init__(
        self,
        listen: Address,
        bootstrap: Iterable[Address] = (),
        announce: Address | None = None,
        *,
        firewalled: bool = False,
        upload_limit: float | None = None,
        shared: Shared | None = None,
    ) -> None:
        super().__init__(listen, bootstrap, announce, firewalled=firewalled)
        self._upload_limit, self._given = upload_limit, shared

    def _began(self) -> None:
        self._hub = Hub(self.node, self._local)
        shared = self._given or Shared(MAX_UNFINISHED, self._upload_limit)
        self._links = Links(self._sockets, shared, self._hub.routes)
        self._diallings: set[Dialling] = set()

    def close(self) -> None:
        """Close the sockets. Connections end, and what is awaited ends with DhtError or Unreachable."""
        self._hub.closed = True
        for stop in list(self._hub.on_close.values()):
            stop()
        for dialling in list(self._diallings):
            dialling.fail(Reason.CLOSED, "", self._loop.time())
        self._links.close()
        super().close()

    def _local(self) -> tuple[Address, ...]:
        """Return this node's addresses in its own networks."""
        port = self.address.port
        if not ipaddress.IPv4Address(self.address.host).is_unspecified:
            return (Address(self.address.host, port),)
        found: dict[Address, None] = {}
        for node in self.node.bootstrap:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                try:
                    asking.connect(node)  # nothing is sent: the kernel says from where it would be
                    found[Address(asking.getsockname()[0], port)] = None
                except OSError:
                    continue
        return tuple(found)

    async def connect(
        self,
        key: bytes,
        *,
        pair: KeyPair,
        relays: Sequence[Address] = (),
        relay_through: bytes | None = None,
        reusable_socket: bool = False,
    ) -> Connection:
        """Return an open connection to the peer that listens at a key. Raises Unreachable, with the reason.

        `relays` are nodes that pass handshakes on to the peer, if some are known: it is quicker than to look for them.
        `relay_through` is the key of a blind relay that may carry the connection while there is no direct way, or if there is
        none. The server may name another one. `Connection.path` says how it goes. With `reusable_socket`, on both sides, it goes
        the way of another connection to the same peer that is there, or ended a short while ago: nobody is asked for it, and no
        hole is punched again.
        """
        through = RelayThrough(relay_through, secrets.token_bytes(TOKEN_BYTES)) if relay_through else None
        return await self._dial(key, pair, relays, through, follows=True, reusable=reusable_socket)

    async def _dial(
        self, key: bytes, pair: KeyPair, relays: Sequence[Address], through: RelayThrough | None, *,
        follows: bool, reusable: bool = False,
    ) -> Connection:  # fmt: skip
        if self._closed:
            raise Unreachable(key, Reason.CLOSED)
        dialling = Dialling(self._hub, self._links, self._flush, key, pair, reusable)
        self._diallings.add(dialling)
        try:
            return await dialling.run(relays, through, self._dial_relay if follows else None)
        finally:
            self._diallings.discard(dialling)

    async def _dial_relay(self, key: bytes) -> tuple[Connection, bytes]:
        """Connect to a blind relay, under a key that nobody knows. Relays are not reached by relays."""
        own = KeyPair.generate()
        return await self._dial(key, own, (), None, follows=False), own.public

    def passing_stream(self, connection: Connection, remote_id: int) -> PassingStream:
        """Return one half of a stream that a relay passes on, of the peer of a connection. Raises ConnectionClosed."""
        path = self._links.path_of(connection)
        return PassingStream(self.streams, remote_id, path.remote, self._sockets[path.port])

    def listen(
        self,
        pair: KeyPair,
        *,
        firewall: Callable[[bytes], bool] | None = None,
        relay_through: bytes | None = None,
        relay_if_random: bool = False,
        may_relay: Callable[[bytes], bool] | None = None,
        on_connection: OnConnection | None = None,
        reusable_socket: bool = False,
    ) -> DhtServer:
        """Return a server at a key, to be entered. `firewall` says whether a peer with a key is refused.

        `relay_through` is the key of a blind relay that may carry its connections; with `relay_if_random` it does only while
        this node is behind a NAT with random ports. Otherwise clients may name one: `may_relay` says by its key whether it is
        used. `on_connection` takes each connection before anything that the peer sent is processed: the place to register what
        is served. Without it the server's iterator gives them. `reusable_socket` as for `connect`.
        """
        return DhtServer(
            self._hub, self._links, self._flush, self._dial_relay, pair,
            firewall=firewall, relay_through=relay_through, relay_if_random=relay_if_random, may_relay=may_relay,
            on_connection=on_connection, reusable_socket=reusable_socket,
        )  # fmt: skip
