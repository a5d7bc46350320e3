//! Changed terms of a plan (pallet-spec/README.md section 14).

use crate::{types::*, Config, Copies, Error, Event, Pallet, Plans, Shares};
use alloc::vec::Vec;
use frame_support::ensure;
use sp_core::U256;
use sp_runtime::{AccountId32, DispatchResult};

impl Terms {
    /// Whether they ask for no more than others did: of those who gave for a plan nobody is surprised. A later `until` is the
    /// same for longer.
    fn within(&self, old: &Terms) -> bool {
        self.replicas <= old.replicas
            && self.max_ask_disk <= old.max_ask_disk
            && self.max_ask_encoding <= old.max_ask_encoding
            && self.max_ask_receiving <= old.max_ask_receiving
            && self.min_reputation <= old.min_reputation
            && (self.regions == old.regions || self.regions.is_empty())
            && self.max_latency_ms == old.max_latency_ms
            && self.min_kib_per_s == old.min_kib_per_s
    }
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_amend_plan(account: AccountId32, id: PlanId, terms: Terms) -> DispatchResult {
        let mut plan = Plans::<T>::get(id).ok_or(Error::<T>::NoSuchPlan)?;
        ensure!(plan.sponsor == account, Error::<T>::NotSponsor);
        ensure!(plan.state == PlanState::Live, Error::<T>::PlanNotLive);
        Self::check_terms(&terms)?;
        let old = &plan.terms;
        let same = terms.report_price == old.report_price && (old.live || !terms.live);
        // No sooner than `end_plan` could end it.
        let soonest = old.until.min(Self::now().saturating_add(Self::times().end_notice));
        ensure!(same && terms.until >= soonest, Error::<T>::BadTerms);
        let own = Shares::<T>::get(id, &account).unwrap_or(0);
        // What the sponsor bought beside others does not count: nobody can buy this right.
        let others = U256::from(plan.shares.saturating_sub(own)).saturating_mul(WIDENING_PART.into());
        ensure!(others <= U256::from(plan.founded) || terms.within(old), Error::<T>::AmendTooWide);
        plan.terms = terms.clone();
        plan.fresh = Self::now().saturating_add(Self::times().seed_delay);
        let stays = |copy: &CopyId| Copies::<T>::get(copy).is_some_and(|copy| copy.leaving == 0);
        let staying = plan.live.iter().copied().filter(stays);
        let beyond: Vec<CopyId> = staying.skip(terms.replicas.into()).collect();
        Self::deposit_event(Event::PlanAmended { plan: id, terms });
        beyond.into_iter().for_each(|copy| Self::dismiss(copy, &mut plan));
        Plans::<T>::insert(id, plan);
        Self::need_hoster(id);
        Ok(())
    }
}
