//! Random calls by random accounts over some hundred blocks, most of them wrong: no block breaks what must hold.

use super::{feeds::*, life::*, mock::*, world::*};
use crate::{types::*, Copies, Keys, NextCopy, NextPlan, Peers, Plans, StorageChallenges};
use frame_support::traits::Hooks;
use sp_core::{Pair, H256};
use sp_runtime::{traits::Dispatchable, DispatchError};
use std::collections::BTreeMap;

type Call = crate::Call<Test>;

/// Numbers that follow from a seed.
pub struct Dice {
    pub seed: u64,
    pub thrown: u64,
}

impl Dice {
    pub fn throw(&mut self, bound: u64) -> u64 {
        self.thrown += 1;
        let hash = crate::crypto::hash(&[b"dice", &self.seed.to_le_bytes(), &self.thrown.to_le_bytes()]);
        (crate::crypto::low(hash) % u128::from(bound.max(1))) as u64
    }

    /// Small amounts, large ones, and those at the bounds.
    fn amount(&mut self) -> Balance {
        match self.throw(6) {
            0 => 0,
            1 => MAX_AMOUNT + u128::from(self.throw(2)),
            2 => UNIT * u128::from(self.throw(200)),
            _ => UNIT / 100 * u128::from(self.throw(300)),
        }
    }

    fn role(&mut self) -> Role {
        [Role::Hosting, Role::Encoding, Role::Attesting][self.throw(3) as usize]
    }

    /// Strangers mostly, sometimes hosters and encoders; attesters keep their secrets to themselves.
    fn account(&mut self) -> u64 {
        match self.throw(8) {
            0 => HOSTER + self.throw(16),
            _ => self.throw(10),
        }
    }

    /// An id that is in use, mostly.
    fn id(&mut self, next: u64) -> u64 {
        self.throw(next + 1)
    }

    fn hash(&mut self) -> H256 {
        crate::crypto::hash(&[&self.throw(4).to_le_bytes()])
    }
}

fn any_call(dice: &mut Dice) -> Call {
    let copy = dice.id(NextCopy::<Test>::get());
    let plan = dice.id(NextPlan::<Test>::get());
    match dice.throw(24) {
        0 => Call::offer_hosting {
            capacity: [0, 1, 256 * dice.throw(40), GIB * dice.throw(6), u64::MAX][dice.throw(5) as usize],
            ask_disk: dice.amount(),
            ask_receiving: dice.amount() / 100,
            region: [&b""[..], b"u", b"u33", b"a"][dice.throw(4) as usize].to_vec().try_into().unwrap(),
        },
        1 => Call::offer_encoding { ask: dice.amount() },
        2 => Call::offer_attesting { ask: dice.amount() / 1_000, anchor: dice.hash(), slots: dice.throw(4) as u32 },
        3 if dice.throw(3) == 0 => Call::withdraw_offer { role: dice.role() },
        4 => Call::release { role: dice.role() },
        5 => Call::donate { plan, amount: dice.amount(), fresh: Plans::<Test>::get(plan).map_or(0, |one| one.fresh) },
        6 if dice.throw(6) == 0 => Call::end_plan { plan },
        7 => Call::decline_copy { copy },
        8 => Call::begin_segment { copy, modulus: modulus(1_000_000 + dice.throw(6)), profile: PROFILE_P1 },
        9 => Call::confirm_segment {
            copy,
            segment: copy,
            bytes: 256 * dice.throw(12),
            root: dice.hash(),
            signature: [1; 64],
        },
        10 => {
            Call::submit_storage_proof { issued: now().saturating_sub(dice.throw(4) as u32), proof: Default::default() }
        },
        11 => {
            let commits = (0..dice.throw(4)).map(|more| RetrievalCommit { copy: copy + more, commit: dice.hash() });
            Call::commit_retrievals { era: era(), commits: some(commits.collect()) }
        },
        12 => {
            let (many, link, salt, report) = (dice.throw(4), dice.hash(), dice.hash(), not_served());
            let reveal = |more| RetrievalReveal { copy: copy + more, report, salt, opening: None };
            let reveals = some((0..many).map(reveal).collect());
            Call::reveal_retrievals { era: era().saturating_sub(1), link, reveals }
        },
        13 => Call::settle_retrieval { era: era().saturating_sub(dice.throw(3) as u32), copy },
        14 => Call::collect { copy },
        15 => Call::claim_refund { plan, donor: account(dice.account()) },
        16 => any_plan(dice),
        17 => Call::collect { copy },
        _ => any_later_call(dice, copy, plan),
    }
}

