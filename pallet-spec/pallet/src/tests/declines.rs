//! Declines: how many, and how the need comes back.

use super::{mock::*, placement::needs, world::*};
use crate::{refused, types::*, Event, HosterDraws, Hosters};
use frame_support::assert_ok;

#[test]
fn declines_are_eight_an_era_and_the_need_comes_back() {
    with_chain(|| {
        providers(&[HOSTER], &[]);
        for _ in 0..9 {
            publish(3, 1);
        }
        run_until(8, CopyState::Offered);
        let declined = now();
        refused!(DatDot::decline_copy(signed(STRANGER), 0), NotParty);
        refused!(DatDot::decline_copy(signed(HOSTER), 77), NoSuchCopy);
        let used = HosterDraws::<Test>::get(account(HOSTER)).unwrap().used;
        for id in 0..8 {
            assert_ok!(DatDot::decline_copy(signed(HOSTER), id));
            assert_eq!(last_event(), Event::CopyEnded { copy: id, reason: CopyEnd::Declined });
            assert_eq!((copy(id).state, copy(id).ended), (CopyState::Ended, Some(declined)));
            refused!(DatDot::decline_copy(signed(HOSTER), id), WrongState);
        }
        refused!(DatDot::decline_copy(signed(HOSTER), 8), TooManyDeclines);
        assert_eq!(Hosters::<Test>::get(account(HOSTER)).unwrap().used, 768);
        assert_eq!(HosterDraws::<Test>::get(account(HOSTER)).unwrap().used, used, "the table lags");
        assert!(!plan(0).queued);
        run(3);
        assert_eq!(HosterDraws::<Test>::get(account(HOSTER)).unwrap().used, used);
        next_block();
        assert_eq!(HosterDraws::<Test>::get(account(HOSTER)).unwrap().used, 768);
        assert_eq!(needs().first().map(|need| (need.id, need.ready)), Some((0, declined + 8)));
        assert_eq!(copy(8).state, CopyState::Offered, "late by a block or not, silence accepts after the window");
        run(1);
        assert_eq!(copy(8).state, CopyState::Accepted);
        refused!(DatDot::decline_copy(signed(HOSTER), 8), WrongState);
    });
}

#[test]
fn a_decline_counts_in_its_era_only() {
    with_chain(|| {
        providers(&[HOSTER], &[]);
        for _ in 0..9 {
            publish(3, 1);
        }
        run_until(8, CopyState::Offered);
        for id in 0..8 {
            assert_ok!(DatDot::decline_copy(signed(HOSTER), id));
        }
        run_to(24);
        publish(3, 1);
        run_until(9, CopyState::Offered);
        assert_ok!(DatDot::decline_copy(signed(HOSTER), 9));
        assert_eq!(Hosters::<Test>::get(account(HOSTER)).unwrap().declines, 1);
    });
}

#[test]
fn a_plan_is_made_anew_for_who_declined() {
    with_chain(|| {
        providers(&[10, 11], &[]);
        publish(3, 1);
        run_until(0, CopyState::Offered);
        let first = number(&copy(0).hoster);
        assert_ok!(DatDot::decline_copy(signed(first), 0));
        run_until(1, CopyState::Offered);
        assert_ne!(number(&copy(1).hoster), first, "a former party");
    });
}
