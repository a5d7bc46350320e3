"""The node of the DHT that also dials and listens. The machines beside this module say what to do; here are sockets and a clock."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence

from ...crypto import KeyPair
from ...net.connection import Connection
from ...net.shared import Shared
from ...net.transport import MAX_UNFINISHED
from ...wire.errors import ConnectionClosed
from ..dht.address import Address
from ..dht.requests import Port
from ..dht.sockets import DhtSockets
from .dial import Dial
from .hub import FoundPath, Hub
from .links import Links
from .reasons import Reason, Unreachable
from .server import DhtServer


class DHT(DhtSockets):
    """A node of the DHT, by which peers are dialled and listened at: `connect`, `listen`."""

    def _began(self) -> None:
        self._hub = Hub(self.node, self._local)
        self._links = Links(self._sockets, Shared(MAX_UNFINISHED))
        self._dials: dict[asyncio.Future[Connection], bytes] = {}

    def close(self) -> None:
        """Close the sockets. Connections end, and what is awaited ends with DhtError or Unreachable."""
        for connecting, key in list(self._dials.items()):
            if not connecting.done():
                connecting.set_exception(Unreachable(key, Reason.CLOSED))
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
        self, key: bytes, *, pair: KeyPair, relays: Sequence[Address] = (), relay_through: bytes | None = None
    ) -> Connection:
        """Return an open connection to the peer that listens at a key. Raises Unreachable, with the reason.

        `relays` are nodes that pass handshakes on to the peer, if some are known: it is quicker than to look for them.
        `relay_through` is refused (ValueError): packets go directly between the peers, or not at all.
        """
        if relay_through is not None:
            raise ValueError("blind relays are not supported")
        if self._closed:
            raise Unreachable(key, Reason.CLOSED)
        connecting: asyncio.Future[Connection] = self._loop.create_future()

        def heard(port: Port, sender: Address, now: float) -> bool:
            counts = dial.heard(port, sender, now)
            self._flush()
            return counts

        transport = self._links.new_stream(self._hub.main, heard)

        def found(path: FoundPath, now: float) -> None:
            if not connecting.done():
                connecting.set_result(self._links.connect(transport, path, pair))

        def failed(reason: Reason, detail: str, now: float) -> None:
            if not connecting.done():
                connecting.set_exception(Unreachable(key, reason, detail))

        dial = Dial(self._hub, key, pair, transport.local_id, found, failed, relays=relays)
        self._dials[connecting] = key
        try:
            dial.start(self._loop.time())
            self._flush()
            connection = await connecting
        except BaseException:
            transport.abort()
            raise
        finally:
            del self._dials[connecting]
            dial.close(self._loop.time())
            if not self._closed:
                self._flush()
        return await _opened(connection, key)

    def listen(self, pair: KeyPair, *, firewall: Callable[[bytes], bool] | None = None) -> DhtServer:
        """Return a server at a key, to be entered. `firewall` says whether a peer with a key is refused."""
        return DhtServer(self._hub, self._links, self._flush, pair, firewall)


async def _opened(connection: Connection, key: bytes) -> Connection:
    try:
        await connection.opened()
    except ConnectionClosed as error:
        raise Unreachable(key, Reason.NOT_OPENED, str(error)) from error
    except BaseException:
        connection.close("given up")
        raise
    return connection
