# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's constants: bounds and scales that calls and rules follow."""

from __future__ import annotations

from typing import Final

#: Pots are sub-accounts of it.
PALLET_ID: Final = b"datdot/1"
#: Parts per million: the scale of reputation.
PPM: Final = 1_000_000
#: Longest copy stream of a plan, in bytes (256 GiB).
MAX_PLAN_BYTES: Final = 274_877_906_944
#: Minimum size of a partial segment, in bytes (4 GiB).
SEGMENT_BYTES: Final = 4_294_967_296
#: Largest size, length and fork of a hypercore (2^53 - 1).
MAX_SAFE: Final = 9_007_199_254_740_991
#: Largest ask, cap, price per report and amount parameter.
MAX_AMOUNT: Final = 1_000_000_000_000_000_000_000_000
#: The only profile: P1 of the encoding.
PROFILE_P1: Final = 1
#: Lowest reputation, in ppm.
MIN_REPUTATION: Final = 100_000
#: Reputation at registration, in ppm.
FIRST_REPUTATION: Final = 500_000
#: Expiries handled per kind and block.
EXPIRIES: Final = 32
#: Placement tries per block.
TRIES: Final = 32
#: Changes of the draw tables that may wait for one block.
MAX_CHANGES: Final = 256
#: Storage challenges issued per block.
CHALLENGES: Final = 8
#: `begin_segment` calls per block.
BEGINS: Final = 32
#: Jobs of an encoder at a time.
JOBS: Final = 4
#: Live copies of a hoster.
COPIES: Final = 4_096
#: Declines of a hoster per era.
DECLINES: Final = 8
#: Misses in a row after which a need goes to the tail.
MISSES: Final = 8
#: Links that one reveal may skip.
MAX_LINKS: Final = 64
#: Probes that an attester makes of a copy in an era; the chain checks the sector of the first.
PROBES: Final = 4
#: Empty-handed seats that are burned per slot and era, 1 % each.
EMPTY_HANDED: Final = 5
#: Entries of the draw table of hosters and of that of encoders (64^3).
MAX_ENTRIES: Final = 262_144
#: Blocks for which seeds are kept.
SEEDS: Final = 256
#: Eras for which Era(r) is kept.
ERAS: Final = 4
#: Eras for which an ended copy's records and a given-back slot are kept, and for which a role must be left before its
#: release.
KEEP_ERAS: Final = 3
#: Eras between a confirmation and the second half of its fee.
HALF_ERAS: Final = 2
#: Eras of reports that a copy's reserve must pay.
REPORT_ERAS: Final = 4
#: Replicas of a plan.
MAX_REPLICAS: Final = 16
#: Ranges of blocks of a plan.
MAX_RANGES: Final = 16
#: Segments of a copy.
MAX_SEGMENTS: Final = 256
#: Samples of a storage challenge.
MAX_SAMPLES: Final = 32
#: Seats of a committee.
MAX_SEATS: Final = 16
#: Former parties that a plan remembers.
MAX_MEMORY: Final = 64
#: Slots of one attester.
MAX_SLOTS: Final = 16
#: Eras that a slot remembers, of renewals and of empty-handed seats alike.
MAX_RECENT: Final = 4
#: Roots of a hypercore's tree of at most 2^53 - 1 blocks.
MAX_ROOTS: Final = 53
#: Tree nodes opened by `publish_plan`: the paths to both ends of 16 ranges.
MAX_NODES: Final = 4_096
#: Siblings of one sector: 2^30 sectors of a copy are 30 levels.
MAX_SIBLINGS: Final = 32
#: Bytes of a single signer's manifest.
MAX_MANIFEST: Final = 70
