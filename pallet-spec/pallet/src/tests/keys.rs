//! The keys of peers: registration, and another swarm key.

use super::{mock::*, world::*};
use crate::{crypto::bind_statement, refused, types::*, Copies, Event, Keys, Peers};
use frame_support::{assert_noop, assert_ok};
use sp_core::{ed25519, Pair};
use sp_runtime::{traits::BadOrigin, DispatchResult};

/// Registration of account n with any two keys.
fn register_with(n: u64, swarm: &ed25519::Pair, statement: &ed25519::Pair) -> DispatchResult {
    let (one, two) = (swarm.public().0, statement.public().0);
    let message = bind_statement(genesis(), &account(n), &one, &two);
    DatDot::register_peer(signed(n), one, two, swarm.sign(&message).0, statement.sign(&message).0)
}

#[test]
fn registration_binds_two_keys_and_burns_the_fee() {
    with_chain(|| {
        register(1);
        assert_eq!(free(1), ENDOWMENT - UNIT);
        assert_eq!(crate::Burned::<Test>::get(), UNIT);
        let (swarm_key, statement_key) = (swarm_pair(1).public().0, statement_pair(1).public().0);
        let peer = Peers::<Test>::get(account(1)).unwrap();
        let fresh = Peer {
            swarm_key,
            statement_key,
            since: 1,
            reputation: 500_000,
            latency_ms: 0,
            kib_per_s: 0,
            served: 0,
            failed: 0,
        };
        assert_eq!(peer, fresh);
        assert_eq!(Keys::<Test>::get(swarm_key), Some(account(1)));
        assert_eq!(Keys::<Test>::get(statement_key), Some(account(1)));
        assert_eq!(last_event(), Event::PeerRegistered { account: account(1), swarm_key, statement_key });
    });
}

#[test]
fn registration_refuses_what_is_bound_or_badly_signed() {
    with_chain(|| {
        register(1);
        refused!(register_with(1, &swarm_pair(50), &statement_pair(50)), AlreadyAPeer);
        refused!(register_with(2, &swarm_pair(1), &statement_pair(2)), KeyBound);
        refused!(register_with(2, &swarm_pair(2), &swarm_pair(1)), KeyBound);
        refused!(register_with(2, &statement_pair(1), &swarm_pair(2)), KeyBound);
        refused!(register_with(2, &swarm_pair(2), &swarm_pair(2)), KeyBound);
        let (swarm, statement) = (swarm_pair(2), statement_pair(2));
        let (one, two) = (swarm.public().0, statement.public().0);
        let own = bind_statement(genesis(), &account(2), &one, &two);
        let others = bind_statement(genesis(), &account(3), &one, &two);
        let register =
            |a: &[u8], b: &[u8]| DatDot::register_peer(signed(2), one, two, swarm.sign(a).0, statement.sign(b).0);
        refused!(register(&others, &own), BadSignature);
        refused!(register(&own, &others), BadSignature);
        let mut identity = [0; 32];
        identity[0] = 1;
        refused!(DatDot::register_peer(signed(2), identity, two, [0; 64], [0; 64]), SmallOrderKey);
        assert_noop!(DatDot::register_peer(RuntimeOrigin::none(), one, two, [0; 64], [0; 64]), BadOrigin);
        assert_ok!(register(&own, &own));
    });
}

#[test]
fn registration_needs_the_fee_and_the_existential_deposit() {
    with_chain(|| {
        let keep = UNIT + EXISTENTIAL - 1;
        assert_ok!(Balances::transfer_allow_death(signed(2), account(3), ENDOWMENT - keep));
        refused!(register_with(2, &swarm_pair(2), &statement_pair(2)), InsufficientBalance);
        assert_ok!(Balances::transfer_allow_death(signed(3), account(2), 1));
        assert_ok!(register_with(2, &swarm_pair(2), &statement_pair(2)));
        assert_eq!(free(2), EXISTENTIAL);
    });
}

/// Another swarm key for account n, as registered by `register`.
fn rotate_to(n: u64, swarm: &ed25519::Pair) -> DispatchResult {
    let message = bind_statement(genesis(), &account(n), &swarm.public().0, &statement_pair(n).public().0);
    DatDot::rotate_swarm_key(signed(n), swarm.public().0, swarm.sign(&message).0)
}

