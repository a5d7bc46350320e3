"""A blind relay: peers without a direct way meet here, and their packets are passed on. It does not know what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

import structlog

from ...codec import CodecError
from ...crypto import KeyPair
from ...net.admission import origin_of
from ...net.channel import Channel
from ...net.connection import Connection
from ...wire.errors import ChannelClosed, ConnectionClosed
from ..udx.passing import PassingStream
from .blind import PAIR, PROTOCOL, UNPAIR, PairMessage, decode_unpair
from .pairs import Pairs
from .sockets import DHT

log = structlog.get_logger(__name__)

MAX_PAIRS = 1024
"""Pairs that are passed on at a time."""
MAX_PAIRS_OF_ONE = 16
"""Of them, those of one peer's channel."""
MAX_PAIRS_OF_HOST = MAX_PAIRS // 8
"""Of them, those with a peer at one host: it may have any number of keys."""
IDLE_SECONDS = 60.0
"""Silence of both peers after which a pair ends. Connections send something each 5 s."""

Joined = dict[bytes, PassingStream]


class BlindRelay:
    """A relay at a key, as an asynchronous context manager. `firewall` says whether a peer with a key is refused."""

    def __init__(self, dht: DHT, pair: KeyPair, firewall: Callable[[bytes], bool] | None = None) -> None:
        self._dht, self._server = dht, dht.listen(pair, firewall=firewall, may_relay=lambda key: False)
        self._loop = asyncio.get_running_loop()
        self._pairs = Pairs()
        self._joined: dict[Channel, Joined] = {}
        self._hosts: dict[Channel, str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._passed = 0

    @property
    def pairs(self) -> int:
        """How many pairs are passed on."""
        return sum(map(len, self._joined.values())) // 2

    @property
    def passed(self) -> int:
        """Bytes of packets of pairs that are over, and of those that are not, that were passed on."""
        return self._passed + sum(one.bytes for joined in self._joined.values() for one in joined.values())

    async def __aenter__(self) -> BlindRelay:
        """Listen. Raises DhtError if no node takes the announcement."""
        await self._server.__aenter__()
        self._serving = self._loop.create_task(self._serve())
        self._timer = self._loop.call_later(IDLE_SECONDS / 2, self._sweep)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop. What is passed on ends."""
        self._serving.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for channel in list(self._joined):
            self._leave(channel)
        await self._server.__aexit__(kind, error, trace)

    async def _serve(self) -> None:
        async for connection in self._server:
            connection.on_protocol(PROTOCOL, _accept, self._handle)

    # ---- one peer

    async def _handle(self, channel: Channel) -> None:
        self._joined[channel] = {}
        self._hosts[channel] = origin_of(channel.connection.host).host
        try:
            await channel.opened()
            async for kind, body in channel:
                if kind == PAIR:
                    await self._pair(channel, PairMessage.decode(body))
                elif kind == UNPAIR:
                    self._unpair(channel, decode_unpair(body))
        except CodecError as error:
            channel.connection.complain("message to a relay refused", reason=str(error))
        finally:
            self._leave(channel)

    async def _pair(self, channel: Channel, said: PairMessage) -> None:
        if (
            len(self._joined[channel]) >= MAX_PAIRS_OF_ONE
            or self.pairs >= MAX_PAIRS
            or said.token in self._joined[channel]
            or self._host_is_full(channel)
        ):
            return
        other = self._pairs.add(channel, said, self._loop.time(), self._hosts[channel])
        if other is None:
            return
        first = other.session
        assert isinstance(first, Channel)
        if self._host_is_full(first):  # by now
            return
        streams: list[PassingStream] = []
        try:
            for one, half in ((first, other.said), (channel, said)):
                streams.append(self._dht.passing_stream(one.connection, half.stream))
        except ConnectionClosed as error:
            log.debug("a peer left the relay before its pair", reason=str(error))
            for stream in streams:
                stream.close()
            return
        streams[0].join(streams[1])
        ends = ((first, other.said, streams[0]), (channel, said, streams[1]))
        for one, _, stream in ends:
            self._joined[one][said.token] = stream
        for one, half, stream in ends:
            try:
                await one.send(PAIR, PairMessage(half.initiator, said.token, stream.local_id).encode())
            except ChannelClosed:
                self._end(one, said.token)

    def _host_is_full(self, channel: Channel) -> bool:
        host = self._hosts[channel]
        tokens = {token for one, joined in self._joined.items() if self._hosts[one] == host for token in joined}
        return len(tokens) >= MAX_PAIRS_OF_HOST

    def _unpair(self, channel: Channel, token: bytes) -> None:
        self._pairs.withdraw(channel, token)
        self._end(channel, token)

    def _end(self, channel: Channel, token: bytes) -> None:
        if token in self._joined.get(channel, {}):
            for joined in self._joined.values():
                stream = joined.pop(token, None)
                if stream is not None:
                    self._passed += stream.bytes
                    stream.close()

    def _leave(self, channel: Channel) -> None:
        self._pairs.leave(channel)
        for token in list(self._joined.get(channel, {})):
            self._end(channel, token)
        self._joined.pop(channel, None)
        self._hosts.pop(channel, None)

    def _sweep(self) -> None:
        """End pairs that are silent."""
        self._timer = self._loop.call_later(IDLE_SECONDS / 2, self._sweep)
        now, latest = self._loop.time(), dict[bytes, float]()
        for joined in self._joined.values():
            for token, stream in joined.items():
                latest[token] = max(stream.heard_at, latest.get(token, 0.0))
        for channel, joined in self._joined.items():
            for token in [token for token in joined if now - latest.get(token, now) > IDLE_SECONDS]:
                self._end(channel, token)


def _accept(connection: Connection, identifier: bytes | None, handshake: bytes) -> bytes | None:
    return b"" if identifier == connection.remote_key else None
