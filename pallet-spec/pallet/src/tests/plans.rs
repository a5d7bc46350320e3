//! Plans: publication, donations, ticks, end_plan, refunds.

use super::{feeds::*, mock::*, world::*};
use crate::{refused, types::*, Event, Plans, Shares};
use frame_support::assert_ok;
use sp_runtime::DispatchResult;

fn publish_terms(terms: Terms, pot: Balance) -> DispatchResult {
    let feed = feed_of(4);
    let ranges = vec![range(0, 1)].try_into().unwrap();
    DatDot::publish_plan(signed(SPONSOR), feed.head(), ranges, Default::default(), terms, pot)
}

/// Least pot of a plan of `sectors`: 2.1 x replicas x the reserve of a copy at the caps for one era.
fn least(sectors: u128, replicas: u128) -> Balance {
    let up = |price: Balance, sectors: u128| (price * sectors).div_ceil(1 << 22);
    let reports = 4 * u128::from(times().seats) * REPORT_PRICE;
    let encoded = sectors + u128::from(times().checkpoint);
    let each = up(CAP_DISK, sectors) + up(CAP_ENCODING, encoded) + up(CAP_RECEIVING, sectors) + reports;
    (21 * replicas * each).div_ceil(10)
}

fn pot(id: PlanId) -> Balance {
    Balances::free_balance(DatDot::pot_account(id))
}

#[test]
fn publication_fills_the_pot_and_queues_the_need() {
    with_chain(|| {
        let feed = feed_of(4);
        let terms = terms(3);
        publish_with(&feed, terms.clone(), GENEROUS);
        assert_eq!(free(SPONSOR), ENDOWMENT - GENEROUS - EXISTENTIAL - UNIT / 10);
        assert_eq!(crate::Burned::<Test>::get(), UNIT / 10);
        assert_eq!(pot(0), GENEROUS + EXISTENTIAL);
        let plan = plan(0);
        assert_eq!((plan.sponsor, plan.feed, plan.bytes, plan.sectors), (account(SPONSOR), feed.key, 1_024, 4));
        assert_eq!((plan.terms, plan.state, plan.published, plan.next_tick), (terms, PlanState::Live, 1, 25));
        assert_eq!((plan.shares, plan.donors, plan.reserved, plan.burned, plan.records), (GENEROUS, 1, 0, 0, 0));
        assert!(
            plan.queued && !plan.ending && plan.remainder.is_none() && plan.live.is_empty() && plan.former.is_empty()
        );
        assert_eq!(Shares::<Test>::get(0, account(SPONSOR)), Some(GENEROUS));
        let need = Need { kind: NeedKind::Hoster, id: 0, ready: 5, misses: 0, rounds: 0 };
        assert_eq!(DatDot::first_need(1), Some(need));
        let event =
            Event::PlanPublished { plan: 0, sponsor: account(SPONSOR), feed: feed.key, bytes: 1_024, pot: GENEROUS };
        assert_eq!(last_event(), event);
        assert_eq!(crate::NextPlan::<Test>::get(), 1);
    });
}

#[test]
fn publication_refuses_bad_terms() {
    with_chain(|| {
        for replicas in [0, 17] {
            refused!(publish_terms(terms(replicas), GENEROUS), BadTerms);
        }
        for until in [0, 1, 1 + 24_000 + 1] {
            refused!(publish_terms(Terms { until, ..terms(1) }, GENEROUS), BadTerms);
        }
        let high = MAX_AMOUNT + 1;
        refused!(publish_terms(Terms { max_ask_disk: high, ..terms(1) }, GENEROUS), AmountTooLarge);
        refused!(publish_terms(Terms { max_ask_encoding: high, ..terms(1) }, GENEROUS), AmountTooLarge);
        refused!(publish_terms(Terms { max_ask_receiving: high, ..terms(1) }, GENEROUS), AmountTooLarge);
        refused!(publish_terms(Terms { report_price: high, ..terms(1) }, GENEROUS), AmountTooLarge);
        refused!(publish_terms(Terms { report_price: REPORT_PRICE - 1, ..terms(1) }, high), BadTerms);
        refused!(publish_terms(terms(1), high), AmountTooLarge);
        refused!(publish_terms(Terms { min_reputation: PPM + 1, ..terms(1) }, GENEROUS), BadTerms);
        let with_regions = |names: &[&str]| {
            let regions: Vec<Region> = names.iter().map(|name| name.as_bytes().to_vec().try_into().unwrap()).collect();
            publish_terms(Terms { regions: regions.try_into().unwrap(), ..terms(1) }, GENEROUS)
        };
        refused!(with_regions(&["u3", ""]), BadTerms);
        refused!(with_regions(&["u3", "a"]), BadTerms);
        assert_ok!(with_regions(&["u3", "9", "zzz", "000"]));
        assert_ok!(publish_terms(Terms { min_reputation: PPM, ..terms(1) }, GENEROUS));
        assert_ok!(publish_terms(Terms { until: 1 + 24_000, ..terms(1) }, GENEROUS));
        assert_ok!(publish_terms(Terms { until: 2, ..terms(16) }, GENEROUS));
    });
}

