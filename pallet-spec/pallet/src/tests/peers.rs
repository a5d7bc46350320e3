//! Peers' offers: hosting, encoding, attesting, withdrawal, release.

use super::{mock::*, world::*};
use crate::{refused, types::*, Attesters, Encoders, Event, HosterDraws, Hosters, Slots};
use frame_support::assert_ok;
use sp_core::H256;

#[test]
fn hosting_fills_the_collateral_up_to_its_due() {
    with_chain(|| {
        refused!(offer_hosting_at(10, GIB, 1, 1), NotAPeer);
        register(10);
        refused!(offer_hosting_at(10, GIB, MAX_AMOUNT + 1, 1), AmountTooLarge);
        refused!(offer_hosting_at(10, GIB, 1, MAX_AMOUNT + 1), AmountTooLarge);
        refused!(offer_hosting_at(10, 1_000_000 * GIB, 1, 1), InsufficientBalance);
        assert_ok!(offer_hosting_at(10, 3 * GIB / 2, 11, 12));
        let collateral = UNIT / 20 * 3 / 2;
        assert_eq!(held(10, Role::Hosting), collateral);
        let event = Event::HostingOffered {
            account: account(10),
            capacity: 3 * GIB / 2,
            ask_disk: 11,
            ask_receiving: 12,
            collateral,
        };
        assert_eq!(last_event(), event);
        let hoster = Hosters::<Test>::get(account(10)).unwrap();
        assert!(hoster.open);
        assert_eq!((hoster.capacity, hoster.ask_disk, hoster.ask_receiving, hoster.used), (3 * GIB / 2, 11, 12, 0));
        // A lower capacity frees nothing; the due of one byte is floor(0.05 UNIT / 2^30) = 46.
        assert_ok!(offer_hosting_at(10, GIB, 11, 12));
        assert_eq!(held(10, Role::Hosting), collateral);
        assert_ok!(offer_hosting_at(10, 2 * GIB + 1, 11, 12));
        assert_eq!(held(10, Role::Hosting), UNIT / 10 + 46);
    });
}

#[test]
fn an_offer_reaches_the_draw_table_seed_delay_later() {
    with_chain(|| {
        register(10);
        offer_hosting(10, 10 * GIB);
        let from = now();
        run_to(from + 3);
        assert_eq!(HosterDraws::<Test>::get(account(10)).unwrap().slot, None);
        assert_eq!(crate::draw::hoster_table::<Test>().total(), 0);
        next_block();
        assert_eq!(HosterDraws::<Test>::get(account(10)).unwrap().slot, Some(0));
        assert_eq!(crate::draw::hoster_table::<Test>().total(), 10 * 500, "GiB x R / 1000");
        assert_ok!(DatDot::withdraw_offer(signed(10), Role::Hosting));
        run(3);
        assert_eq!(crate::draw::hoster_table::<Test>().total(), 10 * 500);
        next_block();
        assert_eq!(crate::draw::hoster_table::<Test>().total(), 0);
        assert_eq!(HosterDraws::<Test>::get(account(10)).unwrap().slot, Some(0), "it keeps its slot");
    });
}

#[test]
fn a_hosters_weight_is_bounded_and_rounds_up() {
    let draw = |capacity, used, reputation| {
        let collateral = crate::draw::collateral_due(Amounts::DEFAULT.collateral, capacity);
        HosterDraw {
            slot: Some(0),
            open: true,
            capacity,
            used,
            collateral,
            reputation,
            ask_disk: 0,
            ask_receiving: 0,
            region: Default::default(),
        }
    };
    let weight = |draw: &HosterDraw| crate::draw::hoster_weight(draw, &Amounts::DEFAULT);
    assert_eq!(weight(&draw(1, 0, 500_999)), 500);
    assert_eq!(weight(&draw(GIB, GIB, 500_000)), 0);
    assert_eq!(weight(&draw(GIB + 1, 0, 100_000)), 200);
    assert_eq!(weight(&draw(5_000 * GIB, 0, 1_000_000)), 1_024_000);
    let mut short = draw(3 * GIB, 0, 500_000);
    short.collateral -= 1;
    assert_eq!(weight(&short), 0, "the collateral is below its due");
}

