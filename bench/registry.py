"""What a measurement is: a named function that gives our figure and its peer's, found in this package's modules."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Report = Callable[[str], None]  # told in a few words what is being done


@dataclass(frozen=True)
class Figures:
    """A measurement's outcome, both values in the same unit; `how` says in a sentence or two how they were got."""

    unit: str
    ours: float
    peer: float
    peer_name: str
    how: str

    @property
    def ratio(self) -> float:
        """Ours divided by the peer's."""
        return self.ours / self.peer


class Unavailable(Exception):
    """Something that the measurement needs is not on this machine; the message names it."""


@dataclass(frozen=True)
class Measurement:
    """A name such as `encode/core`, and the function that measures it."""

    name: str
    run: Callable[[Report], Figures]


_REGISTERED: list[Measurement] = []


def measures(name: str) -> Callable[[Callable[[Report], Figures]], Callable[[Report], Figures]]:
    """Register the decorated function under a name; it gets a Report and may raise Unavailable."""

    def register(function: Callable[[Report], Figures]) -> Callable[[Report], Figures]:
        if any(known.name == name for known in _REGISTERED):
            raise ValueError(f"two measurements are called {name}")
        _REGISTERED.append(Measurement(name, function))
        return function

    return register


def load() -> None:
    """Import every module of this package, so that it registers what it measures."""
    import bench

    for module in sorted(info.name for info in pkgutil.iter_modules(bench.__path__)):
        if not module.startswith("_"):
            importlib.import_module(f"bench.{module}")


def chosen(prefixes: Sequence[str]) -> Iterator[Measurement]:
    """All measurements whose name begins with one of the prefixes; all of them without any."""
    for measurement in _REGISTERED:
        if not prefixes or measurement.name.startswith(tuple(prefixes)):
            yield measurement
