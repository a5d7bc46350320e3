# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's calls, one function each, arguments in the order of the metadata."""

from __future__ import annotations

from ..call import PALLET, Call
from .types import (
    AccountId,
    Amounts,
    BlockRange,
    Bytes,
    Evidence,
    Hash,
    OpenedNode,
    RetrievalCommit,
    RetrievalReveal,
    Role,
    SignedHead,
    StorageProof,
    Terms,
)


def _datdot(name: str, **arguments: object) -> Call:
    return Call(PALLET, name, arguments)


def register_peer(swarm_key: Bytes, statement_key: Bytes, swarm_signature: Bytes, statement_signature: Bytes) -> Call:
    """Bind a swarm key and a statement key to the account; both signed `bind`. The peer fee is burned."""
    return _datdot(
        "register_peer",
        swarm_key=swarm_key,
        statement_key=statement_key,
        swarm_signature=swarm_signature,
        statement_signature=statement_signature,
    )


def offer_hosting(capacity: int, ask_disk: int, ask_receiving: int, region: Bytes) -> Call:
    """Offer `capacity` bytes, or renew the offer; the collateral is filled up to its due."""
    return _datdot("offer_hosting", capacity=capacity, ask_disk=ask_disk, ask_receiving=ask_receiving, region=region)


def offer_encoding(ask: int) -> Call:
    """Offer encoding, or renew the offer; the bond is filled up to its due."""
    return _datdot("offer_encoding", ask=ask)


def offer_attesting(ask: int, anchor: Hash, slots: int) -> Call:
    """Take `slots` more slots at `ask` per report.

    Another anchor than the last counts all the account's slots as taken in this era.
    """
    return _datdot("offer_attesting", ask=ask, anchor=anchor, slots=slots)


def withdraw_offer(role: Role) -> Call:
    """Leave the draws of a role; of attesting: give all slots back."""
    return _datdot("withdraw_offer", role=role)


def release(role: Role) -> Call:
    """Free the hold of hosting or encoding, three eras after the role was left."""
    return _datdot("release", role=role)


def publish_plan(
    head: SignedHead, ranges: tuple[BlockRange, ...], nodes: tuple[OpenedNode, ...], terms: Terms, pot: int
) -> Call:
    """Publish a plan for block ranges of a feed and fill its pot."""
    return _datdot("publish_plan", head=head, ranges=ranges, nodes=nodes, terms=terms, pot=pot)


def donate(plan: int, amount: int, fresh: int) -> Call:
    """Add to a plan's pot, for shares of what will be left.

    `fresh` is the plan's, as the donor saw it: no other terms take the gift.
    """
    return _datdot("donate", plan=plan, amount=amount, fresh=fresh)


def end_plan(plan: int) -> Call:
    """End a plan, `EndNotice` blocks later. By its sponsor."""
    return _datdot("end_plan", plan=plan)


def decline_copy(copy: int) -> Call:
    """Decline a copy that was just offered. By its hoster."""
    return _datdot("decline_copy", copy=copy)


def begin_segment(copy: int, modulus: Bytes, profile: int) -> Call:
    """Commit a fresh modulus (big endian); the salt is drawn `SeedDelay` blocks later. By the drawn encoder."""
    return _datdot("begin_segment", copy=copy, modulus=modulus, profile=profile)


def confirm_segment(copy: int, segment: int, length: int, root: Hash, signature: Bytes) -> Call:
    """Confirm a segment of `length` bytes, with the statement `segment` signed by the other. By hoster or encoder."""
    return _datdot("confirm_segment", copy=copy, segment=segment, bytes=length, root=root, signature=signature)


def submit_storage_proof(issued: int, proof: StorageProof) -> Call:
    """Answer the storage challenge of block `issued` with one sector per sample, in its order. By the hoster."""
    return _datdot("submit_storage_proof", issued=issued, proof=proof)


def commit_retrievals(era: int, commits: tuple[RetrievalCommit, ...]) -> Call:
    """Commit to reports on copies in an era, for good.

    By an attester with a seat for each. What is wrong is left out, and the call fails if all is. The fee comes back if
    nothing is.
    """
    return _datdot("commit_retrievals", era=era, commits=commits)


