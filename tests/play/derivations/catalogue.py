"""What is derived: a name, what it rests on, the program that computes its figures, and the sentences that state them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SPECIFICATION = "pallet-spec/README.md"
README = "README.md"
MODULES = ("pairs", "attesters", "hosters", "money", "examples", "fees", "plans", "room", "crowds", "dilution")

Figures = Mapping[str, Any]
"""Whole numbers, shares and amounts by their names, or lists of some."""


@dataclass(frozen=True, slots=True)
class Said:
    """Words that stand in a section of a document, with the figures in them."""

    document: str
    section: str
    """Its number, or its title where sections have none."""
    words: str


def specified(section: int, *words: str) -> tuple[Said, ...]:
    """Return words of a section of the specification."""
    return tuple(Said(SPECIFICATION, str(section), one) for one in words)


def limits(*words: str) -> tuple[Said, ...]:
    """Return words of the README's limits."""
    return tuple(Said(README, "Limits", one) for one in words)


@dataclass(frozen=True, slots=True)
class Derivation:
    """One group of figures. `played` are those of minutes: the model runs for them, from fixed seeds."""

    name: str
    about: str
    assumes: str
    compute: Callable[[], Figures]
    says: Callable[[Figures], tuple[Said, ...]]
    played: bool = False


DERIVATIONS: dict[str, Derivation] = {}


def derive(
    name: str, assumes: str, says: Callable[[Figures], tuple[Said, ...]], *, played: bool = False
) -> Callable[[Callable[[], Figures]], Callable[[], Figures]]:
    """Put a program into the catalogue; its docstring says what it computes."""

    def put(compute: Callable[[], Figures]) -> Callable[[], Figures]:
        about = " ".join((compute.__doc__ or "").split())
        assert about, f"{name} says nothing"
        assert name not in DERIVATIONS, name
        DERIVATIONS[name] = Derivation(name, about, assumes, compute, says, played)
        return compute

    return put


def derivations() -> dict[str, Derivation]:
    """Return all that there are, by name."""
    for module in MODULES:
        importlib.import_module(f"{__package__}.{module}")
    return DERIVATIONS
