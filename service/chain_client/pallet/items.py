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
    RegisteredPeer,
    Retrieval,
    Root,
    Segment,
    Slot,
    StorageChallenge,
    SumNode,
    Times,
)

#: Time spans; from genesis, for ever.
TIME: Item[Times] = Item("Time", Times)
#: Amounts; root may change them.
AMOUNT: Item[Amounts] = Item("Amount", Amounts)
#: All that was ever minted.
MINTED: Item[int] = Item("Minted", int)
#: All that was ever burned, fees and dust included: issuance = genesis + Minted - Burned.
BURNED: Item[int] = Item("Burned", int)
#: The seeds of the last 256 blocks. Keys: u32.
SEEDS: Item[Hash] = Item("Seeds", Hash)
#: The value of `set_seed`.
SEED_OVERRIDE: Item[Hash] = Item("SeedOverride", Hash)
#: What was drawn for the last eras, at the first block of each. Keys: u32.
ERAS: Item[EraInfo] = Item("Eras", EraInfo)
#: Registered accounts. Keys: AccountId32.
PEERS: Item[RegisteredPeer] = Item("Peers", RegisteredPeer)
#: Every key ever bound, and by whom. Keys: [u8; 32].
KEYS: Item[AccountId] = Item("Keys", AccountId)
#: Hosters' states. Keys: AccountId32.
HOSTERS: Item[Hoster] = Item("Hosters", Hoster)
#: Hosters that ever offered.
HOSTER_COUNT: Item[int] = Item("HosterCount", int)
#: Encoders' states. Keys: AccountId32.
ENCODERS: Item[Encoder] = Item("Encoders", Encoder)
#: Encoders that ever offered.
ENCODER_COUNT: Item[int] = Item("EncoderCount", int)
#: Attesters' states. Keys: AccountId32.
ATTESTERS: Item[Attester] = Item("Attesters", Attester)
#: The list of slots; a hole has no entry. Keys: u32.
SLOTS: Item[Slot] = Item("Slots", Slot)
#: Length of the list of slots, holes included.
SLOT_COUNT: Item[int] = Item("SlotCount", int)
#: Holes in the order in which they were freed: places 0 .. HoleCount. Keys: u32.
HOLES: Item[int] = Item("Holes", int)
#: Holes in the list of slots.
HOLE_COUNT: Item[int] = Item("HoleCount", int)
#: Hosters' entries of their draw table. Keys: AccountId32.
HOSTER_DRAWS: Item[HosterDraw] = Item("HosterDraws", HosterDraw)
#: Nodes: 0 is the root, the children of n are 64 n + 1 .. 64 n + 64. Keys: u32.
HOSTER_NODES: Item[SumNode] = Item("HosterNodes", SumNode)
#: Which hoster stands in a slot of the draw table. Keys: u32.
HOSTER_SLOTS: Item[AccountId] = Item("HosterSlots", AccountId)
#: Encoders' entries of their draw table. Keys: AccountId32.
ENCODER_DRAWS: Item[EncoderDraw] = Item("EncoderDraws", EncoderDraw)
#: Nodes, numbered like `HosterNodes`. Keys: u32.
ENCODER_NODES: Item[SumNode] = Item("EncoderNodes", SumNode)
#: Which encoder stands in a slot of the draw table. Keys: u32.
ENCODER_SLOTS: Item[AccountId] = Item("EncoderSlots", AccountId)
#: A hoster's copies table. Keys: AccountId32, u32.
COPY_NODES: Item[SumNode] = Item("CopyNodes", SumNode)
#: Which copy stands in a slot of a hoster's copies table. Keys: AccountId32, u32.
COPY_SLOTS: Item[int] = Item("CopySlots", int)
#: Hosters that store something: places 0 .. StoringCount. Keys: u32.
STORING: Item[AccountId] = Item("Storing", AccountId)
#: Hosters that store something.
STORING_COUNT: Item[int] = Item("StoringCount", int)
#: Changes of the draw tables that are due in a block. Keys: u32.
CHANGES: Item[tuple[Change, ...]] = Item("Changes", tuple[Change, ...])
#: Number of the next plan.
NEXT_PLAN: Item[int] = Item("NextPlan", int)
#: Number of the next copy.
NEXT_COPY: Item[int] = Item("NextCopy", int)
#: Number of the next segment.
NEXT_SEGMENT: Item[int] = Item("NextSegment", int)
#: Plans whose donors have not claimed all. Keys: u64.
PLANS: Item[Plan] = Item("Plans", Plan)
#: The roots of a plan's head, left to right. Keys: u64.
ROOTS: Item[tuple[Root, ...]] = Item("Roots", tuple[Root, ...])
#: A donor's shares of a plan's remainder. Keys: u64, AccountId32.
SHARES: Item[int] = Item("Shares", int)
#: Copies whose records are kept. Keys: u64.
COPIES: Item[Copy] = Item("Copies", Copy)
#: Segments whose records are kept. Keys: u64.
SEGMENTS: Item[Segment] = Item("Segments", Segment)
#: A segment's RSA modulus, big endian. Keys: u64.
MODULI: Item[Bytes] = Item("Moduli", Bytes)
#: The hash of every modulus that a segment was ever begun with, and that segment. Keys: H256.
USED_MODULI: Item[int] = Item("UsedModuli", int)
#: `begin_segment` calls in this block.
BEGINS: Item[int] = Item("Begins", int)
#: The FIFO of needs. Keys: u64.
NEEDS: Item[Need] = Item("Needs", Need)
#: Ends of the FIFO of needs.
NEED_QUEUE: Item[Fifo] = Item("NeedQueue", Fifo)
#: Open storage challenges, by hoster. Keys: AccountId32.
STORAGE_CHALLENGES: Item[StorageChallenge] = Item("StorageChallenges", StorageChallenge)
#: Committees of (era, copy), from the first commit on. Keys: u32, u64.
RETRIEVALS: Item[Retrieval] = Item("Retrievals", Retrieval)
#: The FIFOs of expiries, by kind. Keys: Wait, u64.
DEADLINES: Item[Deadline] = Item("Deadlines", Deadline)
#: Ends of the FIFOs of expiries. Keys: Wait.
DEADLINE_QUEUES: Item[Fifo] = Item("DeadlineQueues", Fifo)

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
    STORAGE_CHALLENGES,
    RETRIEVALS,
    DEADLINES,
    DEADLINE_QUEUES,
)
