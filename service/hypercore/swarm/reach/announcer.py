"""Keeping a server findable: it announces itself at the nodes nearest to its key, which pass handshakes on to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ...crypto import KeyPair, blake2b
from ..dht.address import Address
from ..dht.messages import Announcement, Command, FoundPeer, sign_announcement
from ..dht.query import Answerer, Query
from ..dht.rpc import DhtReply, Internal
from ..dht.timers import Alarm, Work
from .hub import Hub

RELAYS = 3
"""Nodes at which a server announces itself."""
PING_SECONDS = 3.0
"""Between pings of them, which also keep the way to them through one's own NAT."""
ROUNDS = 100
"""Pings after which the announcements are renewed: some five minutes, of the twenty that they last."""
RETRY_SECONDS = 10.0
"""Between tries while no node takes the announcement."""
MOVED_SECONDS = 30.0
"""At least so long between announcements because a node saw another address than before: it may lie, or a NAT be restless."""
CYCLES = 4
"""Renewals whose nodes may still pass messages on: as long as announcements last."""

OnAnnounced = Callable[[int, float], None]


class Announcer:
    """One server's announcements."""

    def __init__(self, hub: Hub, pair: KeyPair) -> None:
        self._node, self._pair = hub.node, pair
        self._peer = FoundPeer(pair.public)
        self.target = blake2b(pair.public)
        self.relays: tuple[tuple[Address, Address], ...] = ()
        """The nodes, each with this server's own address as it sees it."""
        self._cycles: deque[dict[Address, None]] = deque([{}], CYCLES)
        self._timer: Alarm | None = None
        self._rounds = 0
        self._moved_at = float("-inf")
        self._stopped = self._announcing = False

    def is_relay(self, address: Address) -> bool:
        """Return whether a node may pass messages on: it was asked to, in the last 20 minutes."""
        return any(address in cycle for cycle in self._cycles)

    def start(self, on_announced: OnAnnounced, now: float) -> None:
        """Announce. The callback is told how many nodes took it; from then on it is kept up."""
        if self._timer is not None:
            self._timer.cancel()
        self._cycles.append({})
        self._announcing = True

        def found(query: Query, now: float) -> None:
            if not self._stopped:
                self._announce(query, on_announced, now)

        self._node.query(Command.FIND_PEER, self.target, found, now)

    def refresh(self, now: float) -> None:
        """Announce anew, at once: the address may have changed."""
        if not self._stopped and not self._announcing:
            self.start(lambda taken, now: None, now)

    def _announce(self, query: Query, on_announced: OnAnnounced, now: float) -> None:
        cycle = self._cycles[-1]
        chosen = [one for one in query.closest if one.reply.token is not None][:RELAYS]
        taken: list[tuple[Address, Address]] = []
        left = len(chosen)

        def done(now: float) -> None:
            nonlocal left
            left -= 1
            if left <= 0 and not self._stopped:
                self._announcing = False
                if taken:
                    self._leave_others(now)
                    self.relays = tuple(taken)
                self._keep_up(bool(taken), now)
                on_announced(len(taken), now)

        for node in chosen:

            def took(reply: DhtReply, sender: Address, now: float, node: Answerer = node) -> None:
                if not reply.error:
                    taken.append((node.address, node.reply.to))
                done(now)

            cycle[node.address] = None  # it may pass a message on before its answer comes
            self._tell(node.address, node.id, node.reply.token or b"", took, done, now)
        if not chosen:
            done(now)

    def _tell(
        self, to: Address, node: bytes, token: bytes, then: Callable[[DhtReply, Address, float], None], silent: Work,
        now: float, *, leaving: bool = False,
    ) -> None:  # fmt: skip
        signature = sign_announcement(self._pair, self.target, node, token, self._peer, leaving=leaving)
        command = Command.UNANNOUNCE if leaving else Command.ANNOUNCE
        value = Announcement(self._peer, signature=signature).encode()
        self._node.ask(to, command, then, silent, now, target=self.target, value=value, token=token)

    # ---- keeping it up

    def _keep_up(self, taken: bool, now: float) -> None:
        self._rounds = 0 if taken else ROUNDS
        self._timer = self._node.timers.at(now + (PING_SECONDS if taken else RETRY_SECONDS), self._ping)

    def _ping(self, now: float) -> None:
        self._rounds += 1
        if self._rounds > ROUNDS or not self.relays:
            self.refresh(now)
            return
        self._timer = self._node.timers.at(now + PING_SECONDS, self._ping)
        relays = self.relays

        def gone(now: float) -> None:
            if relays is self.relays:
                self.refresh(now)

        for relay, own in relays:

            def there(reply: DhtReply, sender: Address, now: float, own: Address = own) -> None:
                # a router that got another address tells nobody, and messages would go to where the announcement came from
                if relays is self.relays and reply.to != own and now - self._moved_at >= MOVED_SECONDS:
                    self._moved_at = now
                    self.refresh(now)

            self._node.ask(relay, Internal.PING, there, gone, now, internal=True)

    # ---- leaving

    def _leave_others(self, now: float) -> None:
        for relay, _ in self.relays:
            if relay not in self._cycles[-1]:
                self._leave(relay, lambda now: None, now)

    def _leave(self, relay: Address, done: Work, now: float) -> None:
        def found(reply: DhtReply, sender: Address, now: float) -> None:
            if reply.token is None or reply.id is None or reply.value is None:
                done(now)
                return
            self._tell(relay, reply.id, reply.token, lambda reply, sender, now: done(now), done, now, leaving=True)

        self._node.ask(relay, Command.FIND_PEER, found, done, now, target=self.target, sends=2)

    def halt(self) -> None:
        """Keep it up no longer."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def stop(self, on_left: Work, now: float) -> None:
        """Be found no longer. The callback is called once all nodes know, or do not answer."""
        self.halt()
        left = len(self.relays)

        def done(now: float) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                on_left(now)

        for relay, _ in self.relays:
            self._leave(relay, done, now)
        if not self.relays:
            on_left(now)
