//! Placement: who fits, who is drawn, and how needs wait.

use super::{mock::*, world::*};
use crate::{crypto::draw, types::*, Copies, Encoders, Event, HosterDraws, Hosters, NeedQueue, Needs, Plans};
use frame_support::assert_ok;
use std::collections::BTreeSet;

pub fn needs() -> Vec<Need> {
    let queue = NeedQueue::<Test>::get();
    (queue.head..queue.tail).map(|at| Needs::<Test>::get(at).unwrap()).collect()
}

fn hosters_of(id: PlanId) -> Vec<u64> {
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
        assert_eq!(needs(), vec![Need { kind: NeedKind::Encoder, id: 0, ready: offered + 9, misses: 0 }]);
        run_to(offered + 9);
        happened(Event::EncoderDrawn { copy: 0, encoder: account(ENCODER) });
        let copy = copy(0);
        assert_eq!(
            (copy.state, copy.encoder, copy.ask_encoding),
            (CopyState::Assigned, Some(account(ENCODER)), ASK_ENCODING)
        );
        let fee = ASK_ENCODING * 3 / (1 << 22);
        let encoder = Encoders::<Test>::get(account(ENCODER)).unwrap();
        assert_eq!((copy.fee, encoder.unreleased, encoder.jobs), (fee, fee, 1));
    });
}

/// The chain's picks are those of the formula, over the weights in slot order.
#[test]
fn picks_follow_the_draw() {
    for salt in 0..20 {
        with_times(Times::DEVELOPMENT, salt, || {
            providers(&[10, 11, 12, 13], &[20, 21, 22]);
            for (n, part) in [(10, 0), (11, 1), (12, 2), (13, 3)] {
                offer_hosting(n, CAPACITY * (part + 1));
            }
            run(4);
            publish(3, 2);
            run_until(0, CopyState::Offered);
            let ready = now();
            let mut expected: Vec<u64> = Vec::new();
            let mut ctr = 0;
            // GiB free x 500, one GiB less in the table for who hosts already: 256 x 3 bytes round up.
            while expected.len() < 2 && ctr < 32 {
                let mut x = draw(1, seed_of(salt, ready), &0u64.to_le_bytes(), ctr) % (10 * 4 * 500);
                ctr += 1;
                let slot = (1..5u128).position(|part| {
                    let hit = x < part * 4 * 500;
                    x = x.saturating_sub(part * 4 * 500);
                    hit
                });
                let n = 10 + slot.unwrap() as u64;
                if !expected.contains(&n) {
                    expected.push(n);
                }
            }
            assert_eq!(hosters_of(0), expected, "salt {salt}");
            run_until(0, CopyState::Assigned);
            let x = draw(2, seed_of(salt, now()), &0u64.to_le_bytes(), 0) % (3 * 500);
            assert_eq!(copy(0).encoder, Some(account(20 + x as u64 / 500)), "salt {salt}");
        });
    }
}

/// One after another is made to fail its fit: the plan finds nobody, and somebody once that is repaired.
#[test]
fn a_hoster_must_fit_by_each_rule() {
    let offer = |capacity, disk, receiving| {
        DatDot::offer_hosting(signed(HOSTER), capacity, disk, receiving).expect("an offer");
    };
    type Break = Box<dyn Fn()>;
    let broken: [(&str, Break); 5] = [
        ("ask_disk", Box::new(move || offer(CAPACITY, ASK_DISK + 1, ASK_RECEIVING))),
        ("ask_receiving", Box::new(move || offer(CAPACITY, ASK_DISK, ASK_RECEIVING + 1))),
        ("free bytes", Box::new(move || offer(3 * 256 - 1, ASK_DISK, ASK_RECEIVING))),
        ("open", Box::new(|| DatDot::withdraw_offer(signed(HOSTER), Role::Hosting).expect("an offer"))),
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
            publish(3, 1);
            break_it();
            run(30);
            assert!(plan(0).live.is_empty(), "{rule}");
            assert!(plan(0).queued, "{rule}: the need waits");
            offer(CAPACITY, ASK_DISK, ASK_RECEIVING);
            run(4);
            assert_eq!(hosters_of(0), vec![HOSTER], "{rule}");
        });
    }
}

