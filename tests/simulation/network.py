"""A network of hosts in memory: streams with latency, bandwidth and loss, partitions, dead hosts, refused connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from .loop import LIFE, Life, VirtualLoop

RETRANSMIT_SECONDS = 0.3
DEAD_AFTER_SECONDS = 60.0
"""After so long without a word the kernel gives a connection up (`notice_silence`)."""
SYN_SECONDS = 127.0


@dataclass(slots=True)
class Host:
    """A machine: what listens on it, and how it is connected."""

    name: str
    latency: float
    bandwidth: float
    loss: float = 0.0
    island: int = 0
    """Hosts of different islands do not reach each other."""
    powered: bool = True
    listening: dict[int, tuple[Life, Callable[[], Any]]] = field(default_factory=dict)


class Network:
    """All hosts and all open streams."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.loop, self.random = loop, Random(f"{seed} network")
        self.hosts: dict[str, Host] = {}
        self.streams: dict[Stream, None] = {}
        self.bytes = 0
        self._ports = 40_000
        loop.network = self

    def add(self, name: str, latency: float, bandwidth: float) -> Host:
        """A new host; seconds, and bytes per second."""
        host = self.hosts[name] = Host(name, latency, bandwidth)
        return host

    def reachable(self, one: str, other: str) -> bool:
        """Whether packets get from one host to the other now."""
        a, b = self.hosts[one], self.hosts[other]
        return a.powered and b.powered and a.island == b.island

    def delay(self, one: str, other: str, size: int = 64) -> float:
        """How long so many bytes are under way."""
        a, b = self.hosts[one], self.hosts[other]
        seconds = (a.latency + b.latency) * (0.75 + self.random.random() / 2) + size / min(a.bandwidth, b.bandwidth)
        if self.random.random() < a.loss + b.loss:
            seconds += RETRANSMIT_SECONDS * (1 + self.random.random())
        return seconds

    # ---- what the loop calls

    def listen(self, life: Life, factory: Callable[[], Any], host: str, port: int) -> Server:
        """Listen at a port of the host whose code runs; 0 picks one. Raises OSError."""
        if not port:
            self._ports += 1
            port = self._ports
        here = self.hosts[life.host]
        if port in here.listening and here.listening[port][0].alive:
            raise OSError(98, f"port {port} of {life.host} is in use")
        here.listening[port] = life, factory
        return Server(self, life, host, port)

    async def connect(self, life: Life, factory: Callable[[], Any], name: str, port: int) -> tuple[Any, Any]:
        """Connect from the host whose code runs. Raises OSError."""
        waited = 0.0
        while not self.reachable(life.host, name):
            await asyncio.sleep(1.0)
            waited += 1.0
            if waited >= SYN_SECONDS:
                raise TimeoutError(110, "nobody answered")
        await asyncio.sleep(self.delay(life.host, name) + self.delay(name, life.host))
        there, accept = self.hosts[name].listening.get(port, (None, None))
        if there is None or accept is None or not there.alive:
            raise ConnectionRefusedError(111, f"nobody listens on port {port} of {name}")
        ours = factory()
        stream = Stream(self, (life, there))
        stream.open(ours, accept)
        return stream.ends[0], ours

    # ---- what happens to hosts

    def power_off(self, host: str, silent: bool) -> None:
        """A host's processes are gone; `silent`: so is its kernel, nobody is told."""
        here = self.hosts[host]
        here.listening.clear()
        for stream in [one for one in self.streams if host in one.hosts]:
            if silent:
                stream.cut(DEAD_AFTER_SECONDS * (0.75 + self.random.random() / 2))
            else:
                stream.cut(self.delay(*stream.hosts))

    def heal(self) -> None:
        """Packets that waited for a way go on."""
        for stream in list(self.streams):
            stream.resume()


class Server:
    """A listening port."""

    def __init__(self, network: Network, life: Life, host: str, port: int) -> None:
        self._network, self._life, self._port = network, life, port
        self.sockets = [self]
        self._name = (host, port)

    def getsockname(self) -> tuple[str, int]:
        """Host and port."""
        return self._name

    def close(self) -> None:
        """Listen no more."""
        listening = self._network.hosts[self._life.host].listening
        if listening.get(self._port, (None,))[0] is self._life:
            del listening[self._port]

    async def wait_closed(self) -> None:
        """It is."""


class Stream:
    """Two ends and what is under way between them."""

    def __init__(self, network: Network, lives: tuple[Life, Life]) -> None:
        self.network, self.lives = network, lives
        self.hosts = lives[0].host, lives[1].host
        self.ends: tuple[End, End] = End(self, 0), End(self, 1)
        self.dead = False
        network.streams[self] = None

    def open(self, ours: Any, accept: Callable[[], Any]) -> None:
        """Both protocols hear of it, each in its own life."""
        self.ends[0].protocol = ours
        network, other = self.network, self.ends[1]

        def accepted() -> None:
            other.protocol = accept()
            other.protocol.connection_made(other)
            other.read()

        ours.connection_made(self.ends[0])
        _soon(network.loop, self.lives[1], 0.0, accepted)

    def cut(self, seconds: float) -> None:
        """It is broken; each end that lives learns of it after so long."""
        if self.dead:
            return
        self.dead = True
        self.network.streams.pop(self, None)
        for end in self.ends:
            end.break_in(seconds)

    def resume(self) -> None:
        """Send on what waited."""
        for end in self.ends:
            end.pump()

    def stalled(self) -> None:
        """A packet cannot get through: after long, the kernels give up."""
        if not self.dead and not self.network.reachable(*self.hosts):
            self.cut(self.network.random.random())

    def leave(self) -> None:
        """Both ends are closed."""
        if all(end.lost for end in self.ends):
            self.network.streams.pop(self, None)


