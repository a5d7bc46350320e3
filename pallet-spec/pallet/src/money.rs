//! Money: burning, minting, holds and their counts, a copy's reserve and pay (pallet-spec/README.md section 11).

use crate::{
    types::*, Amount, Burned, Config, Copies, Error, Event, HoldReason, Hosters, Minted, Pallet, Peers, Plans, Ratios,
    Segments, Time,
};
use core::marker::PhantomData;
use frame_support::{
    defensive, ensure,
    traits::{
        fungible::{Inspect, InspectHold, Mutate, MutateHold},
        tokens::{Fortitude, Precision, Preservation},
        Defensive, Get, Imbalance, OnUnbalanced, TryDrop,
    },
};
use sp_core::U256;
use sp_runtime::{traits::AccountIdConversion, AccountId32, DispatchResult, SaturatedConversion};

/// a x b x c / d, rounded down; d = 0 gives 0.
pub fn mul_div(factors: [u128; 3], divisor: u128) -> u128 {
    let [a, b, c] = factors;
    let product = U256::from(a).saturating_mul(U256::from(b)).saturating_mul(U256::from(c));
    narrow(product.checked_div(U256::from(divisor)).unwrap_or_default())
}

/// The same, rounded up.
pub fn mul_div_ceil(factors: [u128; 3], divisor: u128) -> u128 {
    let [a, b, c] = factors;
    let product = U256::from(a).saturating_mul(U256::from(b)).saturating_mul(U256::from(c));
    let (quotient, rest) = match divisor {
        0 => return 0,
        _ => product.div_mod(U256::from(divisor)),
    };
    narrow(quotient).saturating_add(u128::from(!rest.is_zero()))
}

fn narrow(value: U256) -> u128 {
    u128::try_from(value).unwrap_or(u128::MAX)
}

/// Price x sectors / sectors of a GiB, rounded down.
pub fn fee(price: Balance, sectors: u64) -> Balance {
    mul_div([price, sectors.into(), 1], GIB_SECTORS.into())
}

/// The same, rounded up.
pub fn fee_ceil(price: Balance, sectors: u64) -> Balance {
    mul_div_ceil([price, sectors.into(), 1], GIB_SECTORS.into())
}

/// What a pot keeps: what reserves cost at the least ratio, and the surcharge at that ratio of what was paid since the last.
pub fn kept(reserved: Balance, paid: Balance) -> Balance {
    let reserves = U256::from(MARGIN).saturating_mul(U256::from(reserved));
    let surcharge = U256::from(MARGIN.saturating_sub(MIN_RATIO)).saturating_mul(U256::from(paid));
    narrow(reserves.saturating_add(surcharge).saturating_add((MIN_RATIO - 1).into()) / U256::from(MIN_RATIO))
}

/// What was burned of a plan's pot for payments since the last surcharge.
pub fn unsurcharged(plan: &Plan) -> Balance {
    plan.burned.saturating_sub(plan.mark)
}

/// Sectors that the encoding of `rest` may be paid for: the last segment counts as if it had `checkpoint` at least.
pub fn sectors_paid(rest: u64, checkpoint: u32) -> u64 {
    if rest == 0 {
        return 0;
    }
    rest.saturating_add(checkpoint.into())
}

/// Counts what falls out of circulation elsewhere: fees, tips, dust.
pub struct CountBurned<T>(PhantomData<T>);

impl<T: Config> CountBurned<T> {
    pub fn count(amount: Balance) {
        Pallet::<T>::count_burned(amount)
    }
}

impl<T: Config, I: TryDrop + Imbalance<Balance>> OnUnbalanced<I> for CountBurned<T> {
    fn on_nonzero_unbalanced(imbalance: I) {
        Self::count(imbalance.peek())
    }
}

/// Whether a copy's hoster, an encoder or an attester holds money for a role.
pub fn hold_reason(role: Role) -> HoldReason {
    match role {
        Role::Hosting => HoldReason::Hosting,
        Role::Encoding => HoldReason::Encoding,
        Role::Attesting => HoldReason::Attesting,
    }
}

