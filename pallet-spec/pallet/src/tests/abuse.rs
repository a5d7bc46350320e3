//! What somebody could have for nothing, or keep from others.

use super::{feeds::*, mock::*, placement::*, retrieval::*, world::*};
use crate::{types::*, Attesters, Call, CheckParty, Event, HoleCount, Slots};
use frame_support::{assert_ok, dispatch::DispatchInfo, pallet_prelude::TransactionSource};
use sp_runtime::traits::DispatchTransaction;

/// A plan without a copy pays for each tick, also while its need waits in the queue.
#[test]
fn ticks_of_a_plan_without_copies_cost_a_fee_each() {
    with_chain(|| {
        let id = publish_with(&feed_of(3), terms(1), GENEROUS);
        // Its turn does not come.
        let need = needs()[0].clone();
        DatDot::keep_need(1, Need { ready: 1_000, ..need });
        let fee = Amounts::DEFAULT.retry_fee;
        for ticks in 1..=3 {
            run_to(1 + 24 * ticks);
            assert!(plan(id).queued && needs().len() == 1);
            assert_eq!((plan(id).burned, plan(id).mark), (fee * u128::from(ticks), fee * u128::from(ticks)));
        }
        let free = DatDot::pot_free(id, &plan(id));
        spend(id, free + 1 - fee);
        run_to(1 + 24 * 4);
        happened(Event::PlanEnded { plan: id, reason: PlanEnd::Unpaid });
    });
}

/// Who is silent for ever loses its seats with the first half of its bond, and has to pay for others.
#[test]
fn a_silent_slot_is_taken_back_at_half_its_bond() {
    with_chain(|| {
        let copy = tested(&all(3));
        let bond = Amounts::DEFAULT.attester_bond;
        to_settle(2);
        // Of two slots one is at its last percent.
        Slots::<Test>::mutate(0, |slot| slot.as_mut().unwrap().bond = bond / 2);
        DatDot::burn_held(&account(ATTESTER), Role::Attesting, bond / 2);
        let mut era = 2;
        while Slots::<Test>::get(0).unwrap().returned.is_none() {
            assert_ok!(settle(era, copy));
            let seated = events().iter().any(|event| matches!(event, Event::SeatEmptyHanded { slot: 0, .. }));
            assert_eq!(seated, Slots::<Test>::get(0).unwrap().returned.is_some());
            if !seated {
                era += 1;
                to_settle(era);
            }
        }
        happened(Event::SlotTakenBack { account: account(ATTESTER), slot: 0 });
        assert_eq!(Slots::<Test>::get(0).unwrap().bond, bond / 2 - bond / 100);
        assert_eq!(Attesters::<Test>::get(account(ATTESTER)).unwrap().slots.to_vec(), vec![1]);
        // As one that was given back: no seat from the next era on, and three eras later a hole.
        let back = now();
        let kept = held(ATTESTER, Role::Attesting);
        serve_to(back + 72);
        assert!(Slots::<Test>::get(0).is_none());
        assert_eq!(HoleCount::<Test>::get(), 1);
        assert!(held(ATTESTER, Role::Attesting) < kept, "what was left of the bond is free");
    });
}

/// A need that sleeps lets the older half of the former parties be asked again: who declined, too.
#[test]
fn a_network_of_as_few_as_a_plan_remembers_is_asked_again() {
    with_times(Times { memory: 64, ..Times::DEVELOPMENT }, 1, || {
        let hosters: Vec<u64> = (10..14).collect();
        providers(&hosters, &[]);
        let id = publish(3, 1);
        let mut declined = 0;
        while declined < 12 {
            run_while(|| plan(id).live.is_empty());
            let copy = plan(id).live[0];
            let hoster = number(&crate::Copies::<Test>::get(copy).unwrap().hoster);
            assert_ok!(DatDot::decline_copy(signed(hoster), copy));
            declined += 1;
        }
        assert!(plan(id).former.len() <= 4);
    });
}

/// Plans with terms that fit nobody ask for one round an era, whatever they have confirmed.
#[test]
fn woken_plans_that_fit_nobody_leave_a_running_ones_lane() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(3);
        assert_ok!(DatDot::amend_plan(signed(SPONSOR), 0, Terms { replicas: 2, ..plan(0).terms }));
        run_while(|| !events().contains(&Event::NeedSleeps { plan: 0 }));
        serve_to(plan(0).next_tick);
        let need = Need { kind: NeedKind::Hoster, id: 0, ready: now() + 4, misses: 0, rounds: HOSTER_ROUNDS - 1 };
        assert_eq!(needs_in(0), vec![need]);
        serve_to(now() + 4);
        happened(Event::NeedSleeps { plan: 0 });
    });
}

