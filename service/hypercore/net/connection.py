"""One authenticated connection: a secret stream with a protomux on it, over an asyncio transport."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import structlog

from ..crypto import KeyPair
from ..wire.errors import ChannelClosed, ConnectionClosed, ProtocolError
from ..wire.noise import Noise
from ..wire.protomux import Mux
from ..wire.secretstream import SecretStream
from .channel import Channel
from .shared import Shared

log = structlog.get_logger(__name__)

HANDSHAKE_SECONDS = 15.0
"""Time for the Noise handshake: a stranger must not hold a connection for nothing."""
MAX_TOLD = 16
"""Complaints logged about one connection."""
KEEP_ALIVE_SECONDS = 15.0
"""Interval of keep-alive messages, and of the check for stuck frames."""
FRAME_SECONDS = 300.0
"""Time for one frame to arrive whole. It allows 16 MiB on a slow link, yet ends a frame that never completes."""
CLOSE_SECONDS = 10.0
"""Time for written data to leave before a closed connection is aborted."""
SETTLE_SECONDS = 15.0
"""Time for the side that dialled to say what it serves. Until then a peer's opens are kept, not rejected."""
WRITE_HIGH_WATER = 1024 * 1024
MAX_UNREAD_BYTES = 4 * 1024 * 1024
"""Bytes held for channels that nobody reads, beyond which reading pauses."""
WORK = 256
"""Units of work on received messages in one turn (`Mux.work`), before others get theirs."""
OPENS, OPENS_PER_SECOND = 1024, 64.0
"""Channels that a peer may open at once, and each second. It must wait with more."""
EARLY_BYTES, EARLY_SECONDS = 8 * 1024 * 1024, 60.0
"""Bytes of answers in so many seconds up to which a peer's turns come first: a few blocks never wait behind whole feeds."""
MAX_HANDLERS = 64
"""Channels of one connection that are served by tasks at a time."""
IDLE_SECONDS = 60.0
"""Time without any channel after which an incoming connection ends."""
MAX_UNSENT_BYTES = 64 * 1024 * 1024
"""Bytes of answers that a peer may leave unread before the connection ends."""

DEAD_SECONDS = 60
"""Time after which a vanished host counts as dead."""

Accept = Callable[["Connection", "bytes | None", bytes], "bytes | None"]
Handle = Callable[["Channel"], Awaitable[None]]


def notice_silence(opened: socket.socket) -> None:
    """Enable TCP keep-alive: the kernel drops a connection about DEAD_SECONDS after the remote host vanishes.

    On platforms that lack an option, the (longer) default applies.
    """
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", DEAD_SECONDS // 2), ("TCP_KEEPINTVL", DEAD_SECONDS // 6), ("TCP_KEEPCNT", 3)):
        option = getattr(socket, name, None)
        if option is not None:
            opened.setsockopt(socket.IPPROTO_TCP, option, value)


