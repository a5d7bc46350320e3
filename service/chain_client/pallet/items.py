"""The pallet's storage items and the types of their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .tables import Change, Deadline, EncoderDraw, Fifo, HosterDraw, Need, Node
from .types import (
    Amounts,
    Attester,
    Copy,
    Encoder,
    EraInfo,
    Hoster,
    Peer,
    Plan,
    Retrieval,
    Root,
    Segment,
    Slot,
    StorageChallenge,
    Times,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """A storage item of the pallet and the type of its values."""

    name: str
    kind: Any


TIME: Item[Times] = Item("Time", Times)
AMOUNT: Item[Amounts] = Item("Amount", Amounts)
MINTED: Item[int] = Item("Minted", int)
BURNED: Item[int] = Item("Burned", int)
# by block
SEEDS: Item[bytes] = Item("Seeds", bytes)
SEED_OVERRIDE: Item[bytes] = Item("SeedOverride", bytes)
# by era
ERAS: Item[EraInfo] = Item("Eras", EraInfo)
# by account
PEERS: Item[Peer] = Item("Peers", Peer)
# by swarm or statement key
KEYS: Item[bytes] = Item("Keys", bytes)
# by account
HOSTERS: Item[Hoster] = Item("Hosters", Hoster)
HOSTER_COUNT: Item[int] = Item("HosterCount", int)
ENCODERS: Item[Encoder] = Item("Encoders", Encoder)
ENCODER_COUNT: Item[int] = Item("EncoderCount", int)
ATTESTERS: Item[Attester] = Item("Attesters", Attester)
# by index
SLOTS: Item[Slot] = Item("Slots", Slot)
SLOT_COUNT: Item[int] = Item("SlotCount", int)
HOLES: Item[int] = Item("Holes", int)
HOLE_COUNT: Item[int] = Item("HoleCount", int)
# by account; the table's nodes and slots by index
HOSTER_DRAWS: Item[HosterDraw] = Item("HosterDraws", HosterDraw)
HOSTER_NODES: Item[Node] = Item("HosterNodes", Node)
HOSTER_SLOTS: Item[bytes] = Item("HosterSlots", bytes)
ENCODER_DRAWS: Item[EncoderDraw] = Item("EncoderDraws", EncoderDraw)
ENCODER_NODES: Item[Node] = Item("EncoderNodes", Node)
ENCODER_SLOTS: Item[bytes] = Item("EncoderSlots", bytes)
# by hoster and index
COPY_NODES: Item[Node] = Item("CopyNodes", Node)
COPY_SLOTS: Item[int] = Item("CopySlots", int)
# by place
STORING: Item[bytes] = Item("Storing", bytes)
STORING_COUNT: Item[int] = Item("StoringCount", int)
# by block
CHANGES: Item[tuple[Change, ...]] = Item("Changes", tuple[Change, ...])
NEXT_PLAN: Item[int] = Item("NextPlan", int)
NEXT_COPY: Item[int] = Item("NextCopy", int)
NEXT_SEGMENT: Item[int] = Item("NextSegment", int)
# by plan
PLANS: Item[Plan] = Item("Plans", Plan)
ROOTS: Item[tuple[Root, ...]] = Item("Roots", tuple[Root, ...])
# by plan and account
SHARES: Item[int] = Item("Shares", int)
# by copy
COPIES: Item[Copy] = Item("Copies", Copy)
# by segment
SEGMENTS: Item[Segment] = Item("Segments", Segment)
MODULI: Item[bytes] = Item("Moduli", bytes)
# by the modulus' hash
USED_MODULI: Item[int] = Item("UsedModuli", int)
BEGINS: Item[int] = Item("Begins", int)
# by place in the queue
NEEDS: Item[Need] = Item("Needs", Need)
NEED_QUEUE: Item[Fifo] = Item("NeedQueue", Fifo)
# by hoster
STORAGE_CHALLENGES: Item[StorageChallenge] = Item("StorageChallenges", StorageChallenge)
# by era and copy
RETRIEVALS: Item[Retrieval] = Item("Retrievals", Retrieval)
# by kind of wait and place; by kind of wait
DEADLINES: Item[Deadline] = Item("Deadlines", Deadline)
DEADLINE_QUEUES: Item[Fifo] = Item("DeadlineQueues", Fifo)

ITEMS: tuple[Item[Any], ...] = tuple(value for value in globals().values() if isinstance(value, Item))