/// A feed that grows in each block is placed all the same.
#[test]
fn longer_heads_postpone_placement_once_an_era() {
    with_chain(|| {
        let feed = |blocks: usize| Feed::new(Kind::Compat, 7, &vec![256; blocks]);
        let id = publish_with(&feed(1), Terms { live: true, ..terms(1) }, GENEROUS);
        let longer = |blocks: usize| {
            let nodes = feed(blocks).extension(plan(id).head.length).try_into().unwrap();
            assert_ok!(DatDot::update_head(signed(STRANGER), id, feed(blocks).head(), nodes));
        };
        let first = now() + 4;
        for blocks in 2..=24 {
            longer(blocks);
            assert_eq!(plan(id).fresh, first);
            next_block();
        }
        run(1);
        longer(25);
        assert_eq!(plan(id).fresh, now() + 4, "an era later");
    });
}

/// Who is second with a report is charged nothing, as long as it does not come in the same block.
#[test]
fn a_report_of_what_was_reported_gets_into_no_block() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        register(STRANGER);
        let copy = active_copy(1);
        let opening = Opening { data: [0; 256], siblings: Default::default() };
        let evidence = Evidence { segment: 0, sector: 0, opening, block: None };
        let hash = crate::crypto::report(genesis(), &account(STRANGER), copy, &evidence);
        assert_ok!(DatDot::commit_report(signed(STRANGER), hash));
        run(4);
        let taken = || {
            let call = RuntimeCall::DatDot(Call::report_invalid_encoding { copy, evidence: evidence.clone() });
            let (info, source) = (DispatchInfo::default(), TransactionSource::External);
            CheckParty::<Test>::default().validate_only(signed(STRANGER), &call, &info, 0, source, 0).is_ok()
        };
        assert!(taken());
        crate::Copies::<Test>::mutate(copy, |copy| copy.as_mut().unwrap().invalid = true);
        assert!(!taken());
        crate::Copies::<Test>::mutate(copy, |copy| copy.as_mut().unwrap().invalid = false);
    });
}

/// Of copies that cannot grow, in a plan that has no room for another beside them, one goes first: not all at once.
#[test]
fn one_copy_of_a_full_plan_makes_room_for_the_others() {
    with_times(Times { era: 120, mean_gap: 5_000, ..Times::DEVELOPMENT }, 1, || {
        let feed = |blocks: usize| Feed::new(Kind::Compat, 7, &vec![256; blocks]);
        let hosters: Vec<u64> = (40..56).collect();
        providers(&hosters, &(80..98).collect::<Vec<_>>());
        let id = publish_with(&feed(1), Terms { live: true, ..terms(16) }, GENEROUS);
        activate(0);
        run_while(|| plan(id).live.len() < 16);
        activate_all(&plan(id).live.to_vec());
        run(4);
        hosters.iter().for_each(|n| DatDot::withdraw_offer(signed(*n), Role::Hosting).expect("an offer"));
        providers(&[60], &[]);
        let nodes = feed(2).extension(1).try_into().unwrap();
        assert_ok!(DatDot::update_head(signed(STRANGER), id, feed(2).head(), nodes));
        run_to(plan(id).next_tick);
        let leaves = |event| match event {
            Event::CopyLeaving { block, .. } => Some(block),
            _ => None,
        };
        let leaving: Vec<Block> = events().into_iter().filter_map(leaves).collect();
        assert_eq!(leaving, [vec![now() + 10], vec![0; 15]].concat());
        run(9);
        assert_eq!((plan(id).live.len(), plan(id).queued), (16, false), "there is no room for another");
        next_block();
        assert_eq!((plan(id).live.len(), plan(id).confirmed, plan(id).queued), (15, true, true));
        run_while(|| plan(id).live.len() < 16);
        assert_eq!(hosters_of(id).last(), Some(&60));
        run(20);
        assert_eq!(plan(id).live.len(), 16, "the others stay until it is active");
    });
}

/// A donor that is gone, and whose part is less than an account may have, keeps no plan.
#[test]
fn dust_of_a_donor_that_is_gone_goes_with_the_last_claim() {
    for gone_is_last in [false, true] {
        with_chain(|| {
            publish(4, 1);
            let (gone, least) = (2, UNIT / 100);
            assert_ok!(donated(signed(gone), 0, least));
            let all = GENEROUS + least - EXISTENTIAL;
            spend(0, all);
            assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
            run(10);
            assert_eq!(plan(0).remainder, Some(EXISTENTIAL));
            let all = free(gone);
            assert_ok!(Balances::transfer_all(signed(gone), account(3), false));
            assert_eq!((free(gone), all > 0), (0, true));
            let claim = |n| DatDot::claim_refund(signed(3), 0, account(n)).expect("a claim");
            let sponsor = free(SPONSOR);
            let order = if gone_is_last { [SPONSOR, gone] } else { [gone, SPONSOR] };
            order.into_iter().for_each(claim);
            assert_eq!(last_event(), Event::PlanClosed { plan: 0 });
            assert_eq!((free(gone), free(SPONSOR)), (0, sponsor + 2 * EXISTENTIAL), "last: {gone_is_last}");
        });
    }
}
