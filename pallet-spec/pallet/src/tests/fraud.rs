//! Reports of fraud: commitments, and feeds with two histories.

use super::{feeds::*, mock::*, world::*};
use crate::{refused, types::*, Event, Frozen, ReportAt, Reports};
use frame_support::assert_ok;
use sp_core::H256;
use sp_runtime::DispatchError;

#[test]
fn a_committed_report_is_kept_for_its_window() {
    with_chain(|| {
        let hash = H256::repeat_byte(1);
        refused!(DatDot::commit_report(signed(STRANGER), hash), NotAPeer);
        register(STRANGER);
        assert_ok!(DatDot::commit_report(signed(STRANGER), hash));
        assert_eq!(last_event(), Event::ReportCommitted { account: account(STRANGER), hash });
        let committed = now();
        assert_eq!((Reports::<Test>::get(hash), ReportAt::<Test>::get(0)), (Some(committed), Some(hash)));
        refused!(DatDot::commit_report(signed(STRANGER), hash), AlreadyReported);
        assert_ok!(DatDot::commit_report(signed(STRANGER), H256::repeat_byte(2)));
        run_to(committed + 19);
        assert!(Reports::<Test>::contains_key(hash));
        next_block();
        assert_eq!((Reports::<Test>::iter().count(), ReportAt::<Test>::iter().count()), (0, 0));
        assert_ok!(DatDot::commit_report(signed(STRANGER), hash));
        assert_eq!(ReportAt::<Test>::get(2), Some(hash));
    });
}

/// Plan 0 is of the feed that is reported.
fn report(first: &Feed, second: &Feed, root: u8, nodes: Vec<OpenedNode>) -> Result<(), DispatchError> {
    let nodes = nodes.try_into().unwrap();
    DatDot::report_equivocation(signed(STRANGER), 0, first.head(), second.head(), root, nodes)
}

/// Publishes plan 0, of some blocks of the feed that `FEED` names.
fn publish_reported(kind: Kind) {
    publish_with(&Feed::new(kind, FEED, &sizes(2, None)), terms(1), GENEROUS);
}

/// What is frozen stays so for ever: it takes a plan that somebody paid for, and a fee.
#[test]
fn no_feed_without_a_live_plan_is_frozen() {
    with_chain(|| {
        let (first, second) = (Feed::new(Kind::V1, FEED, &[1]), Feed::new(Kind::V1, FEED, &[2]));
        refused!(report(&first, &second, 0, vec![]), NoSuchPlan);
        publish(4, 1);
        refused!(report(&first, &second, 0, vec![]), WrongFeedKey);
        publish_with(&Feed::new(Kind::V1, FEED, &sizes(2, None)), terms(1), GENEROUS);
        let call = |plan, first: &Feed, second: &Feed| {
            DatDot::report_equivocation(signed(STRANGER), plan, first.head(), second.head(), 0, Default::default())
        };
        refused!(call(1, &first, &Feed::new(Kind::V1, 4, &[2])), WrongFeedKey);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 1));
        run(11);
        refused!(call(1, &first, &second), PlanNotLive);
        publish_with(&Feed::new(Kind::V1, FEED, &sizes(2, None)), terms(1), GENEROUS);
        assert_ok!(call(2, &first, &second));
        assert!(Frozen::<Test>::contains_key(first.key));
    });
}

/// Name of the feed that is reported.
const FEED: u64 = 3;

fn sizes(blocks: usize, changed: Option<usize>) -> Vec<u64> {
    (0..blocks).map(|block| if changed == Some(block) { 999 } else { 256 }).collect()
}

/// Whatever block of the first history is another in the second, the root over it shows it, and no other does.
#[test]
fn every_second_history_is_proven() {
    with_chain(|| {
        publish_reported(Kind::V1);
        for (short, long) in [(1, 1), (3, 3), (3, 4), (5, 7), (6, 8), (7, 21)] {
            for changed in 0..short {
                let first = Feed::new(Kind::V1, FEED, &sizes(short, None));
                let second = Feed::new(Kind::V1, FEED, &sizes(long, Some(changed)));
                for root in 0..(short as u64).count_ones() {
                    let (start, height) = first.root_place(root as usize);
                    let over = (start..start + (1 << height)).contains(&(changed as u64));
                    let nodes = second.path(start, height);
                    if !over {
                        refused!(report(&first, &second, root as u8, nodes), NotProven);
                        continue;
                    }
                    let mut more = nodes.clone();
                    more.push(OpenedNode { index: 1, size: 1, left: H256::zero(), right: H256::zero() });
                    refused!(report(&first, &second, root as u8, more), NotProven);
                    if !nodes.is_empty() {
                        refused!(report(&first, &second, root as u8, nodes[1..].to_vec()), NotProven);
                        let mut bad = nodes.clone();
                        bad[0].size += 1;
                        refused!(report(&first, &second, root as u8, bad), NotProven);
                        let mut bad = nodes.clone();
                        bad.last_mut().unwrap().index += 2;
                        refused!(report(&first, &second, root as u8, bad), NotProven);
                    }
                    assert_eq!(report(&first, &second, root as u8, nodes.clone()), Ok(()));
                    assert_eq!(last_event(), Event::FeedIsFrozen { feed: first.key });
                    refused!(report(&first, &second, root as u8, nodes), FeedFrozen);
                    Frozen::<Test>::remove(first.key);
                }
            }
        }
    });
}

#[test]
fn reports_that_show_nothing_are_refused() {
    with_chain(|| {
        publish_reported(Kind::Compat);
        let feed = |blocks, changed| Feed::new(Kind::Compat, FEED, &sizes(blocks, changed));
        let (first, second) = (feed(3, None), feed(4, Some(2)));
        // An honest author's longer history.
        let honest = feed(4, None);
        for root in 0..2 {
            let (start, height) = first.root_place(root);
            refused!(report(&first, &honest, root as u8, honest.path(start, height)), NotProven);
        }
        let (start, height) = first.root_place(1);
        let nodes = second.path(start, height);
        refused!(report(&first, &second, 2, nodes.clone()), NotProven);
        refused!(report(&second, &first, 0, vec![]), NotProven);
        let mut forked = second.clone();
        forked.fork = 1;
        refused!(report(&first, &forked, 1, nodes.clone()), NotProven);
        let other = Feed::new(Kind::Compat, 4, &sizes(4, Some(2)));
        refused!(report(&first, &other, 1, nodes.clone()), WrongFeedKey);
        let forge = |feed: &Feed| {
            let mut head = feed.head();
            head.signature[40] ^= 1;
            head
        };
        let call = |one, two| {
            let nodes = nodes.clone().try_into().unwrap();
            DatDot::report_equivocation(signed(9), 0, one, two, 1, nodes)
        };
        refused!(call(forge(&first), second.head()), BadSignature);
        refused!(call(first.head(), forge(&second)), BadSignature);
        let mut short = second.head();
        short.roots.pop();
        refused!(call(first.head(), short), BadHead);
        assert_eq!(report(&first, &second, 1, nodes), Ok(()));
    });
}

/// The same hash under another size is another history, too: the size is signed.
#[test]
fn a_root_of_another_size_is_another_history() {
    with_chain(|| {
        publish_reported(Kind::Compat);
        let first = Feed::new(Kind::Compat, FEED, &sizes(2, None));
        let mut second = first.clone();
        second.claim(0, 1, 400);
        assert_eq!(first.roots()[0].hash, second.roots()[0].hash);
        assert_eq!(report(&first, &second, 0, vec![]), Ok(()));
    });
}
