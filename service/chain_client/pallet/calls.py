"""The calls that this service makes, one function each, arguments in the order of the metadata."""

from __future__ import annotations

from ..call import PALLET, Call
from .types import Amounts, BlockRange, OpenedNode, Opening, Report, Role, SignedHead, Terms


def _datdot(name: str, **arguments: object) -> Call:
    return Call(PALLET, name, arguments)


def register_peer(swarm_key: bytes, statement_key: bytes, swarm_signature: bytes, statement_signature: bytes) -> Call:
    """Bind a swarm key and a statement key to the account; both sign `bind`."""
    return _datdot(
        "register_peer",
        swarm_key=swarm_key,
        statement_key=statement_key,
        swarm_signature=swarm_signature,
        statement_signature=statement_signature,
    )


def offer_hosting(capacity: int, ask_disk: int, ask_receiving: int) -> Call:
    """Offer `capacity` bytes, or renew the offer."""
    return _datdot("offer_hosting", capacity=capacity, ask_disk=ask_disk, ask_receiving=ask_receiving)


def offer_encoding(ask: int) -> Call:
    """Offer encoding, or renew the offer."""
    return _datdot("offer_encoding", ask=ask)


def offer_attesting(ask: int, anchor: bytes, slots: int) -> Call:
    """Take `slots` more slots; another anchor begins another chain of links."""
    return _datdot("offer_attesting", ask=ask, anchor=anchor, slots=slots)


def withdraw_offer(role: Role) -> Call:
    """No new draws for a role."""
    return _datdot("withdraw_offer", role=role)


def release(role: Role) -> Call:
    """Free a role's hold, three eras after it was left."""
    return _datdot("release", role=role)


def publish_plan(
    head: SignedHead, ranges: tuple[BlockRange, ...], nodes: tuple[OpenedNode, ...], terms: Terms, pot: int
) -> Call:
    """Publish a plan and fill its pot."""
    return _datdot("publish_plan", head=head, ranges=ranges, nodes=nodes, terms=terms, pot=pot)


def donate(plan: int, amount: int) -> Call:
    """Add to a plan's pot."""
    return _datdot("donate", plan=plan, amount=amount)


def end_plan(plan: int) -> Call:
    """By the sponsor: end the plan after the notice."""
    return _datdot("end_plan", plan=plan)


def decline_copy(copy: int) -> Call:
    """By the hoster of a copy that was just offered."""
    return _datdot("decline_copy", copy=copy)


def begin_segment(copy: int, modulus: bytes, profile: int) -> Call:
    """By the drawn encoder: commit a fresh modulus (256 bytes, big endian)."""
    return _datdot("begin_segment", copy=copy, modulus=modulus, profile=profile)


def confirm_segment(copy: int, segment: int, length: int, root: bytes, signature: bytes) -> Call:
    """By hoster or encoder, with the other's signature; `length` in bytes."""
    return _datdot("confirm_segment", copy=copy, segment=segment, bytes=length, root=root, signature=signature)


def submit_storage_proof(issued: int, openings: tuple[Opening, ...]) -> Call:
    """Answer the storage challenge issued in block `issued`."""
    return _datdot("submit_storage_proof", issued=issued, openings=openings)


def commit_retrieval(era: int, copy: int, commit: bytes) -> Call:
    """By a seated attester."""
    return _datdot("commit_retrieval", era=era, copy=copy, commit=commit)


def reveal_retrieval(era: int, copy: int, report: Report, link: bytes, salt: bytes, opening: Opening | None) -> Call:
    """Open a commit."""
    return _datdot("reveal_retrieval", era=era, copy=copy, report=report, link=link, salt=salt, opening=opening)


def settle_retrieval(era: int, copy: int) -> Call:
    """By anyone, in the window."""
    return _datdot("settle_retrieval", era=era, copy=copy)


def collect(copy: int) -> Call:
    """Pay the hoster what the copy earned."""
    return _datdot("collect", copy=copy)


def claim_refund(plan: int) -> Call:
    """By a donor of an ended plan."""
    return _datdot("claim_refund", plan=plan)


def set_parameters(amounts: Amounts) -> Call:
    """By root: amounts only."""
    return _datdot("set_parameters", amounts=amounts)


def set_seed(value: bytes) -> Call:
    """By root, for development: seeds from `value`."""
    return _datdot("set_seed", value=value)


def unset_seed() -> Call:
    """By root: the randomness source again."""
    return _datdot("unset_seed")


def transfer(to: bytes, amount: int) -> Call:
    """Transfer money, keeping the sender alive."""
    return Call("Balances", "transfer_keep_alive", {"dest": {"Id": to}, "value": amount})


def sudo(call: Call) -> Call:
    """By the key of pallet-sudo: make a call as root. Its failure is a DispatchError like any other."""
    return Call("Sudo", "sudo", {"call": call})
