//! Retrieval challenges: seats, links, commits, reveals, verdicts, payments, empty hands.

use super::{mock::*, world::*};
use crate::{
    crypto::{draw, hash},
    refused,
    types::*,
    weights, Attesters, Eras, Event, Retrievals,
};
use frame_support::{assert_ok, dispatch::Pays};
use sp_core::H256;
use std::collections::BTreeSet;

pub const SLOTS: u32 = 2;

/// An active copy before era 2, and attesters that hold slots since era 0.
pub fn tested(attesters: &[u64]) -> CopyId {
    for n in attesters {
        register(*n);
        offer_attesting(*n, SLOTS);
    }
    providers(&[HOSTER], &[ENCODER]);
    let copy = active_copy(5);
    assert!(now() < 48, "the copy is active before era 2");
    copy
}

pub fn all(count: u64) -> Vec<u64> {
    (ATTESTER..ATTESTER + count).collect()
}

/// Goes to the first block in which era r takes commits, or reveals, or settlements.
pub fn to_commits(era: Era) {
    serve_to(era * times().era + times().probe_blocks);
}

pub fn to_reveals(era: Era) {
    serve_to((era + 1) * times().era + times().reveal_from);
}

pub fn to_settle(era: Era) {
    serve_to((era + 1) * times().era + times().settle_from);
}

/// Those who have a seat: whoever may commit. Each commits the report that `report` says.
pub fn commit_all(era: Era, copy: CopyId, attesters: &[u64], report: impl Fn(u64) -> Report) -> Vec<Probe> {
    let probes = attesters.iter().map(|n| Probe::new(*n, era, copy, report(*n)));
    probes.filter(|probe| probe.commit().is_ok()).collect()
}

pub fn seats(era: Era, copy: CopyId) -> Vec<u64> {
    Retrievals::<Test>::get(era, copy).unwrap().seats.iter().map(|seat| number(&seat.account)).collect()
}

#[test]
fn each_era_keeps_its_seed_and_slots_for_four_eras() {
    with_chain(|| {
        register(ATTESTER);
        offer_attesting(ATTESTER, 3);
        run_to(24);
        assert_eq!(Eras::<Test>::get(1), Some(EraInfo { seed: seed_of(1, 24), slots: 3 }));
        assert_eq!(Eras::<Test>::get(0), None, "block 0 has no on_initialize");
        run_to(5 * 24 - 1);
        assert!(Eras::<Test>::contains_key(1));
        next_block();
        assert!(!Eras::<Test>::contains_key(1) && Eras::<Test>::contains_key(2));
    });
}

/// Slots D(5, copy | era, ctr) with the seed of Era(r), mod the slots of Era(r - 1), each account once, until none is left.
#[test]
fn the_committee_is_that_of_the_draw() {
    with_chain(|| {
        let attesters = all(6);
        let copy = tested(&attesters);
        for era in 2..6 {
            to_commits(era);
            commit_all(era, copy, &attesters, |_| not_served());
            let mut expected = Vec::new();
            let ids = [&copy.to_le_bytes()[..], &era.to_le_bytes()[..]].concat();
            for i in 0..128 {
                let slot = draw(5, seed_of(1, era * 24), &ids, i) % 12;
                let n = ATTESTER + slot as u64 / u64::from(SLOTS);
                if !expected.contains(&n) {
                    expected.push(n);
                }
            }
            assert_eq!(seats(era, copy), expected, "era {era}");
        }
    });
}

#[test]
fn eras_0_and_1_and_copies_that_were_not_active_are_not_tested() {
    with_chain(|| {
        let copy = tested(&all(1));
        let commit = |era, copy| commit(ATTESTER, era, copy, H256::zero());
        if now() < 24 + 14 {
            run_to(24 + 14);
        }
        refused!(commit(1, copy), NotUnderTest);
        to_commits(2);
        refused!(commit(2, 99), NoSuchCopy);
        let late = crate::NextCopy::<Test>::get();
        publish(3, 1);
        run_until(late, CopyState::Offered);
        to_commits(3);
        refused!(commit(3, late), NotUnderTest);
        refused!(commit(3, copy + 100), NoSuchCopy);
        assert_ok!(commit(3, copy));
    });
}

