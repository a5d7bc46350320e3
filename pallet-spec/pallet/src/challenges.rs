//! Storage challenges: issue, proof (pallet-spec/README.md section 9).

use crate::{
    crypto::draw, draw::copy_table, merkle::proven_root, segments::passed_reputation, types::*, Config, Copies,
    CopySlots, Error, Event, HosterDraws, Hosters, Pallet, Segments, StorageChallenges, Storing, StoringCount,
};
use alloc::{collections::BTreeSet, vec::Vec};
use codec::Encode;
use frame_support::{ensure, traits::Defensive};
use sp_runtime::{AccountId32, DispatchResult};

/// How many sectors a challenge names, repeats included.
pub fn sample_count(stored_sectors: u64) -> u32 {
    let doubled = (1 + stored_sectors / GIB_SECTORS).ilog2();
    (4 + 2 * doubled).clamp(8, MAX_SAMPLES)
}

impl<T: Config> Pallet<T> {
    /// Challenges some of the hosters that store something.
    pub(crate) fn issue_challenges() {
        let storing = StoringCount::<T>::get();
        let gap = Self::times().mean_gap.max(1);
        let draws = storing.div_ceil(gap).min(CHALLENGES);
        let span = u128::from(gap).saturating_mul(draws.into()).max(storing.into());
        for i in 0..draws {
            let place = draw(3, Self::seed(), &[], i).checked_rem(span).unwrap_or(span);
            if place < u128::from(storing) {
                if let Some(hoster) = Storing::<T>::get(place as u32).defensive() {
                    Self::challenge(hoster);
                }
            }
        }
    }

    /// Challenges a hoster, unless a challenge is open or it announced a pause.
    fn challenge(account: AccountId32) {
        if StorageChallenges::<T>::contains_key(&account) {
            return;
        }
        let Some(hoster) = Hosters::<T>::get(&account).defensive() else { return };
        if hoster.step > 0 || Self::paused(&hoster) {
            return;
        }
        let Some(slot) = HosterDraws::<T>::get(&account).and_then(|draw| draw.slot).defensive() else { return };
        let table = copy_table::<T>(&account);
        let ids = account.encode();
        let samples: BTreeSet<Sample> = (0..sample_count(hoster.stored))
            .filter_map(|j| {
                // Who is listed has sectors in its table, and each is one of a copy's segment.
                let (place, offset) = table.pick(draw(4, Self::seed(), &ids, j)).defensive()?;
                let copy = CopySlots::<T>::get(&account, place).defensive()?;
                let (segment, sector) = Copies::<T>::get(copy).and_then(|copy| copy.locate(offset)).defensive()?;
                Some(Sample { copy, segment, sector })
            })
            .collect();
        let count = samples.len() as u32;
        let Ok(samples) = samples.into_iter().collect::<Vec<_>>().try_into().defensive() else { return };
        if count == 0 {
            return;
        }
        let issued = Self::now();
        StorageChallenges::<T>::insert(&account, StorageChallenge { issued, samples });
        Self::arm(Wait::Proof, Self::times().proof_window, slot.into(), issued.into());
        Self::deposit_event(Event::StorageChallenged { hoster: account, issued, samples: count });
    }

    pub(crate) fn do_submit_storage_proof(account: AccountId32, issued: Block, proof: StorageProof) -> DispatchResult {
        let challenge = StorageChallenges::<T>::get(&account).ok_or(Error::<T>::NoChallenge)?;
        ensure!(challenge.issued == issued, Error::<T>::WrongChallenge);
        ensure!(Self::now() > issued, Error::<T>::OutsideWindow);
        ensure!(proof.sectors.len() == challenge.samples.len(), Error::<T>::WrongSectorCount);
        let opened: Vec<(&Sample, &Sector)> = challenge.samples.iter().zip(&proof.sectors).collect();
        let mut siblings = proof.siblings.iter();
        // Samples ascend, so those of a segment stand together.
        for of_segment in opened.chunk_by(|(one, _), (next, _)| one.segment == next.segment) {
            let (first, _) = of_segment.first().ok_or(Error::<T>::BadOpening)?;
            let segment = Segments::<T>::get(first.segment).ok_or(Error::<T>::BadOpening)?;
            let context = Self::context_of(&segment, &account).ok_or(Error::<T>::BadOpening)?;
            let sectors = of_segment.iter().map(|(sample, data)| (sample.sector, *data));
            let root = proven_root(context, segment.sectors, sectors, &mut siblings);
            ensure!(root == Some(segment.root), Error::<T>::BadOpening);
        }
        ensure!(siblings.next().is_none(), Error::<T>::BadOpening);
        Self::proved(account, issued)
    }

    /// The interval up to the challenge is paid for, then R rises; a late proof only ends the ladder.
    fn proved(account: AccountId32, issued: Block) -> DispatchResult {
        StorageChallenges::<T>::remove(&account);
        if Hosters::<T>::get(&account).is_some_and(|hoster| hoster.step > 0) {
            Self::clear(account);
            return Ok(());
        }
        let before = Self::reputation(&account);
        Self::with_hoster(&account, |hoster| {
            let until = issued.max(hoster.last);
            let earned = u64::from(before).saturating_mul(until.saturating_sub(hoster.last).into());
            hoster.acc = hoster.acc.saturating_add(earned);
            hoster.last = until;
            hoster.passed = hoster.passed.saturating_add(1);
        });
        let reputation = passed_reputation(before);
        Self::set_reputation(&account, reputation)?;
        Self::deposit_event(Event::StorageProved { hoster: account, issued, reputation });
        Ok(())
    }
}
