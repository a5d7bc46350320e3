//! Waits that nobody meets, and the bounds of a block: what each deadline does, when, to whom, and how many at once.

use super::{mock::*, world::*};
use crate::{
    refused, types::*, Begins, Changes, DeadlineQueues, Deadlines, EncoderDraws, Encoders, Event, HosterDraws, Hosters,
    OfferChanges,
};
use frame_support::{assert_ok, traits::Hooks};
use sp_core::H256;

/// Blocks without the checks, for states that no call leads to.
fn run_quietly_to(block: Block) {
    while now() < block {
        System::reset_events();
        System::set_block_number(now() + 1);
        DatDot::on_initialize(now());
    }
}

fn encoder(n: u64) -> Encoder {
    Encoders::<Test>::get(account(n)).unwrap()
}

#[test]
fn without_an_encoder_the_copy_ends_and_the_sponsor_pays() {
    with_chain(|| {
        providers(&[10, 11], &[]);
        publish(3, 1);
        run_until(0, CopyState::Accepted);
        let (accepted, n) = (now(), number(&copy(0).hoster));
        // Its need comes to its turn only when the time is over: the queue is long.
        DatDot::pop_need(1);
        let before = (free(n), held(n, Role::Hosting));
        run_to(accepted + 39);
        assert_eq!(copy(0).state, CopyState::Accepted);
        // Two ticks of one copy.
        let ticks = 2 * TICK_FEE;
        assert_eq!((plan(0).burned, plan(0).waiting), (ticks, false));
        next_block();
        happened(Event::PlanWaits { plan: 0 });
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::NoEncoder });
        assert_eq!((free(n), held(n, Role::Hosting)), before);
        assert_eq!((plan(0).burned, plan(0).mark, plan(0).stalls), (ticks + UNIT / 100, ticks + UNIT / 100, 1));
        assert!(Hosters::<Test>::get(account(n)).unwrap().open, "its offer stands");
        assert_eq!(HosterDraws::<Test>::get(account(n)).unwrap().used, 0, "the table follows at once");
        assert!(plan(0).waiting && !plan(0).queued);
        assert_eq!((copy(0).reserve, plan(0).reserved), (0, 0), "all of the reserve is back in the pot");
        // At its next tick it asks again, for a fee.
        run_to(plan(0).next_tick + 4);
        assert_eq!(plan(0).burned, ticks + 2 * (UNIT / 100));
        assert_ne!(number(&copy(1).hoster), n);
    });
}

#[test]
fn an_encoder_that_does_not_begin_is_fined_and_out_until_it_renews() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        run_until(0, CopyState::Assigned);
        let drawn = now();
        run_to(drawn + 20);
        assert_eq!(copy(0).state, CopyState::Assigned);
        next_block();
        happened(Event::BeginMissed { copy: 0, encoder: account(ENCODER), burned: UNIT / 50 });
        assert_eq!(held(ENCODER, Role::Encoding), 100 * UNIT - UNIT / 50);
        let state = encoder(ENCODER);
        assert_eq!((state.open, state.out_since, state.jobs, state.unreleased), (false, now(), 0, 0));
        let draw = EncoderDraws::<Test>::get(account(ENCODER)).unwrap();
        assert_eq!((draw.open, draw.jobs, draw.bond), (false, 0, 100 * UNIT - UNIT / 50));
        let copy = copy(0);
        assert_eq!((copy.state, copy.encoder, copy.fee, copy.ask_encoding), (CopyState::Accepted, None, 0, 0));
        assert_eq!(copy.hoster, account(HOSTER), "only the encoder is drawn anew");
        run(2);
        offer_encoding(ENCODER);
        assert_eq!(held(ENCODER, Role::Encoding), 100 * UNIT, "renewing fills the bond");
        run(3);
        assert_eq!(super::world::copy(0).state, CopyState::Accepted, "it was ready a block ago");
        next_block();
        assert_eq!(super::world::copy(0).encoder, Some(account(ENCODER)));
    });
}

