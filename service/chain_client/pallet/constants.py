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
SEGMENT_CHECKPOINTS: Final = 64
"""Checkpoints of the shortest partial segment (4 GiB in production)."""
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
EXPIRIES: Final = 16
"""Expiries handled per kind and block, of kinds that have no bound of their own."""
TICKS: Final = 56
"""What ticks count per block: each plan 1, and 1 for each of its live copies."""
REMOVALS: Final = 32
"""Records of settled verdicts that are removed per block."""
TRIES: Final = 16
"""Placement tries per block for each lane."""
MAX_CHANGES: Final = 256
"""Changes of the draw tables that may wait for one block."""
CHALLENGES: Final = 8
"""Storage challenges issued per block."""
BEGINS: Final = 16
"""`begin_segment` calls per block."""
JOBS: Final = 4
"""Jobs of an encoder at a time."""
COPIES: Final = 4_096
"""Live copies of a hoster."""
DECLINES: Final = 8
"""Declines of a hoster, and declined jobs of an encoder, per era."""
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
MAX_RETRIEVALS: Final = 64
"""Commits, or reveals, of one call."""
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
MAX_PROOF_SIBLINGS: Final = 1_024
"""Siblings of a storage proof: 32 sectors of as many segments, each 30 levels deep, need 960."""
MAX_MANIFEST: Final = 70
"""Bytes of a single signer's manifest."""
MIN_RATIO: Final = 500_000
"""Least ratio, in ppm; that of a sponsor that is no peer."""
ALLOWANCE: Final = 4_000_000_000_000
"""What every account may take, and is taken to have given, before its ratio counts."""
MARGIN: Final = 1_050_000
"""1 and the margin of 5 %, in ppm."""
WIDENING_PART: Final = 20
"""Terms may become wider while others have at most this part of the shares that the sponsor founded."""
DROP_PART: Final = 10
"""What a copy forfeits that is lost, does not serve or is left young: the n-th part of its collateral."""
EVICTION_PART: Final = 2
"""What a copy of an evicted hoster forfeits."""
SPENT_PART: Final = 2
"""A slot with less than the n-th part of the bond of an attester is taken back."""
REWARD_PART: Final = 4
"""The part that a reporter gets of what hoster and encoder of an invalid copy lose."""
LANES: Final = 2
"""Lanes of needs: of plans that have something confirmed, and of the others."""
MAX_OFFER_CHANGES: Final = 64
"""Changes of these that offers, withdrawals and releases may fill."""
SWEEP: Final = 8
"""Copies of an evicted hoster that end per block."""
RECORDS: Final = 64
"""Segments whose records go per expiry."""
HOSTER_ROUNDS: Final = 4
"""Moves to the tail at which the need of a hoster sleeps."""
ENCODER_ROUNDS: Final = 16
"""Moves to the tail at which the need of an encoder acts as `Wait::EncoderDraw`."""
NO_DATA: Final = 4
"""Declined jobs in a row after which a feed is taken to be gone."""
DOUBLINGS: Final = 3
"""Most doublings of the sponsor's part of a stall."""
FAILS: Final = 4
"""Failed verdicts of the last eight that end a copy."""
SLOW: Final = 7
"""Slow verdicts of the last eight that end a copy."""
SEAT_DRAWS: Final = 128
"""Draws of a committee until its seats are filled."""
YOUNG_ERAS: Final = 60
"""Eras for which a copy is young."""
BOND_ERAS: Final = 14
"""Eras for which an encoder's bond is kept after its last confirmed segment."""
PAUSE_ERAS: Final = 14
"""Eras between two pauses of a hoster."""
REPORT_AGE: Final = 4
"""Blocks that a report must stand before it is shown."""
GROWTH_SEGMENTS: Final = 250
"""Segments beyond which a copy does not grow."""
MAX_REGIONS: Final = 4
"""Regions that a plan names."""
MAX_REGION: Final = 3
"""Characters of a region: a geohash's first."""
MAX_BLOCK: Final = 1_048_576
"""Bytes of a block that a fraud proof shows (1 MiB)."""
MAX_EXTENSION: Final = 53
"""Nodes that extend a head: the path from its last root to the longest tree's."""
