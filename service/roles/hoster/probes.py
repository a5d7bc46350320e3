"""The hoster's end of the probe protocol: show one encoded sector at a time, at a limited rate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from service.disk import DISK_ERRORS
from service.encoding import EncodingError, Opening
from service.hypercore.net import Channel, Connection, origin_of
from service.protocols.probe import messages as m

from .sectors import SectorsMissing

MAX_QUESTIONS = 1024
"""Questions answered on one channel before it ends, which bounds what one peer can use."""
MAX_AT_ONCE = 2
"""Sectors read for probes at a time: the disk is for storage proofs first."""
ASKED = "datdot/probe/1 asked"
"""In a connection's context: whether its first question was asked."""

Open = Callable[[m.Ask], Awaitable[Opening]]
Now = Callable[[], int]
Holds = Callable[[m.Ask], bool]


class ProbeService:
    """The hoster's answers to probes. `attach` it to every connection.

    `open_sector` returns a sector of an active copy, or raises SectorsMissing, EncodingError or OSError. `holds`
    returns whether the segment belongs to that copy and is stored here. `now` returns the number of the last finalized
    block, by which the rate of an address is counted.
    """

    def __init__(self, genesis: bytes, open_sector: Open, holds: Holds, now: Now) -> None:
        self._genesis, self._open, self._holds, self._now = genesis, open_sector, holds, now
        self._rate = m.RateLimit()
        self._reading = asyncio.Semaphore(MAX_AT_ONCE)

    def attach(self, connection: Connection) -> None:
        """Answer probes on this connection."""
        connection.on_protocol(m.PROTOCOL, self._accept, self._serve)

    def _accept(self, connection: Connection, identifier: bytes | None, handshake: bytes) -> bytes | None:
        try:
            m.check_handshake(handshake, self._genesis)
        except m.ProbeRefused as error:
            connection.complain("probe refused", reason=str(error))
            return None
        return m.encode_handshake(self._genesis) if identifier is None else None

    async def _serve(self, channel: Channel) -> None:
        await channel.opened()
        for _ in range(MAX_QUESTIONS):
            kind, body = await channel.receive()
            try:
                question = m.decode(kind, body)
            except m.ProbeRefused as error:
                channel.connection.fail(str(error))
                return
            if not isinstance(question, m.Ask):
                channel.connection.fail(f"message {kind} is not a question")
                return
            await channel.send(*m.encode(await self._answer(question, channel.connection)))

    async def _answer(self, ask: m.Ask, connection: Connection) -> m.Message:
        def complain(event: str, error: Exception) -> None:
            connection.complain(event, copy=ask.copy, segment=ask.segment, sector=ask.sector, reason=str(error))

        try:
            opening = await self._open_within_rate(ask, connection)
        except m.ProbeRefused as error:
            complain("probe refused", error)
            return m.ProbeRefusal(str(error))
        except SectorsMissing as error:
            complain("probe of a sector that is not stored here", error)
            return m.ProbeRefusal(f"sector {ask.sector} of segment {ask.segment} is not stored here")
        except (EncodingError, *DISK_ERRORS) as error:
            complain("cannot open a stored sector", error)
            return m.ProbeRefusal(f"sector {ask.sector} of segment {ask.segment} cannot be opened")
        return m.Answer(ask, opening)

    async def _open_within_rate(self, ask: m.Ask, connection: Connection) -> Opening:
        """Open a sector. The first question of a connection is always answered: it cost its asker a key exchange.

        An attester asks one on each connection, so whoever asks for many takes nothing from it.
        """
        if not self._holds(ask):
            raise SectorsMissing(f"segment {ask.segment} does not belong to copy {ask.copy}, or is not stored here")
        first = ASKED not in connection.context
        connection.context[ASKED] = True
        if not first and not self._rate.allow(origin_of(connection.host).host, self._now()):
            raise m.ProbeRefused("too many probes from this address: try again in a few blocks, or on a new connection")
        async with self._reading:
            return await self._open(ask)