#[test]
fn a_begin_in_the_last_block_of_its_window_counts() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        run_until(0, CopyState::Assigned);
        run(20);
        begin(0);
        run(5);
        assert_eq!(copy(0).state, CopyState::Encoding);
        assert_eq!(held(ENCODER, Role::Encoding), 100 * UNIT);
    });
}

/// A stall burns from all three, ends the copy, and has both drawn anew.
#[test]
fn a_stall_burns_from_all_three() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        run_until(0, CopyState::Assigned);
        begin(0);
        let begun = now();
        run_to(begun + 240);
        assert_eq!(copy(0).state, CopyState::Encoding);
        let (pot, minted) = (plan(0).burned, crate::Minted::<Test>::get());
        next_block();
        let fine = UNIT / 100;
        let (hoster, encoder_account) = (account(HOSTER), account(ENCODER));
        happened(Event::Stalled { copy: 0, hoster, encoder: encoder_account, collateral: fine, bond: fine, pot: fine });
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::Stalled });
        assert_eq!(held(HOSTER, Role::Hosting), UNIT / 5 - fine);
        assert_eq!(held(ENCODER, Role::Encoding), 100 * UNIT - fine);
        assert_eq!((plan(0).burned, crate::Minted::<Test>::get()), (pot + fine, minted));
        assert!(!encoder(ENCODER).open && !Hosters::<Test>::get(account(HOSTER)).unwrap().open);
        assert_eq!(crate::draw::hoster_table::<Test>().total() + crate::draw::encoder_table::<Test>().total(), 0);
        assert_eq!((encoder(ENCODER).jobs, encoder(ENCODER).unreleased), (0, 0));
        assert_eq!(plan(0).former.to_vec(), vec![account(ENCODER)], "Memory is 1: hoster first, then its encoder");
        assert!(plan(0).queued);
        // Both come back by renewing.
        offer_hosting(HOSTER, CAPACITY);
        offer_encoding(ENCODER);
        run(5);
        assert_eq!(copy(1).hoster, account(HOSTER));
    });
}

#[test]
fn a_stall_burns_no_more_than_there_is() {
    with_times(Times { lease: 30, ..Times::DEVELOPMENT }, 1, || {
        register(HOSTER);
        // The collateral of 64 KiB is far below the fine.
        offer_hosting(HOSTER, 64 << 10);
        providers(&[], &[ENCODER]);
        publish(3, 1);
        run_until(0, CopyState::Assigned);
        begin(0);
        let collateral = held(HOSTER, Role::Hosting);
        assert!(collateral > 0 && collateral < UNIT / 100);
        run(30);
        // The pot keeps what its copies reserve, and what that costs at the least ratio.
        spend(0, DatDot::pot_free(0, &plan(0)) - 7);
        next_block();
        assert_eq!(copy(0).state, CopyState::Ended);
        let stalled = events().into_iter().find_map(|event| match event {
            Event::Stalled { collateral, bond, pot, .. } => Some((collateral, bond, pot)),
            _ => None,
        });
        assert_eq!(stalled, Some((collateral, UNIT / 100, 7)));
    });
}

#[test]
fn a_confirmation_in_the_last_block_of_the_lease_counts() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        run_until(0, CopyState::Assigned);
        begin(0);
        run(240);
        confirm(0);
        run(2);
        assert_eq!(copy(0).state, CopyState::Active);
        assert_eq!(held(ENCODER, Role::Encoding), 100 * UNIT);
    });
}

/// A stalled copy with confirmed sectors is paid for them, and its second halves stay reserved.
#[test]
fn a_stall_after_a_partial_segment_keeps_the_second_half() {
    with_chain(|| {
        register(HOSTER);
        offer_hosting(HOSTER, 20 * GIB);
        providers(&[], &[ENCODER]);
        let feed = feed_of(5 * GIB_SECTORS);
        publish_with(&feed, terms(1), GENEROUS);
        run_until(0, CopyState::Assigned);
        begin(0);
        run_until(0, CopyState::Encoding);
        confirm_bytes(0, 4 * GIB, H256::repeat_byte(1));
        begin(0);
        // The fee is 8 UNIT: its second half is paid two eras after the confirmation, long before the lease ends.
        let before = free(ENCODER);
        run(48);
        assert_eq!(free(ENCODER), before + 4 * UNIT);
        run_until(0, CopyState::Ended);
        assert_eq!((copy(0).halves, copy(0).reserve), (0, 0));
        assert_eq!(copy(0).encoders.to_vec(), vec![account(ENCODER)]);
        assert_eq!(crate::StoringCount::<Test>::get(), 0);
    });
}

