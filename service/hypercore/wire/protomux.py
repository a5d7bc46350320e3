"""protomux: many channels on one stream, opened by (protocol, id) from either side. Sans-IO.

The bytes are specified in docs/protocol/hypercore.md section 4.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..codec import CodecError, Reader, encode_buffer, encode_string, encode_uint
from .errors import ProtocolError

BATCH, OPEN, REJECT, CLOSE = 0, 1, 2, 3
MAX_CHANNELS = 2048
MAX_PROTOCOL = 256
MAX_ID = 64
MAX_HANDSHAKE = 4096
MAX_EARLY = 32 * 1024
"""Bytes kept of one channel that the peer has opened and this side has not."""
MAX_ALL_EARLY = 256 * 1024
"""Bytes kept of all such channels."""
MESSAGE_COST = 64  # memory of a message besides its bytes
BATCH_BYTES = 1024 * 1024
MAX_BATCH = 65_536  # messages in one batch: the time is spent per message
WORK_BYTES = 4096
"""Bytes of a message that count as one more unit of work (`Mux.work`)."""
OPEN_WORK, ANSWER_WORK = 16, 4
"""Units of work of an open, and of a close or reject."""

Name = tuple[str, bytes | None]


@dataclass(eq=False, slots=True)
class Endpoint:
    """A channel's end on this side, with its callbacks.

    If it is closed before the peer answered its open, it keeps its number until the answer arrives, because the peer
    pairs by order.
    """

    name: Name
    local_id: int
    handshake: bytes
    on_open: Callable[[bytes], None]
    on_message: Callable[[int, bytes], None]
    on_close: Callable[[str], None]
    remote_id: int | None = None
    closed: bool = False

    @property
    def opened(self) -> bool:
        """Whether both sides opened it."""
        return self.remote_id is not None and not self.closed


@dataclass(eq=False, slots=True)
class _Waiting:
    """A channel that the peer has opened and this side has not, with what was already sent on it."""

    name: Name
    remote_id: int
    handshake: bytes
    early: list[tuple[int, bytes]] = field(default_factory=list)
    size: int = 0


Notify = Callable[[bytes | None, bytes], bool]


class Mux:
    """A multiplexer. `write` takes whole messages of the stream below; `schedule` is called when `flush` should come soon.

    Until `settle`, channels that the peer opens and nothing here serves yet are kept, because the owner of the
    connection may still be registering what it serves. From then on they are rejected at once.
    """

    def __init__(self, write: Callable[[bytes], None], schedule: Callable[[], None]) -> None:
        self._write, self._schedule = write, schedule
        self._local: dict[int, Endpoint] = {}
        self._remote: dict[int, Endpoint | _Waiting | None] = {}
        self._waiting: dict[Name, list[_Waiting]] = {}
        self._unpaired: dict[Name, list[Endpoint]] = {}
        self._protocols: dict[str, Notify] = {}
        self._pending: list[tuple[int, bytes]] = []
        self._pending_bytes = 0
        self._early_bytes = 0
        self._settled = False
        self._inbox: deque[bytes] = deque()
        self._batch: Iterator[tuple[int, Reader]] | None = None
        self._batch_bytes = 0
        self.held = 0
        """Bytes of received messages that wait for `work`."""
        self.opens = 0
        """Channels that the peer has opened so far."""
        self.heard = 0
        """Messages so far on channels that are open on both sides."""
        self.closed = False
        self.on_unknown: Callable[[str], None] = lambda protocol: None
        """Called with each protocol that the peer opens and nothing here serves."""

    def on_protocol(self, protocol: str, notify: Notify) -> None:
        """Serve `protocol`: when the peer opens it, `notify(id, handshake)` may `open` the same; False rejects it."""
        self._protocols[protocol] = notify
        for name, waiting in self._all_waiting():
            if name[0] == protocol:
                self._offer(name, waiting)

    def settle(self) -> None:
        """Reject what still waits, because everything served here is now registered."""
        self._settled = True
        for name, waiting in self._all_waiting():
            if name[0] not in self._protocols:
                self.on_unknown(name[0])
                self._reject(name, waiting)

    def _all_waiting(self) -> list[tuple[Name, _Waiting]]:
        return [(name, one) for name, many in self._waiting.items() for one in many]

    def open(
        self,
        protocol: str,
        identifier: bytes | None,
        handshake: bytes,
        on_open: Callable[[bytes], None],
        on_message: Callable[[int, bytes], None],
        on_close: Callable[[str], None],
    ) -> Endpoint:
        """Open a channel from this side. Raises ProtocolError if there are too many."""
        if len(self._local) >= MAX_CHANNELS:
            raise ProtocolError(f"more than {MAX_CHANNELS} channels")
        local_id = next(number for number in range(1, MAX_CHANNELS + 2) if number not in self._local)
        name = (protocol, identifier)
        endpoint = Endpoint(name, local_id, handshake, on_open, on_message, on_close)
        self._local[local_id] = endpoint
        body = encode_uint(local_id) + encode_string(protocol) + encode_buffer(identifier or b"") + handshake
        self._control(OPEN, body)
        waiting = self._waiting.get(name)
        if waiting:
            first = waiting[0]
            self._take_waiting(name, first)
            self._pair(endpoint, first)
        else:
            self._unpaired.setdefault(name, []).append(endpoint)
        return endpoint

    def _take_waiting(self, name: Name, one: _Waiting) -> None:
        waiting = self._waiting[name]
        waiting.remove(one)
        if not waiting:
            del self._waiting[name]
        self._early_bytes -= one.size

    def send(self, endpoint: Endpoint, kind: int, body: bytes) -> None:
        """Queue a message. It leaves with the next flush."""
        if endpoint.closed:
            return
        self._queue(endpoint.local_id, encode_uint(kind) + body)

    def close(self, endpoint: Endpoint, reason: str = "closed") -> None:
        """Close a channel from this side."""
        if endpoint.closed:
            return
        self._control(CLOSE, encode_uint(endpoint.local_id))
        self._end(endpoint, reason)

    def flush(self) -> None:
        """Write all queued messages as one message of the stream."""
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        if not pending:
            return
        if len(pending) == 1:
            channel, body = pending[0]
            self._write(encode_uint(channel) + body)
            return
        channel = pending[0][0]
        parts = [b"\0\0", encode_uint(channel)]
        for owner, body in pending:
            if owner != channel:
                channel = owner
                parts.append(b"\0" + encode_uint(channel))
            parts.append(encode_uint(len(body)))
            parts.append(body)
        self._write(b"".join(parts))

    def halt(self) -> None:
        """Take and send nothing more: the peer broke the rules, and the connection is about to end."""
        self.closed = True
        self._pending = []
        self._drop_received()

    def _drop_received(self) -> None:
        self._inbox.clear()
        self._batch, self._batch_bytes, self.held = None, 0, 0

    def shut(self, reason: str) -> None:
        """End all channels, because the stream has ended."""
        self.closed = True
        self._pending = []
        self._drop_received()
        for endpoint in list(self._local.values()):
            self._end(endpoint, reason)
        self._local.clear()
        self._unpaired.clear()
        self._waiting.clear()
        self._remote.clear()
        # the connection is known by these and knows this: without the circle both are freed at once
        self._protocols.clear()
        self._write, self._schedule, self.on_unknown = _ignore, _ignore, _ignore

    @property
    def idle(self) -> bool:
        """Whether no channel is open or being opened."""
        return not self._local and not self._waiting

    def receive_frame(self, message: bytes) -> None:
        """Take a message of the stream. What is in it waits for `work`."""
        if not self.closed:
            self._inbox.append(message)
            self.held += len(message)

    def work(self, budget: int | None = None) -> bool:
        """Dispatch what was received until `budget` units of work are done. Return whether any is left.

        A message is one unit and one more for each WORK_BYTES, since one frame can hold tens of thousands. Raises
        ProtocolError.
        """
        left = budget
        try:
            while not self.closed and (left is None or left > 0):
                found = self._next_received()
                if found is None:
                    return False
                spent = self._dispatch(*found)
                if left is not None:
                    left -= spent
        except CodecError as error:
            raise ProtocolError(f"a protomux message does not decode: {error}") from error
        return bool(self._inbox) or self._batch is not None

    def _next_received(self) -> tuple[int, Reader] | None:
        """Return the next single message and its channel."""
        while True:
            if self._batch is not None:
                found = next(self._batch, None)
                if found is not None:
                    return found
                self.held -= self._batch_bytes
                self._batch, self._batch_bytes = None, 0
            if not self._inbox:
                return None
            message = self._inbox.popleft()
            reader = Reader(message)
            channel = reader.uint("channel")
            if channel == 0 and reader.left and reader.data[reader.offset] == BATCH:
                reader.offset += 1
                self._batch, self._batch_bytes = _messages(reader), len(message)
            else:
                self.held -= len(message)
                return channel, reader

    def _control(self, kind: int, body: bytes) -> None:
        self._queue(0, encode_uint(kind) + body)

    def _queue(self, channel: int, body: bytes) -> None:
        if self.closed:
            return
        if self._pending_bytes + len(body) > BATCH_BYTES or len(self._pending) >= MAX_BATCH:
            self.flush()
        if not self._pending:
            self._schedule()
        self._pending.append((channel, body))
        self._pending_bytes += len(body)

    def _dispatch(self, channel: int, reader: Reader) -> int:
        """Take one message. Return the units of work that it was."""
        if channel == 0:
            return self._take_control(reader)
        found = self._remote.get(channel)
        if found is None:
            return 1  # already closed on this side
        kind = reader.uint("message type")
        body = reader.rest()
        work = 1 + len(body) // WORK_BYTES
        if isinstance(found, Endpoint):
            self.heard += 1
            found.on_message(kind, body)
            return work
        cost = len(body) + MESSAGE_COST
        found.size += cost
        self._early_bytes += cost
        if found.size > MAX_EARLY or self._early_bytes > MAX_ALL_EARLY:
            raise ProtocolError(f"more than {MAX_EARLY >> 10} KiB on a channel that is not open")
        found.early.append((kind, body))
        return work

    def _take_control(self, reader: Reader) -> int:
        if not reader.left:
            return 1
        kind = reader.uint("control type")
        if kind == BATCH:
            raise ProtocolError("a batch within a batch")
        if kind == OPEN:
            self.opens += 1
            self._take_open(reader)
            return OPEN_WORK
        if kind == REJECT:
            self._take_reject(reader.uint("rejected channel"))
        elif kind == CLOSE:
            self._take_close(reader.uint("closed channel"))
        return ANSWER_WORK

    def _take_reject(self, local_id: int) -> None:
        endpoint = self._local.get(local_id)
        if endpoint is None or endpoint.remote_id is not None:
            raise ProtocolError(f"the peer rejected channel {local_id}, which is not waiting for an answer")
        self._answered(endpoint)
        del self._local[local_id]
        self._end(endpoint, "the peer does not serve that")

    def _take_open(self, reader: Reader) -> None:
        remote_id = reader.uint("channel")
        protocol = reader.string(MAX_PROTOCOL, "protocol")
        identifier = reader.buffer(MAX_ID, "channel id") or None
        if reader.left > MAX_HANDSHAKE:
            raise ProtocolError(f"a channel's handshake of {reader.left} bytes")
        handshake = reader.rest()
        if remote_id == 0 or remote_id > len(self._remote) + 1 or self._remote.get(remote_id) is not None:
            raise ProtocolError(f"the peer opened channel {remote_id}, which is taken or skips a number")
        if remote_id > MAX_CHANNELS:
            raise ProtocolError(f"more than {MAX_CHANNELS} channels")
        name = (protocol, identifier)
        waiting = _Waiting(name, remote_id, handshake)
        unpaired = self._unpaired.get(name)
        if unpaired:
            endpoint = unpaired[0]
            self._answered(endpoint)
            if endpoint.closed:
                # This answers an open that was taken back, so neither number is in use any longer. Close it once more,
                # because an npm peer misses a close that arrives while it is still deciding about the open.
                self._remote[remote_id] = None
                del self._local[endpoint.local_id]
                self._control(CLOSE, encode_uint(endpoint.local_id))
            else:
                self._pair(endpoint, waiting)
            return
        self._remote[remote_id] = waiting
        self._waiting.setdefault(name, []).append(waiting)
        self._offer(name, waiting)

    def _offer(self, name: Name, waiting: _Waiting) -> None:
        """Let the protocol's server open the channel from this side."""
        notify = self._protocols.get(name[0])
        if notify is None and not self._settled:
            return
        if notify is None:
            self.on_unknown(name[0])
        accepted = notify is not None and notify(name[1], waiting.handshake)
        if not accepted:
            self._reject(name, waiting)

    def _reject(self, name: Name, waiting: _Waiting) -> None:
        if waiting not in self._waiting.get(name, ()):
            return  # it was opened in the end
        self._take_waiting(name, waiting)
        self._remote[waiting.remote_id] = None
        self._control(REJECT, encode_uint(waiting.remote_id))

    def _take_close(self, remote_id: int) -> None:
        found = self._remote.get(remote_id)
        if isinstance(found, Endpoint):
            self._end(found, "the peer closed it")
        elif found is not None:
            self._reject(found.name, found)  # the peer expects an answer to its open

    def _pair(self, endpoint: Endpoint, waiting: _Waiting) -> None:
        endpoint.remote_id = waiting.remote_id
        self._remote[waiting.remote_id] = endpoint
        endpoint.on_open(waiting.handshake)
        for kind, body in waiting.early:
            if not endpoint.closed:
                endpoint.on_message(kind, body)

    def _end(self, endpoint: Endpoint, reason: str) -> None:
        if endpoint.closed:
            return
        endpoint.closed = True
        if endpoint.remote_id is not None:
            self._local.pop(endpoint.local_id, None)
            self._remote[endpoint.remote_id] = None
        endpoint.on_close(reason)

    def _answered(self, endpoint: Endpoint) -> None:
        """Note that the peer answered the open."""
        waiting = self._unpaired[endpoint.name]
        waiting.remove(endpoint)
        if not waiting:
            del self._unpaired[endpoint.name]


def _messages(batch: Reader) -> Iterator[tuple[int, Reader]]:
    """Yield the messages of a batch with their channels. Raises ProtocolError and CodecError."""
    channel = batch.uint("channel")
    count = 0
    while batch.left:
        count += 1
        if count > 2 * MAX_BATCH:  # each may be led by a change of channel
            raise ProtocolError(f"more than {MAX_BATCH} messages in a batch")
        size = batch.uint("length in a batch")
        if size == 0:
            channel = batch.uint("channel")
            yield 0, Reader(b"")  # nothing to take, yet it took time
            continue
        end = batch.offset + size
        if end > batch.end_offset:
            raise CodecError(f"a batched message of {size} bytes at offset {batch.offset}")
        yield channel, Reader(batch.data, batch.offset, end)
        batch.offset = end


def _ignore(*_: object) -> None:
    """Take nothing from a stream that has ended."""
