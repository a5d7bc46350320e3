//! The draw tables and the changes that wait for them.

use super::{bounds::Region, Balance, CopyId, PlanId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_runtime::AccountId32;

/// The draw table's own copies of what a hoster's weight follows from.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct HosterDraw {
    /// Slot in the tree, from the first time it was in.
    pub slot: Option<u32>,
    pub open: bool,
    pub capacity: u64,
    pub used: u64,
    pub collateral: Balance,
    pub reputation: u32,
    pub ask_disk: Balance,
    pub ask_receiving: Balance,
    pub region: Region,
}

/// The draw table's own copies of what an encoder's weight follows from.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct EncoderDraw {
    pub slot: Option<u32>,
    pub open: bool,
    pub jobs: u32,
    pub bond: Balance,
    pub reputation: u32,
    pub ask: Balance,
}

/// A node of a sum table: fan-out 64.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Node {
    /// Bit i: slot i is taken, or child i is full.
    pub mask: u64,
    pub sums: [u64; 64],
}

/// A change of the draw tables that waits; variants by what a call changed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub enum Change {
    /// `offer_hosting`.
    #[codec(index = 0)]
    HosterOffered {
        account: AccountId32,
        capacity: u64,
        collateral: Balance,
        ask_disk: Balance,
        ask_receiving: Balance,
        region: Region,
    },
    /// `withdraw_offer(Hosting)`.
    #[codec(index = 1)]
    HosterWithdrawn { account: AccountId32 },
    /// `release(Hosting)`.
    #[codec(index = 2)]
    HosterReleased { account: AccountId32 },
    /// `offer_encoding`.
    #[codec(index = 3)]
    EncoderOffered { account: AccountId32, bond: Balance, ask: Balance },
    /// `withdraw_offer(Encoding)`.
    #[codec(index = 4)]
    EncoderWithdrawn { account: AccountId32 },
    /// `release(Encoding)`.
    #[codec(index = 5)]
    EncoderReleased { account: AccountId32 },
    /// A proof or a verdict.
    #[codec(index = 6)]
    Reputation { account: AccountId32, reputation: u32 },
    /// `decline_copy`: the hoster's used bytes fall, and the plan needs a hoster.
    #[codec(index = 7)]
    Declined { account: AccountId32, bytes: u64, plan: PlanId },
    /// `confirm_segment`: sectors enter the copies table; `encoder` is set when its job ended with it.
    #[codec(index = 8)]
    Confirmed { copy: CopyId, sectors: u64, encoder: Option<AccountId32> },
    /// `decline_job`: the encoder's job ended.
    #[codec(index = 9)]
    JobLeft { account: AccountId32 },
}
