//! Peers and what they offer: hosting, encoding, attesting.

use super::{
    bounds::{MaxRecent, MaxSlots, Region},
    Balance, Block, Era, Key,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
use sp_core::H256;
use sp_runtime::AccountId32;

/// A role that can be offered.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub enum Role {
    /// Storing copies and proving it.
    #[codec(index = 0)]
    Hosting,
    /// Making copies unique.
    #[codec(index = 1)]
    Encoding,
    /// Fetching as readers do, and reporting.
    #[codec(index = 2)]
    Attesting,
}

/// A registered account.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Peer {
    /// Key of its hypercore connections.
    pub swarm_key: Key,
    /// Key with which it signs statements.
    pub statement_key: Key,
    /// Block of registration.
    pub since: Block,
    /// R, in ppm: one for all roles.
    pub reputation: u32,
    /// Lower median of the last verdict `Passed` on a copy that it hosts; 0 before.
    pub latency_ms: u32,
    /// The same of throughput.
    pub kib_per_s: u32,
    /// Verdicts `Passed`.
    pub served: u32,
    /// Verdicts `Failed`.
    pub failed: u32,
}

/// A hoster's state; every entry that was ever offered stays.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Hoster {
    /// The offer stands.
    pub open: bool,
    /// Block in which `open` last became false; 0 before.
    pub out_since: Block,
    /// Bytes applied: max(offered, used).
    pub capacity: u64,
    /// Bytes reserved by its live copies: 256 x their sectors.
    pub used: u64,
    /// Sectors confirmed of its live copies.
    pub stored: u64,
    /// Live copies.
    pub copies: u32,
    /// Copies whose records are kept, live ones included.
    pub records: u32,
    /// Price per GiB and era.
    pub ask_disk: Balance,
    /// Price per GiB received.
    pub ask_receiving: Balance,
    /// ppm x blocks.
    pub acc: u64,
    /// Block up to which `acc` counts.
    pub last: Block,
    /// Era of the last decline.
    pub decline_era: Era,
    /// Declines in that era.
    pub declines: u32,
    /// Place in the list of hosters that store something.
    pub place: Option<u32>,
    /// Passed and missed storage challenges.
    pub passed: u32,
    pub missed: u32,
    /// Where it says it is; empty: nowhere.
    pub region: Region,
    /// 0 good, 1 warned, 2 suspended, 3 evicted and being swept.
    pub step: u8,
    /// Block of its last `pause`.
    pub pause: Option<Block>,
}

/// An encoder's state; every entry that was ever offered stays.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Encoder {
    pub open: bool,
    pub out_since: Block,
    /// Current jobs.
    pub jobs: u32,
    /// Price per GiB.
    pub ask: Balance,
    /// Unreleased fees: unpaid second halves and the fees of its current jobs.
    pub unreleased: Balance,
    /// Unpaid second halves, in number.
    pub halves: u32,
    /// Era of the last declined job.
    pub decline_era: Era,
    /// Declined jobs in that era.
    pub declines: u32,
    /// Block of its last confirmed segment; 0 before.
    pub confirmed: Block,
}

/// An attester's chain of links and its slots.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Attester {
    /// The anchor offered last.
    pub anchor: H256,
    /// Era of the last link shown; at first that of the offer.
    pub link_era: Era,
    /// Last link shown; at first the anchor.
    pub link: H256,
    /// Its slots that were not given back, ascending in the order in which they were taken.
    pub slots: BoundedVec<u32, MaxSlots>,
}

/// A count in one era.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct EraCount {
    pub era: Era,
    pub count: u32,
}

/// An attester's slot; none stands at a hole.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Slot {
    pub account: AccountId32,
    /// Least price per report for which it takes a seat; never changes.
    pub ask: Balance,
    /// What is left of its bond.
    pub bond: Balance,
    /// Era in which it was taken.
    pub taken: Era,
    /// Eras in which its account offered anew with another anchor: the last four different ones, ascending.
    pub renewed: BoundedVec<Era, MaxRecent>,
    /// Block in which it was given back.
    pub returned: Option<Block>,
    /// Empty-handed seats burned: the last four eras in order of their first burn.
    pub empty: BoundedVec<EraCount, MaxRecent>,
}
