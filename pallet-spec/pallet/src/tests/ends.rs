//! Copies that end before their plan: lost, left, replaced, failed; records that go in pieces.

use super::{
    ladder::{collateral, prove_until},
    mock::*,
    world::*,
};
use crate::{refused, types::*, Changes, Copies, Event, Hosters, Moduli, NeedQueue, Plans, Segments};
use frame_support::assert_ok;

fn step(n: u64) -> u8 {
    Hosters::<Test>::get(account(n)).unwrap().step
}

/// The pot of its plan gets a tenth of a copy's collateral, and no more is taken.
fn a_tenth(copy: CopyId, sectors: u64, hoster: u64) -> Event<Test> {
    Event::Forfeited { copy, account: account(hoster), burned: 0, pot: collateral(sectors) / 10 }
}

#[test]
fn a_lost_copy_costs_a_tenth_of_its_collateral() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3_000, 1);
        refused!(DatDot::declare_lost(signed(HOSTER), 0), NoSuchCopy);
        run_until(0, CopyState::Accepted);
        refused!(DatDot::declare_lost(signed(HOSTER), 0), WrongState);
        activate(0);
        refused!(DatDot::declare_lost(signed(ENCODER), 0), NotParty);
        let before = held(HOSTER, Role::Hosting);
        assert_ok!(DatDot::declare_lost(signed(HOSTER), 0));
        assert_eq!((copy(0).state, copy(0).dropping), (CopyState::Active, true));
        refused!(DatDot::declare_lost(signed(HOSTER), 0), WrongState);
        run(3);
        assert_eq!(copy(0).state, CopyState::Active);
        next_block();
        let found = events();
        let at = found.iter().position(|event| *event == a_tenth(0, 3_000, HOSTER)).expect("a forfeit");
        assert_eq!(found[at + 1], Event::CopyEnded { copy: 0, reason: CopyEnd::Lost });
        assert_eq!(held(HOSTER, Role::Hosting), before - collateral(3_000) / 10);
        assert!(!plan(0).confirmed && plan(0).queued && step(HOSTER) == 0);
        assert_eq!(copy(0).frozen, Some(Hosters::<Test>::get(account(HOSTER)).unwrap().acc));
        refused!(DatDot::declare_lost(signed(HOSTER), 0), WrongState);
    });
}

#[test]
fn declaring_what_is_asked_for_is_a_miss_at_once() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(100);
        let open = run_until_challenged(HOSTER);
        next_block();
        let (before, issued) = (reputation(HOSTER), open.issued);
        let after = before - before / 8;
        assert_ok!(DatDot::declare_lost(signed(HOSTER), 0));
        let declared = now();
        let hoster = account(HOSTER);
        let found = events();
        let expected = [
            Event::StorageMissed { hoster: hoster.clone(), issued, reputation: after },
            Event::CopyStruck { copy: 0, strikes: 1 },
            Event::HosterOverdue { hoster: hoster.clone(), issued, step: 1, due: declared + 30 },
        ];
        assert_eq!(found[found.len() - 3..], expected);
        let change = Change::Reputation { account: hoster.clone(), reputation: after };
        assert!(Changes::<Test>::get(declared + 4).contains(&change), "the draw table follows later");
        let state = Hosters::<Test>::get(account(HOSTER)).unwrap();
        assert_eq!((state.step, state.missed, state.last), (1, 1, issued));
        run(4);
        happened(Event::HosterCleared { hoster });
        assert_eq!((copy(0).state, challenge(HOSTER), step(HOSTER)), (CopyState::Ended, None, 0));
        assert_eq!(copy(0).strikes, 1);
        run(60);
        assert_eq!(Hosters::<Test>::get(account(HOSTER)).unwrap().missed, 1, "its deadline finds nothing");
    });
}

#[test]
fn who_is_warned_already_is_not_warned_again() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(100);
        run_until_challenged(HOSTER);
        run_while(|| step(HOSTER) == 0);
        let before = reputation(HOSTER);
        assert_ok!(DatDot::declare_lost(signed(HOSTER), 0));
        let state = Hosters::<Test>::get(account(HOSTER)).unwrap();
        assert_eq!((reputation(HOSTER), state.missed, copy(0).strikes), (before, 1, 1));
        assert!(copy(0).dropping);
    });
}

#[test]
fn declaring_another_copy_is_no_miss() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(1);
        let open = run_until_challenged(HOSTER);
        let id = 1;
        publish(2, 1);
        activate(id);
        // The challenge was issued before this copy was there.
        assert!(open.samples.iter().all(|sample| sample.copy == 0) && challenge(HOSTER).is_some());
        let before = reputation(HOSTER);
        assert_ok!(DatDot::declare_lost(signed(HOSTER), id));
        assert_eq!((reputation(HOSTER), step(HOSTER), copy(id).strikes), (before, 0, 0));
    });
}

