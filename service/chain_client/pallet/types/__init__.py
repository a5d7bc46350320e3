# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types as Python values (pallet-spec/README.md section 3).

Field names and order are those of the metadata. Accounts, keys and hashes are `bytes`,
amounts are `int` of the smallest unit, sequences are tuples.
"""

from __future__ import annotations

from .aliases import AccountId, Bytes, Hash
from .challenges import (
    ChainBlockProof,
    ChainOpening,
    EraInfo,
    Evidence,
    Report,
    Retrieval,
    RetrievalCommit,
    RetrievalReveal,
    Sample,
    Seat,
    StorageChallenge,
    StorageProof,
    Verdict,
)
from .copies import Copy, CopyEnd, CopySegment, CopyState, Payment, Segment
from .feeds import BlockRange, Head, OpenedNode, Range, Root, SignedHead
from .offers import Attester, Encoder, EraCount, Hoster, RegisteredPeer, Role, Slot
from .params import Amounts, Times
from .plans import Plan, PlanEnd, PlanState, Ratio, Terms
from .queues import Deadline, Fifo, Need, NeedKind, Wait
from .tables import Change, EncoderDraw, HosterDraw, SumNode

__all__ = [
    "AccountId",
    "Amounts",
    "Attester",
    "BlockRange",
    "Bytes",
    "ChainBlockProof",
    "ChainOpening",
    "Change",
    "Copy",
    "CopyEnd",
    "CopySegment",
    "CopyState",
    "Deadline",
    "Encoder",
    "EncoderDraw",
    "EraCount",
    "EraInfo",
    "Evidence",
    "Fifo",
    "Hash",
    "Head",
    "Hoster",
    "HosterDraw",
    "Need",
    "NeedKind",
    "OpenedNode",
    "Payment",
    "Plan",
    "PlanEnd",
    "PlanState",
    "Range",
    "Ratio",
    "RegisteredPeer",
    "Report",
    "Retrieval",
    "RetrievalCommit",
    "RetrievalReveal",
    "Role",
    "Root",
    "Sample",
    "Seat",
    "Segment",
    "SignedHead",
    "Slot",
    "StorageChallenge",
    "StorageProof",
    "SumNode",
    "Terms",
    "Times",
    "Verdict",
    "Wait",
]