class End(asyncio.Transport):
    """One end of a stream, as a transport."""

    def __init__(self, stream: Stream, side: int) -> None:
        super().__init__()
        self.stream, self.side = stream, side
        self.protocol: Any = None
        self.lost = False
        self._closing = self._eof = False
        self._paused = self._full = False
        self._high = 64 * 1024
        self._sent: deque[bytes | None] = deque()
        self._inbox: deque[bytes | None] = deque()
        self._unread = 0
        self._pumping = self._waiting = False

    @property
    def other(self) -> End:
        """The peer's end."""
        return self.stream.ends[1 - self.side]

    @property
    def life(self) -> Life:
        """Whose end it is."""
        return self.stream.lives[self.side]

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The peer's name."""
        return (self.other.life.host, 1) if name == "peername" else default

    # ---- writing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """From how many bytes under way on the protocol must pause."""
        self._high = high or self._high

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not read."""
        return self.other._unread

    def is_closing(self) -> bool:
        """Whether it was closed here, or broke."""
        return self._closing

    def write(self, data: Any) -> None:
        """Send."""
        if self._closing or not data:
            return
        size = len(data)
        self.stream.network.bytes += size
        self.other._unread += size
        self._sent.append(bytes(data))
        self.pump()
        if not self._full and self.other._unread > self._high:
            self._full = True
            self.protocol.pause_writing()

    def pump(self) -> None:
        """Let the first of what was sent be under way."""
        if self._pumping or not self._sent or self.stream.dead:
            return
        network, hosts = self.stream.network, self._way()
        if not network.reachable(*hosts):
            # retransmitted until there is a way, or the kernel gives up
            if not self._waiting:
                self._waiting = True
                _soon(network.loop, network.loop.outside, DEAD_AFTER_SECONDS, self._waited)
            return
        self._pumping = True
        first = self._sent[0]
        _soon(network.loop, network.loop.outside, network.delay(*hosts, len(first or b"")), self._arrive)

    def _waited(self) -> None:
        self._waiting = False
        self.stream.stalled()
        self.pump()

    def _way(self) -> tuple[str, str]:
        return self.life.host, self.other.life.host

    def _arrive(self) -> None:
        self._pumping = False
        if self.stream.dead or not self._sent:
            return
        if self.stream.network.reachable(*self._way()):
            self.other._inbox.append(self._sent.popleft())
            _soon(self.stream.network.loop, self.other.life, 0.0, self.other.read)
        self.pump()

    # ---- reading

    def read(self) -> None:
        """Hand over what has arrived."""
        if self.protocol is None:
            return
        while self._inbox and not self._paused and not self.lost:
            data = self._inbox.popleft()
            if data is None:
                self._eof = True
                self._lose(None)
                return
            if not isinstance(self.protocol, asyncio.BufferedProtocol):
                self._unread -= len(data)
                self.protocol.data_received(data)
                continue
            space = self.protocol.get_buffer(-1)
            count = min(len(space), len(data))  # type: ignore[arg-type]
            space[:count] = data[:count]
            if count < len(data):
                self._inbox.appendleft(data[count:])
            self._unread -= count
            self.protocol.buffer_updated(count)
        other = self.other
        if other._full and self._unread <= other._high // 4:
            other._full = False
            _soon(self.stream.network.loop, other.life, 0.0, other.writable)

    def writable(self) -> None:
        """The peer has read."""
        if not self.lost and not self._full:
            self.protocol.resume_writing()

    def pause_reading(self) -> None:
        """See asyncio."""
        self._paused = True

    def resume_reading(self) -> None:
        """See asyncio."""
        self._paused = False
        _soon(self.stream.network.loop, self.life, 0.0, self.read)

    # ---- the end

    def close(self) -> None:
        """End it after what was sent."""
        if self._closing:
            return
        self._closing = True
        self._sent.append(None)
        self.pump()
        _soon(self.stream.network.loop, self.life, 0.0, self._lose, None)

    def abort(self) -> None:
        """End it at once; the peer hears of a reset."""
        if self.lost:
            return
        self._closing = True
        if not self.stream.dead:
            self.stream.cut(self.stream.network.delay(*self.stream.hosts))
        _soon(self.stream.network.loop, self.life, 0.0, self._lose, None)

    def break_in(self, seconds: float) -> None:
        """It breaks: the protocol is told after so long."""
        error = ConnectionResetError(104, "connection reset by peer")
        _soon(self.stream.network.loop, self.life, seconds, self._lose, error)

    def _lose(self, error: Exception | None) -> None:
        if self.lost or self.protocol is None:
            return
        self.lost = self._closing = True
        if not self.stream.dead and self._eof:
            self._sent.append(None)
            self.pump()
        self.stream.leave()
        self.protocol.connection_lost(error)


def _soon(loop: VirtualLoop, life: Life, seconds: float, callback: Callable[..., None], *args: Any) -> None:
    """Call in a life, whoever asks for it."""
    token = LIFE.set(life)
    try:
        loop.call_later(seconds, callback, *args)
    finally:
        LIFE.reset(token)
