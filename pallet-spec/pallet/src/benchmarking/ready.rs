//! States in which a call does all that it can.

use super::{feeds::*, seats::*, world::*};
use crate::{types::*, *};
use alloc::vec::Vec;
use frame_support::BoundedVec;
use sp_core::H256;
use sp_runtime::AccountId32;

/// An account, and what swarm key 1 and statement key 2 sign to be bound to it.
pub fn bound<T: Config>(who: AccountId32) -> (AccountId32, Signature, Signature) {
    let message = bind::<T>(&who, 1, 2);
    (who, sign(1, &message), sign(2, &message))
}

/// An attester with all slots that it may have.
pub fn attesting<T: Config>() -> AccountId32 {
    let who = peer::<T>("attester", 0, key(1).0);
    Pallet::<T>::offer_attesting(call::<T>(&who), 1, H256::zero(), MAX_SLOTS).unwrap();
    who
}

/// An era, its attesters, and `count` commits to copies whose records are there.
pub fn unsaid_all<T: Config>(count: u32) -> (Era, Vec<AccountId32>, BoundedVec<RetrievalCommit, MaxRetrievals>) {
    let (era, copy, all) = seated::<T>();
    let said = commits::<T>(copy, count);
    said.iter().for_each(|one| unsaid::<T>(era, one.copy, &all, None));
    (era, all, said)
}

/// A copy that has earned something.
pub fn earning<T: Config>() -> CopyId {
    let (copy, hoster) = full_plan::<T>(1).1[0].clone();
    Hosters::<T>::mutate(&hoster, |hoster| hoster.as_mut().unwrap().acc += 1_000_000);
    copy
}

/// A plan of 16 copies, and terms that want one.
pub fn shrinking<T: Config>() -> (PlanId, Terms) {
    let (plan, _) = full_plan::<T>(MAX_REPLICAS);
    (plan, Terms { replicas: 1, ..Plans::<T>::get(plan).unwrap().terms })
}

/// A plan, a longer head of its feed, and the nodes that show it.
pub fn extended<T: Config>() -> (PlanId, SignedHead, Vec<OpenedNode>) {
    let plan = plan::<T>();
    let (head, nodes) = extension::<T>(plan);
    (plan, head, nodes)
}

/// A hoster whose hold may be released.
pub fn released<T: Config>() -> AccountId32 {
    let who = hoster::<T>(0);
    Pallet::<T>::withdraw_offer(call::<T>(&who), Role::Hosting).unwrap();
    go::<T>(now::<T>() + KEEP_ERAS * Pallet::<T>::times().era);
    who
}

/// A copy of which its hoster's open challenge has a sample, and the hoster.
pub fn challenged<T: Config>() -> (CopyId, AccountId32) {
    let who = hoster::<T>(0);
    challenge::<T>(&who);
    (StorageChallenges::<T>::get(&who).unwrap().samples[0].copy, who)
}

/// A hoster, the block of its challenge of `s` sectors under `p` siblings, which was the last one, and the answer.
pub fn answerable<T: Config>(s: u32, p: u32) -> (AccountId32, Block, StorageProof) {
    let who = hoster::<T>(0);
    let (right, issued) = (answer::<T>(&who, s, p), now::<T>());
    go::<T>(issued + 1);
    (who, issued, right)
}

/// A plan, and two histories of its feed: the first head, the second, a root and the nodes.
pub fn two_histories<T: Config>() -> (PlanId, SignedHead, SignedHead, u8, Vec<OpenedNode>) {
    let plan = plan::<T>();
    let (first, second, root, nodes) = histories();
    Plans::<T>::mutate(plan, |plan| plan.as_mut().unwrap().feed = first.key);
    (plan, first, second, root, nodes)
}

/// A plan of which something is left to claim.
pub fn claimable<T: Config>() -> PlanId {
    let plan = plan::<T>();
    Plans::<T>::mutate(plan, |plan| plan.as_mut().unwrap().remainder = Some(UNIT));
    plan
}

/// A peer, and who operates for it.
pub fn operated<T: Config>() -> (AccountId32, AccountId32) {
    let (peer, operator) = (peer::<T>("peer", 0, key(2).0), who::<T>("operator", 0));
    Operators::<T>::insert(&peer, &operator);
    (peer, operator)
}
