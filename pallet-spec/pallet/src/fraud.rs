//! Reports of fraud: commitments to them, and feeds whose owners signed two histories (pallet-spec/README.md section 14).

use crate::{
    heads::{node_hash, tiles, Subtree},
    types::*,
    Config, Error, Event, Frozen, NextReport, Pallet, Peers, ReportAt, Reports,
};
use alloc::vec::Vec;
use frame_support::ensure;
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

    pub(crate) fn do_report_equivocation(
        first: SignedHead,
        second: SignedHead,
        root: u8,
        nodes: Vec<OpenedNode>,
    ) -> DispatchResult {
        ensure!(!Frozen::<T>::contains_key(first.key), Error::<T>::FeedFrozen);
        Self::check_head(&first)?;
        Self::check_head(&second)?;
        ensure!(first.key == second.key, Error::<T>::WrongFeedKey);
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
