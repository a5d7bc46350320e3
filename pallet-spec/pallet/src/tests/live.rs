//! Live plans: heads that extend, growth of copies, forks, frozen feeds, plans that ask again.

use super::{feeds::*, ladder::prove_until, mock::*, world::*};
use crate::{
    heads::{extends, tiles},
    refused,
    types::*,
    Copies, Encoders, Event, Frozen, HosterDraws, Hosters, Plans,
};
use frame_support::assert_ok;
use sp_core::H256;
use sp_runtime::DispatchResult;

fn sizes(blocks: usize) -> Vec<u64> {
    (0..blocks).map(|block| 256 * (1 + block as u64 % 3)).collect()
}

pub fn feed(blocks: usize) -> Feed {
    Feed::new(Kind::Compat, 7, &sizes(blocks))
}

fn live(replicas: u8) -> Terms {
    Terms { live: true, ..terms(replicas) }
}

pub fn update(plan: PlanId, feed: &Feed, nodes: Vec<OpenedNode>) -> DispatchResult {
    DatDot::update_head(signed(STRANGER), plan, feed.head(), nodes.try_into().unwrap())
}

/// A live plan of so many blocks with one active copy.
pub fn live_copy(blocks: usize) {
    providers(&[HOSTER], &[ENCODER]);
    publish_with(&feed(blocks), live(1), GENEROUS);
    activate(0);
    run(times().seed_delay);
}

/// Shows the plan a longer head and runs to its next tick, the hoster proving all.
fn grow_to(blocks: usize) {
    assert_ok!(update(0, &feed(blocks), feed(blocks).extension(plan(0).head.length)));
    prove_until(plan(0).next_tick);
}

fn shows(old: &Feed, new: &Feed, nodes: &[OpenedNode]) -> bool {
    extends(&tiles(0, old.length), &old.roots(), (new.length, &new.roots()), nodes).is_some()
}

#[test]
fn every_longer_head_extends_by_exactly_its_nodes() {
    for old in 1..20 {
        for new in old + 1..24 {
            let (short, long) = (feed(old), feed(new));
            let nodes = long.extension(short.length);
            assert!(shows(&short, &long, &nodes), "{old} to {new}");
            // The same head with another first block: what is left or joined differs.
            let mut other = sizes(old);
            other[0] += 1;
            assert!(!shows(&Feed::new(Kind::Compat, 7, &other), &long, &nodes), "{old} to {new}");
            if let Some((last, rest)) = nodes.split_last() {
                assert!(!shows(&short, &long, rest));
                let more = [&nodes[..], std::slice::from_ref(last)].concat();
                assert!(!shows(&short, &long, &more));
            } else {
                let any = OpenedNode { index: 1, size: 1, left: H256::zero(), right: H256::zero() };
                assert!(!shows(&short, &long, &[any]));
            }
            for at in 0..nodes.len() {
                let mut bad = nodes.clone();
                bad[at].index += 2;
                assert!(!shows(&short, &long, &bad));
                let mut bad = nodes.clone();
                bad[at].size += 1;
                assert!(!shows(&short, &long, &bad));
                let mut bad = nodes.clone();
                bad[at].left.0[0] ^= 1;
                assert!(!shows(&short, &long, &bad));
            }
        }
    }
}

/// A root's size is the author's word until a node hashes it.
#[test]
fn a_root_that_stays_keeps_its_size() {
    let (short, long) = (feed(4), feed(6));
    assert!(long.extension(4).is_empty());
    let mut roots = long.roots();
    let old = tiles(0, 4);
    assert!(extends(&old, &short.roots(), (6, &roots), &[]).is_some());
    roots[0].size += 1;
    assert!(extends(&old, &short.roots(), (6, &roots), &[]).is_none());
}

