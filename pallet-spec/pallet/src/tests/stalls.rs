//! Encoders that fail, feeds that are gone: leases that pass, checkpoints, copies without an encoder, declined jobs.

use super::{ladder::prove_until, mock::*, world::*};
use crate::{refused, types::*, Changes, Copies, DeadlineQueues, EncoderDraws, Encoders, Event, Hosters, NeedQueue};
use frame_support::assert_ok;
use sp_core::H256;

const FINE: Balance = UNIT / 100;
/// Leases pass soon.
const SHORT: Times = Times { lease: 10, ..Times::DEVELOPMENT };

fn encoder(n: u64) -> Encoder {
    Encoders::<Test>::get(account(n)).unwrap()
}

/// What the pot of the stall in this block burned.
fn stalled_pot() -> Option<Balance> {
    events().into_iter().find_map(|event| match event {
        Event::Stalled { pot, .. } => Some(pot),
        _ => None,
    })
}

/// The copy's encoder begins and does no more.
fn stall(id: CopyId) {
    run_until(id, CopyState::Assigned);
    begin(id);
    run(11);
}

#[test]
fn the_sponsors_part_doubles_with_each_stall() {
    with_times(SHORT, 1, || {
        providers(&[HOSTER, HOSTER + 1], &[ENCODER, ENCODER + 1]);
        publish(3, 1);
        for id in 0..5 {
            stall(id);
            assert_eq!(stalled_pot(), Some(FINE << id.min(3)));
            assert_eq!(copy(id).state, CopyState::Ended);
            assert_eq!(u64::from(plan(0).stalls), id + 1);
            assert_eq!(plan(0).mark, plan(0).burned, "it is no payment");
            for n in 0..2 {
                offer_hosting(HOSTER + n, CAPACITY);
                offer_encoding(ENCODER + n);
            }
        }
        // A confirmed segment sets it back.
        activate(5);
        assert_eq!(plan(0).stalls, 0);
    });
}

/// 600 sectors: two checkpoints and a rest.
fn encoding() -> u64 {
    providers(&[HOSTER], &[ENCODER, ENCODER + 1]);
    publish(600, 1);
    run_until(0, CopyState::Assigned);
    let encoder = number(&copy(0).encoder.unwrap());
    begin(0);
    run_until(0, CopyState::Encoding);
    encoder
}

#[test]
fn a_checkpoint_may_be_confirmed_once() {
    with_chain(|| {
        let first = encoding();
        let call = |bytes| DatDot::confirm_segment(signed(HOSTER), 0, 0, bytes, H256::repeat_byte(3), [7; 64]);
        for bytes in [255 * 256, 256 * 256 + 1, 600 * 256 - 1, 601 * 256] {
            refused!(call(bytes), BadSegmentBytes);
        }
        refused!(call(599 * 256), BadSignature);
        let bonds = [held(HOSTER, Role::Hosting), held(first, Role::Encoding)];
        let (receiver, maker) = (free(HOSTER), free(first));
        confirm_bytes(0, 256 * 256, H256::repeat_byte(3));
        let fee = ASK_ENCODING * 256 / (1 << 22);
        assert_eq!(free(first) - maker, fee / 2, "paid as any");
        assert_eq!(free(HOSTER) - receiver, ASK_RECEIVING * 256 / (1 << 22));
        assert_eq!(held(HOSTER, Role::Hosting), bonds[0] - FINE, "who called pays");
        assert_eq!(held(first, Role::Encoding), bonds[1]);
        let kept = copy(0);
        assert_eq!((kept.state, kept.stored, kept.stalls, kept.current), (CopyState::Accepted, 256, 1, None));
        assert_eq!((kept.encoder.clone(), kept.fee, kept.ask_encoding), (None, 0, 0));
        assert_eq!(kept.encoders.to_vec(), vec![account(first)]);
        assert_eq!((encoder(first).open, encoder(first).jobs), (true, 0), "it is not out");
        assert_eq!((encoder(first).unreleased, encoder(first).halves), (fee - fee / 2, 1));
        let change = Change::Confirmed { copy: 0, sectors: 256, encoder: Some(account(first)) };
        assert!(Changes::<Test>::get(now() + 4).contains(&change));
        let need = Need { kind: NeedKind::Encoder, id: 0, ready: now() + 4, misses: 0, rounds: 0 };
        assert_eq!(DatDot::first_need(0), Some(need), "the plan is confirmed now");
        // The other encoder goes on, from where it is; there is no second time.
        run_until(0, CopyState::Assigned);
        let id = begin(0);
        assert_eq!((segment(id).first_byte, number(&segment(id).encoder)), (256 * 256, 2 * ENCODER + 1 - first));
        run_until(0, CopyState::Encoding);
        let again = DatDot::confirm_segment(signed(HOSTER), 0, id, 256 * 256, H256::zero(), [7; 64]);
        refused!(again, BadSegmentBytes);
        confirm(0);
        assert_eq!((copy(0).state, copy(0).stalls), (CopyState::Active, 0));
    });
}

