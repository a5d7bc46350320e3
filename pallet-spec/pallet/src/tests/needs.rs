//! How needs wait: their lanes, their rounds, and when they sleep.

use super::{mock::*, placement::*, world::*};
use crate::{types::*, Event};
use frame_support::assert_ok;
use std::collections::BTreeSet;

/// The fourth time it would go to the tail a plan's need sleeps.
#[test]
fn eight_misses_in_a_row_send_a_need_to_the_tail_three_times() {
    with_chain(|| {
        let found = || needs().iter().map(|need| (need.id, need.misses, need.rounds)).collect::<Vec<_>>();
        for _ in 0..3 {
            publish(3, 1);
        }
        run_to(4);
        assert_eq!(found(), vec![(0, 0, 0), (1, 0, 0), (2, 0, 0)]);
        // 32 tries a block: 8 for each in turn.
        next_block();
        assert_eq!(found(), vec![(1, 0, 1), (2, 0, 1), (0, 0, 2)]);
        next_block();
        assert_eq!(found(), vec![(2, 0, 2), (0, 0, 3), (1, 0, 3)]);
        assert!(!events().iter().any(|event| matches!(event, Event::NeedSleeps { .. })));
        next_block();
        assert_eq!(found(), vec![]);
        for id in 0..3 {
            happened(Event::NeedSleeps { plan: id });
            assert!(!plan(id).queued);
        }
    });
}

/// An encoder's need is patient for 16 rounds; then it acts as if its time were over.
#[test]
fn the_sixteenth_round_of_an_encoders_need_is_its_last() {
    with_chain(|| {
        providers(&[HOSTER], &[]);
        publish(3, 1);
        run_until(0, CopyState::Accepted);
        run(6);
        assert_eq!(needs().iter().map(|need| need.rounds).collect::<Vec<_>>(), vec![12], "four rounds a block");
        assert_eq!(copy(0).state, CopyState::Accepted);
        next_block();
        happened(Event::PlanWaits { plan: 0 });
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::NoEncoder });
        assert_eq!(needs(), vec![]);
    });
}

/// Plans that have something confirmed have 16 tries of their own in each block, whatever others ask for.
#[test]
fn a_flood_of_new_plans_does_not_keep_a_running_one_waiting() {
    with_chain(|| {
        providers(&[HOSTER, HOSTER + 1], &[ENCODER]);
        let free = Terms { max_ask_disk: 0, max_ask_encoding: 0, max_ask_receiving: 0, ..terms(1) };
        publish(3, 2);
        run_until(0, CopyState::Assigned);
        begin(0);
        run_until(0, CopyState::Encoding);
        for _ in 0..40 {
            let id = publish_with(&feed_of(1), free.clone(), UNIT / 10);
            spend(id, UNIT / 100 * 9);
        }
        run(4);
        confirm(0);
        let confirmed = now();
        run_while(|| plan(0).live.len() < 2);
        assert_eq!(now(), confirmed + 4, "as if nobody else asked");
        // 40 needs of 32 tries each: 16 tries a block in lane 1, and what lane 0 leaves.
        assert!(needs_in(1).len() > 20 && needs_in(0).is_empty());
        // In the end all sleep, also those that woke at a tick.
        run_while(|| !needs_in(1).is_empty());
        assert!(now() <= confirmed + 80);
    });
}

/// A lane that has nothing to do leaves its tries to the other.
#[test]
fn a_lane_uses_what_the_other_leaves() {
    let tries =
        |lane| needs_in(lane).iter().map(|need| 8 * u32::from(need.rounds) + u32::from(need.misses)).sum::<u32>();
    for (lanes, expected) in [(vec![0, 1], [16, 16]), (vec![0], [32, 0]), (vec![1], [0, 32])] {
        with_chain(|| {
            // Plans that nobody fits, with ready needs instead of those of their publications.
            (0..2 * lanes.len()).map(|_| publish(3, 1)).for_each(|_| DatDot::pop_need(1));
            for (at, lane) in lanes.iter().enumerate() {
                for id in [2 * at as u64, 2 * at as u64 + 1] {
                    let need = Need { kind: NeedKind::Hoster, id, ready: now(), misses: 0, rounds: 0 };
                    DatDot::push_need_in(*lane, need);
                }
            }
            assert_eq!(DatDot::place(), 32);
            assert_eq!([tries(0), tries(1)], expected, "{lanes:?}");
        });
    }
}

/// Who sees a seed cannot pick the terms that only its friend fits.
#[test]
fn changed_terms_meet_no_seed_that_was_known() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        run(3);
        let changed = Terms { max_ask_disk: 2 * CAP_DISK, ..terms(1) };
        assert_ok!(DatDot::amend_plan(signed(SPONSOR), 0, changed));
        let amended = now();
        assert_eq!(plan(0).fresh, amended + 4);
        run(3);
        assert!(plan(0).live.is_empty());
        let waits: Vec<_> = needs().iter().map(|need| (need.misses, need.rounds)).collect();
        assert_eq!(waits, vec![(0, 0)], "such tries are not counted");
        next_block();
        assert_eq!((hosters_of(0), copy(0).offered), (vec![HOSTER], amended + 4));
    });
}

#[test]
fn a_need_that_is_not_ready_holds_its_lane() {
    with_chain(|| {
        publish(3, 1);
        next_block();
        publish(3, 1);
        run_to(5);
        // The first misses eight times and goes behind the second, which is ready in the next block.
        let order = || needs().iter().map(|need| (need.id, need.rounds)).collect::<Vec<_>>();
        assert_eq!(order(), vec![(1, 0), (0, 1)]);
        next_block();
        assert_eq!(order(), vec![(1, 2), (0, 3)]);
    });
}

#[test]
fn a_void_need_is_dropped() {
    with_chain(|| {
        publish(3, 1);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run(11);
        assert_eq!(plan(0).state, PlanState::Ended);
        assert_eq!(needs(), vec![]);
        assert!(!plan(0).queued);
    });
}

#[test]
fn a_plan_stays_at_the_head_until_all_replicas_are_offered() {
    with_chain(|| {
        providers(&(10..20).collect::<Vec<_>>(), &[ENCODER]);
        publish_with(&feed_of(3), Terms { replicas: 10, ..terms(10) }, GENEROUS);
        run(8);
        assert_eq!(plan(0).live.len(), 1, "one at a time until something is confirmed");
        activate(0);
        run(4);
        let first = plan(0).live.len();
        assert!(first > 4, "several in one block: {first}");
        run_while(|| plan(0).live.len() < 10);
        assert_eq!(hosters_of(0).into_iter().collect::<BTreeSet<_>>(), (10..20).collect());
    });
}