/// A second half outlives its copy.
#[test]
fn an_ended_copy_still_pays_the_second_half() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish_with(&feed_of(1 << 20), terms(1), GENEROUS);
        run_until(0, CopyState::Assigned);
        begin(0);
        run_until(0, CopyState::Encoding);
        confirm_bytes(0, GIB / 4, H256::repeat_byte(1));
        let half = UNIT / 4;
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run(10);
        let reports = 4 * 9 * REPORT_PRICE;
        assert_eq!((copy(0).halves, copy(0).reserve), (half, half + reports), "and what reports may cost");
        let before = free(ENCODER);
        run(38);
        assert_eq!(free(ENCODER), before + half);
        assert_eq!((copy(0).halves, copy(0).reserve), (0, reports));
        run_while(|| crate::Copies::<Test>::contains_key(0));
        assert_eq!(plan(0).reserved, 0);
    });
}

/// 16 expiries of a kind are handled in a block; what was met in time counts among them, and nobody is punished for a backlog.
#[test]
fn a_block_handles_16_expiries_of_a_kind_56_of_ticks_32_of_records() {
    with_chain(|| {
        let pending = |wait| DeadlineQueues::<Test>::get(wait).tail - DeadlineQueues::<Test>::get(wait).head;
        for wait in Wait::ALL {
            (0..70).for_each(|_| DatDot::arm_at(wait, now() + 1, 900, 0));
        }
        for handled in [1, 2, 3, 4, 5] {
            next_block();
            for wait in Wait::ALL {
                let a_block = match wait {
                    Wait::Tick => 56,
                    Wait::Settle => 32,
                    _ => 16,
                };
                assert_eq!(pending(wait), 70u64.saturating_sub(handled * a_block), "{wait:?}");
            }
        }
    });
}

#[test]
fn a_late_accept_leaves_a_late_decline_its_time() {
    with_chain(|| {
        providers(&[HOSTER], &[]);
        publish(3, 1);
        run_until(0, CopyState::Offered);
        // 16 void entries stand before the copy's own.
        let due = Deadlines::<Test>::get(Wait::Decline, 0).unwrap().due;
        let own = Deadlines::<Test>::take(Wait::Decline, 0).unwrap();
        DeadlineQueues::<Test>::insert(Wait::Decline, Fifo { head: 1, tail: 1 });
        (0..16).for_each(|_| DatDot::arm_at(Wait::Decline, due, 900, 0));
        DatDot::arm_at(Wait::Decline, own.due, own.id, own.tag);
        run_to(due);
        assert_eq!(copy(0).state, CopyState::Offered);
        assert_ok!(DatDot::decline_copy(signed(HOSTER), 0));
        next_block();
        assert_eq!(copy(0).state, CopyState::Ended);
    });
}

/// Many copies whose encoders take their time, and whose hosters are not challenged.
const CROWDED: Times = Times { era: 60, begin_window: 2_000, mean_gap: 1_000_000, ..Times::DEVELOPMENT };

/// Plans with so many live copies each, one of which is active.
fn crowd(replicas: &[u8]) {
    providers(&(40..80).collect::<Vec<_>>(), &(80..98).collect::<Vec<_>>());
    for count in replicas {
        publish_with(&feed_of(1), terms(*count), GENEROUS);
    }
    let first: Vec<CopyId> = (0..replicas.len() as u64).collect();
    activate_all(&first);
    let tick = plan(0).next_tick;
    run_while(|| replicas.iter().enumerate().any(|(id, count)| plan(id as u64).live.len() < usize::from(*count)));
    assert!(now() < tick);
}

