"""What is played: a name, the network that it needs, and the coroutine that plays it."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from service.roles.common.terms import EncoderTerms, HosterTerms, RolesConfig
from service.units import UNIT

from .stage import Stage

MODULES = {
    "scenarios": ("scenarios_making", "scenarios_hosters", "scenarios_plans", "scenarios_ratio", "scenarios_long"),
    "cheats": ("cheats_hosters", "cheats_attesters", "cheats_plans"),
}


@dataclass(frozen=True, slots=True)
class Cast:
    """The network of a play: how many peers, on which terms, with which modified ones, and a chain's parameters.

    `cheats` names for a peer what it is modified to: a name of `tests.play.cheaters`.
    """

    hosters: int = 3
    encoders: int = 3
    attesters: int = 0
    sponsors: int = 1
    cheats: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, int] = field(default_factory=dict)
    amounts: Mapping[str, int] = field(default_factory=dict)
    preset: str = "development"
    config: RolesConfig = field(default_factory=RolesConfig)
    configs: Mapping[str, RolesConfig] = field(default_factory=dict)
    """Of peers that have other terms than the rest."""
    block_seconds: float = 6.0
    sectors_per_second: float = 1_400.0
    money: int = 2_000 * UNIT


Play = Callable[[Stage], Awaitable[int | None]]
"""Returns the gain of a cheat over its honest twin, in the smallest unit, or None for a scenario."""


@dataclass(frozen=True, slots=True)
class Act:
    """One scenario or cheat."""

    name: str
    says: str
    """What must come of it, in a sentence."""
    cast: Cast
    play: Play
    real: bool = False
    """Whether it is also played with processes and the real node."""
    short: bool = False
    """Whether it is played in the suite."""


ACTS: dict[str, dict[str, Act]] = {kind: {} for kind in MODULES}


def act(
    kind: str, name: str, cast: Cast | None = None, *, real: bool = False, short: bool = False
) -> Callable[[Play], Play]:
    """Put a coroutine into the catalogue; its docstring says what must come of it."""

    def put(play: Play) -> Play:
        says = " ".join((play.__doc__ or "").split())
        assert says, f"{name} says nothing"
        assert name not in ACTS[kind], name
        ACTS[kind][name] = Act(name, says, cast or Cast(), play, real, short)
        return play

    return put


def acts(kind: str) -> dict[str, Act]:
    """Return all scenarios or all cheats, by name."""
    for module in MODULES[kind]:
        importlib.import_module(f"tests.play.{module}")
    return ACTS[kind]


def dear(capacity: int = 1 << 20) -> tuple[RolesConfig, dict[str, int]]:
    """Return terms and amounts at which a small copy is worth far more than a transaction's fee.

    10,000 UNIT for a GiB and era, and a collateral of 50 eras of that: the proportion of the default amounts.
    """
    config = RolesConfig(HosterTerms(capacity, DEAR, UNIT), EncoderTerms(UNIT))
    return config, {"collateral": 50 * DEAR}


DEAR = 10_000 * UNIT
