"""Regions: the first characters of a place's geohash."""

from __future__ import annotations

_CHARACTERS = frozenset(b"0123456789bcdefghjkmnpqrstuvwxyz")


def is_region(region: bytes) -> bool:
    """Return whether a region has no other characters than a geohash. An empty one is nowhere."""
    return _CHARACTERS.issuperset(region)
