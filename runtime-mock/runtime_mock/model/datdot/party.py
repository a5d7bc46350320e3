"""The check of signed transactions: a call that gives its fee back is taken only of accounts that it can be good for."""

from __future__ import annotations

from ..frame.calls import Call
from ..storage import State
from .fraud import is_committed
from .items import Attesters, Copies, StorageChallenges
from .limits import PALLET
from .operators import is_operable, is_operator

CONFIRM_SEGMENT, SUBMIT_STORAGE_PROOF, COMMIT_RETRIEVALS, REVEAL_RETRIEVALS = 11, 12, 13, 14
REPORT_INVALID_ENCODING, OPERATE = 28, 32


def may_call(s: State, account: bytes, call: Call) -> bool:
    """Return whether an account may send a call to the chain."""
    if call.pallet != PALLET:
        return True
    if call.index == CONFIRM_SEGMENT:
        copy = Copies.get(s, call.args[0])
        return copy is not None and account in (copy.hoster, copy.encoder)
    if call.index == SUBMIT_STORAGE_PROOF:
        return StorageChallenges.contains(s, account)
    if call.index in (COMMIT_RETRIEVALS, REVEAL_RETRIEVALS):
        return Attesters.contains(s, account)
    if call.index == REPORT_INVALID_ENCODING:
        # Who is second pays nothing, as long as it is not in the same block.
        copy = Copies.get(s, call.args[0])
        return copy is not None and not copy.invalid and is_committed(s, account, *call.args)
    if call.index == OPERATE:
        peer, inner = call.args
        return is_operator(s, account, peer) and is_operable(inner) and may_call(s, peer, inner)
    return True
