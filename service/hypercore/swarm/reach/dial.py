"""Dialling a server by its key: find nodes that know it, shake hands through them, find a way to it. It opens no socket itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from ...codec import CodecError, Reader
from ...crypto import KeyPair, blake2b
from ...wire.errors import ProtocolError
from ...wire.noise import Noise
from ..dht.address import Address, is_bogon
from ..dht.messages import (
    HANDSHAKE_PROLOGUE,
    PAYLOAD_VERSION,
    Command,
    FoundPeer,
    Mode,
    NoisePayload,
    RelayedHandshake,
    RelayThrough,
    UdxInfo,
)
from ..dht.nat import Firewall
from ..dht.query import Query
from ..dht.requests import Port
from ..dht.rpc import DhtReply, Internal
from ..dht.timers import Alarm
from .client_punch import ClientPunch, PunchTerms
from .hub import UPGRADE_SECONDS, FoundPath, Hub, nearest
from .reasons import Reason
from .routes import Route
from .seal import PunchSeal

DIAL_SECONDS = 90.0
"""Time for all of it. Punching at random ports takes up to 40 s."""
PASSIVE_SECONDS = 10.0
"""Time for a server to connect to this node, which can be reached from everywhere."""
SILENT = "this node can be reached from everywhere, as it thinks, and the server did not come"
PARALLEL, PARALLEL_KNOWN = 2, 1
"""Nodes that know the peer through which a handshake goes at a time; beside them one that knew it before, or did not forget it."""
MAX_CANDIDATES = 64
ROUTE_SENDS = 2
"""Times that a handshake is sent by a way that was open before. Each takes a second if the way is closed by now."""

OnFound = Callable[[FoundPath, float], None]
OnFailed = Callable[[Reason, str, float], None]
OnRelay = Callable[[RelayThrough, bool], None]


class Candidates:
    """Nodes through which the handshake may go, `most` of them at a time."""

    def __init__(self, most: int, known: Iterable[Address] = ()) -> None:
        self.most, self.asked = most, 0
        self.waiting = deque(dict.fromkeys(known))


class Dial:
    """One dial. One of the two callbacks is called, once, unless it is closed before.

    With `on_relay`, a blind relay that one of the peers named may carry the stream: it is asked to meet the other one there, as
    initiator or not, and then says so with `relay_seen`, `relayed` or `relay_failed`. The path found is then "relayed", and
    `on_found` is called once more if there is a better one. With `reusable_socket` the way may serve other streams, too, and
    one that is known is tried before any node is asked.
    """

    def __init__(
        self,
        hub: Hub,
        key: bytes,
        pair: KeyPair,
        stream: int,
        on_found: OnFound,
        on_failed: OnFailed,
        *,
        relays: Iterable[Address] = (),
        ephemeral: KeyPair | None = None,
        relay_through: RelayThrough | None = None,
        on_relay: OnRelay | None = None,
        reusable_socket: bool = False,
    ) -> None:
        self._reusable = reusable_socket
        self._route = hub.routes.get(key) if reusable_socket else None
        self._relay_through, self._on_relay = relay_through, on_relay
        self._relaying = self._relayed = False
        self._relay_at: tuple[Port, Address] | None = None
        self._failure: tuple[Reason, str] | None = None
        self._hub, self._node, self._key = hub, hub.node, key
        self._on_found, self._on_failed = on_found, on_failed
        self._target = blake2b(key)
        self._stream = stream
        self._noise = Noise("IK", True, pair, HANDSHAKE_PROLOGUE, key, ephemeral)
        self._earlier = Candidates(PARALLEL_KNOWN, (*relays, *hub.known(key)))
        self._found_now = Candidates(PARALLEL)
        self._tried: set[Address] = set()
        self._queried = self._known = self._over = False
        self._early: tuple[Port, Address] | None = None
        self._payload: NoisePayload | None = None
        self._punch: ClientPunch | None = None
        self._timers: list[Alarm] = []

    @property
    def known_port(self) -> Port | None:
        """The socket of a way that was open before, and is tried first: it has to stay open meanwhile."""
        return None if self._route is None else self._route.port

    def start(self, now: float) -> None:
        """Begin."""
        firewall = Firewall.OPEN if self._node.open_address is not None else Firewall.UNKNOWN
        hello = NoisePayload(
            firewall=firewall, addresses4=self._hub.addresses(), secret_stream=True,
            udx=UdxInfo(self._stream, reusable_socket=self._reusable), relay_through=self._relay_through,
        )  # fmt: skip
        self._message = RelayedHandshake(Mode.FROM_CLIENT, self._noise.write(hello.encode())).encode()
        self._limit = self._node.timers.at(now + DIAL_SECONDS, lambda now: self._fail(Reason.TIMED_OUT, "", now))
        self._timers.append(self._limit)
        if self._route is None:
            self._look(now)
        else:
            self._try_route(self._route, now)

    def _look(self, now: float) -> None:
        known = self._node.records.route(self._target, now)
        if known is not None:  # it announced itself here
            self._earlier.waiting.appendleft(known)
        self._try_next(now)
        self._node.query(Command.FIND_PEER, self._target, self._query_over, now, on_answer=self._answered)

    def close(self, now: float) -> None:
        """Stop. Nobody is told."""
        self._over = True
        for timer in self._timers:
            timer.cancel()
        if self._punch is not None:
            self._punch.close(now)

    def _fail(self, reason: Reason, detail: str, now: float) -> None:
        if self._over:
            return
        if self._relaying and reason is not Reason.TIMED_OUT:
            self._failure = (reason, detail)  # the relay may still carry it
            return
        self.close(now)
        if not self._relayed:
            self._on_failed(reason, detail, now)

    # ---- a way that was open before

    def _try_route(self, route: Route, now: float) -> None:
        """Ask the peer itself. If it does not answer there, go on as if nothing was known."""

        def replied(reply: DhtReply, sender: Address, now: float) -> None:
            if not self._over:
                self._read(reply, route.remote, now)
                if self._payload is None:
                    silent(now)

        def silent(now: float) -> None:
            self._hub.routes.drop(self._key, route.port, route.remote)
            self._route = None
            if not self._over:
                self._look(now)

        self._node.ask(
            route.remote, Command.PEER_HANDSHAKE, replied, silent, now,
            target=self._target, value=self._message, sends=ROUTE_SENDS, via=route.port,
        )  # fmt: skip

    # ---- finding nodes that pass the handshake on

    def _answered(self, sender: Address, reply: DhtReply) -> None:
        try:
            found = None if reply.value is None else FoundPeer.decode(Reader(reply.value))
        except CodecError:
            return
        if found is not None and found.key == self._key and len(self._tried) < MAX_CANDIDATES:
            self._found_now.waiting.append(sender)
            self._known = True
            if not self._queried:
                self._node.timers.at(0.0, self._try_next)

    def _query_over(self, query: Query, now: float) -> None:
        self._queried = True
        self._try_next(now)

    def _try_next(self, now: float) -> None:
        if self._over or self._payload is not None:
            return
        for candidates in (self._found_now, self._earlier):
            while candidates.waiting and candidates.asked < candidates.most:
                relay = candidates.waiting.popleft()
                if relay not in self._tried:
                    self._tried.add(relay)
                    self._ask(candidates, relay, now)
        if self._queried and not self._found_now.asked and not self._earlier.asked:
            self._fail(Reason.NO_ANSWER if self._known else Reason.NOT_FOUND, "", now)

    def _ask(self, candidates: Candidates, relay: Address, now: float) -> None:
        candidates.asked += 1

        def replied(reply: DhtReply, sender: Address, now: float) -> None:
            candidates.asked -= 1
            if not self._over and self._payload is None:
                self._read(reply, relay, now)
                self._try_next(now)

        def silent(now: float) -> None:
            candidates.asked -= 1
            self._try_next(now)

        self._node.ask(relay, Command.PEER_HANDSHAKE, replied, silent, now, target=self._target, value=self._message)

    # ---- the handshake

    def _read(self, reply: DhtReply, relay: Address, now: float) -> None:
        noise = self._noise.fork()
        try:
            told = RelayedHandshake.decode(reply.value or b"")
            if told.mode != Mode.REPLY:
                return
            payload = NoisePayload.decode(noise.read(told.noise))
        except (CodecError, ProtocolError):
            return  # a node that passes on rubbish is not the peer: others are asked
        self._payload, self._noise = payload, noise
        if payload.version != PAYLOAD_VERSION:
            self._fail(Reason.INCOMPATIBLE, f"version {payload.version}", now)
        elif payload.error or payload.udx is None:
            self._fail(Reason.REFUSED, f"error {payload.error}", now)
        else:
            self._hub.remember(self._key, payload.relays or tuple(self._tried) or self._hub.known(self._key))
            self._find_way(payload, reply.to, relay, told.peer, now)

    def _find_way(self, payload: NoisePayload, own: Address, relay: Address, peer: Address | None, now: float) -> None:
        server = peer or relay
        punchable = payload.punch is not None and bool(payload.punch.relays)
        if self._route is not None and peer is None:
            self._found(self._route.port, self._route.remote, self._route.kind, now)
        elif self._early is not None:
            self._found(*self._early, "direct", now)
        elif peer is None:
            self._found(self._hub.main, relay, "direct", now)
        elif payload.firewall == Firewall.OPEN or not punchable:
            known = next((one for one in payload.addresses4 if not is_bogon(one.host)), server)
            self._found(self._hub.main, known, "direct", now)
        elif self._node.open_address is not None:
            self._ask_relay(payload)
            self._timers.append(
                self._node.timers.at(now + PASSIVE_SECONDS, lambda now: self._fail(Reason.NOT_OPENED, SILENT, now))
            )
        else:
            self._ask_relay(payload)
            if own.host == server.host:
                self._try_nearby(payload, now)
            self._start_punch(payload, relay, server, now)

    def _try_nearby(self, payload: NoisePayload, now: float) -> None:
        """Ask at the server's address in its own network: both are behind one NAT, and perhaps in one network."""
        near = nearest(self._hub.local(), payload.addresses4)
        if near is not None:
            self._node.ask(
                near, Internal.PING, lambda reply, sender, now: self._found(self._hub.main, near, "direct", now),
                lambda now: None, now, internal=True,
            )  # fmt: skip

    def _start_punch(self, payload: NoisePayload, relay: Address, server: Address, now: float) -> None:
        assert payload.punch is not None
        terms = PunchTerms(self._target, payload.punch.id, payload.punch.relays, relay, server, payload.firewall)
        self._punch = ClientPunch(
            self._hub, PunchSeal(self._noise.hash), terms,
            lambda port, sender, now: self._found(port, sender, "punched", now), self._fail,
            patient=self._relaying or self._relayed,
        )  # fmt: skip
        self._punch.start(now)

    # ---- a relay

    def _ask_relay(self, payload: NoisePayload) -> None:
        through = payload.relay_through or self._relay_through  # that of the server, if both name one
        if through is not None and self._on_relay is not None:
            self._relaying = True
            self._on_relay(through, payload.relay_through is None)

    def relay_seen(self, port: Port, remote: Address, now: float) -> None:
        """Note the relay's address: packets that come from there have not come directly."""
        self._relay_at = (port, remote)

    def relayed(self, stream: int, now: float) -> None:
        """Note that the relay passes on what is sent to a stream there."""
        if self._over or self._relay_at is None:
            return
        self._relaying, self._relayed = False, True
        self._limit.cancel()
        self._timers.append(self._node.timers.at(now + UPGRADE_SECONDS, self.close))
        self._on_found(FoundPath(*self._relay_at, stream, self._noise, "relayed"), now)
        if self._failure is not None:
            self.close(now)

    def relay_failed(self, detail: str, now: float) -> None:
        """Note that the relay is no way."""
        self._relaying = False
        if self._failure is not None:
            self._fail(*self._failure, now)

    # ---- the end

    def heard(self, port: Port, sender: Address, now: float) -> bool:
        """Take notice of a packet of the stream. Return whether it counts."""
        if self._over:
            return False
        if (port, sender) == self._relay_at:
            return True
        if self._payload is None:  # the server has answered, and its packet was faster
            if self._early is None:
                self._early = (port, sender)
            return self._early == (port, sender)
        self._found(port, sender, "direct" if self._punch is None else "punched", now)
        return True

    def _found(self, port: Port, remote: Address, kind: str, now: float) -> None:
        if self._over:
            return
        if self._punch is not None:
            self._punch.puncher.win(port, now)
        self.close(now)
        assert self._payload is not None
        assert self._payload.udx is not None
        if self._reusable and self._payload.udx.reusable_socket:
            self._hub.routes.add(self._key, Route(port, remote, kind))
        self._on_found(FoundPath(port, remote, self._payload.udx.id, self._noise, kind), now)
