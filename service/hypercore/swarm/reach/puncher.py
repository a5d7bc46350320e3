"""One side's part in punching a hole: what its NAT is, the datagrams of one byte, and when to give up."""

from __future__ import annotations

from ..dht.address import Address
from ..dht.messages import PunchPayload
from ..dht.nat import Firewall, NatSamples
from ..dht.punches import OnPunch
from ..dht.requests import Port
from ..dht.rpc import DhtReply, Internal
from ..dht.timers import Alarm, Work
from .hub import Hub, reachable

SAMPLES = 4
"""Nodes that are asked which address a socket has."""
SKIPPED_NODES = 5
"""The newest nodes that are not asked, of 8 or more: they may be on the way of the same query."""
REOPENS = 3
CONSISTENT_TRIES, CONSISTENT_SECONDS = 10, 1.0
RANDOM_TRIES, RANDOM_SECONDS = 1750, 0.02
BIRTHDAY_SOCKETS, BIRTHDAY_SECONDS = 256, 0.1
FIRST_PORT, LAST_PORT = 1000, 65_535
MAX_TARGETS = 8
"""Addresses of the peer that are punched. A peer's word must not send datagrams to a crowd."""
MAX_ECHOES = 64


def coerce(firewall: int) -> int:
    """Return a firewall as a puncher sees it: an open host is reached like one behind a NAT that keeps the port."""
    return Firewall.CONSISTENT if firewall == Firewall.OPEN else firewall