#[test]
fn commits_have_their_window() {
    with_chain(|| {
        let copy = tested(&all(1));
        let probe = || Probe::new(ATTESTER, 2, copy, not_served());
        run_to(2 * 24 + 13);
        refused!(commit(ATTESTER, 2, copy, H256::zero()), OutsideWindow);
        next_block();
        refused!(commit(STRANGER, 2, copy, H256::zero()), NoSeat);
        assert_ok!(probe().commit());
        assert_eq!(last_event(), Event::RetrievalCommitted { era: 2, copy, account: account(ATTESTER) });
        refused!(commit(ATTESTER, 2, copy, H256::zero()), AlreadyCommitted);
        run_to(3 * 24 + 13);
        refused!(commit(ATTESTER, 2, copy, H256::zero()), OutsideWindow);
        refused!(commit(ATTESTER, 3, copy, H256::zero()), OutsideWindow);
        run_to(3 * 24 + 23);
        assert_ok!(commit(ATTESTER, 3, copy, H256::zero()));
        next_block();
        refused!(commit(ATTESTER, 3, copy, H256::zero()), OutsideWindow);
    });
}

#[test]
fn reveals_have_their_window_and_open_the_commit() {
    with_chain(|| {
        let copy = tested(&all(2));
        to_commits(2);
        let probe = Probe::new(ATTESTER, 2, copy, served(120, 4_000));
        assert_ok!(probe.commit());
        let refuse = |probe: &Probe, name| assert_eq!(probe.reveal(), Err(error(name)));
        use crate::Error::*;
        run_to(3 * 24 + 2);
        refuse(&probe, OutsideWindow);
        next_block();
        let changed = |change: &dyn Fn(&mut Probe)| {
            let mut changed = probe.clone();
            change(&mut changed);
            changed
        };
        refuse(&changed(&|p| p.n = STRANGER), NoSeat);
        refuse(&Probe::new(ATTESTER + 1, 2, copy, served(120, 4_000)), NotCommitted);
        refuse(&changed(&|p| p.era = 1), OutsideWindow);
        refuse(&changed(&|p| p.copy = 50), NoSuchCopy);
        refuse(&changed(&|p| p.report.served = 2), BadReport);
        refuse(&changed(&|p| p.report.served = 0), BadReport);
        refuse(&changed(&|p| p.opening = None), BadReport);
        refuse(&changed(&|p| p.link = link(ATTESTER, 3)), BadLink);
        refuse(&changed(&|p| p.link = H256::zero()), BadLink);
        refuse(&changed(&|p| p.opening.as_mut().unwrap().data[0] ^= 1), BadOpening);
        refuse(&changed(&|p| p.opening.as_mut().unwrap().siblings.truncate(1)), BadOpening);
        refuse(&changed(&|p| p.salt = H256::zero()), CommitMismatch);
        refuse(&changed(&|p| p.report.latency_ms = 121), CommitMismatch);
        refuse(&changed(&|p| p.report.kib_per_s = 4_001), CommitMismatch);
        assert_eq!(Attesters::<Test>::get(account(ATTESTER)).unwrap().link_era, 0, "a failed reveal shows no link");
        assert_ok!(probe.reveal());
        let report = served(120, 4_000);
        assert_eq!(last_event(), Event::RetrievalRevealed { era: 2, copy, account: account(ATTESTER), report });
        refuse(&probe, AlreadyRevealed);
        let attester = Attesters::<Test>::get(account(ATTESTER)).unwrap();
        assert_eq!((attester.link_era, attester.link), (2, link(ATTESTER, 2)));
        run_to(3 * 24 + 12);
        refuse(&probe, OutsideWindow);
    });
}

