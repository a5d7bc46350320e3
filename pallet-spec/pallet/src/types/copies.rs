//! Copies, the segments that they are made of, and what is paid for them.

use super::{bounds::MaxSegments, feeds::Head, Balance, Block, CopyId, Era, PlanId, SegmentId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
use sp_core::H256;
use sp_runtime::AccountId32;

/// Where a copy is in its life.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub enum CopyState {
    /// The hoster may decline.
    #[codec(index = 0)]
    Offered,
    /// An encoder is wanted.
    #[codec(index = 1)]
    Accepted,
    /// The encoder must begin a segment.
    #[codec(index = 2)]
    Assigned,
    /// The salt is awaited.
    #[codec(index = 3)]
    Begun,
    /// The segment is being made.
    #[codec(index = 4)]
    Encoding,
    /// Complete.
    #[codec(index = 5)]
    Active,
    /// Over; its records are kept for three eras.
    #[codec(index = 6)]
    Ended,
}

/// Why a copy ended.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub enum CopyEnd {
    /// The hoster declined.
    #[codec(index = 0)]
    Declined,
    /// No encoder was found.
    #[codec(index = 1)]
    NoEncoder,
    /// The lease of a segment passed.
    #[codec(index = 2)]
    Stalled,
    /// The plan ended.
    #[codec(index = 3)]
    PlanEnded,
    /// Its hoster said that it lost it.
    #[codec(index = 4)]
    Lost,
    /// Its hoster was evicted.
    #[codec(index = 5)]
    Evicted,
    /// Four of its last eight verdicts failed.
    #[codec(index = 6)]
    Unserved,
    /// Seven of its last eight verdicts were slow; it forfeits nothing.
    #[codec(index = 7)]
    Slow,
    /// Its time to leave was over.
    #[codec(index = 8)]
    Left,
    /// It was leaving, and another copy became active.
    #[codec(index = 9)]
    Replaced,
    /// Its sectors are not what they should decode to.
    #[codec(index = 10)]
    Invalid,
    /// Its encoders could not get the feed.
    #[codec(index = 11)]
    NoData,
}

/// A confirmed segment of a copy.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub struct CopySegment {
    pub segment: SegmentId,
    pub sectors: u64,
    /// Block of its confirmation.
    pub since: Block,
}

/// One replica of a plan on one hoster.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Copy {
    pub plan: PlanId,
    pub hoster: AccountId32,
    /// The encoder that is drawn; none while the copy is active.
    pub encoder: Option<AccountId32>,
    /// Encoders that confirmed a segment before the copy was first active, each once, in that order.
    pub encoders: BoundedVec<AccountId32, MaxSegments>,
    pub state: CopyState,
    pub bytes: u64,
    pub sectors: u64,
    /// Confirmed bytes.
    pub stored_bytes: u64,
    /// Confirmed sectors.
    pub stored: u64,
    /// The hoster's asks, locked when placed.
    pub ask_disk: Balance,
    pub ask_receiving: Balance,
    /// The drawn encoder's ask, locked when drawn.
    pub ask_encoding: Balance,
    /// Fee of the current job, within the encoder's unreleased fees.
    pub fee: Balance,
    /// Unpaid second halves.
    pub halves: Balance,
    /// The part of the pot out of which it pays.
    pub reserve: Balance,
    /// Sectors x ppm x blocks that were paid or never due.
    pub debt: u128,
    /// The hoster's `acc` at its end.
    pub frozen: Option<u64>,
    pub segments: BoundedVec<CopySegment, MaxSegments>,
    /// The segment that was begun and is not confirmed.
    pub current: Option<SegmentId>,
    /// Counts draws of encoders and partial confirmations; deadlines name it.
    pub generation: u32,
    pub offered: Block,
    pub first_confirmed: Option<Block>,
    pub active_since: Option<Block>,
    pub ended: Option<Block>,
    /// Slot in the hoster's copies table.
    pub slot: Option<u32>,
    /// Sectors that are in the hoster's copies table.
    pub tabled: u64,
    pub strikes: u32,
    /// The feed's head that it follows: its plan's when it was offered or last grew.
    pub head: Head,
    /// 1: let go by the chain or the sponsor; 2: its hoster wishes to go.
    pub leaving: u8,
    /// Its end is under way.
    pub dropping: bool,
    /// 1: an encoder stalled or left a checkpoint since it was last active.
    pub stalls: u8,
    /// Era of the last verdict in `fails` and `slow`.
    pub judged: Era,
    /// Bit i: the verdict of era judged - i was `Failed`.
    pub fails: u8,
    /// Bit i: the verdict of era judged - i was slow.
    pub slow: u8,
    /// It was proven not to decode to the feed.
    pub invalid: bool,
}

/// A run of one copy's sectors made by one encoder.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Segment {
    pub copy: CopyId,
    pub encoder: AccountId32,
    pub profile: u8,
    pub pk_hash: H256,
    /// Block of `begin_segment`.
    pub begun: Block,
    /// Drawn SeedDelay blocks later.
    pub salt: Option<H256>,
    pub first_byte: u64,
    /// 0 until confirmed; so are sectors and root.
    pub bytes: u64,
    pub sectors: u64,
    pub root: H256,
    /// The copy's head at `begin_segment`.
    pub head: Head,
    /// Second half of its fee, while unpaid.
    pub half: Balance,
}

/// What was paid for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub enum Payment {
    /// Disk, by `collect`.
    #[codec(index = 0)]
    Storage,
    /// Receiving a segment, at its confirmation.
    #[codec(index = 1)]
    Receiving,
    /// First half of an encoder's fee, at the confirmation.
    #[codec(index = 2)]
    FirstHalf,
    /// Second half of that fee, two eras later.
    #[codec(index = 3)]
    SecondHalf,
    /// An attester's report.
    #[codec(index = 4)]
    Report,
}
