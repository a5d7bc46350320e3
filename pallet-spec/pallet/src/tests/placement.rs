//! Placement: who fits, who is drawn, and at which price.

use super::{mock::*, world::*};
use crate::{
    crypto::draw, draw::collateral_due, types::*, Copies, Encoders, Event, HosterDraws, Hosters, NeedQueue, Needs,
};
use frame_support::assert_ok;

pub fn needs() -> Vec<Need> {
    (0..LANES).flat_map(needs_in).collect()
}

pub fn needs_in(lane: u8) -> Vec<Need> {
    let queue = NeedQueue::<Test>::get(lane);
    (queue.head..queue.tail).map(|at| Needs::<Test>::get(lane, at).unwrap()).collect()
}

pub fn hosters_of(id: PlanId) -> Vec<u64> {
    plan(id).live.iter().map(|id| number(&copy(*id).hoster)).collect()
}

#[test]
fn a_copy_is_offered_seed_delay_after_publication() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        let published = now();
        run(3);
        assert!(Copies::<Test>::get(0).is_none());
        next_block();
        happened(Event::CopyOffered { copy: 0, plan: 0, hoster: account(HOSTER) });
        let copy = copy(0);
        assert_eq!((copy.state, copy.offered, copy.bytes, copy.sectors), (CopyState::Offered, published + 4, 768, 3));
        assert_eq!((copy.ask_disk, copy.ask_receiving, copy.encoder.clone()), (ASK_DISK, ASK_RECEIVING, None));
        let hoster = Hosters::<Test>::get(account(HOSTER)).unwrap();
        assert_eq!((hoster.used, hoster.copies, hoster.records, hoster.stored), (768, 1, 1, 0));
        assert_eq!(HosterDraws::<Test>::get(account(HOSTER)).unwrap().used, 768, "on_initialize changes both at once");
        assert_eq!(needs(), vec![]);
        assert!(!plan(0).queued);
    });
}

#[test]
fn silence_accepts_and_only_then_an_encoder_is_drawn() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        run_until(0, CopyState::Offered);
        let offered = now();
        run_to(offered + 4);
        assert_eq!(copy(0).state, CopyState::Offered);
        next_block();
        happened(Event::CopyAccepted { copy: 0 });
        assert_eq!(needs(), vec![Need { kind: NeedKind::Encoder, id: 0, ready: offered + 9, misses: 0, rounds: 0 }]);
        run_to(offered + 9);
        happened(Event::EncoderDrawn { copy: 0, encoder: account(ENCODER) });
        let copy = copy(0);
        assert_eq!(
            (copy.state, copy.encoder, copy.ask_encoding),
            (CopyState::Assigned, Some(account(ENCODER)), ASK_ENCODING)
        );
        let fee = ASK_ENCODING * paid_sectors(3) / (1 << 22);
        let encoder = Encoders::<Test>::get(account(ENCODER)).unwrap();
        assert_eq!((copy.fee, encoder.unreleased, encoder.jobs), (fee, fee, 1));
    });
}

/// The chain's picks are those of the formula, over the weights in slot order.
#[test]
fn picks_follow_the_draw() {
    // GiB free x 500 for each of four: 256 x 3 bytes of a copy round up.
    let pick = |salt: u64, ctr| {
        let x = draw(1, seed_of(salt, now()), &0u64.to_le_bytes(), ctr) % (10 * 4 * 500);
        10 + [4, 12, 24, 40].iter().filter(|bound| x >= **bound * 500).count() as u64
    };
    for salt in 0..10 {
        with_times(Times { mean_gap: 10_000, ..Times::DEVELOPMENT }, salt, || {
            providers(&[10, 11, 12, 13], &[20, 21, 22]);
            for (n, part) in [(10, 0), (11, 1), (12, 2), (13, 3)] {
                offer_hosting(n, CAPACITY * (part + 1));
            }
            run(4);
            publish(3, 2);
            run_until(0, CopyState::Offered);
            let first = pick(salt, 0);
            assert_eq!(hosters_of(0), vec![first], "salt {salt}");
            run_until(0, CopyState::Assigned);
            let x = draw(2, seed_of(salt, now()), &0u64.to_le_bytes(), 0) % (3 * 500);
            assert_eq!(copy(0).encoder, Some(account(20 + x as u64 / 500)), "salt {salt}");
            begin(0);
            run_until(0, CopyState::Encoding);
            confirm(0);
            let confirmed = now();
            run_while(|| plan(0).live.len() < 2);
            assert_eq!(now(), confirmed + 4, "salt {salt}: one copy stores something: the next is wanted");
            let second = (0..32).map(|ctr| pick(salt, ctr)).find(|n| *n != first);
            assert_eq!(hosters_of(0).get(1).copied(), second, "salt {salt}");
        });
    }
}

