"""Pauses: a hoster announces that it will be away."""

from __future__ import annotations

from ..storage import State
from .block import deposit, now
from .errors import Error, ensure, error
from .events import HosterPaused
from .items import Hosters
from .limits import PAUSE_ERAS
from .params import times
from .types import Hoster


def pause(s: State, account: bytes) -> None:
    """Announce a pause, by a hoster: after a proof window nothing is due of it for a while."""
    hoster = Hosters.get(s, account)
    if hoster is None:
        raise error(Error.NoOffer)
    ensure(hoster.step == 0, Error.WrongState)
    ensure(hoster.pause is None or now(s) >= hoster.pause + PAUSE_ERAS * times(s).era, Error.PauseTooSoon)
    hoster.pause = now(s)
    Hosters.put(s, account, hoster)
    start = now(s) + times(s).proof_window
    deposit(s, HosterPaused(account, start, start + times(s).pause))


def is_paused(s: State, hoster: Hoster) -> bool:
    """Return whether a hoster's pause is announced and not over: nothing new is asked of it."""
    return hoster.pause is not None and now(s) <= hoster.pause + times(s).proof_window + times(s).pause


def was_away(s: State, hoster: Hoster, era: int) -> bool:
    """Return whether a hoster's last pause touches an era."""
    if hoster.pause is None:
        return False
    start, length = hoster.pause + times(s).proof_window, times(s).era
    return start < (era + 1) * length and start + times(s).pause >= era * length
