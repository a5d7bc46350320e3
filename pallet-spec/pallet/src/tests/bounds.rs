//! What a block may cost, and what a plan may hold of the network without paying for it.

use super::{mock::*, world::*};
use crate::{types::*, weights, Event, Hosters, NextCopy};
use frame_support::weights::Weight;

/// As much of everything as one block may do: 1,931 of 2,000 ms.
#[test]
fn the_worst_block_fits() {
    assert_eq!(weights::worst_block(), Weight::from_parts(1_931_000_000_000, 0));
}

/// So much is really due in one block, and is done.
#[test]
fn the_worst_block_can_be_filled() {
    genesis_of(Times::DEVELOPMENT, 1).execute_with(|| {
        crate::benchmarking::filled::fill::<Test>();
        System::reset_events();
        assert_eq!(DatDot::apply_changes(), MAX_CHANGES);
        let counted = Wait::ALL.map(|wait| (wait, u64::from(DatDot::expire(wait))));
        assert_eq!(counted, Wait::ALL.map(|wait| (wait, weights::most_of(wait))));
        assert_eq!(DatDot::place(), 2 * TRIES);
        // None of them was dropped as met before.
        let happened = |wanted: fn(&Event<Test>) -> bool| events().iter().filter(|event| wanted(event)).count();
        let each = [
            happened(|event| matches!(event, Event::CopyAccepted { .. })),
            happened(|event| matches!(event, Event::PlanWaits { .. })),
            happened(|event| matches!(event, Event::BeginMissed { .. })),
            happened(|event| matches!(event, Event::SaltDrawn { .. })),
            happened(|event| matches!(event, Event::Stalled { .. })),
            happened(|event| matches!(event, Event::StorageMissed { .. })),
            happened(|event| matches!(event, Event::HosterEvicted { .. })),
            happened(|event| matches!(event, Event::Paid { what: Payment::SecondHalf, .. })),
        ];
        assert_eq!(each, [16; 8]);
        // Overdue for the first time, and for the second.
        assert_eq!(happened(|event| matches!(event, Event::HosterOverdue { .. })), 32);
        // No encoder, stalled, dropped, left: 16 each; ended with their plans; swept.
        assert_eq!(happened(|event| matches!(event, Event::CopyEnded { .. })), 4 * 16 + 31 + 23);
        assert_eq!(
            happened(|event| matches!(event, Event::CopyRemoved { .. })),
            4,
            "of 255 segments: four pieces each"
        );
        assert_eq!(happened(|event| matches!(event, Event::GrowthBegun { .. } | Event::CopyLeaving { .. })), 67);
    });
}

/// A plan that pays encoders nothing is offered hosters' room all the same; it holds it for some blocks of an era only.
#[test]
fn a_plan_that_pays_no_encoder_holds_little_capacity() {
    let slow = Times { era: 720, ..Times::DEVELOPMENT };
    with_times(slow, 1, || {
        providers(&(10..18).collect::<Vec<_>>(), &[20, 21, 22]);
        let terms = Terms { max_ask_encoding: 0, until: now() + 7_200, ..terms(16) };
        for _ in 0..8 {
            publish_with(&feed_of(4 * GIB_SECTORS), terms.clone(), 400 * UNIT);
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
