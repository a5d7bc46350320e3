//! Plans: publication, donations, ticks, the end, refunds (pallet-spec/README.md sections 7 and 11).

use crate::{
    crypto::Refused,
    heads::{self, BadHead},
    money::{fee_ceil, kept, mul_div, sectors_paid},
    offers::is_region,
    ranges::{self, BadRanges},
    types::*,
    Config, Copies, Error, Event, Frozen, Hosters, NextPlan, Pallet, Plans, Roots, Shares,
};
use alloc::vec::Vec;
use frame_support::{
    ensure,
    traits::{
        fungible::{Inspect, Mutate},
        tokens::Preservation,
        Defensive,
    },
    BoundedVec,
};
use sp_runtime::{AccountId32, DispatchResult};

/// Tags of `Wait::EndPlan`: why the plan ends.
pub(crate) const CALLED: u64 = 0;
pub(crate) const FORKED: u64 = 1;

impl Plan {
    /// A live plan of one donor, without bytes, blocks and shares; its need of a hoster is in the queue.
    fn of(sponsor: AccountId32, feed: Key, head: Head, ranges: BoundedVec<Range, MaxRanges>, terms: Terms) -> Self {
        Self {
            sponsor,
            feed,
            head,
            ranges,
            bytes: 0,
            sectors: 0,
            terms,
            state: PlanState::Live,
            published: 0,
            next_tick: 0,
            shares: 0,
            donors: 1,
            reserved: 0,
            burned: 0,
            live: Default::default(),
            records: 0,
            former: Default::default(),
            queued: true,
            ending: false,
            remainder: None,
            confirmed: false,
            waiting: false,
            declined: 0,
            stalls: 0,
            leaving: 0,
            mark: 0,
            fresh: 0,
            founded: 0,
        }
    }
}

impl Plan {
    /// Whether it wants one hoster more; until something is confirmed it has one copy at a time.
    pub fn wants(&self) -> bool {
        let most = if self.confirmed { self.terms.replicas.into() } else { 1 };
        let staying = self.live.len().saturating_sub(self.leaving.into());
        self.state == PlanState::Live && !self.waiting && staying < most && self.live.len() < MAX_REPLICAS as usize
    }
}

impl<T: Config> Pallet<T> {
    pub(crate) fn check_head(signed: &SignedHead) -> Result<Head, Error<T>> {
        heads::check(signed).map_err(|bad| match bad {
            BadHead::Manifest => Error::<T>::BadManifest,
            BadHead::Key => Error::<T>::WrongFeedKey,
            BadHead::Head => Error::<T>::BadHead,
            BadHead::Signature(Refused::SmallOrder) => Error::<T>::SmallOrderKey,
            BadHead::Signature(Refused::Invalid) => Error::<T>::BadSignature,
        })
    }

    pub(crate) fn check_terms(terms: &Terms) -> DispatchResult {
        let amounts = [terms.max_ask_disk, terms.max_ask_encoding, terms.max_ask_receiving, terms.report_price];
        ensure!(amounts.iter().all(|amount| *amount <= MAX_AMOUNT), Error::<T>::AmountTooLarge);
        let times = Self::times();
        let now = Self::now();
        let last = now.saturating_add(times.plan_eras.saturating_mul(times.era));
        let until = terms.until > now && terms.until <= last;
        ensure!((1..=MAX_REPLICAS).contains(&terms.replicas.into()) && until, Error::<T>::BadTerms);
        let regions = terms.regions.iter().all(|region| !region.is_empty() && is_region(region));
        ensure!(regions && terms.min_reputation <= PPM, Error::<T>::BadTerms);
        Ok(())
    }

    /// Measures the ranges; the last of a live plan's ends where the feed does.
    fn check_ranges(
        signed: &SignedHead,
        ranges: &[BlockRange],
        nodes: &[OpenedNode],
        live: bool,
    ) -> Result<Vec<Range>, Error<T>> {
        let at_end = ranges.last().is_some_and(|range| range.end == signed.length);
        ensure!(at_end || !live, Error::<T>::BadRanges);
        ranges::prove(signed.length, &signed.roots, ranges, nodes).map_err(|bad| match bad {
            BadRanges::Ranges => Error::<T>::BadRanges,
            BadRanges::Nodes => Error::<T>::BadNodes,
        })
    }

