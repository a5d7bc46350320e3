"""How a server answers a client that wants to punch a hole, and punches from its side."""

from __future__ import annotations

from collections.abc import Callable

from ...crypto import equal
from ..dht.address import Address
from ..dht.messages import PeerError, PunchPayload
from ..dht.nat import Firewall
from ..dht.timers import Work
from .hub import Hub
from .puncher import Puncher, coerce
from .seal import PunchSeal

MAX_MESSAGES = 32
"""Messages of one hole that are answered: two rounds, each sent four times, and some more."""

Answer = Callable[[bytes], None]


class ServerPunch:
    """One hole, from the server's side, by the socket by which it is known. A NAT with random ports takes others as well."""

    def __init__(self, hub: Hub, seal: PunchSeal, firewall: int, *, patient: bool = False) -> None:
        self._patient = patient
        self._node, self._seal = hub.node, seal
        self._round = self._messages = 0
        self._over: Work = lambda now: None
        self.puncher = Puncher(hub, False, firewall, lambda port, sender, now: None, lambda now: self._over(now))

    def open(self, payload: bytes) -> PunchPayload | None:
        """Return what the client says, or None if it is not the client, or has said too much."""
        if self._messages >= MAX_MESSAGES:
            return None
        said = self._seal.open(payload)
        self._messages += said is not None
        return said

    def take(self, said: PunchPayload, peer: Address, own_relay: bool, answer: Answer, over: Work, now: float) -> None:
        """Take a message of the client at `peer`. `over` is called if nothing comes of it."""
        self._over = over
        puncher = self.puncher
        if said.error:
            self._abort(answer, over, PeerError.ABORTED, now)
            return
        token = self._seal.token(peer.host)
        echoed = own_relay and said.remote_token is not None and equal(said.remote_token, token)
        if said.round >= self._round:
            self._round = said.round
            puncher.update(said, peer.host if echoed else None)
            puncher.expect(peer)

        def sampled(now: float) -> None:
            self._answer(said, peer, token if own_relay else None, answer, over, now)

        puncher.when_sampled(sampled, now)

    def _abort(self, answer: Answer, over: Work, error: int, now: float) -> None:
        answer(self._seal.seal(PunchPayload(error, Firewall.UNKNOWN, self._round)))
        over(now)

    def _answer(
        self, said: PunchPayload, peer: Address, token: bytes | None, answer: Answer, over: Work, now: float
    ) -> None:
        puncher = self.puncher
        if coerce(puncher.nat.firewall) == Firewall.CONSISTENT and said.remote_address in puncher.nat.addresses:
            # the client has opened its NAT for this address: one datagram, and it is connected
            self._node.punches.send(puncher.port, peer)
        if said.punching:
            if not puncher.draw(now):
                if self._patient:
                    answer(self._seal.seal(self._says(said, token, PeerError.TRY_LATER)))
                else:
                    self._abort(answer, over, PeerError.TRY_LATER, now)
                return
            if not puncher.punch(now):
                self._abort(answer, over, PeerError.ABORTED, now)
                return
        answer(self._seal.seal(self._says(said, token, PeerError.NONE)))

    def _says(self, said: PunchPayload, token: bytes | None, error: int) -> PunchPayload:
        puncher = self.puncher
        return PunchPayload(
            error=error,
            firewall=puncher.nat.firewall,
            round=self._round,
            connected=puncher.connected,
            punching=puncher.punching,
            addresses=puncher.nat.addresses or None,
            token=token,
            remote_token=said.token,
        )