/// Calls on copies that are whole, and on plans that change.
fn any_later_call(dice: &mut Dice, copy: CopyId, plan: PlanId) -> Call {
    let own = Plans::<Test>::get(plan);
    match dice.throw(9) {
        0 | 1 => any_head(dice, plan, own.as_ref()),
        2 => Call::declare_lost { copy },
        3 => Call::leave_copy { copy },
        4 => Call::decline_job { copy },
        5 if dice.throw(3) == 0 => Call::pause {},
        6 => {
            let old = own.map_or_else(|| terms(1), |plan| plan.terms);
            let replicas = dice.throw(5) as u8;
            let max_latency_ms = if dice.throw(2) == 0 { 0 } else { old.max_latency_ms };
            Call::amend_plan { plan, terms: Terms { replicas, max_latency_ms, live: dice.throw(2) == 0, ..old } }
        },
        7 => Call::commit_report { hash: dice.hash() },
        8 => {
            let (first, second) = (grown(MORTAL, 3, 1), grown(MORTAL, 4 + dice.throw(2), dice.throw(2)));
            let (start, height) = first.root_place(dice.throw(2) as usize);
            let nodes = second.path(start, height).try_into().unwrap();
            let root = dice.throw(3) as u8;
            Call::report_equivocation { plan, first: first.head(), second: second.head(), root, nodes }
        },
        _ => Call::collect { copy },
    }
}

/// A report by the padding of a copy's last segment: of rubbish, as all segments of tests are.
fn any_report(dice: &mut Dice) -> Option<(CopyId, Evidence)> {
    let id = dice.id(NextCopy::<Test>::get());
    let part = *Copies::<Test>::get(id)?.segments.last()?;
    let sector = part.sectors - 1;
    let opening = super::world::tree(part.segment, part.sectors).open(sector);
    Some((id, Evidence { segment: part.segment, sector, opening, block: None }))
}

/// Names of two feeds that grow; the author of the second signs two histories.
pub const GROWING: u64 = 7;
const MORTAL: u64 = 9;

/// A feed of so many blocks, of which a longer one is an extension if its history is the same.
pub fn grown(name: u64, blocks: u64, history: u64) -> Feed {
    let sizes: Vec<u64> = (0..blocks).map(|block| 256 * (history + 1 + block % 3) + block).collect();
    Feed::new(Kind::Compat, name, &sizes)
}

/// A head for a plan, mostly a longer one of its feed.
fn any_head(dice: &mut Dice, id: PlanId, plan: Option<&Plan>) -> Call {
    let old = plan.map_or(1, |plan| plan.head.length);
    let mut feed = grown(if dice.throw(8) == 0 { MORTAL } else { GROWING }, old + dice.throw(4), 1);
    let nodes = feed.extension(old);
    feed.fork = u64::from(dice.throw(20) == 0);
    Call::update_head { plan: id, head: feed.head(), nodes: nodes.try_into().unwrap() }
}