#[test]
fn encoding_fills_the_bond() {
    with_chain(|| {
        refused!(DatDot::offer_encoding(signed(20), 1), NotAPeer);
        register(20);
        refused!(DatDot::offer_encoding(signed(20), MAX_AMOUNT + 1), AmountTooLarge);
        assert_ok!(DatDot::offer_encoding(signed(20), 77));
        assert_eq!(last_event(), Event::EncodingOffered { account: account(20), ask: 77, bond: 100 * UNIT });
        assert_eq!(held(20, Role::Encoding), 100 * UNIT);
        assert_ok!(DatDot::offer_encoding(signed(20), 78));
        assert_eq!(held(20, Role::Encoding), 100 * UNIT);
        let encoder = Encoders::<Test>::get(account(20)).unwrap();
        assert_eq!((encoder.open, encoder.ask, encoder.jobs), (true, 78, 0));
        run(4);
        assert_eq!(crate::draw::encoder_table::<Test>().total(), 500);
        // An encoder that cannot fill the bond is refused.
        register(21);
        assert_ok!(Balances::transfer_allow_death(signed(21), account(3), free(21) - 100 * UNIT));
        refused!(DatDot::offer_encoding(signed(21), 1), InsufficientBalance);
    });
}

#[test]
fn an_encoders_weight_is_zero_when_busy_or_short() {
    let draw = |jobs, bond| EncoderDraw { slot: Some(0), open: true, jobs, bond, reputation: 750_999, ask: 0 };
    let weight = |draw: &EncoderDraw| crate::draw::encoder_weight(draw, &Amounts::DEFAULT);
    assert_eq!(weight(&draw(3, 100 * UNIT)), 750);
    assert_eq!(weight(&draw(4, 100 * UNIT)), 0);
    assert_eq!(weight(&draw(0, 100 * UNIT - 1)), 0);
    assert_eq!(weight(&EncoderDraw { open: false, ..draw(0, 100 * UNIT) }), 0);
}

#[test]
fn attesting_takes_slots_with_a_bond_each() {
    with_chain(|| {
        refused!(DatDot::offer_attesting(signed(30), 5, H256::zero(), 1), NotAPeer);
        register(30);
        refused!(DatDot::offer_attesting(signed(30), MAX_AMOUNT + 1, H256::zero(), 1), AmountTooLarge);
        refused!(DatDot::offer_attesting(signed(30), REPORT_PRICE + 1, H256::zero(), 17), AmountTooLarge);
        refused!(DatDot::offer_attesting(signed(30), 5, H256::zero(), 0), BadSlotCount);
        refused!(DatDot::offer_attesting(signed(30), 5, H256::zero(), 17), BadSlotCount);
        let anchor = link(30, 0);
        assert_ok!(DatDot::offer_attesting(signed(30), 5, anchor, 2));
        assert_eq!(last_event(), Event::AttestingOffered { account: account(30), ask: 5, anchor, slots: 2 });
        assert_eq!(held(30, Role::Attesting), 20 * UNIT);
        assert_eq!(free(30), ENDOWMENT - UNIT - 20 * UNIT - UNIT, "and a fee of 0.5 UNIT for each slot is burned");
        let attester = Attesters::<Test>::get(account(30)).unwrap();
        assert_eq!((attester.anchor, attester.link, attester.link_era), (anchor, anchor, 0));
        assert_eq!(attester.slots.to_vec(), vec![0, 1]);
        run_to(24);
        assert_ok!(DatDot::offer_attesting(signed(30), 9, anchor, 1));
        let slot = Slots::<Test>::get(2).unwrap();
        assert_eq!((slot.ask, slot.taken, slot.bond, slot.renewed.len()), (9, 1, 10 * UNIT, 0));
        assert_eq!(Slots::<Test>::get(0).unwrap().ask, 5, "a slot's ask never changes");
        assert_eq!(Attesters::<Test>::get(account(30)).unwrap().link_era, 0, "the same anchor: the chain goes on");
        refused!(DatDot::offer_attesting(signed(30), 5, anchor, 14), BadSlotCount);
        // Another anchor: all slots count as taken now.
        assert_ok!(DatDot::offer_attesting(signed(30), 9, H256::repeat_byte(3), 0));
        assert_eq!(Slots::<Test>::get(0).unwrap().renewed.to_vec(), vec![1]);
        assert_eq!(Attesters::<Test>::get(account(30)).unwrap().link_era, 1);
        let paid = free(30);
        assert_ok!(DatDot::offer_attesting(signed(30), 9, anchor, 0));
        assert_eq!(free(30), paid, "what is no new slot costs nothing");
        let enough = 10 * UNIT + UNIT / 2 + EXISTENTIAL;
        assert_ok!(Balances::transfer_allow_death(signed(30), account(3), free(30) - enough + 1));
        refused!(DatDot::offer_attesting(signed(30), 5, anchor, 1), InsufficientBalance);
        assert_ok!(Balances::transfer_allow_death(signed(3), account(30), 1));
        assert_ok!(DatDot::offer_attesting(signed(30), 5, anchor, 1));
    });
}

