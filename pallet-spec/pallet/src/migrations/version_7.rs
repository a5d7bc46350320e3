//! The types that versions 3 to 7 stored and version 8 changed, as they were, and what becomes of each.

use crate::types::*;
use codec::Decode;
use frame_support::BoundedVec;
use sp_runtime::AccountId32;

#[derive(Decode)]
pub struct PlanOfSeven {
    pub sponsor: AccountId32,
    pub feed: Key,
    pub head: Head,
    pub ranges: BoundedVec<Range, MaxRanges>,
    pub bytes: u64,
    pub sectors: u64,
    pub terms: Terms,
    pub state: PlanState,
    pub published: Block,
    pub next_tick: Block,
    pub shares: Balance,
    pub donors: u32,
    pub reserved: Balance,
    pub burned: Balance,
    pub live: BoundedVec<CopyId, MaxReplicas>,
    pub records: u32,
    pub former: BoundedVec<AccountId32, MaxMemory>,
    pub queued: bool,
    pub ending: bool,
    pub remainder: Option<Balance>,
    pub confirmed: bool,
    pub waiting: bool,
    pub declined: u8,
    pub stalls: u8,
    pub leaving: u8,
    pub mark: Balance,
    pub fresh: Block,
}

#[derive(Decode)]
pub struct AmountsOfSeven {
    pub peer_fee: Balance,
    pub publish_fee: Balance,
    pub min_donation: Balance,
    pub collateral: Balance,
    pub encoder_bond: Balance,
    pub attester_bond: Balance,
    pub begin_fine: Balance,
    pub stall_fine: Balance,
    pub retry_fee: Balance,
    pub slot_fee: Balance,
}

/// What a plan's sponsor is taken to have founded: all shares if nobody else has any, else none.
pub fn founded_of(shares: Balance, donors: u32) -> Balance {
    if donors == 1 {
        shares
    } else {
        0
    }
}

impl From<PlanOfSeven> for Plan {
    fn from(old: PlanOfSeven) -> Self {
        Self {
            sponsor: old.sponsor,
            feed: old.feed,
            head: old.head,
            ranges: old.ranges,
            bytes: old.bytes,
            sectors: old.sectors,
            terms: old.terms,
            state: old.state,
            published: old.published,
            next_tick: old.next_tick,
            shares: old.shares,
            donors: old.donors,
            reserved: old.reserved,
            burned: old.burned,
            live: old.live,
            records: old.records,
            former: old.former,
            queued: old.queued,
            ending: old.ending,
            remainder: old.remainder,
            confirmed: old.confirmed,
            waiting: old.waiting,
            declined: old.declined,
            stalls: old.stalls,
            leaving: old.leaving,
            mark: old.mark,
            fresh: old.fresh,
            founded: founded_of(old.shares, old.donors),
        }
    }
}

impl From<AmountsOfSeven> for Amounts {
    fn from(old: AmountsOfSeven) -> Self {
        Self {
            peer_fee: old.peer_fee,
            publish_fee: old.publish_fee,
            min_donation: old.min_donation,
            collateral: old.collateral,
            encoder_bond: old.encoder_bond,
            attester_bond: old.attester_bond,
            begin_fine: old.begin_fine,
            stall_fine: old.stall_fine,
            retry_fee: old.retry_fee,
            slot_fee: old.slot_fee,
            report_price: Amounts::DEFAULT.report_price,
            tick_fee: Amounts::DEFAULT.tick_fee,
        }
    }
}
