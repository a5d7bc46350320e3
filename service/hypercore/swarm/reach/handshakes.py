"""What comes for one key that is listened at: handshakes and hole punches, as nodes of the DHT pass them on.

A stranger may have any number of handshakes sent here. Each is bounded: in all, by its source, and by the node that passes it on.
None opens a socket before its peer has shown, with a sealed message, that it read the answer.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ...codec import CodecError
from ...crypto import KeyPair
from ...wire.errors import ProtocolError
from ...wire.noise import Noise
from ..dht.address import Address
from ..dht.messages import (
    HANDSHAKE_PROLOGUE,
    PAYLOAD_VERSION,
    TOKEN_BYTES,
    Command,
    FoundPeer,
    Mode,
    NoisePayload,
    PeerError,
    PunchInfo,
    RelayedHandshake,
    RelayedPunch,
    RelayThrough,
    UdxInfo,
)
from ..dht.nat import Firewall
from ..dht.requests import Port
from ..dht.rpc import DhtRequest
from ..dht.timers import Alarm
from .announcer import Announcer
from .hub import UPGRADE_SECONDS, FoundPath, Hub
from .routes import Route
from .seal import PunchSeal
from .server_punch import ServerPunch

MAX_HANDSHAKES, MAX_OF_SOURCE, MAX_OF_RELAY = 256, 16, 80
"""Handshakes in progress: of all, of one host, and through one node. There are three nodes: none can take all places."""
MAX_KEPT = 2048
"""Handshakes, with those that are over and whose answers are kept."""
PATIENCE_SECONDS = 1.0
"""Time for which a handshake keeps its place though others wait, if its client was not heard again: that takes a round trip."""
HANDSHAKE_SECONDS = 10.0
"""Time for a client to come, or to begin with punching."""
PUNCH_SECONDS = 60.0
RELAY_SECONDS = 20.0
"""Time to meet at a relay."""
KEPT_SECONDS = 10.0
"""Time for which the answer to a handshake is kept that is over: the client may not have it."""

OnHeard = Callable[[Port, Address, float], bool]
OnSeen = Callable[[Port, Address, float], None]
OnPaired = Callable[[int, float], None]
OnUnpaired = Callable[[str, float], None]
Firewalled = Callable[[bytes], bool]


class ServerStreams(Protocol):
    """Where the streams of clients are made. They know no address before their path is found."""

    def open_stream(self, heard: OnHeard) -> int:
        """Make a stream. `heard` is told whence packets for it come, and says whether they count. Return its number."""
        ...

    def connect_stream(self, stream: int, path: FoundPath) -> None:
        """Let a stream begin."""
        ...

    def relay_stream(
        self, stream: int, through: RelayThrough, initiator: bool,
        seen: OnSeen, paired: OnPaired, refused: OnUnpaired,
    ) -> bool:  # fmt: skip
        """Meet a client at a blind relay (`RelayLeg`). Return False if that is not done."""
        ...

    def upgrade_stream(self, stream: int, path: FoundPath) -> None:
        """Let a stream that goes by a relay go directly."""
        ...

    def drop_stream(self, stream: int) -> None:
        """Give up a stream that did not begin."""
        ...


@dataclass(slots=True, eq=False)
class ServedHandshake:
    """One handshake, from the server's side."""

    number: int
    asked: bytes
    source: str
    relay: Address
    noise: Noise
    begun: float
    answer: bytes = b""
    stream: int | None = None
    remote_stream: int = 0
    reusable: bool = False
    """Whether both sides let other streams go by this one's way."""
    punch: ServerPunch | None = None
    timer: Alarm | None = None
    firewall: int = Firewall.UNKNOWN
    over: bool = False
    through: RelayThrough | None = None
    initiator: bool = False
    """Who named the relay is the initiator there."""
    relaying: bool = False
    """Whether the relay may carry the stream, or does."""
    relayed: bool = False
    hopeless: bool = False
    """Whether there is no other way."""
    relay_at: tuple[Port, Address] | None = None


