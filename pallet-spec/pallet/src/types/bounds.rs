//! The pallet's bounds. `constants.rs` shows them in the metadata, so that clients read them and do not write them again.
//!
//! They are part of the specification: the types of vectors, the worst block and the rules of the calls follow from them.

use super::{Balance, Block, Era};
use frame_support::traits::ConstU32;

// ---- scales and units

/// One UNIT of money.
pub const UNIT: Balance = 1_000_000_000_000;
/// Parts per million: the scale of reputation.
pub const PPM: u32 = 1_000_000;
/// Bytes of a sector.
pub const SECTOR: u64 = 256;
/// Sectors of one GiB.
pub const GIB_SECTORS: u64 = 1 << 22;
/// Bytes of one GiB.
pub const GIB: u64 = 1 << 30;

// ---- what a call may name

/// Longest copy stream of a plan, in bytes (256 GiB).
pub const MAX_PLAN_BYTES: u64 = 256 * GIB;
/// Checkpoints of the shortest partial segment (4 GiB in production).
pub const SEGMENT_CHECKPOINTS: u32 = 64;
/// Largest size, length and fork of a hypercore (2^53 - 1).
pub const MAX_SAFE: u64 = (1 << 53) - 1;
/// Largest ask, cap, price per report and amount parameter.
pub const MAX_AMOUNT: Balance = 1_000_000_000_000_000_000_000_000;
/// The only profile: P1 of the encoding.
pub const PROFILE_P1: u8 = 1;

// ---- reputation

/// Lowest reputation, in ppm.
pub const MIN_REPUTATION: u32 = 100_000;
/// Reputation at registration, in ppm.
pub const FIRST_REPUTATION: u32 = 500_000;

/// Least ratio, in ppm; that of a sponsor that is no peer.
pub const MIN_RATIO: u32 = 500_000;
/// What every account may take, and is taken to have given, before its ratio counts.
pub const ALLOWANCE: Balance = 4 * UNIT;
/// 1 and the margin of 5 %, in ppm.
pub const MARGIN: u32 = 1_050_000;
/// Terms may become wider while others have at most this part of the shares that the sponsor founded.
pub const WIDENING_PART: u32 = 20;
/// What a copy forfeits that is lost, does not serve or is left young: the n-th part of its collateral.
pub const DROP_PART: u128 = 10;
/// The part that a reporter gets of what hoster and encoder of an invalid copy lose.
pub const REWARD_PART: u128 = 4;
/// What a copy of an evicted hoster forfeits.
pub const EVICTION_PART: u128 = 2;
/// A slot with less than the n-th part of the bond of an attester is taken back.
pub const SPENT_PART: u128 = 2;

// ---- the work of a block

/// Expiries handled per kind and block, of kinds that have no bound of their own.
pub const EXPIRIES: u32 = 16;
/// What ticks count per block: each plan 1, and 1 for each of its live copies.
pub const TICKS: u32 = 56;
/// Records of settled verdicts that are removed per block.
pub const REMOVALS: u32 = 32;
/// Lanes of needs: of plans that have something confirmed, and of the others.
pub const LANES: u8 = 2;
/// Placement tries per block for each lane.
pub const TRIES: u32 = 16;
/// Changes of the draw tables that may wait for one block.
pub const MAX_CHANGES: u32 = 256;
/// Changes of these that offers, withdrawals and releases may fill.
pub const MAX_OFFER_CHANGES: u32 = 64;
/// Storage challenges issued per block.
pub const CHALLENGES: u32 = 8;
/// `begin_segment` calls per block.
pub const BEGINS: u32 = 16;
/// Copies of an evicted hoster that end per block.
pub const SWEEP: u32 = 8;
/// Segments whose records go per expiry.
pub const RECORDS: u32 = 64;

// ---- peers

/// Jobs of an encoder at a time.
pub const JOBS: u32 = 4;
/// Live copies of a hoster.
pub const COPIES: u32 = 4_096;
/// Declines of a hoster, and declined jobs of an encoder, per era.
pub const DECLINES: u32 = 8;
/// Misses in a row after which a need goes to the tail.
pub const MISSES: u8 = 8;
/// Moves to the tail at which the need of a hoster sleeps.
pub const HOSTER_ROUNDS: u8 = 4;
/// Moves to the tail at which the need of an encoder acts as `Wait::EncoderDraw`.
pub const ENCODER_ROUNDS: u8 = 16;
/// Declined jobs in a row after which a feed is taken to be gone.
pub const NO_DATA: u8 = 4;
/// Most doublings of the sponsor's part of a stall.
pub const DOUBLINGS: u8 = 3;
/// Failed verdicts of the last eight that end a copy.
pub const FAILS: u32 = 4;
/// Slow verdicts of the last eight that end a copy.
pub const SLOW: u32 = 7;
/// Draws of a committee until its seats are filled.
pub const SEAT_DRAWS: u32 = 128;
/// Links that one reveal may skip.
pub const MAX_LINKS: u32 = 64;
/// Probes that an attester makes of a copy in an era; the chain checks the sector of the first.
pub const PROBES: u8 = 4;
/// Empty-handed seats that are burned per slot and era, 1 % each.
pub const EMPTY_HANDED: u32 = 5;
/// Entries of the draw table of hosters and of that of encoders (64^3).
pub const MAX_ENTRIES: u32 = 262_144;

