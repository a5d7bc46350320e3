"""One proof of several sectors of a segment, made of their openings and taken apart again (pallet-spec/README.md section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .errors import OpeningError
from .merkle import HASH, Opening, leaf_hash, node_hash, root_hash
from .profiles import MAX_SECTORS, SECTOR

Place = tuple[int, int]
"""Of a node: its height over the leaves, its index in that level."""


def widths(sectors: int) -> Iterator[tuple[int, int]]:
    """Yield height and width of each level below the top."""
    height = 0
    while sectors > 1:
        yield height, sectors
        height, sectors = height + 1, (sectors + 1) // 2


def path(sector: int, sectors: int) -> list[Place]:
    """Return the places of the siblings of one sector's opening, bottom up."""
    beside = ((height, sector >> height ^ 1, width) for height, width in widths(sectors))
    return [(height, index) for height, index, width in beside if index < width]


def needed(opened: Iterable[int], sectors: int) -> list[Place]:
    """Return the places of the siblings of one proof of several sectors, in its order: by level, in each left to right."""
    known, places = set(opened), []
    for height, width in widths(sectors):
        missing = sorted({index ^ 1 for index in known if index ^ 1 < width} - known)
        places += [(height, index) for index in missing]
        known = {index // 2 for index in known}
    return places


def join(sectors: int, openings: Sequence[Opening]) -> tuple[bytes, ...]:
    """Return the siblings of one proof of several sectors of a tree of `sectors` leaves, from an opening of each.

    Raises OpeningError if an opening has not as many siblings as the tree prescribes.
    """
    nodes: dict[Place, bytes] = {}
    for opening in openings:
        places = path(opening.sector, sectors)
        if len(opening.siblings) != len(places):
            raise OpeningError(f"sector {opening.sector} needs {len(places)} siblings, not {len(opening.siblings)}")
        nodes.update(zip(places, opening.siblings, strict=True))
    return tuple(nodes[place] for place in needed((opening.sector for opening in openings), sectors))


def split(
    ctx: bytes, sectors: int, opened: Mapping[int, bytes], siblings: Sequence[bytes]
) -> tuple[bytes, list[Opening]]:
    """Return the root to which a proof of several sectors leads, and an opening of each, by sector.

    `ctx`, `sectors` and the keys of `opened` must come from the chain, never from the prover. Raises OpeningError, before
    anything is hashed, unless data and siblings have the exact number and sizes that the tree prescribes.
    """
    places = _checked(sectors, opened, siblings)
    nodes: dict[Place, bytes] = {(0, sector): leaf_hash(ctx, sector, data) for sector, data in opened.items()}
    nodes.update(zip(places, siblings, strict=True))
    above, known = 0, set(opened)
    for height, width in widths(sectors):
        above, known = height + 1, {index // 2 for index in known}
        for index in known:
            left = nodes[height, 2 * index]
            carried = 2 * index + 1 == width
            nodes[above, index] = left if carried else node_hash(left, nodes[height, 2 * index + 1])
    openings = [
        Opening(sector, data, tuple(nodes[place] for place in path(sector, sectors)))
        for sector, data in sorted(opened.items())
    ]
    return root_hash(ctx, sectors, nodes[above, 0]), openings


def _checked(sectors: int, opened: Mapping[int, bytes], siblings: Sequence[bytes]) -> list[Place]:
    """Return the places of the siblings. Raises OpeningError if they, or what is opened, cannot be right."""
    if not 1 <= sectors <= MAX_SECTORS:
        raise OpeningError(f"a tree cannot have {sectors} sectors")
    if not opened or not all(0 <= sector < sectors for sector in opened):
        raise OpeningError(f"sectors {sorted(opened)} are not some of the {sectors} of the tree")
    if any(len(data) != SECTOR for data in opened.values()):
        raise OpeningError(f"the data of one of the sectors {sorted(opened)} is not {SECTOR} bytes long")
    places = needed(opened, sectors)
    if len(siblings) != len(places) or any(len(sibling) != HASH for sibling in siblings):
        raise OpeningError(
            f"sectors {sorted(opened)} need {len(places)} siblings, not {len(siblings)}, of {HASH} bytes each"
        )
    return places