fn any_plan(dice: &mut Dice) -> Call {
    let live = dice.throw(2) == 0;
    let name = if dice.throw(4) == 0 { MORTAL } else { GROWING };
    let feed = if live { grown(name, 1 + dice.throw(6), 1) } else { feed_of(1 + dice.throw(30)) };
    let terms = Terms {
        replicas: dice.throw(5) as u8,
        max_ask_disk: dice.amount(),
        max_ask_encoding: dice.amount(),
        max_ask_receiving: dice.amount(),
        report_price: dice.amount() / 100,
        until: now() + dice.throw(200) as u32,
        min_reputation: dice.throw(1_100_000) as u32,
        live,
        ..terms(1)
    };
    let ranges = vec![range(0, feed.length)];
    let nodes = feed.prove(&ranges).try_into().unwrap();
    let ranges = ranges.try_into().unwrap();
    Call::publish_plan { head: feed.head(), ranges, nodes, terms, pot: dice.amount() }
}

/// Another swarm key for a peer: a fresh one mostly, else one that somebody has, or one that did not sign.
fn any_key(dice: &mut Dice) -> (u64, Call) {
    let n = dice.throw(14);
    let swarm = swarm_pair(if dice.throw(3) == 0 { dice.throw(14) } else { 1_000 + dice.throw(100_000) });
    let (swarm_key, statement_key) = (swarm.public().0, statement_pair(n).public().0);
    let message = crate::crypto::bind_statement(genesis(), &account(n), &swarm_key, &statement_key);
    let signer = if dice.throw(4) == 0 { statement_pair(n) } else { swarm };
    (n, Call::rotate_swarm_key { swarm_key, signature: signer.sign(&message).0 })
}

/// A peer's operator, or a call that one makes; mostly not for its peer.
fn any_operation(dice: &mut Dice) -> (u64, Call) {
    let (n, peer) = (dice.throw(14), dice.throw(14));
    let call = match dice.throw(4) {
        0 => {
            let operator = (dice.throw(3) > 0).then(|| account(dice.throw(14)));
            return (n, Call::set_operator { operator });
        },
        1 => Call::withdraw_offer { role: Role::Hosting },
        2 => Call::offer_encoding { ask: UNIT },
        _ => any_peer(dice),
    };
    let n = crate::Operators::<Test>::get(account(peer)).map_or(n, |operator| number(&operator));
    (n, Call::operate { peer: account(peer), call: Box::new(RuntimeCall::DatDot(call)) })
}

/// A registration: right, of somebody who is a peer already, by a key that another signed for, or of a key twice.
fn any_peer(dice: &mut Dice) -> Call {
    let (n, other) = (dice.throw(14), dice.throw(14));
    let (swarm, statement) = (swarm_pair(n), if dice.throw(4) == 0 { swarm_pair(n) } else { statement_pair(other) });
    let (swarm_key, statement_key) = (swarm.public().0, statement.public().0);
    let message = crate::crypto::bind_statement(genesis(), &account(n), &swarm_key, &statement_key);
    let signer = if dice.throw(4) == 0 { swarm_pair(other) } else { swarm };
    let (swarm_signature, statement_signature) = (signer.sign(&message).0, statement.sign(&message).0);
    Call::register_peer { swarm_key, statement_key, swarm_signature, statement_signature }
}

/// What root may change. Seeds come from their source again mostly.
fn any_root_call(dice: &mut Dice) -> Call {
    match dice.throw(4) {
        0 => Call::set_seed { value: dice.hash() },
        1 => Call::unset_seed {},
        _ => any_amounts(dice),
    }
}

fn any_amounts(dice: &mut Dice) -> Call {
    let bond = UNIT * u128::from(50 + dice.throw(100));
    let amounts =
        Amounts { encoder_bond: bond, collateral: UNIT / 100 * u128::from(dice.throw(10)), ..Amounts::DEFAULT };
    Call::set_parameters { amounts }
}

/// "ok", or the name of the refusal.
fn outcome(origin: RuntimeOrigin, call: Call) -> String {
    match RuntimeCall::DatDot(call).dispatch(origin) {
        Ok(_) => "ok".to_string(),
        Err(refused) => match refused.error {
            DispatchError::Module(module) => module.message.unwrap_or("?").to_string(),
            other => format!("{other:?}"),
        },
    }
}

