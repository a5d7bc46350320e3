//! The ladder of a hoster that does not prove: warned, suspended, evicted and swept; and its announced absence
//! (pallet-spec/README.md section 9).

use crate::{
    draw::copy_table, types::*, Config, CopySlots, Error, Event, HosterDraws, HosterSlots, Hosters, Pallet,
    StorageChallenges,
};
use alloc::collections::BTreeSet;
use frame_support::{ensure, traits::Defensive};
use sp_runtime::{AccountId32, DispatchResult};

impl<T: Config> Pallet<T> {
    /// The hoster in a slot of the draw table and its challenge, if that of block `issued` is open and it is on `step`.
    fn overdue(slot: u32, issued: Block, step: u8) -> Option<(AccountId32, StorageChallenge)> {
        let account = HosterSlots::<T>::get(slot)?;
        let challenge = StorageChallenges::<T>::get(&account).filter(|open| open.issued == issued)?;
        let stands = Hosters::<T>::get(&account).is_some_and(|hoster| hoster.step == step);
        stands.then_some((account, challenge))
    }

    /// R after a miss.
    fn fallen_reputation(account: &AccountId32) -> u32 {
        let before = Self::reputation(account);
        before.saturating_sub(before / 8).max(MIN_REPUTATION)
    }

    /// The challenge issued in block `issued` was not answered in time: it stays open, and the hoster is warned.
    pub(crate) fn proof_missed(slot: u32, issued: Block) {
        let Some((account, challenge)) = Self::overdue(slot, issued, 0) else { return };
        let reputation = Self::fallen_reputation(&account);
        Self::set_reputation_now(&account, reputation);
        Self::warn(slot, account, &challenge, reputation);
    }

    /// A hoster that is asked for a copy says that it lost it: that is its miss, at once.
    pub(crate) fn miss_at_once(account: &AccountId32, copy: CopyId) -> DispatchResult {
        let good = Hosters::<T>::get(account).is_some_and(|hoster| hoster.step == 0);
        let asked = |open: &StorageChallenge| open.samples.iter().any(|sample| sample.copy == copy);
        let Some(challenge) = StorageChallenges::<T>::get(account).filter(|open| good && asked(open)) else {
            return Ok(());
        };
        // Who was challenged stands in the draw table.
        let slot = HosterDraws::<T>::get(account).and_then(|draw| draw.slot).defensive().ok_or(Error::<T>::NoOffer)?;
        let reputation = Self::fallen_reputation(account);
        Self::set_reputation(account, reputation)?;
        Self::warn(slot, account.clone(), &challenge, reputation);
        Ok(())
    }

    /// Step 1: the time up to the challenge is not paid, each copy that was asked for is struck; R has fallen before.
    fn warn(slot: u32, account: AccountId32, challenge: &StorageChallenge, reputation: u32) {
        let issued = challenge.issued;
        Self::with_hoster(&account, |hoster| {
            hoster.step = 1;
            hoster.last = hoster.last.max(issued);
            hoster.missed = hoster.missed.saturating_add(1);
        });
        Self::deposit_event(Event::StorageMissed { hoster: account.clone(), issued, reputation });
        let copies: BTreeSet<CopyId> = challenge.samples.iter().map(|sample| sample.copy).collect();
        copies.into_iter().for_each(Self::strike);
        Self::still_due(Wait::Recheck, slot, (account, issued), 1);
    }

    /// Arms the next deadline of the same challenge.
    fn still_due(wait: Wait, slot: u32, (hoster, issued): (AccountId32, Block), step: u8) {
        let times = Self::times();
        let blocks = if wait == Wait::LastCall { times.era } else { times.proof_window };
        Self::arm(wait, blocks, slot.into(), issued.into());
        let due = Self::now().saturating_add(blocks);
        Self::deposit_event(Event::HosterOverdue { hoster, issued, step, due });
    }

    /// Step 2: the second deadline passed.
    pub(crate) fn recheck_missed(slot: u32, issued: Block) {
        let Some((account, _)) = Self::overdue(slot, issued, 1) else { return };
        Self::with_hoster(&account, |hoster| hoster.step = 2);
        Self::set_reputation_now(&account, Self::fallen_reputation(&account));
        Self::still_due(Wait::LastCall, slot, (account, issued), 2);
    }

    /// Step 3: the last deadline passed; its copies are swept.
    pub(crate) fn evict(slot: u32, issued: Block) {
        let Some((account, _)) = Self::overdue(slot, issued, 2) else { return };
        StorageChallenges::<T>::remove(&account);
        Self::with_hoster(&account, |hoster| hoster.step = 3);
        Self::put_hoster_out(&account);
        Self::arm(Wait::Sweep, 1, slot.into(), 0);
        Self::deposit_event(Event::HosterEvicted { hoster: account });
    }

    /// Ends some of an evicted hoster's copies; returns what it counts.
    pub(crate) fn sweep_hoster(slot: u32) -> u32 {
        let Some(account) = HosterSlots::<T>::get(slot) else { return 1 };
        let mut ended = 0u32;
        while ended < SWEEP {
            let Some((place, _)) = copy_table::<T>(&account).pick(0) else { break };
            let Some(copy) = CopySlots::<T>::get(&account, place).defensive() else { break };
            Self::forfeit(copy, EVICTION_PART);
            Self::end_copy(copy, CopyEnd::Evicted);
            ended = ended.saturating_add(1);
        }
        if copy_table::<T>(&account).total() == 0 {
            Self::with_hoster(&account, |hoster| hoster.step = 0);
            Self::deposit_event(Event::HosterCleared { hoster: account });
        } else {
            Self::arm(Wait::Sweep, 1, slot.into(), 0);
        }
        ended.max(1)
    }

    /// A hoster owes no proof any more; the time until now is not paid.
    pub(crate) fn clear(account: AccountId32) {
        let now = Self::now();
        Self::with_hoster(&account, |hoster| {
            hoster.step = 0;
            hoster.last = hoster.last.max(now);
        });
        Self::deposit_event(Event::HosterCleared { hoster: account });
    }

    /// A copy that ended is no longer asked for; the challenge goes with its last sample.
    pub(crate) fn drop_samples(account: &AccountId32, copy: CopyId) {
        let Some(mut challenge) = StorageChallenges::<T>::get(account) else { return };
        let before = challenge.samples.len();
        challenge.samples.retain(|sample| sample.copy != copy);
        if challenge.samples.len() == before {
            return;
        }
        if !challenge.samples.is_empty() {
            StorageChallenges::<T>::insert(account, challenge);
            return;
        }
        StorageChallenges::<T>::remove(account);
        if Hosters::<T>::get(account).is_some_and(|hoster| matches!(hoster.step, 1 | 2)) {
            Self::clear(account.clone());
        }
    }

    pub(crate) fn do_pause(account: AccountId32) -> DispatchResult {
        let mut hoster = Hosters::<T>::get(&account).ok_or(Error::<T>::NoOffer)?;
        ensure!(hoster.step == 0, Error::<T>::WrongState);
        let times = Self::times();
        let now = Self::now();
        let gap = times.era.saturating_mul(PAUSE_ERAS);
        ensure!(hoster.pause.is_none_or(|last| now >= last.saturating_add(gap)), Error::<T>::PauseTooSoon);
        hoster.pause = Some(now);
        Hosters::<T>::insert(&account, hoster);
        let start = now.saturating_add(times.proof_window);
        Self::deposit_event(Event::HosterPaused { account, start, end: start.saturating_add(times.pause) });
        Ok(())
    }
}
