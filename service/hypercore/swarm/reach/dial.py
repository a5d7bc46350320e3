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
    UdxInfo,
)
from ..dht.nat import Firewall
from ..dht.query import Query
from ..dht.requests import Port
from ..dht.rpc import DhtReply, Internal
from ..dht.timers import Alarm
from .client_punch import ClientPunch, PunchTerms
from .hub import FoundPath, Hub, nearest
from .reasons import Reason
from .seal import PunchSeal

DIAL_SECONDS = 90.0
"""Time for all of it. Punching at random ports takes up to 40 s."""
PASSIVE_SECONDS = 10.0
"""Time for a server to connect to this node, which can be reached from everywhere."""
PARALLEL, PARALLEL_KNOWN = 2, 3
"""Nodes through which a handshake goes at a time, and while some are those that were known before."""
MAX_CANDIDATES = 64

OnFound = Callable[[FoundPath, float], None]
OnFailed = Callable[[Reason, str, float], None]


class Dial:
    """One dial. One of the two callbacks is called, once, unless it is closed before."""

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
    ) -> None:
        self._hub, self._node, self._key = hub, hub.node, key
        self._on_found, self._on_failed = on_found, on_failed
        self._target = blake2b(key)
        self._stream = stream
        self._noise = Noise("IK", True, pair, HANDSHAKE_PROLOGUE, key, ephemeral)
        self._candidates = deque(dict.fromkeys((*relays, *hub.known(key))))
        self._most = PARALLEL_KNOWN if self._candidates else PARALLEL
        self._tried: set[Address] = set()
        self._asking = 0
        self._queried = self._known = self._over = False
        self._early: tuple[Port, Address] | None = None
        self._payload: NoisePayload | None = None
        self._punch: ClientPunch | None = None
        self._timers: list[Alarm] = []

    def start(self, now: float) -> None:
        """Begin."""
        firewall = Firewall.OPEN if self._node.open_address is not None else Firewall.UNKNOWN
        hello = NoisePayload(
            firewall=firewall, addresses4=self._hub.addresses(), udx=UdxInfo(self._stream), secret_stream=True
        )
        self._message = RelayedHandshake(Mode.FROM_CLIENT, self._noise.write(hello.encode())).encode()
        self._timers.append(self._node.timers.at(now + DIAL_SECONDS, lambda now: self._fail(Reason.TIMED_OUT, "", now)))
        known = self._node.records.route(self._target, now)
        if known is not None:  # it announced itself here
            self._candidates.append(known)
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
        if not self._over:
            self.close(now)
            self._on_failed(reason, detail, now)

    # ---- finding nodes that pass the handshake on

    def _answered(self, sender: Address, reply: DhtReply) -> None:
        try:
            found = None if reply.value is None else FoundPeer.decode(Reader(reply.value))
        except CodecError:
            return
        if found is not None and found.key == self._key and len(self._tried) < MAX_CANDIDATES:
            self._candidates.append(sender)
            self._known = True
            if not self._queried:
                self._node.timers.at(0.0, self._try_next)

    def _query_over(self, query: Query, now: float) -> None:
        self._queried = True
        self._try_next(now)

    def _try_next(self, now: float) -> None:
        if self._over or self._payload is not None:
            return
        while self._candidates and self._asking < self._most:
            relay = self._candidates.popleft()
            if relay not in self._tried:
                self._tried.add(relay)
                self._ask(relay, now)
        if not self._asking and self._queried:
            self._fail(Reason.NO_ANSWER if self._known else Reason.NOT_FOUND, "", now)

    def _ask(self, relay: Address, now: float) -> None:
        self._asking += 1

        def replied(reply: DhtReply, sender: Address, now: float) -> None:
            self._asking -= 1
            if not self._over and self._payload is None:
                self._read(reply, relay, now)
                self._try_next(now)

        def silent(now: float) -> None:
            self._asking -= 1
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
            self._hub.remember(self._key, payload.relays or tuple(self._tried))
            self._find_way(payload, reply.to, relay, told.peer, now)

    def _find_way(self, payload: NoisePayload, own: Address, relay: Address, peer: Address | None, now: float) -> None:
        server = peer or relay
        punchable = payload.punch is not None and bool(payload.punch.relays)
        if self._early is not None:
            self._found(*self._early, "direct", now)
        elif peer is None:
            self._found(self._hub.main, relay, "direct", now)
        elif payload.firewall == Firewall.OPEN or not punchable:
            known = next((one for one in payload.addresses4 if not is_bogon(one.host)), server)
            self._found(self._hub.main, known, "direct", now)
        elif self._node.open_address is not None:
            self._timers.append(
                self._node.timers.at(now + PASSIVE_SECONDS, lambda now: self._fail(Reason.NOT_OPENED, "", now))
            )
        else:
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
        )  # fmt: skip
        self._punch.start(now)

    # ---- the end

    def heard(self, port: Port, sender: Address, now: float) -> bool:
        """Take notice of a packet of the stream. Return whether it counts."""
        if self._over:
            return False
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
        self._on_found(FoundPath(port, remote, self._payload.udx.id, self._noise, kind), now)
