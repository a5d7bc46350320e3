"""A transport whose peers are found and reached through the DHT, beside static ones over TCP."""

from __future__ import annotations

import asyncio
import errno
import random
import secrets
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import structlog

from ..crypto import KeyPair
from ..net.connection import Connection
from ..net.taken import CannotListen, listening_at
from ..net.transport import OnConnection, PeerAddress, TcpTransport, Transport
from ..wire.errors import ConnectError
from .addresses import AddressWatch
from .announcements import Announcements
from .dht.address import Address
from .dht.outside import OutsideView, outside_of
from .dht.sockets import DhtError
from .network import needs_relay
from .reach.reasons import Unreachable
from .reach.server import DhtServer
from .reach.sockets import DHT
from .spares import Spares

log = structlog.get_logger(__name__)

MAX_PROVIDERS = 24
"""Peers of a feed that are asked at a time: drawn, if there are more."""
ANYWHERE = Address("0.0.0.0", 0)
"""Where a peer's node of the DHT is that only dials."""
AGAIN_SECONDS, LONGEST_SECONDS = 2.0, 60.0
"""Time between two tries to reach the DHT: doubled from the first to the second."""
TRIES = 16
"""Ports that are tried where any will do: one must be free for TCP and UDP."""


def _free_beside(host: str, port: int) -> int:
    """Return the port, any for 0, if the DHT's node can listen there beside TCP. Raises CannotListen."""
    here = Address.beside(host, port)
    with listening_at("--listen", str(here), "udp"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(here)
        return int(probe.getsockname()[1])


class SwarmTransport(TcpTransport):
    """A transport over TCP with static peers, and over UDX with all others.

    `relay` is the key of a blind relay. Peers to which there is no direct way are dialled again through it, and while this peer is
    behind a NAT with random ports, those who dial it are met there. `upload_limit` holds for all peers together, those over TCP and
    those over UDX.

    `join` it to the DHT, or `stay` joined. `here` is where its node of the DHT listens (port 0: any), and `announce` its
    address as others see it, if it has one of its own.
    """

    def __init__(
        self,
        key_pair: KeyPair,
        bootstrap: Iterable[Address],
        peers: Iterable[PeerAddress] = (),
        on_connection: OnConnection | None = None,
        *,
        relay: bytes | None = None,
        upload_limit: float | None = None,
    ) -> None:
        super().__init__(key_pair, peers, on_connection, upload_limit=upload_limit)
        self._relay = relay
        self._pair, self._bootstrap = key_pair, tuple(bootstrap)
        self._offered: tuple[bytes, ...] = ()
        self._dht: DHT | None = None
        self._listener: DhtServer | None = None
        self._announcements: Announcements | None = None
        self._open = AsyncExitStack()
        self._dialled: set[Connection] = set()
        """Connections that were dialled through the DHT with the own key."""
        self._spares = Spares(self._dial_anew)

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accept connections as `TcpTransport.listen` does, at a port that the DHT's node can have as well. Raises OSError."""
        tries = 1 if port else TRIES
        while True:
            tries -= 1
            try:
                return await super().listen(host, _free_beside(host, port))
            except OSError as error:
                if not tries or error.errno != errno.EADDRINUSE:
                    raise

    # ---- the DHT

    async def join(self, here: Address, announce: Address | None = None, *, listen: bool = False) -> None:
        """Join the DHT; with `listen`, be found by key and by the feeds that are offered.

        Raises DhtError if none of its nodes answers, and OSError.
        """
        async with AsyncExitStack() as stack:
            dht = await stack.enter_async_context(DHT(here, self._bootstrap, announce, shared=self._shared))
            if listen:
                listener = await stack.enter_async_context(
                    dht.listen(self._pair, relay_through=self._relay, relay_if_random=True, on_connection=self.welcome)
                )
                announcements = Announcements(self._announce, self._withdraw)
                stack.push_async_callback(announcements.close)
                self._listener, self._announcements = listener, announcements
                self._watch(stack)
            self._dht, self._open = dht, stack.pop_all()
        self.offer(self._offered)

    def _watch(self, stack: AsyncExitStack) -> None:
        try:
            stack.enter_context(AddressWatch(self.network_changed))
        except OSError as error:
            log.info("changes of the own address are not noticed before it is announced again", reason=str(error))

    def network_changed(self) -> None:
        """Announce key and feeds anew, at once: the machine's addresses are others."""
        if self._dht is not None and self._listener is not None and self._announcements is not None:
            self._dht.network_changed()
            self._listener.refresh()
            self._announcements.hurry()
            for connection in self._dialled:
                self._spares.test(connection)

    async def stay(self, here: Address, announce: Address | None = None) -> None:
        """Join and listen, and try again until the DHT is reached. Raises CannotListen."""
        wait = AGAIN_SECONDS
        while True:
            try:
                await self.join(here, announce, listen=True)
            except CannotListen:
                raise
            except (DhtError, OSError) as error:
                log.warning("the DHT is not reached; trying again", reason=str(error), seconds=wait)
            else:
                log.info("in the DHT", address=str(self.dht_address))
                return
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_SECONDS)

    @property
    def dht_address(self) -> Address | None:
        """Where its node of the DHT listens, once it has joined."""
        return None if self._dht is None else self._dht.address

    def outside(self) -> OutsideView | None:
        """Return how this peer looks from outside, None before the DHT was reached."""
        return None if self._dht is None else outside_of(self._dht.node)

    async def _announce(self, topic: bytes) -> None:
        assert self._dht is not None
        assert self._listener is not None
        await self._dht.announce(topic, self._pair, self._listener.relays)

    async def _withdraw(self, topic: bytes) -> None:
        assert self._dht is not None
        await self._dht.unannounce(topic, self._pair)

    async def close(self) -> None:
        """Leave the DHT, stop listening and close all connections."""
        await self._spares.close()
        open_, self._open = self._open, AsyncExitStack()
        await open_.aclose()
        self._dht = self._listener = self._announcements = None
        await super().close()

    # ---- the transport

    def offer(self, feeds: Iterable[bytes]) -> None:
        """Be found by who looks for these feeds (discovery keys), and for no others any longer."""
        self._offered = tuple(feeds)
        if self._announcements is not None and (left_out := self._announcements.want(self._offered)):
            log.warning("too many feeds to be found by all of them", left_out=left_out)

    async def offered(self) -> bool:
        """Wait until the feeds that are offered have been announced. Return whether that succeeded."""
        return self._announcements is not None and await self._announcements.settled()

    async def providers(self, feed: bytes) -> list[bytes]:
        """Return the keys of static peers, and of those that the DHT names for a feed, at most MAX_PROVIDERS of these."""
        static = await super().providers(feed)
        if self._dht is None:
            return static
        try:
            found = {peer.key for peer in await self._dht.lookup(feed)} - {self.public_key, *static}
        except DhtError as error:
            log.info("the DHT does not say who has a feed", reason=str(error))
            return static
        if len(found) > MAX_PROVIDERS:
            found = set(random.Random(secrets.randbits(64)).sample(sorted(found), MAX_PROVIDERS))
        return [*static, *sorted(found)]

    async def connect(self, public_key: bytes, *, key_pair: KeyPair | None = None) -> Connection:
        """Connect as `Transport.connect` describes: to a static peer's address if it answers there, else by its key."""
        if any(peer.key == public_key for peer in self.known):
            try:
                return await super().connect(public_key, key_pair=key_pair)
            except ConnectError as error:
                if self._dht is None:
                    raise
                log.info("a static peer does not answer at its address; trying by its key", reason=str(error))
        if self._dht is None:
            raise ConnectError(f"peer {public_key.hex()} is no static peer, and the DHT was not reached yet")
        if key_pair is not None and key_pair != self._pair:
            connection = await self._dial(self._dht, public_key, key_pair)
            self._keep(connection)
            return connection
        return self._spares.take(public_key) or await self._dial_anew(public_key)

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[Transport]:
        """Return a transport of its own as `Transport.apart` describes, in the DHT by a node that only dials, as a reader's is.

        If its nodes do not answer a newcomer, it shares this one's node, and only the identity is another.
        """
        pair = KeyPair.generate()
        async with SwarmTransport(pair, self._bootstrap, self._peers.values(), relay=self._relay) as other:
            if self._dht is None or (self._bootstrap and await other._tries_to_join()):
                yield other
            else:
                stand_in = _Pseudonym(self, pair)
                try:
                    yield stand_in
                finally:
                    await stand_in.close()

    async def _tries_to_join(self) -> bool:
        """Join the DHT by a node that only dials. Return whether that succeeded; if not, the log says why."""
        try:
            await self.join(ANYWHERE)
        except (DhtError, OSError) as error:
            log.warning("the DHT is not reached by a node of its own", reason=str(error))
            return False
        return True

    async def _dial_anew(self, public_key: bytes) -> Connection:
        """Dial a peer with the own key, and watch the connection: whoever has moved is to be reached again soon."""
        if self._dht is None:
            raise ConnectError("this peer has left the DHT")
        connection = await self._dial(self._dht, public_key, self._pair)
        self._keep(connection)
        self._dialled.add(connection)
        connection.on_closed.append(lambda: self._dialled.discard(connection))
        self._spares.watch(connection)
        return connection

    async def _dial(self, dht: DHT, public_key: bytes, pair: KeyPair) -> Connection:
        """Dial a peer by its key, and once more through the relay if there is no other way."""
        try:
            return await dht.connect(public_key, pair=pair)
        except Unreachable as error:
            if self._relay is None or not needs_relay(error):
                raise
            log.info("no direct way to a peer; trying by the relay", reason=str(error))
        return await dht.connect(public_key, pair=pair, relay_through=self._relay)


class _Pseudonym:
    """Another transport under another identity, to dial from."""

    def __init__(self, transport: SwarmTransport, pair: KeyPair) -> None:
        self._transport, self._pair = transport, pair
        self._dialled: list[Connection] = []

    async def providers(self, feed: bytes) -> list[bytes]:
        return await self._transport.providers(feed)

    def offer(self, feeds: Iterable[bytes]) -> None:
        """Do nothing: who only dials is not found."""

    async def connect(self, public_key: bytes, *, key_pair: KeyPair | None = None) -> Connection:
        connection = await self._transport.connect(public_key, key_pair=key_pair or self._pair)
        self._dialled.append(connection)
        return connection

    def apart(self) -> AbstractAsyncContextManager[Transport]:
        return self._transport.apart()

    def expect(self, keys: Iterable[bytes]) -> None:
        """Do nothing: nobody dials it."""

    async def close(self) -> None:
        """Close the connections that were dialled. The other transport goes on."""
        for connection in self._dialled:
            connection.close("this peer stops")
