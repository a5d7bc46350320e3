//! Encoders that fail, and feeds that are gone: leases that pass, checkpoints, declined jobs, plans that wait
//! (pallet-spec/README.md sections 8, 12 and 13).

use crate::{types::*, Config, Copies, Encoders, Error, Event, Pallet, Plans};
use frame_support::{ensure, traits::Defensive};
use sp_runtime::{AccountId32, DispatchResult};

impl<T: Config> Pallet<T> {
    /// Burns the sponsor's part of a stall, doubled by each since the last confirmed segment. It is no payment.
    fn stall_part(id: PlanId, plan: &mut Plan) -> Balance {
        let due = Self::amounts().stall_fine.saturating_mul(1 << plan.stalls.min(DOUBLINGS));
        let due = due.min(Self::pot_free(id, plan));
        let burned = Self::burn_pot_fee(id, plan, due);
        plan.stalls = plan.stalls.saturating_add(1);
        burned
    }

    /// No encoder was drawn in time: a copy that grew stays as it was, a new one ends, and its plan waits.
    pub(crate) fn no_encoder(id: CopyId, generation: u64) {
        let waits = |copy: &Copy| copy.state == CopyState::Accepted && u64::from(copy.generation) == generation;
        let Some((copy, mut plan)) = Self::copy_and_plan(id).filter(|(copy, _)| waits(copy)) else { return };
        if copy.active_since.is_some() {
            Self::leave_growth(id, false);
            return;
        }
        Self::stall_part(copy.plan, &mut plan);
        plan.waiting = true;
        Plans::<T>::insert(copy.plan, plan);
        Self::deposit_event(Event::PlanWaits { plan: copy.plan });
        Self::end_copy(id, CopyEnd::NoEncoder);
    }

    /// The lease passed: all three pay, the encoder is out. Once, only the encoder is drawn anew if the copy stores
    /// something; else the hoster is out, too, and the copy ends or stays as long as it was.
    pub(crate) fn lease_passed(id: CopyId, segment: SegmentId) {
        let waits =
            |copy: &Copy| matches!(copy.state, CopyState::Begun | CopyState::Encoding) && copy.current == Some(segment);
        let Some((mut copy, mut plan)) = Self::copy_and_plan(id).filter(|(copy, _)| waits(copy)) else { return };
        let Some(encoder) = copy.encoder.clone().defensive() else { return };
        let hoster = copy.hoster.clone();
        let fine = Self::amounts().stall_fine;
        let collateral = Self::burn_held(&hoster, Role::Hosting, fine);
        let bond = Self::burn_held(&encoder, Role::Encoding, fine);
        let pot = Self::stall_part(copy.plan, &mut plan);
        Plans::<T>::insert(copy.plan, plan);
        Self::put_encoder_out(&encoder);
        let again = copy.stored > 0 && copy.stalls == 0;
        if !again {
            Self::put_hoster_out(&hoster);
        }
        Self::deposit_event(Event::Stalled { copy: id, hoster, encoder, collateral, bond, pot });
        if again {
            Self::forget_current(&mut copy);
            Self::end_job(&mut copy);
            copy.stalls = 1;
            copy.state = CopyState::Accepted;
            Self::want_encoder(id, &copy);
            Copies::<T>::insert(id, copy);
        } else if copy.active_since.is_some() {
            Self::leave_growth(id, true);
        } else {
            Self::end_copy(id, CopyEnd::Stalled);
        }
    }

    /// The segment that was begun and will not be confirmed goes.
    pub(crate) fn forget_current(copy: &mut Copy) {
        copy.current.take().into_iter().for_each(Self::remove_segment);
    }

    /// Whoever confirms a checkpoint pays for it, so that nobody shops for a friend; another encoder is wanted.
    pub(crate) fn salvaged(copy: &mut Copy, caller: &AccountId32) {
        let role = if *caller == copy.hoster { Role::Hosting } else { Role::Encoding };
        Self::burn_held(caller, role, Self::amounts().stall_fine);
        copy.stalls = 1;
        copy.state = CopyState::Accepted;
        copy.encoder = None;
        copy.ask_encoding = 0;
    }

    pub(crate) fn do_decline_job(account: AccountId32, id: CopyId) -> DispatchResult {
        let (mut copy, mut plan) = Self::copy_and_plan(id).ok_or(Error::<T>::NoSuchCopy)?;
        ensure!(copy.encoder.as_ref() == Some(&account), Error::<T>::NotParty);
        ensure!(copy.state == CopyState::Assigned, Error::<T>::WrongState);
        let mut encoder = Encoders::<T>::get(&account).ok_or(Error::<T>::NoOffer)?;
        let era = Self::era();
        if encoder.decline_era != era {
            encoder.decline_era = era;
            encoder.declines = 0;
        }
        ensure!(encoder.declines < DECLINES, Error::<T>::TooManyDeclines);
        encoder.declines = encoder.declines.saturating_add(1);
        Self::schedule(Change::JobLeft { account: account.clone() })?;
        encoder.jobs = encoder.jobs.saturating_sub(1);
        encoder.unreleased = encoder.unreleased.saturating_sub(copy.fee);
        Encoders::<T>::insert(&account, encoder);
        copy.encoder = None;
        copy.fee = 0;
        copy.ask_encoding = 0;
        copy.state = CopyState::Accepted;
        plan.declined = plan.declined.saturating_add(1);
        Self::deposit_event(Event::JobDeclined { copy: id, encoder: account });
        if plan.declined < NO_DATA {
            Self::want_encoder(id, &copy);
        } else {
            Self::feed_gone(id, &mut copy, &mut plan);
        }
        Self::put_copy_and_plan(id, copy, plan);
        Ok(())
    }

    /// Nobody gets the feed: the copy ends, or stays as it was; the plan of a new one waits.
    fn feed_gone(id: CopyId, copy: &mut Copy, plan: &mut Plan) {
        plan.declined = 0;
        if copy.active_since.is_none() {
            plan.waiting = true;
            Self::deposit_event(Event::PlanWaits { plan: copy.plan });
        }
        Self::arm_drop(id, copy, CopyEnd::NoData);
    }
}
