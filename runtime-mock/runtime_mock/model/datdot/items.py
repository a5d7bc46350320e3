"""The pallet's storage items, in the order of the pallet's interface."""

from __future__ import annotations

from typing import Any

from ..scale import H256, AccountId, u8, u32, u64, u128
from ..storage import Map, Value, blake2_128_concat, identity, twox64_concat
from .records import Copy, EraInfo, Plan, Retrieval, Roots, Segment, StorageChallenge
from .types import (
    Amounts,
    Attester,
    Change,
    Changes,
    Deadline,
    Encoder,
    EncoderDraw,
    Fifo,
    Hoster,
    HosterDraw,
    Key,
    Need,
    Node,
    Peer,
    Ratio,
    Sector,
    Slot,
    Times,
    Wait,
)

_NAME = "DatDot"
_ACCOUNT = (blake2_128_concat, AccountId)
_U8 = (twox64_concat, u8)
_U32 = (twox64_concat, u32)
_U64 = (twox64_concat, u64)
_WAIT = (twox64_concat, Wait)
# A value without content: only the key counts.


def _optional(name: str, keys: list[Any], tp: Any) -> Map[Any, None]:
    return Map(_NAME, name, keys, tp)


# ---- parameters and totals

Time = Value[Times, None](_NAME, "Time", Times)
Amount = Value[Amounts, None](_NAME, "Amount", Amounts)
# Everything ever minted and burned, fees and dust included: issuance = genesis + Minted - Burned.
Minted = Value[int, int](_NAME, "Minted", u128, 0)
Burned = Value[int, int](_NAME, "Burned", u128, 0)

# ---- randomness

# seed(b) of the last 256 blocks; v of `set_seed`; Era(r) of the last eras.
Seeds: Map[bytes, None] = _optional("Seeds", [_U32], H256)
SeedOverride = Value[bytes, None](_NAME, "SeedOverride", H256)
Eras: Map[EraInfo, None] = _optional("Eras", [_U32], EraInfo)

# ---- peers and offers

Peers: Map[Peer, None] = _optional("Peers", [_ACCOUNT], Peer)
# Every key ever bound, and by whom.
Keys: Map[bytes, None] = _optional("Keys", [(blake2_128_concat, Key)], AccountId)
# Who may make a peer's calls for it, by peer.
Operators: Map[bytes, None] = _optional("Operators", [_ACCOUNT], AccountId)
Hosters: Map[Hoster, None] = _optional("Hosters", [_ACCOUNT], Hoster)
HosterCount = Value[int, int](_NAME, "HosterCount", u32, 0)
Encoders: Map[Encoder, None] = _optional("Encoders", [_ACCOUNT], Encoder)
EncoderCount = Value[int, int](_NAME, "EncoderCount", u32, 0)
Attesters: Map[Attester, None] = _optional("Attesters", [_ACCOUNT], Attester)
# The list of slots; a hole has no entry, but counts.
Slots: Map[Slot, None] = _optional("Slots", [_U32], Slot)
SlotCount = Value[int, int](_NAME, "SlotCount", u32, 0)
# Holes in the order in which they were freed: places 0 .. HoleCount.
Holes: Map[int, None] = _optional("Holes", [_U32], u32)
HoleCount = Value[int, int](_NAME, "HoleCount", u32, 0)

# ---- draw tables; nodes: 0 is the root, the children of n are 64 n + 1 .. 64 n + 64

HosterDraws: Map[HosterDraw, None] = _optional("HosterDraws", [_ACCOUNT], HosterDraw)
HosterNodes: Map[Node, None] = _optional("HosterNodes", [_U32], Node)
HosterSlots: Map[bytes, None] = _optional("HosterSlots", [_U32], AccountId)
EncoderDraws: Map[EncoderDraw, None] = _optional("EncoderDraws", [_ACCOUNT], EncoderDraw)
EncoderNodes: Map[Node, None] = _optional("EncoderNodes", [_U32], Node)
EncoderSlots: Map[bytes, None] = _optional("EncoderSlots", [_U32], AccountId)
# A hoster's copies table.
CopyNodes: Map[Node, None] = _optional("CopyNodes", [_ACCOUNT, _U32], Node)
CopySlots: Map[int, None] = _optional("CopySlots", [_ACCOUNT, _U32], u64)
# Hosters that store something: places 0 .. StoringCount.
Storing: Map[bytes, None] = _optional("Storing", [_U32], AccountId)
StoringCount = Value[int, int](_NAME, "StoringCount", u32, 0)
# Changes of the draw tables that are due in a block.
DueChanges: Map[list[Change], list[Change]] = Map(_NAME, "Changes", [_U32], Changes, list)
# Those of them that are offers, withdrawals and releases.
OfferChanges: Map[int, int] = Map(_NAME, "OfferChanges", [_U32], u32, int)

# ---- plans and copies

NextPlan = Value[int, int](_NAME, "NextPlan", u64, 0)
NextCopy = Value[int, int](_NAME, "NextCopy", u64, 0)
NextSegment = Value[int, int](_NAME, "NextSegment", u64, 0)
Plans: Map[Plan, None] = _optional("Plans", [_U64], Plan)
# The roots of a plan's head, left to right.
PlanRoots: Map[Any, None] = _optional("Roots", [_U64], Roots)
Shares: Map[int, None] = _optional("Shares", [_U64, _ACCOUNT], u128)
Copies: Map[Copy, None] = _optional("Copies", [_U64], Copy)
Segments: Map[Segment, None] = _optional("Segments", [_U64], Segment)
# N of a segment, big endian; H(N) of every modulus ever begun with.
Moduli: Map[bytes, None] = _optional("Moduli", [_U64], Sector)
UsedModuli: Map[int, None] = _optional("UsedModuli", [(identity, H256)], u64)
# `begin_segment` calls in this block.
Begins = Value[int, int](_NAME, "Begins", u32, 0)
# The FIFOs of needs, by lane.
Needs: Map[Need, None] = _optional("Needs", [_U8, _U64], Need)
NeedQueue: Map[Fifo, Fifo] = Map(_NAME, "NeedQueue", [_U8], Fifo, Fifo)
# What accounts earned, and what their pots burned.
Ratios: Map[Ratio, Ratio] = Map(_NAME, "Ratios", [_ACCOUNT], Ratio, Ratio)

# ---- challenges and deadlines

StorageChallenges: Map[StorageChallenge, None] = _optional("StorageChallenges", [_ACCOUNT], StorageChallenge)
Retrievals: Map[Retrieval, None] = _optional("Retrievals", [_U32, _U64], Retrieval)
Deadlines: Map[Deadline, None] = _optional("Deadlines", [_WAIT, _U64], Deadline)
DeadlineQueues: Map[Fifo, Fifo] = Map(_NAME, "DeadlineQueues", [_WAIT], Fifo, Fifo)

# ---- fraud

# Feeds of which two heads contradict each other.
Frozen: Map[int, None] = _optional("Frozen", [(blake2_128_concat, Key)], u32)
# The block in which a report was committed, by its hash; the hashes by number.
Reports: Map[int, None] = _optional("Reports", [(identity, H256)], u32)
ReportAt: Map[bytes, None] = _optional("ReportAt", [_U64], H256)
NextReport = Value[int, int](_NAME, "NextReport", u64, 0)
