//! Amended terms: what a sponsor may change alone, what others' money forbids, and copies that are let go.

use super::{mock::*, world::*};
use crate::{refused, types::*, Event};
use frame_support::assert_ok;
use sp_runtime::DispatchResult;

fn amend(terms: Terms) -> DispatchResult {
    DatDot::amend_plan(signed(SPONSOR), 0, terms)
}

/// A plan's own terms with a change.
fn with(change: impl FnOnce(&mut Terms)) -> Terms {
    let mut terms = plan(0).terms;
    change(&mut terms);
    terms
}

fn region(name: &[u8]) -> Region {
    name.to_vec().try_into().unwrap()
}

fn regions(names: &[&[u8]]) -> frame_support::BoundedVec<Region, MaxRegions> {
    names.iter().map(|name| region(name)).collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn amendments_are_refused_in_order() {
    with_chain(|| {
        publish(3, 2);
        refused!(DatDot::amend_plan(signed(SPONSOR), 1, terms(1)), NoSuchPlan);
        refused!(DatDot::amend_plan(signed(STRANGER), 0, terms(0)), NotSponsor);
        refused!(amend(with(|terms| terms.max_ask_disk = MAX_AMOUNT + 1)), AmountTooLarge);
        refused!(amend(with(|terms| terms.replicas = 0)), BadTerms);
        refused!(amend(with(|terms| terms.until = now())), BadTerms);
        refused!(amend(with(|terms| terms.min_reputation = PPM + 1)), BadTerms);
        refused!(amend(with(|terms| terms.regions = regions(&[b"a"]))), BadTerms);
        refused!(amend(with(|terms| terms.report_price += 1)), BadTerms);
        refused!(amend(with(|terms| terms.report_price -= 1)), BadTerms);
        refused!(amend(with(|terms| terms.live = true)), BadTerms);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        assert_ok!(amend(plan(0).terms));
        run(10);
        refused!(amend(terms(1)), PlanNotLive);
    });
}

type Widening = (&'static str, fn(&mut Terms));

#[test]
fn while_others_gave_much_terms_only_become_narrower() {
    let wide: [Widening; 8] = [
        ("replicas", |terms| terms.replicas += 1),
        ("disk", |terms| terms.max_ask_disk += 1),
        ("encoding", |terms| terms.max_ask_encoding += 1),
        ("receiving", |terms| terms.max_ask_receiving += 1),
        ("reputation", |terms| terms.min_reputation += 1),
        ("regions", |terms| terms.regions = regions(&[b"u4"])),
        ("latency", |terms| terms.max_latency_ms -= 1),
        ("throughput", |terms| terms.min_kib_per_s += 1),
    ];
    let narrow: [Widening; 8] = [
        ("replicas", |terms| terms.replicas -= 1),
        ("disk", |terms| terms.max_ask_disk -= 1),
        ("encoding", |terms| terms.max_ask_encoding -= 1),
        ("receiving", |terms| terms.max_ask_receiving -= 1),
        ("until", |terms| terms.until -= 1),
        ("until, later", |terms| terms.until += 1),
        ("reputation", |terms| terms.min_reputation -= 1),
        ("regions", |terms| terms.regions = Default::default()),
    ];
    with_chain(|| {
        let own = Terms { min_reputation: 7, regions: regions(&[b"u3"]), ..terms(8) };
        publish_with(&feed_of(3), own, 80 * UNIT);
        // A twentieth of what was founded is little, a hundredth of a UNIT more is not.
        assert_ok!(donated(signed(STRANGER), 0, 4 * UNIT));
        assert_ok!(amend(with(|terms| terms.max_ask_disk += 1)));
        assert_ok!(donated(signed(STRANGER), 0, UNIT / 100));
        for (name, change) in wide {
            let terms = with(change);
            refused!(amend(terms.clone()), AmendTooWide);
            assert_ne!(plan(0).terms, terms, "{name}");
        }
        for (name, change) in narrow {
            let terms = with(change);
            assert_ok!(amend(terms.clone()));
            assert_eq!((plan(0).terms, last_event()), (terms.clone(), Event::PlanAmended { plan: 0, terms }), "{name}");
            assert_eq!(plan(0).fresh, now() + 4);
        }
    });
}

/// What counts is what the sponsor bought before others gave: the right to wider terms is not for sale.
#[test]
fn what_a_sponsor_buys_later_does_not_count() {
    with_chain(|| {
        publish_with(&feed_of(3), terms(1), 5 * UNIT);
        assert_ok!(donated(signed(STRANGER), 0, 5 * UNIT / 20 + 1));
        refused!(amend(with(|terms| terms.replicas = 2)), AmendTooWide);
        assert_ok!(donated(signed(SPONSOR), 0, 1_000 * UNIT));
        refused!(amend(with(|terms| terms.replicas = 2)), AmendTooWide);
    });
    with_chain(|| {
        // Before that it does, to the last share.
        publish_with(&feed_of(3), terms(1), 5 * UNIT);
        assert_ok!(donated(signed(SPONSOR), 0, 15 * UNIT));
        assert_ok!(donated(signed(STRANGER), 0, UNIT));
        assert_ok!(amend(with(|terms| terms.replicas = 2)));
        // Two others count together, and a pot that is spent makes their shares more.
        spend(0, 20 * UNIT);
        assert_ok!(donated(signed(3), 0, UNIT / 100));
        assert_eq!(plan(0).shares, 21 * UNIT + 21 * UNIT / 100);
        refused!(amend(with(|terms| terms.replicas = 3)), AmendTooWide);
        assert_ok!(amend(with(|terms| terms.replicas = 1)));
    });
}

/// Amended terms end a plan no sooner than `end_plan` does; who gave, gave for that time.
#[test]
fn until_is_no_sooner_than_the_notice() {
    with_chain(|| {
        let old = plan_until(now() + 60);
        run(5);
        let soonest = now() + times().end_notice;
        refused!(amend(with(|terms| terms.until = now() + 1)), BadTerms);
        refused!(amend(with(|terms| terms.until = soonest - 1)), BadTerms);
        assert_ok!(amend(with(|terms| terms.until = soonest)));
        assert!(plan(0).terms.until < old);
        // What ends sooner already may stay as it is, or end later.
        run(5);
        refused!(amend(with(|terms| terms.until -= 1)), BadTerms);
        assert_ok!(amend(plan(0).terms));
        assert_ok!(amend(with(|terms| terms.until += 1)));
    });
}

/// A plan of one donor that ends there.
fn plan_until(until: Block) -> Block {
    publish_with(&feed_of(3), Terms { until, ..terms(1) }, GENEROUS);
    until
}

/// The least price is for new plans: one that pays less than a later amount is amended as before.
#[test]
fn a_price_below_a_later_amount_stays() {
    with_chain(|| {
        publish(3, 2);
        let amounts = Amounts { report_price: 2 * REPORT_PRICE, ..Amounts::DEFAULT };
        assert_ok!(DatDot::set_parameters(RuntimeOrigin::root(), amounts));
        refused!(amend(with(|terms| terms.report_price = 2 * REPORT_PRICE)), BadTerms);
        assert_ok!(amend(with(|terms| terms.replicas = 1)));
    });
}

#[test]
fn live_is_switched_off_and_not_on() {
    with_chain(|| {
        publish_with(&feed_of(3), Terms { live: true, ..terms(1) }, GENEROUS);
        assert_ok!(amend(with(|terms| terms.live = false)));
        refused!(amend(with(|terms| terms.live = true)), BadTerms);
    });
}

#[test]
fn copies_beyond_the_new_replicas_leave_and_forfeit_nothing() {
    with_chain(|| {
        providers(&[10, 11, 12], &[20, 21, 22]);
        publish(3, 3);
        activate(0);
        run_while(|| plan(0).live.len() < 3);
        activate_all(&[1, 2]);
        let holds: Vec<Balance> = (10..13).map(|n| held(n, Role::Hosting)).collect();
        let terms = with(|terms| terms.replicas = 1);
        assert_ok!(amend(terms.clone()));
        let block = now() + 10;
        let expected = [
            Event::PlanAmended { plan: 0, terms },
            Event::CopyLeaving { copy: 1, block },
            Event::CopyLeaving { copy: 2, block },
        ];
        assert_eq!(events()[events().len() - 3..], expected);
        assert_eq!(([0, 1, 2].map(|id| copy(id).leaving), plan(0).leaving), ([0, 1, 1], 2));
        // What leaves already is not counted.
        assert_ok!(amend(plan(0).terms));
        assert_eq!((plan(0).leaving, last_event()), (2, Event::PlanAmended { plan: 0, terms: plan(0).terms }));
        run_to(block);
        happened(Event::CopyEnded { copy: 1, reason: CopyEnd::Left });
        happened(Event::CopyEnded { copy: 2, reason: CopyEnd::Left });
        assert_eq!((plan(0).live.to_vec(), plan(0).leaving), (vec![0], 0));
        assert_eq!((10..13).map(|n| held(n, Role::Hosting)).collect::<Vec<_>>(), holds);
    });
}

#[test]
fn more_replicas_are_wanted_at_once() {
    with_chain(|| {
        providers(&[10, 11], &[20, 21]);
        publish(3, 1);
        activate(0);
        run(6);
        assert!(!plan(0).queued);
        assert_ok!(amend(with(|terms| terms.replicas = 2)));
        assert!(plan(0).queued);
        run_while(|| plan(0).live.len() < 2);
    });
}
