"""Small charts drawn by hand, inline: they follow theme and forced colours, and hold no text but title and description."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from service.operating.detail import CopyChallenge, Pulse, SectorGrid

WIDE = 32
"""Cells in a row of the sector grid."""
TICKS = 24
LEAST_BARS = 24
"""Bars for which a chart has room at least, so that one is not as wide as the page."""
MOST_STRIP = 512
"""Cells of a strip of blocks at most."""


def plot(
    wide: float, high: float, body: str, about: tuple[str, str], name: str, kind: str, stretch: bool = True
) -> Markup:
    """Return an SVG of a size, with title and description; `name` is unique on its page, `kind` its class."""
    keep = ' preserveAspectRatio="none"' if stretch else ""
    title, desc = (escape(one) for one in about)
    return Markup(
        f'<svg class="plot {kind}" viewBox="0 0 {wide:g} {high:g}"{keep} role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{title}</title><desc id="{name}-d">{desc}</desc>{body}</svg>'
    )


def rect(x: float, y: float, wide: float, high: float, kind: str) -> str:
    """Return a rectangle of a class."""
    return f'<rect x="{x:.6g}" y="{y:.6g}" width="{wide:.6g}" height="{high:.6g}" class="{kind}"/>'


def ruler(pulse: Pulse | None) -> Markup:
    """Return the page's top edge: the era in 24 ticks, filled as far as it is."""
    ticks = "".join(rect(at * 10, 0, 0.6, 12 if at % 6 == 0 else 7, "tick") for at in range(1, TICKS))
    gone = "" if pulse is None else ruler_x(pulse)
    fill = f'<rect x="0" y="0" width="{gone or 0}" height="3" class="gone" data-live="era.x" data-attr="width"/>'
    return Markup(f'<svg viewBox="0 0 240 12" preserveAspectRatio="none" aria-hidden="true">{ticks}{fill}</svg>')


def ruler_x(pulse: Pulse) -> str:
    """Return how far the ruler is filled."""
    return f"{pulse.era_block * TICKS * 10 / pulse.era_blocks:.6g}"


def sectors(grid: SectorGrid, total: int) -> Markup:
    """Return the grid of a copy's sectors."""
    paths: dict[str, list[str]] = {"c0": [], "c1": [], "c2": [], "cx": []}
    missed = set(grid.missed)
    for at, opened in enumerate(grid.cells):
        x, y = at % WIDE * 10, at // WIDE * 10
        kind = "cx" if at in missed else f"c{min(opened, 2)}"
        cross = f"M{x + 2} {y + 1}l7 7M{x + 9} {y + 1}l-7 7" if kind == "cx" else ""
        paths[kind].append(f"M{x + 1} {y + 1}h8v8h-8z{cross}")
    body = "".join(f'<path class="{kind}" d="{"".join(found)}"/>' for kind, found in paths.items() if found)
    rows = -(-len(grid.cells) // WIDE)
    told = (
        f"{len(grid.cells)} cells of up to {grid.each} sectors each, {WIDE} in a row. {len(paths['c0'])} cells were not opened "
        f"yet, {len(paths['c1'])} once, {len(paths['c2'])} twice or more. {len(missed)} hold a sector that was not proved."
    )
    return plot(
        WIDE * 10, rows * 10, body, (f"Sectors opened: {grid.opened:,} of {total:,}", told), "grid", "sectors", False
    )


def margins(challenges: Sequence[CopyChallenge], window: int) -> Markup:
    """Return the blocks from challenge to proof, a bar each, under the lines of warning and deadline."""
    top, many = window * 16 / 15, len(challenges)
    wide = max(many, LEAST_BARS) * 10
    body = rect(0, (top - window * 2 / 3) / top * 100, wide, 0.6, "f-warn")
    body += rect(0, (top - window) / top * 100, wide, 0.9, "f-bad")
    took = [None if one.proved is None else one.proved - one.issued for one in challenges]
    for at, blocks in enumerate(took):
        high = 100.0 if blocks is None else min(blocks, top) / top * 100
        body += rect(at * 10 + 2, 100 - high, 6, high, "f-mass" if blocks is not None else "f-bad")
    body += rect(0, 99.4, wide, 0.6, "f-edge")
    done = [blocks for blocks in took if blocks is not None]
    told = (
        f"One bar a challenge, oldest left. {len(done)} of {many} were proved, the slowest in {max(done, default=0)} blocks. "
        f"The deadline is {window} blocks; a warning is raised above two thirds of them."
    )
    return plot(
        many * 10, 100, body, (f"Blocks from challenge to proof, {many} challenges", told), "margins", "h-margin"
    )


def spark(values: Sequence[int], title: str, told: str) -> Markup:
    """Return bars without axes."""
    most = max(values, default=0) or 1
    body = "".join(
        rect(at * 10 + 2.5, 40 - value / most * 40, 5, max(value / most * 40, 0.4), "f-mass")
        for at, value in enumerate(values)
    )
    wide = max(len(values), 1) * 10
    return plot(wide, 40, body + rect(0, 39.5, wide, 0.5, "f-edge"), (title, told), "spark", "h-spark")


def strip(length: int, ranges: Sequence[Sequence[int]]) -> Markup:
    """Return which blocks of a feed are here: a cell for one, or for a run of them if they are many."""
    if not length:
        return Markup("")
    each = -(-length // MOST_STRIP)
    cells = -(-length // each)
    here = [0] * cells
    for start, end in ranges:
        for cell in range(start // each, -(-end // each)):
            here[cell] += min(end, (cell + 1) * each) - max(start, cell * each)
    wide = min(cells, 64)
    paths: dict[str, list[str]] = {"c": [], "m": []}
    for cell, many in enumerate(here):
        whole = many >= min(each, length - cell * each)
        paths["c" if whole else "m"].append(f"M{cell % wide * 10 + 1} {cell // wide * 14 + 1}h8v12h-8z")
    body = "".join(f'<path class="{kind}" d="{"".join(found)}"/>' for kind, found in paths.items() if found)
    run = "one block" if each == 1 else f"{each:,} blocks"
    told = f"A cell is {run}, the first is left. {len(paths['c'])} of {cells} cells are whole."
    return plot(wide * 10, -(-cells // wide) * 14, body, ("Blocks that are here", told), "strip", "blocks", False)
