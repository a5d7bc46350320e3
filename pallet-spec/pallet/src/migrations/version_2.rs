//! The types that version 2 stored and version 3 changed, as they were, and what becomes of each.

use super::version_7::founded_of;
use crate::types::*;
use alloc::vec::Vec;
use codec::{Decode, Encode};
use frame_support::{traits::Defensive, BoundedVec};
use sp_runtime::AccountId32;

#[derive(Decode)]
pub struct OldTerms {
    pub replicas: u8,
    pub max_ask_disk: Balance,
    pub max_ask_encoding: Balance,
    pub max_ask_receiving: Balance,
    pub report_price: Balance,
    pub until: Block,
}

#[derive(Decode)]
pub struct OldPlan {
    pub sponsor: AccountId32,
    pub feed: Key,
    pub head: Head,
    pub ranges: BoundedVec<Range, MaxRanges>,
    pub bytes: u64,
    pub sectors: u64,
    pub terms: OldTerms,
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
}

#[derive(Decode)]
pub struct OldCopySegment {
    pub segment: SegmentId,
    pub sectors: u64,
}

#[derive(Decode)]
pub struct OldCopy {
    pub plan: PlanId,
    pub hoster: AccountId32,
    pub encoder: Option<AccountId32>,
    pub encoders: BoundedVec<AccountId32, MaxSegments>,
    pub state: CopyState,
    pub bytes: u64,
    pub sectors: u64,
    pub stored_bytes: u64,
    pub stored: u64,
    pub ask_disk: Balance,
    pub ask_receiving: Balance,
    pub ask_encoding: Balance,
    pub fee: Balance,
    pub halves: Balance,
    pub reserve: Balance,
    pub debt: u128,
    pub frozen: Option<u64>,
    pub segments: BoundedVec<OldCopySegment, MaxSegments>,
    pub current: Option<SegmentId>,
    pub generation: u32,
    pub offered: Block,
    pub first_confirmed: Option<Block>,
    pub active_since: Option<Block>,
    pub ended: Option<Block>,
    pub slot: Option<u32>,
    pub tabled: u64,
    pub strikes: u32,
}

#[derive(Decode)]
pub struct OldHoster {
    pub open: bool,
    pub out_since: Block,
    pub capacity: u64,
    pub used: u64,
    pub stored: u64,
    pub copies: u32,
    pub records: u32,
    pub ask_disk: Balance,
    pub ask_receiving: Balance,
    pub acc: u64,
    pub last: Block,
    pub decline_era: Era,
    pub declines: u32,
    pub place: Option<u32>,
    pub passed: u32,
    pub missed: u32,
}

#[derive(Decode)]
pub struct OldEncoder {
    pub open: bool,
    pub out_since: Block,
    pub jobs: u32,
    pub ask: Balance,
    pub unreleased: Balance,
    pub halves: u32,
}

#[derive(Decode)]
pub struct OldHosterDraw {
    pub slot: Option<u32>,
    pub open: bool,
    pub capacity: u64,
    pub used: u64,
    pub collateral: Balance,
    pub reputation: u32,
}

#[derive(Decode)]
pub struct OldEncoderDraw {
    pub slot: Option<u32>,
    pub open: bool,
    pub jobs: u32,
    pub bond: Balance,
    pub reputation: u32,
}

#[derive(Encode, Decode)]
pub struct OldNeed {
    pub kind: NeedKind,
    pub id: u64,
    pub ready: Block,
    pub misses: u8,
}

#[derive(Decode)]
pub enum OldChange {
    #[codec(index = 0)]
    HosterOffered { account: AccountId32, capacity: u64, collateral: Balance },
    #[codec(index = 1)]
    HosterWithdrawn { account: AccountId32 },
    #[codec(index = 2)]
    HosterReleased { account: AccountId32 },
    #[codec(index = 3)]
    EncoderOffered { account: AccountId32, bond: Balance },
    #[codec(index = 4)]
    EncoderWithdrawn { account: AccountId32 },
    #[codec(index = 5)]
    EncoderReleased { account: AccountId32 },
    #[codec(index = 6)]
    Reputation { account: AccountId32, reputation: u32 },
    #[codec(index = 7)]
    Declined { account: AccountId32, bytes: u64, plan: PlanId },
    #[codec(index = 8)]
    Confirmed { copy: CopyId, sectors: u64, encoder: Option<AccountId32> },
}

#[derive(Decode)]
pub struct OldTimes {
    pub era: u32,
    pub seed_delay: u32,
    pub decline_window: u32,
    pub encoder_wait: u32,
    pub begin_window: u32,
    pub lease: u32,
    pub mean_gap: u32,
    pub proof_window: u32,
    pub probe_blocks: u32,
    pub reveal_from: u32,
    pub settle_from: u32,
    pub settle_to: u32,
    pub end_notice: u32,
    pub memory: u32,
    pub seats: u32,
    pub quorum: u32,
    pub probe_bytes: u32,
    pub plan_eras: u32,
}

#[derive(Decode)]
pub struct OldAmounts {
    pub peer_fee: Balance,
    pub publish_fee: Balance,
    pub min_donation: Balance,
    pub collateral: Balance,
    pub encoder_bond: Balance,
    pub attester_bond: Balance,
    pub begin_fine: Balance,
    pub stall_fine: Balance,
}

impl From<OldTerms> for Terms {
    fn from(old: OldTerms) -> Self {
        Self {
            replicas: old.replicas,
            max_ask_disk: old.max_ask_disk,
            max_ask_encoding: old.max_ask_encoding,
            max_ask_receiving: old.max_ask_receiving,
            report_price: old.report_price,
            until: old.until,
            live: false,
            min_reputation: 0,
            regions: Default::default(),
            max_latency_ms: u32::MAX,
            min_kib_per_s: 0,
        }
    }
}