#[test]
fn a_live_plan_ends_where_its_feed_does() {
    with_chain(|| {
        let feed = Feed::new(Kind::Compat, 7, &[300; 9]);
        let publish = |ranges: &[BlockRange], nodes: Vec<OpenedNode>, live| {
            let (ranges, nodes) = (ranges.to_vec().try_into().unwrap(), nodes.try_into().unwrap());
            let terms = Terms { live, ..terms(1) };
            DatDot::publish_plan(signed(SPONSOR), feed.head(), ranges, nodes, terms, GENEROUS)
        };
        let short = [range(0, 4)];
        refused!(publish(&short, feed.prove(&short), true), BadRanges);
        refused!(publish(&short, vec![], true), BadRanges);
        assert_ok!(publish(&short, feed.prove(&short), false));
        for ranges in [vec![range(0, 9)], vec![range(0, 2), range(8, 9)], vec![range(8, 9)]] {
            assert_ok!(publish(&ranges, feed.prove(&ranges), true));
        }
    });
}

#[test]
fn no_plan_of_a_frozen_feed_is_published() {
    with_chain(|| {
        let feed = feed_of(4);
        // Its owner signed another first block, too.
        let other = Feed::new(Kind::Compat, 7, &[5]);
        let (first, second) = (feed.head(), other.head());
        let id = publish(4, 1);
        assert_ok!(DatDot::report_equivocation(signed(STRANGER), id, first, second, 0, Default::default()));
        refused!(publish_terms(terms(1), GENEROUS), FeedFrozen);
        // The head is checked first, ranges afterwards.
        let mut head = feed.head();
        head.signature = [1; 64];
        let call = |head, ranges: Vec<BlockRange>| {
            let ranges = ranges.try_into().unwrap();
            DatDot::publish_plan(signed(SPONSOR), head, ranges, Default::default(), terms(1), GENEROUS)
        };
        refused!(call(head, vec![range(0, 1)]), BadSignature);
        refused!(call(feed.head(), vec![]), FeedFrozen);
    });
}

#[test]
fn the_pot_covers_one_era_at_the_caps() {
    with_chain(|| {
        for replicas in [1, 3, 16] {
            let least = least(4, replicas.into());
            refused!(publish_terms(terms(replicas), least - 1), PotTooSmall);
            assert_ok!(publish_terms(terms(replicas), least));
        }
        // Reports alone: 2.1 x 4 x 9 x 0.001 UNIT.
        let cheap = Terms { max_ask_disk: 0, max_ask_encoding: 0, max_ask_receiving: 0, ..terms(1) };
        refused!(publish_terms(cheap.clone(), UNIT / 100 - 1), DonationTooSmall);
        refused!(publish_terms(cheap.clone(), UNIT / 100), PotTooSmall);
        refused!(publish_terms(cheap.clone(), 756 * UNIT / 10_000 - 1), PotTooSmall);
        assert_ok!(publish_terms(cheap, 756 * UNIT / 10_000));
        let left = free(SPONSOR);
        refused!(publish_terms(terms(1), left - UNIT / 10 - 2 * EXISTENTIAL + 1), InsufficientBalance);
        assert_ok!(publish_terms(terms(1), left - UNIT / 10 - 2 * EXISTENTIAL));
    });
}

#[test]
fn donations_buy_shares_at_the_pots_worth() {
    with_chain(|| {
        publish(4, 1);
        refused!(donated(signed(2), 1, UNIT), NoSuchPlan);
        refused!(donated(signed(2), 0, UNIT / 100 - 1), DonationTooSmall);
        refused!(donated(signed(2), 0, MAX_AMOUNT + 1), AmountTooLarge);
        refused!(donated(signed(2), 0, ENDOWMENT), InsufficientBalance);
        assert_ok!(donated(signed(2), 0, 50 * UNIT));
        assert_eq!(last_event(), Event::Donated { plan: 0, account: account(2), amount: 50 * UNIT, shares: 50 * UNIT });
        // Half the pot is gone: a share costs half as much.
        spend(0, 75 * UNIT);
        assert_ok!(donated(signed(3), 0, UNIT));
        assert_eq!(last_event(), Event::Donated { plan: 0, account: account(3), amount: UNIT, shares: 2 * UNIT });
        assert_ok!(donated(signed(3), 0, UNIT));
        let plan = plan(0);
        assert_eq!((plan.donors, plan.shares, plan.burned), (3, 154 * UNIT, 75 * UNIT));
        assert_eq!(Shares::<Test>::get(0, account(3)), Some(4 * UNIT));
    });
}

