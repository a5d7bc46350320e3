//! Random calls by random accounts over some hundred blocks, most of them wrong: no block breaks what must hold.

use super::{feeds::range, life::*, mock::*, world::*};
use crate::{types::*, Copies, NextCopy, NextPlan, StorageChallenges};
use frame_support::traits::Hooks;
use sp_core::H256;
use sp_runtime::{traits::Dispatchable, DispatchError};
use std::collections::BTreeMap;

type Call = crate::Call<Test>;

/// Numbers that follow from a seed.
struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    fn throw(&mut self, bound: u64) -> u64 {
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
    match dice.throw(18) {
        0 => Call::offer_hosting {
            capacity: [0, 1, 256 * dice.throw(40), GIB * dice.throw(6), u64::MAX][dice.throw(5) as usize],
            ask_disk: dice.amount(),
            ask_receiving: dice.amount(),
        },
        1 => Call::offer_encoding { ask: dice.amount() },
        2 => Call::offer_attesting { ask: dice.amount(), anchor: dice.hash(), slots: dice.throw(4) as u32 },
        3 if dice.throw(3) == 0 => Call::withdraw_offer { role: dice.role() },
        4 => Call::release { role: dice.role() },
        5 => Call::donate { plan, amount: dice.amount() },
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
        10 => Call::submit_storage_proof {
            issued: now().saturating_sub(dice.throw(4) as u32),
            openings: Default::default(),
        },
        11 => Call::commit_retrieval { era: era(), copy, commit: dice.hash() },
        12 => Call::reveal_retrieval {
            era: era().saturating_sub(1),
            copy,
            report: not_served(),
            link: dice.hash(),
            salt: dice.hash(),
            opening: None,
        },
        13 => Call::settle_retrieval { era: era().saturating_sub(dice.throw(3) as u32), copy },
        14 => Call::collect { copy },
        15 => Call::claim_refund { plan },
        16 => any_plan(dice),
        _ => Call::collect { copy },
    }
}

fn any_plan(dice: &mut Dice) -> Call {
    let feed = feed_of(1 + dice.throw(30));
    let terms = Terms {
        replicas: dice.throw(5) as u8,
        max_ask_disk: dice.amount(),
        max_ask_encoding: dice.amount(),
        max_ask_receiving: dice.amount(),
        report_price: dice.amount() / 100,
        until: now() + dice.throw(200) as u32,
    };
    let ranges = vec![range(0, 1)].try_into().unwrap();
    Call::publish_plan { head: feed.head(), ranges, nodes: Default::default(), terms, pot: dice.amount() }
}

fn any_amounts(dice: &mut Dice) -> Call {
    let bond = UNIT * u128::from(50 + dice.throw(100));
    let amounts =
        Amounts { encoder_bond: bond, collateral: UNIT / 100 * u128::from(dice.throw(10)), ..Amounts::DEFAULT };
    Call::set_parameters { amounts }
}

fn fuzz(seed: u64) {
    with_times(Times::DEVELOPMENT, seed, || {
        let mut dice = Dice { seed, thrown: 0 };
        let habits = Habits {
            dead_encoders: vec![ENCODER],
            dead_hosters: vec![HOSTER],
            decliners: vec![HOSTER + 1],
            absent: vec![ATTESTER],
        };
        let mut world = World::new(5, 5, 4, habits, seed);
        (0..8).for_each(register);
        // What each call came to, so that the fuzz is known to have passed through the code.
        let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..200 {
            world.step();
            if now() % 40 == 10 {
                publish(1 + dice.throw(20), 2);
            }
            for _ in 0..12 {
                let (origin, call) = match dice.throw(150) {
                    0 => (RuntimeOrigin::root(), any_amounts(&mut dice)),
                    _ => (signed(dice.account()), any_call(&mut dice)),
                };
                let outcome = match RuntimeCall::DatDot(call).dispatch(origin) {
                    Ok(_) => "ok".to_string(),
                    Err(refused) => match refused.error {
                        DispatchError::Module(module) => module.message.unwrap_or("?").to_string(),
                        other => format!("{other:?}"),
                    },
                };
                *outcomes.entry(outcome).or_default() += 1;
            }
            check();
        }
        // Nothing but refusals by name: an arithmetic or token error would be one that nobody thought of.
        let unnamed: Vec<_> = outcomes.keys().filter(|name| name.contains('(') || *name == "?").collect();
        assert!(unnamed.is_empty(), "{unnamed:?}");
        assert!(outcomes["ok"] > 200, "{outcomes:?}");
        assert!(outcomes.len() > 15, "{outcomes:?}");
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