// ---- spans

/// Blocks for which seeds are kept.
pub const SEEDS: Block = 256;
/// Eras for which Era(r) is kept.
pub const ERAS: Era = 4;
/// Eras for which an ended copy's records and a given-back slot are kept, and for which a role must be left before
/// its release.
pub const KEEP_ERAS: u32 = 3;
/// Eras between a confirmation and the second half of its fee.
pub const HALF_ERAS: u32 = 2;
/// Eras of reports that a copy's reserve must pay.
pub const REPORT_ERAS: u32 = 4;

/// Eras for which a copy is young.
pub const YOUNG_ERAS: u32 = 60;
/// Eras for which an encoder's bond is kept after its last confirmed segment.
pub const BOND_ERAS: u32 = 14;
/// Eras between two pauses of a hoster.
pub const PAUSE_ERAS: u32 = 14;
/// Blocks that a report must stand before it is shown.
pub const REPORT_AGE: Block = 4;

// ---- lengths of vectors

/// Replicas of a plan.
pub const MAX_REPLICAS: u32 = 16;
/// Ranges of blocks of a plan.
pub const MAX_RANGES: u32 = 16;
/// Segments of a copy.
pub const MAX_SEGMENTS: u32 = 256;
/// Segments beyond which a copy does not grow.
pub const GROWTH_SEGMENTS: u32 = 250;
/// Samples of a storage challenge.
pub const MAX_SAMPLES: u32 = 32;
/// Seats of a committee.
pub const MAX_SEATS: u32 = 16;
/// Former parties that a plan remembers.
pub const MAX_MEMORY: u32 = 64;
/// Commits, or reveals, of one call.
pub const MAX_RETRIEVALS: u32 = 64;
/// Slots of one attester.
pub const MAX_SLOTS: u32 = 16;
/// Eras that a slot remembers, of renewals and of empty-handed seats alike.
pub const MAX_RECENT: u32 = 4;
/// Roots of a hypercore's tree of at most 2^53 - 1 blocks.
pub const MAX_ROOTS: u32 = 53;
/// Tree nodes opened by `publish_plan`: the paths to both ends of 16 ranges.
pub const MAX_NODES: u32 = 4_096;
/// Siblings of one sector: 2^30 sectors of a copy are 30 levels.
pub const MAX_SIBLINGS: u32 = 32;
/// Siblings of a storage proof: 32 sectors of as many segments, each 30 levels deep, need 960.
pub const MAX_PROOF_SIBLINGS: u32 = 1_024;
/// Bytes of a single signer's manifest.
pub const MAX_MANIFEST: u32 = 70;
/// Regions that a plan names.
pub const MAX_REGIONS: u32 = 4;
/// Characters of a region: a geohash's first.
pub const MAX_REGION: u32 = 3;
/// Bytes of a block that a fraud proof shows (1 MiB).
pub const MAX_BLOCK: u32 = 1 << 20;
/// Nodes that extend a head: the path from its last root to the longest tree's.
pub const MAX_EXTENSION: u32 = 53;

// ---- the same as types

pub type MaxReplicas = ConstU32<MAX_REPLICAS>;
pub type MaxRanges = ConstU32<MAX_RANGES>;
pub type MaxSegments = ConstU32<MAX_SEGMENTS>;
pub type MaxSamples = ConstU32<MAX_SAMPLES>;
pub type MaxSeats = ConstU32<MAX_SEATS>;
pub type MaxMemory = ConstU32<MAX_MEMORY>;
pub type MaxRetrievals = ConstU32<MAX_RETRIEVALS>;
pub type MaxSlots = ConstU32<MAX_SLOTS>;
pub type MaxRecent = ConstU32<MAX_RECENT>;
pub type MaxRoots = ConstU32<MAX_ROOTS>;
pub type MaxNodes = ConstU32<MAX_NODES>;
pub type MaxSiblings = ConstU32<MAX_SIBLINGS>;
pub type MaxProofSiblings = ConstU32<MAX_PROOF_SIBLINGS>;
pub type MaxManifest = ConstU32<MAX_MANIFEST>;
pub type MaxRegions = ConstU32<MAX_REGIONS>;
pub type MaxRegion = ConstU32<MAX_REGION>;
pub type MaxBlock = ConstU32<MAX_BLOCK>;
pub type MaxExtension = ConstU32<MAX_EXTENSION>;
/// A region: up to three characters of a geohash; empty is everywhere or nowhere.
pub type Region = frame_support::BoundedVec<u8, MaxRegion>;