    /// What publication must put into the pot: what is kept for the reserves of all replicas at the caps for one era.
    fn least_pot(terms: &Terms, sectors: u64) -> Balance {
        let encoded = sectors_paid(sectors, Self::times().checkpoint);
        let parts = [
            fee_ceil(terms.max_ask_disk, sectors),
            fee_ceil(terms.max_ask_encoding, encoded),
            fee_ceil(terms.max_ask_receiving, sectors),
        ];
        let each = parts.iter().fold(Self::reports_cost(terms), |sum, part| sum.saturating_add(*part));
        kept(each.saturating_mul(terms.replicas.into()), 0)
    }

    pub(crate) fn do_publish_plan(
        sponsor: AccountId32,
        signed: SignedHead,
        ranges: Vec<BlockRange>,
        nodes: Vec<OpenedNode>,
        terms: Terms,
        pot: Balance,
    ) -> DispatchResult {
        Self::check_terms(&terms)?;
        let amounts = Self::amounts();
        ensure!(terms.report_price >= amounts.report_price, Error::<T>::BadTerms);
        ensure!(pot <= MAX_AMOUNT, Error::<T>::AmountTooLarge);
        let head = Self::check_head(&signed)?;
        ensure!(!Frozen::<T>::contains_key(signed.key), Error::<T>::FeedFrozen);
        let ranges = Self::check_ranges(&signed, &ranges, &nodes, terms.live)?;
        let bytes = ranges.iter().fold(0u64, |sum, range| sum.saturating_add(range.bytes));
        ensure!((1..=MAX_PLAN_BYTES).contains(&bytes), Error::<T>::BadPlanSize);
        let sectors = bytes.div_ceil(SECTOR);
        ensure!(pot >= amounts.min_donation, Error::<T>::DonationTooSmall);
        ensure!(pot >= Self::least_pot(&terms, sectors), Error::<T>::PotTooSmall);
        let deposit = pot.saturating_add(T::Currency::minimum_balance());
        Self::ensure_spendable(&sponsor, amounts.publish_fee.saturating_add(deposit))?;

        let id = NextPlan::<T>::get();
        NextPlan::<T>::put(id.saturating_add(1));
        Self::burn(&sponsor, amounts.publish_fee)?;
        T::Currency::transfer(&sponsor, &Self::pot_account(id), deposit, Preservation::Preserve)?;
        let ranges = ranges.try_into().map_err(|_| Error::<T>::BadRanges)?;
        let times = Self::times();
        let now = Self::now();
        let plan = Plan {
            bytes,
            sectors,
            published: now,
            next_tick: now.saturating_add(times.era),
            shares: pot,
            founded: pot,
            ..Plan::of(sponsor.clone(), signed.key, head, ranges, terms)
        };
        let ready = now.saturating_add(times.seed_delay);
        Plans::<T>::insert(id, plan);
        Self::push_need(Need { kind: NeedKind::Hoster, id, ready, misses: 0, rounds: 0 });
        Self::arm(Wait::Tick, times.era, id, 0);
        Roots::<T>::insert(id, signed.roots);
        Shares::<T>::insert(id, &sponsor, pot);
        Self::deposit_event(Event::PlanPublished { plan: id, sponsor, feed: signed.key, bytes, pot });
        Ok(())
    }

    pub(crate) fn do_donate(account: AccountId32, id: PlanId, amount: Balance, fresh: Block) -> DispatchResult {
        let mut plan = Plans::<T>::get(id).ok_or(Error::<T>::NoSuchPlan)?;
        ensure!(plan.state == PlanState::Live, Error::<T>::PlanNotLive);
        // A sponsor may have changed the terms since the donor read them.
        ensure!(plan.fresh == fresh, Error::<T>::TermsChanged);
        ensure!(amount <= MAX_AMOUNT, Error::<T>::AmountTooLarge);
        ensure!(amount >= Self::amounts().min_donation, Error::<T>::DonationTooSmall);
        let value = Self::pot_value(id);
        ensure!(
            value > 0 && value.saturating_mul(PPM.into()).saturating_mul(PPM.into()) >= plan.shares,
            Error::<T>::PotExhausted
        );
        Self::ensure_spendable(&account, amount)?;
        T::Currency::transfer(&account, &Self::pot_account(id), amount, Preservation::Preserve)?;
        let shares = mul_div([amount, plan.shares, 1], value);
        plan.shares = plan.shares.saturating_add(shares);
        // A live plan's only donor is its sponsor.
        if plan.sponsor == account && plan.donors == 1 {
            plan.founded = plan.founded.saturating_add(shares);
        }
        Shares::<T>::mutate(id, &account, |held| {
            if held.is_none() {
                plan.donors = plan.donors.saturating_add(1);
            }
            *held = Some(held.unwrap_or(0).saturating_add(shares));
        });
        Plans::<T>::insert(id, plan);
        Self::deposit_event(Event::Donated { plan: id, account, amount, shares });
        Ok(())
    }

