"""Who wants to meet whom at a blind relay: halves of pairs wait for each other, a while and within bounds."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from .blind import PairMessage

WAIT_SECONDS = 30.0
"""Time that one half waits for the other."""
MAX_WAITING, MAX_OF_HOST, MAX_OF_SESSION = 1024, 128, 16
"""Halves that wait: of all, of one host, of one peer. Of all, and of a host's, the one that has waited for longest gives way."""


@dataclass(frozen=True, slots=True)
class Half:
    """One peer's wish. `session` is its channel to the relay, `host` what counts as one host (`net.origin_of`)."""

    session: Hashable
    said: PairMessage
    until: float
    host: str


class Pairs:
    """The halves that wait."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[bytes, Half] = OrderedDict()
        self._of: Counter[Hashable] = Counter()
        self._of_host: dict[str, OrderedDict[bytes, None]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, session: Hashable, said: PairMessage, now: float, host: str) -> Half | None:
        """Take one half. Return the other one, if it waits: the two are a pair, and wait no longer."""
        self._forget(now)
        other = self._waiting.get(said.token)
        if other is not None:
            if other.said.initiator == said.initiator or other.session == session:
                return None
            self.drop(said.token)
            return other
        if self._of[session] >= MAX_OF_SESSION:
            return None
        self._waiting[said.token] = Half(session, said, now + WAIT_SECONDS, host)
        self._of[session] += 1
        own = self._of_host.setdefault(host, OrderedDict())
        own[said.token] = None
        if len(own) > MAX_OF_HOST:
            self.drop(next(iter(own)))
        if len(self._waiting) > MAX_WAITING:
            self.drop(next(iter(self._waiting)))
        return None

    def drop(self, token: bytes) -> None:
        """Let one half wait no longer."""
        half = self._waiting.pop(token, None)
        if half is not None:
            self._of[half.session] -= 1
            if not self._of[half.session]:
                del self._of[half.session]
            own = self._of_host[half.host]
            del own[token]
            if not own:
                del self._of_host[half.host]

    def withdraw(self, session: Hashable, token: bytes) -> None:
        """Let a peer's own half wait no longer."""
        half = self._waiting.get(token)
        if half is not None and half.session == session:
            self.drop(token)

    def leave(self, session: Hashable) -> None:
        """Forget all halves of a peer."""
        for token in [token for token, half in self._waiting.items() if half.session == session]:
            self.drop(token)

    def _forget(self, now: float) -> None:
        while self._waiting and next(iter(self._waiting.values())).until <= now:
            self.drop(next(iter(self._waiting)))