class Handshakes:
    """All handshakes for one key."""

    def __init__(
        self,
        hub: Hub,
        pair: KeyPair,
        announcer: Announcer,
        streams: ServerStreams,
        firewall: Firewalled | None = None,
        ephemeral: Callable[[], KeyPair | None] = lambda: None,
        relay_through: Callable[[], bytes | None] = lambda: None,
        reusable_socket: bool = False,
    ) -> None:
        self._reusable = reusable_socket
        self._relay_through = relay_through
        self._hub, self._node, self._pair = hub, hub.node, pair
        self._announcer, self._streams = announcer, streams
        self._firewall = firewall or (lambda key: False)
        self._ephemeral = ephemeral
        self._by_noise: dict[bytes, ServedHandshake] = {}
        self._by_number: dict[int, ServedHandshake] = {}
        self._sources: Counter[str] = Counter()
        self._relays: Counter[Address] = Counter()
        self._unheard: dict[int, ServedHandshake] = {}
        """Those whose client has not been heard again, the oldest first."""
        self._next = 0
        self.refused = 0
        """Handshakes that were not answered as there were too many."""

    def __len__(self) -> int:
        return len(self._by_number)

    def take(self, request: DhtRequest, sender: Address, port: Port, now: float) -> bool:
        """Take a request for this key. Return whether it is for a server."""
        if request.command == Command.FIND_PEER and self._node.address is not None:
            # this node is asked as others are, and knows best
            self._node.reply(request, sender, port, FoundPeer(self._pair.public).encode(), closer=True)
            return True
        if request.value is None:
            return False
        try:
            if request.command == Command.PEER_HANDSHAKE:
                return self._handshake(request, RelayedHandshake.decode(request.value), sender, port, now)
            if request.command == Command.PEER_HOLEPUNCH:
                return self._punch(request, RelayedPunch.decode(request.value), sender, port, now)
        except CodecError:
            return True
        return False

    def is_passed_on(self, sender: Address) -> bool:
        """Return whether requests from there come by a node that was asked to pass them on."""
        return self._announcer.is_relay(sender)

    # ---- handshakes

    def _handshake(self, request: DhtRequest, told: RelayedHandshake, sender: Address, port: Port, now: float) -> bool:
        if told.mode == Mode.FROM_CLIENT:
            client, back = sender, None
        elif told.mode == Mode.FROM_RELAY and told.peer is not None:
            client, back = told.peer, sender
        elif told.mode == Mode.FROM_SECOND_RELAY and told.peer is not None and told.relay is not None:
            client, back = told.peer, told.relay
        else:
            return False
        known = self._by_noise.get(told.noise)
        served = known or self._begin(told.noise, client, sender, direct=back is None, now=now)
        if served is None:
            return True
        if back is None:
            self._node.reply(request, sender, port, RelayedHandshake(Mode.REPLY, served.answer).encode())
        else:
            answer = RelayedHandshake(Mode.FROM_SERVER, served.answer, client)
            self._node.pass_on(request, back, port, answer.encode())
        if known is None and served.firewall == Firewall.OPEN and back is not None:
            # after the answer: it is not to be overtaken by the stream
            self._node.timers.at(now, lambda now: self._connected(served, port, client, now))
        elif known is None and back is not None and served.through is not None:
            self._node.timers.at(now, lambda now: self._meet_at_relay(served, now))
        return True

    def _may_begin(self, source: str, relay: Address) -> bool:
        full = self._sources.total() >= MAX_HANDSHAKES or len(self._by_number) >= MAX_KEPT
        return not full and self._sources[source] < MAX_OF_SOURCE and self._relays[relay] < MAX_OF_RELAY

    def _may_leave(self, source: str, relay: Address, now: float) -> ServedHandshake | None:
        """Return the handshake that has been silent for longest, if one may begin when it ends. Its client may have given up."""
        for served in self._unheard.values():
            if now - served.begun < PATIENCE_SECONDS:
                break
            of_source = self._sources[source] < MAX_OF_SOURCE or served.source == source
            if of_source and (self._relays[relay] < MAX_OF_RELAY or served.relay == relay):
                return served
        return None

    def _begin(
        self, asked: bytes, client: Address, sender: Address, *, direct: bool, now: float
    ) -> ServedHandshake | None:
        if not direct and not self._announcer.is_relay(sender):
            return None
        full = not self._may_begin(client.host, sender)
        leaver = self._may_leave(client.host, sender, now) if full else None
        if full and leaver is None:
            self.refused += 1
            return None
        noise = Noise("IK", False, self._pair, HANDSHAKE_PROLOGUE, None, self._ephemeral())
        try:
            hello = NoisePayload.decode(noise.read(asked))
        except (ProtocolError, CodecError):
            return None
        if self._firewall(noise.remote_static or b""):
            return None
        if leaver is not None:  # only now: what is no handshake for this key ends none
            self._end(leaver, now, forget=True)
        served = ServedHandshake(self._next, asked, client.host, sender, noise, now)
        self._next += 1
        self._unheard[served.number] = served
        self._by_noise[asked] = self._by_number[served.number] = served
        self._sources[served.source] += 1
        self._relays[served.relay] += 1
        error = PeerError.NONE if hello.udx is not None else PeerError.ABORTED
        if hello.version != PAYLOAD_VERSION:
            error = PeerError.VERSION_MISMATCH
        if error == PeerError.NONE and hello.udx is not None:
            served.remote_stream, served.firewall = hello.udx.id, hello.firewall
            served.reusable = self._reusable and hello.udx.reusable_socket
            served.stream = self._streams.open_stream(lambda port, sender, now: self._heard(served, port, sender, now))
            relay = self._relay_through()
            served.through, served.initiator = hello.relay_through, relay is not None
            if relay is not None:
                served.through = RelayThrough(relay, secrets.token_bytes(TOKEN_BYTES))
        served.answer = noise.write(self._payload(served, error).encode())
        served.timer = self._node.timers.at(now + HANDSHAKE_SECONDS, lambda now: self._end(served, now))
        return served

    def _payload(self, served: ServedHandshake, error: int) -> NoisePayload:
        opened = self._node.open_address is not None
        relays = self._announcer.relays
        return NoisePayload(
            error=error,
            firewall=Firewall.OPEN if opened else Firewall.UNKNOWN,
            punch=None if opened else PunchInfo(served.number, relays),
            addresses4=self._hub.addresses(),
            udx=UdxInfo(served.stream or 0, reusable_socket=self._reusable),
            secret_stream=True,
            relay_through=served.through if served.initiator else None,
            relays=tuple(relay for relay, _ in relays),
        )

    # ---- ways

    def _heard(self, served: ServedHandshake, port: Port, sender: Address, now: float) -> bool:
        """Take notice of a packet of a stream: it says where its client is."""
        if served.over or served.stream is None:
            return False
        if (port, sender) != served.relay_at:
            self._connected(served, port, sender, now)
        return True

    def _meet_at_relay(self, served: ServedHandshake, now: float) -> None:
        if served.over or served.stream is None or served.through is None:
            return

        def seen(port: Port, remote: Address, now: float) -> None:
            served.relay_at = (port, remote)

        def paired(stream: int, now: float) -> None:
            if served.over or served.stream is None or served.relay_at is None:
                return
            served.relayed = True
            self._extend(served, UPGRADE_SECONDS, now)
            path = FoundPath(*served.relay_at, stream, served.noise, "relayed")
            self._streams.connect_stream(served.stream, path)
            if served.hopeless:
                self._end(served, now)

        def refused(detail: str, now: float) -> None:
            served.relaying = False
            if served.hopeless:
                self._end(served, now)

        served.relaying = self._streams.relay_stream(
            served.stream, served.through, served.initiator, seen, paired, refused
        )
        if served.relaying:
            self._unheard.pop(served.number, None)
            self._extend(served, RELAY_SECONDS, now)

    def _extend(self, served: ServedHandshake, seconds: float, now: float) -> None:
        if served.timer is not None:
            served.timer.cancel()
        served.timer = self._node.timers.at(now + seconds, lambda now: self._end(served, now))

    def _connected(self, served: ServedHandshake, port: Port, remote: Address, now: float) -> None:
        if served.over or served.stream is None:
            return
        stream, served.stream = served.stream, None
        kind = "direct"
        if served.punch is not None:
            kind = "punched" if served.punch.puncher.is_target(remote) else kind
            served.punch.puncher.win(port, now)
        self._end(served, now)
        key = served.noise.remote_static
        if served.reusable and key is not None:
            known = self._hub.routes.get(key)
            if known is not None and (known.port, known.remote) == (port, remote):
                kind = known.kind  # it came the way of an earlier one
            self._hub.routes.add(key, Route(port, remote, kind))
        path = FoundPath(port, remote, served.remote_stream, served.noise, kind)
        if served.relayed:
            self._streams.upgrade_stream(stream, path)
        else:
            self._streams.connect_stream(stream, path)

    def _end(self, served: ServedHandshake, now: float, *, forget: bool = False) -> None:
        """End a handshake: its place is free. Its answer is kept for a while, unless it is to be forgotten."""
        if served.over:
            return
        served.over = True
        self._unheard.pop(served.number, None)
        self._sources[served.source] -= 1
        self._relays[served.relay] -= 1
        self._sources, self._relays = +self._sources, +self._relays  # without those at 0
        if served.timer is not None:
            served.timer.cancel()
        if served.punch is not None:
            served.punch.puncher.close(now)
        if served.stream is not None and not served.relayed:
            self._streams.drop_stream(served.stream)
        served.stream = None
        if forget:
            self._forget(served)
        else:
            served.timer = self._node.timers.at(now + KEPT_SECONDS, lambda now: self._forget(served))

    def _forget(self, served: ServedHandshake) -> None:
        self._by_noise.pop(served.asked, None)
        self._by_number.pop(served.number, None)

    def close(self, now: float) -> None:
        """End all."""
        for served in list(self._by_number.values()):
            self._end(served, now)
            if served.timer is not None:
                served.timer.cancel()
            self._forget(served)

    # ---- hole punches

    def _punch(self, request: DhtRequest, told: RelayedPunch, sender: Address, port: Port, now: float) -> bool:
        if told.mode != Mode.FROM_RELAY or told.peer is None:
            return False
        served = self._by_number.get(told.id)
        if served is None or served.over or served.stream is None:
            return True
        peer = told.peer
        if served.punch is None:
            served.punch = ServerPunch(
                self._hub, PunchSeal(served.noise.hash), served.firewall, patient=served.relaying
            )
        punch = served.punch

        def answer(payload: bytes) -> None:
            on = RelayedPunch(Mode.FROM_SERVER, 0, payload, peer)
            self._node.pass_on(request, sender, port, on.encode())

        def over(now: float) -> None:
            served.hopeless = True
            if served.relayed or not served.relaying:
                self._end(served, now)

        said = punch.open(told.payload)
        if said is None:
            return True
        self._unheard.pop(served.number, None)
        if said.punching and not served.relaying:
            self._extend(served, PUNCH_SECONDS, now)
        punch.take(said, peer, self._announcer.is_relay(sender), answer, over, now)
        return True