    pub(crate) fn do_end_plan(account: AccountId32, id: PlanId) -> DispatchResult {
        let plan = Plans::<T>::get(id).ok_or(Error::<T>::NoSuchPlan)?;
        ensure!(plan.sponsor == account, Error::<T>::NotSponsor);
        ensure!(plan.state == PlanState::Live, Error::<T>::PlanNotLive);
        ensure!(!plan.ending, Error::<T>::AlreadyEnding);
        Self::end_later(id, plan, CALLED);
        Ok(())
    }

    /// The plan ends when `EndNotice` is over; the tag says why.
    pub(crate) fn end_later(id: PlanId, mut plan: Plan, tag: u64) {
        plan.ending = true;
        Plans::<T>::insert(id, plan);
        let notice = Self::times().end_notice;
        Self::arm(Wait::EndPlan, notice, id, tag);
        Self::deposit_event(Event::PlanEnding { plan: id, block: Self::now().saturating_add(notice) });
    }

    /// The plan needs a hoster, unless it has that need already.
    pub(crate) fn need_hoster(id: PlanId) {
        let Some(mut plan) = Plans::<T>::get(id) else { return };
        if plan.queued || !plan.wants() {
            return;
        }
        plan.queued = true;
        Plans::<T>::insert(id, &plan);
        let ready = Self::now().saturating_add(Self::times().seed_delay);
        Self::push_need(Need { kind: NeedKind::Hoster, id, ready, misses: 0, rounds: 0 });
    }

    /// The plan's tick; returns what it counts: 1 and its live copies. All of it is about now, however late it comes: time that was over when it
    /// was reserved would be paid to nobody.
    pub(crate) fn tick(id: PlanId) -> u32 {
        let Some(plan) = Plans::<T>::get(id).filter(|plan| plan.state == PlanState::Live) else { return 1 };
        let live = plan.live.clone();
        let count = (live.len() as u32).max(1).saturating_add(1);
        for copy in &live {
            // Cannot fail: a live plan's live copies exist.
            let _ = Self::do_collect(*copy).defensive();
        }
        let Some(mut plan) = Plans::<T>::get(id).defensive() else { return count };
        Self::surcharge(id, &mut plan);
        Plans::<T>::insert(id, &plan);
        let end = match () {
            _ if Frozen::<T>::contains_key(plan.feed) => Some(PlanEnd::Frozen),
            _ if Self::now() >= plan.terms.until => Some(PlanEnd::Until),
            _ if !Self::prepay(id, &live) => Some(PlanEnd::Unpaid),
            _ => None,
        };
        match end {
            Some(reason) => Self::finish_plan(id, reason),
            None => {
                Self::grow(id);
                Self::wake(id);
            },
        }
        count
    }

    /// Burns the tick's fees and sets the reserves of a plan's live copies until its next tick; false if the pot cannot pay
    /// them, or the retry fee of a plan without copies: it would have its ticks for nothing.
    fn prepay(id: PlanId, live: &[CopyId]) -> bool {
        let Some(mut plan) = Plans::<T>::get(id).defensive() else { return false };
        let Amounts { retry_fee, tick_fee, .. } = Self::amounts();
        if live.is_empty() && Self::pot_free(id, &plan) < retry_fee {
            return false;
        }
        let next = Self::now().saturating_add(Self::times().era);
        let mut copies: Vec<(CopyId, Copy)> =
            live.iter().filter_map(|copy| Some((*copy, Copies::<T>::get(copy).defensive()?))).collect();
        let wants: Vec<Balance> = copies
            .iter()
            .map(|(_, copy)| Self::reserve_for(copy, &plan, next.saturating_sub(Self::paid_until(copy, Self::now()))))
            .collect();
        let old = copies.iter().fold(0u128, |sum, (_, copy)| sum.saturating_add(copy.reserve));
        let want = wants.iter().fold(0u128, |sum, want| sum.saturating_add(*want));
        let fees = tick_fee.saturating_mul(live.len() as u128);
        if !Self::pot_can_pay(id, &plan, plan.reserved.saturating_sub(old).saturating_add(want), fees) {
            return false;
        }
        Self::burn_pot_fee(id, &mut plan, fees);
        for ((copy_id, copy), want) in copies.iter_mut().zip(wants) {
            Self::set_reserve(copy, &mut plan, want);
            Copies::<T>::insert(*copy_id, &*copy);
        }
        plan.next_tick = next;
        let low = Self::pot_free(id, &plan) < Self::era_cost(&plan, None);
        Plans::<T>::insert(id, plan);
        Self::arm_at(Wait::Tick, next, id, 0);
        if low {
            Self::deposit_event(Event::PotLow { plan: id, block: next });
        }
        true
    }

