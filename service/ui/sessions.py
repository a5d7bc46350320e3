"""Sessions of who showed the vault's passphrase: bounded, with an end, and the tokens of their forms. Pure, given `now`."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

COOKIE = "datdot_session"
LENGTHS = {"900": 900.0, "3600": 3600.0}
"""For how long a session lasts, in seconds, by what the form says."""
MOST_SESSIONS = 32
"""Sessions at once; the oldest ends for a new one."""
MOST_TOKENS = 32
"""Forms of a session that wait for an answer; the oldest is void for a new one."""
MOST_ADDRESSES = 1024
"""Addresses whose wrong passphrases are counted."""
LONGEST_WAIT = 300.0
"""Seconds that an address waits at most after a wrong passphrase."""


@dataclass(slots=True)
class UnlockedSession:
    """A session: until when it lasts, the token of the form that ends it, and those of forms that are to be signed."""

    until: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    _tokens: OrderedDict[str, str] = field(default_factory=OrderedDict, repr=False)

    def issue(self, purpose: str) -> str:
        """Return a token for one form, good once and for this purpose only."""
        token = secrets.token_urlsafe(24)
        self._tokens[token] = purpose
        while len(self._tokens) > MOST_TOKENS:
            self._tokens.popitem(last=False)
        return token

    def take(self, token: str, purpose: str) -> bool:
        """Use a token up. Return whether it was issued for this purpose, and not used before."""
        return hmac.compare_digest(self._tokens.pop(token, "\0"), purpose)


class SessionBook:
    """All sessions, by the hash of what their cookie holds: a copy of this memory opens none of them."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[bytes, UnlockedSession] = OrderedDict()

    def begin(self, seconds: float, now: float) -> str:
        """Begin a session, and return what its cookie holds."""
        key = secrets.token_urlsafe(32)
        self._sessions[_hashed(key)] = UnlockedSession(now + seconds)
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return key

    def find(self, key: str | None, now: float) -> UnlockedSession | None:
        """Return the session of a cookie, unless it is over."""
        found = None if key is None else self._sessions.get(_hashed(key))
        if found is None or key is None:
            return None
        if now >= found.until:
            self.end(key)
            return None
        return found

    def end(self, key: str) -> None:
        """End a session."""
        self._sessions.pop(_hashed(key), None)


def _hashed(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


class WrongPassphrases:
    """How long an address must wait: twice as long after each wrong passphrase."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """Return for how many seconds an address may not try."""
        return max(0.0, self._wrong.get(address, (0, 0.0))[1] - now)

    def note(self, address: str, right: bool, now: float) -> None:
        """Note the outcome of a try."""
        count = self._wrong.pop(address, (0, 0.0))[0] + 1
        if right:
            return
        self._wrong[address] = (count, now + min(2.0 ** min(count, 20), LONGEST_WAIT))
        while len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)