#[test]
fn another_swarm_key_takes_the_place_of_a_peers_which_nobody_gets() {
    with_chain(|| {
        register(1);
        run(3);
        let before = Peers::<Test>::get(account(1)).unwrap();
        let (old_key, swarm_key) = (swarm_pair(1).public().0, swarm_pair(51).public().0);
        assert_ok!(rotate_to(1, &swarm_pair(51)));
        assert_eq!(last_event(), Event::SwarmKeyRotated { account: account(1), old_key, swarm_key });
        assert_eq!(Peers::<Test>::get(account(1)).unwrap(), Peer { swarm_key, ..before }, "nothing else changes");
        assert_eq!((free(1), crate::Burned::<Test>::get()), (ENDOWMENT - 2 * UNIT, 2 * UNIT));
        assert_eq!(Keys::<Test>::get(old_key), Some(account(1)), "the old key stays bound");
        assert_eq!(Keys::<Test>::get(swarm_key), Some(account(1)));
        refused!(register_with(2, &swarm_pair(1), &statement_pair(2)), KeyBound);
        refused!(register_with(2, &swarm_pair(51), &statement_pair(2)), KeyBound);
        register(2);
        for bound in [swarm_pair(1), swarm_pair(51), statement_pair(1), statement_pair(2), swarm_pair(2)] {
            refused!(rotate_to(2, &bound), KeyBound);
        }
        refused!(rotate_to(1, &swarm_pair(1)), KeyBound);
        assert_ok!(rotate_to(1, &swarm_pair(52)));
        assert_eq!(Keys::<Test>::iter().count(), 6);
    });
}

#[test]
fn a_swarm_key_is_not_rotated_without_its_signature_a_peer_and_the_fee() {
    with_chain(|| {
        refused!(rotate_to(1, &swarm_pair(51)), NotAPeer);
        register(1);
        let (new, key) = (swarm_pair(51), swarm_pair(51).public().0);
        let message =
            |n, statement: &ed25519::Pair| bind_statement(genesis(), &account(n), &key, &statement.public().0);
        let right = message(1, &statement_pair(1));
        for signature in [
            new.sign(&message(2, &statement_pair(1))),
            new.sign(&message(1, &statement_pair(2))),
            swarm_pair(1).sign(&right),
            statement_pair(1).sign(&right),
        ] {
            refused!(DatDot::rotate_swarm_key(signed(1), key, signature.0), BadSignature);
        }
        let mut identity = [0; 32];
        identity[0] = 1;
        refused!(DatDot::rotate_swarm_key(signed(1), identity, [0; 64]), SmallOrderKey);
        assert_noop!(DatDot::rotate_swarm_key(RuntimeOrigin::none(), key, new.sign(&right).0), BadOrigin);
        let keep = UNIT + EXISTENTIAL - 1;
        assert_ok!(Balances::transfer_allow_death(signed(1), account(3), free(1) - keep));
        refused!(DatDot::rotate_swarm_key(signed(1), key, new.sign(&right).0), InsufficientBalance);
        assert_ok!(Balances::transfer_allow_death(signed(3), account(1), 1));
        assert_ok!(DatDot::rotate_swarm_key(signed(1), key, new.sign(&right).0));
        assert_eq!(free(1), EXISTENTIAL);
    });
}

/// Copies, jobs and holds go by the account: they do not notice, and neither does a statement that was signed before.
#[test]
fn a_copy_is_made_and_proved_while_both_its_parties_rotate() {
    with_chain(|| {
        providers(&[10], &[20]);
        publish(4, 1);
        run_until(0, CopyState::Assigned);
        begin(0);
        run_until(0, CopyState::Encoding);
        assert_ok!(rotate_to(10, &swarm_pair(60)));
        assert_ok!(rotate_to(20, &swarm_pair(70)));
        confirm(0);
        assert_eq!(Copies::<Test>::get(0).unwrap().state, CopyState::Active);
        assert_ok!(rotate_to(10, &swarm_pair(61)));
        run_until_challenged(10);
        assert_ok!(rotate_to(10, &swarm_pair(62)));
        prove(10);
        assert!(reputation(10) > 500_000, "it proved");
        assert_eq!(Peers::<Test>::get(account(10)).unwrap().swarm_key, swarm_pair(62).public().0);
    });
}

/// What `try_state` holds of peers and keys.
#[test]
fn keys_that_do_not_fit_their_peers_are_found() {
    type Broken = fn();
    let breaks: [(Broken, &str); 4] = [
        (|| Keys::<Test>::remove(swarm_pair(1).public().0), "a peer's keys are bound to it"),
        (|| Keys::<Test>::insert(statement_pair(1).public().0, account(2)), "a peer's keys are bound to it"),
        (|| Keys::<Test>::insert([7; 32], account(9)), "a bound key is a peer's"),
        (
            || {
                let same = |peer: &mut Option<Peer>| {
                    let peer = peer.as_mut().unwrap();
                    peer.swarm_key = peer.statement_key;
                };
                Peers::<Test>::mutate(account(1), same)
            },
            "a peer has two keys",
        ),
    ];
    for (broken, rule) in breaks {
        with_chain(|| {
            register(1);
            register(2);
            assert_ok!(DatDot::check_state());
            broken();
            assert_eq!(DatDot::check_state(), Err(sp_runtime::TryRuntimeError::Other(rule)));
            Keys::<Test>::remove([7; 32]);
            Keys::<Test>::insert(swarm_pair(1).public().0, account(1));
            Keys::<Test>::insert(statement_pair(1).public().0, account(1));
            Peers::<Test>::mutate(account(1), |peer| peer.as_mut().unwrap().swarm_key = swarm_pair(1).public().0);
        });
    }
}