#[test]
fn a_longer_head_lengthens_the_last_range() {
    with_chain(|| {
        let short = feed(6);
        let ranges: Vec<_> = vec![range(0, 2), range(4, 6)];
        let nodes = short.prove(&ranges).try_into().unwrap();
        let head = short.head();
        assert_ok!(DatDot::publish_plan(signed(SPONSOR), head, ranges.try_into().unwrap(), nodes, live(1), GENEROUS));
        let before = plan(0);
        let long = feed(9);
        assert_ok!(update(0, &long, long.extension(6)));
        let grown: u64 = sizes(9)[4..].iter().sum();
        let bytes = sizes(2).iter().sum::<u64>() + grown;
        assert_eq!(last_event(), Event::HeadUpdated { plan: 0, length: 9, bytes });
        let after = plan(0);
        assert_eq!((after.bytes, after.sectors), (bytes, bytes.div_ceil(256)));
        assert_eq!((after.ranges[0], after.ranges[1].start), (before.ranges[0], 4));
        assert_eq!((after.ranges[1].end, after.ranges[1].bytes), (9, grown));
        assert_eq!((after.head.length, after.head.tree_hash), (9, long.tree_hash()));
        assert_eq!(after.fresh, now() + 4);
        assert_eq!(crate::Roots::<Test>::get(0).unwrap().to_vec(), long.roots());
    });
}

#[test]
fn heads_are_refused_in_order() {
    with_chain(|| {
        let (short, long) = (feed(3), feed(4));
        publish_with(&short, live(1), GENEROUS);
        publish_with(&short, terms(1), GENEROUS);
        let nodes = long.extension(3);
        assert_eq!(nodes.iter().map(|node| node.index).collect::<Vec<_>>(), vec![5, 3]);
        refused!(update(7, &long, nodes.clone()), NoSuchPlan);
        refused!(update(1, &long, nodes.clone()), PlanFixed);
        let other = Feed::new(Kind::Compat, 8, &sizes(4));
        refused!(update(0, &other, nodes.clone()), WrongFeedKey);
        let mut forged = long.head();
        forged.signature[40] ^= 1;
        let forged = DatDot::update_head(signed(9), 0, forged, nodes.clone().try_into().unwrap());
        refused!(forged, BadSignature);
        refused!(update(0, &short, vec![]), HeadNotNewer);
        refused!(update(0, &long, vec![]), BadExtension);
        let liar = Feed::new(Kind::Compat, 7, &[256, 512, 768, 300 << 30]);
        refused!(update(0, &liar, liar.extension(3)), BadPlanSize);
        Frozen::<Test>::insert(short.key, 1);
        refused!(update(0, &long, nodes.clone()), FeedFrozen);
        Frozen::<Test>::remove(short.key);
        assert_ok!(update(0, &long, nodes));
    });
}

#[test]
fn an_author_that_signs_fewer_bytes_is_refused() {
    with_chain(|| {
        publish_with(&feed(3), live(1), GENEROUS);
        let mut long = feed(4);
        long.lie(0, 2, 400);
        refused!(update(0, &long, long.extension(3)), BadPlanSize);
    });
}

#[test]
fn a_fork_ends_the_plan() {
    with_chain(|| {
        publish_with(&feed(3), live(1), GENEROUS);
        let mut fork = feed(2);
        fork.fork = 1;
        assert_ok!(update(0, &fork, vec![]));
        assert_eq!(last_event(), Event::PlanEnding { plan: 0, block: now() + 10 });
        refused!(update(0, &fork, vec![]), AlreadyEnding);
        refused!(DatDot::end_plan(signed(SPONSOR), 0), AlreadyEnding);
        let long = feed(4);
        assert_ok!(update(0, &long, long.extension(3)));
        run(10);
        happened(Event::PlanEnded { plan: 0, reason: PlanEnd::Forked });
        refused!(update(0, &fork, vec![]), PlanNotLive);
    });
}

#[test]
fn a_head_of_an_older_fork_is_not_newer() {
    with_chain(|| {
        let mut first = feed(3);
        first.fork = 2;
        publish_with(&first, live(1), GENEROUS);
        let mut older = feed(9);
        older.fork = 1;
        refused!(update(0, &older, older.extension(3)), HeadNotNewer);
    });
}

#[test]
fn a_frozen_feeds_plan_ends_at_its_tick() {
    with_chain(|| {
        live_copy(3);
        Frozen::<Test>::insert(feed(3).key, 1);
        prove_until(plan(0).next_tick);
        happened(Event::PlanEnded { plan: 0, reason: PlanEnd::Frozen });
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::PlanEnded });
    });
}

