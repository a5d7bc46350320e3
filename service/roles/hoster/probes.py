"""The hoster's end of the probe protocol: show one encoded sector at a time, at a limited rate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from service.encoding import EncodingError, Opening
from service.hypercore.net import Connection
from service.hypercore.net.connection import Channel
from service.protocols.probe import messages as m

from .sectors import SectorsMissing

log = structlog.get_logger(__name__)

MAX_QUESTIONS = 1024
"""Questions answered on one channel before it ends, which bounds what one peer can use."""

Open = Callable[[m.Ask], Awaitable[Opening]]
Now = Callable[[], int]
Holds = Callable[[m.Ask], bool]


class ProbeService:
    """The hoster's answers to probes. `attach` it to every connection.

    `open_sector` returns a sector of an active copy, or raises SectorsMissing, EncodingError or OSError. `holds`
    returns whether the segment belongs to that copy and is stored here. `now` returns the number of the last finalized
    block, by which the rate per copy is counted.
    """

    def __init__(self, genesis: bytes, open_sector: Open, holds: Holds, now: Now) -> None:
        self._genesis, self._open, self._holds, self._now = genesis, open_sector, holds, now
        self._rate = m.RateLimit()

    def attach(self, connection: Connection) -> None:
        """Answer probes on this connection."""
        connection.on_protocol(m.PROTOCOL, self._accept, self._serve)

    def forget(self, copy: int) -> None:
        """Stop counting the rate of a copy that is gone."""
        self._rate.forget(copy)

    def _accept(self, connection: Connection, identifier: bytes | None, handshake: bytes) -> bytes | None:
        try:
            m.check_handshake(handshake, self._genesis)
        except m.ProbeRefused as error:
            log.info("probe refused", peer=str(connection), reason=str(error))
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
            await channel.send(*m.encode(await self._answer(question, str(channel.connection))))

    async def _answer(self, ask: m.Ask, peer: str) -> m.Message:
        bound = log.bind(peer=peer, copy=ask.copy, segment=ask.segment, sector=ask.sector)
        try:
            opening = await self._open_within_rate(ask)
        except m.ProbeRefused as error:
            bound.info("probe refused", reason=str(error))
            return m.ProbeRefusal(str(error))
        except SectorsMissing as error:
            bound.info("probe of a sector that is not stored here", reason=str(error))
            return m.ProbeRefusal(f"sector {ask.sector} of segment {ask.segment} is not stored here")
        except (EncodingError, OSError) as error:
            bound.error("cannot open a stored sector", error=str(error))
            return m.ProbeRefusal(f"sector {ask.sector} of segment {ask.segment} cannot be opened")
        return m.Answer(ask, opening)

    async def _open_within_rate(self, ask: m.Ask) -> Opening:
        if not self._holds(ask):  # checked first: otherwise every made-up copy number would get a rate counter
            raise SectorsMissing(f"segment {ask.segment} does not belong to copy {ask.copy}, or is not stored here")
        if not self._rate.allow(ask.copy, self._now()):
            raise m.ProbeRefused(f"too many probes of copy {ask.copy}: try again in a few blocks")
        return await self._open(ask)
