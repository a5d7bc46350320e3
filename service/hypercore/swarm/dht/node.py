"""A node of the DHT, without sockets and without a clock: it takes datagrams and the time, and leaves datagrams in `out`.

A node that nobody can reach only asks, from its client socket. One that stays and can be reached has the id of its address,
tells it, is in others' tables, and keeps what others store.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...codec import CodecError, Reader
from .address import ADDRESS_BYTES, Address, decode_address, node_id
from .limits import RequestLimits
from .messages import Command
from .nat import LatestSamples, OwnAddress
from .openness import OnChecked, OpenCheck
from .punches import Punches
from .query import Answerer, Query
from .records import Outcome, Records
from .relays import Relays
from .requests import SENDS, Asked, Datagram, OnFailure, OnReply, Port, Requests, Via
from .rpc import DhtReply, DhtRequest, Internal, RpcFault, decode
from .table import ROW_NODES, LatestNodes, RoutingTable
from .timers import Timers
from .tokens import Tokens

TICK_SECONDS = 5.0
PING_TICKS, PINGS = 8, 5
"""Each so many ticks, so many of the nodes that have been silent for longest are asked whether they are there."""
REFRESH_TICKS, REFRESH_TICKS_FEW = 60, 64
"""Ticks without a query after which one is made, and between them while fewer than 20 nodes are known."""
FRESH_TICKS, OLD_TICKS = 12, 360
STABLE_TICKS, MORE_STABLE_TICKS = 240, 720
"""Ticks with one address after which a node that can be reached stays, and between the checks after the first one."""
MAX_CHECKS, MAX_SWAPS = 10, 3
QUERY_SENDS = 6
MAX_DELAY_MS = 10_000
MAX_DELAYED = 64
_COMMANDS = frozenset(Command)


@dataclass(slots=True, eq=False)
class KnownNode:
    """A node of the table."""

    id: bytes
    address: Address
    added: int
    seen: int
    pinged: int = 0


OnRequest = Callable[[DhtRequest, Address, Port, float], bool]
"""Takes a request that the records do not answer. Return whether it was taken."""


class DhtNode:
    """A node. With `address`, that of its server socket as all others see it, it stays from the beginning."""

    def __init__(
        self,
        bootstrap: Iterable[Address],
        now: float,
        chance: random.Random,
        address: Address | None = None,
        clock_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self.bootstrap = tuple(bootstrap)
        self.address, self.is_given = address, address is not None
        self.requests = Requests(chance)
        self.records = Records(chance)
        self.own = OwnAddress()
        self.open_address = address
        """Where everybody can reach this node, as far as it knows: of one that stays, and of one that was found to be open."""
        self.server_port: int | None = None
        """The port of the server socket. With it the node finds out whether it can stay, and does so after a while."""
        self.samples = LatestSamples()
        """What others say of the socket from which this node asks."""
        self.timers = Timers()
        self.punches = Punches(self.requests.out)
        self.on_request: OnRequest | None = None
        own = chance.randbytes(32) if address is None else node_id(address)
        self.table: RoutingTable[KnownNode] = RoutingTable(own)
        self.refused = 0
        """Requests that were not answered, as their host asked too much."""
        self._relays = Relays(self.records.route, self.pass_on, self.reply)
        self._chance, self._clock_ms = chance, clock_ms
        self._tokens = Tokens(now)
        self.limits = RequestLimits(self._relays.is_awaited)
        self._latest = LatestNodes()
        self._stable_ticks, self._stable_host = STABLE_TICKS, ""
        self._ticks, self._next_tick, self._last_query = 0, now + TICK_SECONDS, 0
        self._running: set[RunningQuery] = set()
        self._checks: set[bytes] = set()
        self._swaps: set[bytes] = set()
        self._delayed: list[tuple[float, DhtRequest, Address, Port]] = []

    @property
    def id(self) -> bytes | None:
        """The id that is told to others, None for a node that does not stay."""
        return None if self.address is None else self.table.id

    @property
    def _asks_by(self) -> Via:
        return Via.CLIENT if self.open_address is None else Via.SERVER

    @property
    def out(self) -> list[Datagram]:
        """What is to be sent. Whoever sends it empties the list."""
        return self.requests.out

    def latest(self) -> list[Address]:
        """Return the nodes that answered last, the last one first."""
        return self._latest.newest_first()

    # ---- what comes

    def take(self, data: bytes, sender: Address, via: Port, now: float) -> bool:
        """Take a datagram. Return whether it is a message of the DHT."""
        if len(data) == 1:
            self.punches.take(via, sender, now)
            return True
        try:
            message = decode(data, sender)
        except CodecError:
            return False
        if message.id is not None:
            self._heard(message.id, sender, now)
        if isinstance(message, DhtReply):
            asked = self.requests.take(message, sender, now, via)
            if asked is not None and message.id is not None:
                self._latest.add(sender)
            if asked is not None and asked.via is self._asks_by:
                self.own.add(message.to)
                self.samples.add(message.to, sender)
        elif self.limits.allow(message, sender, now):
            self._answer(message, sender, via, now)
        else:
            self.refused += 1
        return True

    def _heard(self, identity: bytes, address: Address, now: float) -> None:
        known = self.table.get(identity)
        if known is not None:
            known.seen = known.pinged = self._ticks
            return
        new = KnownNode(identity, address, self._ticks, self._ticks, self._ticks)
        if not self.table.add(new) and identity != self.table.id:
            self._try_to_swap(new, now)

    def _try_to_swap(self, new: KnownNode, now: float) -> None:
        """Ask the oldest node of a full row whether it is there. If not, the new one takes its place."""
        row = self.table.row(new.id)
        oldest = min(row, key=lambda one: (one.pinged, one.added))
        if len(self._swaps) >= MAX_SWAPS or oldest.id in self._swaps:
            return
        if self._ticks - oldest.pinged < FRESH_TICKS and self._ticks - oldest.added > OLD_TICKS:
            return
        oldest.pinged = self._ticks
        self._swaps.add(oldest.id)

        def there(reply: DhtReply, sender: Address, now: float) -> None:
            self._swaps.discard(oldest.id)

        def gone(now: float) -> None:
            self._swaps.discard(oldest.id)
            self.table.remove(oldest.id)
            self.table.add(new)

        self.ask(oldest.address, Internal.PING, there, gone, now, internal=True)

    # ---- what is asked of it

    def _answer(self, request: DhtRequest, sender: Address, via: Port, now: float) -> None:
        if request.internal:
            self._answer_internal(request, sender, via, now)
            return
        if self.on_request is not None and self.on_request(request, sender, via, now):
            return
        if self._relays.take(request, sender, via, now):
            return
        if request.command not in _COMMANDS:
            self._reply(request, sender, via, Outcome(error=RpcFault.UNKNOWN_COMMAND, token=False), now)
            return
        good = request.token is not None and self._tokens.good(request.token, sender.host, now)
        if request.token is not None and not good:
            self._reply(request, sender, via, Outcome(error=RpcFault.INVALID_TOKEN), now)
            return
        try:
            outcome = self.records.handle(request, sender, self.table.id, good, now, self._clock_ms())
        except CodecError:
            return
        if outcome is not None:
            self._reply(request, sender, via, outcome, now)

    def _answer_internal(self, request: DhtRequest, sender: Address, via: Port, now: float) -> None:
        plain = Outcome(closer=False, token=False)
        match request.command:
            case Internal.PING:
                self._reply(request, sender, via, plain, now)
            case Internal.PING_NAT:
                port = int.from_bytes((request.value or b"")[:2], "little")
                if port:
                    self._reply(request, Address(sender.host, port), via, plain, now)
            case Internal.FIND_NODE:
                if request.target is not None:
                    self._reply(request, sender, via, Outcome(token=False), now)
            case Internal.DOWN_HINT:
                if request.value is not None and len(request.value) >= ADDRESS_BYTES:
                    self.look_after(decode_address(Reader(request.value)), now)
                    self._reply(request, sender, via, plain, now)
            case Internal.DELAYED_PING:
                delay = int.from_bytes((request.value or b"")[:4], "little")
                if delay <= MAX_DELAY_MS and len(self._delayed) < MAX_DELAYED:
                    self._delayed.append((now + delay / 1000, request, sender, via))
            case _:
                self._reply(request, sender, via, Outcome(error=RpcFault.UNKNOWN_COMMAND, token=False), now)

    def _reply(self, request: DhtRequest, to: Address, via: Port, outcome: Outcome, now: float) -> None:
        closer = self._closer(request) if outcome.closer else ()
        token = self._tokens.issue(to.host, now) if outcome.token else None
        own = self.id if via is Via.SERVER else None
        reply = DhtReply(request.tid, to, own, token, closer, outcome.error, outcome.value)
        self.out.append(Datagram(reply.encode(), to, via))

    def reply(self, request: DhtRequest, to: Address, via: Port, value: bytes | None, closer: bool = False) -> None:
        """Answer a request, without a token."""
        nodes = self._closer(request) if closer else ()
        own = self.id if via is Via.SERVER else None
        self.out.append(Datagram(DhtReply(request.tid, to, own, None, nodes, 0, value).encode(), to, via))

    def _closer(self, request: DhtRequest) -> tuple[Address, ...]:
        return () if request.target is None else tuple(one.address for one in self.table.closest(request.target))

    def pass_on(self, request: DhtRequest, to: Address, via: Port, value: bytes) -> None:
        """Send a request on to another node: its number, command and target stay."""
        own = self.id if via is Via.SERVER else None
        on = DhtRequest(request.tid, to, request.command, False, request.target, value, None, own)
        self.out.append(Datagram(on.encode(), to, via))

    def look_after(self, address: Address, now: float) -> None:
        """Ask a node of the table, which seems to be down, whether it is there."""
        known = self.table.get(node_id(address))
        if known is None or known.id in self._checks or len(self._checks) >= MAX_CHECKS or known.pinged == self._ticks:
            return
        self._ping(known, now)

    def _ping(self, known: KnownNode, now: float) -> None:
        known.pinged = self._ticks
        self._checks.add(known.id)

        def there(reply: DhtReply, sender: Address, now: float) -> None:
            self._checks.discard(known.id)

        def gone(now: float) -> None:
            self._checks.discard(known.id)
            if known.seen < self._ticks:
                self.table.remove(known.id)

        self.ask(known.address, Internal.PING, there, gone, now, internal=True)

    # ---- what it asks

    def ask(
        self,
        to: Address,
        command: int,
        on_reply: OnReply,
        on_failure: OnFailure,
        now: float,
        *,
        internal: bool = False,
        target: bytes | None = None,
        value: bytes | None = None,
        token: bytes | None = None,
        sends: int = SENDS,
        via: Port | None = None,
    ) -> Asked:
        """Ask a node. One of the two callbacks is called, once."""
        via = via or self._asks_by
        own = self.id if via is Via.SERVER else None
        request = DhtRequest(0, to, command, internal, target, value, token, own)
        any_port = internal and command == Internal.PING_NAT
        return self.requests.ask(request, via, on_reply, on_failure, now, sends, any_port=any_port)

    def query(
        self,
        command: int,
        target: bytes,
        on_done: Callable[[Query, float], None],
        now: float,
        *,
        value: bytes | None = None,
        internal: bool = False,
        on_answer: Callable[[Address, DhtReply], None] = lambda sender, reply: None,
    ) -> Query:
        """Ask nodes nearer and nearer to a target. `on_done` is called once nobody nearer is left."""
        self._last_query = self._ticks
        known = [one.address for one in self.table.closest(target)]
        query = Query(target, self.table.id, known, self.bootstrap)
        running = RunningQuery(self, query, command, value, internal, on_answer, on_done)
        self._running.add(running)
        running.step(now)
        return query

    def query_is_over(self, running: RunningQuery) -> None:
        """Forget a query."""
        self._running.discard(running)

    def commit(
        self,
        answerers: Iterable[Answerer],
        command: int,
        target: bytes,
        value_of: Callable[[Answerer], bytes],
        on_done: Callable[[int, float], None],
        now: float,
    ) -> None:
        """Store something at nodes that gave a token. `on_done` is told how many took it."""
        chosen = [one for one in answerers if one.reply.token is not None]
        left, taken = len(chosen), 0

        def over(now: float) -> None:
            nonlocal left
            left -= 1
            if not left:
                on_done(taken, now)

        def took(reply: DhtReply, sender: Address, now: float) -> None:
            nonlocal taken
            taken += reply.error == 0
            over(now)

        if not chosen:
            on_done(0, now)
        for one in chosen:
            self.ask(one.address, command, took, over, now, target=target, value=value_of(one), token=one.reply.token)

    # ---- time

    def deadline(self) -> float:
        """Return when `fire` is to be called."""
        times = [self._next_tick, *(one[0] for one in self._delayed)]
        others = (self.requests.deadline(), self.timers.deadline())
        return min([*times, *(at for at in others if at is not None)])

    def fire(self, now: float) -> None:
        """Do what is due by now."""
        self.requests.fire(now)
        self.timers.fire(now)
        for running in list(self._running):  # what had to be sent again lets others be asked beside it
            running.step(now)
        due, self._delayed = (
            [one for one in self._delayed if one[0] <= now],
            [one for one in self._delayed if one[0] > now],
        )
        for _, request, sender, via in due:
            self._reply(request, sender, via, Outcome(closer=False, token=False), now)
        if now >= self._next_tick:
            self._next_tick = now + TICK_SECONDS
            self._tick(now)

    def _tick(self, now: float) -> None:
        self._ticks += 1
        self._consider_staying(now)
        if self._ticks % PING_TICKS == 0:
            for known in sorted(self.table, key=lambda one: one.pinged)[:PINGS]:
                if known.id not in self._checks:
                    self._ping(known, now)
        few = len(self.table) < ROW_NODES and self._ticks % REFRESH_TICKS_FEW == 0
        if few or self._ticks - self._last_query >= REFRESH_TICKS:
            self.refresh(now)

    # ---- whether it is one of those that stay

    def check_open(self, on_checked: OnChecked, now: float) -> None:
        """Find out whether everybody can reach this node. The callback is told within some seconds."""

        def checked(opened: bool, now: float) -> None:
            if opened and self.open_address is None and self.own.host is not None and self.server_port is not None:
                self.open_address = Address(self.own.host, self.server_port)
                self.samples = LatestSamples()  # from now on it asks from the other socket
            on_checked(opened, now)

        if self.open_address is not None or self.server_port is None:
            on_checked(self.open_address is not None, now)
        else:
            OpenCheck(self, self.server_port, checked).start(now)

    def moved(self, now: float) -> None:
        """Find out anew whether everybody can reach this node, and where. One whose address was given keeps it.

        Until that is known it is one that only asks: what others knew of it may be over.
        """
        if self.is_given:
            return
        if self.address is not None:
            known, self.table = list(self.table), RoutingTable(self._chance.randbytes(32))
            for one in known:
                self.table.add(one)
        self.address = self.open_address = None
        self.own, self.samples = OwnAddress(), LatestSamples()
        self._stable_ticks, self._stable_host = STABLE_TICKS, ""
        self.refresh(now, lambda query, now: self.check_open(lambda opened, now: None, now))

    def _consider_staying(self, now: float) -> None:
        if self.address is not None or self.server_port is None:
            return
        self._stable_ticks -= 1
        if self._stable_ticks > 0:
            return
        self._stable_ticks = MORE_STABLE_TICKS
        if self.own.host is not None and self.own.host != self._stable_host:
            self._stable_host = self.own.host
            self.check_open(lambda opened, now: self._stay(now) if opened else None, now)

    def _stay(self, now: float) -> None:
        """Be one of the nodes that others know: with the id of the address, and the nodes known so far."""
        assert self.open_address is not None
        self.address = self.open_address
        known, self.table = list(self.table), RoutingTable(node_id(self.address))
        for one in known:
            self.table.add(one)
        self.refresh(now)

    def refresh(self, now: float, on_done: Callable[[Query, float], None] = lambda query, now: None) -> None:
        """Look for nodes near to this one, or, now and then, near to a random id."""
        target = self.table.id if len(self.table) < ROW_NODES else self._chance.randbytes(32)
        self.query(Internal.FIND_NODE, target, on_done, now, internal=True)


class RunningQuery:
    """A query under way: asks whom it says."""

    def __init__(
        self,
        node: DhtNode,
        query: Query,
        command: int,
        value: bytes | None,
        internal: bool,
        on_answer: Callable[[Address, DhtReply], None],
        on_done: Callable[[Query, float], None],
    ) -> None:
        self._node, self._query, self._command, self._value, self._internal = node, query, command, value, internal
        self._on_answer, self._on_done = on_answer, on_done
        self._asked: dict[Address, Asked] = {}
        self._over = False

    def step(self, now: float) -> None:
        """Ask whoever is next. End if nobody is left."""
        query = self._query
        for address, asked in self._asked.items():
            if asked.slow:
                query.slow(address)
        while not self._over and (chosen := query.next()) is not None:
            self._ask(chosen, now)
        if query.done and not self._over:
            self._over = True
            self._node.query_is_over(self)
            for asked in self._asked.values():
                self._node.requests.drop(asked)
            self._on_done(query, now)

    def _ask(self, address: Address, now: float) -> None:
        def answered(reply: DhtReply, sender: Address, now: float) -> None:
            self._asked.pop(address, None)
            if self._over:
                return
            self._query.answered(address, reply)
            self._on_answer(address, reply)
            self.step(now)

        def failed(now: float) -> None:
            self._asked.pop(address, None)
            if not self._over:
                self._query.failed(address)
                self._node.look_after(address, now)
                self.step(now)

        asked = self._node.ask(
            address,
            self._command,
            answered,
            failed,
            now,
            internal=self._internal,
            target=self._query.target,
            value=self._value,
            sends=QUERY_SENDS,
        )
        self._asked[address] = asked