/// A tick counts one for each copy. A late one reserves an era from its block on: else nothing of it would be paid.
#[test]
fn ticks_count_their_plans_and_copies_and_an_era_follows_each() {
    with_times(CROWDED, 1, || {
        crowd(&[13, 13, 13, 13, 1]);
        let tick = plan(0).next_tick;
        run_to(tick);
        assert_eq!([0, 3, 4].map(|id| plan(id).next_tick), [tick + 60, tick + 60, tick], "four times 1 + 13 are 56");
        next_block();
        assert_eq!(plan(4).next_tick, tick + 61, "a late tick is followed by an era, too");
        run_to(tick + 60);
        assert_eq!([0, 3, 4].map(|id| plan(id).next_tick), [tick + 120, tick + 120, tick + 61]);
    });
}

#[test]
fn the_head_is_handled_whole_while_fewer_than_56_are_counted() {
    with_times(CROWDED, 1, || {
        crowd(&[16, 16, 16, 3, 16, 1]);
        let tick = plan(0).next_tick;
        run_to(tick);
        // 3 x 17 + 4 = 55 < 56: the fifth is handled whole, too; then 72 are counted.
        assert_eq!([0, 3, 4, 5].map(|id| plan(id).next_tick), [tick + 60, tick + 60, tick + 60, tick]);
    });
}

#[test]
fn changes_are_256_for_a_block_and_offers_fill_64_of_them() {
    with_chain(|| {
        register(HOSTER);
        register(ENCODER);
        (0..31).for_each(|_| offer_hosting(HOSTER, GIB));
        assert_ok!(DatDot::withdraw_offer(signed(HOSTER), Role::Hosting));
        (0..32).for_each(|_| offer_encoding(ENCODER));
        refused!(offer_hosting_at(HOSTER, GIB, 1, 1), TooManyChanges);
        refused!(DatDot::offer_encoding(signed(ENCODER), 1), TooManyChanges);
        refused!(DatDot::withdraw_offer(signed(ENCODER), Role::Encoding), TooManyChanges);
        assert_eq!(OfferChanges::<Test>::get(now() + 4), 64);
        // Proofs, confirmations, declines and verdicts find room.
        let proof = || Change::Reputation { account: account(HOSTER), reputation: 500_000 };
        for _ in 0..192 {
            assert_ok!(DatDot::schedule(proof()));
        }
        assert_eq!(DatDot::schedule(proof()), Err(error(crate::Error::TooManyChanges)));
        assert_eq!(Changes::<Test>::get(now() + 4).len(), 256);
        next_block();
        offer_hosting(HOSTER, GIB);
        run(4);
        assert!(Changes::<Test>::iter().next().is_none() && OfferChanges::<Test>::iter().next().is_none());
    });
}

#[test]
fn begins_are_16_in_a_block() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        run_until(0, CopyState::Assigned);
        Begins::<Test>::put(15);
        begin(0);
        assert_eq!(Begins::<Test>::get(), 16);
        publish(3, 1);
        run_until(1, CopyState::Assigned);
        Begins::<Test>::put(16);
        refused!(DatDot::begin_segment(signed(ENCODER), 1, modulus(9), PROFILE_P1), TooManyBegins);
        next_block();
        begin(1);
    });
}

#[test]
fn a_hoster_has_4096_copies_at_most() {
    with_chain(|| {
        providers(&[HOSTER], &[]);
        publish(3, 1);
        let copies = |n| Hosters::<Test>::mutate(account(HOSTER), |hoster| hoster.as_mut().unwrap().copies = n);
        copies(4_096);
        run_quietly_to(now() + 4);
        happened(Event::NeedSleeps { plan: 0 });
        assert!(plan(0).live.is_empty());
        copies(0);
        run_to(plan(0).next_tick + 4);
        assert_eq!(plan(0).live.len(), 1);
    });
}

#[test]
fn seeds_are_kept_for_256_blocks() {
    with_chain(|| {
        run_to(300);
        let kept: Vec<Block> = (1..=300).filter(|block| crate::Seeds::<Test>::contains_key(block)).collect();
        assert_eq!(kept, (45..=300).collect::<Vec<_>>());
    });
}