/// A copy that ended a block ago must not cost an attester what it says of the others.
#[test]
fn what_is_wrong_is_left_out_and_costs_the_fee() {
    with_chain(|| {
        let copy = tested(&all(2));
        to_commits(2);
        let (first, second) =
            (Probe::new(ATTESTER, 2, copy, not_served()), Probe::new(ATTESTER + 1, 2, copy, served(7, 7)));
        let commits = |copies: &[CopyId], probe: &Probe| {
            let commits = copies.iter().map(|copy| RetrievalCommit { copy: *copy, commit: probe.hash() });
            DatDot::commit_retrievals(signed(probe.n), 2, some(commits.collect()))
        };
        let name = |n| account(ATTESTER + n);
        let refused = |n, copy, error| Event::RetrievalRefused { era: 2, copy, account: name(n), error };
        let done = commits(&[99, copy, copy], &first).unwrap();
        assert_eq!(done.pays_fee, Pays::Yes);
        let told = events();
        let wanted =
            [Event::RetrievalCommitted { era: 2, copy, account: name(0) }, refused(0, 99, 30), refused(0, copy, 48)];
        assert_eq!(told[told.len() - 3..], wanted, "what was taken comes first");
        // The record was made by the first: 2 of 2 attesters are seated after some of at most 128 draws, and all are counted.
        assert_eq!(done.actual_weight, Some(weights::commit_retrievals(3, 1, 128)));
        let done = commits(&[copy], &second).unwrap();
        assert_eq!((done.pays_fee, done.actual_weight), (Pays::No, Some(weights::commit_retrievals(1, 0, 0))));
        let all_wrong = commits(&[copy, 99], &first).unwrap_err();
        assert_eq!(all_wrong.error, error(crate::Error::AlreadyCommitted), "the first");
        assert_eq!(all_wrong.post_info.actual_weight, Some(weights::commit_retrievals(2, 0, 0)));
        assert_eq!(commits(&[], &first).unwrap_err().error, error(crate::Error::NothingSaid));

        to_reveals(2);
        let reveals =
            |items: Vec<RetrievalReveal>| DatDot::reveal_retrievals(signed(second.n), 2, second.link, some(items));
        let wrong = RetrievalReveal { copy: 99, ..second.item() };
        assert_eq!(reveals(vec![wrong.clone()]).unwrap_err().error, error(crate::Error::NoSuchCopy));
        assert_eq!(reveals(vec![]).unwrap_err().error, error(crate::Error::NothingSaid));
        assert_eq!(Attesters::<Test>::get(name(1)).unwrap().link_era, 0, "a failed call shows no link");
        assert_eq!(reveals(vec![wrong, second.item()]).unwrap().pays_fee, Pays::Yes);
        assert_eq!(last_event(), refused(1, 99, 30));
        assert_eq!(Attesters::<Test>::get(name(1)).unwrap().link_era, 2);
        let done = DatDot::reveal_retrievals(signed(first.n), 2, first.link, some(vec![first.item()])).unwrap();
        assert_eq!(done.pays_fee, Pays::No);
    });
}

#[test]
fn not_served_reveals_without_an_opening() {
    with_chain(|| {
        let copy = tested(&all(1));
        to_commits(2);
        let probe = Probe::new(ATTESTER, 2, copy, not_served());
        assert_ok!(probe.commit());
        to_reveals(2);
        let mut opened = Probe::new(ATTESTER, 2, copy, served(0, 0));
        opened.report = not_served();
        assert_eq!(opened.reveal(), Err(error(crate::Error::BadReport)));
        assert_ok!(probe.reveal());
    });
}

/// One link an era for all copies; a later one leads to the last that was shown.
#[test]
fn links_go_on_from_era_to_era() {
    with_chain(|| {
        let attesters = all(1);
        tested(&attesters);
        let second = crate::NextCopy::<Test>::get();
        publish(3, 1);
        activate(second);
        let (first, era) = (0, era().max(1) + 1);
        let reveal_both = |era: Era| {
            to_commits(era);
            let probes = [first, second].map(|copy| Probe::new(ATTESTER, era, copy, not_served()));
            probes.iter().for_each(|probe| assert!(probe.commit().is_ok()));
            to_reveals(era);
            assert_ok!(probes[0].reveal());
            let mut other = probes[1].clone();
            other.link = link(ATTESTER, era + 1);
            assert_eq!(other.reveal(), Err(error(crate::Error::BadLink)), "another link in the same era");
            assert_ok!(probes[1].reveal());
        };
        reveal_both(era);
        // An era without a reveal is skipped.
        reveal_both(era + 2);
        assert_eq!(Attesters::<Test>::get(account(ATTESTER)).unwrap().link, link(ATTESTER, era + 2));
    });
}

