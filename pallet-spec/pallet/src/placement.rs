//! Placement: needs are met in order, by draws from the tables of peers (pallet-spec/README.md section 6).

use crate::{
    crypto::draw,
    draw::{collateral_due, encoder_table, hoster_table},
    money::fee,
    types::*,
    Config, Copies, EncoderDraws, EncoderSlots, Encoders, Event, HosterDraws, HosterSlots, Hosters, NextCopy, Pallet,
    Plans,
};
use alloc::vec::Vec;
use frame_support::traits::Defensive;
use sp_runtime::AccountId32;

/// What a try came to.
enum Try {
    /// The need is void.
    Void,
    /// What its plan wants changed a moment ago: no seed that was known then may decide on it.
    Later,
    Miss,
    /// Somebody was found; `true`: nothing more is needed.
    Fit(bool),
}

impl Copy {
    /// A copy that is offered to a hoster: the asks of its entry are locked.
    pub(crate) fn offered(id: PlanId, plan: &Plan, (account, entry): (&AccountId32, &HosterDraw), now: Block) -> Self {
        Self {
            plan: id,
            hoster: account.clone(),
            encoder: None,
            encoders: Default::default(),
            state: CopyState::Offered,
            bytes: plan.bytes,
            sectors: plan.sectors,
            stored_bytes: 0,
            stored: 0,
            ask_disk: entry.ask_disk,
            ask_receiving: entry.ask_receiving,
            ask_encoding: 0,
            fee: 0,
            halves: 0,
            reserve: 0,
            debt: 0,
            frozen: None,
            segments: Default::default(),
            current: None,
            generation: 0,
            offered: now,
            first_confirmed: None,
            active_since: None,
            ended: None,
            slot: None,
            tabled: 0,
            strikes: 0,
            head: plan.head,
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

impl Terms {
    /// Whether a hoster of that region may host.
    fn allows(&self, region: &Region) -> bool {
        self.regions.is_empty() || self.regions.iter().any(|prefix| region.starts_with(prefix))
    }
}

/// Picks made in a block, by need: one that went to the tail may come to the head again.
struct Picks(Vec<(NeedKind, u64, u32)>);

impl Picks {
    /// The count of a need's picks.
    fn of(&mut self, need: &Need) -> Option<&mut u32> {
        let known = self.0.iter().position(|(kind, id, _)| (*kind, *id) == (need.kind, need.id));
        let at = known.unwrap_or_else(|| {
            self.0.push((need.kind, need.id, 0));
            self.0.len() - 1
        });
        self.0.get_mut(at).defensive().map(|(_, _, ctr)| ctr)
    }
}

impl<T: Config> Pallet<T> {
    /// 16 tries for each lane, and those that the other leaves over; returns how many were made.
    pub(crate) fn place() -> u32 {
        let mut picks = Picks(Vec::new());
        let mut made = 0;
        // Lane 0 comes a second time for what lane 1 leaves over; it has none of its own then.
        for (lane, granted) in [(0, TRIES), (1, 2 * TRIES), (0, 2 * TRIES)] {
            while made < granted && Self::try_lane(lane, &mut picks) {
                made += 1;
            }
        }
        made
    }

    /// One try for the need at the head of a lane; false if there is none that is ready.
    fn try_lane(lane: u8, picks: &mut Picks) -> bool {
        let Some(need) = Self::first_need(lane).filter(|need| need.ready <= Self::now()) else { return false };
        let Some(ctr) = picks.of(&need) else { return false };
        let outcome = match need.kind {
            NeedKind::Hoster => Self::try_hoster(need.id, ctr),
            NeedKind::Encoder => Self::try_encoder(need.id, ctr),
        };
        match outcome {
            Try::Void | Try::Fit(true) => Self::met(lane, need),
            Try::Fit(false) => Self::keep_need(lane, Need { misses: 0, rounds: 0, ..need }),
            Try::Miss => Self::missed(lane, need),
            Try::Later => {
                Self::pop_need(lane);
                Self::push_need_in(lane, need);
            },
        }
        true
    }

    /// Counts a miss of the need at the head; the eighth in a row moves it to the tail, or ends its patience.
    fn missed(lane: u8, need: Need) {
        let misses = need.misses.saturating_add(1);
        if misses < MISSES {
            Self::keep_need(lane, Need { misses, ..need });
            return;
        }
        Self::pop_need(lane);
        let rounds = need.rounds.saturating_add(1);
        match need.kind {
            NeedKind::Hoster if rounds >= HOSTER_ROUNDS => {
                Self::forgive(need.id);
                Self::deposit_event(Event::NeedSleeps { plan: need.id });
            },
            NeedKind::Encoder if rounds >= ENCODER_ROUNDS => {
                if let Some(copy) = Copies::<T>::get(need.id) {
                    Self::no_encoder(need.id, copy.generation.into());
                }
            },
            _ => Self::push_need_in(lane, Need { misses: 0, rounds, ..need }),
        }
    }

    /// Drops the need at the head.
    fn met(lane: u8, need: Need) {
        Self::pop_need(lane);
        if need.kind == NeedKind::Hoster {
            Self::unqueue(need.id);
        }
    }

    /// A plan's need sleeps: the older half of its former parties may be drawn for it again. Else a network of as few peers as a
    /// plan remembers would have none for it in the end.
    fn forgive(id: PlanId) {
        Plans::<T>::mutate(id, |plan| {
            if let Some(plan) = plan {
                plan.queued = false;
                let older = plan.former.len().div_ceil(2);
                plan.former.drain(..older);
            }
        });
    }

    /// A plan's need is in the queue no more.
    fn unqueue(id: PlanId) {
        Plans::<T>::mutate(id, |plan| {
            if let Some(plan) = plan {
                plan.queued = false;
            }
        });
    }

    fn next(ctr: &mut u32) -> u32 {
        let used = *ctr;
        *ctr = used.saturating_add(1);
        used
    }

    /// Whether an account is the plan's sponsor, or `part` of a live copy of it.
    fn takes_part(plan: &Plan, account: &AccountId32, part: fn(&Copy, &AccountId32) -> bool) -> bool {
        let of = |id: &CopyId| Copies::<T>::get(id).is_some_and(|copy| part(&copy, account));
        plan.sponsor == *account || plan.live.iter().any(of)
    }

    fn is_party(plan: &Plan, account: &AccountId32) -> bool {
        Self::takes_part(plan, account, |copy, account| copy.parties().contains(account))
    }

    /// Who may not encode what a whole copy grows by. Its encoders may: else a live plan would use up all that there are.
    fn is_hoster(plan: &Plan, account: &AccountId32) -> bool {
        Self::takes_part(plan, account, |copy, account| copy.hoster == *account)
    }

    fn try_hoster(id: PlanId, ctr: &mut u32) -> Try {
        let Some(plan) = Plans::<T>::get(id).filter(Plan::wants) else { return Try::Void };
        if Self::now() < plan.fresh {
            return Try::Later;
        }
        let x = draw(1, Self::seed(), &id.to_le_bytes(), Self::next(ctr));
        let drawn = hoster_table::<T>().pick(x).and_then(|(slot, _)| HosterSlots::<T>::get(slot));
        let Some(account) = drawn else { return Try::Miss };
        let Some(hoster) = Hosters::<T>::get(&account).defensive() else { return Try::Miss };
        let Some(entry) = HosterDraws::<T>::get(&account).defensive() else { return Try::Miss };
        if !Self::hoster_fits(&plan, &account, (&hoster, &entry)) {
            return Try::Miss;
        }
        Self::offer_copy(id, plan, account, (hoster, entry))
    }

    /// Asks and region are those of the entry: else who knows a seed would raise its ask to the cap just in time.
    fn hoster_fits(plan: &Plan, account: &AccountId32, (hoster, entry): (&Hoster, &HosterDraw)) -> bool {
        let bytes = plan.sectors.saturating_mul(SECTOR);
        !plan.former.contains(account)
            && hoster.open
            && hoster.step == 0
            && !Self::paused(hoster)
            && Self::cost(&plan.sponsor, entry.ask_disk) <= plan.terms.max_ask_disk
            && Self::cost(&plan.sponsor, entry.ask_receiving) <= plan.terms.max_ask_receiving
            && entry.ask_receiving <= Self::amounts().collateral / DROP_PART
            && Self::reputation(account) >= plan.terms.min_reputation
            && plan.terms.allows(&entry.region)
            && hoster.capacity.saturating_sub(hoster.used) >= bytes
            && hoster.copies < COPIES
            && Self::is_secured(account, hoster.used.saturating_add(bytes))
            && !Self::is_party(plan, account)
    }

    /// Offers a copy to a hoster that fits, if the pot can pay it.
    fn offer_copy(
        plan_id: PlanId,
        mut plan: Plan,
        account: AccountId32,
        (mut hoster, entry): (Hoster, HosterDraw),
    ) -> Try {
        let now = Self::now();
        let mut copy = Copy::offered(plan_id, &plan, (&account, &entry), now);
        let want = Self::reserve_for(&copy, &plan, plan.next_tick.saturating_sub(now));
        if !Self::pot_can_pay(plan_id, &plan, plan.reserved.saturating_add(want), 0) {
            return Try::Miss;
        }
        let id = NextCopy::<T>::get();
        // There is room: a plan that wants one has fewer than the bound.
        if plan.live.try_push(id).defensive().is_err() {
            return Try::Void;
        }
        NextCopy::<T>::put(id.saturating_add(1));
        Self::set_reserve(&mut copy, &mut plan, want);
        plan.records = plan.records.saturating_add(1);
        let bytes = plan.sectors.saturating_mul(SECTOR);
        hoster.used = hoster.used.saturating_add(bytes);
        hoster.copies = hoster.copies.saturating_add(1);
        hoster.records = hoster.records.saturating_add(1);
        Hosters::<T>::insert(&account, hoster);
        Self::draw_hoster(&account, |draw| draw.used = draw.used.saturating_add(bytes));
        Self::arm(Wait::Decline, Self::times().decline_window, id, 0);
        let full = !plan.wants();
        Self::put_copy_and_plan(id, copy, plan);
        Self::deposit_event(Event::CopyOffered { copy: id, plan: plan_id, hoster: account });
        Try::Fit(full)
    }

    /// Whether what a hoster has on hold covers that many bytes: forfeits and fines took of it since its offer.
    fn is_secured(account: &AccountId32, bytes: u64) -> bool {
        Self::held(account, Role::Hosting) >= collateral_due(Self::amounts().collateral, bytes)
    }

    fn try_encoder(id: CopyId, ctr: &mut u32) -> Try {
        let waits = |copy: &Copy| copy.state == CopyState::Accepted;
        let Some((copy, plan)) = Self::copy_and_plan(id).filter(|(copy, _)| waits(copy)) else { return Try::Void };
        if Self::now() < plan.fresh {
            return Try::Later;
        }
        let x = draw(2, Self::seed(), &id.to_le_bytes(), Self::next(ctr));
        let drawn = encoder_table::<T>().pick(x).and_then(|(slot, _)| EncoderSlots::<T>::get(slot));
        let Some(account) = drawn else { return Try::Miss };
        let Some(encoder) = Encoders::<T>::get(&account).defensive() else { return Try::Miss };
        let Some(entry) = EncoderDraws::<T>::get(&account).defensive() else { return Try::Miss };
        let job = fee(entry.ask, copy.job_sectors(Self::times().checkpoint));
        let grows = copy.active_since.is_some();
        let excluded = if grows { Self::is_hoster(&plan, &account) } else { Self::is_party(&plan, &account) };
        let fits = !excluded
            && encoder.open
            && Self::cost(&plan.sponsor, entry.ask) <= plan.terms.max_ask_encoding
            && encoder.jobs < JOBS
            && encoder.unreleased.saturating_add(job) <= Self::held(&account, Role::Encoding);
        if !fits {
            return Try::Miss;
        }
        Self::assign((id, copy), plan, (account, encoder), (entry.ask, job))
    }

    /// Gives a copy to an encoder that fits, if the pot can pay it.
    fn assign(
        (id, mut copy): (CopyId, Copy),
        mut plan: Plan,
        (account, mut encoder): (AccountId32, Encoder),
        (ask, job): (Balance, Balance),
    ) -> Try {
        // The reserve is counted from where the hoster was paid to: what it earned until then is paid first.
        Self::collect_into(id, &mut copy, &mut plan);
        let idle = copy.clone();
        copy.encoder = Some(account.clone());
        copy.ask_encoding = ask;
        let blocks = plan.next_tick.saturating_sub(Self::paid_until(&copy, Self::now()));
        let want = Self::reserve_for(&copy, &plan, blocks);
        let reserved = plan.reserved.saturating_sub(copy.reserve).saturating_add(want);
        if !Self::pot_can_pay(copy.plan, &plan, reserved, 0) {
            Self::put_copy_and_plan(id, idle, plan);
            return Try::Miss;
        }
        Self::set_reserve(&mut copy, &mut plan, want);
        copy.fee = job;
        copy.state = CopyState::Assigned;
        copy.generation = copy.generation.saturating_add(1);
        encoder.jobs = encoder.jobs.saturating_add(1);
        encoder.unreleased = encoder.unreleased.saturating_add(job);
        Encoders::<T>::insert(&account, encoder);
        Self::draw_encoder(&account, |draw| draw.jobs = draw.jobs.saturating_add(1));
        Self::arm(Wait::Begin, Self::times().begin_window, id, copy.generation.into());
        Self::put_copy_and_plan(id, copy, plan);
        Self::deposit_event(Event::EncoderDrawn { copy: id, encoder: account });
        Try::Fit(true)
    }
}
