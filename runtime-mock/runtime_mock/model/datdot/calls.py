"""The pallet's calls: indices, arguments, weights, classes and handlers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

from ..frame import balances, payment
from ..frame.calls import CALL, flat, register
from ..frame.dispatch import Class, DispatchInfo, Origin, Post, Weight
from ..scale import BYTES32, U8, U32, U64, U128, Bound, FixedBytes, Option, VarBytes, Variant, codec_of
from ..storage import State
from . import (
    amend,
    challenges,
    copies,
    ends,
    fraud,
    jobs,
    ladder,
    live_plans,
    money,
    offers,
    operators,
    pauses,
    plans,
    retrieval,
    segments,
    weights,
)
from .block import deposit
from .errors import Error, ensure
from .events import ParametersSet, SeedSet, SeedUnset
from .items import Amount, SeedOverride
from .limits import MAX_EXTENSION, MAX_NODES, MAX_RANGES, MAX_REGION, MAX_RETRIEVALS, PALLET, SEAT_DRAWS
from .params import valid_amounts
from .records import (
    BlockRange,
    Evidence,
    OpenedNode,
    RetrievalCommit,
    RetrievalReveal,
    SignedHead,
    StorageProof,
    Terms,
)
from .types import Amounts, Role

_SIGNATURE = FixedBytes(64)
_SECTOR = FixedBytes(256)
_ROLE = Variant(Role)
_HEAD, _TERMS, _AMOUNTS = (codec_of(kind) for kind in (SignedHead, Terms, Amounts))
_RANGES = codec_of(Annotated[list[BlockRange], Bound(MAX_RANGES)])
_NODES = codec_of(Annotated[list[OpenedNode], Bound(MAX_NODES)])
_PATH = codec_of(Annotated[list[OpenedNode], Bound(MAX_EXTENSION)])
_PROOF = codec_of(StorageProof)
_COMMITS = codec_of(Annotated[list[RetrievalCommit], Bound(MAX_RETRIEVALS)])
_REVEALS = codec_of(Annotated[list[RetrievalReveal], Bound(MAX_RETRIEVALS)])
_EVIDENCE = codec_of(Evidence)

Rule = Callable[..., None]


def _set_parameters(s: State, origin: Origin, amounts: Amounts) -> None:
    """Set the amounts, by root."""
    origin.ensure_root()
    ensure(valid_amounts(amounts), Error.AmountTooLarge)
    Amount.put(s, amounts)
    deposit(s, ParametersSet(amounts))


def _set_seed(s: State, origin: Origin, value: bytes) -> None:
    """Fix the seeds, by root, for development: from the next block on seed(b) = H(value | u64 b)."""
    origin.ensure_root()
    SeedOverride.put(s, value)
    deposit(s, SeedSet(value))


def _unset_seed(s: State, origin: Origin) -> None:
    """Return to the randomness source, by root."""
    origin.ensure_root()
    SeedOverride.kill(s)
    deposit(s, SeedUnset())


def _by_signer(rule: Rule) -> Callable[..., None]:
    """Return the handler of a call whose rule takes the signer."""

    def run(s: State, origin: Origin, *args: Any) -> None:
        rule(s, origin.signed(), *args)

    return run


def _by_anyone(rule: Rule) -> Callable[..., None]:
    """Return the handler of a call whose rule does not depend on the signer."""

    def run(s: State, origin: Origin, *args: Any) -> None:
        origin.signed()
        rule(s, *args)

    return run


def _free(rule: Rule) -> Callable[..., bool]:
    """Return the handler of a call of the signer whose fee is given back when it succeeds."""

    def run(s: State, origin: Origin, *args: Any) -> bool:
        rule(s, origin.signed(), *args)
        return True

    return run


def _told(rule: Callable[..., Post]) -> Callable[..., Post]:
    """Return the handler of a call of the signer that says itself what is known after it."""

    def run(s: State, origin: Origin, *args: Any) -> Post:
        return rule(s, origin.signed(), *args)

    return run


def _free_by_anyone(rule: Rule) -> Callable[..., bool]:
    """Return the handler of a call that is `_by_anyone` and `_free`."""

    def run(s: State, origin: Origin, *args: Any) -> bool:
        origin.signed()
        rule(s, *args)
        return True

    return run


def _proof_info(_: int, proof: StorageProof) -> DispatchInfo:
    """Return the weight of a storage proof, which goes by what is in it."""
    return DispatchInfo(weights.submit_storage_proof(len(proof.sectors), len(proof.siblings)), Class.OPERATIONAL)


def _commits_info(_: int, commits: list[RetrievalCommit]) -> DispatchInfo:
    """Return the weight of commits that all make records, with the most draws."""
    count = len(commits)
    return DispatchInfo(weights.commit_retrievals(count, count, SEAT_DRAWS * count), Class.OPERATIONAL)


def _reveals_info(_: int, __: bytes, reveals: list[RetrievalReveal]) -> DispatchInfo:
    """Return the weight of reveals, which goes by their number."""
    return DispatchInfo(weights.reveal_retrievals(len(reveals)), Class.OPERATIONAL)


def _publication_info(_: SignedHead, __: list[BlockRange], nodes: list[OpenedNode], *___: Any) -> DispatchInfo:
    """Return the weight of a publication, which goes by its opened nodes."""
    return DispatchInfo(weights.publish_plan(len(nodes)))


def _register(index: int, name: str, args: list[Any], run: Callable[..., Any], weight: Weight) -> None:
    register(PALLET, index, name, args, run, flat(weight))


def _operational(index: int, name: str, args: list[Any], rule: Rule, weight: Weight) -> None:
    register(PALLET, index, name, args, _free(rule), flat(weight, Class.OPERATIONAL))


def register_all() -> None:
    """Register the pallet's calls, and count dust and fees as burned."""
    _register_offers()
    _register_plans()
    _operational(
        11,
        "confirm_segment",
        [U64, U64, U64, BYTES32, _SIGNATURE],
        segments.confirm_segment,
        weights.CONFIRM_SEGMENT,
    )
    register(PALLET, 12, "submit_storage_proof", [U32, _PROOF], _free(challenges.submit_storage_proof), _proof_info)
    commits = _told(retrieval.commit_retrievals)
    register(PALLET, 13, "commit_retrievals", [U32, _COMMITS], commits, _commits_info)
    reveals = _told(retrieval.reveal_retrievals)
    register(PALLET, 14, "reveal_retrievals", [U32, BYTES32, _REVEALS], reveals, _reveals_info)
    settle = _free_by_anyone(retrieval.settle_retrieval)
    _register(15, "settle_retrieval", [U32, U64], settle, weights.SETTLE_RETRIEVAL)
    _register(18, "set_parameters", [_AMOUNTS], _set_parameters, weights.ROOT)
    _register(19, "set_seed", [BYTES32], _set_seed, weights.ROOT)
    _register(20, "unset_seed", [], _unset_seed, weights.ROOT)
    _register_later()
    _count_elsewhere()


