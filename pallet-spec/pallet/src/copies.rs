//! Copies: decline, their end, their records (pallet-spec/README.md sections 12 and 13).

use crate::{types::*, Config, Copies, Error, Event, Hosters, Moduli, Pallet, Plans, Segments};
use alloc::vec::Vec;
use frame_support::{ensure, traits::Defensive};
use sp_runtime::{AccountId32, DispatchResult};

impl Copy {
    /// Its hoster, then its encoders: those that made it whole, and the one that is drawn.
    pub fn parties(&self) -> Vec<AccountId32> {
        let drawn = self.encoder.iter().filter(|encoder| !self.encoders.contains(encoder));
        [&self.hoster].into_iter().chain(&self.encoders).chain(drawn).cloned().collect()
    }
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_decline_copy(account: AccountId32, id: CopyId) -> DispatchResult {
        let copy = Copies::<T>::get(id).ok_or(Error::<T>::NoSuchCopy)?;
        ensure!(copy.hoster == account, Error::<T>::NotParty);
        ensure!(copy.state == CopyState::Offered, Error::<T>::WrongState);
        let mut hoster = Hosters::<T>::get(&account).ok_or(Error::<T>::NoOffer)?;
        let era = Self::era();
        if hoster.decline_era != era {
            hoster.decline_era = era;
            hoster.declines = 0;
        }
        ensure!(hoster.declines < DECLINES, Error::<T>::TooManyDeclines);
        hoster.declines = hoster.declines.saturating_add(1);
        Hosters::<T>::insert(&account, hoster);
        let bytes = copy.sectors.saturating_mul(SECTOR);
        Self::schedule(Change::Declined { account, bytes, plan: copy.plan })?;
        Self::retire(id, CopyEnd::Declined);
        Ok(())
    }

    /// The hoster's silence accepts; an encoder is wanted.
    pub(crate) fn accept(id: CopyId) {
        let Some(mut copy) = Copies::<T>::get(id).filter(|copy| copy.state == CopyState::Offered) else { return };
        copy.state = CopyState::Accepted;
        Self::want_encoder(id, &copy);
        Copies::<T>::insert(id, copy);
        Self::deposit_event(Event::CopyAccepted { copy: id });
    }

    /// Puts a copy's need of an encoder into the queue, with its deadline.
    pub(crate) fn want_encoder(id: CopyId, copy: &Copy) {
        let times = Self::times();
        let ready = Self::now().saturating_add(times.seed_delay);
        Self::push_need(Need { kind: NeedKind::Encoder, id, ready, misses: 0, rounds: 0 });
        Self::arm(Wait::EncoderDraw, times.encoder_wait, id, copy.generation.into());
    }

    /// The drawn encoder did not begin: it is fined and out, and only it is redrawn.
    pub(crate) fn begin_missed(id: CopyId, generation: u64) {
        let waits = |copy: &Copy| copy.state == CopyState::Assigned && u64::from(copy.generation) == generation;
        let Some(mut copy) = Copies::<T>::get(id).filter(waits) else { return };
        let Some(encoder) = copy.encoder.clone().defensive() else { return };
        let burned = Self::burn_held(&encoder, Role::Encoding, Self::amounts().begin_fine);
        Self::end_job(&mut copy);
        Self::put_encoder_out(&encoder);
        copy.state = CopyState::Accepted;
        Self::want_encoder(id, &copy);
        Copies::<T>::insert(id, copy);
        Self::deposit_event(Event::BeginMissed { copy: id, encoder, burned });
    }

    /// Takes the drawn encoder off a copy, in `on_initialize`.
    pub(crate) fn end_job(copy: &mut Copy) {
        let Some(encoder) = copy.encoder.take() else { return };
        let fee = core::mem::take(&mut copy.fee);
        copy.ask_encoding = 0;
        Self::with_encoder(&encoder, |state| {
            state.jobs = state.jobs.saturating_sub(1);
            state.unreleased = state.unreleased.saturating_sub(fee);
        });
        Self::draw_encoder(&encoder, |draw| draw.jobs = draw.jobs.saturating_sub(1));
    }

    /// Out of the draw table until it renews its offer, in `on_initialize`.
    pub(crate) fn put_encoder_out(account: &AccountId32) {
        let now = Self::now();
        Self::with_encoder(account, |encoder| {
            if encoder.open {
                encoder.open = false;
                encoder.out_since = now;
            }
        });
        let bond = Self::held(account, Role::Encoding);
        Self::draw_encoder(account, |draw| {
            draw.open = false;
            draw.bond = bond;
        });
    }

    /// Out of the draw table until it renews its offer, in `on_initialize`.
    pub(crate) fn put_hoster_out(account: &AccountId32) {
        let now = Self::now();
        Self::with_hoster(account, |hoster| {
            if hoster.open {
                hoster.open = false;
                hoster.out_since = now;
            }
        });
        let collateral = Self::held(account, Role::Hosting);
        Self::draw_hoster(account, |draw| {
            draw.open = false;
            draw.collateral = collateral;
        });
    }

