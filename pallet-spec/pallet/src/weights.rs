//! Hand-set upper bounds of the calls' weights: reference time in picoseconds, no proof size (no relay chain checks it).
//!
//! Counted are hashes (1 us each), signatures (200 us each), reads and writes (25 and 100 us each) at their bounds.
//! pallet-spec/README.md section 18 has the sums, and that of the worst block.

use crate::types::{Wait, LANES, MAX_CHANGES, MAX_REPLICAS, SWEEP, TRIES};
use frame_support::weights::Weight;

const US: u64 = 1_000_000;
const MS: u64 = 1_000 * US;

const fn ms(n: u64) -> Weight {
    Weight::from_parts(n * MS, 0)
}

pub const fn register_peer() -> Weight {
    ms(2)
}
pub const fn offer() -> Weight {
    ms(2)
}
pub const fn offer_attesting() -> Weight {
    ms(5)
}
/// By how many opened nodes there are: each is decoded, hashed and looked up.
pub const fn publish_plan(nodes: u64) -> Weight {
    ms(2).saturating_add(Weight::from_parts(10 * US, 0).saturating_mul(nodes))
}
pub const fn money() -> Weight {
    ms(2)
}
pub const fn decline_copy() -> Weight {
    ms(3)
}
pub const fn begin_segment() -> Weight {
    ms(5)
}
pub const fn confirm_segment() -> Weight {
    ms(4)
}
/// By what the proof has, right or wrong. Seven reads and four writes: 0.6 ms were measured. A sector: its segment is read, it
/// is decoded, and four hashes at most: 37 us, with the read. A sibling: one hash: 0.9 us.
pub const fn submit_storage_proof(sectors: u64, siblings: u64) -> Weight {
    Weight::from_parts(670 * US, 0)
        .saturating_add(Weight::from_parts(37 * US, 0).saturating_mul(sectors))
        .saturating_add(Weight::from_parts(3 * US / 2, 0).saturating_mul(siblings))
}
/// By how many commits there are, how many records are made, and how many slots are drawn for these: before the call 128 for
/// each commit. What was not made and drawn is given back.
pub const fn commit_retrievals(commits: u64, records: u64, draws: u64) -> Weight {
    Weight::from_parts(500 * US, 0)
        .saturating_add(Weight::from_parts(280 * US, 0).saturating_mul(commits))
        .saturating_add(Weight::from_parts(200 * US, 0).saturating_mul(records))
        .saturating_add(Weight::from_parts(30 * US, 0).saturating_mul(draws))
}
/// 64 links; and for each reveal a sector with its 32 siblings.
pub const fn reveal_retrievals(reveals: u64) -> Weight {
    Weight::from_parts(700 * US, 0).saturating_add(Weight::from_parts(450 * US, 0).saturating_mul(reveals))
}
/// 128 slots are read, and 16 taken back.
pub const fn settle_retrieval() -> Weight {
    ms(16)
}
/// A read and a write.
pub const fn set_operator() -> Weight {
    ms(1)
}
/// One read, beside what the call weighs.
pub const fn operate() -> Weight {
    Weight::from_parts(200 * US, 0)
}
pub const fn root() -> Weight {
    ms(1)
}
/// A signature and 53 nodes.
pub const fn update_head() -> Weight {
    ms(3)
}
/// 32 strikes.
pub const fn declare_lost() -> Weight {
    ms(6)
}
pub const fn leave_copy() -> Weight {
    ms(2)
}
pub const fn decline_job() -> Weight {
    ms(3)
}
pub const fn pause() -> Weight {
    ms(2)
}
/// 16 copies that may go.
pub const fn amend_plan() -> Weight {
    ms(7)
}
pub const fn commit_report() -> Weight {
    ms(2)
}
/// A mebibyte is hashed three times, in the check before the block too, and a sector decoded.
pub const fn report_invalid_encoding() -> Weight {
    ms(25)
}
/// Two signatures and 53 nodes.
pub const fn report_equivocation() -> Weight {
    ms(3)
}
/// `on_initialize` without changes, expiries and tries: the seed, an era, and 8 challenges of 32 samples.
pub const fn block() -> Weight {
    ms(30)
}
/// One change of the draw tables: a copy that enters its hoster's table, and the encoder that leaves it.
pub const fn change() -> Weight {
    Weight::from_parts(3 * MS / 2, 0)
}
/// One placement try.
pub const fn attempt() -> Weight {
    Weight::from_parts(5 * MS / 2, 0)
}
/// One expiry; of a tick, an end of a plan or a sweep, each that it counts.
pub const fn expiry(wait: Wait) -> Weight {
    match wait {
        Wait::Decline | Wait::Salt | Wait::Settle | Wait::Report => ms(1),
        Wait::Half | Wait::Recheck => ms(2),
        // A tick counts its plan and each copy, and may end the plan.
        Wait::Begin | Wait::LastCall | Wait::Tick => ms(3),
        Wait::EncoderDraw => ms(4),
        Wait::EndPlan => ms(5),
        // A stall may let a growing copy go. A strike for each of 32 copies. An end of a copy.
        Wait::Lease | Wait::Proof | Wait::Drop | Wait::Leave | Wait::Sweep => ms(6),
        // 64 segments, each with its modulus; with the last the copy goes.
        Wait::Records => ms(15),
    }
}
/// Most that a block counts of a kind: the last that is begun while fewer are counted than a block takes is handled whole.
pub fn most_of(wait: Wait) -> u64 {
    let most: u64 = wait.a_block().into();
    match wait {
        Wait::Tick => most.saturating_add(MAX_REPLICAS.into()),
        Wait::EndPlan => most.saturating_sub(1).saturating_add(MAX_REPLICAS.into()),
        Wait::Sweep => most.saturating_sub(1).saturating_add(SWEEP.into()),
        _ => most,
    }
}
/// `on_initialize` with as much of everything as a block may do.
pub fn worst_block() -> Weight {
    let expiries = Wait::ALL
        .into_iter()
        .fold(Weight::zero(), |sum, wait| sum.saturating_add(expiry(wait).saturating_mul(most_of(wait))));
    let tries = u64::from(LANES).saturating_mul(TRIES.into());
    block()
        .saturating_add(expiries)
        .saturating_add(change().saturating_mul(MAX_CHANGES.into()))
        .saturating_add(attempt().saturating_mul(tries))
}
