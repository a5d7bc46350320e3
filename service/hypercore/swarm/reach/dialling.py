"""One dial on sockets: its stream, the connection that it becomes, and the relay that may carry it meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ...crypto import KeyPair
from ...net.connection import Connection
from ...wire.errors import ConnectionClosed
from ..dht.address import Address
from ..dht.messages import RelayThrough
from ..dht.requests import Port
from .dial import Dial
from .hub import FoundPath, Hub
from .links import Links
from .reasons import Reason, Unreachable
from .relay_leg import DialRelay, RelayLeg


class Dialling:
    """A dial of one key."""

    def __init__(
        self, hub: Hub, links: Links, flush: Callable[[], None], key: bytes, pair: KeyPair, reusable: bool = False
    ) -> None:
        self._reusable = reusable
        self._hub, self._links, self._flush, self._key, self._pair = hub, links, flush, key, pair
        self._loop = asyncio.get_running_loop()
        self._made: asyncio.Future[Connection] = self._loop.create_future()
        self._leg: RelayLeg | None = None
        self._transport = links.new_stream(hub.main, self._heard)

    async def run(self, relays: Sequence[Address], through: RelayThrough | None, relay: DialRelay | None) -> Connection:
        """Return the connection, open. Raises Unreachable. `relay` connects to blind relays; without, none is used."""
        self._relay = relay
        self._dial = Dial(
            self._hub, self._key, self._pair, self._transport.local_id, self._found, self.fail,
            relays=relays, relay_through=through, on_relay=self._meet_at_relay if relay else None,
            reusable_socket=self._reusable,
        )  # fmt: skip
        try:
            with self._links.holding(self._dial.known_port):
                self._dial.start(self._loop.time())
                self._flush()
                connection = await self._made
        except BaseException:
            self._transport.abort()
            self._end()
            raise
        connection.on_closed.append(self._end)  # until then a relayed one may find a better way
        if connection.path != "relayed":
            self._leave_relay()
        try:
            await connection.opened()
        except ConnectionClosed as error:
            raise Unreachable(self._key, Reason.NOT_OPENED, str(error)) from error
        except BaseException:
            connection.close("given up")
            raise
        return connection

    def fail(self, reason: Reason, detail: str, now: float) -> None:
        """End it, if it has no connection yet."""
        if not self._made.done():
            self._made.set_exception(Unreachable(self._key, reason, detail))

    def _heard(self, port: Port, sender: Address, now: float) -> bool:
        counts = self._dial.heard(port, sender, now)
        self._flush()
        return counts

    def _found(self, path: FoundPath, now: float) -> None:
        if not self._made.done():
            self._made.set_result(self._links.connect(self._transport, path, self._pair))
        elif not self._made.cancelled() and self._made.exception() is None:
            self._links.upgrade(self._made.result(), self._transport, path, self._leave_relay)

    # ---- a relay

    def _meet_at_relay(self, through: RelayThrough, initiator: bool) -> None:
        assert self._relay is not None

        def paired(stream: int, now: float) -> None:
            self._dial.relayed(stream, now)
            self._flush()

        self._leg = RelayLeg(
            self._relay, self._links, through, initiator, self._transport.local_id,
            self._dial.relay_seen, paired, self._dial.relay_failed,
        )  # fmt: skip

    def _leave_relay(self) -> None:
        leg, self._leg = self._leg, None
        if leg is not None:
            leg.close()

    def _end(self) -> None:
        self._dial.close(self._loop.time())
        self._leave_relay()
        self._flush()
