"""How often hoster and encoder are one party, and what challenges find (pallet-spec/README.md sections 9 and 19)."""

from __future__ import annotations

from runtime_mock.model.datdot.challenges import sample_count
from runtime_mock.model.datdot.limits import GIB_SECTORS

from .catalogue import README, Figures, Said, derive, limits, specified
from .words import percent

SHARES = (0.1, 0.3)
DRAWS = 2
"""Encoders of a copy: who stalls is replaced once."""
MISSING = (0.01, 0.1)
GIGABYTES = (0, 7, 15, 31, 63, 127, 255, 16_383)


def one_party(share: float, draws: int = DRAWS) -> float:
    """Return how likely hoster and encoder are of one party with a share of both tables, which has so many draws of an encoder."""
    return share * (1 - (1 - share) ** draws)


def chosen(share: float, parents: int) -> float:
    """Return how likely a draw hits a party that makes a share of the blocks too, and chooses among so many parents there."""
    return (1 - share) * share + share * (1 - (1 - share) ** parents)


def _pairs_says(found: Figures) -> tuple[Said, ...]:
    tenth, most = percent(found["at 0.1"], 1), percent(found["at 0.3"])
    once, two, three = (percent(found[name]) for name in ("once at 0.3", "two parents", "three parents"))
    return (
        *specified(
            19,
            f"(probability f(1 − (1 − f)²) for a share f: {most} at 0.3, {tenth} at 0.1)",
            f"one draw of each gives three tenths {once}; block producers of that share who choose among two relay parents raise "
            f"it to {two}, among three to {three}.",
        ),
        *limits(
            f"probability f(1−(1−f)²), {most} at 0.3 and {tenth} at 0.1. Block producers that choose among two relay parents "
            f"raise {once} to {two}.",
        ),
        Said(README, "datdot", f"(with a tenth of all peers {tenth} of the copies, with three tenths {most})"),
    )


@derive(
    "pairs",
    "one party has a share f of the weights of both draw tables, and of the blocks where it chooses; the seeds of hoster and "
    "encoder are independent; a copy has two draws of an encoder at most, as who stalls is replaced once",
    _pairs_says,
)
def pairs() -> Figures:
    """How likely a copy's hoster and encoder are one party, which can make the copy again."""
    found = {f"at {share}": one_party(share) for share in SHARES} | {"once at 0.3": one_party(0.3, 1)}
    return found | {name: chosen(0.3, parents) ** 2 for name, parents in (("two parents", 2), ("three parents", 3))}


def _detection_says(found: Figures) -> tuple[Said, ...]:
    row = " | ".join(str(found[f"samples at {size} GiB"]) for size in GIGABYTES)
    few, many = percent(found["0.01 found"]), percent(found["0.1 found"])
    return specified(
        9, f"| k | {row} |", f"with k = 16, 1 % lost are found in {few} of the challenges, 10 % in {many}."
    )


@derive("detection", "the missing part is spread evenly over what a hoster stores", _detection_says)
def detection() -> Figures:
    """How many samples a challenge has, and how likely 16 of them find a missing part."""
    counts = {f"samples at {size} GiB": sample_count(size * GIB_SECTORS) for size in GIGABYTES}
    return counts | {f"{part} found": 1 - (1 - part) ** counts["samples at 63 GiB"] for part in MISSING}
