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
/// Minimum size of a partial segment, in bytes (4 GiB).
pub const SEGMENT_BYTES: u64 = 4 * GIB;
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

// ---- the work of a block

/// Expiries handled per kind and block.
pub const EXPIRIES: u32 = 32;
/// Placement tries per block.
pub const TRIES: u32 = 32;
/// Changes of the draw tables that may wait for one block.
pub const MAX_CHANGES: u32 = 256;
/// Storage challenges issued per block.
pub const CHALLENGES: u32 = 8;
/// `begin_segment` calls per block.
pub const BEGINS: u32 = 32;

// ---- peers

/// Jobs of an encoder at a time.
pub const JOBS: u32 = 4;
/// Live copies of a hoster.
pub const COPIES: u32 = 4_096;
/// Declines of a hoster per era.
pub const DECLINES: u32 = 8;
/// Misses in a row after which a need goes to the tail.
pub const MISSES: u8 = 8;
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

// ---- lengths of vectors

/// Replicas of a plan.
pub const MAX_REPLICAS: u32 = 16;
/// Ranges of blocks of a plan.
pub const MAX_RANGES: u32 = 16;
/// Segments of a copy.
pub const MAX_SEGMENTS: u32 = 256;
/// Samples of a storage challenge.
pub const MAX_SAMPLES: u32 = 32;
/// Seats of a committee.
pub const MAX_SEATS: u32 = 16;
/// Former parties that a plan remembers.
pub const MAX_MEMORY: u32 = 64;
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
/// Bytes of a single signer's manifest.
pub const MAX_MANIFEST: u32 = 70;

// ---- the same as types

pub type MaxReplicas = ConstU32<MAX_REPLICAS>;
pub type MaxRanges = ConstU32<MAX_RANGES>;
pub type MaxSegments = ConstU32<MAX_SEGMENTS>;
pub type MaxSamples = ConstU32<MAX_SAMPLES>;
pub type MaxSeats = ConstU32<MAX_SEATS>;
pub type MaxMemory = ConstU32<MAX_MEMORY>;
pub type MaxSlots = ConstU32<MAX_SLOTS>;
pub type MaxRecent = ConstU32<MAX_RECENT>;
pub type MaxRoots = ConstU32<MAX_ROOTS>;
pub type MaxNodes = ConstU32<MAX_NODES>;
pub type MaxSiblings = ConstU32<MAX_SIBLINGS>;
pub type MaxManifest = ConstU32<MAX_MANIFEST>;
