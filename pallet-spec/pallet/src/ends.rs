//! The end of a copy before its plan: lost, left, replaced, let go; what it forfeits (pallet-spec/README.md section 12).

use crate::{draw::collateral_due, types::*, Config, Copies, Error, Event, Minted, Pallet, Segments};
use codec::Decode;
use frame_support::{
    ensure,
    traits::{fungible::Mutate, Defensive},
};
use sp_runtime::{AccountId32, DispatchResult};

/// Bits of a drop's tag that say why; behind them is the invalid segment, if that is why.
const REASON_BITS: u32 = 8;

impl Copy {
    /// Who made an invalid segment of it is still to be put out.
    pub fn unpunished(&self) -> bool {
        self.invalid && self.dropping
    }
}

impl<T: Config> Pallet<T> {
    /// Takes the n-th part of a copy's collateral of its hoster: up to a tenth goes to the plan's pot, the rest is burned.
    pub(crate) fn forfeit(id: CopyId, part: u128) {
        let Some(copy) = Copies::<T>::get(id).defensive() else { return };
        let collateral = collateral_due(Self::amounts().collateral, copy.sectors.saturating_mul(SECTOR));
        let due = collateral.checked_div(part).unwrap_or(0);
        let taken = Self::burn_held(&copy.hoster, Role::Hosting, due);
        let pot = taken.min(collateral / DROP_PART);
        // Cannot fail: as much was burned just now, and a pot keeps the existential deposit.
        if pot > 0 && T::Currency::mint_into(&Self::pot_account(copy.plan), pot).defensive().is_ok() {
            Minted::<T>::mutate(|minted| *minted = minted.saturating_add(pot));
        }
        let burned = taken.saturating_sub(pot);
        Self::deposit_event(Event::Forfeited { copy: id, account: copy.hoster, burned, pot });
    }

    /// Lets a copy end `SeedDelay` blocks later, when the draw tables know all: a call never ends an active copy itself.
    pub(crate) fn arm_drop(id: CopyId, copy: &mut Copy, reason: CopyEnd) {
        if !copy.dropping {
            copy.dropping = true;
            Self::arm(Wait::Drop, Self::times().seed_delay, id, reason as u64);
        }
    }

    /// The same for a copy with an invalid segment, whatever else is under way for it: who made it must be put out, also
    /// if the copy has ended by then.
    pub(crate) fn arm_invalid(id: CopyId, copy: &mut Copy, segment: SegmentId) {
        copy.dropping = true;
        let tag = segment << REASON_BITS | CopyEnd::Invalid as u64;
        Self::arm(Wait::Drop, Self::times().seed_delay, id, tag);
    }

    /// A copy's end is due.
    pub(crate) fn drop_due(id: CopyId, tag: u64) {
        let Ok(reason) = CopyEnd::decode(&mut &[tag as u8][..]).defensive() else { return };
        if reason == CopyEnd::Invalid {
            Self::put_makers_out(id, tag >> REASON_BITS);
        }
        Self::drop_copy(id, reason);
    }

    /// Hoster and encoder of an invalid segment are out of the draw tables. Its records waited for this.
    fn put_makers_out(id: CopyId, segment: SegmentId) {
        let Some(mut copy) = Copies::<T>::get(id).defensive() else { return };
        let Some(segment) = Segments::<T>::get(segment).defensive() else { return };
        Self::put_hoster_out(&copy.hoster);
        Self::put_encoder_out(&segment.encoder);
        copy.dropping = false;
        Copies::<T>::insert(id, copy);
    }

    /// Ends a copy in `on_initialize`, unless it has ended; a copy that only could not grow stays.
    pub(crate) fn drop_copy(id: CopyId, reason: CopyEnd) {
        let Some(mut copy) = Copies::<T>::get(id).filter(|copy| copy.state != CopyState::Ended) else { return };
        if reason == CopyEnd::NoData && copy.active_since.is_some() {
            // A report may have come since.
            copy.dropping = copy.invalid;
            let waits = copy.state == CopyState::Accepted;
            Copies::<T>::insert(id, copy);
            if waits {
                Self::leave_growth(id, false);
            }
            return;
        }
        let youth = Self::times().era.saturating_mul(YOUNG_ERAS);
        let young = copy.active_since.is_some_and(|since| Self::now() < since.saturating_add(youth));
        // Slow is no fault: the targets are the sponsor's alone, and may be others than at the fit.
        let fault = matches!(reason, CopyEnd::Lost | CopyEnd::Unserved);
        if fault || copy.leaving == 2 && young {
            Self::forfeit(id, DROP_PART);
        }
        Self::end_copy(id, reason);
    }

