//! Settlements of retrieval challenges: verdicts, payments, empty hands, reputation.

use super::{mock::*, retrieval::*, world::*};
use crate::{refused, types::*, Event, Peers, Retrievals, Slots};
use frame_support::assert_ok;
use sp_core::H256;
use sp_runtime::AccountId32;

/// Three of five say served: passed, the lower medians go to the score. Whoever did not fetch gets nothing, right or wrong.
#[test]
fn a_verdict_needs_two_thirds_to_fail() {
    let rule = |served: u32, not: u32| (3 * not >= 2 * (served + not), served + not >= 2);
    for (yes, no, verdict) in [
        (2, 0, Verdict::Passed),
        (1, 1, Verdict::Passed),
        (1, 2, Verdict::Failed),
        (0, 2, Verdict::Failed),
        (2, 3, Verdict::Passed),
        (1, 3, Verdict::Failed),
        (1, 0, Verdict::Void),
        (0, 1, Verdict::Void),
        (0, 0, Verdict::Void),
    ] {
        let (fails, quorum) = rule(yes, no);
        let expected = if !quorum {
            Verdict::Void
        } else if fails {
            Verdict::Failed
        } else {
            Verdict::Passed
        };
        assert_eq!(expected, verdict);
        verdict_of(yes, no, verdict);
    }
}

/// Who has a seat for (era 2, copy), none of which has a commit.
fn seated_of(attesters: &[u64], copy: CopyId) -> Vec<u64> {
    // The first commit makes the record; it is taken back.
    let probe = attesters.iter().find(|n| Probe::new(**n, 2, copy, not_served()).commit().is_ok());
    assert!(probe.is_some());
    let seated = seats(2, copy);
    Retrievals::<Test>::mutate(2, copy, |record| {
        record.as_mut().unwrap().seats.iter_mut().for_each(|seat| seat.commit = None);
    });
    assert!(seated.len() >= 5, "{seated:?}");
    seated
}

/// The lower medians of reports whose throughput is 9,000 less their latency.
fn medians(mut latencies: Vec<u32>) -> (u32, u32) {
    latencies.sort_unstable();
    let middle = (latencies.len() - 1) / 2;
    // Throughputs run the other way: their lower median is not of the same report.
    (latencies[middle], 9_000 - latencies[latencies.len() - 1 - middle])
}

/// Runs a whole test in which so many reveal each way, and checks score, money and events.
fn verdict_of(yes: u32, no: u32, verdict: Verdict) {
    with_chain(|| {
        let attesters = all(12);
        let copy = tested(&attesters);
        to_commits(2);
        let latency = |n: u64| 100 + 10 * (n as u32 % 7);
        // As many as have seats commit; the first `yes` of them serve, the next `no` do not, the others are absent.
        let seated = seated_of(&attesters, copy);
        let report =
            |i: usize, n: u64| if i < yes as usize { served(latency(n), 9_000 - latency(n)) } else { not_served() };
        let count = (yes + no) as usize;
        let probes: Vec<Probe> =
            seated.iter().take(count).enumerate().map(|(i, n)| Probe::new(*n, 2, copy, report(i, *n))).collect();
        probes.iter().for_each(|probe| assert_eq!(probe.commit(), Ok(())));
        to_reveals(2);
        probes.iter().for_each(|probe| assert_eq!(probe.reveal(), Ok(())));
        to_settle(2);
        let (reputation, strikes) = (reputation(HOSTER), super::world::copy(copy).strikes);
        let price = REPORT_PRICE * u128::from(reputation) / 1_000_000;
        let (reserve, minted) = (super::world::copy(copy).reserve, crate::Minted::<Test>::get());
        let before: Vec<Balance> = seated.iter().map(|n| free(*n)).collect();
        let bonds: Vec<Balance> = seated.iter().map(|n| held(*n, Role::Attesting)).collect();
        assert_ok!(settle(2, copy));
        let mut paid = 0;
        for (i, n) in seated.iter().enumerate() {
            let revealed = i < count;
            let pays = i < yes as usize;
            assert_eq!(free(*n) - before[i], if pays { price } else { 0 }, "seat {i}");
            assert_eq!(bonds[i] - held(*n, Role::Attesting), if revealed { 0 } else { UNIT / 10 }, "1 % of 10 UNIT");
            paid += if pays { price } else { 0 };
        }
        assert_eq!(crate::Minted::<Test>::get() - minted, paid);
        assert_eq!(reserve - super::world::copy(copy).reserve, paid);
        let latencies: Vec<u32> = seated.iter().take(yes as usize).map(|n| latency(*n)).collect();
        let (latency_ms, kib_per_s) = if verdict == Verdict::Passed { medians(latencies) } else { (0, 0) };
        let peer = Peers::<Test>::get(account(HOSTER)).unwrap();
        assert_eq!((peer.latency_ms, peer.kib_per_s), (latency_ms, kib_per_s));
        let event =
            Event::RetrievalSettled { era: 2, copy, verdict, reports: yes + no, fails: no, latency_ms, kib_per_s };
        happened(event);
        let failed = u32::from(verdict == Verdict::Failed);
        assert_eq!((peer.served, peer.failed), (u32::from(verdict == Verdict::Passed), failed));
        assert_eq!(super::world::copy(copy).strikes, strikes + failed);
        // All of the hoster's sectors are this copy's: R falls by R / 16.
        assert_eq!(super::world::reputation(HOSTER), reputation - failed * (reputation / 16));
        refused!(DatDot::settle_retrieval(signed(STRANGER), 2, copy), AlreadySettled);
    });
}

