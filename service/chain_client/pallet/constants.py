# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's constants: bounds and scales that calls and rules follow."""

from __future__ import annotations

from typing import Final

PALLET_ID: Final = b"datdot/1"
"""Pots are sub-accounts of it."""
PPM: Final = 1_000_000
"""Parts per million: the scale of reputation."""
MAX_PLAN_BYTES: Final = 274_877_906_944
"""Longest copy stream of a plan, in bytes (256 GiB)."""
SEGMENT_BYTES: Final = 4_294_967_296
"""Minimum size of a partial segment, in bytes (4 GiB)."""
MAX_SAFE: Final = 9_007_199_254_740_991
"""Largest size, length and fork of a hypercore (2^53 - 1)."""
MAX_AMOUNT: Final = 1_000_000_000_000_000_000_000_000
"""Largest ask, cap, price per report and amount parameter."""
PROFILE_P1: Final = 1
"""The only profile: P1 of the encoding."""
MIN_REPUTATION: Final = 100_000
"""Lowest reputation, in ppm."""
FIRST_REPUTATION: Final = 500_000
"""Reputation at registration, in ppm."""
EXPIRIES: Final = 32
"""Expiries handled per kind and block."""
TRIES: Final = 32
"""Placement tries per block."""
MAX_CHANGES: Final = 256
"""Changes of the draw tables that may wait for one block."""
CHALLENGES: Final = 8
"""Storage challenges issued per block."""
BEGINS: Final = 32
"""`begin_segment` calls per block."""
JOBS: Final = 4
"""Jobs of an encoder at a time."""
COPIES: Final = 4_096
"""Live copies of a hoster."""
DECLINES: Final = 8
"""Declines of a hoster per era."""
MISSES: Final = 8
"""Misses in a row after which a need goes to the tail."""
MAX_LINKS: Final = 64
"""Links that one reveal may skip."""
PROBES: Final = 4
"""Probes that an attester makes of a copy in an era; the chain checks the sector of the first."""
EMPTY_HANDED: Final = 5
"""Empty-handed seats that are burned per slot and era, 1 % each."""
MAX_ENTRIES: Final = 262_144
"""Entries of the draw table of hosters and of that of encoders (64^3)."""
SEEDS: Final = 256
"""Blocks for which seeds are kept."""
ERAS: Final = 4
"""Eras for which Era(r) is kept."""
KEEP_ERAS: Final = 3
"""Eras for which an ended copy's records and a given-back slot are kept, and for which a role must be left before its release."""
HALF_ERAS: Final = 2
"""Eras between a confirmation and the second half of its fee."""
REPORT_ERAS: Final = 4
"""Eras of reports that a copy's reserve must pay."""
MAX_REPLICAS: Final = 16
"""Replicas of a plan."""
MAX_RANGES: Final = 16
"""Ranges of blocks of a plan."""
MAX_SEGMENTS: Final = 256
"""Segments of a copy."""
MAX_SAMPLES: Final = 32
"""Samples of a storage challenge."""
MAX_SEATS: Final = 16
"""Seats of a committee."""
MAX_MEMORY: Final = 64
"""Former parties that a plan remembers."""
MAX_SLOTS: Final = 16
"""Slots of one attester."""
MAX_RECENT: Final = 4
"""Eras that a slot remembers, of renewals and of empty-handed seats alike."""
MAX_ROOTS: Final = 53
"""Roots of a hypercore's tree of at most 2^53 - 1 blocks."""
MAX_NODES: Final = 4_096
"""Tree nodes opened by `publish_plan`: the paths to both ends of 16 ranges."""
MAX_SIBLINGS: Final = 32
"""Siblings of one sector: 2^30 sectors of a copy are 30 levels."""
MAX_MANIFEST: Final = 70
"""Bytes of a single signer's manifest."""
