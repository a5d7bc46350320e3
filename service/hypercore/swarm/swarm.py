"""A swarm: connections with all peers that meet under a topic, and with those that are asked for by their key.

What npm hyperswarm does, with its words: `join`, `leave`, `join_peer`, `leave_peer`, `flush`, `suspend`, `resume`.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType

import structlog

from ..crypto import KeyPair
from ..net.connection import Connection
from ..wire.errors import ConnectError
from .dht.messages import FoundPeer
from .discovery import Errand
from .network import SwarmListener, SwarmNetwork, needs_relay
from .peers import PeerInfo
from .policy import DialOrder, Ruling, SwarmLimits, SwarmPolicy
from .renewals import Renewals
from .topics import JoinedTopic, TopicSession

log = structlog.get_logger(__name__)

KEY_BYTES = 32
DIAL_SECONDS = 90.0
"""Time for one connection, by whatever path: the slowest hole punching takes some 40 s."""
MAX_ERRANDS = 16
"""Topics that the DHT is asked about at a time."""
WITHDRAW_SECONDS = 20.0
"""Time to tell the DHT that a topic was left: whoever closes a swarm does not wait for nodes that are gone."""
CLOSING_SECONDS = 1.0
"""Time for a peer to end its side when the swarm is closed or suspended."""
LOOK_SECONDS = 30.0
"""At least so often it looks at the clock, as timers stand still while the machine sleeps."""


def awake_seconds() -> float:
    """Return the seconds since the machine was started, those in which it slept too."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Swarm:
    """Connections with peers, as an asynchronous context manager, and as an asynchronous iterator of what is new.

    It uses the node of the DHT, and leaves it open at the end. `on_connection` is called for each new connection before
    anything that the peer sent is processed further: the place to register what is served.
    """

    def __init__(
        self,
        dht: SwarmNetwork,
        pair: KeyPair | None = None,
        *,
        limits: SwarmLimits | None = None,
        firewall: Callable[[bytes], bool] = lambda key: False,
        relay_through: bytes | None = None,
        on_connection: Callable[[Connection], None] | None = None,
        clock: Callable[[], float] = awake_seconds,
        chance: random.Random | None = None,
    ) -> None:
        """Prepare it. `firewall` says which keys are refused.

        `relay_through` is the key of a blind relay, for peers to which there is no other way: after a dial that has shown that, and
        for those who dial here and name the same relay.
        """
        self.dht, self.pair = dht, pair or KeyPair.generate()
        self.stats: Counter[str] = Counter()
        """How often something happened: dialled, opened, failed, taken, closed, and refusals by their reason."""
        self._chance = chance or random.Random(secrets.randbits(64))
        self._firewall = firewall
        self._policy = SwarmPolicy(self.pair.public, self._chance, limits, self._is_refused)
        self._relay_through, self._on_connection, self._clock = relay_through, on_connection, clock
        self._topics: dict[bytes, JoinedTopic] = {}
        self._leaving: dict[bytes, asyncio.Task[None]] = {}
        self._connections: dict[bytes, Connection] = {}
        self._dials: dict[bytes, asyncio.Task[None]] = {}
        self._renewals = Renewals(self._policy, self._connect, self._swap)
        self._fresh: deque[Connection] = deque()
        self._changed = asyncio.Event()
        self._flushes: list[tuple[set[bytes], asyncio.Future[bool]]] = []
        self._errands = asyncio.Semaphore(MAX_ERRANDS)
        self._changing = asyncio.Lock()
        self._server: asyncio.Task[None] | None = None
        self._listening: asyncio.Future[SwarmListener] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def __aenter__(self) -> Swarm:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ---- what is asked for

    def join(self, topic: bytes, *, server: bool = True, client: bool = True) -> TopicSession:
        """Meet peers under a topic: as server be found, as client find. Return the session, which can be left.

        Raises ValueError: no topic, neither of the two, too many topics, or the swarm is closed.
        """
        self._must_be_open()
        if len(topic) != KEY_BYTES:
            raise ValueError(f"a topic has {KEY_BYTES} bytes, not {len(topic)}")
        if not (server or client):
            raise ValueError("joining as neither server nor client does nothing")
        self._policy.join(topic)
        joined = self._topics.get(topic)
        if joined is None:
            joined = self._topics[topic] = JoinedTopic(topic, self._ask, self._clock, self._chance)
            joined.suspended = self._policy.suspended
        session = TopicSession(joined, server, client, self._pump, self._leave_if_empty)
        joined.sessions.add(session)
        joined.count()
        joined.hurry()
        self._pump()
        return session

    async def leave(self, topic: bytes) -> None:
        """End all sessions of a topic, and tell the DHT. Connections stay."""
        joined = self._topics.get(topic)
        if joined is not None:
            joined.sessions.clear()
            joined.count()
            await self._leave_if_empty(joined)

    def join_peer(self, key: bytes) -> None:
        """Connect to a peer by its key, and again whenever the connection ends. Raises ValueError."""
        self._must_be_open()
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
        self._policy.join_peer(key, self._clock())
        self._pump()

    def leave_peer(self, key: bytes) -> None:
        """Connect to a peer no more. A connection that is there stays."""
        self._policy.leave_peer(key)

    def ban(self, key: bytes) -> None:
        """End the connection with a peer, and make none until `unban`."""
        self._policy.ban(key)
        dialling = key in self._dials
        self._drop(key, "this peer was banned")
        if dialling:
            self._policy.failed(key, self._clock())
        self._pump()

    def unban(self, key: bytes) -> None:
        """Let a peer connect again."""
        self._policy.unban(key)

    async def flush(self) -> bool:
        """Wait until all topics were looked up and whom that found was dialled. Return False if the swarm was closed."""
        await asyncio.gather(*(joined.settled() for joined in self._topics.values()))
        if self._closed:
            return False
        over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._flushes.append((self._policy.outstanding(), over))
        self._pump()
        return await over

    def network_changed(self) -> None:
        """Tell it that the machine's addresses are others (`AddressWatch` does so by itself, on Linux).

        Topics are announced at once. Connections are tested, and peers that were dialled here and whose host does not answer
        within a second are dialled anew; until that succeeds the old connection stays.
        """
        if self._closed or self._policy.suspended:
            return
        if self._listening is not None and self._listening.done() and not self._listening.exception():
            self._listening.result().refresh()
        for joined in self._topics.values():
            joined.hurry()
        self.dht.network_changed()
        self._renewals.test(self.connections)
        self._pump()

    async def suspend(self) -> None:
        """End all connections, be found no longer, and do nothing until `resume`."""
        async with self._changing:
            if not self._policy.suspended and not self._closed:
                await self._stop("the swarm was suspended")
                self._pump()

    async def resume(self) -> None:
        """Go on after `suspend`. Raises ValueError if the swarm was closed."""
        async with self._changing:
            self._must_be_open()
            if self._policy.suspended:
                self._policy.resume(self._clock())
                for joined in self._topics.values():
                    joined.suspended = False
                    joined.hurry()
                self._pump()

    async def close(self) -> None:
        """End it all, and be found no longer. Iterators end, also if whoever closes it gives up waiting."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        try:
            async with self._changing:
                if not self._policy.suspended:
                    await self._stop("the swarm was closed")
            await asyncio.gather(*self._leaving.values())
        finally:
            for joined in self._topics.values():
                joined.sessions.clear()
            self._topics.clear()
            for over in (over for _, over in self._flushes if not over.done()):
                over.set_result(False)
            self._changed.set()

    def _is_refused(self, key: bytes) -> bool:
        try:
            return self._firewall(key)
        except Exception as error:
            log.error("the firewall failed: the peer is refused", peer=key.hex()[:16], error=str(error), exc_info=True)
            return True

    def _must_be_open(self) -> None:
        if self._closed:
            raise ValueError("the swarm was closed")

    # ---- what there is

    @property
    def connections(self) -> frozenset[Connection]:
        """The connections that are open."""
        return frozenset(self._connections.values())

    def connection(self, key: bytes) -> Connection | None:
        """Return the connection with a peer, if there is one."""
        return self._connections.get(key)

    @property
    def peers(self) -> list[PeerInfo]:
        """All peers that it knows."""
        return [PeerInfo.of(peer) for peer in self._policy]

    def peer(self, key: bytes) -> PeerInfo | None:
        """Return what is known of a peer."""
        peer = self._policy.peers.get(key)
        return None if peer is None else PeerInfo.of(peer)

    async def __aiter__(self) -> AsyncIterator[Connection]:
        """Give each new connection once, the first of them as soon as it is open, until the swarm is closed."""
        while True:
            while self._fresh:
                yield self._fresh.popleft()
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    # ---- topics

    async def _ask(self, joined: JoinedTopic, errand: Errand) -> None:
        leaving = self._leaving.get(joined.topic)
        if leaving is not None:
            await asyncio.wait({leaving})

        def found(peer: FoundPeer) -> None:
            if joined.discovery.clients and self._topics.get(joined.topic) is joined:
                self._policy.found(joined.topic, peer.key, peer.relays, self._clock())
                self._pump()

        async with self._errands:
            if errand is Errand.ANNOUNCE:
                server = await self.listen()
                await self.dht.announce(joined.topic, self.pair, server.relays, found)
                return
            if errand is Errand.WITHDRAW:
                await self.dht.unannounce(joined.topic, self.pair)
            if joined.discovery.clients:
                await self.dht.lookup(joined.topic, found)

    async def _leave_if_empty(self, joined: JoinedTopic) -> None:
        if joined.sessions or self._topics.get(joined.topic) is not joined:
            self._pump()
            return
        del self._topics[joined.topic]
        self._policy.leave(joined.topic)
        joined.stop()
        joined.suspended = True
        task = asyncio.get_running_loop().create_task(self._withdraw(joined, self._leaving.get(joined.topic)))
        self._leaving[joined.topic] = task
        try:
            await asyncio.shield(task)
        finally:
            self._pump()

    async def _withdraw(self, joined: JoinedTopic, before: asyncio.Task[None] | None = None) -> None:
        """Have the DHT forget this peer under a topic. That it cannot be told is no failure: it forgets by itself."""
        try:
            if before is not None:
                await asyncio.wait({before})
            if joined.discovery.announced:
                async with asyncio.timeout(WITHDRAW_SECONDS), self._errands:
                    await self.dht.unannounce(joined.topic, self.pair)
                joined.discovery.announced = False
        except Exception as error:  # noqa: BLE001 (told; the records of the DHT end by themselves)
            log.info("topic not withdrawn", topic=str(joined), reason=str(error) or "not in time")
        finally:
            if self._leaving.get(joined.topic) is asyncio.current_task():
                del self._leaving[joined.topic]

    # ---- those who dial

    async def listen(self) -> SwarmListener:
        """Take connections that others dial; joining as server does it by itself.

        Raises what the DHT raises, and ValueError if the swarm is suspended or was closed.
        """
        self._must_be_open()
        if self._policy.suspended:
            raise ValueError("the swarm is suspended: resume it first")
        if self._listening is None:
            loop = asyncio.get_running_loop()
            self._listening = loop.create_future()
            self._server = loop.create_task(self._serve(self._listening))
        return await asyncio.shield(self._listening)

    async def _serve(self, listening: asyncio.Future[SwarmListener]) -> None:
        try:
            async with self.dht.listen(
                self.pair, firewall=self._policy.refuses, may_relay=lambda key: key == self._relay_through
            ) as server:
                listening.set_result(server)
                async for connection in server:
                    self._incoming(connection)
        except Exception as error:
            if listening.done():
                log.error("the server of a swarm failed", error=str(error), exc_info=True)
            else:
                listening.set_exception(error)
        finally:
            if self._listening is listening:
                self._listening = self._server = None
            if not listening.done():
                listening.set_exception(OSError("the server was closed before it listened"))
            listening.exception()  # marks it as retrieved: possibly nobody waits for it any more

    def _incoming(self, connection: Connection) -> None:
        key = connection.remote_key
        there = self._connections.get(key)
        ruling = self._policy.incoming(key, connection.host, self._clock(), moved=there is not None and there.moved)
        if ruling in (Ruling.TAKE, Ruling.REPLACE):
            if ruling is Ruling.REPLACE:
                self._drop(key, "the peer has made another connection")
            self.stats["taken"] += 1
            self._admit(connection)
        else:
            if ruling is Ruling.DUPLICATE and there is not None:
                there.poke()
            self.stats[ruling.value] += 1
            connection.close(ruling.value)
        self._pump()

    # ---- those who are dialled

    def _pump(self) -> None:
        """Do all that is due, and be woken when more is."""
        if self._closed:
            return
        loop, now = asyncio.get_running_loop(), self._clock()
        for joined in self._topics.values():
            joined.wake()
        while (order := self._policy.next_dial(now)) is not None:
            self.stats["dialled"] += 1
            self._dials[order.key] = loop.create_task(self._dial(order))
        self._finish_flushes()
        if self._timer is not None:
            self._timer.cancel()
        at = min(self._policy.deadline(), *(joined.deadline() for joined in self._topics.values()), now + LOOK_SECONDS)
        self._timer = loop.call_later(max(0.0, at - now), self._pump)

    def _finish_flushes(self) -> None:
        if not self._flushes:
            return
        outstanding, stalled = self._policy.outstanding(), self._policy.is_stalled
        for wanted, over in self._flushes:
            wanted &= outstanding
            if not over.done() and (stalled or not wanted):
                over.set_result(True)
        self._flushes = [(wanted, over) for wanted, over in self._flushes if not over.done()]

    async def _connect(self, order: DialOrder) -> Connection:
        through = self._relay_through if order.force_relay else None
        async with asyncio.timeout(DIAL_SECONDS):
            return await self.dht.connect(order.key, pair=self.pair, relays=order.relays, relay_through=through)

    async def _dial(self, order: DialOrder) -> None:
        """Dial a peer. Whoever cancels this has told the policy what becomes of the peer."""
        try:
            connection = await self._connect(order)
        except (ConnectError, TimeoutError, OSError) as error:
            log.debug("peer not reached", peer=order.key.hex()[:16], reason=str(error) or "no answer in time")
            self._not_reached(order.key, self._relay_through is not None and needs_relay(error))
        except Exception as error:
            log.error("dialling failed", peer=order.key.hex()[:16], error=str(error), exc_info=True)
            self._not_reached(order.key, False)
        else:
            del self._dials[order.key]
            if self._policy.opened(order.key, connection.host, self._clock()):
                self.stats["opened"] += 1
                self._admit(connection)
            else:
                self.stats[Ruling.CROWDED.value] += 1
                connection.close(Ruling.CROWDED.value)
        self._pump()

    def _not_reached(self, key: bytes, force_relay: bool) -> None:
        del self._dials[key]
        self.stats["failed"] += 1
        self._policy.failed(key, self._clock(), force_relay=force_relay)

    # ---- connections

    def _admit(self, connection: Connection) -> None:
        self._connections[connection.remote_key] = connection
        connection.on_closed.append(lambda: self._ended(connection))
        connection.on_silent.append(lambda: self._renewals.test([connection]))
        try:
            if self._on_connection is not None:
                self._on_connection(connection)
        except Exception as error:
            log.error("a new connection failed here", peer=str(connection), error=str(error), exc_info=True)
            connection.close(f"it failed here: {error}")
        if connection.is_closed:
            self._ended(connection)
            return
        self._fresh.append(connection)
        self._changed.set()

    def _swap(self, old: Connection, new: Connection) -> None:
        """Put a connection that was dialled anew in the place of one that seems dead."""
        self.stats["renewed"] += 1
        self._policy.renewed(new.remote_key, new.host, self._clock())
        self._admit(new)
        old.abort("the network has changed: another connection was made")

    def _ended(self, connection: Connection) -> None:
        self.stats["closed"] += 1
        if connection in self._fresh:
            self._fresh.remove(connection)
        if self._connections.get(connection.remote_key) is connection:
            del self._connections[connection.remote_key]
            self._policy.ended(connection.remote_key, self._clock())
            self._pump()

    def _drop(self, key: bytes, reason: str) -> None:
        """End what there is with a peer, dialling or connection."""
        dial = self._dials.pop(key, None)
        if dial is not None:
            dial.cancel()
        connection = self._connections.get(key)
        if connection is not None:
            connection.close(reason)

    async def _stop(self, reason: str) -> None:
        """End everything but the memory of what was asked for."""
        self._policy.suspend(self._clock())
        dials, self._dials = list(self._dials.values()), {}
        connections, self._connections = list(self._connections.values()), {}
        tasks = [*dials, *self._renewals.stop(), *filter(None, [self._server])]
        self._server = self._listening = None
        for task in tasks:
            task.cancel()
        for connection in connections:
            connection.close(reason)
        for joined in self._topics.values():
            joined.stop()
            joined.suspended = True
        await asyncio.gather(*map(self._withdraw, self._topics.values()))
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.gather(*(_end(connection, reason) for connection in connections))
        self._fresh.clear()


async def _end(connection: Connection, reason: str) -> None:
    """Wait for the end of a connection that was closed, and no longer than it takes what was written to leave."""
    try:
        async with asyncio.timeout(CLOSING_SECONDS):
            await connection.wait_closed()
    except TimeoutError:
        connection.abort(reason)  # npm's peers that do not read do not end their side either
        await connection.wait_closed()