/// One after another is made to fail its fit: the plan finds nobody and sleeps; at its next tick it finds who is repaired.
#[test]
fn a_hoster_must_fit_by_each_rule() {
    let offer = |capacity, disk, receiving| offer_hosting_at(HOSTER, capacity, disk, receiving).expect("an offer");
    let state = |change: fn(&mut Hoster)| Hosters::<Test>::mutate(account(HOSTER), |h| change(h.as_mut().unwrap()));
    type Break = Box<dyn Fn()>;
    let broken: [(&str, Break); 9] = [
        ("ask_disk", Box::new(move || offer(CAPACITY, ASK_DISK + 1, ASK_RECEIVING))),
        ("ask_receiving", Box::new(move || offer(CAPACITY, ASK_DISK, ASK_RECEIVING + 1))),
        ("free bytes", Box::new(move || offer(3 * 256 - 1, ASK_DISK, ASK_RECEIVING))),
        ("open", Box::new(|| DatDot::withdraw_offer(signed(HOSTER), Role::Hosting).expect("an offer"))),
        ("step", Box::new(move || state(|hoster| hoster.step = 2))),
        ("pause", Box::new(move || state(|hoster| hoster.pause = Some(now())))),
        ("reputation", Box::new(|| DatDot::with_peer(&account(HOSTER), |peer| peer.reputation = 499_999))),
        // A forfeit took most of what the offer put on hold, and the entry does not know.
        (
            "hold",
            Box::new(|| {
                let due = collateral_due(Amounts::DEFAULT.collateral, 3 * SECTOR);
                let burned = held(HOSTER, Role::Hosting) - due + 1;
                assert_eq!(DatDot::burn_held(&account(HOSTER), Role::Hosting, burned), burned);
            }),
        ),
        (
            "collateral",
            Box::new(|| {
                let amounts = Amounts { collateral: 2 * Amounts::DEFAULT.collateral, ..Amounts::DEFAULT };
                assert_ok!(DatDot::set_parameters(RuntimeOrigin::root(), amounts));
                // The entry's weight follows at its next change.
                DatDot::draw_hoster(&account(HOSTER), |_| ());
            }),
        ),
    ];
    for (rule, break_it) in broken {
        with_chain(|| {
            providers(&[HOSTER], &[ENCODER]);
            publish_with(&feed_of(3), Terms { min_reputation: 500_000, ..terms(1) }, GENEROUS);
            break_it();
            run_quietly(4);
            happened(Event::NeedSleeps { plan: 0 });
            assert!(plan(0).live.is_empty() && !plan(0).queued, "{rule}");
            state(|hoster| (hoster.step, hoster.pause) = (0, None));
            DatDot::with_peer(&account(HOSTER), |peer| peer.reputation = 500_000);
            offer(CAPACITY, ASK_DISK, ASK_RECEIVING);
            run_to(plan(0).next_tick + 4);
            assert_eq!(hosters_of(0), vec![HOSTER], "{rule}");
        });
    }
}

/// Terms name prefixes, one of which the region of the entry must have.
#[test]
fn a_hoster_must_be_in_one_of_the_regions() {
    let region = |name: &str| Region::try_from(name.as_bytes().to_vec()).unwrap();
    for (wanted, own, fits) in [
        (vec![], "", true),
        (vec![], "u33", true),
        (vec!["u3"], "u33", true),
        (vec!["u33"], "u3", false),
        (vec!["u3"], "", false),
        (vec!["9q", "u"], "u33", true),
        (vec!["9q", "s"], "u33", false),
    ] {
        with_chain(|| {
            providers(&[HOSTER], &[]);
            assert_ok!(DatDot::offer_hosting(signed(HOSTER), CAPACITY, 0, 0, region(own)));
            run(4);
            let regions: Vec<Region> = wanted.iter().map(|name| region(name)).collect();
            publish_with(&feed_of(3), Terms { regions: regions.try_into().unwrap(), ..terms(1) }, GENEROUS);
            run(4);
            assert_eq!(plan(0).live.len(), usize::from(fits), "{wanted:?} {own}");
        });
    }
}

/// Who knows a seed a few blocks ahead cannot raise its ask to the cap just in time, or lower it.
#[test]
fn asks_are_those_of_the_entry() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        run(1);
        assert_ok!(offer_hosting_at(HOSTER, CAPACITY, ASK_DISK + 1, ASK_RECEIVING - 1));
        run(3);
        let hoster = Hosters::<Test>::get(account(HOSTER)).unwrap();
        assert_eq!((hoster.ask_disk, hoster.ask_receiving), (ASK_DISK + 1, ASK_RECEIVING - 1));
        assert_eq!((copy(0).ask_disk, copy(0).ask_receiving), (ASK_DISK, ASK_RECEIVING));
        run_until(0, CopyState::Accepted);
        run(1);
        assert_ok!(DatDot::offer_encoding(signed(ENCODER), ASK_ENCODING + 1));
        run_until(0, CopyState::Assigned);
        assert_eq!((copy(0).ask_encoding, copy(0).fee), (ASK_ENCODING, ASK_ENCODING * paid_sectors(3) / (1 << 22)));
        assert_eq!(Encoders::<Test>::get(account(ENCODER)).unwrap().ask, ASK_ENCODING + 1);
    });
}