#[test]
fn slots_return_three_eras_after_they_were_given_back() {
    with_chain(|| {
        register(30);
        register(31);
        offer_attesting(30, 2);
        offer_attesting(31, 1);
        refused!(DatDot::withdraw_offer(signed(32), Role::Attesting), NoOffer);
        let before = free(30);
        assert_ok!(DatDot::withdraw_offer(signed(30), Role::Attesting));
        assert_eq!(last_event(), Event::OfferWithdrawn { account: account(30), role: Role::Attesting });
        refused!(DatDot::withdraw_offer(signed(30), Role::Attesting), NoOffer);
        assert_eq!(Slots::<Test>::get(0).unwrap().returned, Some(1));
        run_to(1 + 3 * 24 - 1);
        assert!(Slots::<Test>::contains_key(1));
        next_block();
        happened(Event::SlotFreed { account: account(30), slot: 0, amount: 10 * UNIT });
        happened(Event::SlotFreed { account: account(30), slot: 1, amount: 10 * UNIT });
        assert_eq!((free(30), held(30, Role::Attesting)), (before + 20 * UNIT, 0));
        assert!(!Slots::<Test>::contains_key(0) && !Slots::<Test>::contains_key(1));
        assert_eq!(crate::SlotCount::<Test>::get(), 3, "holes count");
        // A new slot takes the hole that was freed last.
        offer_attesting(31, 3);
        assert_eq!(Attesters::<Test>::get(account(31)).unwrap().slots.to_vec(), vec![2, 1, 0, 3]);
    });
}

#[test]
fn withdrawing_and_releasing_free_a_hold_after_three_eras() {
    with_chain(|| {
        for role in [Role::Hosting, Role::Encoding] {
            refused!(DatDot::withdraw_offer(signed(10), role), NoOffer);
            refused!(DatDot::release(signed(10), role), NoOffer);
        }
        refused!(DatDot::release(signed(10), Role::Attesting), NoOffer);
        providers(&[10], &[20]);
        for (n, role, amount) in [(10, Role::Hosting, UNIT / 5), (20, Role::Encoding, 100 * UNIT)] {
            refused!(DatDot::release(signed(n), role), OfferOpen);
            assert_ok!(DatDot::withdraw_offer(signed(n), role));
            assert_eq!(last_event(), Event::OfferWithdrawn { account: account(n), role });
            refused!(DatDot::withdraw_offer(signed(n), role), NoOffer);
            assert_eq!(held(n, role), amount);
        }
        run(71);
        refused!(DatDot::release(signed(10), Role::Hosting), TooEarly);
        refused!(DatDot::release(signed(20), Role::Encoding), TooEarly);
        next_block();
        for (n, role, amount) in [(10, Role::Hosting, UNIT / 5), (20, Role::Encoding, 100 * UNIT)] {
            let before = free(n);
            assert_ok!(DatDot::release(signed(n), role));
            assert_eq!(last_event(), Event::Released { account: account(n), role, amount });
            assert_eq!((free(n), held(n, role)), (before + amount, 0));
        }
        // Whoever comes back fills the hold anew.
        run(4);
        offer_hosting(10, GIB);
        assert_eq!(held(10, Role::Hosting), UNIT / 20);
        run(4);
        assert_eq!(crate::draw::hoster_table::<Test>().total(), 500);
    });
}

