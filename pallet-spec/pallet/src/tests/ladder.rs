//! The ladder: a challenge that is not answered through its three deadlines, late answers, eviction, pauses.

use super::{mock::*, world::*};
use crate::{
    refused, types::*, Changes, Copies, CopySlots, Event, HosterDraws, Hosters, NextCopy, Plans, StorageChallenges,
};
use frame_support::assert_ok;

fn hoster(n: u64) -> Hoster {
    Hosters::<Test>::get(account(n)).unwrap()
}

/// Collateral of a copy of that many sectors.
pub fn collateral(sectors: u64) -> Balance {
    UNIT / 20 * u128::from(256 * sectors) / (1 << 30)
}

/// One hoster with one active copy that was just challenged.
fn challenged(sectors: u64) -> StorageChallenge {
    providers(&[HOSTER], &[ENCODER]);
    active_copy(sectors);
    run_until_challenged(HOSTER)
}

#[test]
fn three_deadlines_lead_to_eviction() {
    with_chain(|| {
        let open = challenged(300);
        let (issued, first) = (open.issued, reputation(HOSTER));
        let second = first - first / 8;
        run_to(issued + 30);
        assert_eq!((hoster(HOSTER).step, reputation(HOSTER)), (0, first));
        next_block();
        let hoster_account = account(HOSTER);
        let due = now() + 30;
        let expected = [
            Event::StorageMissed { hoster: hoster_account.clone(), issued, reputation: second },
            Event::CopyStruck { copy: 0, strikes: 1 },
            Event::HosterOverdue { hoster: hoster_account.clone(), issued, step: 1, due },
        ];
        assert_eq!(events(), expected);
        assert_eq!((hoster(HOSTER).step, hoster(HOSTER).missed, hoster(HOSTER).last), (1, 1, issued));
        assert_eq!(challenge(HOSTER), Some(open.clone()), "the same challenge stays open");
        run_to(due);
        assert_eq!(hoster(HOSTER).step, 1);
        next_block();
        let due = now() + 24;
        happened(Event::HosterOverdue { hoster: hoster_account.clone(), issued, step: 2, due });
        assert_eq!((hoster(HOSTER).step, hoster(HOSTER).missed), (2, 1), "it is one challenge");
        assert_eq!(reputation(HOSTER), second - second / 8);
        assert_eq!(HosterDraws::<Test>::get(account(HOSTER)).unwrap().reputation, second - second / 8);
        run_to(due);
        assert_eq!((hoster(HOSTER).step, challenge(HOSTER)), (2, Some(open)));
        next_block();
        happened(Event::HosterEvicted { hoster: hoster_account });
        assert_eq!((hoster(HOSTER).step, hoster(HOSTER).open, challenge(HOSTER)), (3, false, None));
        assert_eq!(copy(0).state, CopyState::Active, "it is swept in the next block");
    });
}

#[test]
fn the_evicted_are_swept_and_half_their_copies_collateral_is_gone() {
    with_chain(|| {
        challenged(3_000);
        run_while(|| hoster(HOSTER).step < 3);
        let (held_before, pot) = (held(HOSTER, Role::Hosting), DatDot::pot_value(0));
        let (minted, burned) = (crate::Minted::<Test>::get(), crate::Burned::<Test>::get());
        next_block();
        let all = collateral(3_000);
        let (taken, given) = (all / 2, all / 10);
        assert!(given > 0);
        let hoster_account = account(HOSTER);
        let expected = [
            Event::Forfeited { copy: 0, account: hoster_account.clone(), burned: taken - given, pot: given },
            Event::CopyEnded { copy: 0, reason: CopyEnd::Evicted },
            Event::HosterCleared { hoster: hoster_account },
        ];
        assert_eq!(events(), expected);
        assert_eq!(held(HOSTER, Role::Hosting), held_before - taken);
        assert_eq!(DatDot::pot_value(0), pot + given);
        assert_eq!(crate::Minted::<Test>::get() - minted, given);
        assert_eq!(crate::Burned::<Test>::get() - burned, taken);
        assert_eq!(hoster(HOSTER).step, 0);
        assert_eq!(Plans::<Test>::get(0).unwrap().former.len(), 1);
        // It may come back.
        offer_hosting(HOSTER, CAPACITY);
        assert_eq!(held(HOSTER, Role::Hosting), held_before);
    });
}

#[test]
fn a_sweep_ends_eight_copies_in_a_block() {
    for (copies, blocks) in [(8, 1), (9, 2)] {
        with_chain(|| {
            providers(&[HOSTER], &[20, 21, 22]);
            (0..copies).for_each(|_| assert_eq!(plan(publish(1, 1)).sectors, 1));
            activate_all(&(0..copies).collect::<Vec<_>>());
            run(times().seed_delay);
            // Another copy is in the making: it is not touched.
            publish(1, 1);
            run_until(copies, CopyState::Accepted);
            StorageChallenges::<Test>::remove(account(HOSTER));
            Hosters::<Test>::mutate(account(HOSTER), |hoster| hoster.as_mut().unwrap().step = 3);
            let slot = HosterDraws::<Test>::get(account(HOSTER)).unwrap().slot.unwrap();
            DatDot::arm(Wait::Sweep, 1, slot.into(), 0);
            for block in 1..=blocks {
                next_block();
                let ended = events().iter().filter(|event| matches!(event, Event::CopyEnded { .. })).count() as u64;
                assert_eq!(ended, if block == 1 { 8 } else { copies - 8 });
                let cleared = events().contains(&Event::HosterCleared { hoster: account(HOSTER) });
                assert_eq!(cleared, block == blocks);
            }
            assert_eq!((hoster(HOSTER).step, hoster(HOSTER).copies), (0, 1));
            assert_ne!(copy(copies).state, CopyState::Ended);
            assert_eq!(CopySlots::<Test>::iter().count(), 0);
        });
    }
}

