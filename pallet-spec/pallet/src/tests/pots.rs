//! What a pot keeps for reserves and surcharges, what it can pay beside that, and what its ticks burn.

use super::{
    ladder::prove_until,
    live::{feed, live_copy, update},
    mock::*,
    world::*,
};
use crate::{
    money::{kept, unsurcharged},
    types::*,
    Copies, Event,
};
use frame_support::assert_ok;

/// V = 1,000, reserved 300, of which 100 are paid.
#[test]
fn the_rules_example_of_a_pot_holds() {
    assert_eq!((kept(300, 0), kept(200, 100)), (630, 530));
    // Rounded up once, and as large as any amount.
    assert_eq!((kept(0, 0), kept(1, 0), kept(0, 1), kept(1, 1), kept(10, 10)), (0, 3, 2, 4, 32));
    assert_eq!((kept(u128::MAX, u128::MAX), kept(u128::MAX / 4, 0)), (u128::MAX, u128::MAX / 4 / 10 * 21 + 7));
    with_chain(|| {
        publish(3, 1);
        let mut plan = plan(0);
        plan.reserved = 300;
        spend(0, DatDot::pot_value(0) - 1_000);
        assert_eq!(DatDot::pot_free(0, &plan), 370);
        for (reserved, fee, can) in
            [(476, 0, true), (477, 0, false), (476, 1, false), (300, 370, true), (300, 371, false)]
        {
            assert_eq!(DatDot::pot_can_pay(0, &plan, reserved, fee), can, "{reserved} and {fee}");
        }
        assert!(!DatDot::pot_can_pay(0, &plan, u128::MAX, u128::MAX));
        // A payment lowers what is kept as it lowers the pot.
        plan.reserved = 200;
        plan.burned = plan.mark + 100;
        assert!(DatDot::pot_can_pay(0, &plan, 200, 470) && !DatDot::pot_can_pay(0, &plan, 200, 471));
    });
}

/// Plays a life twice to the same block: with a generous pot, and with one that lacks so much of what it must have there.
fn played(short: Balance, begin: fn(), block: fn() -> Block, then: impl Fn(Seen)) {
    played_to(short, || 0, begin, block, then)
}

/// The same, with a rest beside that.
fn played_to(short: Balance, rest: fn() -> Balance, begin: fn(), block: fn() -> Block, then: impl Fn(Seen)) {
    let (mut generous, mut at) = (None, 0);
    with_chain(|| {
        begin();
        at = block();
        let before = plan(0).burned;
        prove_until(at);
        generous = Some((DatDot::pot_value(0) - kept(plan(0).reserved, 0) - rest(), plan(0).burned - before));
        assert_eq!(unsurcharged(&plan(0)), 0);
    });
    let (beyond, burned) = generous.expect("it was played");
    with_chain(|| {
        begin();
        assert_eq!(block(), at);
        prove_until(at - 1);
        spend(0, beyond + short);
        let before = plan(0).burned;
        next_block();
        then(Seen { burned: plan(0).burned - before, generous: burned });
    });
}

/// What was burned of a pot in the block, and what of a generous one.
struct Seen {
    burned: Balance,
    generous: Balance,
}

/// A hoster fits exactly while the pot can pay the copy's reserve at the least ratio.
#[test]
fn a_hoster_fits_if_the_pot_can_pay_it() {
    for short in [0, 1] {
        let begin = || {
            providers(&[HOSTER], &[]);
            publish(3_000, 1);
        };
        let block = || plan(0).published + times().seed_delay;
        played(short, begin, block, |_| assert_eq!(Copies::<Test>::contains_key(0), short == 0));
    }
}

/// So does an encoder, whose ask is in the reserve only then if the cap was lower before.
#[test]
fn an_encoder_fits_if_the_pot_can_pay_it() {
    for short in [0, 1] {
        let begin = || {
            providers(&[HOSTER], &[ENCODER]);
            publish_with(&feed_of(3_000), Terms { max_ask_encoding: 0, ..terms(1) }, GENEROUS);
            run_until(0, CopyState::Accepted);
            let terms = Terms { max_ask_encoding: CAP_ENCODING, ..plan(0).terms };
            assert_ok!(DatDot::amend_plan(signed(SPONSOR), 0, terms));
        };
        let state = if short == 0 { CopyState::Assigned } else { CopyState::Accepted };
        played(short, begin, || plan(0).fresh, |_| assert_eq!(copy(0).state, state));
    }
}

/// TickFee is burned for each live copy, and is no payment.
#[test]
fn a_tick_burns_its_fee_for_each_live_copy() {
    for copies in [1, 3] {
        with_chain(|| {
            providers(&[10, 11, 12], &[20, 21, 22]);
            publish(3, copies);
            activate(0);
            run_while(|| plan(0).live.len() < usize::from(copies));
            prove_until(plan(0).next_tick - 1);
            let before = plan(0);
            next_block();
            assert_eq!(plan(0).state, PlanState::Live);
            let paid = |event| match event {
                Event::Paid { amount, .. } | Event::Surcharged { amount, .. } => amount,
                _ => 0,
            };
            let paid: Balance = events().into_iter().map(paid).sum();
            assert_eq!(plan(0).burned, before.burned + paid + u128::from(copies) * TICK_FEE);
            assert_eq!(plan(0).mark, plan(0).burned);
        });
    }
}

/// The reserves of the era to come, and the fee before them: a pot that lacks one of it ends its plan, and pays no fee.
#[test]
fn a_tick_is_unpaid_if_the_pot_lacks_one() {
    for short in [0, 1] {
        let begin = || {
            providers(&[HOSTER], &[ENCODER]);
            active_copy(1 << 12);
        };
        played(
            short,
            begin,
            || plan(0).next_tick,
            |seen| {
                if short == 0 {
                    assert_eq!((plan(0).state, seen.burned), (PlanState::Live, seen.generous));
                    assert_eq!(DatDot::pot_free(0, &plan(0)), 0);
                    happened(Event::PotLow { plan: 0, block: plan(0).next_tick });
                } else {
                    happened(Event::PlanEnded { plan: 0, reason: PlanEnd::Unpaid });
                    assert_eq!(seen.burned, seen.generous - TICK_FEE);
                }
            },
        );
    }
}

/// A copy grows if the pot can pay what it will need, and an era of it, after RetryFee is burned; else the tick is as any other.
#[test]
fn growth_begins_if_the_pot_can_pay_it_after_its_fee() {
    for short in [0, 1] {
        let begin = || {
            live_copy(3);
            assert_ok!(update(0, &feed(4), feed(4).extension(3)));
        };
        played_to(
            short,
            || DatDot::era_cost(&plan(0), None),
            begin,
            || plan(0).next_tick,
            |seen| {
                if short == 0 {
                    assert_eq!((copy(0).state, seen.burned), (CopyState::Accepted, seen.generous));
                    assert_eq!(DatDot::pot_free(0, &plan(0)), DatDot::era_cost(&plan(0), None));
                } else {
                    assert_eq!((copy(0).state, plan(0).state), (CopyState::Active, PlanState::Live));
                    assert_eq!(seen.burned, seen.generous - Amounts::DEFAULT.retry_fee);
                }
            },
        );
    }
}