#[test]
fn a_hold_is_bound_while_a_record_a_job_or_a_half_is_left() {
    with_chain(|| {
        providers(&[10], &[20]);
        publish(4, 1);
        run_until(0, CopyState::Assigned);
        for (n, role) in [(10, Role::Hosting), (20, Role::Encoding)] {
            assert_ok!(DatDot::withdraw_offer(signed(n), role));
        }
        begin(0);
        run(72);
        refused!(DatDot::release(signed(20), Role::Encoding), StillBound);
        confirm(0);
        // The bond stays for 14 eras after the last confirmed segment; the second half is paid after two.
        let confirmed = now();
        serve_to(confirmed + 14 * 24 - 1);
        refused!(DatDot::release(signed(20), Role::Encoding), TooEarly);
        serve_to(confirmed + 14 * 24);
        Encoders::<Test>::mutate(account(20), |encoder| encoder.as_mut().unwrap().halves = 1);
        refused!(DatDot::release(signed(20), Role::Encoding), StillBound);
        Encoders::<Test>::mutate(account(20), |encoder| encoder.as_mut().unwrap().halves = 0);
        assert_ok!(DatDot::release(signed(20), Role::Encoding));
        refused!(DatDot::release(signed(10), Role::Hosting), StillBound);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run_while(|| crate::Copies::<Test>::contains_key(0));
        Hosters::<Test>::mutate(account(10), |hoster| hoster.as_mut().unwrap().step = 1);
        refused!(DatDot::release(signed(10), Role::Hosting), StillBound);
        Hosters::<Test>::mutate(account(10), |hoster| hoster.as_mut().unwrap().step = 0);
        assert_ok!(DatDot::release(signed(10), Role::Hosting));
    });
}

/// Who leaves hosting for good leaves its slot, too: 262,144 accounts that come and go do not fill the table for ever.
#[test]
fn a_released_hosters_slot_is_free_for_others() {
    with_chain(|| {
        providers(&[10, 11], &[]);
        let slot = |n| HosterDraws::<Test>::get(account(n)).and_then(|draw| draw.slot);
        assert_eq!((slot(10), slot(11), crate::HosterCount::<Test>::get()), (Some(0), Some(1), 2));
        assert_ok!(DatDot::withdraw_offer(signed(10), Role::Hosting));
        run(72);
        assert_ok!(DatDot::release(signed(10), Role::Hosting));
        run(3);
        assert_eq!(slot(10), Some(0), "the table lags");
        next_block();
        assert_eq!((slot(10), crate::HosterSlots::<Test>::get(0), crate::HosterCount::<Test>::get()), (None, None, 1));
        assert!(Hosters::<Test>::contains_key(account(10)), "its state stays");
        providers(&[12], &[]);
        assert_eq!(slot(12), Some(0));
        // Whoever comes back gets an entry anew.
        offer_hosting(10, GIB);
        assert_eq!(
            (HosterDraws::<Test>::get(account(10)).unwrap().open, crate::HosterCount::<Test>::get()),
            (false, 3)
        );
        run(4);
        assert_eq!((slot(10), crate::draw::hoster_table::<Test>().total()), (Some(2), 2 * 4 * 500 + 500));
    });
}

/// A release and an offer that wait at the same time: the slot stays, whatever comes after them.
#[test]
fn who_comes_back_before_its_slot_is_free_keeps_it() {
    for leaves_again in [false, true] {
        with_chain(|| {
            providers(&[10], &[]);
            assert_ok!(DatDot::withdraw_offer(signed(10), Role::Hosting));
            run(72);
            assert_ok!(DatDot::release(signed(10), Role::Hosting));
            run(1);
            offer_hosting(10, 2 * GIB);
            run(1);
            if leaves_again {
                assert_ok!(DatDot::withdraw_offer(signed(10), Role::Hosting));
            }
            run(4);
            let entry = HosterDraws::<Test>::get(account(10));
            if leaves_again {
                assert_eq!((entry, crate::HosterCount::<Test>::get()), (None, 0));
                offer_hosting(10, GIB);
                run(4);
            } else {
                assert_eq!(entry.and_then(|entry| entry.slot), Some(0));
            }
            assert_eq!((crate::HosterCount::<Test>::get(), crate::draw::hoster_table::<Test>().total() > 0), (1, true));
        });
    }
}