#[test]
fn a_late_proof_clears_and_earns_nothing() {
    for step in [1, 2] {
        with_chain(|| {
            let open = challenged(3);
            let acc = hoster(HOSTER).acc;
            run_while(|| hoster(HOSTER).step < step);
            let (before, passed) = (reputation(HOSTER), hoster(HOSTER).passed);
            run(3);
            let changes = Changes::<Test>::iter().count();
            let mut wrong = answer(&open);
            wrong.sectors[0][0] ^= 1;
            refused!(submit(HOSTER, open.issued, wrong), BadOpening);
            assert_ok!(submit(HOSTER, open.issued, answer(&open)));
            assert_eq!(last_event(), Event::HosterCleared { hoster: account(HOSTER) });
            let hoster = hoster(HOSTER);
            assert_eq!((hoster.step, hoster.acc, hoster.last, hoster.passed), (0, acc, now(), passed));
            assert_eq!((reputation(HOSTER), challenge(HOSTER)), (before, None));
            assert_eq!(Changes::<Test>::iter().count(), changes);
            assert!(hoster.open, "it was never out");
            // The deadlines that are left find nothing.
            let struck = copy(0).strikes;
            run_while(|| challenge(HOSTER).is_none());
            prove_until(now() + 60);
            assert_eq!((super::ladder::hoster(HOSTER).step, copy(0).strikes), (0, struck));
        });
    }
}

/// The hoster answers all that it is asked until that block.
pub fn prove_until(block: Block) {
    while now() < block {
        next_block();
        if challenge(HOSTER).is_some_and(|open| open.issued < now()) {
            prove(HOSTER);
        }
    }
}

#[test]
fn who_is_overdue_gets_no_copy() {
    with_chain(|| {
        challenged(3);
        run_while(|| hoster(HOSTER).step == 0);
        publish(3, 1);
        run(20);
        assert!(plan(1).live.is_empty());
        prove(HOSTER);
        run_while(|| plan(1).live.is_empty());
    });
}

#[test]
fn samples_of_a_copy_that_ended_leave_the_challenge() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(100);
        active_copy(100);
        run_until_challenged(HOSTER);
        let of = |copy| move |sample: &&Sample| sample.copy == copy;
        let open = || challenge(HOSTER).unwrap();
        run_while(|| {
            let both = [0, 1].iter().all(|copy| open().samples.iter().any(|sample| sample.copy == *copy));
            if !both {
                run_until_challenged(HOSTER);
            }
            !both
        });
        let (issued, kept) = (open().issued, open().samples.iter().filter(of(1)).count());
        run_while(|| hoster(HOSTER).step == 0);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run(10);
        assert_eq!(copy(0).state, CopyState::Ended);
        assert_eq!((open().issued, open().samples.len(), hoster(HOSTER).step), (issued, kept, 1));
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 1));
        run(10);
        assert_eq!((challenge(HOSTER), hoster(HOSTER).step, hoster(HOSTER).last), (None, 0, now()));
        happened(Event::HosterCleared { hoster: account(HOSTER) });
        run(100);
        assert_eq!(hoster(HOSTER).missed, 1);
    });
}

#[test]
fn a_challenge_without_samples_goes_silently_while_the_hoster_is_good() {
    with_chain(|| {
        challenged(3);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run(10);
        assert_eq!((copy(0).state, challenge(HOSTER)), (CopyState::Ended, None));
        assert!(!events().contains(&Event::HosterCleared { hoster: account(HOSTER) }));
    });
}

#[test]
fn nothing_new_is_asked_during_a_pause() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        refused!(DatDot::pause(signed(STRANGER)), NoOffer);
        publish_with(&feed_of(3), Terms { until: 2_000, ..terms(1) }, GENEROUS);
        activate(0);
        run(4);
        run_until_challenged(HOSTER);
        prove(HOSTER);
        assert_ok!(DatDot::pause(signed(HOSTER)));
        let paused = now();
        let event = Event::HosterPaused { account: account(HOSTER), start: paused + 30, end: paused + 36 };
        assert_eq!(last_event(), event);
        assert_eq!(hoster(HOSTER).pause, Some(paused));
        refused!(DatDot::pause(signed(HOSTER)), PauseTooSoon);
        let copies = NextCopy::<Test>::get();
        publish(3, 1);
        while now() < paused + 36 {
            assert_eq!((challenge(HOSTER), NextCopy::<Test>::get()), (None, copies));
            next_block();
        }
        assert_eq!((challenge(HOSTER), NextCopy::<Test>::get()), (None, copies), "its last block");
        run_while(|| challenge(HOSTER).is_none());
        assert!(now() < paused + 80, "it is asked again");
        run_while(|| hoster(HOSTER).step == 0);
        refused!(DatDot::pause(signed(HOSTER)), WrongState);
        prove(HOSTER);
        prove_until(paused + 14 * 24 - 1);
        refused!(DatDot::pause(signed(HOSTER)), PauseTooSoon);
        prove_until(paused + 14 * 24);
        assert_ok!(DatDot::pause(signed(HOSTER)));
    });
}

#[test]
fn what_is_open_at_a_pause_stays_due() {
    with_chain(|| {
        let open = challenged(3);
        assert_ok!(DatDot::pause(signed(HOSTER)));
        run_to(open.issued + 31);
        assert_eq!(hoster(HOSTER).step, 1);
        assert!(Copies::<Test>::contains_key(0));
    });
}
