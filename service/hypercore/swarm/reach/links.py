"""Streams on a node's sockets, and the connections that they become."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...crypto import KeyPair
from ...net.connection import Connection
from ...net.shared import Shared
from ..dht.address import Address
from ..dht.requests import Port
from ..udx.endpoint import LINGER_SECONDS, UdxSocket
from ..udx.endpoint import Address as SocketAddress
from ..udx.transport import UdxTransport
from .hub import FoundPath

KEEP_ALIVE_SECONDS = 5.0
"""Of silence after which a connection sends something: a path that is gone is noticed 13 s later."""

OnHeard = Callable[[Port, Address, float], bool]


class Links:
    """The connections of a node on its `sockets`. One that was opened to punch a hole ends with its connection."""

    def __init__(self, sockets: dict[Port, UdxSocket], shared: Shared) -> None:
        self._sockets, self._shared = sockets, shared
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()

    def new_stream(self, port: Port, heard: OnHeard) -> UdxTransport:
        """Return a stream that waits to know its peer's address. `heard` is told whence packets come for it."""
        transport = UdxTransport(self._sockets[port], asyncio.Protocol())

        def accepts(endpoint: UdxSocket, sender: SocketAddress) -> bool:
            for name, opened in self._sockets.items():
                if opened is endpoint:
                    return heard(name, Address(*sender), self._loop.time())
            return False

        transport.accepts = accepts
        return transport

    def connect(self, transport: UdxTransport, path: FoundPath, pair: KeyPair) -> Connection:
        """Let a stream begin. Return its connection, which still has to open."""
        connection = Connection(
            path.noise.initiator, pair, path.noise.remote_static, shared=self._shared, noise=path.noise,
            path=path.kind, keep_alive=KEEP_ALIVE_SECONDS,
        )  # fmt: skip
        endpoint = self._sockets[path.port]
        self._connections.add(connection)
        connection.on_closed.append(lambda: self._ended(connection, path.port))
        transport.accepts = None
        transport.set_protocol(connection)
        transport.connect(path.remote_stream, path.remote, endpoint)
        return connection

    def _ended(self, connection: Connection, port: Port) -> None:
        self._connections.discard(connection)
        if isinstance(port, int):  # the peer may not know yet that the stream is over
            self._loop.call_later(LINGER_SECONDS, self._close_socket, port)

    def _close_socket(self, port: Port) -> None:
        opened = self._sockets.pop(port, None)
        if opened is not None:
            opened.close()

    def close(self) -> None:
        """End all connections."""
        for connection in list(self._connections):
            connection.abort("this node stops")