fn fuzz(seed: u64) {
    with_times(Times::DEVELOPMENT, seed, || {
        let mut dice = Dice { seed, thrown: 0 };
        let habits = Habits {
            dead_encoders: vec![ENCODER],
            dead_hosters: vec![HOSTER],
            decliners: vec![HOSTER + 1],
            absent: vec![ATTESTER],
            ..Habits::default()
        };
        let mut world = World::new(5, 5, 4, habits, seed);
        (0..8).for_each(register);
        // What each call came to, so that the fuzz is known to have passed through the code.
        let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
        let mut other = Dice { seed: seed + 1_000, thrown: 0 };
        let mut reports: Vec<(Block, u64, CopyId, Evidence)> = Vec::new();
        for step in 0..200 {
            world.step();
            // Late, for whoever is reported is out.
            if let Some((copy, evidence)) = any_report(&mut other).filter(|_| step > 120 && step % 3 == 0) {
                let n = other.account();
                let hash = crate::crypto::report(genesis(), &account(n), copy, &evidence);
                outcome(signed(n), Call::commit_report { hash });
                reports.push((now(), n, copy, evidence));
            }
            let due = |(at, ..): &mut (Block, u64, CopyId, Evidence)| now() >= *at + 4;
            for (_, n, copy, evidence) in reports.extract_if(.., due) {
                let name = outcome(signed(n), Call::report_invalid_encoding { copy, evidence });
                *outcomes.entry(format!("report: {name}")).or_default() += 1;
            }
            if now() % 20 == 10 {
                let feed = grown(GROWING, 1 + dice.throw(6), 1);
                publish_with(&feed, Terms { live: dice.throw(2) == 0, ..terms(2) }, GENEROUS);
            }
            for _ in 0..12 {
                let (origin, call) = match dice.throw(150) {
                    0 => (RuntimeOrigin::root(), any_root_call(&mut dice)),
                    1 => (signed(dice.account()), any_root_call(&mut dice)),
                    2..5 => {
                        let call = any_peer(&mut dice);
                        (signed(dice.throw(14)), call)
                    },
                    6 => {
                        let (n, call) = any_operation(&mut dice);
                        (signed(n), call)
                    },
                    5 => {
                        let (n, call) = any_key(&mut dice);
                        (signed(n), call)
                    },
                    _ => (signed(dice.account()), any_call(&mut dice)),
                };
                *outcomes.entry(outcome(origin, call)).or_default() += 1;
            }
            check();
        }
        // Nothing but refusals by name: an arithmetic or token error would be one that nobody thought of.
        let unnamed: Vec<_> = outcomes.keys().filter(|name| name.contains('(') || *name == "?").collect();
        assert!(unnamed.is_empty(), "{unnamed:?}");
        assert!(outcomes["ok"] > 200 && outcomes["report: ok"] > 0, "{outcomes:?}");
        assert!(outcomes.len() > 15, "{outcomes:?}");
        assert!(Keys::<Test>::iter().count() > 2 * Peers::<Test>::iter().count(), "somebody has another swarm key");
        assert!(NextCopy::<Test>::get() > 10 && Copies::<Test>::iter().count() > 0);
        assert!(crate::Minted::<Test>::get() > 0);
        // The chain goes on when nobody does anything any more.
        for _ in 0..120 {
            next_block();
        }
        assert!(StorageChallenges::<Test>::iter().count() <= 50);
        DatDot::integrity_test();
    });
}

#[test]
fn random_calls_break_nothing_1() {
    fuzz(1);
}

#[test]
fn random_calls_break_nothing_2() {
    fuzz(2);
}

#[test]
fn random_calls_break_nothing_3() {
    fuzz(3);
}