/// Two hosters and two encoders, of whom one each has an active copy.
fn one_of_two() -> (u64, u64) {
    providers(&[HOSTER, HOSTER + 1], &[ENCODER, ENCODER + 1]);
    active_copy(3_000);
    let n = number(&copy(0).hoster);
    (n, 2 * HOSTER + 1 - n)
}

#[test]
fn who_leaves_is_replaced_and_forfeits_while_the_copy_is_young() {
    with_chain(|| {
        let (n, other) = one_of_two();
        refused!(DatDot::leave_copy(signed(other), 0), NotParty);
        refused!(DatDot::leave_copy(signed(n), 7), NoSuchCopy);
        assert_ok!(DatDot::leave_copy(signed(n), 0));
        assert_eq!(last_event(), Event::CopyLeaving { copy: 0, block: now() + 10 });
        assert_eq!((copy(0).leaving, plan(0).leaving, plan(0).queued), (2, 1, true));
        refused!(DatDot::leave_copy(signed(n), 0), AlreadyLeaving);
        let left = now();
        run_to(left + 9);
        assert_eq!(copy(0).state, CopyState::Active);
        next_block();
        let found = events();
        assert!(found.contains(&a_tenth(0, 3_000, n)));
        assert!(found.contains(&Event::CopyEnded { copy: 0, reason: CopyEnd::Left }));
        assert_eq!((plan(0).leaving, plan(0).confirmed), (0, false));
        assert_eq!(number(&copy(1).hoster), other, "another copy was placed meanwhile");
    });
}

#[test]
fn a_new_copy_replaces_one_that_is_leaving() {
    with_times(Times { end_notice: 200, ..Times::DEVELOPMENT }, 1, || {
        let (n, other) = one_of_two();
        assert_ok!(DatDot::leave_copy(signed(n), 0));
        run_while(|| !Copies::<Test>::contains_key(1));
        assert_eq!(number(&copy(1).hoster), other);
        activate(1);
        assert!(copy(0).dropping && !copy(1).dropping);
        let active = now();
        run_to(active + 3);
        assert_eq!(copy(0).state, CopyState::Active);
        next_block();
        happened(a_tenth(0, 3_000, n));
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::Replaced });
        assert_eq!((plan(0).leaving, plan(0).live.to_vec(), plan(0).confirmed), (0, vec![1], true));
        assert!(!plan(0).queued, "nothing is wanted");
    });
}

#[test]
fn who_was_let_go_may_wish_to_go_and_counts_once() {
    with_chain(|| {
        let (n, _) = one_of_two();
        let terms = Terms { replicas: 2, ..plan(0).terms };
        assert_ok!(DatDot::amend_plan(signed(SPONSOR), 0, terms));
        run_while(|| plan(0).live.len() < 2);
        let terms = Terms { replicas: 1, ..plan(0).terms };
        assert_ok!(DatDot::amend_plan(signed(SPONSOR), 0, terms));
        assert_eq!((copy(0).leaving, copy(1).leaving, plan(0).leaving), (0, 1, 1));
        refused!(DatDot::leave_copy(RuntimeOrigin::signed(copy(1).hoster), 1), WrongState);
        // The copy in the making is the one that leaves; the other may, too.
        Copies::<Test>::mutate(0, |copy| copy.as_mut().unwrap().leaving = 1);
        Plans::<Test>::mutate(0, |plan| plan.as_mut().unwrap().leaving = 2);
        assert_ok!(DatDot::leave_copy(signed(n), 0));
        assert_eq!((copy(0).leaving, plan(0).leaving), (2, 2));
    });
}

#[test]
fn who_leaves_an_old_copy_forfeits_nothing() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish_with(&feed_of(3), Terms { until: 3_000, ..terms(1) }, GENEROUS);
        activate(0);
        prove_until(copy(0).active_since.unwrap() + 60 * 24 - 10);
        let before = held(HOSTER, Role::Hosting);
        assert_ok!(DatDot::leave_copy(signed(HOSTER), 0));
        prove_until(now() + 10);
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::Left });
        assert_eq!(held(HOSTER, Role::Hosting), before);
    });
}

#[test]
fn four_failed_verdicts_of_eight_end_a_copy() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(3_000);
        let judge = |era, verdict| DatDot::judge(era, 0, verdict, 0, u32::MAX);
        judge(5, Verdict::Failed);
        assert_eq!((copy(0).judged, copy(0).fails), (5, 1));
        judge(7, Verdict::Passed);
        assert_eq!((copy(0).judged, copy(0).fails), (7, 0b100));
        // An earlier era that is settled later.
        judge(6, Verdict::Failed);
        judge(7, Verdict::Void);
        assert_eq!((copy(0).judged, copy(0).fails, copy(0).dropping), (7, 0b110, false));
        // Eight eras back is too far.
        judge(13, Verdict::Passed);
        judge(5, Verdict::Failed);
        assert_eq!(copy(0).fails, 0b1000_0000);
        judge(21, Verdict::Passed);
        assert_eq!((copy(0).judged, copy(0).fails), (21, 0));
        for era in 22..25 {
            judge(era, Verdict::Failed);
            assert!(!copy(0).dropping);
        }
        judge(29, Verdict::Failed);
        assert!(copy(0).dropping);
        run(4);
        happened(a_tenth(0, 3_000, HOSTER));
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::Unserved });
        let ended = copy(0);
        judge(30, Verdict::Failed);
        assert_eq!(copy(0), ended, "who has ended is not judged");
    });
}

