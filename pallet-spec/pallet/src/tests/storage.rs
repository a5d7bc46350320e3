//! Storage challenges: who is challenged, with which sectors, answers right, wrong, late and corrected, and what R and pay become.

use super::{mock::*, trees::Tree, world::*};
use crate::{challenges::sample_count, crypto::draw, refused, types::*, Copies, Event, Hosters, Storing, StoringCount};
use codec::Encode;
use frame_support::assert_ok;
use sp_core::H256;
use std::collections::BTreeSet;

fn hoster(n: u64) -> Hoster {
    Hosters::<Test>::get(account(n)).unwrap()
}

#[test]
fn samples_grow_with_what_is_stored() {
    let gib = |n: u64| n << 22;
    let table = [
        (0, 8),
        (1, 8),
        (gib(1) - 1, 8),
        (gib(1), 8),
        (gib(6), 8),
        (gib(7) - 1, 8),
        (gib(7), 10),
        (gib(14), 10),
        (gib(15), 12),
        (gib(100), 16),
        (gib(1 << 13), 30),
        (gib(1 << 14) - gib(1), 32),
        (gib(1 << 30), 32),
    ];
    for (sectors, k) in table {
        assert_eq!(sample_count(sectors), k, "{sectors} sectors");
    }
}

/// With n hosters, a block makes d = min(8, ceil(n / MeanGap)) draws among max(MeanGap d, n) places.
#[test]
fn hosters_are_challenged_by_the_draw() {
    for (mean_gap, hosters) in [(5, 1), (5, 3), (2, 5), (1, 9)] {
        with_times(Times { mean_gap, ..Times::DEVELOPMENT }, 3, || {
            let numbers = |from: u64| (from..from + u64::from(hosters)).collect::<Vec<_>>();
            providers(&numbers(40), &numbers(60));
            publish(3, hosters as u8);
            activate_all(&(0..u64::from(hosters)).collect::<Vec<_>>());
            run(times().seed_delay);
            assert_eq!(StoringCount::<Test>::get(), hosters);
            let d = hosters.div_ceil(mean_gap).min(8);
            let span = u128::from((mean_gap * d).max(hosters));
            let mut seen = 0;
            for _ in 0..60 {
                for n in numbers(40) {
                    if challenge(n).is_some_and(|open| open.issued < now()) {
                        prove(n);
                    }
                }
                let open: BTreeSet<_> = crate::StorageChallenges::<Test>::iter_keys().collect();
                next_block();
                let places = (0..d).map(|i| draw(3, DatDot::seed(), &[], i) % span).filter(|x| *x < hosters.into());
                let drawn: BTreeSet<_> = places.map(|x| Storing::<Test>::get(x as u32).unwrap()).collect();
                let issued = |event| match event {
                    Event::StorageChallenged { hoster, .. } => Some(hoster),
                    _ => None,
                };
                let found: BTreeSet<_> = events().into_iter().filter_map(issued).collect();
                seen += found.len();
                assert!(found.is_subset(&drawn), "{found:?} of {drawn:?}");
                assert!(drawn.difference(&found).all(|hoster| open.contains(hoster)));
            }
            assert!(seen > 0);
        });
    }
}

#[test]
fn the_rate_of_challenges_is_one_in_mean_gap_blocks() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(3);
        let mut challenges = 0;
        let from = now();
        while now() < from + 400 {
            next_block();
            if challenge(HOSTER).is_some() {
                challenges += 1;
                prove(HOSTER);
            }
            if plan(0).state == PlanState::Live && now().is_multiple_of(100) {
                assert_ok!(donated(signed(STRANGER), 0, UNIT));
            }
        }
        // A challenge is answered in the next block: 400 / (5 + 1) on the mean, 7.5 as deviation.
        assert!((40..95).contains(&challenges), "{challenges} challenges in 400 blocks");
    });
}

#[test]
fn samples_are_fixed_at_issue_by_the_draw_over_the_copies_table() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(5);
        active_copy(11);
        let challenge = run_until_challenged(HOSTER);
        let issued = now();
        assert_eq!(challenge.issued, issued);
        let seed = seed_of(1, issued);
        let samples: BTreeSet<Sample> = (0..8)
            .map(|j| {
                let x = (draw(4, seed, &account(HOSTER).encode(), j) % 16) as u64;
                let (copy, sector) = if x < 5 { (0, x) } else { (1, x - 5) };
                Sample { copy, segment: copy, sector }
            })
            .collect();
        assert_eq!(challenge.samples.to_vec(), samples.iter().copied().collect::<Vec<_>>());
        let samples = samples.len() as u32;
        happened(Event::StorageChallenged { hoster: account(HOSTER), issued, samples });
        // Nothing changes them.
        active_copy_while_challenged();
        assert_eq!(super::world::challenge(HOSTER).filter(|open| open.issued == issued), Some(challenge));
    });
}

