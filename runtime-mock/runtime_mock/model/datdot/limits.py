"""The constants of the pallet: scales, bounds of a block's work, lengths of vectors."""

from __future__ import annotations

# The pallet's index in the runtime, and the seed of the pots' accounts.
PALLET = 5
PALLET_ID = b"datdot/1"
# Calls that an operator may make for its peer.
OPERABLE = frozenset({1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 22, 23, 24, 25, 27, 28})

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
# Checkpoints of the shortest partial segment (4 GiB in production).
SEGMENT_CHECKPOINTS = 64
# Largest size, length and fork of a hypercore (2^53 - 1).
MAX_SAFE = 2**53 - 1
# Lowest reputation, and reputation at registration, in ppm.
MIN_REPUTATION = 100_000
FIRST_REPUTATION = 500_000
# Largest ask, cap, price per report and amount parameter.
MAX_AMOUNT = 10**24
# The only profile: P1 of the encoding.
PROFILE_P1 = 1

# Expiries handled per kind and block, of kinds that have no bound of their own.
EXPIRIES = 16
# What ticks count per block: each plan 1, and 1 for each of its live copies.
TICKS = 56
# Records of settled verdicts that are removed per block.
REMOVALS = 32
# Lanes of needs: of plans that have something confirmed, and of the others.
LANES = 2
# Placement tries of each lane per block; what one leaves the other uses.
TRIES = 16
# Changes of the draw tables that may wait for one block.
MAX_CHANGES = 256
# Those of them that offers, withdrawals and releases may fill.
MAX_OFFER_CHANGES = 64
# Storage challenges issued per block.
CHALLENGES = 8
# `begin_segment` calls per block.
BEGINS = 16
# Jobs of an encoder at a time.
JOBS = 4
# Live copies of a hoster.
COPIES = 4_096
# Declines per era, of copies by a hoster and of jobs by an encoder.
DECLINES = 8
# Declined jobs in a row after which a plan's feed is taken for gone.
NO_DATA = 4
# Misses in a row after which a need goes to the tail.
MISSES = 8
# Moves to the tail after which a hoster's need sleeps, and after which an encoder's gives up.
HOSTER_ROUNDS = 4
ENCODER_ROUNDS = 16
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
# Eras for which an encoder's bond stays after its last confirmed segment.
BOND_ERAS = 14
# Blocks that a report must have been committed before it is made.
REPORT_AGE = 4
# Eras between two pauses of a hoster.
PAUSE_ERAS = 14
# Eras for which a new copy costs its hoster a forfeit when it leaves.
YOUNG_ERAS = 60
# A copy's collateral is forfeited in these parts: at a loss or a failed service, and at an eviction. The first is also the
# most that a hoster asks for receiving.
DROP_PART = 10
EVICTION_PART = 2
# A slot with less than this part of an attester's bond is taken back.
SPENT_PART = 2
# The part of a copy's collateral that the pot gets at most.
POT_PART = 10
# The part that a reporter gets of what hoster and encoder of an invalid copy lose.
REWARD_PART = 4
# Copies of an evicted hoster that end in a block.
SWEEP = 8
# Verdicts that a copy remembers; failed and slow ones among them that end it.
VERDICTS = 8
FAILS = 4
SLOW = 7
# Doublings of the sponsor's part of a stall.
DOUBLINGS = 3
# Segments of a copy with which it grows no more.
GROWTH_SEGMENTS = 250
# Segments whose records one expiry removes.
RECORDS = 64
# Least ratio of a sponsor in ppm, what every account starts with on both sides of it, and what 1 costs at ratio 1.
MIN_RATIO = 500_000
ALLOWANCE = 4 * UNIT
MARGIN = 1_050_000
# Terms may become wider while others have at most this part of the shares that the sponsor founded.
WIDENING_PART = 20
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
# Draws for a committee's seats.
SEAT_DRAWS = 128
# Commits, or reveals, of one call.
MAX_RETRIEVALS = 64
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
# Siblings of a storage proof: 32 sectors of as many segments, each 30 levels deep, need 960.
MAX_PROOF_SIBLINGS = 1_024
# Nodes that extend a head: the path from its last root to that of the longest tree.
MAX_EXTENSION = 53
# Characters of a hoster's region, and prefixes of regions that a plan may name.
MAX_REGION = 3
MAX_REGIONS = 4
# Bytes of a block that a proof of fraud shows (1 MiB).
MAX_BLOCK = 1 << 20
# Bytes of a single signer's manifest.
MAX_MANIFEST = 70