#[test]
fn neither_sponsor_nor_party_nor_former_party_hosts() {
    with_chain(|| {
        register(SPONSOR);
        offer_hosting(SPONSOR, CAPACITY);
        providers(&[HOSTER], &[]);
        publish(3, 2);
        run(12);
        assert_eq!(hosters_of(0), vec![HOSTER], "one copy a hoster, none of the sponsor");
        let first = plan(0).live[0];
        assert_eq!(copy(first).state, CopyState::Accepted);
        // No encoder comes: the copy ends, and its hoster is remembered.
        run_until(first, CopyState::Ended);
        assert_eq!(plan(0).former.to_vec(), vec![account(HOSTER)]);
        run(20);
        assert!(hosters_of(0).is_empty(), "the last Memory former parties are not drawn");
        providers(&[HOSTER + 1], &[]);
        run(5);
        assert_eq!(hosters_of(0), vec![HOSTER + 1]);
        let second = plan(0).live[0];
        run_until(second, CopyState::Ended);
        assert_eq!(plan(0).former.to_vec(), vec![account(HOSTER + 1)], "Memory is 1: the first is forgotten");
        run(5);
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
        run(4);
        assert_eq!(hosters_of(0), vec![HOSTER]);
    });
}

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
                    encoder.as_mut().unwrap().unreleased = 100 * UNIT - ASK_ENCODING * 3 / (1 << 22) + 1;
                })
            }),
        ),
    ];
    for (rule, break_it) in broken {
        with_chain(|| {
            providers(&[HOSTER], &[ENCODER]);
            publish(3, 1);
            run_until(0, CopyState::Accepted);
            break_it();
            run_quietly(20);
            assert_eq!(copy(0).state, CopyState::Accepted, "{rule}");
            Encoders::<Test>::mutate(account(ENCODER), |encoder| encoder.as_mut().unwrap().unreleased = 0);
            offer_encoding(ENCODER);
            run(4);
            assert_eq!(copy(0).encoder, Some(account(ENCODER)), "{rule}");
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
        run(4);
        publish(3, 2);
        run(30);
        assert_eq!((copy(0).state, copy(1).state), (CopyState::Accepted, CopyState::Accepted));
        providers(&[], &[ENCODER]);
        run(4);
        let drawn: Vec<_> = [copy(0), copy(1)].into_iter().filter_map(|copy| copy.encoder).collect();
        assert_eq!(drawn, vec![account(ENCODER)], "an encoder of one copy is a party, too");
        providers(&[], &[ENCODER + 1]);
        run(4);
        let drawn: BTreeSet<_> = [copy(0), copy(1)].into_iter().filter_map(|copy| copy.encoder).collect();
        assert_eq!(drawn, BTreeSet::from([account(ENCODER), account(ENCODER + 1)]));
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
        run(5);
        assert_eq!(Encoders::<Test>::get(account(ENCODER)).unwrap().jobs, 4);
        assert_eq!(copy(4).state, CopyState::Accepted);
        assert_eq!(crate::draw::encoder_table::<Test>().total(), 0, "four jobs: weight 0");
        begin(0);
        run_until(0, CopyState::Encoding);
        confirm(0);
        run(3);
        assert_eq!(copy(4).state, CopyState::Accepted, "the table lags");
        next_block();
        assert_eq!(copy(4).state, CopyState::Assigned);
    });
}