#[test]
fn a_region_is_three_characters_of_a_geohash() {
    with_chain(|| {
        register(10);
        let offer = |name: &str| {
            let region = name.as_bytes().to_vec().try_into().unwrap();
            DatDot::offer_hosting(signed(10), GIB, 1, 1, region)
        };
        for bad in ["a", "i", "l", "o", "U", "u3 ", "\u{fc}"] {
            refused!(offer(bad), BadRegion);
        }
        for good in ["", "0", "u3", "zyx"] {
            assert_ok!(offer(good));
            assert_eq!(Hosters::<Test>::get(account(10)).unwrap().region.to_vec(), good.as_bytes());
        }
        refused!(
            DatDot::offer_hosting(signed(10), GIB, MAX_AMOUNT + 1, 1, b"a".to_vec().try_into().unwrap()),
            AmountTooLarge
        );
    });
}

#[test]
fn draw_tables_have_262144_entries() {
    with_chain(|| {
        register(10);
        crate::HosterCount::<Test>::put(MAX_ENTRIES);
        crate::EncoderCount::<Test>::put(MAX_ENTRIES);
        refused!(offer_hosting_at(10, GIB, 1, 1), TableFull);
        refused!(DatDot::offer_encoding(signed(10), 1), TableFull);
        crate::HosterCount::<Test>::put(MAX_ENTRIES - 1);
        offer_hosting(10, GIB);
        // Who is in already renews at any time.
        offer_hosting(10, GIB);
        assert_eq!(crate::HosterCount::<Test>::get(), MAX_ENTRIES);
        crate::HosterCount::<Test>::put(1);
    });
}

/// Who takes a copy for what its receiving pays, and drops it, gains nothing: a tenth of its collateral is as much.
#[test]
fn receiving_asks_a_tenth_of_the_collateral_at_most() {
    with_chain(|| {
        register(10);
        refused!(offer_hosting_at(10, GIB, 1, UNIT / 200 + 1), AmountTooLarge);
        refused!(
            DatDot::offer_hosting(signed(10), GIB, 1, UNIT / 200 + 1, b"a".to_vec().try_into().unwrap()),
            AmountTooLarge
        );
        assert_ok!(offer_hosting_at(10, GIB, MAX_AMOUNT, UNIT / 200));
        // The bound is that of the amount of now, rounded down; an offer that stands is not touched.
        let amounts = Amounts { collateral: 19, ..Amounts::DEFAULT };
        assert_ok!(DatDot::set_parameters(RuntimeOrigin::root(), amounts));
        refused!(offer_hosting_at(10, GIB, 1, 2), AmountTooLarge);
        assert_eq!(Hosters::<Test>::get(account(10)).unwrap().ask_receiving, UNIT / 200);
        assert_ok!(offer_hosting_at(10, GIB, 1, 1));
        // Nothing is asked for receiving beyond what any ask may be.
        let amounts = Amounts { collateral: MAX_AMOUNT, ..Amounts::DEFAULT };
        assert_ok!(DatDot::set_parameters(RuntimeOrigin::root(), amounts));
        refused!(offer_hosting_at(10, 0, 1, MAX_AMOUNT / 10 + 1), AmountTooLarge);
    });
}

#[test]
fn a_slot_asks_the_least_price_of_a_report_at_most() {
    with_chain(|| {
        register(30);
        let offer = |ask| DatDot::offer_attesting(signed(30), ask, link(30, 0), 1);
        refused!(offer(REPORT_PRICE + 1), AmountTooLarge);
        assert_ok!(offer(REPORT_PRICE));
        let amounts = Amounts { report_price: 7, ..Amounts::DEFAULT };
        assert_ok!(DatDot::set_parameters(RuntimeOrigin::root(), amounts));
        refused!(offer(8), AmountTooLarge);
        assert_ok!(offer(7));
        let asks = [0, 1].map(|slot| Slots::<Test>::get(slot).unwrap().ask);
        assert_eq!(asks, [REPORT_PRICE, 7], "a slot's ask never changes");
    });
}
