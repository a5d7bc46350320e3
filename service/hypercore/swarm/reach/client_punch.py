"""How a client agrees with a server, through nodes of the DHT, on punching a hole, and does it.

Round 0 asks through a node of the server's what its NAT is; if the server's keeps ports it answers the client directly as well,
and the hole is there. Round 1 goes through the client's node to the address at which the server answered the handshake: tokens
that come back show that the server receives there. Then both punch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ...codec import CodecError
from ..dht.address import Address
from ..dht.messages import Command, Mode, PeerError, PunchPayload, RelayedPunch
from ..dht.nat import Firewall
from ..dht.punches import OnPunch
from ..dht.rpc import DhtReply
from ..dht.timers import Alarm
from .hub import Hub
from .puncher import Puncher
from .reasons import Reason
from .seal import PunchSeal

LATER_SECONDS = 10.0
"""After which, or twice that, it is tried again."""
UNKNOWN_SECONDS = 1.0
"""Time for a server that does not know its NAT yet, before it is asked once more."""

OnRefused = Callable[[Reason, str, float], None]
OnAnswer = Callable[[PunchPayload, Address, float], None]


@dataclass(frozen=True, slots=True)
class PunchTerms:
    """What the handshake said: the server's number of it, its nodes (each with its own address as that node sees it)."""

    target: bytes
    number: int
    relays: tuple[tuple[Address, Address], ...]
    relay: Address
    """The node through which the handshake went."""
    server: Address
    """Where the server answered it from."""
    firewall: int


