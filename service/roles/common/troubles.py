"""What fails in a node now: actions of roles and writes, each with its kind, until they succeed. Alerts are made of it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum

from service.chain_client import UnknownRuntime
from service.disk import DISK_ERRORS
from service.hypercore.wire.errors import WireError

from .feed_window import FeedUnreachable

MOST = 64
"""Troubles that are kept; of more the oldest is forgotten."""
MOST_TEXT = 500


class TroubleKind(Enum):
    """What kind of thing fails."""

    DISK = "disk"
    FEED = "feed"
    MONEY = "money"
    RUNTIME = "runtime"


class TooPoor(Exception):
    """The account could not pay what an offer holds, and its balance has not grown since. The message names both."""


class TooDear(Exception):
    """An ask that the chain takes from nobody. The message names it, the most that may be asked, and the setting."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that fails: what, and the words of its last error."""

    kind: TroubleKind
    about: str
    text: str


def kind_of(error: BaseException) -> TroubleKind | None:
    """Return the kind of a failure that its operator can do something about, or None for any other."""
    if isinstance(error, TooPoor):
        return TroubleKind.MONEY
    if isinstance(error, UnknownRuntime):
        return TroubleKind.RUNTIME
    if isinstance(error, FeedUnreachable | WireError):
        return TroubleKind.FEED
    if isinstance(error, DISK_ERRORS) and not isinstance(error, ConnectionError | TimeoutError):
        return TroubleKind.DISK
    return None


class Troubles:
    """The troubles of one node. All methods are called on its event loop."""

    def __init__(self) -> None:
        self._now: dict[Hashable, Trouble] = {}

    def failed(self, about: Hashable, error: BaseException) -> None:
        """Note that something failed. Errors of no kind are forgotten."""
        kind = kind_of(error)
        self._now.pop(about, None)
        if kind is None:
            return
        name = " ".join(map(str, about)) if isinstance(about, tuple) else str(about)
        self._now[about] = Trouble(kind, name[:MOST_TEXT], (str(error) or type(error).__name__)[:MOST_TEXT])
        while len(self._now) > MOST:
            del self._now[next(iter(self._now))]

    def over(self, about: Hashable) -> None:
        """Note that it succeeded, or is wanted no more."""
        self._now.pop(about, None)

    @property
    def now(self) -> tuple[Trouble, ...]:
        """Those that stand, the oldest first."""
        return tuple(self._now.values())
