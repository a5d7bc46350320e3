"""The constants of the pallet: scales, bounds of a block's work, lengths of vectors."""

from __future__ import annotations

# The pallet's index in the runtime, and the seed of the pots' accounts.
PALLET = 5
PALLET_ID = b"datdot/1"

# One UNIT of money.
UNIT = 10**12
# Parts per million: the scale of reputation.
PPM = 1_000_000
# Bytes of a sector.
SECTOR = 256
# Sectors, and bytes, of one GiB.
GIB_SECTORS = 1 << 22
GIB = 1 << 30
# Longest copy stream of a plan, in bytes (256 GiB).
MAX_PLAN_BYTES = 256 * GIB
# Minimum size of a partial segment, in bytes (4 GiB).
SEGMENT_BYTES = 4 * GIB
# Largest size, length and fork of a hypercore (2^53 - 1).
MAX_SAFE = 2**53 - 1
# Lowest reputation, and reputation at registration, in ppm.
MIN_REPUTATION = 100_000
FIRST_REPUTATION = 500_000
# Largest ask, cap, price per report and amount parameter.
MAX_AMOUNT = 10**24
# The only profile: P1 of the encoding.
PROFILE_P1 = 1

# Expiries handled per kind and block.
EXPIRIES = 32
# Placement tries per block.
TRIES = 32
# Changes of the draw tables that may wait for one block.
MAX_CHANGES = 256
# Storage challenges issued per block.
CHALLENGES = 8
# `begin_segment` calls per block.
BEGINS = 32
# Jobs of an encoder at a time.
JOBS = 4
# Live copies of a hoster.
COPIES = 4_096
# Declines of a hoster per era.
DECLINES = 8
# Misses in a row after which a need goes to the tail.
MISSES = 8
# Blocks for which seeds are kept.
SEEDS = 256
# Eras for which Era(r) is kept.
ERAS = 4
# Eras for which an ended copy's records and a given-back slot are kept, and for which a role must be left before its
# release.
KEEP_ERAS = 3
# Eras between a confirmation and the second half of its fee.
HALF_ERAS = 2
# Eras of reports that a copy's reserve must pay.
REPORT_ERAS = 4
# Links that one reveal may skip.
MAX_LINKS = 64
# Probes that an attester makes of a copy in an era; the chain checks the sector of the first.
PROBES = 4
# Empty-handed seats that are burned per slot and era, 1 % each.
EMPTY_HANDED = 5
# Entries of the draw table of hosters and of that of encoders (64^3).
MAX_ENTRIES = 262_144

# Replicas and ranges of a plan, and the former parties that it remembers.
MAX_REPLICAS = 16
MAX_RANGES = 16
MAX_MEMORY = 64
# Segments of a copy.
MAX_SEGMENTS = 256
# Samples of a storage challenge, and seats of a committee.
MAX_SAMPLES = 32
MAX_SEATS = 16
# Slots of one attester.
MAX_SLOTS = 16
# Eras that a slot remembers, of renewals and of empty-handed seats alike.
MAX_RECENT = 4
# Roots of a hypercore's tree of at most 2^53 - 1 blocks.
MAX_ROOTS = 53
# Tree nodes opened by `publish_plan`: the paths to both ends of 16 ranges.
MAX_NODES = 4_096
# Siblings of one sector: 2^30 sectors of a copy are 30 levels.
MAX_SIBLINGS = 32
# Bytes of a single signer's manifest.
MAX_MANIFEST = 70