class ClientPunch:
    """One hole, from the client's side. A `patient` one waits if others are being punched: a relay carries the stream meanwhile."""

    def __init__(
        self,
        hub: Hub,
        seal: PunchSeal,
        terms: PunchTerms,
        on_punched: OnPunch,
        on_refused: OnRefused,
        *,
        patient: bool = False,
    ) -> None:
        self._patient = patient
        self._hub, self._seal, self._terms, self._on_refused = hub, seal, terms, on_refused
        self._server = terms.server
        self._chosen = next((pair for pair in terms.relays if pair[0] == terms.relay), terms.relays[0])
        self._round = 0
        self._over = False
        self._timer: Alarm | None = None
        self._token: bytes | None = None
        self.puncher = Puncher(hub, True, terms.firewall, on_punched, self._in_vain)

    def start(self, now: float) -> None:
        """Begin with round 0."""
        self.puncher.expect(self._server)
        self.puncher.sample(now)
        self._probe(now, again=True)

    def close(self, now: float) -> None:
        """Stop."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self.puncher.close(now)

    def _in_vain(self, now: float) -> None:
        self._fail(Reason.PUNCH_FAILED, "no answer to any datagram", now)

    def _fail(self, reason: Reason, detail: str, now: float) -> None:
        if not self._over:
            self.close(now)
            self._on_refused(reason, detail, now)

    def _abort(self, reason: Reason, now: float) -> None:
        """Tell the server that nothing comes of it."""
        if not self._over:
            said = PunchPayload(PeerError.ABORTED, Firewall.UNKNOWN, self._round)
            self._ask(*self._chosen, said, lambda reply, sender, now: None, lambda now: None, now, sends=1)
            self._fail(reason, "", now)

    # ---- messages

    def _ask(
        self,
        relay: Address,
        peer: Address,
        said: PunchPayload,
        on_reply: Callable[[DhtReply, Address, float], None],
        on_failure: Callable[[float], None],
        now: float,
        sends: int = 4,
    ) -> None:
        value = RelayedPunch(Mode.FROM_CLIENT, self._terms.number, self._seal.seal(said), peer).encode()
        self._hub.node.ask(
            relay, Command.PEER_HOLEPUNCH, on_reply, on_failure, now,
            target=self._terms.target, value=value, sends=sends, via=self.puncher.port,
        )  # fmt: skip
        self._round += 1

    def _tell(self, relay: Address, peer: Address, said: PunchPayload, then: OnAnswer, now: float) -> None:
        """Send a message through a node to the server at `peer`, as that node sees it."""
        port = self.puncher.port

        def replied(reply: DhtReply, sender: Address, now: float) -> None:
            if self._over:
                return
            try:
                told = RelayedPunch.decode(reply.value or b"")
            except CodecError:
                self._fail(Reason.PROBE_FAILED, f"{relay} passes on what cannot be read", now)
                return
            answer = self._seal.open(told.payload) if told.mode == Mode.REPLY else None
            if answer is None:
                self._fail(Reason.PROBE_FAILED, f"{relay} passes on what is not the peer's", now)
                return
            if answer.error:
                later = answer.error == PeerError.TRY_LATER
                if later and self._patient:
                    self._wait(now)
                    return
                self._fail(Reason.TRY_LATER if later else Reason.PUNCH_REFUSED, f"error {answer.error}", now)
                return
            if port == self.puncher.port and not said.punching:  # what was told in round 1 stays
                self.puncher.nat.add(reply.to, sender)
            echoed = said.token is not None and answer.remote_token == said.token
            self.puncher.update(answer, peer.host if echoed else None)
            if answer.firewall == Firewall.OPEN and not self.puncher.remote_addresses:
                self.puncher.assume(self._server)  # npm's servers that are told to be open do not know where they are
            then(answer, told.peer or relay, now)

        self._ask(
            relay,
            peer,
            said,
            replied,
            lambda now: self._fail(Reason.PROBE_FAILED, f"no answer through {relay}", now),
            now,
        )

    # ---- round 0

    def _probe(self, now: float, *, again: bool) -> None:
        self._hub.node.punches.send(self.puncher.port, self._server, opener=True)
        nat = self.puncher.nat
        said = PunchPayload(
            firewall=nat.firewall, round=self._round, addresses=nat.addresses or None, remote_address=self._server
        )
        self._tell(*self._chosen, said, partial(self._probed, again), now)

    def _probed(self, again: bool, answer: PunchPayload, peer: Address, now: float) -> None:
        self._token = answer.token
        if self._chosen[0] == self._terms.relay and peer != self._server:
            # the server punches from another socket than the one from which it answered
            self._server = peer
            self.puncher.expect(peer)
            self._hub.node.punches.send(self.puncher.port, peer, opener=True)
        wait = UNKNOWN_SECONDS if self.puncher.remote_firewall == Firewall.UNKNOWN else 0.0
        self._timer = self._hub.node.timers.at(
            now + wait, lambda now: self.puncher.when_sampled(lambda now: self._analyse(again, now), now)
        )

    def _analyse(self, again: bool, now: float) -> None:
        puncher = self.puncher
        if not puncher.unstable:
            self._judge(again, now)
            return
        before = puncher.port

        def reopened(now: float) -> None:
            if not puncher.unstable and puncher.port != before:
                self._probe(now, again=False)
            else:
                self._judge(again, now)

        puncher.reopen(reopened, now)

    def _judge(self, again: bool, now: float) -> None:
        puncher = self.puncher
        if again and (puncher.remote_firewall == Firewall.UNKNOWN or self._token is None):
            self._probe(now, again=False)
        elif Firewall.UNKNOWN in (puncher.remote_firewall, puncher.nat.firewall):
            self._abort(Reason.PROBE_FAILED, now)
        elif puncher.remote_firewall >= Firewall.RANDOM and puncher.nat.firewall >= Firewall.RANDOM:
            self._abort(Reason.BOTH_RANDOM, now)
        elif puncher.draw(now):
            self._agree(now)
        elif self._patient:
            self._wait(now)
        else:
            self._abort(Reason.TRY_LATER, now)

    def _wait(self, now: float) -> None:
        """Try round 1 again, when other punches are over."""
        self.puncher.give_back(now)
        pause = LATER_SECONDS * (1 + self._hub.chance.random())
        self._timer = self._hub.node.timers.at(now + pause, lambda now: self._judge(False, now))

    # ---- round 1

    def _agree(self, now: float) -> None:
        nat = self.puncher.nat
        said = PunchPayload(
            firewall=nat.firewall, round=self._round, punching=True, addresses=nat.addresses,
            token=self._seal.token(self._server.host), remote_token=self._token,
        )  # fmt: skip
        self._tell(self._terms.relay, self._server, said, self._agreed, now)

    def _agreed(self, answer: PunchPayload, peer: Address, now: float) -> None:
        if not self.puncher.remote_punching:
            self._fail(Reason.PUNCH_REFUSED, "it does not punch", now)
        elif not self.puncher.punch(now):
            self._fail(Reason.PUNCH_FAILED, "its address is not known for sure", now)
