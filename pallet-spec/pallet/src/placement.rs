//! Placement: needs are met in order, by draws from the tables of peers (pallet-spec/README.md section 6).

use crate::{
    crypto::draw,
    draw::{encoder_table, hoster_table},
    money::fee,
    types::*,
    Config, Copies, EncoderSlots, Encoders, Event, HosterSlots, Hosters, NextCopy, Pallet, Plans,
};
use alloc::vec::Vec;
use frame_support::traits::Defensive;
use sp_runtime::AccountId32;

/// What a try came to.
enum Try {
    /// The need is void.
    Void,
    Miss,
    /// Somebody was found; `true`: nothing more is needed.
    Fit(bool),
}

impl Copy {
    /// A copy that is offered to a hoster: its asks are locked.
    fn offered(id: PlanId, plan: &Plan, (account, hoster): (&AccountId32, &Hoster), now: Block) -> Self {
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
            ask_disk: hoster.ask_disk,
            ask_receiving: hoster.ask_receiving,
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
        }
    }
}

impl<T: Config> Pallet<T> {
    /// 32 tries for the needs at the head; returns how many were made.
    pub(crate) fn place() -> u32 {
        // Picks made in this block, by need: one that went to the tail may come to the head again.
        let mut picks: Vec<(NeedKind, u64, u32)> = Vec::new();
        let mut tries = 0;
        while tries < TRIES {
            let Some(need) = Self::first_need().filter(|need| need.ready <= Self::now()) else { break };
            tries += 1;
            let known = picks.iter().position(|(kind, id, _)| (*kind, *id) == (need.kind, need.id));
            let at = known.unwrap_or_else(|| {
                picks.push((need.kind, need.id, 0));
                picks.len() - 1
            });
            let Some((_, _, ctr)) = picks.get_mut(at).defensive() else { break };
            let outcome = match need.kind {
                NeedKind::Hoster => Self::try_hoster(need.id, ctr),
                NeedKind::Encoder => Self::try_encoder(need.id, ctr),
            };
            match outcome {
                Try::Void | Try::Fit(true) => Self::met(need),
                Try::Fit(false) => Self::keep_need(Need { misses: 0, ..need }),
                Try::Miss => Self::missed(need),
            }
        }
        tries
    }

    /// Counts a miss of the need at the head; the eighth in a row moves it to the tail.
    fn missed(need: Need) {
        let misses = need.misses.saturating_add(1);
        if misses < MISSES {
            Self::keep_need(Need { misses, ..need });
        } else {
            Self::pop_need();
            Self::push_need(Need { misses: 0, ..need });
        }
    }

    /// Drops the need at the head.
    fn met(need: Need) {
        Self::pop_need();
        if need.kind == NeedKind::Hoster {
            Plans::<T>::mutate(need.id, |plan| {
                if let Some(plan) = plan {
                    plan.queued = false;
                }
            });
        }
    }

    fn next(ctr: &mut u32) -> u32 {
        let used = *ctr;
        *ctr = used.saturating_add(1);
        used
    }

    fn is_party(plan: &Plan, account: &AccountId32) -> bool {
        let of = |id: &CopyId| Copies::<T>::get(id).is_some_and(|copy| copy.parties().contains(account));
        plan.sponsor == *account || plan.live.iter().any(of)
    }

    fn try_hoster(id: PlanId, ctr: &mut u32) -> Try {
        let wanted = |plan: &Plan| plan.live.len() < usize::from(plan.terms.replicas);
        let Some(plan) = Plans::<T>::get(id).filter(|plan| plan.state == PlanState::Live && wanted(plan)) else {
            return Try::Void;
        };
        let x = draw(1, Self::seed(), &id.to_le_bytes(), Self::next(ctr));
        let drawn = hoster_table::<T>().pick(x).and_then(|(slot, _)| HosterSlots::<T>::get(slot));
        let Some(account) = drawn else { return Try::Miss };
        let Some(hoster) = Hosters::<T>::get(&account).defensive() else { return Try::Miss };
        let bytes = plan.sectors.saturating_mul(SECTOR);
        let fits = !plan.former.contains(&account)
            && hoster.open
            && hoster.ask_disk <= plan.terms.max_ask_disk
            && hoster.ask_receiving <= plan.terms.max_ask_receiving
            && hoster.capacity.saturating_sub(hoster.used) >= bytes
            && hoster.copies < COPIES
            && !Self::is_party(&plan, &account);
        if !fits {
            return Try::Miss;
        }
        Self::offer_copy(id, plan, account, hoster)
    }

    /// Offers a copy to a hoster that fits, if the pot can pay it.
    fn offer_copy(plan_id: PlanId, mut plan: Plan, account: AccountId32, mut hoster: Hoster) -> Try {
        let now = Self::now();
        let mut copy = Copy::offered(plan_id, &plan, (&account, &hoster), now);
        let want = Self::reserve_for(&copy, &plan, plan.next_tick.saturating_sub(now));
        if Self::pot_free(plan_id, &plan) < want {
            return Try::Miss;
        }
        let id = NextCopy::<T>::get();
        // There is room: live copies are fewer than the replicas.
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
        let full = plan.live.len() >= usize::from(plan.terms.replicas);
        Self::put_copy_and_plan(id, copy, plan);
        Self::deposit_event(Event::CopyOffered { copy: id, plan: plan_id, hoster: account });
        Try::Fit(full)
    }

    fn try_encoder(id: CopyId, ctr: &mut u32) -> Try {
        let waits = |copy: &Copy| copy.state == CopyState::Accepted;
        let Some((copy, plan)) = Self::copy_and_plan(id).filter(|(copy, _)| waits(copy)) else { return Try::Void };
        let x = draw(2, Self::seed(), &id.to_le_bytes(), Self::next(ctr));
        let drawn = encoder_table::<T>().pick(x).and_then(|(slot, _)| EncoderSlots::<T>::get(slot));
        let Some(account) = drawn else { return Try::Miss };
        let Some(encoder) = Encoders::<T>::get(&account).defensive() else { return Try::Miss };
        let job = fee(encoder.ask, copy.job_sectors());
        let fits = encoder.open
            && encoder.ask <= plan.terms.max_ask_encoding
            && encoder.jobs < JOBS
            && encoder.unreleased.saturating_add(job) <= Self::held(&account, Role::Encoding)
            && !Self::is_party(&plan, &account);
        if !fits {
            return Try::Miss;
        }
        Self::assign((id, copy), plan, (account, encoder), job)
    }

    /// Gives a copy to an encoder that fits, if the pot can pay it.
    fn assign(
        (id, mut copy): (CopyId, Copy),
        mut plan: Plan,
        (account, mut encoder): (AccountId32, Encoder),
        job: Balance,
    ) -> Try {
        // The reserve is counted from where the hoster was paid to: what it earned until then is paid first.
        Self::collect_into(id, &mut copy, &mut plan);
        let idle = copy.clone();
        copy.encoder = Some(account.clone());
        copy.ask_encoding = encoder.ask;
        let blocks = plan.next_tick.saturating_sub(Self::paid_until(&copy, Self::now()));
        let want = Self::reserve_for(&copy, &plan, blocks);
        if Self::pot_free(copy.plan, &plan).saturating_add(copy.reserve) < want {
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