@cache
def _count_elsewhere() -> None:
    """Register the counters of dust and fees, only once: otherwise they would count twice."""
    balances.on_dust(money.count_burned)
    payment.on_fee(money.count_burned)


def _register_offers() -> None:
    keys = [BYTES32, BYTES32, _SIGNATURE, _SIGNATURE]
    _register(0, "register_peer", keys, _by_signer(offers.register_peer), weights.REGISTER_PEER)
    hosting = [U64, U128, U128, VarBytes(MAX_REGION)]
    _register(1, "offer_hosting", hosting, _by_signer(offers.offer_hosting), weights.OFFER)
    _register(2, "offer_encoding", [U128], _by_signer(offers.offer_encoding), weights.OFFER)
    attesting = _by_signer(offers.offer_attesting)
    _register(3, "offer_attesting", [U128, BYTES32, U32], attesting, weights.OFFER_ATTESTING)
    _register(4, "withdraw_offer", [_ROLE], _by_signer(offers.withdraw_offer), weights.OFFER_ATTESTING)
    _register(5, "release", [_ROLE], _by_signer(offers.release), weights.OFFER)


def _register_plans() -> None:
    publish = [_HEAD, _RANGES, _NODES, _TERMS, U128]
    register(PALLET, 6, "publish_plan", publish, _by_signer(plans.publish_plan), _publication_info)
    _register(7, "donate", [U64, U128, U32], _by_signer(plans.donate), weights.MONEY)
    _register(8, "end_plan", [U64], _by_signer(plans.end_plan), weights.MONEY)
    _register(9, "decline_copy", [U64], _by_signer(copies.decline_copy), weights.DECLINE_COPY)
    begin = _free(segments.begin_segment)
    _register(10, "begin_segment", [U64, _SECTOR, U8], begin, weights.BEGIN_SEGMENT)
    _register(16, "collect", [U64], _by_anyone(money.collect), weights.MONEY)
    _register(17, "claim_refund", [U64, BYTES32], _by_anyone(plans.claim_refund), weights.MONEY)


def _register_later() -> None:
    """Register the calls of live plans, of copies that end early, of pauses and of fraud."""
    _register(21, "update_head", [U64, _HEAD, _PATH], _by_anyone(live_plans.update_head), weights.UPDATE_HEAD)
    _register(22, "declare_lost", [U64], _by_signer(ladder.declare_lost), weights.DECLARE_LOST)
    _register(23, "leave_copy", [U64], _by_signer(ends.leave_copy), weights.LEAVE_COPY)
    _register(24, "decline_job", [U64], _by_signer(jobs.decline_job), weights.DECLINE_JOB)
    _register(25, "pause", [], _by_signer(pauses.pause), weights.PAUSE)
    _register(26, "amend_plan", [U64, _TERMS], _by_signer(amend.amend_plan), weights.AMEND_PLAN)
    _register(27, "commit_report", [BYTES32], _by_signer(fraud.commit_report), weights.COMMIT_REPORT)
    invalid = weights.REPORT_INVALID_ENCODING
    _operational(28, "report_invalid_encoding", [U64, _EVIDENCE], fraud.report_invalid_encoding, invalid)
    proof = [U64, _HEAD, _HEAD, U8, _PATH]
    equivocation = _by_anyone(fraud.report_equivocation)
    _register(29, "report_equivocation", proof, equivocation, weights.REPORT_EQUIVOCATION)
    rotate = _by_signer(offers.rotate_swarm_key)
    _register(30, "rotate_swarm_key", [BYTES32, _SIGNATURE], rotate, weights.REGISTER_PEER)
    _register(31, "set_operator", [Option(BYTES32)], _by_signer(operators.set_operator), weights.SET_OPERATOR)
    register(PALLET, 32, "operate", [BYTES32, CALL], operators.operate, operators.operate_info)