    /// A plan that waited, or whose need sleeps, asks again, for a fee. Without a copy it pays the fee also while its need is
    /// queued. It asks for one round: the lane that it comes to is one that others wait in, too.
    fn wake(id: PlanId) {
        let Some(mut plan) = Plans::<T>::get(id).defensive() else { return };
        plan.waiting = false;
        plan.declined = 0;
        let fee = Self::amounts().retry_fee;
        let asks = plan.wants() && !plan.queued && Self::pot_free(id, &plan) >= fee;
        if asks || plan.live.is_empty() {
            Self::burn_pot_fee(id, &mut plan, fee);
        }
        plan.queued |= asks;
        Plans::<T>::insert(id, plan);
        if asks {
            let ready = Self::now().saturating_add(Self::times().seed_delay);
            let rounds = HOSTER_ROUNDS.saturating_sub(1);
            Self::push_need(Need { kind: NeedKind::Hoster, id, ready, misses: 0, rounds });
        }
    }

    /// L: the block from which a copy's disk is still to be paid.
    pub(crate) fn paid_until(copy: &Copy, now: Block) -> Block {
        match (copy.first_confirmed, Hosters::<T>::get(&copy.hoster)) {
            (Some(first), Some(hoster)) => first.max(hoster.last),
            _ => now,
        }
    }

    /// `end_plan`, or a fork of the feed, falls due; returns what it counts.
    pub(crate) fn end_called(id: PlanId, tag: u64) -> u32 {
        let Some(plan) = Plans::<T>::get(id).filter(|plan| plan.state == PlanState::Live) else { return 1 };
        let reason = if tag == FORKED { PlanEnd::Forked } else { PlanEnd::Called };
        Self::finish_plan(id, reason);
        (plan.live.len() as u32).max(1)
    }

    fn finish_plan(id: PlanId, reason: PlanEnd) {
        let Some(mut plan) = Plans::<T>::get(id).defensive() else { return };
        plan.state = PlanState::Ended;
        let live = plan.live.clone();
        Plans::<T>::insert(id, plan);
        Self::deposit_event(Event::PlanEnded { plan: id, reason });
        for copy in live {
            Self::end_copy(copy, CopyEnd::PlanEnded);
        }
        Self::fix_remainder(id);
    }

    /// Fixes what is left for the donors, once the plan has ended and its last copy's records are gone.
    pub(crate) fn fix_remainder(id: PlanId) {
        let Some(mut plan) = Plans::<T>::get(id).defensive() else { return };
        if plan.state != PlanState::Ended || plan.records > 0 || plan.remainder.is_some() {
            return;
        }
        Self::surcharge(id, &mut plan);
        let remainder = Self::pot_value(id);
        plan.remainder = Some(remainder);
        Plans::<T>::insert(id, plan);
        Self::deposit_event(Event::PlanClaimable { plan: id, remainder });
    }

    /// Pays a donor its part of the remainder, whoever asks for it.
    pub(crate) fn do_claim_refund(id: PlanId, account: AccountId32) -> DispatchResult {
        let mut plan = Plans::<T>::get(id).ok_or(Error::<T>::NoSuchPlan)?;
        let remainder = plan.remainder.ok_or(Error::<T>::NotClaimable)?;
        let shares = Shares::<T>::take(id, &account).ok_or(Error::<T>::NoShares)?;
        plan.donors = plan.donors.saturating_sub(1);
        let pot = Self::pot_account(id);
        let last = plan.donors == 0;
        let part = if last { Self::pot_value(id) } else { mul_div([remainder, shares, 1], plan.shares) };
        // What an account that is gone would not exist with stays in the pot: else one such donor kept the plan for ever.
        let alive = T::Currency::balance(&account).saturating_add(part) >= T::Currency::minimum_balance();
        let amount = if alive { part } else { 0 };
        if amount > 0 {
            T::Currency::transfer(&pot, &account, amount, Preservation::Preserve)?;
        }
        if last {
            let deposit = T::Currency::balance(&pot);
            T::Currency::transfer(&pot, &plan.sponsor, deposit, Preservation::Expendable)?;
            Plans::<T>::remove(id);
            Roots::<T>::remove(id);
        } else {
            Plans::<T>::insert(id, plan);
        }
        Self::deposit_event(Event::Refunded { plan: id, account, amount });
        if last {
            Self::deposit_event(Event::PlanClosed { plan: id });
        }
        Ok(())
    }
}