class Puncher:
    """One side. The initiator has a socket of its own, the other side the one by which it is known already.

    `on_punched` is told of the first datagram that reaches the initiator, `on_over` that the tries are over.
    """

    def __init__(self, hub: Hub, initiator: bool, remote_firewall: int, on_punched: OnPunch, on_over: Work) -> None:
        self._hub, self._node, self.initiator = hub, hub.node, initiator
        self._on_punched, self._on_over = on_punched, on_over
        self.remote_firewall = remote_firewall
        self.remote_addresses: tuple[Address, ...] = ()
        self.remote_punching = self.punching = self.connected = self.over = False
        self._verified: set[str] = set()
        self._expected: set[Address] = set()
        self._started: bool | None = None
        self._lot = self._echoes = self._reopened = 0
        self._timer: Alarm | None = None
        self._own: list[int] = []
        self._waiting: list[Work] = []
        self._asked: set[Address] = set()
        self._pending = 0
        self._retry = self._sampling = False
        if initiator:
            self.nat = NatSamples()
            self.port: Port = self._open()
        else:
            self.nat = self._node.samples.judge()
            self.port = hub.main
            self._node.punches.hear(self.port, self._heard)

    # ---- what this side's NAT is

    def _open(self) -> int:
        number = self._node.punches.new(self._heard)
        self._own.append(number)
        return number

    @property
    def unstable(self) -> bool:
        """Whether nothing can come of it with this socket."""
        both = self.remote_firewall >= Firewall.RANDOM and self.nat.firewall >= Firewall.RANDOM
        return both or self.nat.firewall == Firewall.UNKNOWN

    def when_sampled(self, then: Work, now: float) -> None:
        """Call back once enough nodes have said which address the socket has, or no more of them will."""
        self._waiting.append(then)
        if self.nat.firewall != Firewall.UNKNOWN:
            self._sampled(now)
        elif not self._sampling:
            self.sample(now)

    def sample(self, now: float) -> None:
        """Ask nodes which address the socket has."""
        self._sampling, self._retry, self._asked = True, True, set()
        self._ask_nodes(now)

    def _ask_nodes(self, now: float) -> None:
        known = [one for one in self._node.latest() if one not in self._asked]
        if len(known) >= SKIPPED_NODES + SAMPLES:
            known = known[SKIPPED_NODES:]
        nat, port = self.nat, self.port
        chosen = known[: max(0, SAMPLES - nat.count)]
        self._pending = len(chosen)
        for address in chosen:
            self._asked.add(address)

            def told(reply: DhtReply, sender: Address, now: float) -> None:
                if nat is self.nat:
                    nat.add(reply.to, sender)
                    self._one_less(now)

            def silent(now: float) -> None:
                if nat is self.nat:
                    self._one_less(now)

            self._node.ask(address, Internal.PING, told, silent, now, internal=True, sends=1, via=port)
        if not chosen:
            self._sampled(now)

    def _one_less(self, now: float) -> None:
        self._pending -= 1
        if self.nat.firewall == Firewall.CONSISTENT or self.nat.count >= SAMPLES:
            self._sampled(now)
        elif not self._pending:
            if self._retry:
                self._retry = False
                self._ask_nodes(now)
            else:
                self._sampled(now)

    def _sampled(self, now: float) -> None:
        self._sampling = False
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            if not self.over:
                then(now)

    def reopen(self, then: Work, now: float) -> None:
        """Try with other sockets, a few times: some NATs are not the same for each. Then call back."""
        if not self.unstable or self._reopened >= REOPENS or not self._own or self.punching:
            then(now)
            return
        self._reopened += 1
        self._close_all()
        self.nat = NatSamples()
        self.port = self._open()
        self.sample(now)
        self.when_sampled(lambda now: self.reopen(then, now), now)

    # ---- what the other side says

    def update(self, said: PunchPayload, verified: str | None) -> None:
        """Take what the other side says of itself. `verified` is a host at which it has proved to receive."""
        self.remote_firewall, self.remote_punching = said.firewall, said.punching
        own = self.nat.addresses or self._hub.addresses()
        self.remote_addresses = reachable(said.addresses or (), own)[:MAX_TARGETS]
        self._verified |= {verified} if verified else set()
        self._expected |= set(self.remote_addresses)

    def expect(self, address: Address) -> None:
        """Note an address from which the other side may come."""
        self._expected.add(address)

    def assume(self, address: Address) -> None:
        """Take an address for the other side's, as it tells none."""
        self.remote_addresses = (address,)

    def is_target(self, address: Address) -> bool:
        """Return whether an address is one of the other side's, by which a hole was punched."""
        if self.remote_firewall >= Firewall.RANDOM:
            return self._is_host(address.host)
        return address in self._expected

    def _is_host(self, host: str) -> bool:
        return any(one.host == host for one in self._expected)

    def _heard(self, port: Port, sender: Address, now: float) -> None:
        if self.over or self.connected or not self._is_host(sender.host):
            return
        if self.initiator:
            self.win(port, now)
            self._on_punched(port, sender, now)
        elif self._echoes < MAX_ECHOES:
            self._echoes += 1
            self._node.punches.send(port, sender)

    # ---- punching

    @property
    def random(self) -> bool:
        """Whether one of the two NATs uses random ports."""
        return self.remote_firewall >= Firewall.RANDOM or self.nat.firewall >= Firewall.RANDOM

    def draw(self, now: float) -> bool:
        """Take the right to punch, where ports are random. Return whether it is there."""
        if self.random and not self._lot:
            if not self._hub.random_punches.begin(now):
                return False
            self._lot = 1
        return True

    def give_back(self, now: float) -> None:
        """Give the right back."""
        if self._lot:
            self._lot = 0
            self._hub.random_punches.end(now, punched=bool(self._started))

    def punch(self, now: float) -> bool:
        """Begin. Return whether there is a way at all. With random ports `draw` comes first."""
        if self._started is None:
            self._started = self._start(now)
        return self._started

    def _start(self, now: float) -> bool:
        if self.over or self.connected or not self.remote_addresses:
            return False
        local, remote = coerce(self.nat.firewall), coerce(self.remote_firewall)
        known = next((one for one in self.remote_addresses if one.host in self._verified), None)
        if local == remote == Firewall.CONSISTENT:
            self.punching = True
            # the other side has just been answered: what it sends at once finds this side's NAT open
            self._later(now + (0.0 if self.initiator else CONSISTENT_SECONDS), lambda now: self._consistent(1, now))
            return True
        if known is None or {local, remote} != {Firewall.CONSISTENT, Firewall.RANDOM} or not self._lot:
            return False
        self.punching = True
        if local == Firewall.CONSISTENT:
            self._guess(known.host, 0, now)
        else:
            self._open_many(known)
            self._later(now + BIRTHDAY_SECONDS, lambda now: self._round_robin(known, 0, now))
        return True

    def _later(self, at: float, work: Work) -> None:
        self._timer = self._node.timers.at(at, work)

    def _consistent(self, number: int, now: float) -> None:
        if number > CONSISTENT_TRIES:
            self._give_up(now)
            return
        for address in self.remote_addresses:
            if address.host in self._verified or number % 4 == 0:
                self._node.punches.send(self.port, address)
        self._later(now + CONSISTENT_SECONDS, lambda now: self._consistent(number + 1, now))

    def _guess(self, host: str, number: int, now: float) -> None:
        if number >= RANDOM_TRIES:
            self._give_up(now)
            return
        self._node.punches.send(self.port, Address(host, self._hub.chance.randint(FIRST_PORT, LAST_PORT)))
        self._later(now + RANDOM_SECONDS, lambda now: self._guess(host, number + 1, now))

    def _open_many(self, address: Address) -> None:
        while len(self._own) < BIRTHDAY_SOCKETS:
            self._node.punches.send(self._open(), address, opener=True)

    def _round_robin(self, address: Address, number: int, now: float) -> None:
        if number >= RANDOM_TRIES:
            self._give_up(now)
            return
        port = self._own[number % len(self._own)]
        self._node.punches.send(port, address, opener=number < len(self._own))
        self._later(now + RANDOM_SECONDS, lambda now: self._round_robin(address, number + 1, now))

    # ---- the end

    def _give_up(self, now: float) -> None:
        self.close(now)
        self._on_over(now)

    def win(self, port: Port, now: float) -> None:
        """Note that the peers are connected by one of the sockets. It stays open, the others are closed."""
        self.connected = True
        if port in self._own:
            self._own.remove(port)
            self._node.punches.leave(port, self._heard)
        self.close(now)

    def close(self, now: float) -> None:
        """Stop. Sockets that are not needed are closed."""
        if self.over:
            return
        self.over, self.punching = True, False
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        self.give_back(now)
        self._close_all()
        if not self.initiator:
            self._node.punches.leave(self.port, self._heard)

    def _close_all(self) -> None:
        for number in self._own:
            self._node.punches.close(number)
        self._own.clear()
