"""What calls cost who floods the chain with them, and a hoster for its proofs (pallet-spec/README.md section 19)."""

from __future__ import annotations

from functools import cache
from typing import Any

from runtime_mock.model import pallet
from runtime_mock.model.datdot.limits import (
    MAX_OFFER_CHANGES,
    MAX_PLAN_BYTES,
    MAX_RETRIEVALS,
    MAX_SAMPLES,
    PALLET,
    REWARD_PART,
    SECTOR,
)
from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS
from runtime_mock.model.datdot.records import RetrievalCommit, StorageProof, Terms
from runtime_mock.model.frame import calls, payment
from runtime_mock.model.frame.dispatch import Class
from runtime_mock.model.frame.limits import MAX_TOTAL
from service.chain_client.runtime.extrinsic import Mortality, signed
from tests.support.model_chain import DictState

from .catalogue import Figures, Said, derive, specified
from .words import units

LONG_NONCE = 1 << 14
"""An account's nonce of four bytes."""
LEVELS = (MAX_PLAN_BYTES // SECTOR - 1).bit_length()
"""Siblings of a sector of the longest segment."""
DEAR = 10**9
"""An ask of eight bytes, as all are (u128 is 16)."""


@cache
def _named() -> dict[str, tuple[int, calls.Spec]]:
    pallet.register_all()
    return {spec.name: (index, spec) for (where, index), spec in calls.REGISTRY.items() if where == PALLET}


def length(name: str, *arguments: Any) -> int:
    """Return the bytes of an extrinsic with a call of the pallet."""
    index, spec = _named()[name]
    encoded = bytes([PALLET, index]) + spec.args.encode(arguments)
    return len(signed(bytes(32), bytes(64), encoded, Mortality(0, bytes(32)), LONG_NONCE))


def fee(name: str, *arguments: Any) -> int:
    """Return what is withdrawn for a call of the pallet, in the smallest unit."""
    weight = _named()[name][1].info(*arguments).weight
    return payment.inclusion_fee(DictState(), length(name, *arguments), weight).total


def proof_fee(samples: int, siblings: int) -> int:
    """Return what is withdrawn for a storage proof."""
    return fee("submit_storage_proof", 1 << 20, StorageProof([bytes(SECTOR)] * samples, [bytes(32)] * siblings))


def terms(replicas: int = 3, regions: int = 0) -> Terms:
    """Return a plan's terms."""
    return Terms(replicas, DEAR, DEAR, DEAR, DEAR, 1 << 20, regions=[b"u1h"] * regions)


def full_of_failures() -> int:
    """Return what a block full of calls costs that fail inside of batches: all that calls may weigh."""
    return payment.weight_to_fee(MAX_TOTAL[Class.OPERATIONAL])


def _fees_says(found: Figures) -> tuple[Said, ...]:
    least = units(found["least proof"], 3)
    most = units(-(-found["largest proof"] // 10**9) * 10**9, 3)
    usual = units(found["usual proof"], 3)
    report, amend = units(found["commit_report"], 4), units(found["amend_plan"], 3)
    offers, batch = units(found["offers of a block"], 2), units(found["batches of a block"])
    commits = units(found["64 commits"], 2)
    least_copy = found["commit_report"] * REWARD_PART / DEFAULT_AMOUNTS.collateral
    return (
        *specified(11, f"A hoster must keep a fee spendable ({most} UNIT at most)"),
        *specified(
            19,
            f"who found it has lost the fee of its commit ({report} UNIT; `fees`).",
            f"of which a quarter pays for the fee of a report from {least_copy:.2f} GiB on (`fees`);",
            f"or 32 for the fee of an `amend_plan` ({amend} UNIT).",
            f"cannot pay a proof's fee ({least} to {most} UNIT, {usual} of 100 GiB, returned)",
            f"{MAX_OFFER_CHANGES} offers, withdrawals and releases fit into a block's queue: whoever pays for them in every block "
            f"(about {offers} UNIT)",
            f"and pays for them: about {batch} UNIT a block. A call of {MAX_RETRIEVALS} commits holds {commits} UNIT of its "
            "account until it is over.",
        ),
    )


@derive(
    "fees",
    "extrinsics as the client signs them, with a nonce of four bytes; the least proof: one sector that is all there is; the "
    "largest: 32 samples of as many segments of 256 GiB; a usual one: 16 samples and 382 siblings, of 100 GiB; batches of "
    "Operational calls, which are Operational: all that a block's may weigh",
    _fees_says,
)
def fees() -> Figures:
    """What calls cost in UNIT that are used against others, and what a proof takes before it is returned."""
    commits = [RetrievalCommit(number, bytes(32)) for number in range(MAX_RETRIEVALS)]
    return {
        "commit_report": fee("commit_report", bytes(32)),
        "amend_plan": fee("amend_plan", 1 << 20, terms()),
        "offers of a block": MAX_OFFER_CHANGES * fee("offer_encoding", DEAR),
        "batches of a block": full_of_failures(),
        "64 commits": fee("commit_retrievals", 1 << 10, commits),
        "least proof": proof_fee(1, 0),
        "usual proof": proof_fee(16, 382),
        "largest proof": proof_fee(MAX_SAMPLES, MAX_SAMPLES * LEVELS),
    }