#[test]
fn a_copy_grows_with_its_plan() {
    with_chain(|| {
        live_copy(3);
        let (since, stored) = (copy(0).active_since, copy(0).stored);
        grow_to(8);
        let bytes: u64 = sizes(8).iter().sum();
        let more = bytes / 256 - stored;
        happened(Event::GrowthBegun { copy: 0, bytes, sectors: more });
        let growing = copy(0);
        assert_eq!((growing.state, growing.bytes, growing.sectors), (CopyState::Accepted, bytes, bytes / 256));
        assert_eq!((growing.stored, growing.active_since, growing.head.length), (stored, since, 8));
        let hoster = Hosters::<Test>::get(account(HOSTER)).unwrap();
        assert_eq!((hoster.used, HosterDraws::<Test>::get(account(HOSTER)).unwrap().used), (bytes, bytes));
        // Its encoder may make the rest, too: of an active copy it is no party that matters.
        run_until(0, CopyState::Assigned);
        assert_eq!(copy(0).encoder, Some(account(ENCODER)));
        let id = begin(0);
        assert_eq!((segment(id).first_byte, segment(id).head.length), (growing.stored_bytes, 8));
        run_until(0, CopyState::Encoding);
        confirm(0);
        let whole = copy(0);
        assert_eq!((whole.state, whole.active_since, whole.stored), (CopyState::Active, since, bytes / 256));
        assert_eq!((whole.segments[1].sectors, whole.segments[1].since), (more, now()));
        assert_eq!(whole.encoders.to_vec(), vec![account(ENCODER)]);
        run(4);
        assert_eq!(copy(0).tabled, bytes / 256);
        prove_until(now() + 30);
        assert!(Copies::<Test>::contains_key(0));
    });
}

#[test]
fn who_makes_a_copy_longer_is_no_party() {
    with_chain(|| {
        live_copy(3);
        assert_ok!(DatDot::withdraw_offer(signed(ENCODER), Role::Encoding));
        providers(&[], &[ENCODER + 1]);
        grow_to(4);
        run_until(0, CopyState::Assigned);
        assert_eq!(copy(0).encoder, Some(account(ENCODER + 1)));
        begin(0);
        run_until(0, CopyState::Encoding);
        confirm(0);
        assert_eq!(copy(0).parties(), vec![account(HOSTER), account(ENCODER)]);
        assert_eq!(Encoders::<Test>::get(account(ENCODER + 1)).unwrap().confirmed, now());
    });
}

#[test]
fn a_hoster_that_cannot_grow_is_to_be_replaced() {
    let full = |hoster: &mut Option<Hoster>| {
        let hoster = hoster.as_mut().unwrap();
        hoster.capacity = hoster.used + 255;
    };
    for case in 0..3 {
        with_chain(|| {
            live_copy(3);
            match case {
                0 => DatDot::offer_hosting(signed(HOSTER), CAPACITY, ASK_DISK + 1, 1, Default::default()).unwrap(),
                1 => Hosters::<Test>::mutate(account(HOSTER), full),
                _ => DatDot::withdraw_offer(signed(HOSTER), Role::Hosting).unwrap(),
            }
            grow_to(4);
            happened(Event::CopyLeaving { copy: 0, block: 0 });
            assert_eq!((copy(0).state, copy(0).leaving, plan(0).leaving), (CopyState::Active, 1, 1));
            assert!(plan(0).queued, "another is wanted");
            prove_until(now() + 30);
            assert_eq!(copy(0).state, CopyState::Active, "it has no deadline");
        });
    }
}

/// A copy with that many segments, of which all but the first are empty.
fn cut(segments: usize) {
    // Its second half is paid: the records that are counted twice have none.
    prove_until(now() + 2 * times().era);
    Copies::<Test>::mutate(0, |copy| {
        let copy = copy.as_mut().unwrap();
        while copy.segments.len() < segments {
            copy.segments.try_push(CopySegment { segment: 0, sectors: 0, since: 0 }).unwrap();
        }
    });
}