impl<T: Config> Pallet<T> {
    pub(crate) fn now() -> Block {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    /// Genesis always writes them.
    pub(crate) fn times() -> Times {
        Time::<T>::get().defensive_unwrap_or(Times::PRODUCTION)
    }

    /// Genesis always writes them.
    pub(crate) fn amounts() -> Amounts {
        Amount::<T>::get().defensive_unwrap_or(Amounts::DEFAULT)
    }

    pub(crate) fn era() -> Era {
        Self::now() / Self::times().era.max(1)
    }

    pub(crate) fn count_burned(amount: Balance) {
        if amount > 0 {
            Burned::<T>::mutate(|burned| *burned = burned.saturating_add(amount));
        }
    }

    /// What the account can spend and still exist.
    pub(crate) fn ensure_spendable(who: &AccountId32, amount: Balance) -> DispatchResult {
        let spendable = T::Currency::reducible_balance(who, Preservation::Preserve, Fortitude::Polite);
        ensure!(spendable >= amount, Error::<T>::InsufficientBalance);
        Ok(())
    }

    /// Burns a fee.
    pub(crate) fn burn(who: &AccountId32, amount: Balance) -> DispatchResult {
        if amount > 0 {
            let preserve = Preservation::Preserve;
            let burned = T::Currency::burn_from(who, amount, preserve, Precision::Exact, Fortitude::Polite)?;
            Self::count_burned(burned);
        }
        Ok(())
    }

    pub(crate) fn held(who: &AccountId32, role: Role) -> Balance {
        T::Currency::balance_on_hold(&hold_reason(role).into(), who)
    }

    /// Puts that much more on hold.
    pub(crate) fn hold(who: &AccountId32, role: Role, amount: Balance) -> DispatchResult {
        if amount > 0 {
            T::Currency::hold(&hold_reason(role).into(), who, amount)?;
        }
        Ok(())
    }

    /// Gives back up to that much of what is on hold; returns what it was.
    pub(crate) fn unhold(who: &AccountId32, role: Role, amount: Balance) -> Balance {
        let amount = amount.min(Self::held(who, role));
        if amount == 0 {
            return 0;
        }
        // An account whose free balance is gone and whose hold is below the existential deposit keeps its hold.
        T::Currency::release(&hold_reason(role).into(), who, amount, Precision::Exact).unwrap_or(0)
    }

    /// Burns up to that much of what is on hold; returns what it was.
    pub(crate) fn burn_held(who: &AccountId32, role: Role, amount: Balance) -> Balance {
        let amount = amount.min(Self::held(who, role));
        if amount == 0 {
            return 0;
        }
        let reason = hold_reason(role).into();
        let burned = T::Currency::burn_held(&reason, who, amount, Precision::Exact, Fortitude::Force).unwrap_or(0);
        Self::count_burned(burned);
        burned
    }

    /// The account of a plan's pot.
    pub fn pot_account(plan: PlanId) -> AccountId32 {
        T::PalletId::get().into_sub_account_truncating(plan)
    }

    /// V: the pot's balance without the existential deposit.
    pub(crate) fn pot_value(plan: PlanId) -> Balance {
        T::Currency::balance(&Self::pot_account(plan)).saturating_sub(T::Currency::minimum_balance())
    }

    /// What of the pot neither reserves nor surcharges can need.
    pub(crate) fn pot_free(id: PlanId, plan: &Plan) -> Balance {
        Self::pot_value(id).saturating_sub(kept(plan.reserved, unsurcharged(plan)))
    }

    /// Whether the pot can pay reserves of `reserved` in all, after `fee` is burned of it.
    pub(crate) fn pot_can_pay(id: PlanId, plan: &Plan, reserved: Balance, fee: Balance) -> bool {
        kept(reserved, unsurcharged(plan)).saturating_add(fee) <= Self::pot_value(id)
    }

    /// Burns a fee of a plan's pot. It is no payment, so `mark` moves with it.
    pub(crate) fn burn_pot_fee(id: PlanId, plan: &mut Plan, fee: Balance) -> Balance {
        let burned = Self::burn_pot(id, plan, fee);
        plan.mark = plan.mark.saturating_add(burned);
        burned
    }

    /// Burns from a plan's pot.
    pub(crate) fn burn_pot(id: PlanId, plan: &mut Plan, amount: Balance) -> Balance {
        if amount == 0 {
            return 0;
        }
        let pot = Self::pot_account(id);
        let preserve = Preservation::Preserve;
        let burned = T::Currency::burn_from(&pot, amount, preserve, Precision::Exact, Fortitude::Force).unwrap_or(0);
        plan.burned = plan.burned.saturating_add(burned);
        Self::count_burned(burned);
        burned
    }

    /// Mints up to `amount` to `to` and burns it from the copy's reserve alike; returns what was paid.
    pub(crate) fn pay(
        (id, copy): (CopyId, &mut Copy),
        plan: &mut Plan,
        to: &AccountId32,
        amount: Balance,
        what: Payment,
    ) -> Balance {
        let amount = amount.min(copy.reserve);
        let alive = T::Currency::balance(to).saturating_add(amount) >= T::Currency::minimum_balance();
        if amount == 0 || !alive || Self::burn_pot(copy.plan, plan, amount) != amount {
            return 0;
        }
        copy.reserve = copy.reserve.saturating_sub(amount);
        plan.reserved = plan.reserved.saturating_sub(amount);
        // Cannot fail: as much was burned just now, and the account can take it.
        if T::Currency::mint_into(to, amount).defensive().is_ok() {
            Minted::<T>::mutate(|minted| *minted = minted.saturating_add(amount));
        }
        Ratios::<T>::mutate(to, |ratio| ratio.given = ratio.given.saturating_add(amount));
        Self::deposit_event(Event::Paid { copy: id, account: to.clone(), amount, what });
        amount
    }

    /// What a copy must have reserved to pay disk for `blocks` blocks and all else that it can still cost.
    pub(crate) fn reserve_for(copy: &Copy, plan: &Plan, blocks: Block) -> Balance {
        let times = Self::times();
        let rest = copy.sectors.saturating_sub(copy.stored);
        let encoding = if copy.encoder.is_some() { copy.ask_encoding } else { plan.terms.max_ask_encoding };
        let disk = mul_div_ceil(
            [copy.ask_disk, copy.sectors.into(), blocks.into()],
            u128::from(GIB_SECTORS) * u128::from(times.era),
        );
        let parts = [
            disk,
            copy.halves,
            fee_ceil(encoding, sectors_paid(rest, times.checkpoint)),
            fee_ceil(copy.ask_receiving, rest),
            Self::reports_reserve(plan),
        ];
        parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
    }

    /// An account's ratio, in ppm: what it gave to what it took, at most 1; the least if it is no peer.
    pub(crate) fn ratio(account: &AccountId32) -> u32 {
        if !Peers::<T>::contains_key(account) {
            return MIN_RATIO;
        }
        let Ratio { given, taken } = Ratios::<T>::get(account);
        let ratio = mul_div([given.saturating_add(ALLOWANCE), PPM.into(), 1], taken.saturating_add(ALLOWANCE));
        ratio.clamp(MIN_RATIO.into(), PPM.into()) as u32
    }

    /// What an ask costs the pot of that sponsor: with the margin, and dearer the worse its ratio.
    pub(crate) fn cost(sponsor: &AccountId32, ask: Balance) -> Balance {
        mul_div_ceil([ask, MARGIN.into(), 1], Self::ratio(sponsor).into())
    }

    /// Burns what the sponsor's ratio adds to the payments since the last time, and counts what it took: the payments first,
    /// so that who takes much at once does not pay as if it took little. It leaves what the reserves cost at the least ratio.
    pub(crate) fn surcharge(id: PlanId, plan: &mut Plan) {
        let base = unsurcharged(plan);
        if base == 0 {
            return;
        }
        let sponsor = plan.sponsor.clone();
        let take =
            |taken: Balance| Ratios::<T>::mutate(&sponsor, |ratio| ratio.taken = ratio.taken.saturating_add(taken));
        take(base);
        let due = Self::cost(&sponsor, base).saturating_sub(base);
        let due = due.min(Self::pot_value(id).saturating_sub(kept(plan.reserved, 0)));
        let amount = Self::burn_pot(id, plan, due);
        take(amount);
        plan.mark = plan.burned;
        Self::deposit_event(Event::Surcharged { plan: id, base, amount });
    }

    /// What an era of all live copies costs the plan's pot at most: their disk at the least ratio, and the tick's fees. Of a copy
    /// that grows it is that of its new length.
    pub(crate) fn era_cost(plan: &Plan, grown: Option<(CopyId, &Copy)>) -> Balance {
        let fee = Self::amounts().tick_fee;
        let disk = |copy: &Copy| kept(fee_ceil(copy.ask_disk, copy.sectors), 0);
        plan.live.iter().fold(0, |sum, id| {
            let disk = match grown {
                Some((number, copy)) if number == *id => disk(copy),
                _ => Copies::<T>::get(id).defensive().map_or(0, |copy| disk(&copy)),
            };
            sum.saturating_add(disk).saturating_add(fee)
        })
    }

    /// What a copy must have reserved for reports.
    pub(crate) fn reports_reserve(plan: &Plan) -> Balance {
        Self::reports_cost(&plan.terms)
    }

    /// REPORT_ERAS x Seats x the price of a report.
    pub(crate) fn reports_cost(terms: &Terms) -> Balance {
        terms.report_price.saturating_mul(REPORT_ERAS.into()).saturating_mul(Self::times().seats.into())
    }

    /// Moves the difference between a copy's reserve and `want` to or from the pot.
    pub(crate) fn set_reserve(copy: &mut Copy, plan: &mut Plan, want: Balance) {
        plan.reserved = plan.reserved.saturating_sub(copy.reserve).saturating_add(want);
        copy.reserve = want;
    }

    /// Pays what the copy earned since the last collect.
    pub(crate) fn collect_into(id: CopyId, copy: &mut Copy, plan: &mut Plan) {
        let acc = match (copy.frozen, Hosters::<T>::get(&copy.hoster)) {
            (Some(acc), _) => acc,
            (None, Some(hoster)) => hoster.acc,
            (None, None) => {
                defensive!("a copy's hoster has a state");
                return;
            },
        };
        let units = u128::from(copy.stored).saturating_mul(acc.into()).saturating_sub(copy.debt);
        let divisor = u128::from(GIB_SECTORS) * u128::from(Self::times().era) * u128::from(PPM);
        let amount = mul_div([copy.ask_disk, units, 1], divisor);
        let hoster = copy.hoster.clone();
        if Self::pay((id, copy), plan, &hoster, amount, Payment::Storage) > 0 {
            copy.debt = copy.debt.saturating_add(units);
        }
    }

    /// A copy with its plan.
    pub(crate) fn copy_and_plan(id: CopyId) -> Option<(Copy, Plan)> {
        let copy = Copies::<T>::get(id)?;
        let plan = Plans::<T>::get(copy.plan)?;
        Some((copy, plan))
    }

    pub(crate) fn put_copy_and_plan(id: CopyId, copy: Copy, plan: Plan) {
        Plans::<T>::insert(copy.plan, plan);
        Copies::<T>::insert(id, copy);
    }

    pub(crate) fn do_collect(id: CopyId) -> DispatchResult {
        let (mut copy, mut plan) = Self::copy_and_plan(id).ok_or(Error::<T>::NoSuchCopy)?;
        Self::collect_into(id, &mut copy, &mut plan);
        Self::put_copy_and_plan(id, copy, plan);
        Ok(())
    }

    /// The second half of a segment's fee falls due.
    pub(crate) fn pay_half(segment_id: SegmentId) {
        let Some(mut segment) = Segments::<T>::get(segment_id) else { return };
        let Some((mut copy, mut plan)) = Self::copy_and_plan(segment.copy).defensive() else { return };
        let half = core::mem::take(&mut segment.half);
        copy.halves = copy.halves.saturating_sub(half);
        Self::pay((segment.copy, &mut copy), &mut plan, &segment.encoder, half, Payment::SecondHalf);
        Self::with_encoder(&segment.encoder, |encoder| {
            encoder.unreleased = encoder.unreleased.saturating_sub(half);
            encoder.halves = encoder.halves.saturating_sub(1);
        });
        Self::put_copy_and_plan(segment.copy, copy, plan);
        Segments::<T>::insert(segment_id, segment);
    }
}
