//! Whole lives of plans: peers that act by themselves on what the chain says, honest ones and others, on many seeds.

use super::{mock::*, world::*};
use crate::{
    types::*, Attesters, Copies, Event, Hosters, NextCopy, NextPlan, Plans, Retrievals, Shares, StorageChallenges,
};
use frame_support::{assert_ok, traits::fungible::InspectHold};
use std::collections::{BTreeMap, BTreeSet};

/// What a peer does not do, and what the sponsor asks for.
#[derive(Clone, Default)]
pub struct Habits {
    /// Encoders that never begin.
    pub dead_encoders: Vec<u64>,
    /// Hosters that neither confirm nor prove.
    pub dead_hosters: Vec<u64>,
    /// Hosters that decline what they are offered first.
    pub decliners: Vec<u64>,
    /// Attesters that never commit.
    pub absent: Vec<u64>,
    /// Hosters that answer when they like, or too late.
    pub late: Vec<u64>,
    /// Encoders that decline half their jobs.
    pub refusers: Vec<u64>,
    /// Encoders that begin and do no more, half the time.
    pub stallers: Vec<u64>,
}

/// Peers, and what they did so far.
pub struct World {
    habits: Habits,
    hosters: Vec<u64>,
    attesters: Vec<u64>,
    declined: BTreeSet<u64>,
    /// Block in which the encoder is done with a segment.
    done: BTreeMap<SegmentId, Block>,
    reports: Vec<Probe>,
    pub proofs: BTreeMap<u64, u32>,
    /// Copies with a verdict, and the first block in which it came.
    pub verdicts: BTreeMap<CopyId, Verdict>,
    salt: u64,
    /// Nobody comes back any more.
    closing: bool,
}

impl World {
    pub fn new(hosters: u64, encoders: u64, attesters: u64, habits: Habits, salt: u64) -> World {
        let numbers = |from: u64, count: u64| (from..from + count).collect::<Vec<_>>();
        let (hosters, encoders) = (numbers(HOSTER, hosters), numbers(ENCODER, encoders));
        let attesters = numbers(ATTESTER, attesters);
        for n in &attesters {
            register(*n);
            offer_attesting(*n, 1);
        }
        for n in &hosters {
            register(*n);
            offer_hosting(*n, CAPACITY);
        }
        for n in &encoders {
            register(*n);
            offer_encoding(*n);
        }
        World {
            habits,
            hosters,
            attesters,
            declined: BTreeSet::new(),
            done: BTreeMap::new(),
            reports: Vec::new(),
            proofs: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            salt,
            closing: false,
        }
    }

    /// A number below `bound` that depends on the seed of the world.
    fn chance(&self, what: u64, bound: u64) -> u64 {
        let hash = crate::crypto::hash(&[b"life", &self.salt.to_le_bytes(), &what.to_le_bytes()]);
        (crate::crypto::low(hash) % u128::from(bound)) as u64
    }

    /// One block: the chain first, then everybody; all that must hold is checked after both.
    pub fn step(&mut self) {
        next_block();
        for event in events() {
            if let Event::RetrievalSettled { copy, verdict, .. } = event {
                self.verdicts.insert(copy, verdict);
            }
        }
        let copies: Vec<CopyId> = Copies::<Test>::iter_keys().collect();
        copies.iter().for_each(|id| self.make(*id));
        self.hosters.clone().into_iter().for_each(|n| self.answer(n));
        self.renew();
        self.attest(&copies);
        check();
    }