/// A third copy comes to the hoster while its challenge is open.
fn active_copy_while_challenged() {
    let id = crate::NextCopy::<Test>::get();
    publish(2, 1);
    run_until(id, CopyState::Assigned);
    begin(id);
}

#[test]
fn a_challenge_that_is_open_is_not_issued_again() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(3);
        let first = run_until_challenged(HOSTER);
        run(30);
        assert_eq!(challenge(HOSTER), Some(first));
    });
}

#[test]
fn a_right_answer_raises_reputation_and_earns() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(3);
        let confirmed = copy(0).first_confirmed.unwrap();
        assert_eq!((hoster(HOSTER).acc, hoster(HOSTER).last), (0, confirmed));
        run_while(|| challenge(HOSTER).is_none());
        let challenge = challenge(HOSTER).unwrap();
        next_block();
        assert_ok!(submit(HOSTER, challenge.issued, answer(&challenge)));
        let reputation = 500_000 + 500_000 / 64;
        let event = Event::StorageProved { hoster: account(HOSTER), issued: challenge.issued, reputation };
        assert_eq!(last_event(), event);
        assert_eq!(super::world::reputation(HOSTER), reputation);
        let earned = 500_000 * u64::from(challenge.issued - confirmed);
        let hoster = hoster(HOSTER);
        assert_eq!((hoster.acc, hoster.last, hoster.passed, hoster.missed), (earned, challenge.issued, 1, 0));
        // The draw table follows SeedDelay blocks later.
        let drawn = || crate::HosterDraws::<Test>::get(account(HOSTER)).unwrap().reputation;
        run(3);
        assert_eq!(drawn(), 500_000);
        next_block();
        assert_eq!(drawn(), reputation);
    });
}

#[test]
fn answers_that_do_not_verify_are_refused_and_may_be_corrected() {
    with_chain(|| {
        providers(&[HOSTER, HOSTER + 1], &[ENCODER]);
        active_copy(100);
        let n = number(&copy(0).hoster);
        let other = 2 * HOSTER + 1 - n;
        refused!(submit(other, 1, Default::default()), NoChallenge);
        let challenge = run_until_challenged(n);
        let issued = challenge.issued;
        let good = answer(&challenge);
        refused!(submit(n, issued, good.clone()), OutsideWindow);
        next_block();
        refused!(submit(other, issued, good.clone()), NoChallenge);
        refused!(submit(n, issued - 1, good.clone()), WrongChallenge);
        let with = |change: &dyn Fn(&mut StorageProof)| {
            let mut proof = good.clone();
            change(&mut proof);
            submit(n, issued, proof)
        };
        refused!(with(&|proof| proof.sectors.truncate(1)), WrongSectorCount);
        refused!(with(&|proof| proof.sectors.clear()), WrongSectorCount);
        refused!(with(&|proof| proof.sectors.try_push([0; 256]).unwrap()), WrongSectorCount);
        refused!(with(&|proof| proof.sectors.as_mut().swap(0, 1)), BadOpening);
        for bit in [0, 1_000, 2_047] {
            refused!(with(&|proof| proof.sectors.last_mut().unwrap()[bit / 8] ^= 1 << (bit % 8)), BadOpening);
        }
        for at in 0..good.siblings.len() {
            refused!(with(&|proof| proof.siblings[at].0[0] ^= 1), BadOpening);
            refused!(with(&|proof| proof.siblings.retain(|one| *one != good.siblings[at])), BadOpening);
            refused!(with(&|proof| proof.siblings.try_insert(at, good.siblings[at]).unwrap()), BadOpening);
            refused!(with(&|proof| proof.siblings.as_mut().swap(at, (at + 1) % good.siblings.len())), BadOpening);
        }
        // One hash more than is needed.
        refused!(with(&|proof| proof.siblings.try_push(H256::zero()).unwrap()), BadOpening);
        // Sectors of another copy's tree of the same width.
        let foreign = Tree::new(H256::repeat_byte(5), 100);
        let wanted: Vec<u64> = challenge.samples.iter().map(|sample| sample.sector).collect();
        let alien = StorageProof {
            sectors: wanted.iter().map(|index| foreign.open(*index).data).collect::<Vec<_>>().try_into().unwrap(),
            siblings: foreign.siblings(&wanted).try_into().unwrap(),
        };
        refused!(submit(n, issued, alien), BadOpening);
        assert_ok!(submit(n, issued, good.clone()));
        refused!(submit(n, issued, good), NoChallenge);
    });
}

