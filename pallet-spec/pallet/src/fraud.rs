//! Reports of fraud: commitments to them, and feeds whose owners signed two histories (pallet-spec/README.md section 14).

use crate::{
    crypto,
    draw::collateral_due,
    evidence::proves,
    heads::{node_hash, tiles, Subtree},
    merkle::opened_root,
    types::*,
    Config, Copies, Error, Event, Frozen, Minted, Moduli, NextReport, Pallet, Peers, Plans, ReportAt, Reports,
    Segments,
};
use alloc::vec::Vec;
use frame_support::{
    ensure,
    traits::{
        fungible::{Inspect, Mutate},
        Defensive,
    },
};
use sp_core::H256;
use sp_runtime::{AccountId32, DispatchResult};

/// Whether the node over `tile` is another in the tree of `second` than `root`, the one of an older head; `nodes` lead from
/// the root of `second` over it down to its parent.
fn differs(tile: Subtree, root: &Root, second: &SignedHead, nodes: &[OpenedNode]) -> bool {
    let places = tiles(0, second.length);
    let Some((top, above)) = places.iter().zip(&second.roots).find(|(top, _)| top.contains(&tile)) else {
        return false;
    };
    if *top == tile {
        return nodes.is_empty() && above != root;
    }
    let steps = top.path_to(tile);
    // All but the last, which is the node itself.
    if nodes.len().saturating_add(1) != steps.len() {
        return false;
    }
    let mut expected = above.hash;
    for ((node, step), next) in nodes.iter().zip(&steps).zip(steps.iter().skip(1)) {
        if node.index != step.index() || node_hash(node) != expected {
            return false;
        }
        expected = if next.start == step.start { node.left } else { node.right };
    }
    expected != root.hash
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_commit_report(account: AccountId32, hash: H256) -> DispatchResult {
        ensure!(Peers::<T>::contains_key(&account), Error::<T>::NotAPeer);
        ensure!(!Reports::<T>::contains_key(hash), Error::<T>::AlreadyReported);
        let number = NextReport::<T>::get();
        NextReport::<T>::put(number.saturating_add(1));
        Reports::<T>::insert(hash, Self::now());
        ReportAt::<T>::insert(number, hash);
        Self::arm(Wait::Report, Self::times().report_window, number, 0);
        Self::deposit_event(Event::ReportCommitted { account, hash });
        Ok(())
    }

    /// A committed report is forgotten.
    pub(crate) fn forget_report(number: u64) {
        if let Some(hash) = ReportAt::<T>::take(number) {
            Reports::<T>::remove(hash);
        }
    }

    /// Whether the account committed to exactly that report, and long enough ago.
    pub(crate) fn is_committed(account: &AccountId32, id: CopyId, evidence: &Evidence) -> bool {
        let hash = crypto::report(Self::genesis(), account, id, evidence);
        Reports::<T>::get(hash).is_some_and(|committed| Self::now() >= committed.saturating_add(REPORT_AGE))
    }

    pub(crate) fn do_report_invalid_encoding(account: AccountId32, id: CopyId, evidence: Evidence) -> DispatchResult {
        let (copy, plan) = Self::copy_and_plan(id).ok_or(Error::<T>::NoSuchCopy)?;
        ensure!(!copy.invalid, Error::<T>::AlreadyReported);
        let listed = copy.segments.iter().any(|part| part.segment == evidence.segment);
        let segment = Segments::<T>::get(evidence.segment).filter(|_| listed).ok_or(Error::<T>::WrongSegment)?;
        ensure!(Self::is_committed(&account, id, &evidence), Error::<T>::NoReport);
        let context = Self::context_of(&segment, &copy.hoster).ok_or(Error::<T>::BadOpening)?;
        let root = opened_root(context, segment.sectors, evidence.sector, &evidence.opening);
        ensure!(root == Some(segment.root), Error::<T>::BadOpening);
        // What is listed has a modulus.
        let modulus = Moduli::<T>::get(evidence.segment).defensive().ok_or(Error::<T>::NotProven)?;
        ensure!(proves(&evidence, &segment, &modulus, &plan.ranges), Error::<T>::NotProven);
        Self::punish((id, copy), (evidence.segment, segment.encoder), account)
    }

    /// Hoster and encoder made rubbish together: they lose what they hold for it and their reputation, and the copy ends.
    fn punish(
        (id, mut copy): (CopyId, Copy),
        (segment, encoder): (SegmentId, AccountId32),
        reporter: AccountId32,
    ) -> DispatchResult {
        for account in [&copy.hoster, &encoder] {
            Self::set_reputation(account, MIN_REPUTATION)?;
        }
        let amounts = Self::amounts();
        let collateral = collateral_due(amounts.collateral, copy.sectors.saturating_mul(SECTOR));
        let collateral = Self::burn_held(&copy.hoster, Role::Hosting, collateral);
        let taken = collateral.saturating_add(Self::burn_held(&encoder, Role::Encoding, amounts.encoder_bond));
        let reward = Self::reward(&reporter, taken / REWARD_PART);
        copy.invalid = true;
        Self::arm_invalid(id, &mut copy, segment);
        Copies::<T>::insert(id, copy);
        Self::deposit_event(Event::EncodingReported { copy: id, segment, account: reporter, taken, reward });
        Ok(())
    }

    /// Mints to an account, of what was burned just now; returns what it got: nothing if it would not exist with it.
    fn reward(account: &AccountId32, amount: Balance) -> Balance {
        let alive = T::Currency::balance(account).saturating_add(amount) >= T::Currency::minimum_balance();
        // Cannot fail: as much was burned, and the account can take it.
        if amount == 0 || !alive || T::Currency::mint_into(account, amount).defensive().is_err() {
            return 0;
        }
        Minted::<T>::mutate(|minted| *minted = minted.saturating_add(amount));
        amount
    }

    /// Of a feed that a live plan pays for: what is frozen stays so, and nobody keeps a stranger's keys for nothing.
    pub(crate) fn do_report_equivocation(
        plan: PlanId,
        first: SignedHead,
        second: SignedHead,
        root: u8,
        nodes: Vec<OpenedNode>,
    ) -> DispatchResult {
        let plan = Plans::<T>::get(plan).ok_or(Error::<T>::NoSuchPlan)?;
        ensure!(plan.state == PlanState::Live, Error::<T>::PlanNotLive);
        ensure!(first.key == plan.feed && second.key == plan.feed, Error::<T>::WrongFeedKey);
        ensure!(!Frozen::<T>::contains_key(plan.feed), Error::<T>::FeedFrozen);
        Self::check_head(&first)?;
        Self::check_head(&second)?;
        ensure!(first.fork == second.fork && first.length <= second.length, Error::<T>::NotProven);
        let places = tiles(0, first.length);
        let shown = places.iter().zip(&first.roots).nth(root.into());
        let proven = shown.is_some_and(|(tile, root)| differs(*tile, root, &second, &nodes));
        ensure!(proven, Error::<T>::NotProven);
        Frozen::<T>::insert(first.key, Self::now());
        Self::deposit_event(Event::FeedIsFrozen { feed: first.key });
        Ok(())
    }
}
