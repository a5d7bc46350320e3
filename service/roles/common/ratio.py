"""Ratios: what an account's peers gave against what its plans took, and what that makes of an ask.

The rule is in pallet-spec/README.md.
"""

from __future__ import annotations

from service.chain_client.pallet.constants import ALLOWANCE, MARGIN, MIN_RATIO, PPM
from service.chain_client.pallet.types import Ratio


def ratio_ppm(ratio: Ratio, is_peer: bool) -> int:
    """Return an account's ratio in ppm, at most 1; of one that is no peer the least."""
    if not is_peer:
        return MIN_RATIO
    return min(max((ratio.given + ALLOWANCE) * PPM // (ratio.taken + ALLOWANCE), MIN_RATIO), PPM)


def kept(reserved: int, unsettled: int) -> int:
    """Return what a pot keeps for its reserves, and for the surcharge on what it paid since the last one.

    Both at the least ratio (pallet-spec/README.md section 11).
    """
    return -(-(reserved * MARGIN + unsettled * (MARGIN - MIN_RATIO)) // MIN_RATIO)


def dearest(asks: int) -> int:
    """Return what asks cost at the least ratio: what a pot keeps for its reserves."""
    return cost(asks, MIN_RATIO)


def cost(ask: int, ppm: int) -> int:
    """Return what a pot loses for an ask, by its sponsor's ratio."""
    return -(-ask * MARGIN // ppm)
