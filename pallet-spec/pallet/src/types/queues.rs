//! The FIFOs of a block: needs of placement and deadlines.

use super::{Block, EXPIRIES, REMOVALS, TICKS};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// A need of placement.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub struct Need {
    pub kind: NeedKind,
    /// Plan or copy.
    pub id: u64,
    /// First block in which it may be tried.
    pub ready: Block,
    /// Misses in a row.
    pub misses: u8,
    /// Moves to the tail since the last fit.
    pub rounds: u8,
}

/// What a need is of.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy, PartialOrd, Ord,
)]
#[scale_info(capture_docs = "always")]
pub enum NeedKind {
    /// A plan needs a hoster.
    #[codec(index = 0)]
    Hoster,
    /// A copy needs an encoder.
    #[codec(index = 1)]
    Encoder,
}

/// Head and tail of a FIFO: entries head .. tail are in it.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy, Default,
)]
#[scale_info(capture_docs = "always")]
pub struct Fifo {
    pub head: u64,
    pub tail: u64,
}

/// Kinds of expiries, in the order in which a block handles them.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub enum Wait {
    /// The hoster may decline the copy.
    #[codec(index = 0)]
    Decline,
    /// The copy needs an encoder.
    #[codec(index = 1)]
    EncoderDraw,
    /// The encoder must begin a segment.
    #[codec(index = 2)]
    Begin,
    /// The segment's salt is drawn.
    #[codec(index = 3)]
    Salt,
    /// The segment must be confirmed.
    #[codec(index = 4)]
    Lease,
    /// The hoster must prove sectors.
    #[codec(index = 5)]
    Proof,
    /// The second half of the segment's fee falls due.
    #[codec(index = 6)]
    Half,
    /// The plan's next tick.
    #[codec(index = 7)]
    Tick,
    /// The sponsor ended the plan.
    #[codec(index = 8)]
    EndPlan,
    /// The retrieval challenge may be settled.
    #[codec(index = 9)]
    Settle,
    /// The copy's records, or the slot, are kept.
    #[codec(index = 10)]
    Records,
    /// The hoster must still prove them: the second deadline.
    #[codec(index = 11)]
    Recheck,
    /// The hoster must still prove them: the last deadline.
    #[codec(index = 12)]
    LastCall,
    /// The copy ends.
    #[codec(index = 13)]
    Drop,
    /// The copy's time to leave is over.
    #[codec(index = 14)]
    Leave,
    /// The evicted hoster's copies end.
    #[codec(index = 15)]
    Sweep,
    /// The committed report is forgotten.
    #[codec(index = 16)]
    Report,
}

impl Wait {
    /// The order of a block.
    pub const ALL: [Wait; 17] = [
        Wait::Decline,
        Wait::EncoderDraw,
        Wait::Begin,
        Wait::Salt,
        Wait::Lease,
        Wait::Proof,
        Wait::Half,
        Wait::Tick,
        Wait::EndPlan,
        Wait::Settle,
        Wait::Records,
        Wait::Recheck,
        Wait::LastCall,
        Wait::Drop,
        Wait::Leave,
        Wait::Sweep,
        Wait::Report,
    ];

    /// What is counted of the kind in a block before no more is begun.
    pub const fn a_block(self) -> u32 {
        match self {
            Wait::Tick => TICKS,
            Wait::Settle => REMOVALS,
            _ => EXPIRIES,
        }
    }
}

/// An entry of a FIFO of expiries; what `id` and `tag` are depends on the kind.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub struct Deadline {
    /// Block in whose `on_initialize` it acts.
    pub due: Block,
    pub id: u64,
    pub tag: u64,
}
