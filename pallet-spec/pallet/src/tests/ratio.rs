//! What a sponsor's ratio adds to what its plans pay, and who counts as having given.

use super::{mock::*, world::*};
use crate::{types::*, Event, Ratios};
use frame_support::assert_ok;

fn ratio(n: u64) -> Ratio {
    Ratios::<Test>::get(account(n))
}

/// The ratio of a peer that gave and took so many UNIT.
fn ratio_of(given: Balance, taken: Balance) -> u32 {
    Ratios::<Test>::insert(account(SPONSOR), Ratio { given: given * UNIT, taken: taken * UNIT });
    DatDot::ratio(&account(SPONSOR))
}

#[test]
fn a_ratio_is_between_a_half_and_one() {
    with_chain(|| {
        assert_eq!(ratio_of(1_000, 0), 500_000, "an account that is no peer has the least");
        register(SPONSOR);
        for (given, taken, expected) in [
            (0, 0, 1_000_000),
            (4, 12, 500_000),
            (100, 100, 1_000_000),
            (0, 4, 500_000),
            (0, 3, 571_428),
            (0, 100, 500_000),
        ] {
            assert_eq!(ratio_of(given, taken), expected, "given {given}, taken {taken}");
        }
        assert_eq!(ratio_of(500, 3), 1_000_000, "to have given more than taken helps nothing");
    });
}

/// Given 4, taken 12: an ask of 1,000 costs 2,100, and a pot that paid 10,000 burns 11,000 more.
#[test]
fn the_rules_example_of_a_surcharge_holds() {
    for (given, taken, cost, added) in [(4, 12, 2_100, 11_000), (200, 100, 1_050, 500), (0, 3, 1_838, 8_376)] {
        with_chain(|| {
            register(SPONSOR);
            publish(3, 1);
            ratio_of(given, taken);
            assert_eq!(DatDot::cost(&account(SPONSOR), 1_000), cost);
            let mut plan = plan(0);
            DatDot::burn_pot(0, &mut plan, 10_000);
            DatDot::surcharge(0, &mut plan);
            assert_eq!(last_event(), Event::Surcharged { plan: 0, base: 10_000, amount: added });
            assert_eq!((plan.burned, plan.mark), (10_000 + added, 10_000 + added));
            assert_eq!(ratio(SPONSOR).taken, taken * UNIT + 10_000 + added);
            // Nothing was paid since.
            let events = events().len();
            DatDot::surcharge(0, &mut plan);
            assert_eq!((plan.burned, super::mock::events().len()), (10_000 + added, events));
            crate::Plans::<Test>::insert(0, plan);
        });
    }
}

/// What is paid counts as taken before its surcharge is reckoned: who takes much at once pays for much.
#[test]
fn a_surcharge_goes_by_the_ratio_after_the_payments() {
    for (base, amount) in [(4 * UNIT, 4 * UNIT * 11 / 10), (UNIT, UNIT * 1_050_000 / 800_000 - UNIT), (1_000, 51)] {
        with_chain(|| {
            register(SPONSOR);
            publish(3, 1);
            assert_eq!(ratio_of(0, 0), PPM);
            let mut plan = plan(0);
            DatDot::burn_pot(0, &mut plan, base);
            DatDot::surcharge(0, &mut plan);
            assert_eq!(last_event(), Event::Surcharged { plan: 0, base, amount });
            assert_eq!(ratio(SPONSOR).taken, base + amount);
            crate::Plans::<Test>::insert(0, plan);
        });
    }
}

/// It leaves what reserves cost at the least ratio; what was paid counts as taken also if nothing is left to burn.
#[test]
fn a_surcharge_takes_no_more_than_is_free() {
    for (reserved, amount) in [(0, 100), (10, 79), (47, 1), (48, 0), (1_000, 0)] {
        with_chain(|| {
            publish(3, 1);
            let mut plan = plan(0);
            plan.reserved = reserved;
            let base = DatDot::pot_value(0) - 100;
            DatDot::burn_pot(0, &mut plan, base);
            DatDot::surcharge(0, &mut plan);
            assert_eq!(last_event(), Event::Surcharged { plan: 0, base, amount });
            assert_eq!((plan.mark, ratio(SPONSOR).taken), (plan.burned, base + amount));
            plan.reserved = 0;
            crate::Plans::<Test>::insert(0, plan);
        });
    }
}