/// A fee that the bond does not cover is not entrusted.
#[test]
fn fees_of_current_jobs_stay_within_the_bond() {
    with_chain(|| {
        providers(&[HOSTER], &[]);
        register(ENCODER);
        let ask = 26 * UNIT;
        assert_ok!(DatDot::offer_encoding(signed(ENCODER), ask));
        run(4);
        let sectors = 1 << 22;
        let terms = Terms { max_ask_encoding: ask, ..terms(1) };
        for _ in 0..4 {
            publish_with(&feed_of(sectors), terms.clone(), GENEROUS);
        }
        run(30);
        let jobs = (0..4).filter(|id| copy(*id).encoder.is_some()).count();
        assert_eq!(jobs, 3, "3 x 26 UNIT <= 100 UNIT < 4 x 26 UNIT");
    });
}

#[test]
fn a_pot_that_cannot_pay_is_a_miss() {
    with_chain(|| {
        providers(&[10, 11], &[20, 21]);
        // The pot pays one copy for one era, but not two.
        let feed = feed_of(1 << 20);
        let terms = Terms { replicas: 2, report_price: 0, ..terms(2) };
        let pot = 2 * (ASK_DISK + ASK_ENCODING + ASK_RECEIVING) / 4;
        publish_with(&feed, terms, pot);
        Plans::<Test>::mutate(0, |plan| DatDot::burn_pot(0, plan.as_mut().unwrap(), pot / 2));
        run(10);
        assert_eq!(plan(0).live.len(), 1);
        assert!(plan(0).queued);
        assert_ok!(DatDot::donate(signed(STRANGER), 0, pot));
        run(4);
        assert_eq!(plan(0).live.len(), 2);
    });
}

#[test]
fn eight_misses_in_a_row_send_a_need_to_the_tail() {
    with_chain(|| {
        publish(3, 1);
        publish(3, 1);
        run_to(4);
        let plans = || needs().iter().map(|need| (need.id, need.misses)).collect::<Vec<_>>();
        assert_eq!(plans(), vec![(0, 0), (1, 0)]);
        next_block();
        // 32 tries: 8 for each, twice.
        assert_eq!(plans(), vec![(0, 0), (1, 0)]);
        publish(3, 1);
        run(4);
        // The third came to the head before it was ready, and held the queue. Then 8 x 4 = 32 tries: the last 8 are its own.
        assert_eq!(plans(), vec![(0, 0), (1, 0), (2, 0)]);
        next_block();
        assert_eq!(plans(), vec![(1, 0), (2, 0), (0, 0)]);
        next_block();
        assert_eq!(plans(), vec![(2, 0), (0, 0), (1, 0)]);
    });
}

#[test]
fn a_need_that_is_not_ready_holds_the_queue() {
    with_chain(|| {
        publish(3, 1);
        next_block();
        publish(3, 1);
        run_to(5);
        // The first misses eight times and goes behind the second, which is ready in the next block.
        let order = || needs().iter().map(|need| need.id).collect::<Vec<_>>();
        assert_eq!(order(), vec![1, 0]);
        providers(&[HOSTER], &[]);
        assert_eq!((hosters_of(0), hosters_of(1)), (vec![HOSTER], vec![HOSTER]));
    });
}

#[test]
fn a_void_need_is_dropped() {
    with_chain(|| {
        publish(3, 1);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run(11);
        assert_eq!(plan(0).state, PlanState::Ended);
        assert_eq!(needs(), vec![]);
        assert!(!plan(0).queued);
    });
}

#[test]
fn a_plan_stays_at_the_head_until_all_replicas_are_offered() {
    with_chain(|| {
        providers(&(10..20).collect::<Vec<_>>(), &[]);
        publish_with(&feed_of(3), Terms { replicas: 10, ..terms(10) }, GENEROUS);
        run(4);
        let first = plan(0).live.len();
        assert!(first > 4, "several in one block: {first}");
        run_while(|| plan(0).live.len() < 10);
        assert_eq!(hosters_of(0).into_iter().collect::<BTreeSet<_>>(), (10..20).collect());
    });
}
