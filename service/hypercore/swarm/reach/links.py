"""Streams on a node's sockets, and the connections that they become."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

from ...crypto import KeyPair
from ...net.connection import Connection
from ...net.shared import Shared
from ...wire.errors import ConnectionClosed
from ..dht.address import Address
from ..dht.requests import Port
from ..udx.endpoint import LINGER_SECONDS, UdxSocket
from ..udx.endpoint import Address as SocketAddress
from ..udx.transport import UdxTransport
from .hub import FoundPath
from .routes import Routes

KEEP_ALIVE_SECONDS = 5.0
"""Of silence after which a connection sends something: a path that is gone is noticed 13 s later."""

OnConnection = Callable[[Connection], None]
OnHeard = Callable[[Port, Address, float], bool]


class Links:
    """The connections of a node on its `sockets`. One that was opened to punch a hole ends with the last connection by it."""

    def __init__(self, sockets: dict[Port, UdxSocket], shared: Shared, routes: Routes) -> None:
        self._sockets, self._shared, self._routes = sockets, shared, routes
        self._held: Counter[Port] = Counter()
        self._closing: dict[Port, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()
        self._connections: dict[Connection, FoundPath] = {}

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

    def connect(
        self, transport: UdxTransport, path: FoundPath, pair: KeyPair, on_opened: OnConnection | None = None
    ) -> Connection:
        """Let a stream begin. Return its connection, which still has to open: `on_opened` is told then, at once."""
        connection = Connection(
            path.noise.initiator, pair, path.noise.remote_static, shared=self._shared, noise=path.noise,
            path=path.kind, keep_alive=KEEP_ALIVE_SECONDS,
            on_opened=on_opened,
        )  # fmt: skip
        endpoint = self._sockets[path.port]
        self._connections[connection] = path
        connection.on_closed.append(lambda: self._ended(connection, path))
        transport.on_silent = connection.fell_silent
        if path.kind == "relayed":
            transport.probe_soon()
        else:
            transport.accepts = None
        transport.set_protocol(connection)
        transport.connect(path.remote_stream, path.remote, endpoint)
        return connection

    def path_of(self, connection: Connection) -> FoundPath:
        """Return where a connection goes. Raises ConnectionClosed if it is over."""
        if connection not in self._connections:
            raise ConnectionClosed(connection.reason)
        return self._connections[connection]

    def upgrade(
        self, connection: Connection, transport: UdxTransport, path: FoundPath, on_direct: Callable[[], None]
    ) -> None:
        """Let a stream that went by a relay go directly. `on_direct` is called once the peer's packets come so, too."""
        if connection.is_closed or transport.is_closing():
            return
        before, connection.path = (transport.endpoint, transport.remote), path.kind
        transport.accepts = lambda endpoint, sender: (endpoint, sender) == before

        def direct() -> None:
            transport.accepts = None
            on_direct()

        transport.on_direct = direct
        self._connections[connection] = path
        connection.on_closed.append(lambda: self._ended(connection, path))
        transport.change_path(path.remote_stream, path.remote, self._sockets[path.port])

    @contextlib.contextmanager
    def holding(self, port: Port | None) -> Iterator[None]:
        """Keep a socket open while another stream may come to go by it."""
        if port is None:
            yield
            return
        self._held[port] += 1
        try:
            yield
        finally:
            self._held[port] -= 1
            self._held = +self._held  # without those at 0
            self._close_later(port)

    def _ended(self, connection: Connection, path: FoundPath) -> None:
        self._connections.pop(connection, None)
        self._loop.call_later(LINGER_SECONDS, self._forget, connection.remote_key, path)
        self._close_later(path.port)

    def _forget(self, key: bytes | None, path: FoundPath) -> None:
        """Forget a way by which no stream went for a while: the NATs on it may do so, too."""
        way = (key, path.port, path.remote)
        used = any(way == (other.remote_key, one.port, one.remote) for other, one in self._connections.items())
        if key is not None and not used:
            self._routes.drop(key, path.port, path.remote)

    def _close_later(self, port: Port) -> None:
        if isinstance(port, int):  # the peer may not know yet that the stream is over
            earlier = self._closing.pop(port, None)
            if earlier is not None:
                earlier.cancel()
            self._closing[port] = self._loop.call_later(LINGER_SECONDS, self._close_socket, port)

    def _close_socket(self, port: Port) -> None:
        del self._closing[port]
        if self._held[port] or any(one.port == port for one in self._connections.values()):
            return  # its end comes here again
        opened = self._sockets.pop(port, None)
        if opened is not None:
            opened.close()

    def close(self) -> None:
        """End all connections."""
        for connection in list(self._connections):
            connection.abort("this node stops")
