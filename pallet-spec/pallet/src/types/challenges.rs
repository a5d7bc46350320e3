//! Storage and retrieval challenges.

use super::{
    bounds::{MaxBlock, MaxProofSiblings, MaxRoots, MaxSamples, MaxSeats, MaxSiblings},
    feeds::Root,
    Block, CopyId, Sector, SegmentId,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
use sp_core::H256;
use sp_runtime::AccountId32;

/// A sector that a storage challenge names; index within the segment.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy, PartialOrd, Ord,
)]
#[scale_info(capture_docs = "always")]
pub struct Sample {
    pub copy: CopyId,
    pub segment: SegmentId,
    pub sector: u64,
}

/// A storage challenge, due in issued + 1 ..= issued + ProofWindow; after that it stays open while its hoster is overdue.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct StorageChallenge {
    pub issued: Block,
    /// Different ones, ascending.
    pub samples: BoundedVec<Sample, MaxSamples>,
}

/// A sector and its siblings, bottom-up.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Opening {
    pub data: Sector,
    pub siblings: BoundedVec<H256, MaxSiblings>,
}

/// The answer to a storage challenge: all its sectors, and what leads from them to the roots of their segments.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Default)]
#[scale_info(capture_docs = "always")]
pub struct StorageProof {
    /// One for each sample, in the challenge's order.
    pub sectors: BoundedVec<Sector, MaxSamples>,
    /// Each hash that the sectors need and do not give, once, by segment, then by level from the leaves up, then left to right.
    pub siblings: BoundedVec<H256, MaxProofSiblings>,
}

/// A block of a feed with what proves it: `length` and `roots` give the head, `siblings` lead from the block to a root.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct BlockProof {
    pub length: u64,
    pub roots: BoundedVec<Root, MaxRoots>,
    pub index: u64,
    pub data: BoundedVec<u8, MaxBlock>,
    /// Bottom-up.
    pub siblings: BoundedVec<Root, MaxRoots>,
}

/// An opened sector that does not decode to the feed, and the feed's block that shows it; none: the padding does.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Evidence {
    pub segment: SegmentId,
    pub sector: u64,
    pub opening: Opening,
    pub block: Option<BlockProof>,
}

/// What an attester measured.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub struct Report {
    /// 1 or 0.
    pub served: u8,
    pub latency_ms: u32,
    pub kib_per_s: u32,
}

/// What an attester commits to in an era: `commit`, of a report on a copy.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub struct RetrievalCommit {
    pub copy: CopyId,
    pub commit: H256,
}

/// What opens a commit, beside the era's link: the report and, if served, the encoded sector with its siblings.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct RetrievalReveal {
    pub copy: CopyId,
    pub report: Report,
    pub salt: H256,
    pub opening: Option<Opening>,
}

/// A seat of the committee of (era, copy) that is not empty.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Seat {
    pub slot: u32,
    pub account: AccountId32,
    pub commit: Option<H256>,
    pub report: Option<Report>,
}

/// The committee of (era, copy); without its seats once it is settled.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Retrieval {
    /// In seat order.
    pub seats: BoundedVec<Seat, MaxSeats>,
    pub settled: bool,
}

/// What the reports of a committee come to.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub enum Verdict {
    /// Fewer reports than the quorum.
    #[codec(index = 0)]
    Void,
    /// More than a third of the reports say that the copy was served.
    #[codec(index = 1)]
    Passed,
    /// At least two thirds of the reports say that it was not served.
    #[codec(index = 2)]
    Failed,
}

/// Era(r): stored at its first block.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub struct EraInfo {
    pub seed: H256,
    /// Length of the list of slots, holes included.
    pub slots: u32,
}