#[test]
fn a_copy_of_250_segments_does_not_grow() {
    for segments in [249, 250] {
        with_chain(|| {
            live_copy(3);
            cut(segments);
            grow_to(4);
            let (state, leaving) = (copy(0).state, copy(0).leaving);
            let expected = if segments == 250 { (CopyState::Active, 1) } else { (CopyState::Accepted, 0) };
            assert_eq!((state, leaving), expected);
        });
    }
}

#[test]
fn nothing_grows_in_a_plan_that_is_ending_or_a_copy_that_is_leaving() {
    for leaves in [false, true] {
        with_times(Times { end_notice: 100, ..Times::DEVELOPMENT }, 1, || {
            live_copy(3);
            if leaves {
                assert_ok!(DatDot::leave_copy(signed(HOSTER), 0));
            } else {
                assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
            }
            grow_to(4);
            assert_eq!((copy(0).state, copy(0).bytes, plan(0).state), (CopyState::Active, 256 * 6, PlanState::Live));
        });
    }
}

#[test]
fn growth_whose_feed_is_gone_is_left() {
    with_chain(|| {
        live_copy(3);
        providers(&[], &[21, 22, 23]);
        grow_to(4);
        // No tick comes between: it would count anew.
        Plans::<Test>::mutate(0, |plan| plan.as_mut().unwrap().declined = 3);
        run_until(0, CopyState::Assigned);
        let encoder = copy(0).encoder.unwrap();
        assert_ok!(DatDot::decline_job(RuntimeOrigin::signed(encoder), 0));
        assert_eq!((copy(0).dropping, plan(0).waiting, plan(0).declined), (true, false, 0));
        assert!(!events().contains(&Event::PlanWaits { plan: 0 }));
        prove_until(now() + 4);
        happened(Event::GrowthLeft { copy: 0 });
        let left = copy(0);
        assert_eq!((left.state, left.dropping, left.leaving), (CopyState::Active, false, 0));
        assert_eq!(left.sectors, left.stored);
    });
}

#[test]
fn growth_waits_for_a_pot_that_can_pay_and_a_hoster_that_proves() {
    with_chain(|| {
        live_copy(3);
        let step = |step| Hosters::<Test>::mutate(account(HOSTER), |hoster| hoster.as_mut().unwrap().step = step);
        assert_ok!(update(0, &feed(4), feed(4).extension(3)));
        prove_until(plan(0).next_tick - 1);
        if challenge(HOSTER).is_none() {
            DatDot::arm(Wait::Proof, 90, 0, now().into());
            let sample = Sample { copy: 0, segment: 0, sector: 0 };
            let samples = vec![sample].try_into().unwrap();
            crate::StorageChallenges::<Test>::insert(account(HOSTER), StorageChallenge { issued: now(), samples });
        }
        step(1);
        next_block();
        assert_eq!((copy(0).state, copy(0).bytes), (CopyState::Active, sizes(3).iter().sum::<u64>()));
        step(0);
        crate::StorageChallenges::<Test>::remove(account(HOSTER));
        prove_until(plan(0).next_tick - 1);
        // Enough for what is stored, not for what would come: encoding counts a checkpoint more.
        spend(0, DatDot::pot_free(0, &plan(0)) - TICK_FEE - 100_000_000);
        next_block();
        assert_eq!((plan(0).state, copy(0).state), (PlanState::Live, CopyState::Active));
        assert_eq!((copy(0).leaving, copy(0).sectors), (0, copy(0).stored));
        assert_ok!(donated(signed(STRANGER), 0, UNIT));
        prove_until(plan(0).next_tick);
        assert_eq!(copy(0).state, CopyState::Accepted);
    });
}

