"""Settings that change while a node runs: what of a new file is taken over at once, and what needs a restart."""

from __future__ import annotations

from dataclasses import dataclass, fields

import structlog

from .config import Resolved
from .options import BY_NAME
from .settings import NodeSettings

log = structlog.get_logger(__name__)

APART = frozenset({"terms", "alert_targets", "genesis", "account"})
"""Fields of the settings that are compared in another way, or are no settings."""


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """What differs between two files: names that take effect now, and names that wait for a restart."""

    now: tuple[str, ...]
    later: tuple[str, ...]


def change_of(before: Resolved, after: Resolved) -> SettingsChange:
    """Return what differs between the settings that a node runs with and others. Pure."""
    one, other = before.settings, after.settings
    now = [
        BY_NAME[name].key
        for name in sorted(one.terms.keys() | other.terms.keys())
        if one.terms.get(name) != other.terms.get(name)
    ]
    if one.alert_targets != other.alert_targets:
        now.append(BY_NAME["alerts_targets"].key)
    later = [field.name for field in fields(NodeSettings) if field.name not in APART]
    return SettingsChange(tuple(now), tuple(name for name in later if getattr(one, name) != getattr(other, name)))


def tell(change: SettingsChange) -> None:
    """Log what changed."""
    if not change.now and not change.later:
        log.info("settings read again: nothing changed")
    if change.now:
        log.info("settings changed", settings=", ".join(change.now))
    if change.later:
        log.warning(
            "these settings were changed in the file and wait for a restart",
            settings=", ".join(change.later),
            remedy="stop the node and start it again",
        )
