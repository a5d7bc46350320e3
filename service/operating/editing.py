"""Changing a node's settings while it runs: what can be changed, what it is in the file, and why a change is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

WHOLE = ""
"""Stands for the file of settings where a reason is about no setting in particular."""


class SettingsRefused(Exception):
    """A change of settings that was not made, with a reason for each setting by its name in the file."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{key}: {reason}" if key else reason for key, reason in reasons.items()))
        self.reasons = dict(reasons)


@dataclass(frozen=True, slots=True)
class EditableSetting:
    """A setting that changes while the node runs.

    `typed` is what the file says, nothing where the default holds; of a secret how much there is. `fixed` says why the file
    does not decide it, or nothing.
    """

    key: str
    flag: str
    variable: str
    default: str
    about: str
    typed: str
    secret: bool
    fixed: str


@dataclass(frozen=True, slots=True)
class SettingsOffered:
    """The settings that can be changed, and the file in which they are kept; or why none can be (`why_not`)."""

    file: str
    why_not: str
    settings: tuple[EditableSetting, ...]


class SettingsEditor(Protocol):
    """Who changes the settings of a node that runs."""

    async def offered(self) -> SettingsOffered:
        """Return what can be changed now."""
        ...

    async def change(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Write settings, by their names in the file, and take them over; an empty text restores the default.

        Return what differs now. Raises SettingsRefused, in which case nothing is changed.
        """
        ...
