//! Live plans: longer heads, and copies that grow with them (pallet-spec/README.md sections 7 and 12).

use crate::{
    heads::{extends, tiles},
    plans::FORKED,
    types::*,
    Config, Error, Event, Frozen, Hosters, Pallet, Plans, Roots,
};
use alloc::vec::Vec;
use frame_support::{ensure, traits::Defensive};
use sp_runtime::DispatchResult;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_update_head(id: PlanId, signed: SignedHead, nodes: Vec<OpenedNode>) -> DispatchResult {
        let mut plan = Plans::<T>::get(id).ok_or(Error::<T>::NoSuchPlan)?;
        ensure!(plan.state == PlanState::Live, Error::<T>::PlanNotLive);
        ensure!(plan.terms.live, Error::<T>::PlanFixed);
        ensure!(signed.key == plan.feed, Error::<T>::WrongFeedKey);
        ensure!(!Frozen::<T>::contains_key(plan.feed), Error::<T>::FeedFrozen);
        let head = Self::check_head(&signed)?;
        if head.fork > plan.head.fork {
            ensure!(!plan.ending, Error::<T>::AlreadyEnding);
            Self::end_later(id, plan, FORKED);
            return Ok(());
        }
        let newer = head.fork == plan.head.fork && head.length > plan.head.length;
        ensure!(newer, Error::<T>::HeadNotNewer);
        let old = Roots::<T>::get(id).defensive().ok_or(Error::<T>::BadExtension)?;
        let extension = extends(&tiles(0, plan.head.length), &old, (head.length, &signed.roots), &nodes);
        ensure!(extension.is_some(), Error::<T>::BadExtension);
        Self::lengthen(&mut plan, head)?;
        let bytes = plan.bytes;
        Plans::<T>::insert(id, plan);
        Roots::<T>::insert(id, signed.roots);
        Self::deposit_event(Event::HeadUpdated { plan: id, length: head.length, bytes });
        Ok(())
    }

    /// The last range of a plan ends with the new head.
    fn lengthen(plan: &mut Plan, head: Head) -> DispatchResult {
        let last = plan.ranges.last_mut().defensive().ok_or(Error::<T>::BadPlanSize)?;
        let more = head.byte_length.checked_sub(last.first_byte).and_then(|bytes| bytes.checked_sub(last.bytes));
        let more = more.ok_or(Error::<T>::BadPlanSize)?;
        let bytes = plan.bytes.saturating_add(more);
        ensure!(bytes <= MAX_PLAN_BYTES, Error::<T>::BadPlanSize);
        last.end = head.length;
        last.bytes = last.bytes.saturating_add(more);
        plan.bytes = bytes;
        plan.sectors = bytes.div_ceil(SECTOR);
        plan.head = head;
        // Once an era: else a feed that grows all the time is never placed.
        let Times { era, seed_delay, .. } = Self::times();
        let fresh = Self::now().saturating_add(seed_delay);
        if plan.fresh == 0 || fresh >= plan.fresh.saturating_add(era) {
            plan.fresh = fresh;
        }
        Ok(())
    }

    /// At a prepaid tick, copies that are shorter than their plan begin to follow it.
    pub(crate) fn grow(id: PlanId) {
        let Some(plan) = Plans::<T>::get(id).defensive() else { return };
        if !plan.ending {
            plan.live.into_iter().for_each(Self::grow_copy);
        }
    }

    /// A copy becomes as long as its plan, if its hoster can and the pot pays; a hoster that cannot is replaced.
    fn grow_copy(id: CopyId) {
        let Some((mut copy, mut plan)) = Self::copy_and_plan(id).defensive() else { return };
        let shorter = copy.state == CopyState::Active && copy.leaving == 0 && copy.bytes < plan.bytes;
        let Some(hoster) = Hosters::<T>::get(&copy.hoster).defensive() else { return };
        if !shorter || hoster.step > 0 {
            return;
        }
        let more = plan.bytes.saturating_sub(copy.bytes).div_ceil(SECTOR);
        let room = more.saturating_mul(SECTOR);
        let dearer = hoster.ask_disk > copy.ask_disk || hoster.ask_receiving > copy.ask_receiving;
        let full = hoster.capacity.saturating_sub(hoster.used) < room;
        let plan_id = copy.plan;
        if !hoster.open || dearer || full || copy.segments.len() >= GROWTH_SEGMENTS as usize {
            Self::let_go(id, &mut copy, &mut plan);
            Self::put_copy_and_plan(id, copy, plan);
            Self::need_hoster(plan_id);
            return;
        }
        copy.bytes = plan.bytes;
        copy.sectors = copy.stored.saturating_add(more);
        let blocks = plan.next_tick.saturating_sub(Self::paid_until(&copy, Self::now()));
        let want = Self::reserve_for(&copy, &plan, blocks);
        // Its need asks as often as a new plan's, and again at each tick if nobody makes it: for a fee, as a plan that wakes.
        let fee = Self::amounts().retry_fee;
        let reserved = plan.reserved.saturating_sub(copy.reserve).saturating_add(want);
        // Else its growth could end the plan at the next tick.
        let beside = fee.saturating_add(Self::era_cost(&plan, Some((id, &copy))));
        if !Self::pot_can_pay(plan_id, &plan, reserved, beside) {
            return;
        }
        Self::set_reserve(&mut copy, &mut plan, want);
        Self::burn_pot_fee(plan_id, &mut plan, fee);
        copy.head = plan.head;
        copy.state = CopyState::Accepted;
        Self::with_hoster(&copy.hoster, |hoster| hoster.used = hoster.used.saturating_add(room));
        Self::draw_hoster(&copy.hoster, |draw| draw.used = draw.used.saturating_add(room));
        Self::want_encoder(id, &copy);
        let bytes = copy.bytes;
        Self::put_copy_and_plan(id, copy, plan);
        Self::deposit_event(Event::GrowthBegun { copy: id, bytes, sectors: more });
    }

    /// A copy that did not become longer stays as it was, in `on_initialize`; `replace`: another is wanted instead.
    pub(crate) fn leave_growth(id: CopyId, replace: bool) {
        let Some((mut copy, mut plan)) = Self::copy_and_plan(id).defensive() else { return };
        Self::forget_current(&mut copy);
        Self::end_job(&mut copy);
        let room = copy.sectors.saturating_sub(copy.stored).saturating_mul(SECTOR);
        copy.bytes = copy.stored_bytes;
        copy.sectors = copy.stored;
        copy.state = CopyState::Active;
        copy.stalls = 0;
        Self::with_hoster(&copy.hoster, |hoster| hoster.used = hoster.used.saturating_sub(room));
        Self::draw_hoster(&copy.hoster, |draw| draw.used = draw.used.saturating_sub(room));
        Self::deposit_event(Event::GrowthLeft { copy: id });
        if replace && copy.leaving == 0 {
            Self::let_go(id, &mut copy, &mut plan);
        }
        let plan_id = copy.plan;
        Self::put_copy_and_plan(id, copy, plan);
        if replace {
            Self::need_hoster(plan_id);
        }
    }
}