    /// Hoster and encoder do what the copy's state asks of them.
    fn make(&mut self, id: CopyId) {
        let copy = copy(id);
        let hoster = number(&copy.hoster);
        let encoder = copy.encoder.as_ref().map(number);
        let alive = encoder.is_some_and(|n| !self.habits.dead_encoders.contains(&n));
        match copy.state {
            CopyState::Offered if self.habits.decliners.contains(&hoster) && self.declined.insert(hoster) => {
                assert_ok!(DatDot::decline_copy(signed(hoster), id));
            },
            CopyState::Assigned if self.refuses(encoder) => {
                // At most eight times an era.
                let _ = DatDot::decline_job(RuntimeOrigin::signed(copy.encoder.expect("an encoder")), id);
            },
            CopyState::Assigned if alive => {
                let segment = begin(id);
                self.done.insert(segment, now() + 20 + self.chance(segment, 31) as u32);
            },
            CopyState::Encoding if alive && !self.habits.dead_hosters.contains(&hoster) => {
                let segment = copy.current.expect("a segment");
                let stalls = encoder.is_some_and(|n| self.habits.stallers.contains(&n)) && self.chance(segment, 2) == 0;
                if !stalls && self.done.get(&segment).is_some_and(|done| *done <= now()) {
                    confirm(id);
                }
            },
            _ => (),
        }
    }

    fn refuses(&self, encoder: Option<u64>) -> bool {
        encoder.is_some_and(|n| self.habits.refusers.contains(&n)) && self.chance(now().into(), 2) == 0
    }

    fn answer(&mut self, n: u64) {
        if self.habits.dead_hosters.contains(&n) {
            return;
        }
        let after = |issued: Block| match self.habits.late.contains(&n) {
            true => issued + self.chance(issued.into(), 120) as u32,
            false => issued,
        };
        if challenge(n).is_some_and(|open| after(open.issued) < now()) {
            prove(n);
            *self.proofs.entry(n).or_default() += 1;
        }
    }

    /// Who was put out comes back after a while, unless it is dead.
    fn renew(&self) {
        for n in self.hosters.iter().filter(|n| !self.habits.dead_hosters.contains(n)) {
            if !self.closing && Hosters::<Test>::get(account(*n)).is_some_and(|h| !h.open && h.out_since + 6 == now()) {
                assert_ok!(offer_hosting_at(
                    *n,
                    CAPACITY,
                    ASK_DISK,
                    ASK_RECEIVING.min(DatDot::amounts().collateral / 10)
                ));
            }
        }
    }

    /// Commits in the window's first block, reveals and settles in theirs.
    fn attest(&mut self, copies: &[CopyId]) {
        let times = times();
        let (era, at) = (era(), now() % times.era);
        if at == times.probe_blocks {
            for id in copies.iter().filter(|id| copy(**id).state == CopyState::Active) {
                for n in self.attesters.iter().filter(|n| !self.habits.absent.contains(n)) {
                    let hoster = number(&copy(*id).hoster);
                    let report = match self.habits.dead_hosters.contains(&hoster) {
                        true => not_served(),
                        false => served(50 + *n as u32, 1_000),
                    };
                    let probe = Probe::new(*n, era, *id, report);
                    if probe.commit().is_ok() {
                        self.reports.push(probe);
                    }
                }
            }
        }
        if at == times.reveal_from {
            std::mem::take(&mut self.reports).iter().for_each(|probe| assert_eq!(probe.reveal(), Ok(())));
        }
        if at == times.settle_from && era >= 1 {
            let before: Vec<CopyId> = Retrievals::<Test>::iter_prefix(era - 1).map(|(copy, _)| copy).collect();
            // A copy that ended within the era is not settled.
            for id in before.into_iter().filter(|id| Copies::<Test>::contains_key(id)) {
                let _ = settle(era - 1, id);
            }
            for event in events() {
                if let Event::RetrievalSettled { copy, verdict, .. } = event {
                    self.verdicts.insert(copy, verdict);
                }
            }
        }
    }

    pub fn active(&self) -> usize {
        Copies::<Test>::iter_values().filter(|copy| copy.state == CopyState::Active).count()
    }