/// Who is paid has given; who sponsors has taken what its plans paid and what was added. Neither a stall nor a retry counts.
#[test]
fn ticks_surcharge_what_was_paid() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        let id = active_copy(1 << 12);
        let (encoding, receiving) = (ASK_ENCODING >> 10, ASK_RECEIVING >> 10);
        assert_eq!(ratio(ENCODER), Ratio { given: encoding / 2, taken: 0 });
        assert_eq!(ratio(HOSTER), Ratio { given: receiving, taken: 0 });
        assert_eq!(ratio(SPONSOR), Ratio::default());
        spend(0, UNIT);
        let base = encoding / 2 + receiving;
        run_to(plan(0).next_tick);
        let amount = (base * 21).div_ceil(10) - base;
        happened(Event::Surcharged { plan: 0, base, amount });
        assert_eq!(ratio(SPONSOR), Ratio { given: 0, taken: base + amount });
        // What is paid after the last tick is surcharged when the remainder is fixed: here the second half.
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run_while(|| plan(0).state == PlanState::Live);
        assert!(copy(id).halves > 0);
        let before = ratio(SPONSOR).taken;
        run_while(|| plan(0).remainder.is_none());
        let found = events();
        let at = |wanted: fn(&Event<Test>) -> bool| found.iter().position(wanted);
        let surcharged = at(|event| matches!(event, Event::Surcharged { .. }));
        let claimable = at(|event| matches!(event, Event::PlanClaimable { .. }));
        assert_eq!(surcharged.map(|at| at + 1), claimable);
        assert!(surcharged.is_some());
        assert_eq!(ratio(SPONSOR).taken, before + encoding / 2 + (encoding / 2 * 21).div_ceil(10) - encoding / 2);
        assert_eq!(plan(0).remainder, Some(DatDot::pot_value(0)));
    });
}

/// A segment is paid as if it had a checkpoint's sectors, else nobody would encode a small append.
#[test]
fn a_small_segment_is_paid_as_a_checkpoint() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        let id = active_copy(3);
        let fee = ASK_ENCODING * 256 / (1 << 22);
        assert_eq!(segment(copy(id).segments[0].segment).half, fee - fee / 2);
        assert_eq!(ratio(ENCODER).given, fee / 2);
        assert_eq!(ratio(HOSTER).given, ASK_RECEIVING * 3 / (1 << 22), "receiving is paid by the sector");
    });
}

/// A pot is low when it cannot pay one era's disk at the least ratio, and the next tick's fee.
#[test]
fn a_pot_is_low_at_cost() {
    for short in [0, 1] {
        with_chain(|| {
            register(SPONSOR);
            ratio_of(4, 12);
            providers(&[HOSTER], &[ENCODER]);
            active_copy(1 << 12);
            run_to(plan(0).next_tick - 1);
            let mut paid = plan(0);
            DatDot::surcharge(0, &mut paid);
            crate::Plans::<Test>::insert(0, paid);
            assert_eq!(DatDot::era_cost(&plan(0), None), (ASK_DISK >> 10) * 21 / 10 + TICK_FEE);
            let next = plan(0).next_tick + 24;
            let disk = |blocks: Block| ((ASK_DISK >> 10) * u128::from(blocks)).div_ceil(24);
            let reserve = disk(next - copy(0).first_confirmed.unwrap()) + copy(0).halves + 36 * REPORT_PRICE;
            spend(
                0,
                DatDot::pot_value(0) - (reserve * 21).div_ceil(10) - TICK_FEE - DatDot::era_cost(&plan(0), None)
                    + short,
            );
            next_block();
            let low = Event::PotLow { plan: 0, block: next };
            assert_eq!(events().contains(&low), short == 1);
        });
    }
}
