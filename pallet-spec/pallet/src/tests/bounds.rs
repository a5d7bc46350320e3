//! What a block may cost, and what a plan may hold of the network without paying for it.

use super::{mock::*, world::*};
use crate::{types::*, weights, Hosters, NextCopy};
use frame_support::weights::Weight;

/// As much of everything as one block may do: 1,869 of 2,000 ms.
#[test]
fn the_worst_block_fits() {
    let times = |weight: Weight, count: u64| weight.saturating_mul(count);
    let most: u64 = EXPIRIES.into();
    let copies: u64 = MAX_REPLICAS.into();
    let expiries = Wait::ALL.into_iter().fold(Weight::zero(), |sum, wait| {
        // The last that is begun while fewer are counted is handled whole.
        let counted = match wait {
            Wait::Tick | Wait::EndPlan => most - 1 + copies,
            Wait::Sweep => most - 1 + u64::from(SWEEP),
            _ => most,
        };
        sum.saturating_add(times(weights::expiry(wait), counted))
    });
    let changes = times(weights::change(), MAX_CHANGES.into());
    let tries = times(weights::attempt(), u64::from(LANES) * u64::from(TRIES));
    let all = weights::block().saturating_add(expiries).saturating_add(changes).saturating_add(tries);
    assert_eq!(all, Weight::from_parts(1_869_000_000_000, 0));
}

/// A plan that pays encoders nothing is offered hosters' room all the same; it holds it for some blocks of an era only.
#[test]
fn a_plan_that_pays_no_encoder_holds_little_capacity() {
    let slow = Times { era: 720, ..Times::DEVELOPMENT };
    with_times(slow, 1, || {
        providers(&(10..18).collect::<Vec<_>>(), &[20, 21, 22]);
        let terms = Terms { max_ask_encoding: 0, until: now() + 7_200, ..terms(16) };
        for _ in 0..8 {
            publish_with(&feed_of(4 * GIB_SECTORS), Terms { report_price: 0, ..terms.clone() }, 400 * UNIT);
        }
        let (from, mut used) = (now(), 0u128);
        while now() < from + 3 * 720 {
            next_block();
            used += Hosters::<Test>::iter_values().map(|hoster| u128::from(hoster.used)).sum::<u128>();
        }
        let held = used * 100 / (u128::from(8 * CAPACITY) * 3 * 720);
        assert!(NextCopy::<Test>::get() > 8, "the plans asked again");
        assert!(held < 8, "{held} % of all capacity");
        // Each of them pays for each copy that came to nothing, and for asking again.
        for id in 0..8 {
            assert!(plan(id).burned >= 3 * UNIT / 100, "{}", plan(id).burned);
        }
        assert_eq!(crate::Minted::<Test>::get(), 0);
    });
}