impl From<OldPlan> for Plan {
    fn from(old: OldPlan) -> Self {
        Self {
            sponsor: old.sponsor,
            feed: old.feed,
            head: old.head,
            ranges: old.ranges,
            bytes: old.bytes,
            sectors: old.sectors,
            terms: old.terms.into(),
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
            confirmed: false,
            waiting: false,
            declined: 0,
            stalls: 0,
            leaving: 0,
            mark: old.burned,
            fresh: 0,
            founded: founded_of(old.shares, old.donors),
        }
    }
}

impl OldCopy {
    /// The same, with what is new.
    pub fn with(self, head: Head) -> Copy {
        let since = self.active_since.or(self.first_confirmed).unwrap_or(0);
        let now = |part: OldCopySegment| CopySegment { segment: part.segment, sectors: part.sectors, since };
        // Cannot fail: as many as before.
        let segments = self.segments.into_iter().map(now).collect::<Vec<_>>().try_into().defensive_unwrap_or_default();
        Copy {
            plan: self.plan,
            hoster: self.hoster,
            encoder: self.encoder,
            encoders: self.encoders,
            state: self.state,
            bytes: self.bytes,
            sectors: self.sectors,
            stored_bytes: self.stored_bytes,
            stored: self.stored,
            ask_disk: self.ask_disk,
            ask_receiving: self.ask_receiving,
            ask_encoding: self.ask_encoding,
            fee: self.fee,
            halves: self.halves,
            reserve: self.reserve,
            debt: self.debt,
            frozen: self.frozen,
            segments,
            current: self.current,
            generation: self.generation,
            offered: self.offered,
            first_confirmed: self.first_confirmed,
            active_since: self.active_since,
            ended: self.ended,
            slot: self.slot,
            tabled: self.tabled,
            strikes: self.strikes,
            head,
            leaving: 0,
            dropping: false,
            stalls: 0,
            judged: 0,
            fails: 0,
            slow: 0,
            invalid: false,
        }
    }
}

impl From<OldHoster> for Hoster {
    fn from(old: OldHoster) -> Self {
        Self {
            open: old.open,
            out_since: old.out_since,
            capacity: old.capacity,
            used: old.used,
            stored: old.stored,
            copies: old.copies,
            records: old.records,
            ask_disk: old.ask_disk,
            ask_receiving: old.ask_receiving,
            acc: old.acc,
            last: old.last,
            decline_era: old.decline_era,
            declines: old.declines,
            place: old.place,
            passed: old.passed,
            missed: old.missed,
            region: Default::default(),
            step: 0,
            pause: None,
        }
    }
}

impl From<OldEncoder> for Encoder {
    fn from(old: OldEncoder) -> Self {
        Self {
            open: old.open,
            out_since: old.out_since,
            jobs: old.jobs,
            ask: old.ask,
            unreleased: old.unreleased,
            halves: old.halves,
            decline_era: 0,
            declines: 0,
            confirmed: 0,
        }
    }
}

impl OldHosterDraw {
    /// The same, with what is new.
    pub fn with(self, offer: &Hoster) -> HosterDraw {
        HosterDraw {
            slot: self.slot,
            open: self.open,
            capacity: self.capacity,
            used: self.used,
            collateral: self.collateral,
            reputation: self.reputation,
            ask_disk: offer.ask_disk,
            ask_receiving: offer.ask_receiving,
            region: offer.region.clone(),
        }
    }
}

impl OldEncoderDraw {
    /// The same, with what is new.
    pub fn with(self, offer: &Encoder) -> EncoderDraw {
        EncoderDraw {
            slot: self.slot,
            open: self.open,
            jobs: self.jobs,
            bond: self.bond,
            reputation: self.reputation,
            ask: offer.ask,
        }
    }
}

impl From<OldTimes> for Times {
    /// The new spans are those of the preset that the others are of; of any others production's, as far as the rules go.
    fn from(old: OldTimes) -> Self {
        let with = |new: Times| Times {
            era: old.era,
            seed_delay: old.seed_delay,
            decline_window: old.decline_window,
            encoder_wait: old.encoder_wait,
            begin_window: old.begin_window,
            lease: old.lease,
            mean_gap: old.mean_gap,
            proof_window: old.proof_window,
            probe_blocks: old.probe_blocks,
            reveal_from: old.reveal_from,
            settle_from: old.settle_from,
            settle_to: old.settle_to,
            end_notice: old.end_notice,
            memory: old.memory,
            seats: old.seats,
            quorum: old.quorum,
            probe_bytes: old.probe_bytes,
            plan_eras: old.plan_eras,
            pause: new.pause,
            checkpoint: new.checkpoint,
            report_window: new.report_window,
        };
        let development = with(Times::DEVELOPMENT);
        if development == Times::DEVELOPMENT {
            return development;
        }
        let mut times = with(Times::PRODUCTION);
        times.pause = times.pause.min(times.era.saturating_mul(PAUSE_ERAS).saturating_sub(1));
        times
    }
}

impl From<OldAmounts> for Amounts {
    fn from(old: OldAmounts) -> Self {
        Self {
            peer_fee: old.peer_fee,
            publish_fee: old.publish_fee,
            min_donation: old.min_donation,
            collateral: old.collateral,
            encoder_bond: old.encoder_bond,
            attester_bond: old.attester_bond,
            begin_fine: old.begin_fine,
            stall_fine: old.stall_fine,
            retry_fee: Amounts::DEFAULT.retry_fee,
            slot_fee: Amounts::DEFAULT.slot_fee,
            report_price: Amounts::DEFAULT.report_price,
            tick_fee: Amounts::DEFAULT.tick_fee,
        }
    }
}
