"""Timestamp: the chain's clock, set once in every block by an inherent."""

from __future__ import annotations

from ..scale import u64
from ..storage import State, Value
from .dispatch import Origin, RuntimePanic

PALLET = 1
IDENTIFIER = b"timstap0"
MAX_DRIFT = 30_000

Now = Value[int, int]("Timestamp", "Now", u64, 0)
DidUpdate = Value[bool, bool]("Timestamp", "DidUpdate", bool, False)


def set_now(s: State, origin: Origin, now: int) -> None:
    """Set the time. Raises RuntimePanic if it is set twice in a block, or back."""
    origin.ensure_none()
    if DidUpdate.exists(s):
        raise RuntimePanic("Timestamp must be updated only once in the block")
    if now < Now.get(s):
        raise RuntimePanic("Timestamp must increment by at least <MinimumPeriod> between sequential blocks")
    Now.put(s, now)
    DidUpdate.put(s, True)


def on_finalize(s: State) -> None:
    """Raise RuntimePanic unless the time was set in this block."""
    if not DidUpdate.get(s):
        raise RuntimePanic("Timestamp must be updated once in the block")
    DidUpdate.kill(s)