#[test]
fn seven_slow_verdicts_of_eight_end_a_copy() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish_with(&feed_of(3), Terms { max_latency_ms: 100, min_kib_per_s: 50, ..terms(1) }, GENEROUS);
        activate(0);
        let judge = |era, latency, speed| DatDot::judge(era, 0, Verdict::Passed, latency, speed);
        judge(10, 100, 50);
        assert_eq!(copy(0).slow, 0);
        DatDot::judge(11, 0, Verdict::Void, 0, 0);
        DatDot::judge(11, 0, Verdict::Failed, 0, 0);
        assert_eq!((copy(0).slow, copy(0).fails), (0, 1), "only a served copy is slow");
        for era in 12..18 {
            judge(era, 101, 50);
            assert!(!copy(0).dropping);
        }
        judge(18, 100, 49);
        assert!(copy(0).dropping);
        let (before, pot) = (held(HOSTER, Role::Hosting), DatDot::pot_value(0));
        run(4);
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::Slow });
        // The targets are the sponsor's alone, and may have been others when the copy was taken.
        assert!(!events().iter().any(|event| matches!(event, Event::Forfeited { .. })));
        assert_eq!((held(HOSTER, Role::Hosting), DatDot::pot_value(0)), (before, pot));
    });
}

/// Who leaves a young copy forfeits for that, also if the copy ends sooner because it is slow.
#[test]
fn who_leaves_young_forfeits_though_it_is_slow() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish_with(&feed_of(3), Terms { max_latency_ms: 100, ..terms(1) }, GENEROUS);
        activate(0);
        assert_ok!(DatDot::leave_copy(signed(HOSTER), 0));
        (10..17).for_each(|era| DatDot::judge(era, 0, Verdict::Passed, 101, 50));
        run(4);
        happened(a_tenth(0, 3, HOSTER));
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::Slow });
    });
}

#[test]
fn a_plan_is_confirmed_while_a_live_copy_stores_something() {
    with_chain(|| {
        providers(&[10, 11, 12], &[20, 21, 22]);
        publish(3, 2);
        run_until(0, CopyState::Assigned);
        run(8);
        assert_eq!(plan(0).live.len(), 1, "one at a time until something is confirmed");
        begin(0);
        run_until(0, CopyState::Encoding);
        assert!(!plan(0).confirmed);
        confirm(0);
        assert!(plan(0).confirmed && plan(0).queued);
        let lane = |lane| NeedQueue::<Test>::get(lane).tail - NeedQueue::<Test>::get(lane).head;
        assert_eq!((lane(0), lane(1)), (1, 0));
        run_while(|| !Copies::<Test>::contains_key(1));
        assert_ok!(DatDot::declare_lost(signed(number(&copy(0).hoster)), 0));
        run(4);
        assert_eq!((copy(0).state, plan(0).confirmed, plan(0).queued), (CopyState::Ended, false, false));
        assert_eq!(plan(0).live.to_vec(), vec![1], "the other goes on");
    });
}

#[test]
fn records_go_in_pieces_of_64_segments() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(3);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run_until(0, CopyState::Ended);
        let ended = now();
        let like = segment(0);
        Copies::<Test>::mutate(0, |copy| {
            let copy = copy.as_mut().unwrap();
            for id in 1_000..1_129 {
                copy.segments.try_push(CopySegment { segment: id, sectors: 0, since: 0 }).unwrap();
                Segments::<Test>::insert(id, Segment { half: 0, ..like.clone() });
                Moduli::<Test>::insert(id, [0; 256]);
            }
        });
        // Others' records are due before its second piece would be at the queue's tail.
        (50..65).for_each(|id| DatDot::arm_at(Wait::Records, ended + 72, id, 0));
        (70..90).for_each(|id| DatDot::arm_at(Wait::Records, ended + 73, id, 0));
        run_to(ended + 71);
        assert_eq!(copy(0).segments.len(), 130);
        // 16 are counted in a block: this copy's pieces come first, each for one.
        for waiting in [35 - 13, 35 - 13 - 16] {
            next_block();
            assert_eq!(crate::Deadlines::<Test>::iter_prefix(Wait::Records).count(), waiting);
        }
        assert!(!Copies::<Test>::contains_key(0), "all of it went in the block in which it was due");
        assert!(!Copies::<Test>::contains_key(0) && !Moduli::<Test>::contains_key(1_128));
        assert!(Segments::<Test>::iter_values().all(|segment| segment.copy != 0));
    });
}
