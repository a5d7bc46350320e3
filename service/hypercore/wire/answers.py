"""What is taken of an answer: is it what was asked for, and what is there to store? Whether it is true is the core's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..tree.proof import Proof, ProofError, UpgradeRequest


@dataclass(frozen=True, slots=True)
class UpgradeAnswer:
    """A longer head to store. `request` was sent for fork `fork`."""

    request: UpgradeRequest
    fork: int
    proof: Proof


class BlockAnswer(NamedTuple):
    """A block to store. `leans`: its path leads to nodes that other answers were to bring."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which is not used
    proof: Proof
    leans: bool = False


def check_upgrade(answer: UpgradeAnswer) -> UpgradeAnswer:
    """Return the answer if it has the requested kind. Its signature is checked when it is stored."""
    upgrade, wanted = answer.proof.upgrade, answer.request
    # the length may differ: npm peers show the prologue first, and what is beyond it as additional nodes
    if (
        upgrade is None
        or upgrade.start != wanted.start
        or answer.proof.fork != answer.fork
        or answer.proof.block is not None
        or has_unasked(answer.proof)
    ):
        raise ProofError(
            f"the request was for an upgrade from {wanted.start} of fork {answer.fork}, but the answer has another"
        )
    return answer


def is_bare(proof: Proof) -> bool:
    """Return whether the proof shows nothing: npm peers send just the manifest if they cannot show the head (any longer)."""
    return proof.upgrade is None and proof.block is None and not has_unasked(proof)


def has_unasked(proof: Proof) -> bool:
    """Return whether the proof contains something that is never requested here."""
    return proof.hash is not None or proof.seek is not None
