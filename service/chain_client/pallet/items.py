# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's storage items, the types of their values, and the chain's types of their keys."""

from __future__ import annotations

from typing import Any

from .item import Item
from .types import (
    AccountId,
    Amounts,
    Attester,
    Bytes,
    Change,
    Copy,
    Deadline,
    Encoder,
    EncoderDraw,
    EraInfo,
    Fifo,
    Hash,
    Hoster,
    HosterDraw,
    Need,
    Plan,
    Ratio,
    RegisteredPeer,
    Retrieval,
    Root,
    Segment,
    Slot,
    StorageChallenge,
    SumNode,
    Times,
)

TIME: Item[Times] = Item("Time", Times)
"""Time spans; from genesis, for ever."""
AMOUNT: Item[Amounts] = Item("Amount", Amounts)
"""Amounts; root may change them."""
MINTED: Item[int] = Item("Minted", int)
"""All that was ever minted."""
BURNED: Item[int] = Item("Burned", int)
"""All that was ever burned, fees and dust included: issuance = genesis + Minted - Burned."""
SEEDS: Item[Hash] = Item("Seeds", Hash)
"""The seeds of the last 256 blocks. Keys: u32."""
SEED_OVERRIDE: Item[Hash] = Item("SeedOverride", Hash)
"""The value of `set_seed`."""
ERAS: Item[EraInfo] = Item("Eras", EraInfo)
"""What was drawn for the last eras, at the first block of each. Keys: u32."""
PEERS: Item[RegisteredPeer] = Item("Peers", RegisteredPeer)
"""Registered accounts. Keys: AccountId32."""
KEYS: Item[AccountId] = Item("Keys", AccountId)
"""Every key ever bound, and by whom. Keys: [u8; 32]."""
OPERATORS: Item[AccountId] = Item("Operators", AccountId)
"""Who may make a peer's calls for it, by peer. Keys: AccountId32."""
HOSTERS: Item[Hoster] = Item("Hosters", Hoster)
"""Hosters' states. Keys: AccountId32."""
HOSTER_COUNT: Item[int] = Item("HosterCount", int)
"""Entries of the draw table of hosters."""
ENCODERS: Item[Encoder] = Item("Encoders", Encoder)
"""Encoders' states. Keys: AccountId32."""
ENCODER_COUNT: Item[int] = Item("EncoderCount", int)
"""Encoders that ever offered."""
ATTESTERS: Item[Attester] = Item("Attesters", Attester)
"""Attesters' states. Keys: AccountId32."""
SLOTS: Item[Slot] = Item("Slots", Slot)
"""The list of slots; a hole has no entry. Keys: u32."""
SLOT_COUNT: Item[int] = Item("SlotCount", int)
"""Length of the list of slots, holes included."""
HOLES: Item[int] = Item("Holes", int)
"""Holes in the order in which they were freed: places 0 .. HoleCount. Keys: u32."""
HOLE_COUNT: Item[int] = Item("HoleCount", int)
"""Holes in the list of slots."""
HOSTER_DRAWS: Item[HosterDraw] = Item("HosterDraws", HosterDraw)
"""Hosters' entries of their draw table. Keys: AccountId32."""
HOSTER_NODES: Item[SumNode] = Item("HosterNodes", SumNode)
"""Nodes: 0 is the root, the children of n are 64 n + 1 .. 64 n + 64. Keys: u32."""
HOSTER_SLOTS: Item[AccountId] = Item("HosterSlots", AccountId)
"""Which hoster stands in a slot of the draw table. Keys: u32."""
ENCODER_DRAWS: Item[EncoderDraw] = Item("EncoderDraws", EncoderDraw)
"""Encoders' entries of their draw table. Keys: AccountId32."""
ENCODER_NODES: Item[SumNode] = Item("EncoderNodes", SumNode)
"""Nodes, numbered like `HosterNodes`. Keys: u32."""
ENCODER_SLOTS: Item[AccountId] = Item("EncoderSlots", AccountId)
"""Which encoder stands in a slot of the draw table. Keys: u32."""
COPY_NODES: Item[SumNode] = Item("CopyNodes", SumNode)
"""A hoster's copies table. Keys: AccountId32, u32."""
COPY_SLOTS: Item[int] = Item("CopySlots", int)
"""Which copy stands in a slot of a hoster's copies table. Keys: AccountId32, u32."""
STORING: Item[AccountId] = Item("Storing", AccountId)
"""Hosters that store something: places 0 .. StoringCount. Keys: u32."""
STORING_COUNT: Item[int] = Item("StoringCount", int)
"""Hosters that store something."""
CHANGES: Item[tuple[Change, ...]] = Item("Changes", tuple[Change, ...])
"""Changes of the draw tables that are due in a block. Keys: u32."""
OFFER_CHANGES: Item[int] = Item("OfferChanges", int)
"""How many of a block's changes are offers, withdrawals and releases. Keys: u32."""
NEXT_PLAN: Item[int] = Item("NextPlan", int)
"""Number of the next plan."""
NEXT_COPY: Item[int] = Item("NextCopy", int)
"""Number of the next copy."""
NEXT_SEGMENT: Item[int] = Item("NextSegment", int)
"""Number of the next segment."""
PLANS: Item[Plan] = Item("Plans", Plan)
"""Plans whose donors have not claimed all. Keys: u64."""
ROOTS: Item[tuple[Root, ...]] = Item("Roots", tuple[Root, ...])
"""The roots of a plan's head, left to right. Keys: u64."""
SHARES: Item[int] = Item("Shares", int)
"""A donor's shares of a plan's remainder. Keys: u64, AccountId32."""
COPIES: Item[Copy] = Item("Copies", Copy)
"""Copies whose records are kept. Keys: u64."""
SEGMENTS: Item[Segment] = Item("Segments", Segment)
"""Segments whose records are kept. Keys: u64."""
MODULI: Item[Bytes] = Item("Moduli", Bytes)
"""A segment's RSA modulus, big endian. Keys: u64."""
USED_MODULI: Item[int] = Item("UsedModuli", int)
"""The hash of every modulus that a segment was ever begun with, and that segment. Keys: H256."""
BEGINS: Item[int] = Item("Begins", int)
"""`begin_segment` calls in this block."""
NEEDS: Item[Need] = Item("Needs", Need)
"""The FIFOs of needs, by lane: 0 of plans that have something confirmed, 1 of the others. Keys: u8, u64."""
NEED_QUEUE: Item[Fifo] = Item("NeedQueue", Fifo)
"""Ends of the FIFOs of needs, by lane. Keys: u8."""
RATIOS: Item[Ratio] = Item("Ratios", Ratio)
"""What accounts gave and took. Keys: AccountId32."""
FROZEN: Item[int] = Item("Frozen", int)
"""Keys of feeds whose owners signed two histories, and the block in which that was shown. Keys: [u8; 32]."""
REPORTS: Item[int] = Item("Reports", int)
"""Hashes of reports that were committed to, and when. Keys: H256."""
REPORT_AT: Item[Hash] = Item("ReportAt", Hash)
"""The same by number: their expiries name it. Keys: u64."""
NEXT_REPORT: Item[int] = Item("NextReport", int)
"""Number of the next report."""
STORAGE_CHALLENGES: Item[StorageChallenge] = Item("StorageChallenges", StorageChallenge)
"""Open storage challenges, by hoster. Keys: AccountId32."""
RETRIEVALS: Item[Retrieval] = Item("Retrievals", Retrieval)
"""Committees of (era, copy), from the first commit on. Keys: u32, u64."""
DEADLINES: Item[Deadline] = Item("Deadlines", Deadline)
"""The FIFOs of expiries, by kind. Keys: Wait, u64."""
DEADLINE_QUEUES: Item[Fifo] = Item("DeadlineQueues", Fifo)
"""Ends of the FIFOs of expiries. Keys: Wait."""

