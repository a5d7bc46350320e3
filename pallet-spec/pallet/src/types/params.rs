//! Parameters: time spans and amounts.

use super::Balance;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Time spans in blocks and counts; from genesis, for ever.
#[derive(
    Clone,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Copy,
    serde::Serialize,
    serde::Deserialize,
)]
#[scale_info(capture_docs = "always")]
pub struct Times {
    /// Blocks of an era.
    pub era: u32,
    /// Blocks between an input and the seed that decides on it.
    pub seed_delay: u32,
    /// Blocks in which a hoster may decline a copy.
    pub decline_window: u32,
    /// Blocks after which a copy without an encoder ends, or does not grow.
    pub encoder_wait: u32,
    /// Blocks in which a drawn encoder must begin a segment.
    pub begin_window: u32,
    /// Blocks in which a begun segment must be confirmed.
    pub lease: u32,
    /// Blocks between two storage challenges of a hoster, on average.
    pub mean_gap: u32,
    /// Blocks in which a storage challenge must be answered.
    pub proof_window: u32,
    /// Blocks of an era in which attesters probe; commits follow.
    pub probe_blocks: u32,
    /// Reveals: from this block of the next era on.
    pub reveal_from: u32,
    /// Settlement: from this block of the next era on; reveals end.
    pub settle_from: u32,
    /// Settlement ends with this block after the start of the next era.
    pub settle_to: u32,
    /// Blocks between `end_plan`, a fork or `leave_copy` and the end.
    pub end_notice: u32,
    /// Former parties that a plan remembers.
    pub memory: u32,
    /// Seats of a committee.
    pub seats: u32,
    /// Least reports of a verdict that counts.
    pub quorum: u32,
    /// Bytes that a probe fetches of the feed (off chain).
    pub probe_bytes: u32,
    /// Longest plan, in eras.
    pub plan_eras: u32,
    /// Longest absence of a hoster that announced a pause, in blocks.
    pub pause: u32,
    /// Sectors between two checkpoints of a segment; a segment is paid as if it had as many.
    pub checkpoint: u32,
    /// Blocks for which a committed report is kept.
    pub report_window: u32,
}

/// Amounts, in the smallest unit; root may change them.
#[derive(
    Clone,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Copy,
    serde::Serialize,
    serde::Deserialize,
)]
#[scale_info(capture_docs = "always")]
pub struct Amounts {
    /// Burned by `register_peer` and `rotate_swarm_key`.
    pub peer_fee: Balance,
    /// Burned by `publish_plan`.
    pub publish_fee: Balance,
    /// Smallest donation.
    pub min_donation: Balance,
    /// Collateral of a hoster, per GiB offered.
    pub collateral: Balance,
    /// Bond of an encoder.
    pub encoder_bond: Balance,
    /// Bond of an attester, for each slot.
    pub attester_bond: Balance,
    /// Burned from the bond of an encoder that does not begin.
    pub begin_fine: Balance,
    /// Burned at a stall from each of hoster, encoder and pot; the pot's part doubles with each stall.
    pub stall_fine: Balance,
    /// Burned of the pot when a plan asks again at a tick.
    pub retry_fee: Balance,
    /// Burned by `offer_attesting` for each new slot.
    pub slot_fee: Balance,
    /// Least price of a report of a new plan, and largest ask of a new slot.
    pub report_price: Balance,
    /// Burned of the pot at each tick for each live copy.
    pub tick_fee: Balance,
}