#[test]
fn the_last_block_of_the_window_counts_and_the_next_is_late() {
    for late in [0, 1] {
        with_chain(|| {
            providers(&[HOSTER], &[ENCODER]);
            active_copy(3);
            let challenge = run_until_challenged(HOSTER);
            run(30 + late);
            assert_ok!(submit(HOSTER, challenge.issued, answer(&challenge)));
            let proved = matches!(last_event(), Event::StorageProved { .. });
            assert_eq!((copy(0).strikes, proved), if late == 0 { (0, true) } else { (1, false) });
        });
    }
}

#[test]
fn a_miss_lowers_reputation_strikes_the_samples_copies_and_leaves_the_interval_unpaid() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(1);
        active_copy(200);
        let challenge = run_until_challenged(HOSTER);
        let acc = hoster(HOSTER).acc;
        let named: BTreeSet<CopyId> = challenge.samples.iter().map(|sample| sample.copy).collect();
        let before = reputation(HOSTER);
        run(31);
        let after = before - before / 8;
        let event = Event::StorageMissed { hoster: account(HOSTER), issued: challenge.issued, reputation: after };
        happened(event);
        assert_eq!(reputation(HOSTER), after);
        let drawn = crate::HosterDraws::<Test>::get(account(HOSTER)).unwrap().reputation;
        assert_eq!(drawn, after, "on_initialize changes the table at once");
        for id in [0, 1] {
            assert_eq!(copy(id).strikes, u32::from(named.contains(&id)));
        }
        let hoster = hoster(HOSTER);
        assert_eq!((hoster.acc, hoster.last, hoster.missed), (acc, challenge.issued, 1));
        assert_eq!(super::world::challenge(HOSTER), Some(challenge), "it stays open");
    });
}

#[test]
fn reputation_has_a_floor() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish_with(&feed_of(3), Terms { until: 2_000, ..terms(1) }, GENEROUS);
        activate(0);
        let mut last = reputation(HOSTER);
        for _ in 0..14 {
            // Each time it answers late, so that it is warned and no more.
            run_while(|| challenge(HOSTER).is_none());
            run_while(|| hoster(HOSTER).step == 0);
            let expected = (last - last / 8).max(100_000);
            assert_eq!(reputation(HOSTER), expected);
            prove(HOSTER);
            last = expected;
        }
        assert_eq!(last, 100_000);
    });
}

/// What a hoster earned is price x units / (2^22 Era 10^6), of its copies as it stored them.
#[test]
fn collect_pays_what_was_earned() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        let sectors = 1 << 22;
        let id = crate::NextCopy::<Test>::get();
        publish_with(&feed_of(sectors), terms(1), GENEROUS);
        run_until(id, CopyState::Assigned);
        begin(id);
        run_until(id, CopyState::Encoding);
        confirm_bytes(id, sectors * SECTOR, H256::repeat_byte(1));
        let confirmed = now();
        refused!(DatDot::collect(signed(STRANGER), 7), NoSuchCopy);
        assert_ok!(DatDot::collect(signed(STRANGER), id));
        run(11);
        pass(HOSTER);
        let first = hoster(HOSTER).last;
        let units = |rate: u128, from: Block, to: Block| u128::from(sectors) * rate * u128::from(to - from);
        let pay = |units: u128| ASK_DISK * units / ((1 << 22) * 24 * 1_000_000);
        // The debt at confirmation: R + (10^6 - R) / 64 for the time since `last`, which was none.
        let (before, reserve) = (free(HOSTER), copy(id).reserve);
        assert_ok!(DatDot::collect(signed(STRANGER), id));
        let amount = pay(units(500_000, confirmed, first));
        assert!(amount > 0);
        assert_eq!(last_event(), Event::Paid { copy: id, account: account(HOSTER), amount, what: Payment::Storage });
        assert_eq!((free(HOSTER), copy(id).reserve), (before + amount, reserve - amount));
        assert_eq!(copy(id).debt, units(500_000, confirmed, first));
        // Nothing twice.
        assert_ok!(DatDot::collect(signed(STRANGER), id));
        assert_eq!(free(HOSTER), before + amount);
        run(5);
        pass(HOSTER);
        let (second, rate) = (hoster(HOSTER).last, 500_000 + 500_000 / 64);
        let before = free(HOSTER);
        assert_ok!(DatDot::collect(signed(STRANGER), id));
        assert_eq!(free(HOSTER), before + pay(units(rate, first, second)));
    });
}