ITEMS: tuple[Item[Any], ...] = (
    TIME,
    AMOUNT,
    MINTED,
    BURNED,
    SEEDS,
    SEED_OVERRIDE,
    ERAS,
    PEERS,
    KEYS,
    OPERATORS,
    HOSTERS,
    HOSTER_COUNT,
    ENCODERS,
    ENCODER_COUNT,
    ATTESTERS,
    SLOTS,
    SLOT_COUNT,
    HOLES,
    HOLE_COUNT,
    HOSTER_DRAWS,
    HOSTER_NODES,
    HOSTER_SLOTS,
    ENCODER_DRAWS,
    ENCODER_NODES,
    ENCODER_SLOTS,
    COPY_NODES,
    COPY_SLOTS,
    STORING,
    STORING_COUNT,
    CHANGES,
    OFFER_CHANGES,
    NEXT_PLAN,
    NEXT_COPY,
    NEXT_SEGMENT,
    PLANS,
    ROOTS,
    SHARES,
    COPIES,
    SEGMENTS,
    MODULI,
    USED_MODULI,
    BEGINS,
    NEEDS,
    NEED_QUEUE,
    RATIOS,
    FROZEN,
    REPORTS,
    REPORT_AT,
    NEXT_REPORT,
    STORAGE_CHALLENGES,
    RETRIEVALS,
    DEADLINES,
    DEADLINE_QUEUES,
)