    /// A copy of that hoster that is or was active and has not ended.
    fn own_copy(account: &AccountId32, id: CopyId) -> Result<(Copy, Plan), Error<T>> {
        let (copy, plan) = Self::copy_and_plan(id).ok_or(Error::<T>::NoSuchCopy)?;
        ensure!(copy.hoster == *account, Error::<T>::NotParty);
        ensure!(copy.state != CopyState::Ended && copy.active_since.is_some(), Error::<T>::WrongState);
        Ok((copy, plan))
    }

    pub(crate) fn do_declare_lost(account: AccountId32, id: CopyId) -> DispatchResult {
        let (copy, _) = Self::own_copy(&account, id)?;
        ensure!(!copy.dropping, Error::<T>::WrongState);
        Self::miss_at_once(&account, id)?;
        Copies::<T>::mutate(id, |copy| {
            if let Some(copy) = copy {
                Self::arm_drop(id, copy, CopyEnd::Lost);
            }
        });
        Ok(())
    }

    pub(crate) fn do_leave_copy(account: AccountId32, id: CopyId) -> DispatchResult {
        let (mut copy, mut plan) = Self::own_copy(&account, id)?;
        ensure!(copy.leaving < 2, Error::<T>::AlreadyLeaving);
        Self::mark_leaving(&mut copy, &mut plan, 2);
        Self::arm_leave(id);
        let plan_id = copy.plan;
        Self::put_copy_and_plan(id, copy, plan);
        Self::need_hoster(plan_id);
        Ok(())
    }

    /// Counts a copy as leaving; 1: let go by the chain or the sponsor, 2: by its hoster's wish.
    fn mark_leaving(copy: &mut Copy, plan: &mut Plan, by: u8) {
        plan.leaving = plan.leaving.saturating_add(u8::from(copy.leaving == 0));
        copy.leaving = by;
    }

    /// A leaving copy ends when `EndNotice` is over, if it is not replaced before.
    fn arm_leave(id: CopyId) {
        let notice = Self::times().end_notice;
        Self::arm(Wait::Leave, notice, id, 0);
        Self::deposit_event(Event::CopyLeaving { copy: id, block: Self::now().saturating_add(notice) });
    }

    /// The sponsor wants fewer copies: this one may go.
    pub(crate) fn dismiss(id: CopyId, plan: &mut Plan) {
        let Some(mut copy) = Copies::<T>::get(id).defensive() else { return };
        Self::mark_leaving(&mut copy, plan, 1);
        Copies::<T>::insert(id, copy);
        Self::arm_leave(id);
    }

    /// The copy cannot follow its plan: it stays until it is replaced. If there is no room for another beside it, and no other
    /// leaves, it stays until its time to leave is over: it makes the room in which the others are replaced, one by one.
    pub(crate) fn let_go(id: CopyId, copy: &mut Copy, plan: &mut Plan) {
        let first = plan.leaving == 0;
        Self::mark_leaving(copy, plan, 1);
        if first && plan.live.len() >= MAX_REPLICAS as usize {
            Self::arm_leave(id);
        } else {
            Self::deposit_event(Event::CopyLeaving { copy: id, block: 0 });
        }
    }

    /// A copy became active for the first time: the first that is leaving may go.
    pub(crate) fn replace_by(id: CopyId, plan: &Plan) {
        for other in plan.live.iter().filter(|other| **other != id) {
            let Some(mut copy) = Copies::<T>::get(other).defensive() else { continue };
            if copy.leaving > 0 && !copy.dropping {
                Self::arm_drop(*other, &mut copy, CopyEnd::Replaced);
                Copies::<T>::insert(other, copy);
                return;
            }
        }
    }
}
