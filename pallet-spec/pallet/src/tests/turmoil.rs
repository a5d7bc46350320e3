//! Lives in which everything changes: feeds grow, hosters come late, leave, lose and pause, encoders decline and stall, the
//! sponsor amends; all that must hold does in every block, and at the end nothing is left.

use super::{
    fuzz::{grown, Dice, GROWING},
    life::*,
    mock::*,
    world::*,
};
use crate::{types::*, Copies, Encoders, Event, NextPlan, Plans};
use std::collections::BTreeSet;

const TIMES: Times = Times { lease: 60, checkpoint: 4, end_notice: 20, ..Times::DEVELOPMENT };

/// The name of an event.
fn name(event: &Event<Test>) -> String {
    let shown = format!("{event:?}");
    shown.split([' ', '{', '(']).next().expect("a name").to_string()
}

/// What parties of a copy do now and then.
fn stir_copy(dice: &mut Dice, id: CopyId, copy: &Copy) {
    let hoster = RuntimeOrigin::signed(copy.hoster.clone());
    let rest = copy.sectors - copy.stored;
    // Refusals are part of it: a copy may be leaving or dropping already.
    match copy.state {
        CopyState::Active if dice.throw(300) == 0 => drop(DatDot::declare_lost(hoster, id)),
        CopyState::Active if dice.throw(200) == 0 => drop(DatDot::leave_copy(hoster, id)),
        CopyState::Encoding if rest > 4 && copy.stalls == 0 && dice.throw(30) == 0 => {
            let root = tree(copy.current.expect("a segment"), 4).root();
            confirm_bytes(id, 4 * SECTOR, root);
        },
        _ => (),
    }
}

/// A longer head, or other terms, now and then.
fn stir_plan(dice: &mut Dice, id: PlanId, plan: &Plan) {
    if plan.terms.live && dice.throw(12) == 0 {
        let feed = grown(GROWING, plan.head.length + 1 + dice.throw(3), 1);
        let nodes = feed.extension(plan.head.length).try_into().unwrap();
        let _ = DatDot::update_head(signed(STRANGER), id, feed.head(), nodes);
    }
    if dice.throw(60) == 0 {
        let terms = Terms { replicas: 1 + dice.throw(3) as u8, ..plan.terms.clone() };
        let _ = DatDot::amend_plan(signed(SPONSOR), id, terms);
    }
}

fn turmoil(seed: u64, seen: &mut BTreeSet<String>) {
    with_times(TIMES, seed, || {
        let mut dice = Dice { seed, thrown: 0 };
        let habits = Habits {
            late: vec![HOSTER, HOSTER + 1],
            refusers: vec![ENCODER],
            stallers: vec![ENCODER + 1],
            ..Habits::default()
        };
        let mut world = World::new(6, 6, 4, habits, seed);
        for _ in 0..400 {
            world.step();
            if now() % 80 == 10 {
                let feed = grown(GROWING, 1 + dice.throw(9), 1);
                publish_with(&feed, Terms { live: dice.throw(4) > 0, ..terms(2) }, GENEROUS);
            }
            let copies: Vec<(CopyId, Copy)> = Copies::<Test>::iter().collect();
            copies.iter().for_each(|(id, copy)| stir_copy(&mut dice, *id, copy));
            let plans: Vec<(PlanId, Plan)> = Plans::<Test>::iter().collect();
            plans.iter().for_each(|(id, plan)| stir_plan(&mut dice, *id, plan));
            if dice.throw(100) == 0 {
                let _ = DatDot::pause(signed(HOSTER + dice.throw(6)));
            }
            let out = |n: &u64| Encoders::<Test>::get(account(*n)).is_some_and(|e| !e.open && e.out_since + 6 == now());
            (ENCODER..ENCODER + 6).filter(out).for_each(offer_encoding);
            check();
            seen.extend(events().iter().map(name));
        }
        for id in 0..NextPlan::<Test>::get() {
            let _ = DatDot::end_plan(signed(SPONSOR), id);
        }
        world.wind_up();
    });
}

#[test]
fn all_that_must_hold_does_while_everything_changes() {
    let mut seen = BTreeSet::new();
    (0..4).for_each(|seed| turmoil(seed, &mut seen));
    let expected = [
        "CopyLeaving",
        "Forfeited",
        "GrowthBegun",
        "GrowthLeft",
        "HeadUpdated",
        "HosterCleared",
        "HosterEvicted",
        "HosterOverdue",
        "HosterPaused",
        "JobDeclined",
        "PlanAmended",
        "Stalled",
        "Surcharged",
    ];
    let missing: Vec<_> = expected.iter().filter(|name| !seen.contains(&format!("Event::{name}"))).collect();
    assert!(missing.is_empty(), "{missing:?} of {seen:?}");
}
