//! The order of a block, and what every expired wait does (pallet-spec/README.md sections 5 and 13).

use crate::{
    crypto::hash, types::*, weights, Begins, Config, Eras, Pallet, Retrievals, SeedOverride, Seeds, SlotCount,
};
use frame_support::{
    traits::{Defensive, Randomness},
    weights::Weight,
};

impl<T: Config> Pallet<T> {
    /// All that a block does before its extrinsics.
    pub(crate) fn begin_block() -> Weight {
        Begins::<T>::kill();
        Self::draw_seed();
        Self::begin_era();
        let changes = weights::change().saturating_mul(Self::apply_changes().into());
        let expiries = Wait::ALL.into_iter().fold(Weight::zero(), |sum, wait| {
            let counted = Self::expire(wait);
            sum.saturating_add(weights::expiry(wait).saturating_mul(counted.into()))
        });
        Self::issue_challenges();
        let tries = weights::attempt().saturating_mul(Self::place().into());
        weights::block().saturating_add(changes).saturating_add(expiries).saturating_add(tries)
    }

    fn draw_seed() {
        let now = Self::now();
        let seed = match SeedOverride::<T>::get() {
            Some(value) => hash(&[value.as_bytes(), &u64::from(now).to_le_bytes()]),
            None => T::Randomness::random(&[]).0,
        };
        Seeds::<T>::insert(now, seed);
        if let Some(old) = now.checked_sub(SEEDS) {
            Seeds::<T>::remove(old);
        }
    }

    /// seed(now), once it is drawn.
    pub(crate) fn seed() -> sp_core::H256 {
        Seeds::<T>::get(Self::now()).defensive_unwrap_or_default()
    }

    fn begin_era() {
        if Self::now() % Self::times().era.max(1) != 0 {
            return;
        }
        let era = Self::era();
        Eras::<T>::insert(era, EraInfo { seed: Self::seed(), slots: SlotCount::<T>::get() });
        if let Some(old) = era.checked_sub(ERAS) {
            Eras::<T>::remove(old);
        }
    }

    /// Expiries of one kind: whole heads while fewer are counted than a block takes.
    pub(crate) fn expire(wait: Wait) -> u32 {
        let mut counted = 0u32;
        while counted < wait.a_block() {
            let Some(deadline) = Self::next_due(wait) else { break };
            counted = counted.saturating_add(Self::act(wait, deadline));
        }
        counted
    }

    /// What an expired wait does; returns what it counts.
    pub(crate) fn act(wait: Wait, Deadline { due, id, tag }: Deadline) -> u32 {
        match wait {
            Wait::Decline => Self::accept(id),
            Wait::EncoderDraw => Self::no_encoder(id, tag),
            Wait::Begin => Self::begin_missed(id, tag),
            Wait::Salt => Self::draw_salt(id, tag, due),
            Wait::Lease => Self::lease_passed(id, tag),
            Wait::Proof => Self::proof_missed(id as u32, tag as Block),
            Wait::Half => Self::pay_half(id),
            Wait::Tick => return Self::tick(id),
            Wait::EndPlan => return Self::end_called(id, tag),
            Wait::Settle => Retrievals::<T>::remove(tag as Era, id),
            Wait::Records if tag == 0 => Self::remove_records(id),
            Wait::Records => Self::free_slot(id as u32),
            Wait::Recheck => Self::recheck_missed(id as u32, tag as Block),
            Wait::LastCall => Self::evict(id as u32, tag as Block),
            Wait::Drop => Self::drop_due(id, tag),
            Wait::Leave => Self::drop_copy(id, CopyEnd::Left),
            Wait::Sweep => return Self::sweep_hoster(id as u32),
            Wait::Report => Self::forget_report(id),
        }
        1
    }
}
