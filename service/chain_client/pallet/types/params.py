# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: params."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Amounts:
    """Amounts, in the smallest unit; root may change them."""

    #: Burned by `register_peer`.
    peer_fee: int
    #: Burned by `publish_plan`.
    publish_fee: int
    #: Smallest donation.
    min_donation: int
    #: Collateral of a hoster, per GiB offered.
    collateral: int
    #: Bond of an encoder.
    encoder_bond: int
    #: Bond of an attester, for each slot.
    attester_bond: int
    #: Burned from the bond of an encoder that does not begin.
    begin_fine: int
    #: Burned at a stall from each of hoster, encoder and pot.
    stall_fine: int


@dataclass(frozen=True, slots=True)
class Times:
    """Time spans in blocks and counts; from genesis, for ever."""

    #: Blocks of an era.
    era: int
    #: Blocks between an input and the seed that decides on it.
    seed_delay: int
    #: Blocks in which a hoster may decline a copy.
    decline_window: int
    #: Blocks after which a copy without an encoder ends.
    encoder_wait: int
    #: Blocks in which a drawn encoder must begin a segment.
    begin_window: int
    #: Blocks in which a begun segment must be confirmed.
    lease: int
    #: Blocks between two storage challenges of a hoster, on average.
    mean_gap: int
    #: Blocks in which a storage challenge must be answered.
    proof_window: int
    #: Blocks of an era in which attesters probe; commits follow.
    probe_blocks: int
    #: Reveals: from this block of the next era on.
    reveal_from: int
    #: Settlement: from this block of the next era on; reveals end.
    settle_from: int
    #: Settlement ends with this block after the start of the next era.
    settle_to: int
    #: Blocks between `end_plan` and the end of the plan.
    end_notice: int
    #: Former parties that a plan remembers.
    memory: int
    #: Seats of a committee.
    seats: int
    #: Least reports of a verdict that counts.
    quorum: int
    #: Bytes that a probe fetches of the feed (off chain).
    probe_bytes: int
    #: Longest plan, in eras.
    plan_eras: int