/// An ask costs the pot more than it is, and all the more the worse the sponsor's ratio: that is compared with the cap.
#[test]
fn caps_bound_what_the_pot_loses() {
    for (given, taken, factor) in [(0, 0, 105), (100, 100, 105), (4, 12, 210), (0, 4, 210), (2, 4, 140)] {
        for short in [0, 1] {
            with_chain(|| {
                register(SPONSOR);
                let ratio = Ratio { given: given * UNIT, taken: taken * UNIT };
                crate::Ratios::<Test>::insert(account(SPONSOR), ratio);
                providers(&[HOSTER], &[]);
                let cap = ASK_DISK * factor / 100 - short;
                publish_with(&feed_of(3), Terms { max_ask_disk: cap, ..terms(1) }, GENEROUS);
                run(4);
                assert_eq!(plan(0).live.len(), usize::from(short == 0), "given {given}, taken {taken}");
            });
        }
    }
}

#[test]
fn neither_sponsor_nor_former_party_hosts() {
    with_chain(|| {
        register(SPONSOR);
        offer_hosting(SPONSOR, CAPACITY);
        providers(&[HOSTER], &[]);
        publish(3, 2);
        run(12);
        assert_eq!(hosters_of(0), vec![HOSTER], "none of the sponsor's");
        let first = plan(0).live[0];
        assert_eq!(copy(first).state, CopyState::Accepted);
        // No encoder comes: the copy ends, for which its hoster can do nothing.
        run_until(first, CopyState::Ended);
        assert!(plan(0).former.is_empty());
        run_while(|| plan(0).live.is_empty());
        let second = plan(0).live[0];
        assert_eq!((hosters_of(0), copy(second).state), (vec![HOSTER], CopyState::Offered));
        // It declines, and is remembered until the plan's need has found nobody.
        assert_ok!(DatDot::decline_copy(signed(HOSTER), second));
        assert_eq!(plan(0).former.to_vec(), vec![account(HOSTER)]);
        run_while(|| !events().contains(&Event::NeedSleeps { plan: 0 }));
        assert_eq!((hosters_of(0), plan(0).former.to_vec()), (vec![], vec![]));
        run_while(|| plan(0).live.is_empty());
        assert_eq!(hosters_of(0), vec![HOSTER], "it is asked again");
        providers(&[HOSTER + 1], &[]);
        // Memory is 1: of two that decline the first is forgotten.
        for _ in 0..2 {
            let offered = *plan(0).live.last().unwrap();
            let hoster = number(&copy(offered).hoster);
            assert_ok!(DatDot::decline_copy(signed(hoster), offered));
            assert_eq!(plan(0).former.to_vec(), vec![account(hoster)]);
            run_while(|| plan(0).live.is_empty());
            assert_ne!(hosters_of(0), vec![hoster]);
        }
    });
}

#[test]
fn no_party_hosts_another_copy() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 3);
        run_until(0, CopyState::Offered);
        // The encoder of the first copy offers to host, too.
        offer_hosting(ENCODER, CAPACITY);
        activate(0);
        run(4);
        happened(Event::NeedSleeps { plan: 0 });
        assert_eq!(hosters_of(0), vec![HOSTER]);
    });
}

#[test]
fn memory_zero_remembers_nobody() {
    with_times(Times { memory: 0, ..Times::DEVELOPMENT }, 1, || {
        providers(&[HOSTER], &[]);
        publish(3, 1);
        run_until(0, CopyState::Ended);
        assert!(plan(0).former.is_empty());
        run_to(plan(0).next_tick + 4);
        assert_eq!(hosters_of(0), vec![HOSTER]);
    });
}