class Connection(asyncio.BufferedProtocol):
    """An authenticated connection, made by a transport and usable once `opened` has returned.

    `path` says how the peer was reached: "static", "direct", "punched" or "relayed". `noise` is a handshake that is done already.
    `on_made` is called when the socket exists. `on_opened` is called after the handshake and before anything that the
    peer sent after it is processed, so it is the place to register what is served.
    """

    moved = False
    """Whether bytes went both ways."""

    def __init__(
        self,
        initiator: bool,
        key_pair: KeyPair,
        remote_key: bytes | None = None,
        *,
        shared: Shared,
        noise: Noise | None = None,
        path: str = "static",
        keep_alive: float | None = None,
        on_made: Callable[[Connection], None] | None = None,
        on_opened: Callable[[Connection], None] | None = None,
    ) -> None:
        self.initiator, self.path = initiator, path
        self._keep_alive_seconds = KEEP_ALIVE_SECONDS if keep_alive is None else keep_alive
        self._on_made, self._on_opened, self._shared = on_made, on_opened, shared
        self._held = 0
        self._frame_since: float | None = None
        self._settle: asyncio.TimerHandle | None = None
        self._stream = SecretStream(initiator, key_pair, remote_key, noise=noise)
        self.mux = Mux(self._write_message, self._schedule_flush)
        self.mux.on_unknown = self._unknown_protocol
        self.host = self.address = self.reason = ""
        self._transport: asyncio.Transport | None = None
        self._view = memoryview(shared.buffer)
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._opened: asyncio.Future[None] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._writable = asyncio.Event()
        self._writable.set()
        self._flushing = False
        self._out: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._sent = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._unread = self._unsent = self._frames = self._told = 0
        self._served, self._served_since = 0, loop.time()
        self._paused: set[str] = set()
        self._opens, self._opens_at = float(OPENS), loop.time()
        self._working = False
        self._idle_since: float | None = None
        self.heard_at = loop.time()
        """The time of the last message on an open channel, or of the connection's beginning (the loop's clock)."""
        self._paused_since: float | None = None
        self._paused_before = 0.0
        self.on_writable: list[Callable[[], None]] = []
        self.on_closed: list[Callable[[], None]] = []
        self.on_silent: list[Callable[[], None]] = []  # told that the peer's host may be gone; over UDX only
        self.context: dict[str, object] = {}

    # ---- state

    @property
    def remote_key(self) -> bytes:
        """The peer's static public key."""
        return self._stream.remote_key

    @property
    def handshake_hash(self) -> bytes:
        """The hash that only both sides of the connection know."""
        return self._stream.handshake_hash

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done and the connection has not ended."""
        return self._stream.opened and not self.is_closed

    @property
    def paused_seconds(self) -> float:
        """Seconds in all for which the connection was not read, while what the peer says waits."""
        since = self._paused_since
        return self._paused_before + (self._loop.time() - since if since is not None else 0.0)

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        return self._closed.done()

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up with what is written."""
        return self._writable.is_set()

    def __str__(self) -> str:
        return f"{self.remote_key.hex()[:16] or '(unknown)'}@{self.address}"

    async def opened(self) -> None:
        """Wait for the end of the handshake. Raises ConnectionClosed."""
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await asyncio.shield(self._opened)
        except TimeoutError:
            self.close(f"no handshake within {HANDSHAKE_SECONDS:.0f} s")
            raise ConnectionClosed(self.reason) from None

    async def wait_closed(self) -> None:
        """Wait for the end of the connection."""
        await asyncio.shield(self._closed)

    async def drain(self) -> None:
        """Wait until the peer keeps up. Raises ConnectionClosed."""
        self._flush()
        await self._writable.wait()
        if self.is_closed:
            raise ConnectionClosed(self.reason)

    def close(self, reason: str = "closed") -> None:
        """Close the connection after written data has left, or after CLOSE_SECONDS."""
        if self.is_closed:
            return
        self._flush()
        self.reason = self.reason or reason
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            self._loop.call_later(CLOSE_SECONDS, self._transport.abort)

    # ---- protocols on it

    def open(self, protocol: str, identifier: bytes | None, handshake: bytes = b"") -> Channel:
        """Open a channel. Raises ConnectionClosed."""
        if self.is_closed:
            raise ConnectionClosed(self.reason)
        return Channel(self, protocol, identifier, handshake)

    def on_protocol(self, protocol: str, accept: Accept, handle: Handle) -> None:
        """Serve a protocol. `accept` returns this side's handshake (None rejects), `handle` runs the channel."""

        def notify(identifier: bytes | None, handshake: bytes) -> bool:
            answer = accept(self, identifier, handshake) if len(self._tasks) < MAX_HANDLERS else None
            if answer is None:
                return False
            channel = Channel(self, protocol, identifier, answer)
            task = self._loop.create_task(self._run(channel, handle))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return True

        self.mux.on_protocol(protocol, notify)

    async def _run(self, channel: Channel, handle: Handle) -> None:
        try:
            await handle(channel)
        except (ChannelClosed, ConnectionClosed) as error:
            log.debug("channel ended", peer=str(self), protocol=channel.protocol, reason=str(error))
        except Exception as error:  # noqa: BLE001 (told with its traceback, within the bound for strangers)
            self.complain("channel failed", protocol=channel.protocol, error=str(error), exc_info=True)
        finally:
            channel.close()

    # ---- reading

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first handshake message and start the timers (asyncio's protocol)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        opened = transport.get_extra_info("socket")
        if opened is not None:
            notice_silence(opened)
        peer = transport.get_extra_info("peername")
        self.host = str(peer[0]) if peer else ""
        self.address = (f"[{self.host}]:{peer[1]}" if ":" in self.host else f"{self.host}:{peer[1]}") if peer else ""
        start = self._stream.start()
        if start:
            transport.write(start)
        self._timer = self._loop.call_later(self._keep_alive_seconds, self._keep_alive)
        if self._on_made is not None:
            self._on_made(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return the shared read buffer (asyncio's protocol)."""
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Process the bytes that were read (asyncio's protocol)."""
        self._guarded(lambda: self._take(nbytes))

    def _take(self, nbytes: int) -> None:
        was_open, self.moved = self._stream.opened, True
        messages, answer = self._stream.receive_bytes(self._view[:nbytes])
        if answer and self._transport is not None:
            self._transport.write(answer)
        if not was_open and self._stream.opened:
            self._now_open()
        for message in messages:
            self.mux.receive_frame(message)
        self._work()

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do a step of reading. Whatever it raises ends the connection, which would else stay and not be read."""
        try:
            step()
        except ProtocolError as error:
            self.fail(str(error))
        except Exception as error:  # noqa: BLE001 (told with its traceback, within the bound for strangers)
            self.complain("a message failed", error=str(error), exc_info=True)
            self.abort(f"a message failed here: {error}")
        self._flush()

    def _work(self) -> None:
        """Take some of the messages that arrived, and the rest in later turns: until then reading pauses.

        One frame can hold so many small messages that working them off would stop everything else for seconds.
        """
        if self.is_closed or self.reason:
            self.mux.halt()
            self._release()
            return
        before, opens = self.mux.heard, self.mux.opens
        more = self._unread > MAX_UNREAD_BYTES or self.mux.work(WORK)
        if self.mux.heard != before:
            self.heard_at = self._loop.time()
        wait = self._count_opens(self.mux.opens - opens)
        self._hold(self._stream.held + self.mux.held)
        if not more and wait <= 0:
            self._resume("work")
            return
        self._pause("work")
        if not self._working and self._unread <= MAX_UNREAD_BYTES:
            self._working = True
            if wait > 0:
                self._loop.call_later(wait, self._work_on)
            else:
                self.take_turn(self._work_on)

    def _work_on(self) -> None:
        self._working = False
        self._guarded(self._work)

    def _count_opens(self, opens: int) -> float:
        """Count channels that the peer opened. Return the seconds that it must wait with more."""
        now = self._loop.time()
        self._opens = min(float(OPENS), self._opens + (now - self._opens_at) * OPENS_PER_SECOND) - opens
        self._opens_at = now
        return -self._opens / OPENS_PER_SECOND

    def _pause(self, why: str) -> None:
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._paused_since = self._loop.time()
        self._paused.add(why)

    def _resume(self, why: str) -> None:
        if why not in self._paused:
            return
        self._paused.discard(why)
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused_before, self._paused_since = self.paused_seconds, None
            self._transport.resume_reading()

    def _now_open(self) -> None:
        if self._on_opened is not None:
            self._on_opened(self)
            self.mux.settle()
        else:
            self._settle = self._loop.call_later(SETTLE_SECONDS, self.mux.settle)
        if not self._opened.done():
            self._opened.set_result(None)

    def _hold(self, held: int) -> None:
        """Count the bytes of an incomplete frame. Raises ProtocolError if the transport's budget is exceeded."""
        change, self._held = held - self._held, held
        if held == 0 or self._stream.frames != self._frames:
            self._frame_since, self._frames = None, self._stream.frames
        if held and self._frame_since is None:
            self._frame_since = self._loop.time() - self.paused_seconds
        if not self._shared.change(change):
            raise ProtocolError(f"over {self._shared.limit >> 20} MiB of unfinished frames of all peers are held")

    def _release(self) -> None:
        self._shared.change(-self._held)
        self._held = 0

    def _unknown_protocol(self, protocol: str) -> None:
        self.complain("protocol refused", reason=f"{protocol!r:.100} is not served here")

    def complain(self, event: str, **fields: object) -> None:
        """Log a warning about this peer. How many there are of one peer, and of all together, is bounded."""
        self._told += 1
        if self._told <= MAX_TOLD:
            self._shared.complaints.tell(self._loop.time(), event, peer=str(self), **fields)

    def fail(self, reason: str) -> None:
        """End the connection at once because the peer broke the rules."""
        self.complain("peer refused", reason=reason)
        self.abort(reason)

    def abort(self, reason: str) -> None:
        """End the connection at once, dropping unsent data."""
        self.reason = self.reason or reason
        self._release()
        self.mux.halt()
        if self._transport is not None:
            self._transport.abort()

    def eof_received(self) -> bool:
        """Close this side as well when the peer closes (asyncio's protocol)."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Release everything when the connection has ended (asyncio's protocol)."""
        self.reason = self.reason or (f"the connection broke: {error}" if error else "the peer closed the connection")
        for timer in (self._timer, self._settle):
            if timer is not None:
                timer.cancel()
        self._release()
        if not self._closed.done():
            self._closed.set_result(None)
        if not self._opened.done():
            self._opened.set_exception(ConnectionClosed(self.reason))
            self._opened.exception()  # marks it as retrieved: possibly nobody waits for it
        self._writable.set()
        self.mux.shut(self.reason)
        for listener in list(self.on_closed):
            listener()
        self.on_closed.clear()
        self.on_writable.clear()
        self.context.clear()

    def take_turn(self, step: Callable[[], None]) -> None:
        """Call `step` in its turn among the work of all connections of this transport (`Shared.take_turn`)."""
        self._shared.take_turn(step, late=self._served > EARLY_BYTES)

    def take_serving_turn(self, step: Callable[[], None]) -> None:
        """Call `step`, which sends answers, in its turn (`Shared.take_serving_turn`)."""
        self._shared.take_serving_turn(step, late=self._served > EARLY_BYTES)

    def count_served(self, size: int) -> None:
        """Count bytes of answers: who had many in the last while gets its turns after those who had few."""
        self._shared.count_served(size)
        now = self._loop.time()
        if now - self._served_since > EARLY_SECONDS:
            self._served, self._served_since = 0, now
        self._served += size

    def unread(self, change: int) -> None:
        """Count what channels hold unread. Beyond a limit reading pauses, so the peer must wait."""
        self._unread += change
        if self._unread > MAX_UNREAD_BYTES:
            self._pause("unread")
        elif "unread" in self._paused:
            self._resume("unread")
            if "work" in self._paused and not self._working:
                self._working = True
                self.take_turn(self._work_on)

    # ---- writing

    def pause_writing(self) -> None:
        """Note that the peer does not keep up (asyncio's protocol)."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the peer keeps up again, and call the listeners (asyncio's protocol)."""
        self._unsent = 0
        self._writable.set()
        for listener in list(self.on_writable):
            listener()

    def _schedule_flush(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _write_message(self, message: bytes) -> None:
        self._out.append(self._stream.send(message))

    def _flush(self) -> None:
        self._flushing = False
        if self.is_closed or self._transport is None or not self._stream.opened:
            return
        self.mux.flush()
        if self._out:
            out, self._out = self._out, []
            self._sent = True
            data = out[0] if len(out) == 1 else b"".join(out)
            if not self.writable:  # only answers to the peer's own requests are sent regardless of back-pressure
                self._unsent += len(data)
                if self._unsent > MAX_UNSENT_BYTES:
                    self.fail(
                        f"the peer does not read the answers to its requests: over {MAX_UNSENT_BYTES >> 20} MiB are waiting"
                    )
                    return
            self._transport.write(data)

    def _keep_alive(self) -> None:
        # While reading is paused the peer cannot complete its frame, so only the time in which it was read counts.
        since, read = self._frame_since, self._loop.time() - self.paused_seconds
        if since is not None and read - since > FRAME_SECONDS:
            self.fail(f"a frame was not complete within {FRAME_SECONDS:.0f} s")
            return
        if self._is_idle():
            self.close(f"no channel was open for {IDLE_SECONDS:.0f} s")
            return
        if self._stream.opened and not self._sent and self._transport is not None and self._writable.is_set():
            self._transport.write(self._stream.keep_alive())
        self._sent = False
        self._timer = self._loop.call_later(self._keep_alive_seconds, self._keep_alive)

    @property
    def progress(self) -> int | None:
        """A number that changes with what the peer's host acknowledges, or None where only the kernel knows (TCP)."""
        return getattr(self._transport, "acked", None)

    def fell_silent(self) -> None:
        """Tell that nothing was heard of the peer's host for a while."""
        for told in list(self.on_silent):
            told()

    def poke(self) -> None:
        """Send a keep-alive message at once: whether the peer is still there is known the sooner."""
        if self.is_open and self._transport is not None and self._writable.is_set():
            self._transport.write(self._stream.keep_alive())

    def _is_idle(self) -> bool:
        """Return whether the peer dialled, and has had no channel here for IDLE_SECONDS."""
        if self.initiator or not self.mux.idle:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = self._loop.time()
        return self._idle_since is not None and self._loop.time() - self._idle_since >= IDLE_SECONDS