    /// All plans have ended and all is paid back; holds are released.
    pub fn wind_up(&mut self) {
        for _ in 0..600 {
            if Plans::<Test>::iter_values().all(|plan| plan.remainder.is_some()) {
                break;
            }
            self.step();
        }
        for id in 0..NextPlan::<Test>::get() {
            let donors: Vec<_> = Shares::<Test>::iter_key_prefix(id).collect();
            for donor in donors {
                assert_ok!(DatDot::claim_refund(signed(STRANGER), id, donor));
            }
            assert_eq!(Balances::free_balance(DatDot::pot_account(id)), 0);
        }
        assert_eq!(Plans::<Test>::iter().count(), 0);
        self.closing = true;
        for n in 0..100 {
            for role in [Role::Hosting, Role::Encoding, Role::Attesting] {
                let _ = DatDot::withdraw_offer(signed(n), role);
            }
        }
        // An encoder's bond stays for 14 eras after its last confirmed segment.
        (0..BOND_ERAS * times().era).for_each(|_| self.step());
        for n in 0..100 {
            for role in [Role::Hosting, Role::Encoding] {
                let _ = DatDot::release(signed(n), role);
            }
            assert_eq!(Balances::total_balance_on_hold(&account(n)), 0, "account {n}");
        }
        check();
        for gone in [
            Copies::<Test>::iter().count(),
            crate::Segments::<Test>::iter().count(),
            crate::Moduli::<Test>::iter().count(),
            crate::CopySlots::<Test>::iter().count(),
            crate::CopyNodes::<Test>::iter().count(),
            crate::Storing::<Test>::iter().count(),
            crate::Slots::<Test>::iter().count(),
            Retrievals::<Test>::iter().count(),
            StorageChallenges::<Test>::iter().count(),
            crate::Needs::<Test>::iter().count(),
            crate::Deadlines::<Test>::iter().count(),
        ] {
            assert_eq!(gone, 0);
        }
        assert_eq!(crate::draw::hoster_table::<Test>().total() + crate::draw::encoder_table::<Test>().total(), 0);
    }
}

/// The main job with everybody honest: 3 replicas, 4 hosters, 4 encoders, 3 attesters.
fn honest(salt: u64) {
    with_times(Times::DEVELOPMENT, salt, || {
        let mut world = World::new(4, 4, 3, Habits::default(), salt);
        publish(12, 3);
        while world.active() < 3 {
            world.step();
            assert!(now() <= 110, "salt {salt}: not all active");
        }
        while world.proofs.values().filter(|proofs| **proofs >= 3).count() < 3 {
            world.step();
            assert!(now() <= 200, "salt {salt}: {:?}", world.proofs);
        }
        while world.verdicts.len() < 3 {
            world.step();
            assert!(now() <= 200, "salt {salt}: {:?}", world.verdicts);
        }
        // Three attesters with one slot each and nine seats: two of them are seated but for bad luck.
        assert!(world.verdicts.values().filter(|verdict| **verdict == Verdict::Passed).count() >= 2);
        assert!(Copies::<Test>::iter_values().all(|copy| copy.strikes == 0));
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        while plan(0).state == PlanState::Live {
            world.step();
        }
        let ended = now();
        while plan(0).remainder.is_none() {
            world.step();
        }
        assert_eq!(now(), ended + 3 * times().era);
        world.wind_up();
        assert!(crate::Minted::<Test>::get() > 0);
    });
}

#[test]
fn honest_peers_do_the_main_job() {
    (0..3).for_each(honest);
}

/// A life with such habits: enough copies become active, and at the end nothing is left.
fn with_habits(habits: Habits, replicas: u8, wanted: usize) {
    for salt in 0..2 {
        with_times(Times::DEVELOPMENT, salt, || {
            let mut world = World::new(5, 5, 4, habits.clone(), salt);
            publish(9, replicas);
            let mut most = 0;
            while most < wanted {
                world.step();
                most = most.max(world.active());
                assert!(now() <= 400, "salt {salt}: {most} active");
            }
            (0..60).for_each(|_| world.step());
            let _ = DatDot::end_plan(signed(SPONSOR), 0);
            world.wind_up();
        });
    }
}