#[test]
fn settlement_has_its_window_and_the_record_goes_at_its_end() {
    with_chain(|| {
        let copy = tested(&all(3));
        to_commits(2);
        commit_all(2, copy, &all(3), |_| not_served());
        run_to(3 * 24 + 11);
        refused!(DatDot::settle_retrieval(signed(STRANGER), 2, copy), OutsideWindow);
        next_block();
        refused!(DatDot::settle_retrieval(signed(STRANGER), 2, 77), NoSuchCopy);
        assert_ok!(settle(2, copy));
        run_to(3 * 24 + 47);
        assert!(Retrievals::<Test>::contains_key(2, copy));
        refused!(DatDot::settle_retrieval(signed(STRANGER), 2, copy), AlreadySettled);
        next_block();
        refused!(DatDot::settle_retrieval(signed(STRANGER), 2, copy), OutsideWindow);
        assert!(!Retrievals::<Test>::contains_key(2, copy));
    });
}

#[test]
fn a_settlement_without_any_commit_burns_from_every_seat() {
    with_chain(|| {
        let attesters = all(4);
        let copy = tested(&attesters);
        to_settle(2);
        assert_ok!(settle(2, copy));
        let empty = |event: &Event<Test>| match event {
            Event::SeatEmptyHanded { account, .. } => Some(number(account)),
            _ => None,
        };
        let seated: Vec<u64> = events().iter().filter_map(empty).collect();
        assert!(!seated.is_empty());
        let record = Retrievals::<Test>::get(2, copy).unwrap();
        assert!(record.settled && record.seats.is_empty(), "nobody asks for its seats any more");
        for n in &attesters {
            let burned = if seated.contains(n) { UNIT / 10 } else { 0 };
            assert_eq!(held(*n, Role::Attesting), u128::from(SLOTS) * 10 * UNIT - burned);
        }
        run_to(3 * 24 + 48);
        assert!(!Retrievals::<Test>::contains_key(2, copy), "queued at its settlement");
    });
}

#[test]
fn empty_hands_cost_five_percent_of_a_slot_and_era_at_most() {
    with_chain(|| {
        register(ATTESTER);
        offer_attesting(ATTESTER, 1);
        providers(&[HOSTER], &[ENCODER, ENCODER + 1]);
        for _ in 0..7 {
            publish(2, 1);
        }
        activate_all(&(0..7).collect::<Vec<_>>());
        let era = era().max(1) + 1;
        to_settle(era);
        for copy in 0..7 {
            assert_ok!(settle(era, copy));
            let burned = UNIT / 10 * u128::from((copy as u32 + 1).min(5));
            assert_eq!(held(ATTESTER, Role::Attesting), 10 * UNIT - burned);
            let burned = if copy < 5 { UNIT / 10 } else { 0 };
            happened(Event::SeatEmptyHanded { era, copy, account: account(ATTESTER), slot: 0, burned });
        }
        assert_eq!(Slots::<Test>::get(0).unwrap().empty.to_vec(), vec![EraCount { era, count: 5 }]);
        to_settle(era + 1);
        assert_ok!(settle(era + 1, 0));
        assert_eq!(held(ATTESTER, Role::Attesting), 10 * UNIT - 6 * UNIT / 10);
        assert_eq!(Slots::<Test>::get(0).unwrap().bond, 10 * UNIT - 6 * UNIT / 10);
    });
}

#[test]
fn offering_anew_with_another_anchor_leaves_all_unsettled_seats_empty_handed() {
    with_chain(|| {
        let copy = tested(&all(3));
        to_commits(2);
        let probes = commit_all(2, copy, &all(3), |_| served(5, 5));
        assert_eq!(probes.len(), 3);
        let anew = ATTESTER;
        assert_ok!(DatDot::offer_attesting(signed(anew), REPORT_PRICE, H256::repeat_byte(8), 0));
        to_reveals(2);
        for probe in &probes {
            let done = probe.reveal();
            assert_eq!(done, if probe.n == anew { Err(error(crate::Error::BadLink)) } else { Ok(()) });
        }
        to_settle(2);
        assert_ok!(settle(2, copy));
        let event =
            |event: &Event<Test>| matches!(event, Event::SeatEmptyHanded { account, .. } if number(account) == anew);
        assert!(events().iter().any(event));
        assert_eq!(held(anew, Role::Attesting), 20 * UNIT - UNIT / 10);
        // Era 3 began with its slots taken in era 2: no seat. From era 4 on it attests again.
        to_commits(3);
        refused!(commit(anew, 3, copy, H256::zero()), NoSeat);
        to_commits(4);
        assert_ok!(commit(anew, 4, copy, H256::zero()));
    });
}