#[test]
fn at_most_64_links_are_skipped() {
    for skipped in [64, 65] {
        with_times(Times { plan_eras: 1_000, ..Times::DEVELOPMENT }, 1, || {
            register(ATTESTER);
            offer_attesting(ATTESTER, SLOTS);
            providers(&[HOSTER], &[ENCODER]);
            publish_with(&feed_of(2), Terms { until: 2_000, ..terms(1) }, GENEROUS);
            activate(0);
            let era = skipped;
            to_commits(era);
            let probe = Probe::new(ATTESTER, era, 0, not_served());
            assert_ok!(probe.commit());
            to_reveals(era);
            let expected = if skipped > MAX_LINKS { Err(error(crate::Error::BadLink)) } else { Ok(()) };
            assert_eq!(probe.reveal(), expected);
        });
    }
}

/// Parties, late comers, dear ones and the sponsor take no seat.
#[test]
fn seats_that_stay_empty() {
    with_chain(|| {
        for n in [HOSTER, ENCODER, SPONSOR, ATTESTER, ATTESTER + 1, ATTESTER + 2, ATTESTER + 3] {
            register(n);
        }
        offer_hosting(HOSTER, CAPACITY);
        offer_encoding(ENCODER);
        for n in [HOSTER, ENCODER, SPONSOR, ATTESTER] {
            offer_attesting(n, 1);
        }
        // Dearer than the plan pays.
        let dearer = Amounts { report_price: REPORT_PRICE + 1, ..Amounts::DEFAULT };
        assert_ok!(DatDot::set_parameters(RuntimeOrigin::root(), dearer));
        assert_ok!(DatDot::offer_attesting(signed(ATTESTER + 1), REPORT_PRICE + 1, link(ATTESTER + 1, 0), 1));
        assert_ok!(DatDot::set_parameters(RuntimeOrigin::root(), Amounts::DEFAULT));
        run(4);
        let copy = active_copy(3);
        serve_to(now().max(24));
        // Taken in r - 1: not yet.
        offer_attesting(ATTESTER + 2, 1);
        serve_to(48);
        offer_attesting(ATTESTER + 3, 1);
        for era in 2..8 {
            to_commits(era);
            let everyone = [HOSTER, ENCODER, SPONSOR, ATTESTER, ATTESTER + 1, ATTESTER + 2, ATTESTER + 3];
            let mut may = BTreeSet::from([ATTESTER]);
            if era >= 3 {
                may.insert(ATTESTER + 2);
            }
            if era >= 4 {
                may.insert(ATTESTER + 3);
            }
            for n in everyone {
                let done = Probe::new(n, era, copy, not_served()).commit();
                if !may.contains(&n) {
                    assert_eq!(done, Err(error(crate::Error::NoSeat)), "{n} in era {era}");
                }
            }
        }
    });
}

#[test]
fn a_slot_that_was_given_back_takes_no_later_seat_but_keeps_those_it_has() {
    with_chain(|| {
        let copy = tested(&all(1));
        to_commits(2);
        assert_ok!(DatDot::withdraw_offer(signed(ATTESTER), Role::Attesting));
        let probe = Probe::new(ATTESTER, 2, copy, not_served());
        assert_ok!(probe.commit());
        to_reveals(2);
        assert_ok!(probe.reveal());
        to_commits(3);
        refused!(commit(ATTESTER, 3, copy, H256::zero()), NoSeat);
    });
}

#[test]
fn the_probe_names_a_sector_of_the_whole_copy() {
    let (p, copy, era) = (H256::repeat_byte(1), 9u64, 4u32);
    for j in 0..4u8 {
        let bytes = [b"datdot/v1/probe\0", &p.0[..], &copy.to_le_bytes()[..], &era.to_le_bytes()[..], &[j]].concat();
        assert_eq!(crate::crypto::probe(p, copy, era, j), hash(&[&bytes]));
    }
}