#[test]
fn a_dead_encoder_is_replaced() {
    with_habits(Habits { dead_encoders: vec![ENCODER, ENCODER + 1], ..Habits::default() }, 3, 3);
}

#[test]
fn a_dead_hoster_stalls_and_is_replaced() {
    with_habits(Habits { dead_hosters: vec![HOSTER], ..Habits::default() }, 3, 3);
}

#[test]
fn declined_copies_are_offered_to_others() {
    with_habits(Habits { decliners: vec![HOSTER, HOSTER + 1, HOSTER + 2], ..Habits::default() }, 3, 3);
}

#[test]
fn absent_attesters_lose_parts_of_their_bonds() {
    for salt in 0..2 {
        with_times(Times::DEVELOPMENT, salt, || {
            let habits = Habits { absent: vec![ATTESTER, ATTESTER + 1], ..Habits::default() };
            let mut world = World::new(4, 4, 4, habits, salt);
            publish(6, 3);
            while world.verdicts.len() < 3 {
                world.step();
                assert!(now() < 300);
            }
            assert!(held(ATTESTER, Role::Attesting) < 10 * UNIT);
            assert_eq!(held(ATTESTER + 2, Role::Attesting), 10 * UNIT);
            assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
            world.wind_up();
        });
    }
}

/// Several plans compete for few peers, one of them with its pot at the least.
#[test]
fn competing_plans_with_a_pot_at_its_least() {
    for salt in 0..2 {
        with_times(Times::DEVELOPMENT, salt, || {
            let mut world = World::new(4, 4, 3, Habits::default(), salt);
            let sectors = 11;
            for _ in 0..3 {
                publish(sectors, 3);
            }
            let least = |price: Balance, sectors: u64| (price * u128::from(sectors)).div_ceil(1 << 22);
            let work = least(CAP_DISK, sectors) + least(CAP_ENCODING, sectors + 256) + least(CAP_RECEIVING, sectors);
            let each = work + 36 * REPORT_PRICE;
            let pot = (21 * 3 * each).div_ceil(10);
            publish_with(&feed_of(sectors), terms(3), pot);
            let (mut poorest, mut poor) = (Balance::MAX, PlanState::Live);
            for _ in 0..300 {
                world.step();
                if let Some(plan) = Plans::<Test>::get(3) {
                    poorest = poorest.min(DatDot::pot_value(3));
                    poor = plan.state;
                }
            }
            assert!(poorest < pot, "the poor plan paid something");
            // The least pot has no tick in it: a plan with no more may lack a replica after its first.
            assert!(NextCopy::<Test>::get() >= 10, "every plan found its hosters: the poor one at least one");
            assert!(matches!(poor, PlanState::Live | PlanState::Ended));
            for id in 0..4 {
                let _ = DatDot::end_plan(signed(SPONSOR), id);
            }
            world.wind_up();
        });
    }
}

/// Attesters are paid for reports, hosters for disk and receiving, encoders in two halves: each earned something.
#[test]
fn everybody_earns() {
    with_times(Times::DEVELOPMENT, 5, || {
        let mut world = World::new(3, 3, 3, Habits::default(), 5);
        let before: BTreeMap<u64, Balance> =
            (0..100).map(|n| (n, free(n) + Balances::total_balance_on_hold(&account(n)))).collect();
        publish(4_000, 3);
        (0..200).for_each(|_| world.step());
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        world.wind_up();
        let drawn: BTreeSet<u64> = (HOSTER..HOSTER + 3).chain(ENCODER..ENCODER + 3).collect();
        for n in drawn {
            assert!(free(n) > before[&n], "{n} earned nothing");
        }
        assert!((ATTESTER..ATTESTER + 3).all(|n| free(n) >= before[&n]));
        assert!((ATTESTER..ATTESTER + 3).any(|n| free(n) > before[&n]));
        assert!(Attesters::<Test>::iter().count() == 3);
    });
}
