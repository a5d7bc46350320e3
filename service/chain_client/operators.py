"""Operators: whose calls count as a peer's (pallet-spec/README.md section 14)."""

from __future__ import annotations

from scalecodec.utils.ss58 import ss58_encode

from .call import PALLET, Call
from .errors import NotOperable
from .pallet import calls

OPERABLE = frozenset(
    {
        "offer_hosting",
        "offer_encoding",
        "offer_attesting",
        "withdraw_offer",
        "release",
        "decline_copy",
        "begin_segment",
        "confirm_segment",
        "submit_storage_proof",
        "commit_retrievals",
        "reveal_retrievals",
        "declare_lost",
        "leave_copy",
        "decline_job",
        "pause",
        "commit_report",
        "report_invalid_encoding",
    }
)
"""Calls that an operator makes for its peer."""
BY_ANYONE = frozenset({"settle_retrieval", "collect", "claim_refund", "update_head", "report_equivocation"})
"""Calls that do not depend on who makes them."""


def operated(call: Call, peer: bytes) -> Call:
    """Return a call as the operator of a peer makes it. Raises NotOperable."""
    if call.pallet == PALLET and call.name in OPERABLE:
        return calls.operate(peer, call)
    if (call.pallet == PALLET and call.name in BY_ANYONE) or (call.pallet, call.name) == ("System", "remark"):
        return call
    raise NotOperable(
        f"{call} is signed by the account's own key, and these are its operator's: use the vault of {ss58_encode(peer)}"
    )
