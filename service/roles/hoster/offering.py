"""What a hoster offers: what its operator says, but never more than the disk holds; and when an open offer is renewed."""

from __future__ import annotations

from dataclasses import replace

from service.chain_client.pallet.types import Hoster

from ..common.terms import HosterTerms

SLACK = 8
"""An open offer is renewed for its capacity if that is off by more than the n-th part: each renewal costs a fee."""


def within_room(terms: HosterTerms, stored: int, free: int | None) -> HosterTerms:
    """Return the terms with a capacity that the disk holds: what is stored, and what is free for copies (None: not known)."""
    return terms if free is None else replace(terms, capacity=min(terms.capacity, stored + free))


def is_stale(offer: Hoster, wish: HosterTerms) -> bool:
    """Return whether an open offer is another one than it should be."""
    if (offer.ask_disk, offer.ask_receiving, offer.region) != (wish.ask_disk, wish.ask_receiving, wish.region):
        return True
    capacity = max(wish.capacity, offer.used)  # as the chain applies it
    return abs(offer.capacity - capacity) * SLACK > max(offer.capacity, capacity)
