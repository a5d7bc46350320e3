"""What `datdot doctor` and `datdot bench` find: how a thing is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Grade(Enum):
    """How a thing is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing; what to do stands in `remedy` if it is not good."""

    what: str
    level: Grade
    text: str
    remedy: str = ""


def good(what: str, text: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(what, Grade.GOOD, text)


def warning_of(what: str, text: str, remedy: str) -> Finding:
    """Return one that is to be looked at."""
    return Finding(what, Grade.WARNING, text, remedy)


def bad(what: str, text: str, remedy: str) -> Finding:
    """Return one with which the node does not do its work."""
    return Finding(what, Grade.BAD, text, remedy)
