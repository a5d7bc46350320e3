//! Copies, the segments that they are made of, and what is paid for them.

use super::{bounds::MaxSegments, feeds::Head, Balance, Block, CopyId, PlanId, SegmentId};
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
    /// No encoder was found in `Times::encoder_wait`.
    #[codec(index = 1)]
    NoEncoder,
    /// The lease of a segment passed.
    #[codec(index = 2)]
    Stalled,
    /// The plan ended.
    #[codec(index = 3)]
    PlanEnded,
}

/// A confirmed segment of a copy.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub struct CopySegment {
    pub segment: SegmentId,
    pub sectors: u64,
}

/// One replica of a plan on one hoster.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Copy {
    pub plan: PlanId,
    pub hoster: AccountId32,
    /// The encoder that is drawn; none once the copy is active.
    pub encoder: Option<AccountId32>,
    /// Encoders that confirmed a segment, each once, in that order.
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
    /// The feed's head at `begin_segment`.
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