#[test]
fn growth_without_an_encoder_is_left() {
    with_chain(|| {
        live_copy(3);
        assert_ok!(DatDot::withdraw_offer(signed(ENCODER), Role::Encoding));
        grow_to(4);
        let (burned, stored) = (plan(0).burned, copy(0).stored);
        // The need gives up sooner than its deadline: 16 rounds of 8 tries.
        run_while(|| copy(0).state == CopyState::Accepted);
        happened(Event::GrowthLeft { copy: 0 });
        let left = copy(0);
        assert_eq!((left.state, left.sectors, left.bytes), (CopyState::Active, stored, left.stored_bytes));
        assert_eq!((left.leaving, plan(0).stalls, plan(0).waiting), (0, 0, false));
        assert_eq!(Hosters::<Test>::get(account(HOSTER)).unwrap().used, stored * 256);
        assert_eq!(HosterDraws::<Test>::get(account(HOSTER)).unwrap().used, stored * 256);
        assert!(plan(0).burned >= burned);
        // It is tried again at the next tick, for a fee: its need takes as many tries again.
        prove_until(plan(0).next_tick - 1);
        let burned = plan(0).burned;
        next_block();
        assert_eq!(copy(0).state, CopyState::Accepted);
        let paid = |event| match event {
            Event::Paid { amount, .. } | Event::Surcharged { amount, .. } => amount,
            _ => 0,
        };
        let paid: Balance = events().into_iter().map(paid).sum();
        assert_eq!(plan(0).burned, burned + paid + TICK_FEE + Amounts::DEFAULT.retry_fee);
        assert_eq!(plan(0).mark, plan(0).burned);
    });
}

#[test]
fn growth_is_left_at_the_second_stall_and_the_hoster_is_out() {
    with_times(Times { lease: 10, ..Times::DEVELOPMENT }, 1, || {
        live_copy(3);
        grow_to(4);
        for stall in 1..=2 {
            run_until(0, CopyState::Assigned);
            let id = begin(0);
            prove_until(now() + 11);
            let found = events();
            assert!(found.iter().any(|event| matches!(event, Event::Stalled { copy: 0, .. })), "{found:?}");
            assert_eq!(crate::Segments::<Test>::get(id), None);
            assert_eq!(crate::Moduli::<Test>::get(id), None);
            assert_eq!(copy(0).current, None);
            if stall == 1 {
                assert_eq!((copy(0).state, copy(0).stalls, copy(0).leaving), (CopyState::Accepted, 1, 0));
                assert!(Hosters::<Test>::get(account(HOSTER)).unwrap().open);
                offer_encoding(ENCODER);
            } else {
                let tail = [Event::GrowthLeft { copy: 0 }, Event::CopyLeaving { copy: 0, block: 0 }];
                assert!(found.windows(2).any(|pair| pair == tail), "{found:?}");
            }
        }
        let left = copy(0);
        assert_eq!((left.state, left.stalls, left.leaving), (CopyState::Active, 0, 1));
        assert_eq!((left.sectors, left.encoder), (left.stored, None));
        assert!(!Hosters::<Test>::get(account(HOSTER)).unwrap().open && plan(0).queued);
    });
}

#[test]
fn a_plan_that_found_nobody_asks_again_for_a_fee() {
    with_chain(|| {
        publish(3, 1);
        run_to(5);
        // 16 tries of each lane: 32 are four rounds.
        happened(Event::NeedSleeps { plan: 0 });
        assert!(!plan(0).queued);
        let burned = plan(0).burned;
        run_to(24);
        assert!(!plan(0).queued);
        next_block();
        assert_eq!((plan(0).burned, plan(0).mark, plan(0).queued), (burned + UNIT / 100, burned + UNIT / 100, true));
        let need = Need { kind: NeedKind::Hoster, id: 0, ready: now() + 4, misses: 0, rounds: 3 };
        assert_eq!(DatDot::first_need(1), Some(need));
        run(4);
        happened(Event::NeedSleeps { plan: 0 });
        // A pot that cannot pay the fee ends the plan: without a copy it would have its ticks for nothing.
        Plans::<Test>::mutate(0, |plan| {
            let plan = plan.as_mut().unwrap();
            let beyond = DatDot::pot_free(0, plan);
            DatDot::burn_pot(0, plan, beyond + 1 - UNIT / 100);
            plan.mark = plan.burned;
        });
        let burned = plan(0).burned;
        run_to(49);
        assert_eq!((plan(0).burned, plan(0).queued, plan(0).state), (burned, false, PlanState::Ended));
        happened(Event::PlanEnded { plan: 0, reason: PlanEnd::Unpaid });
    });
}
