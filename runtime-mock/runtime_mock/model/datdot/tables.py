"""The draw tables: weights, the entries' own copies, and the places of hosters, encoders and copies.

See pallet-spec/README.md sections 5 and 6.
"""

from __future__ import annotations

from collections.abc import Callable

from ..storage import State
from .items import (
    CopyNodes,
    CopySlots,
    EncoderDraws,
    EncoderNodes,
    EncoderSlots,
    HosterCount,
    HosterDraws,
    HosterNodes,
    Hosters,
    HosterSlots,
    Storing,
    StoringCount,
)
from .limits import GIB, JOBS
from .money import held, mul_div
from .params import amounts
from .records import Copy
from .sums import Table
from .types import Amounts, EncoderDraw, HosterDraw, Role


def hoster_table(s: State) -> Table:
    """Return the draw table of hosters."""
    return Table(s, HosterNodes, 3)


def encoder_table(s: State) -> Table:
    """Return the draw table of encoders."""
    return Table(s, EncoderNodes, 3)


def copy_table(s: State, hoster: bytes) -> Table:
    """Return a hoster's copies table."""
    return Table(s, CopyNodes, 2, hoster)


def collateral_due(per_gib: int, size: int) -> int:
    """Return an amount due: per GiB x bytes / 2^30, rounded down."""
    return mul_div(per_gib, size, by=GIB)


def is_secured(s: State, account: bytes, size: int) -> bool:
    """Return whether what a hoster has on hold covers so many bytes: forfeits and fines took of it since its offer."""
    return held(s, account, Role.HOSTING) >= collateral_due(amounts(s).collateral, size)


def hoster_weight(draw: HosterDraw, amounts: Amounts) -> int:
    """Return the weight of a hoster's entry."""
    if not draw.open or draw.collateral < collateral_due(amounts.collateral, draw.capacity):
        return 0
    free = min(-(-max(0, draw.capacity - draw.used) // GIB), 1_024)
    return free * (draw.reputation // 1_000)


def encoder_weight(draw: EncoderDraw, amounts: Amounts) -> int:
    """Return the weight of an encoder's entry."""
    if not draw.open or draw.jobs >= JOBS or draw.bond < amounts.encoder_bond:
        return 0
    return draw.reputation // 1_000


def draw_hoster(s: State, account: bytes, change: Callable[[HosterDraw], None]) -> None:
    """Change a hoster's entry of the draw table. It takes a slot when it first enters."""
    draw = HosterDraws.get(s, account)
    if draw is None:
        return
    change(draw)
    weight = hoster_weight(draw, amounts(s))
    if draw.slot is not None:
        hoster_table(s).set(draw.slot, weight)
    elif draw.open:
        draw.slot = hoster_table(s).take(weight)
        if draw.slot is not None:
            HosterSlots.put(s, draw.slot, account)
    HosterDraws.put(s, account, draw)


def remove_hoster(s: State, account: bytes) -> None:
    """Remove a hoster's entry from the draw table and free its slot."""
    draw = HosterDraws.get(s, account)
    if draw is None:
        return
    if draw.slot is not None:
        hoster_table(s).free(draw.slot)
        HosterSlots.remove(s, draw.slot)
    HosterDraws.remove(s, account)
    HosterCount.put(s, max(0, HosterCount.get(s) - 1))


def draw_encoder(s: State, account: bytes, change: Callable[[EncoderDraw], None]) -> None:
    """Change an encoder's entry of the draw table. It takes a slot when it first enters."""
    draw = EncoderDraws.get(s, account)
    if draw is None:
        return
    change(draw)
    weight = encoder_weight(draw, amounts(s))
    if draw.slot is not None:
        encoder_table(s).set(draw.slot, weight)
    elif draw.open:
        draw.slot = encoder_table(s).take(weight)
        if draw.slot is not None:
            EncoderSlots.put(s, draw.slot, account)
    EncoderDraws.put(s, account, draw)


def add_used(s: State, account: bytes, size: int) -> None:
    """Reserve bytes on a hoster."""

    def change(draw: HosterDraw) -> None:
        draw.used += size

    draw_hoster(s, account, change)


def drop_used(s: State, account: bytes, size: int) -> None:
    """Free reserved bytes on a hoster."""

    def change(draw: HosterDraw) -> None:
        draw.used = max(0, draw.used - size)

    draw_hoster(s, account, change)


def add_job(s: State, account: bytes) -> None:
    """Give an encoder a job more."""

    def change(draw: EncoderDraw) -> None:
        draw.jobs += 1

    draw_encoder(s, account, change)


def drop_job(s: State, account: bytes) -> None:
    """Take a job from an encoder."""

    def change(draw: EncoderDraw) -> None:
        draw.jobs = max(0, draw.jobs - 1)

    draw_encoder(s, account, change)


def table_copy(s: State, copy_id: int, copy: Copy, sectors: int) -> None:
    """Enter confirmed sectors in the hoster's copies table, and the hoster in the list of those that store something."""
    table = copy_table(s, copy.hoster)
    if table.total() == 0:
        _enter_list(s, copy.hoster)
    copy.tabled += sectors
    if copy.slot is not None:
        table.set(copy.slot, copy.tabled)
        return
    copy.slot = table.take(copy.tabled)
    if copy.slot is not None:
        CopySlots.put(s, copy.hoster, copy.slot, copy_id)


def untable_copy(s: State, copy: Copy) -> None:
    """Remove an ended copy from the copies table, and its hoster from the list if it stores nothing else."""
    slot, copy.slot = copy.slot, None
    if slot is None:
        return
    copy.tabled = 0
    table = copy_table(s, copy.hoster)
    table.free(slot)
    CopySlots.remove(s, copy.hoster, slot)
    if table.total() == 0:
        _leave_list(s, copy.hoster)


def _set_place(s: State, account: bytes, place: int | None) -> int | None:
    """Set a hoster's place in the list. Return the place it had before."""
    hoster = Hosters.get(s, account)
    if hoster is None:
        return None
    before, hoster.place = hoster.place, place
    Hosters.put(s, account, hoster)
    return before


def _enter_list(s: State, account: bytes) -> None:
    place = StoringCount.get(s)
    Storing.put(s, place, account)
    StoringCount.put(s, place + 1)
    _set_place(s, account, place)


def _leave_list(s: State, account: bytes) -> None:
    """Remove a hoster from the list. The last one takes its place."""
    place = _set_place(s, account, None)
    last = max(0, StoringCount.get(s) - 1)
    moved = Storing.get(s, last)
    Storing.remove(s, last)
    if place is None or moved is None:
        return
    StoringCount.put(s, last)
    if place != last:
        Storing.put(s, place, moved)
        _set_place(s, moved, place)
