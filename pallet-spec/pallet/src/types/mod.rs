//! The types that stand in storage, calls and events, and the bounds of them and of the pallet's work.
//!
//! Their SCALE encodings are part of the specification (pallet-spec/README.md section 3): fields are encoded in the order
//! given, the indices of variants are fixed.

mod bounds;
mod challenges;
mod copies;
mod feeds;
mod offers;
mod params;
mod plans;
mod queues;
mod tables;

pub use bounds::*;
pub use challenges::*;
pub use copies::*;
pub use feeds::*;
pub use offers::*;
pub use params::*;
pub use plans::*;
pub use queues::*;
pub use tables::*;

/// Money, in the smallest unit; 10^12 are one UNIT.
pub type Balance = u128;
/// Number of a block.
pub type Block = u32;
/// Number of an era: block / `Times::era`.
pub type Era = u32;
/// Number of a plan.
pub type PlanId = u64;
/// Number of a copy.
pub type CopyId = u64;
/// Number of a segment.
pub type SegmentId = u64;
/// An ed25519 public key.
pub type Key = [u8; 32];
/// An ed25519 signature.
pub type Signature = [u8; 64];
/// The plaintext or the encoded bytes of one sector.
pub type Sector = [u8; 256];
