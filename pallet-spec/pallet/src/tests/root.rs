//! What root may do, and what genesis must keep.

use super::{mock::*, world::*};
use crate::{refused, types::*, Amount, Event};
use frame_support::{assert_noop, assert_ok};
use sp_core::H256;
use sp_runtime::traits::BadOrigin;

#[test]
fn only_root_sets_amounts_and_seeds() {
    with_chain(|| {
        assert_noop!(DatDot::set_parameters(signed(0), Amounts::DEFAULT), BadOrigin);
        assert_noop!(DatDot::set_seed(signed(0), H256::zero()), BadOrigin);
        assert_noop!(DatDot::unset_seed(signed(0)), BadOrigin);
        assert_noop!(DatDot::collect(RuntimeOrigin::root(), 0), BadOrigin);
    });
}

#[test]
fn amounts_are_bounded_and_used_from_then_on() {
    with_chain(|| {
        let root = RuntimeOrigin::root;
        let high = MAX_AMOUNT + 1;
        let default = Amounts::DEFAULT;
        for bad in [
            Amounts { peer_fee: high, ..default },
            Amounts { publish_fee: high, ..default },
            Amounts { min_donation: high, ..default },
            Amounts { min_donation: 0, ..default },
            Amounts { collateral: high, ..default },
            Amounts { encoder_bond: high, ..default },
            Amounts { attester_bond: high, ..default },
            Amounts { begin_fine: high, ..default },
            Amounts { stall_fine: high, ..default },
            Amounts { retry_fee: high, ..default },
            Amounts { slot_fee: high, ..default },
            Amounts { report_price: high, ..default },
            Amounts { tick_fee: high, ..default },
        ] {
            refused!(DatDot::set_parameters(root(), bad), AmountTooLarge);
        }
        let amounts = Amounts { peer_fee: 3 * UNIT, encoder_bond: UNIT, ..default };
        assert_ok!(DatDot::set_parameters(root(), amounts));
        assert_eq!(last_event(), Event::ParametersSet { amounts });
        assert_eq!(Amount::<Test>::get(), Some(amounts));
        register(ENCODER);
        assert_eq!(free(ENCODER), ENDOWMENT - 3 * UNIT);
        offer_encoding(ENCODER);
        assert_eq!(held(ENCODER, Role::Encoding), UNIT);
        run(4);
        // A higher bond counts for an entry of the draw table at its next change; the state stays consistent.
        assert_ok!(DatDot::set_parameters(root(), default));
        run(2);
        assert_eq!(crate::draw::encoder_table::<Test>().total(), 500);
        offer_encoding(ENCODER);
        assert_eq!(held(ENCODER, Role::Encoding), 100 * UNIT);
        run(4);
    });
}

#[test]
fn a_set_seed_counts_from_the_next_block_until_it_is_unset() {
    with_chain(|| {
        let value = H256::repeat_byte(9);
        assert_ok!(DatDot::set_seed(RuntimeOrigin::root(), value));
        assert_eq!(last_event(), Event::SeedSet { value });
        assert_eq!(DatDot::seed(), seed_of(1, 1));
        next_block();
        let expected = |block: u64| crate::crypto::hash(&[value.as_bytes(), &block.to_le_bytes()]);
        assert_eq!(DatDot::seed(), expected(2));
        next_block();
        assert_eq!(DatDot::seed(), expected(3));
        assert_ok!(DatDot::unset_seed(RuntimeOrigin::root()));
        assert_eq!(last_event(), Event::SeedUnset);
        next_block();
        assert_eq!(DatDot::seed(), seed_of(1, 4));
    });
}

#[test]
fn both_presets_keep_the_rules_and_each_rule_is_checked() {
    let good = Times::DEVELOPMENT;
    assert_eq!((good.check(), Times::PRODUCTION.check()), (Ok(()), Ok(())));
    let broken = [
        Times { era: 0, ..good },
        Times { seed_delay: 0, ..good },
        Times { decline_window: 0, ..good },
        Times { encoder_wait: 0, ..good },
        Times { begin_window: 0, ..good },
        Times { lease: 0, ..good },
        Times { mean_gap: 0, ..good },
        Times { proof_window: 0, ..good },
        Times { end_notice: 0, ..good },
        Times { seed_delay: 256, lease: 300, ..good },
        Times { seed_delay: 240, ..good },
        Times { probe_blocks: 24, ..good },
        Times { probe_blocks: 0, ..good },
        Times { reveal_from: 0, ..good },
        Times { reveal_from: 12, ..good },
        Times { settle_from: 25, ..good },
        Times { settle_to: 12, ..good },
        Times { settle_to: 49, ..good },
        Times { proof_window: 73, ..good },
        Times { quorum: 0, ..good },
        Times { quorum: 10, ..good },
        Times { seats: 17, ..good },
        Times { memory: 65, ..good },
        Times { plan_eras: 0, ..good },
        Times { plan_eras: 1_000_000, ..good },
    ];
    for times in broken {
        assert!(times.check().is_err(), "{times:?}");
    }
}

#[test]
#[should_panic(expected = "times of genesis break a rule")]
fn a_genesis_with_bad_times_does_not_begin() {
    with_times(Times { era: 0, ..Times::DEVELOPMENT }, 1, || ());
}
