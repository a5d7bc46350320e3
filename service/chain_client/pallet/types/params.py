# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: params."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Amounts:
    """Amounts, in the smallest unit; root may change them."""

    peer_fee: int
    """Burned by `register_peer` and `rotate_swarm_key`."""
    publish_fee: int
    """Burned by `publish_plan`."""
    min_donation: int
    """Smallest donation."""
    collateral: int
    """Collateral of a hoster, per GiB offered."""
    encoder_bond: int
    """Bond of an encoder."""
    attester_bond: int
    """Bond of an attester, for each slot."""
    begin_fine: int
    """Burned from the bond of an encoder that does not begin."""
    stall_fine: int
    """Burned at a stall from each of hoster, encoder and pot; the pot's part doubles with each stall."""
    retry_fee: int
    """Burned of the pot when a plan asks again at a tick."""
    slot_fee: int
    """Burned by `offer_attesting` for each new slot."""
    report_price: int
    """Least price of a report of a new plan, and largest ask of a new slot."""
    tick_fee: int
    """Burned of the pot at each tick for each live copy."""


@dataclass(frozen=True, slots=True)
class Times:
    """Time spans in blocks and counts; from genesis, for ever."""

    era: int
    """Blocks of an era."""
    seed_delay: int
    """Blocks between an input and the seed that decides on it."""
    decline_window: int
    """Blocks in which a hoster may decline a copy."""
    encoder_wait: int
    """Blocks after which a copy without an encoder ends, or does not grow."""
    begin_window: int
    """Blocks in which a drawn encoder must begin a segment."""
    lease: int
    """Blocks in which a begun segment must be confirmed."""
    mean_gap: int
    """Blocks between two storage challenges of a hoster, on average."""
    proof_window: int
    """Blocks in which a storage challenge must be answered."""
    probe_blocks: int
    """Blocks of an era in which attesters probe; commits follow."""
    reveal_from: int
    """Reveals: from this block of the next era on."""
    settle_from: int
    """Settlement: from this block of the next era on; reveals end."""
    settle_to: int
    """Settlement ends with this block after the start of the next era."""
    end_notice: int
    """Blocks between `end_plan`, a fork or `leave_copy` and the end."""
    memory: int
    """Former parties that a plan remembers."""
    seats: int
    """Seats of a committee."""
    quorum: int
    """Least reports of a verdict that counts."""
    probe_bytes: int
    """Bytes that a probe fetches of the feed (off chain)."""
    plan_eras: int
    """Longest plan, in eras."""
    pause: int
    """Longest absence of a hoster that announced a pause, in blocks."""
    checkpoint: int
    """Sectors between two checkpoints of a segment; a segment is paid as if it had as many."""
    report_window: int
    """Blocks for which a committed report is kept."""