/// One after another is made to fail its fit: the copy ends and the plan waits; at its next tick all is well again.
#[test]
fn an_encoder_must_fit_by_each_rule() {
    type Break = Box<dyn Fn()>;
    let broken: [(&str, Break); 3] = [
        ("ask", Box::new(|| DatDot::offer_encoding(signed(ENCODER), ASK_ENCODING + 1).expect("an offer"))),
        ("open", Box::new(|| DatDot::withdraw_offer(signed(ENCODER), Role::Encoding).expect("an offer"))),
        (
            "unreleased fees",
            Box::new(|| {
                Encoders::<Test>::mutate(account(ENCODER), |encoder| {
                    let fee = ASK_ENCODING * paid_sectors(3) / (1 << 22);
                    encoder.as_mut().unwrap().unreleased = 100 * UNIT - fee + 1;
                })
            }),
        ),
    ];
    for (rule, break_it) in broken {
        with_times(Times { memory: 0, ..Times::DEVELOPMENT }, 1, || {
            providers(&[HOSTER], &[ENCODER]);
            publish(3, 1);
            run_until(0, CopyState::Accepted);
            break_it();
            run_quietly(8);
            assert_eq!((copy(0).state, copy(0).encoder), (CopyState::Ended, None), "{rule}");
            assert!(plan(0).waiting, "{rule}");
            Encoders::<Test>::mutate(account(ENCODER), |encoder| encoder.as_mut().unwrap().unreleased = 0);
            offer_encoding(ENCODER);
            run_until(1, CopyState::Assigned);
            assert_eq!(copy(1).encoder, Some(account(ENCODER)), "{rule}");
        });
    }
}

/// Blocks without the checks, for states that no call leads to.
fn run_quietly(blocks: Block) {
    use frame_support::traits::Hooks;
    for _ in 0..blocks {
        System::set_block_number(now() + 1);
        DatDot::on_initialize(now());
    }
}

#[test]
fn no_party_of_the_plan_encodes_for_it() {
    with_chain(|| {
        // The hosters and the sponsor offer to encode, too.
        for n in [HOSTER, HOSTER + 1, SPONSOR] {
            register(n);
            offer_encoding(n);
        }
        offer_hosting(HOSTER, CAPACITY);
        offer_hosting(HOSTER + 1, CAPACITY);
        providers(&[], &[ENCODER]);
        publish(3, 2);
        run_while(|| plan(0).live.is_empty());
        // The other hoster is none of this copy's parties yet: it must not be the one that is drawn.
        let other = 2 * HOSTER + 1 - hosters_of(0)[0];
        assert_ok!(DatDot::withdraw_offer(signed(other), Role::Encoding));
        activate(0);
        assert_eq!(copy(0).encoders.to_vec(), vec![account(ENCODER)]);
        offer_encoding(other);
        run_until(1, CopyState::Accepted);
        assert_eq!(copy(1).hoster, account(other));
        run(2);
        register(ENCODER + 1);
        offer_encoding(ENCODER + 1);
        run(3);
        assert_eq!(copy(1).encoder, None, "an encoder of one copy is a party, too");
        run(1);
        assert_eq!(copy(1).encoder, Some(account(ENCODER + 1)));
    });
}

#[test]
fn an_encoder_has_four_jobs_at_most() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        for _ in 0..5 {
            publish(3, 1);
        }
        run_until(3, CopyState::Assigned);
        assert_eq!(Encoders::<Test>::get(account(ENCODER)).unwrap().jobs, 4);
        assert_eq!(crate::draw::encoder_table::<Test>().total(), 0, "four jobs: weight 0");
        begin(0);
        run_until(0, CopyState::Encoding);
        assert_eq!(copy(4).encoder, None);
        confirm(0);
        run(3);
        assert_eq!(crate::draw::encoder_table::<Test>().total(), 0, "the table lags");
        next_block();
        assert_eq!(crate::draw::encoder_table::<Test>().total(), 500);
    });
}

/// A fee that the bond does not cover is not entrusted.
#[test]
fn fees_of_current_jobs_stay_within_the_bond() {
    with_chain(|| {
        providers(&[HOSTER], &[]);
        register(ENCODER);
        // A job is paid for the shortest partial segment at most, of 64 checkpoints.
        let sectors = 64 * u64::from(times().checkpoint);
        let ask = 26 * UNIT * u128::from(GIB_SECTORS / sectors);
        assert_ok!(DatDot::offer_encoding(signed(ENCODER), ask));
        run(4);
        let terms = Terms { max_ask_encoding: 3 * ask, ..terms(1) };
        for _ in 0..4 {
            publish_with(&feed_of(sectors), terms.clone(), 2 * GENEROUS);
        }
        run(15);
        let jobs = (0..4).filter(|id| copy(*id).encoder.is_some()).count();
        assert_eq!(jobs, 3, "3 x 26 UNIT <= 100 UNIT < 4 x 26 UNIT");
    });
}

#[test]
fn a_pot_that_cannot_pay_is_a_miss() {
    with_chain(|| {
        providers(&[10], &[20]);
        publish(1 << 20, 1);
        let each = CAP_ENCODING * ((1 << 20) + 256) / (1 << 22);
        spend(0, GENEROUS - each);
        run(4);
        assert!(plan(0).live.is_empty() && !plan(0).queued);
        assert_ok!(donated(signed(STRANGER), 0, GENEROUS));
        run_to(plan(0).next_tick + 4);
        assert_eq!(plan(0).live.len(), 1);
    });
}