/// Reports cost the amount that root set at the time of publication, or more.
#[test]
fn a_new_plan_pays_the_least_price_of_a_report() {
    with_chain(|| {
        for price in [REPORT_PRICE, REPORT_PRICE + 1] {
            assert_ok!(publish_terms(Terms { report_price: price, ..terms(1) }, GENEROUS));
        }
        let amounts = Amounts { report_price: 3, ..Amounts::DEFAULT };
        assert_ok!(DatDot::set_parameters(RuntimeOrigin::root(), amounts));
        refused!(publish_terms(Terms { report_price: 2, ..terms(1) }, GENEROUS), BadTerms);
        assert_ok!(publish_terms(Terms { report_price: 3, ..terms(1) }, GENEROUS));
    });
}

/// What a sponsor buys counts as founded while nobody else has a share.
#[test]
fn a_sponsor_founds_until_others_give() {
    with_chain(|| {
        publish(4, 1);
        assert_eq!(plan(0).founded, GENEROUS);
        spend(0, GENEROUS / 2);
        assert_ok!(donated(signed(SPONSOR), 0, UNIT));
        assert_eq!((plan(0).founded, plan(0).shares), (GENEROUS + 2 * UNIT, GENEROUS + 2 * UNIT), "shares, not money");
        assert_ok!(donated(signed(STRANGER), 0, UNIT));
        assert_ok!(donated(signed(SPONSOR), 0, UNIT));
        assert_eq!((plan(0).founded, plan(0).shares), (GENEROUS + 2 * UNIT, GENEROUS + 6 * UNIT));
    });
}

#[test]
fn an_exhausted_or_ended_plan_takes_no_donation() {
    with_chain(|| {
        publish(4, 1);
        // V x 10^12 < S.
        spend(0, GENEROUS - GENEROUS / 1_000_000_000_000);
        assert_ok!(donated(signed(2), 0, UNIT / 100));
        spend(0, UNIT / 100 + 1);
        refused!(donated(signed(2), 0, UNIT / 100), PotExhausted);
        run_while(|| plan(0).state == PlanState::Live);
        refused!(donated(signed(2), 0, UNIT), PlanNotLive);
    });
}

#[test]
fn end_plan_is_the_sponsors_and_takes_its_notice() {
    with_chain(|| {
        publish(4, 1);
        refused!(DatDot::end_plan(signed(SPONSOR), 1), NoSuchPlan);
        refused!(DatDot::end_plan(signed(2), 0), NotSponsor);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        assert_eq!(last_event(), Event::PlanEnding { plan: 0, block: 11 });
        refused!(DatDot::end_plan(signed(SPONSOR), 0), AlreadyEnding);
        run_to(10);
        assert_eq!(plan(0).state, PlanState::Live);
        next_block();
        happened(Event::PlanEnded { plan: 0, reason: PlanEnd::Called });
        happened(Event::PlanClaimable { plan: 0, remainder: GENEROUS });
        refused!(DatDot::end_plan(signed(SPONSOR), 0), PlanNotLive);
    });
}

#[test]
fn a_plan_ends_at_its_first_tick_at_or_after_until() {
    for (until, end) in [(48, 49), (49, 49), (50, 73)] {
        with_chain(|| {
            assert_ok!(publish_terms(Terms { until, ..terms(1) }, GENEROUS));
            run_to(end - 1);
            assert_eq!(plan(0).state, PlanState::Live);
            next_block();
            happened(Event::PlanEnded { plan: 0, reason: PlanEnd::Until });
        });
    }
}

#[test]
fn a_tick_prepays_the_era_to_come() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        let sectors = 3;
        let id = active_copy(sectors);
        let tick = plan(0).next_tick;
        run_to(tick - 1);
        let reserve = |blocks: Block, copy: &Copy| {
            let disk =
                (ASK_DISK * u128::from(sectors) * u128::from(blocks)).div_ceil((1 << 22) * u128::from(times().era));
            disk + copy.halves + 4 * u128::from(times().seats) * REPORT_PRICE
        };
        let due =
            |copy: &Copy| copy.first_confirmed.unwrap().max(crate::Hosters::<Test>::get(account(HOSTER)).unwrap().last);
        next_block();
        let after = copy(id);
        assert_eq!(plan(0).next_tick, tick + 24);
        assert_eq!(after.reserve, reserve(tick + 24 - due(&after), &after));
        assert_eq!(plan(0).reserved, after.reserve);
    });
}

