//! What the storage of older versions becomes at the upgrade to version 8.

use super::{mock::*, world::*};
use crate::{
    migrations::{ToVersion3, ToVersion8},
    types::*,
    Amount, Plans, Slots,
};
use codec::Encode;
use frame_support::{
    assert_ok,
    storage::unhashed,
    traits::{GetStorageVersion, OnRuntimeUpgrade, StorageVersion},
    weights::{constants::RocksDbWeight, Weight},
};

/// Plans as versions 3 to 7 stored them: all but the last field.
fn of_seven(plan: &Plan) -> Vec<u8> {
    let mut bytes = plan.encode();
    bytes.truncate(bytes.len() - plan.founded.encoded_size());
    bytes
}

fn weight(reads: u64, writes: u64) -> Weight {
    RocksDbWeight::get().reads_writes(reads, writes)
}

/// A chain of version 7 with plans of one donor and of two, with a price of a report each, and with slots of such asks.
fn chain_of_seven(prices: [Balance; 2], asks: &[Balance]) {
    for price in prices {
        publish_with(&feed_of(3), terms(1), GENEROUS);
        Plans::<Test>::mutate(crate::NextPlan::<Test>::get() - 1, |plan| {
            plan.as_mut().unwrap().terms.report_price = price
        });
    }
    assert_ok!(donated(signed(STRANGER), 1, UNIT));
    register(ATTESTER);
    offer_attesting(ATTESTER, asks.len() as u32);
    for (slot, ask) in (0..).zip(asks) {
        Slots::<Test>::mutate(slot, |slot| slot.as_mut().unwrap().ask = *ask);
    }
    for id in [0, 1] {
        unhashed::put_raw(&Plans::<Test>::hashed_key_for(id), &of_seven(&plan(id)));
        assert_eq!(Plans::<Test>::get(id), None, "it is not read as of version 8");
    }
    let mut amounts = Amounts { slot_fee: 7, ..Amounts::DEFAULT }.encode();
    amounts.truncate(10 * 16);
    unhashed::put_raw(&Amount::<Test>::hashed_key(), &amounts);
    StorageVersion::new(1).put::<DatDot>();
}

fn asks() -> Vec<Balance> {
    (0..crate::SlotCount::<Test>::get()).map(|slot| Slots::<Test>::get(slot).unwrap().ask).collect()
}

/// Genesis writes the version that the code names.
#[test]
fn a_genesis_is_of_storage_version_2() {
    with_chain(|| {
        assert_eq!(DatDot::on_chain_storage_version(), 2);
        assert_eq!(DatDot::in_code_storage_version(), 2);
        // So nothing is migrated.
        let before = Amount::<Test>::get();
        assert_eq!(ToVersion8::<Test>::on_runtime_upgrade(), weight(1, 0));
        assert_eq!(Amount::<Test>::get(), before);
    });
}

#[test]
fn version_7_becomes_version_8() {
    let least = Amounts::DEFAULT.report_price;
    with_chain(|| {
        chain_of_seven([least - 1, least + 1], &[0, least, least + 1, MAX_AMOUNT]);
        let old = [0, 1].map(|id| unhashed::get_raw(&Plans::<Test>::hashed_key_for(id)).unwrap());
        let run = ToVersion8::<Test>::on_runtime_upgrade();
        // The amounts, two plans, four slots; and the version.
        assert_eq!(run, weight(7, 7).saturating_add(weight(1, 1)));
        assert_eq!(DatDot::on_chain_storage_version(), 2);
        assert_eq!(Amount::<Test>::get(), Some(Amounts { slot_fee: 7, ..Amounts::DEFAULT }));
        assert_eq!([0, 1].map(|id| plan(id).founded), [GENEROUS, 0], "what others bought beside is not known");
        assert_eq!([0, 1].map(|id| of_seven(&plan(id))), old, "all else is as it was");
        assert_eq!(asks(), [0, least, least, least]);
        check();
        // Once.
        Slots::<Test>::mutate(0, |slot| slot.as_mut().unwrap().ask = least + 1);
        assert_eq!(ToVersion8::<Test>::on_runtime_upgrade(), weight(1, 0));
        assert_eq!(asks()[0], least + 1);
    });
}

/// A plan as version 2 stored it: terms without the last five fields, and none after `remainder`.
fn of_two(plan: &Plan) -> Vec<u8> {
    let Plan { sponsor, feed, head, ranges, bytes, sectors, terms, state, published, next_tick, .. } = plan;
    let Terms { replicas, max_ask_disk, max_ask_encoding, max_ask_receiving, report_price, until, .. } = terms;
    let caps = (replicas, max_ask_disk, max_ask_encoding, max_ask_receiving, report_price, until);
    let begin = (sponsor, feed, head, ranges, bytes, sectors, caps, state, published, next_tick);
    let Plan { shares, donors, reserved, burned, live, records, former, queued, ending, remainder, .. } = plan;
    (begin, (shares, donors, reserved, burned, live, records, former, queued, ending, remainder)).encode()
}

/// A chain of version 2 takes version 8 at once: the second migration finds what the first wrote, and leaves it.
#[test]
fn version_2_becomes_version_8_at_once() {
    with_chain(|| {
        publish(3, 1);
        publish(3, 1);
        assert_ok!(donated(signed(STRANGER), 1, UNIT));
        // A chain of version 2 has one queue of needs; here it is empty.
        for id in [0, 1] {
            DatDot::pop_need(1);
            Plans::<Test>::mutate(id, |plan| plan.as_mut().unwrap().queued = false);
        }
        let wanted = [0, 1].map(|id| Plan { founded: if id == 0 { GENEROUS } else { 0 }, ..plan(id) });
        for id in [0, 1] {
            unhashed::put_raw(&Plans::<Test>::hashed_key_for(id), &of_two(&plan(id)));
        }
        let mut amounts = Amounts { peer_fee: 5, ..Amounts::DEFAULT }.encode();
        amounts.truncate(8 * 16);
        unhashed::put_raw(&Amount::<Test>::hashed_key(), &amounts);
        let mut times = times().encode();
        times.truncate(18 * 4);
        unhashed::put_raw(&crate::Time::<Test>::hashed_key(), &times);
        StorageVersion::new(0).put::<DatDot>();
        <(ToVersion3<Test>, ToVersion8<Test>)>::on_runtime_upgrade();
        assert_eq!(DatDot::on_chain_storage_version(), 2);
        assert_eq!(Amount::<Test>::get(), Some(Amounts { peer_fee: 5, ..Amounts::DEFAULT }));
        assert_eq!(super::world::times(), Times::DEVELOPMENT);
        assert_eq!([0, 1].map(plan), wanted);
        check();
    });
}
