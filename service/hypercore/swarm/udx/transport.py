"""A stream as asyncio knows them: a `Transport` with a protocol, over the machine in `stream`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .endpoint import Address, UdxSocket
from .packet import DESTROY
from .stream import Ended, Stream

HIGH_WATER = 1024 * 1024
"""Bytes written and not sent above which the protocol is asked to pause, and below a quarter of which to go on."""
CLOSE_SECONDS = 5.0
"""Time for the peer to end its half as well, once this side is closed and all that it wrote has come."""

RELAYED_PROBE_SECONDS = 0.15

Accepts = Callable[[UdxSocket, Address], bool]


class UdxTransport(asyncio.Transport):
    """A stream on an endpoint. It is made before it is known where the peer is: `connect` says that.

    Packets count only from the peer's address on the endpoint in use. Others, and all before `connect`, count if `accepts`
    says so: the first packet may tell where a peer behind a NAT is to be reached. What comes before `connect` is kept until then.
    """

    thins_acks = True

    def __init__(self, endpoint: UdxSocket, protocol: asyncio.BaseProtocol, first_probe: float = 1.0) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self.endpoint, self.remote = endpoint, ("", 0)
        self.accepts: Accepts | None = None
        self.on_message: Callable[[bytes], None] | None = None
        self.on_silent: Callable[[], None] | None = None
        """Is told each time that nothing was heard of what is under way for a whole timeout: the first after some 1 s."""
        self.on_direct: Callable[[], None] | None = None
        """Is told, once, of the next packet that comes from the peer's address."""
        self.ended: Ended | None = None
        """Why the stream is over, None while it is not."""
        self.local_id = endpoint.streams.new_id()
        self._stream = Stream(self.local_id, self._loop.time(), first_probe)
        self._protocol = protocol
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._reading = True
        self._closed = self._closing_wanted = self._eof = self._told_end = self._choked = self._scheduled = False
        self._given_up = False
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        endpoint.streams.add(self)

    def connect(self, remote_id: int, remote: Address, endpoint: UdxSocket | None = None) -> None:
        """Begin to send: `remote_id` is the peer's number of the stream, `remote` its address.

        The peer may have given the stream up by now: then the protocol is told so, next.
        """
        self.remote, self.endpoint = remote, endpoint or self.endpoint
        self._stream.connect(remote_id)
        self._protocol.connection_made(self)
        self._deliver()
        self._settle()

    def probe_soon(self) -> None:
        """Send what was first sent again soon, if nothing comes back: a relay knows the way only once both sides have spoken."""
        self._stream.sender.first_probe = RELAYED_PROBE_SECONDS

    def change_path(self, remote_id: int, remote: Address, endpoint: UdxSocket) -> None:
        """Go on at another address, as from a relay to the peer itself. Nothing is lost."""
        self.remote, self.endpoint = remote, endpoint
        self._stream.change_path(remote_id)
        self._settle()

    @property
    def stream(self) -> Stream:
        """The machine, to be looked at."""
        return self._stream

    @property
    def acked(self) -> int:
        """The number of the first packet that the peer has not acknowledged."""
        return self._stream.sender.flight.acked

    def send_message(self, data: bytes) -> None:
        """Send one message of at most a packet, which may be lost. Raises ValueError if it is too long."""
        self._stream.message(data)
        self._settle()

    # ---- the endpoint's side

    def take(self, packet: memoryview, sender: Address, endpoint: UdxSocket) -> bool:
        """Take a packet of a burst. Return whether it counts."""
        at_peer = sender == self.remote and endpoint is self.endpoint and self._stream.connected
        if not at_peer:
            if self.accepts is None or not self.accepts(endpoint, sender):
                return False
            if packet[2] & DESTROY and self._stream.connected and (sender, endpoint) != (self.remote, self.endpoint):
                return False  # a relay that was left ends its half: the stream goes on without it
        elif self.on_direct is not None:
            told, self.on_direct = self.on_direct, None
            told()
        self._stream.receive(packet)
        if self._stream.out:  # acknowledged within a burst, so that the peer goes on while the rest of it is worked off
            self.endpoint.send_trains(self._stream.out, self.remote)
            self._stream.out.clear()
        return True

    def burst_is_over(self, now: float) -> None:
        """Work off what came, and give it to the protocol."""
        self._deliver()
        self._step(now)

    def _step(self, now: float) -> None:
        self._stream.settle(now)
        self._after(now)

    def _settle(self) -> None:
        self._scheduled = False
        self._step(self._loop.time())

    def _soon(self) -> None:
        """Settle once after all that is written now: small writes share a packet."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._settle)

    def _after(self, now: float) -> None:
        """Do what any step of the machine may have made due."""
        stream = self._stream
        if stream.out:
            self.endpoint.send_trains(stream.out, self.remote)
            stream.out.clear()
        if self._closed:
            return
        while stream.messages and self.on_message is not None:
            self.on_message(stream.messages.popleft())
        if stream.ended is not None:
            if stream.connected or self._given_up:  # else whom it is going to be given to is told
                self._lost(stream.ended)
            return
        self._tell_end()
        if self._choked and stream.sender.queued <= self._low:
            self._choked = False
            self._protocol.resume_writing()
        if self._closing is None and self.is_closing() and stream.sender.done:
            self._closing = self._loop.call_later(CLOSE_SECONDS, self.abort)
        at = stream.deadline()
        if at is not None and (self._timer is None or at < self._timer.when()):
            self._wake(at)

    def _wake(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        """Wake up. The timer is not moved with each packet: it may be early, and is then set anew."""
        self._timer = None
        if self._closed:
            return
        now = self._loop.time()
        at = self._stream.deadline()
        if at is None:
            return
        if at > now:
            self._wake(at)
            return
        before = self._stream.sender.timeouts
        self._stream.fire(now)
        self._after(now)
        if self._stream.sender.timeouts > before and not self._closed and self.on_silent is not None:
            self.on_silent()

    # ---- the protocol's side

    def _deliver(self) -> None:
        if self._closed or not self._stream.connected or (not self._reading and not self.is_closing()):
            return
        if not self._stream.receiver.unread:
            return
        data = self._stream.read()
        if self.is_closing():
            return
        try:
            self._give(data)
        except Exception as error:  # noqa: BLE001 - as asyncio's own transports do
            self._loop.call_exception_handler(
                {
                    "message": "a protocol failed on data of a UDX stream",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
            self.abort()

    def _give(self, data: bytearray) -> None:
        protocol = self._protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            rest = memoryview(data)
            while rest and not self._closed:
                buffer = memoryview(protocol.get_buffer(len(rest)))
                size = min(len(buffer), len(rest))
                buffer[:size] = rest[:size]
                protocol.buffer_updated(size)
                rest = rest[size:]
        elif isinstance(protocol, asyncio.Protocol):
            protocol.data_received(bytes(data))

    def _tell_end(self) -> None:
        receiver = self._stream.receiver
        if self._told_end or not receiver.ended or receiver.unread:
            return
        self._told_end = True
        protocol = self._protocol
        keep = protocol.eof_received() if isinstance(protocol, asyncio.Protocol | asyncio.BufferedProtocol) else None
        if not keep:
            self.close()

    def _lost(self, why: Ended) -> None:
        if self._closed:
            return
        self._deliver()
        self._closed, self.ended = True, why
        for timer in (self._timer, self._closing):
            if timer is not None:
                timer.cancel()
        self.endpoint.streams.end(self, linger=why is Ended.FINISHED)
        broken = why in (Ended.RESET, Ended.TIMED_OUT)
        self._loop.call_soon(self._protocol.connection_lost, ConnectionResetError(why.value) if broken else None)

    # ---- asyncio.Transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes. Beyond the limit the protocol is asked to pause. Raises RuntimeError after `write_eof`."""
        if self._eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.is_closing() or self._stream.ended is not None or not data:
            return
        self._stream.write(bytes(data))
        self._soon()
        if not self._choked and self._stream.sender.queued > self._high:
            self._choked = True
            self._protocol.pause_writing()

    def write_eof(self) -> None:
        """Send no more after what was written."""
        self._eof = True
        self._stream.end()
        self._soon()

    def can_write_eof(self) -> bool:
        """Return True."""
        return True

    def get_write_buffer_size(self) -> int:
        """Return the bytes that were written and not sent yet."""
        return self._stream.sender.queued

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol is asked to pause, and to go on."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must not be less than low ({low}), nor low than 0")
        self._high, self._low = high, low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return when the protocol is asked to go on, and to pause."""
        return self._low, self._high

    def pause_reading(self) -> None:
        """Let what comes wait. The peer may send until its window is full."""
        self._reading = False

    def resume_reading(self) -> None:
        """Give the protocol what has waited, and go on."""
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        self._deliver()
        self._settle()

    def is_reading(self) -> bool:
        """Return whether the protocol takes what comes."""
        return self._reading and not self.is_closing()

    def is_closing(self) -> bool:
        """Return whether it is closed, or is about to be."""
        return self._closed or self._closing_wanted

    def close(self) -> None:
        """Send what was written, then end the stream. What still comes is dropped."""
        if self.is_closing():
            return
        self._closing_wanted = True
        self._stream.end()
        self._soon()

    def abort(self) -> None:
        """End the stream at once. The peer is told."""
        if self._closed:
            return
        self._given_up = True
        self._stream.destroy()
        self._after(self._loop.time())

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Set who is given what comes."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who is given what comes."""
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return `peername`, `sockname`, or the default."""
        if name == "peername":
            return self.remote
        if name == "sockname":
            return self.endpoint.address
        return default