#[test]
fn the_encoder_may_confirm_a_checkpoint_and_pays_then() {
    with_chain(|| {
        let first = encoding();
        let bonds = [held(HOSTER, Role::Hosting), held(first, Role::Encoding)];
        let root = H256::repeat_byte(3);
        let signature = statement(0, 300 * 256, root, HOSTER);
        assert_ok!(DatDot::confirm_segment(signed(first), 0, 0, 300 * 256, root, signature));
        assert_eq!(held(HOSTER, Role::Hosting), bonds[0]);
        assert_eq!(held(first, Role::Encoding), bonds[1] - FINE);
    });
}

#[test]
fn a_copy_that_stores_something_outlives_one_stall() {
    with_times(SHORT, 1, || {
        let first = encoding();
        confirm_bytes(0, 256 * 256, H256::repeat_byte(3));
        // The checkpoint was its one.
        run_until(0, CopyState::Assigned);
        begin(0);
        run(11);
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::Stalled });
        assert!(!Hosters::<Test>::get(account(HOSTER)).unwrap().open);
        assert!(encoder(first).open);
    });
    with_times(SHORT, 1, || {
        providers(&[HOSTER], &[ENCODER, ENCODER + 1]);
        publish(3, 1);
        run_until(0, CopyState::Assigned);
        begin(0);
        run_until(0, CopyState::Encoding);
        confirm(0);
        // As a copy that has more to come.
        Copies::<Test>::mutate(0, |copy| {
            let copy = copy.as_mut().unwrap();
            copy.bytes += 256;
            copy.sectors += 1;
            copy.active_since = None;
            copy.state = CopyState::Accepted;
            DatDot::want_encoder(0, copy);
        });
        Hosters::<Test>::mutate(account(HOSTER), |hoster| hoster.as_mut().unwrap().used += 256);
        run_until(0, CopyState::Assigned);
        let out = number(&copy(0).encoder.unwrap());
        let id = begin(0);
        run(11);
        assert_eq!(stalled_pot(), Some(FINE));
        assert_eq!((copy(0).state, copy(0).stalls, copy(0).current), (CopyState::Accepted, 1, None));
        assert_eq!((crate::Segments::<Test>::get(id), crate::Moduli::<Test>::get(id)), (None, None));
        assert!(!encoder(out).open && Hosters::<Test>::get(account(HOSTER)).unwrap().open);
        assert_eq!((encoder(out).jobs, EncoderDraws::<Test>::get(account(out)).unwrap().jobs), (0, 0));
    });
}

#[test]
fn a_plan_whose_copy_found_no_encoder_waits_for_its_tick() {
    with_chain(|| {
        providers(&[HOSTER], &[]);
        publish(3, 1);
        // The need of an encoder gives up sooner than its deadline: 16 rounds of 8 tries.
        run_until(0, CopyState::Ended);
        let expected = [Event::PlanWaits { plan: 0 }, Event::CopyEnded { copy: 0, reason: CopyEnd::NoEncoder }];
        assert_eq!(events()[events().len() - 2..], expected);
        assert_eq!((plan(0).waiting, plan(0).queued, plan(0).stalls), (true, false, 1));
        assert_eq!((plan(0).burned, plan(0).mark), (FINE, FINE));
        assert!(Hosters::<Test>::get(account(HOSTER)).unwrap().open);
        let tick = plan(0).next_tick;
        prove_until(tick - 1);
        assert!(plan(0).live.is_empty() && plan(0).waiting);
        next_block();
        assert_eq!((plan(0).waiting, plan(0).queued), (false, true));
        assert_eq!(plan(0).burned, FINE + UNIT / 100);
    });
}

