//! What a chain of version 2 becomes at the upgrade to version 3, and one of versions 3 to 7 at the upgrade to version 8: every
//! value keeps what it said, and what is new begins as pallet-spec/README.md section 22 says.
//!
//! New fields stand at the end of their types, so the older form of a value is read of the newer one, too: a chain of version 2
//! becomes one of version 8 by both, one after the other.
//!
//! All is done in the upgrade's own block: a chain that is too large for that must bring its own stepped migration.

mod version_2;
mod version_7;

use self::{version_2::*, version_7::*};
use crate::{
    types::*, Amount, Changes, Config, Copies, EncoderDraws, Encoders, HosterDraws, Hosters, Pallet, Plans, Slots,
    StorageChallenges, Time,
};
use alloc::vec::Vec;
use frame_support::{
    migrations::VersionedMigration,
    storage_alias,
    traits::{Defensive, Get, UncheckedOnRuntimeUpgrade},
    weights::Weight,
    BoundedVec, Twox64Concat,
};

/// From version 2's storage (pallet version 0) to version 3's (1).
pub type ToVersion3<T> = VersionedMigration<0, 1, Version3<T>, Pallet<T>, <T as frame_system::Config>::DbWeight>;

/// The migration itself, whatever the pallet's storage version.
pub struct Version3<T>(core::marker::PhantomData<T>);

/// From the storage of versions 3 to 7 (pallet version 1) to version 8's (2).
pub type ToVersion8<T> = VersionedMigration<1, 2, Version8<T>, Pallet<T>, <T as frame_system::Config>::DbWeight>;

/// The migration itself, whatever the pallet's storage version.
pub struct Version8<T>(core::marker::PhantomData<T>);

/// The one FIFO in which needs stood.
mod one_fifo {
    use super::*;

    #[storage_alias]
    pub type Needs<T: Config> = StorageMap<Pallet<T>, Twox64Concat, u64, OldNeed>;
    #[storage_alias]
    pub type NeedQueue<T: Config> = StorageValue<Pallet<T>, Fifo>;
}

impl<T: Config> UncheckedOnRuntimeUpgrade for Version3<T> {
    fn on_runtime_upgrade() -> Weight {
        let needs = take_needs::<T>();
        let mut count = needs.len() as u64;
        // Cannot fail: genesis wrote both.
        let _ = Time::<T>::translate(|old: Option<OldTimes>| old.map(Into::into)).defensive();
        let _ = Amount::<T>::translate(|old: Option<OldAmounts>| old.map(Into::into)).defensive();
        Hosters::<T>::translate(|_, old: OldHoster| counted(&mut count, old.into()));
        Encoders::<T>::translate(|_, old: OldEncoder| counted(&mut count, old.into()));
        HosterDraws::<T>::translate(|account, old: OldHosterDraw| {
            let offer = Hosters::<T>::get(&account).defensive()?;
            counted(&mut count, old.with(&offer))
        });
        EncoderDraws::<T>::translate(|account, old: OldEncoderDraw| {
            let offer = Encoders::<T>::get(&account).defensive()?;
            counted(&mut count, old.with(&offer))
        });
        Plans::<T>::translate(|_, old: OldPlan| counted(&mut count, old.into()));
        Copies::<T>::translate(|_, old: OldCopy| {
            let plan = Plans::<T>::get(old.plan).defensive()?;
            counted(&mut count, old.with(plan.head))
        });
        Plans::<T>::translate_values(|mut plan: Plan| {
            plan.confirmed = plan.live.iter().filter_map(Copies::<T>::get).any(|copy| copy.stored > 0);
            counted(&mut count, plan)
        });
        Changes::<T>::translate(|_, old: BoundedVec<OldChange, frame_support::traits::ConstU32<MAX_CHANGES>>| {
            let new = old.into_iter().filter_map(now_change::<T>).collect::<Vec<_>>();
            counted(&mut count, new.try_into().ok().defensive()?)
        });
        StorageChallenges::<T>::translate_values(|mut challenge: StorageChallenge| {
            challenge
                .samples
                .retain(|sample| Copies::<T>::get(sample.copy).is_some_and(|copy| copy.state != CopyState::Ended));
            (!challenge.samples.is_empty()).then_some(challenge)
        });
        for OldNeed { kind, id, ready, misses } in needs {
            Pallet::<T>::push_need(Need { kind, id, ready, misses, rounds: 0 });
        }
        T::DbWeight::get().reads_writes(count.saturating_mul(2), count.saturating_mul(2))
    }
}

impl<T: Config> UncheckedOnRuntimeUpgrade for Version8<T> {
    fn on_runtime_upgrade() -> Weight {
        // Of the amounts, which genesis wrote: it cannot fail.
        let mut count = 1;
        let _ = Amount::<T>::translate(|old: Option<AmountsOfSeven>| old.map(Into::into)).defensive();
        Plans::<T>::translate(|_, old: PlanOfSeven| counted(&mut count, old.into()));
        Slots::<T>::translate_values(|slot: Slot| {
            let ask = slot.ask.min(Amounts::DEFAULT.report_price);
            counted(&mut count, Slot { ask, ..slot })
        });
        T::DbWeight::get().reads_writes(count, count)
    }
}

/// Takes all needs out of the one FIFO, in their order.
fn take_needs<T: Config>() -> Vec<OldNeed> {
    let mut needs: Vec<(u64, OldNeed)> = one_fifo::Needs::<T>::drain().collect();
    needs.sort_by_key(|(place, _)| *place);
    one_fifo::NeedQueue::<T>::kill();
    needs.into_iter().map(|(_, need)| need).collect()
}

/// Counts a value that is written.
fn counted<V>(count: &mut u64, value: V) -> Option<V> {
    *count = count.saturating_add(1);
    Some(value)
}

/// A change that waits; an offer's says what its offer asks.
fn now_change<T: Config>(old: OldChange) -> Option<Change> {
    Some(match old {
        OldChange::HosterOffered { account, capacity, collateral } => {
            let Hoster { ask_disk, ask_receiving, region, .. } = Hosters::<T>::get(&account).defensive()?;
            Change::HosterOffered { account, capacity, collateral, ask_disk, ask_receiving, region }
        },
        OldChange::EncoderOffered { account, bond } => {
            let Encoder { ask, .. } = Encoders::<T>::get(&account).defensive()?;
            Change::EncoderOffered { account, bond, ask }
        },
        OldChange::HosterWithdrawn { account } => Change::HosterWithdrawn { account },
        OldChange::HosterReleased { account } => Change::HosterReleased { account },
        OldChange::EncoderWithdrawn { account } => Change::EncoderWithdrawn { account },
        OldChange::EncoderReleased { account } => Change::EncoderReleased { account },
        OldChange::Reputation { account, reputation } => Change::Reputation { account, reputation },
        OldChange::Declined { account, bytes, plan } => Change::Declined { account, bytes, plan },
        OldChange::Confirmed { copy, sectors, encoder } => Change::Confirmed { copy, sectors, encoder },
    })
}
