"""The registry of measurements: named functions, found in this package's modules, that return our figure and its peer's."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Report = Callable[[str], None]  # called with a few words on what is being done


@dataclass(frozen=True)
class Figures:
    """A measurement's outcome, both values in the same unit. `how` says in a sentence or two how they were obtained."""

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
    """The machine lacks something that the measurement needs. The message names it."""


@dataclass(frozen=True)
class Measurement:
    """A name such as `encode/core`, and the function that measures it."""

    name: str
    run: Callable[[Report], Figures]


_REGISTERED: list[Measurement] = []


def measures(name: str) -> Callable[[Callable[[Report], Figures]], Callable[[Report], Figures]]:
    """Register the decorated function under a name. It takes a Report and may raise Unavailable."""

    def register(function: Callable[[Report], Figures]) -> Callable[[Report], Figures]:
        if any(known.name == name for known in _REGISTERED):
            raise ValueError(f"two measurements are called {name}")
        _REGISTERED.append(Measurement(name, function))
        return function

    return register


def load() -> None:
    """Import every module of this package, so that it registers its measurements."""
    import bench

    for module in sorted(info.name for info in pkgutil.iter_modules(bench.__path__)):
        if not module.startswith("_"):
            importlib.import_module(f"bench.{module}")


def chosen(prefixes: Sequence[str]) -> Iterator[Measurement]:
    """Yield the measurements whose name begins with one of the prefixes, or all of them without prefixes."""
    for measurement in _REGISTERED:
        if not prefixes or measurement.name.startswith(tuple(prefixes)):
            yield measurement
