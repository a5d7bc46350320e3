//! Plans and their terms.

use super::{
    bounds::{MaxMemory, MaxRanges, MaxRegions, MaxReplicas, Region},
    feeds::{Head, Range},
    Balance, Block, CopyId, Key,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
use sp_runtime::AccountId32;

/// What a plan asks for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Terms {
    /// 1 to 16.
    pub replicas: u8,
    /// Caps: per GiB and era, per GiB, per GiB.
    pub max_ask_disk: Balance,
    pub max_ask_encoding: Balance,
    pub max_ask_receiving: Balance,
    /// Z: price of one report.
    pub report_price: Balance,
    /// The plan ends at its first tick at or after this block.
    pub until: Block,
    /// The last range grows with the feed.
    pub live: bool,
    /// Least reputation of a hoster, in ppm.
    pub min_reputation: u32,
    /// Prefixes of regions, one of which a hoster's must begin with; none: anywhere.
    pub regions: BoundedVec<Region, MaxRegions>,
    /// Largest median latency of a verdict that is not slow.
    pub max_latency_ms: u32,
    /// Smallest median throughput of a verdict that is not slow.
    pub min_kib_per_s: u32,
}

/// Whether a plan goes on.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub enum PlanState {
    /// Its copies are placed and paid.
    #[codec(index = 0)]
    Live,
    /// Its copies have ended; its donors will get the remainder.
    #[codec(index = 1)]
    Ended,
}

/// Why a plan ended.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub enum PlanEnd {
    /// The first tick at or after `until`.
    #[codec(index = 0)]
    Until,
    /// The pot could not pay a tick.
    #[codec(index = 1)]
    Unpaid,
    /// `end_plan`.
    #[codec(index = 2)]
    Called,
    /// The feed's owner signed two histories.
    #[codec(index = 3)]
    Frozen,
    /// The feed was forked.
    #[codec(index = 4)]
    Forked,
}

/// A sponsor's order.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Plan {
    pub sponsor: AccountId32,
    /// The feed's key.
    pub feed: Key,
    pub head: Head,
    pub ranges: BoundedVec<Range, MaxRanges>,
    /// Bytes of the copy stream.
    pub bytes: u64,
    /// ceil(bytes / 256).
    pub sectors: u64,
    pub terms: Terms,
    pub state: PlanState,
    /// Block of publication.
    pub published: Block,
    /// T: block of the next tick.
    pub next_tick: Block,
    /// S: all shares.
    pub shares: Balance,
    /// Accounts that still hold shares.
    pub donors: u32,
    /// Sum of its copies' reserves.
    pub reserved: Balance,
    /// Burned from its pot so far.
    pub burned: Balance,
    /// Copies that have not ended, in the order in which they were offered.
    pub live: BoundedVec<CopyId, MaxReplicas>,
    /// Copies whose records are kept, live ones included.
    pub records: u32,
    /// Former parties, the last `Times::memory`, oldest first.
    pub former: BoundedVec<AccountId32, MaxMemory>,
    /// It has a need in the queue.
    pub queued: bool,
    /// `end_plan` was called.
    pub ending: bool,
    /// What is left for its donors, once fixed.
    pub remainder: Option<Balance>,
    /// Some live copy stores something.
    pub confirmed: bool,
    /// It wants nothing before its next tick.
    pub waiting: bool,
    /// Declined jobs since the last confirmed segment.
    pub declined: u8,
    /// Stalls since the last confirmed segment.
    pub stalls: u8,
    /// Live copies that are leaving.
    pub leaving: u8,
    /// What of `burned` was surcharged, or is not to be.
    pub mark: Balance,
    /// First block in which changed terms or a new head meet a draw.
    pub fresh: Block,
    /// Shares that its sponsor bought while nobody else had any.
    pub founded: Balance,
}

/// What an account gave and what its plans took.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy, Default,
)]
#[scale_info(capture_docs = "always")]
pub struct Ratio {
    /// All that it was paid.
    pub given: Balance,
    /// All that its plans burned for payments and surcharges.
    pub taken: Balance,
}