    /// Ends a copy in `on_initialize`: the draw tables and the queue follow at once.
    pub(crate) fn end_copy(id: CopyId, reason: CopyEnd) {
        let Some(copy) = Copies::<T>::get(id).filter(|copy| copy.state != CopyState::Ended).defensive() else { return };
        let bytes = copy.sectors.saturating_mul(SECTOR);
        Self::draw_hoster(&copy.hoster, |draw| draw.used = draw.used.saturating_sub(bytes));
        Self::retire(id, reason);
        Self::need_hoster(copy.plan);
    }

    /// What the end of a copy changes apart from the draw table of hosters and the queue.
    fn retire(id: CopyId, reason: CopyEnd) {
        let Some((mut copy, mut plan)) = Self::copy_and_plan(id).defensive() else { return };
        if copy.stored > 0 {
            Self::collect_into(id, &mut copy, &mut plan);
            copy.frozen = Hosters::<T>::get(&copy.hoster).map(|hoster| hoster.acc);
            Self::untable_copy(&mut copy);
        }
        let bytes = copy.sectors.saturating_mul(SECTOR);
        Self::with_hoster(&copy.hoster, |hoster| {
            hoster.stored = hoster.stored.saturating_sub(copy.stored);
            hoster.used = hoster.used.saturating_sub(bytes);
            hoster.copies = hoster.copies.saturating_sub(1);
        });
        // Of a copy that came to nothing without their doing nobody is remembered: a feed that cannot be had would use all up.
        if copy.stored > 0 || matches!(reason, CopyEnd::Declined | CopyEnd::Stalled) {
            Self::remember(&mut plan, copy.parties());
        }
        Self::drop_samples(&copy.hoster, id);
        Self::end_job(&mut copy);
        plan.live.retain(|live| *live != id);
        plan.leaving = plan.leaving.saturating_sub(u8::from(copy.leaving > 0));
        let stores = |id: &CopyId| Copies::<T>::get(id).is_some_and(|copy| copy.stored > 0);
        plan.confirmed = plan.confirmed && (copy.stored == 0 || plan.live.iter().any(stores));
        copy.state = CopyState::Ended;
        copy.ended = Some(Self::now());
        let reports = if copy.active_since.is_some() { Self::reports_reserve(&plan) } else { 0 };
        let keep = copy.reserve.min(copy.halves.saturating_add(reports));
        Self::set_reserve(&mut copy, &mut plan, keep);
        Self::put_copy_and_plan(id, copy, plan);
        Self::arm(Wait::Records, Self::times().era.saturating_mul(KEEP_ERAS), id, 0);
        Self::deposit_event(Event::CopyEnded { copy: id, reason });
    }

    /// Parties become former ones of a plan, which remembers the last.
    fn remember(plan: &mut Plan, parties: Vec<AccountId32>) {
        let memory = Self::times().memory as usize;
        for party in parties.into_iter().filter(|_| memory > 0) {
            while plan.former.len() >= memory {
                plan.former.remove(0);
            }
            // There is room: Memory is at most the bound.
            let _ = plan.former.try_push(party).defensive();
        }
    }

    /// Some of an ended copy's segments go; with the last its own record, and what is left of its reserve returns to
    /// the pot.
    pub(crate) fn remove_records(id: CopyId) {
        let Some((mut copy, mut plan)) = Self::copy_and_plan(id) else { return };
        // A backlog may have kept a second half waiting, and a report may have come late: the records wait for both.
        let waits = copy.halves > 0 || copy.unpunished();
        if waits {
            Self::arm(Wait::Records, 1, id, 0);
            return;
        }
        let piece = copy.segments.len().min(RECORDS as usize);
        copy.segments.drain(..piece).for_each(|part| Self::remove_segment(part.segment));
        if !copy.segments.is_empty() {
            Copies::<T>::insert(id, copy);
            // The next piece before all else that is due: at the tail it would wait for three eras of others'.
            Self::arm_first(Wait::Records, id);
            return;
        }
        copy.current.into_iter().for_each(Self::remove_segment);
        Self::set_reserve(&mut copy, &mut plan, 0);
        plan.records = plan.records.saturating_sub(1);
        Plans::<T>::insert(copy.plan, plan);
        Self::with_hoster(&copy.hoster, |hoster| hoster.records = hoster.records.saturating_sub(1));
        Copies::<T>::remove(id);
        Self::deposit_event(Event::CopyRemoved { copy: id });
        Self::fix_remainder(copy.plan);
    }

    /// A segment's records go; its modulus stays used.
    pub(crate) fn remove_segment(id: SegmentId) {
        Segments::<T>::remove(id);
        Moduli::<T>::remove(id);
    }

    /// One strike more for a copy whose records stand.
    pub(crate) fn strike(id: CopyId) {
        let strikes = Copies::<T>::mutate(id, |copy| {
            copy.as_mut().map(|copy| {
                copy.strikes = copy.strikes.saturating_add(1);
                copy.strikes
            })
        });
        if let Some(strikes) = strikes {
            Self::deposit_event(Event::CopyStruck { copy: id, strikes });
        }
    }
}