/// A passed challenge issued in this block, for a segment whose tree is not there.
fn pass(n: u64) {
    let samples = Default::default();
    crate::StorageChallenges::<Test>::insert(account(n), StorageChallenge { issued: now(), samples });
    System::set_block_number(now() + 1);
    assert_ok!(submit(n, now() - 1, Default::default()));
}

/// The worked example of the rules: Era 14,400; 10 GiB, price 10^9, R 900,000, 2,400 blocks give 1,500,000,000.
#[test]
fn the_rules_example_of_pay_holds() {
    let sectors: u128 = 10 << 22;
    assert_eq!(sectors, 41_943_040);
    let units = sectors * 900_000 * 2_400;
    let pay = crate::money::mul_div([1_000_000_000, units, 1], (1 << 22) * 14_400 * 1_000_000);
    assert_eq!(pay, 1_500_000_000);
}

/// Sectors that come later are not paid for the time before: the debt covers a pass of what is open then.
#[test]
fn later_sectors_earn_from_their_confirmation_only() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(3);
        run(9);
        pass(HOSTER);
        let (acc, last) = (hoster(HOSTER).acc, hoster(HOSTER).last);
        let id = crate::NextCopy::<Test>::get();
        publish(5, 1);
        activate(id);
        let rate = u128::from(reputation(HOSTER) + (1_000_000 - reputation(HOSTER)) / 64);
        let debt = 5 * (u128::from(acc) + rate * u128::from(now() - last));
        assert_eq!(copy(id).debt, debt);
        // A pass for the time up to now leaves it with nothing due.
        crate::StorageChallenges::<Test>::remove(account(HOSTER));
        pass(HOSTER);
        let before = copy(id).debt;
        assert_ok!(DatDot::collect(signed(STRANGER), id));
        assert_eq!(copy(id).debt, before);
    });
}

#[test]
fn a_copy_that_ended_is_not_asked_for_and_keeps_its_records_for_three_eras() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(3);
        let open = run_until_challenged(HOSTER);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run_until(0, CopyState::Ended);
        let ended = now();
        assert_eq!(StoringCount::<Test>::get(), 0);
        assert_eq!((copy(0).slot, copy(0).tabled, copy(0).frozen), (None, 0, Some(hoster(HOSTER).acc)));
        assert_eq!(
            (hoster(HOSTER).stored, hoster(HOSTER).used, hoster(HOSTER).copies, hoster(HOSTER).records),
            (0, 0, 0, 1)
        );
        refused!(submit(HOSTER, open.issued, answer(&open)), NoChallenge);
        run_to(ended + 71);
        assert!(Copies::<Test>::contains_key(0) && crate::Moduli::<Test>::contains_key(0));
        next_block();
        happened(Event::CopyRemoved { copy: 0 });
        assert!(!Copies::<Test>::contains_key(0));
        assert!(!crate::Segments::<Test>::contains_key(0) && !crate::Moduli::<Test>::contains_key(0));
        assert_eq!(hoster(HOSTER).records, 0);
        run(60);
        assert_eq!(challenge(HOSTER), None, "who stores nothing is not challenged");
    });
}

#[test]
fn in_the_list_the_last_takes_the_place_of_who_leaves() {
    with_chain(|| {
        providers(&[], &[ENCODER]);
        for n in [10, 11, 12] {
            // One offer at a time, so that each plan is on a hoster of its own.
            providers(&[n], &[]);
            active_copy(2);
            assert_ok!(DatDot::withdraw_offer(signed(n), Role::Hosting));
            run(4);
        }
        let listed =
            || (0..StoringCount::<Test>::get()).map(|i| number(&Storing::<Test>::get(i).unwrap())).collect::<Vec<_>>();
        assert_eq!(listed(), vec![10, 11, 12]);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run(10);
        assert_eq!(listed(), vec![12, 11]);
        assert_eq!(hoster(12).place, Some(0));
        assert_eq!(hoster(10).place, None);
    });
}