#[test]
fn a_late_deadline_of_an_encoder_finds_nothing() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        activate(0);
        DatDot::no_encoder(0, copy(0).generation.into());
        assert_eq!((copy(0).state, plan(0).waiting), (CopyState::Active, false));
    });
}

#[test]
fn a_declined_job_costs_nothing_and_the_fourth_ends_the_copy() {
    // No tick comes between: it would count anew.
    with_times(Times { era: 60, ..Times::DEVELOPMENT }, 1, || {
        providers(&[HOSTER], &[20, 21, 22, 23]);
        publish(3, 1);
        refused!(DatDot::decline_job(signed(20), 0), NoSuchCopy);
        for round in 1..=4 {
            run_until(0, CopyState::Assigned);
            let n = number(&copy(0).encoder.unwrap());
            refused!(DatDot::decline_job(signed(HOSTER), 0), NotParty);
            let bond = held(n, Role::Encoding);
            let queue = DeadlineQueues::<Test>::get(Wait::EncoderDraw).tail;
            assert_ok!(DatDot::decline_job(signed(n), 0));
            happened(Event::JobDeclined { copy: 0, encoder: account(n) });
            assert_eq!(held(n, Role::Encoding), bond);
            assert_eq!((encoder(n).jobs, encoder(n).unreleased, encoder(n).open), (0, 0, true));
            assert_eq!(EncoderDraws::<Test>::get(account(n)).unwrap().jobs, 1, "the table follows later");
            assert!(Changes::<Test>::get(now() + 4).contains(&Change::JobLeft { account: account(n) }));
            let left = copy(0);
            assert_eq!((left.state, left.encoder, left.fee), (CopyState::Accepted, None, 0));
            let armed = DeadlineQueues::<Test>::get(Wait::EncoderDraw).tail - queue;
            let needs = (0..2).map(NeedQueue::<Test>::get).map(|fifo| fifo.tail - fifo.head).sum::<u64>();
            if round < 4 {
                assert_eq!((plan(0).declined, plan(0).waiting, left.dropping), (round, false, false));
                assert_eq!((armed, needs), (1, 1));
            } else {
                assert_eq!((plan(0).declined, plan(0).waiting, left.dropping), (0, true, true));
                assert_eq!((armed, needs, last_event()), (0, 0, Event::PlanWaits { plan: 0 }));
            }
        }
        let before = (plan(0).burned, held(HOSTER, Role::Hosting));
        run(4);
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::NoData });
        assert_eq!((plan(0).burned, held(HOSTER, Role::Hosting)), before, "nobody pays");
        assert!((20..24).all(|n| EncoderDraws::<Test>::get(account(n)).unwrap().jobs == 0));
        run_to(plan(0).next_tick);
        assert!(!plan(0).waiting && plan(0).queued);
    });
}

#[test]
fn only_an_assigned_job_is_declined_and_eight_an_era() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        run_until(0, CopyState::Assigned);
        Encoders::<Test>::mutate(account(ENCODER), |encoder| {
            let encoder = encoder.as_mut().unwrap();
            encoder.decline_era = era();
            encoder.declines = 8;
        });
        refused!(DatDot::decline_job(signed(ENCODER), 0), TooManyDeclines);
        run_to(24);
        assert_ok!(DatDot::decline_job(signed(ENCODER), 0));
        assert_eq!((encoder(ENCODER).decline_era, encoder(ENCODER).declines), (1, 1));
        run_until(0, CopyState::Assigned);
        begin(0);
        refused!(DatDot::decline_job(signed(ENCODER), 0), WrongState);
        run_until(0, CopyState::Encoding);
        confirm(0);
        assert_eq!((plan(0).declined, copy(0).state), (0, CopyState::Active));
    });
}