def reveal_retrievals(era: int, link: Hash, reveals: tuple[RetrievalReveal, ...]) -> Call:
    """Open commits with the era's link, and for each copy the report and, if served, the encoded sector with its siblings.

    What is wrong is left out, and the call fails if all is. The fee comes back if nothing is.
    """
    return _datdot("reveal_retrievals", era=era, link=link, reveals=reveals)


def settle_retrieval(era: int, copy: int) -> Call:
    """Settle the retrieval challenge of a copy in an era: verdict and payments. By anyone."""
    return _datdot("settle_retrieval", era=era, copy=copy)


def collect(copy: int) -> Call:
    """Pay the hoster what the copy earned. By anyone."""
    return _datdot("collect", copy=copy)


def claim_refund(plan: int, donor: AccountId) -> Call:
    """Pay a donor its part of an ended plan's remainder. By anyone."""
    return _datdot("claim_refund", plan=plan, donor=donor)


def set_parameters(amounts: Amounts) -> Call:
    """Set the amounts. By root."""
    return _datdot("set_parameters", amounts=amounts)


def set_seed(value: Hash) -> Call:
    """Set what seeds are made of: from the next block on seed(b) = H(value | u64 b). By root, for development."""
    return _datdot("set_seed", value=value)


def unset_seed() -> Call:
    """Take seeds from the source of randomness again. By root."""
    return _datdot("unset_seed")


def update_head(plan: int, head: SignedHead, nodes: tuple[OpenedNode, ...]) -> Call:
    """Show a live plan a longer head of its feed, with the nodes that lead from the last old root to the new one over it;

    a head of a later fork ends the plan `EndNotice` blocks later. By anyone.
    """
    return _datdot("update_head", plan=plan, head=head, nodes=nodes)


def declare_lost(copy: int) -> Call:
    """Say that a copy is lost: it ends, and costs a tenth of its collateral. By its hoster."""
    return _datdot("declare_lost", copy=copy)


def leave_copy(copy: int) -> Call:
    """Leave a copy: it ends when another is active, or `EndNotice` blocks later. By its hoster."""
    return _datdot("leave_copy", copy=copy)


def decline_job(copy: int) -> Call:
    """Decline to encode: the feed cannot be fetched. By the drawn encoder."""
    return _datdot("decline_job", copy=copy)


def pause() -> Call:
    """Announce an absence: from now on nothing new is asked of the hoster until it is over."""
    return _datdot("pause")


def amend_plan(plan: int, terms: Terms) -> Call:
    """Change a plan's terms; for wider ones others must have given little. By its sponsor."""
    return _datdot("amend_plan", plan=plan, terms=terms)


def commit_report(hash: Hash) -> Call:
    """Commit to a report of an invalid encoding, so that nobody else can make it. By a peer."""
    return _datdot("commit_report", hash=hash)


def report_invalid_encoding(copy: int, evidence: Evidence) -> Call:
    """Show that a sector of a copy does not decode to the feed:

    hoster and encoder pay for it, and the copy ends. By who committed to exactly this report at least four blocks ago.
    """
    return _datdot("report_invalid_encoding", copy=copy, evidence=evidence)


def report_equivocation(
    plan: int, first: SignedHead, second: SignedHead, root: int, nodes: tuple[OpenedNode, ...]
) -> Call:
    """Show that the owner of a feed signed two histories:

    that root of the first head is another in the second, whose nodes lead from its root over it down to its parent. A
    live plan is of that feed. By anyone.
    """
    return _datdot("report_equivocation", plan=plan, first=first, second=second, root=root, nodes=nodes)


def rotate_swarm_key(swarm_key: Bytes, signature: Bytes) -> Call:
    """Bind another swarm key, which signed `bind`, in place of the peer's, which stays bound.

    The peer fee is burned.
    """
    return _datdot("rotate_swarm_key", swarm_key=swarm_key, signature=signature)


def set_operator(operator: AccountId | None) -> Call:
    """Let another account make the calls of a node for this peer, or no other any more.

    What is in a block before stays.
    """
    return _datdot("set_operator", operator=operator)


def operate(peer: AccountId, call: Call) -> Call:
    """Make one of calls 1 to 5, 9 to 14, 22 to 25, 27 and 28 for a peer.

    By its operator, who pays the fee, and gets it back where the peer would.
    """
    return _datdot("operate", peer=peer, call=call)