/// A small pot pays one tick, warns an era before, and ends the plan at the first tick that it cannot pay.
#[test]
fn an_unpaid_tick_ends_the_plan_after_a_warning() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        let sectors = 1 << 20;
        let caps = |price: Balance, sectors: u64| (price * u128::from(sectors)).div_ceil(1 << 22);
        let most = caps(CAP_DISK, sectors) + caps(CAP_ENCODING, sectors + 256) + caps(CAP_RECEIVING, sectors);
        publish_with(&feed_of(sectors), terms(1), ((most + 36 * REPORT_PRICE) * 21).div_ceil(10));
        run_until(0, CopyState::Assigned);
        begin(0);
        run_until(0, CopyState::Encoding);
        confirm_bytes(0, sectors * SECTOR, sp_core::H256::repeat_byte(1));
        // All is paid but the second half: what is left is for disk, and for what the sponsor's ratio adds.
        let paid = caps(ASK_ENCODING, sectors) / 2 + caps(ASK_RECEIVING, sectors);
        let added = paid * 11 / 10;
        let (half, era) = (caps(ASK_ENCODING, sectors) / 2, caps(ASK_DISK, sectors));
        let kept = (half + 36 * REPORT_PRICE + era * 44 / 24) * 21 / 10;
        spend(0, DatDot::pot_value(0) - added - kept - TICK_FEE);
        let first = plan(0).next_tick;
        // Nobody proves: no disk is paid, so each tick wants an era more than the last.
        run_to(first);
        happened(Event::PotLow { plan: 0, block: first + 24 });
        run_to(first + 23);
        assert_eq!(plan(0).state, PlanState::Live);
        next_block();
        happened(Event::PlanEnded { plan: 0, reason: PlanEnd::Unpaid });
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::PlanEnded });
    });
}

#[test]
fn refunds_share_the_remainder_and_the_last_takes_the_rest() {
    with_chain(|| {
        publish(4, 1);
        for (n, amount) in [(2, 10 * UNIT + 1), (3, UNIT / 3)] {
            assert_ok!(donated(signed(n), 0, amount));
        }
        spend(0, 37 * UNIT + 5);
        refused!(DatDot::claim_refund(signed(STRANGER), 0, account(2)), NotClaimable);
        refused!(DatDot::claim_refund(signed(STRANGER), 9, account(2)), NoSuchPlan);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run(10);
        let (remainder, shares) = (plan(0).remainder.unwrap(), plan(0).shares);
        assert_eq!(remainder, GENEROUS + 10 * UNIT + 1 + UNIT / 3 - 37 * UNIT - 5);
        refused!(DatDot::claim_refund(signed(STRANGER), 0, account(4)), NoShares);
        let mut given = 0;
        // Whoever asks for it, the money goes to the donor.
        let asker = free(STRANGER);
        for n in [SPONSOR, 3] {
            let (before, own) = (free(n), Shares::<Test>::get(0, account(n)).unwrap());
            assert_ok!(DatDot::claim_refund(signed(STRANGER), 0, account(n)));
            let amount = remainder * own / shares;
            assert_eq!(free(n), before + amount);
            assert_eq!(last_event(), Event::Refunded { plan: 0, account: account(n), amount });
            refused!(DatDot::claim_refund(signed(STRANGER), 0, account(n)), NoShares);
            given += amount;
        }
        assert_eq!(free(STRANGER), asker);
        let (before, sponsor) = (free(2), free(SPONSOR));
        assert_ok!(DatDot::claim_refund(signed(STRANGER), 0, account(2)));
        assert_eq!(free(2), before + remainder - given);
        assert_eq!(free(SPONSOR), sponsor + EXISTENTIAL, "the sponsor gets the existential deposit back");
        assert_eq!(last_event(), Event::PlanClosed { plan: 0 });
        assert_eq!(pot(0), 0);
        assert!(!Plans::<Test>::contains_key(0) && !crate::Roots::<Test>::contains_key(0));
        refused!(DatDot::claim_refund(signed(STRANGER), 0, account(2)), NoSuchPlan);
    });
}

#[test]
fn the_remainder_is_fixed_when_the_last_records_are_gone() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        let id = active_copy(3);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run(10);
        let ended = now();
        assert_eq!(copy(id).ended, Some(ended));
        run_to(ended + 71);
        assert_eq!(plan(0).remainder, None);
        refused!(DatDot::claim_refund(signed(STRANGER), 0, account(SPONSOR)), NotClaimable);
        next_block();
        happened(Event::CopyRemoved { copy: id });
        happened(Event::PlanClaimable { plan: 0, remainder: plan(0).remainder.unwrap() });
        assert_ok!(DatDot::claim_refund(signed(STRANGER), 0, account(SPONSOR)));
    });
}