/// Revealed first, renewed then: the report counts no more.
#[test]
fn a_renewal_after_the_reveal_voids_the_report() {
    with_chain(|| {
        let copy = tested(&all(3));
        to_commits(2);
        let probes = commit_all(2, copy, &all(3), |_| served(5, 5));
        to_reveals(2);
        probes.iter().for_each(|probe| assert_eq!(probe.reveal(), Ok(())));
        assert_ok!(DatDot::offer_attesting(signed(ATTESTER), REPORT_PRICE, H256::repeat_byte(8), 0));
        to_settle(2);
        let before = free(ATTESTER);
        assert_ok!(settle(2, copy));
        assert_eq!(free(ATTESTER), before);
        let settled = |event: &Event<Test>| matches!(event, Event::RetrievalSettled { reports: 2, .. });
        assert!(events().iter().any(settled));
    });
}

/// Else who knows its seats could give its slots back and choose the link, and with it the sector, of an era that has begun.
#[test]
fn another_anchor_costs_the_seats_of_slots_given_back_before_too() {
    for revealed in [false, true] {
        with_chain(|| {
            let copy = tested(&all(3));
            to_commits(2);
            let renew = || {
                assert_ok!(DatDot::withdraw_offer(signed(ATTESTER), Role::Attesting));
                assert_ok!(DatDot::offer_attesting(signed(ATTESTER), REPORT_PRICE, H256::repeat_byte(8), 1));
            };
            if !revealed {
                renew();
                refused!(commit(ATTESTER, 2, copy, H256::zero()), NoSeat);
            }
            let probes = commit_all(2, copy, &all(3)[usize::from(!revealed)..], |_| served(5, 5));
            to_reveals(2);
            probes.iter().for_each(|probe| assert_eq!(probe.reveal(), Ok(())));
            if revealed {
                renew();
            }
            to_settle(2);
            assert_ok!(settle(2, copy));
            let of = |account: &AccountId32| number(account) == ATTESTER;
            let empty = |event: &Event<Test>| matches!(event, Event::SeatEmptyHanded { account, .. } if of(account));
            let settled = |event: &Event<Test>| matches!(event, Event::RetrievalSettled { reports: 2, .. });
            assert!(events().iter().any(empty) && events().iter().any(settled), "revealed: {revealed}");
        });
    }
}

#[test]
fn only_a_copy_active_at_the_eras_end_is_settled() {
    // end_plan takes 10 blocks: the copy ends in block 71, in the last block of era 2, or in 72, the first of era 3.
    for (called, active) in [(61, false), (62, true)] {
        with_chain(|| {
            let copy = tested(&all(3));
            run_to(called);
            assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
            to_commits(2);
            let probes = commit_all(2, copy, &all(3), |_| served(5, 5));
            to_reveals(2);
            assert_eq!(super::world::copy(copy).ended, Some(called + 10));
            let paid = super::world::copy(copy).reserve;
            assert!(paid > 0, "four times Seats x Z stays reserved");
            probes.iter().for_each(|probe| assert_eq!(probe.reveal(), Ok(())));
            to_settle(2);
            if active {
                assert_ok!(settle(2, copy));
                assert!(super::world::copy(copy).reserve < paid);
                assert_eq!(Peers::<Test>::get(account(HOSTER)).unwrap().served, 1);
            } else {
                refused!(DatDot::settle_retrieval(signed(STRANGER), 2, copy), NotUnderTest);
            }
        });
    }
}

#[test]
fn a_failed_verdict_on_an_ended_copy_costs_no_reputation() {
    with_chain(|| {
        let copy = tested(&all(3));
        run_to(62);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        to_commits(2);
        let probes = commit_all(2, copy, &all(3), |_| not_served());
        to_reveals(2);
        probes.iter().for_each(|probe| assert_eq!(probe.reveal(), Ok(())));
        to_settle(2);
        let (before, strikes) = (reputation(HOSTER), super::world::copy(copy).strikes);
        assert_ok!(settle(2, copy));
        assert_eq!(reputation(HOSTER), before);
        happened(Event::CopyStruck { copy, strikes: strikes + 1 });
    });
}

/// Of a hoster with two copies a failed one costs R x its sectors / (16 x all sectors).
#[test]
fn a_failure_weighs_by_the_copys_part() {
    with_chain(|| {
        let attesters = all(3);
        let first = tested(&attesters);
        let second = crate::NextCopy::<Test>::get();
        publish(15, 1);
        activate(second);
        let era = era().max(1) + 1;
        to_commits(era);
        let probes = commit_all(era, first, &attesters, |_| not_served());
        to_reveals(era);
        probes.iter().for_each(|probe| assert_eq!(probe.reveal(), Ok(())));
        to_settle(era);
        let before = reputation(HOSTER);
        assert_ok!(settle(era, first));
        assert_eq!(reputation(HOSTER), before - (u64::from(before) * 5 / (16 * 20)) as u32);
        let change = Change::Reputation { account: account(HOSTER), reputation: reputation(HOSTER) };
        assert_eq!(crate::Changes::<Test>::get(now() + 4).to_vec(), vec![change]);
    });
}
