//! Operators: whose calls count as a peer's, and which.

use super::{mock::*, world::*};
use crate::{refused, types::*, weights, Error, Event, Hosters, Operators, Plans};
use frame_support::{
    assert_noop, assert_ok,
    dispatch::{DispatchClass, DispatchResultWithPostInfo, GetDispatchInfo, Pays},
};
use sp_core::{Pair, H256};
use sp_runtime::{traits::BadOrigin, AccountId32};

type Call = crate::Call<Test>;

/// An account that is no peer, and operates for one.
const OPERATOR: u64 = 60;

fn operate(n: u64, peer: u64, call: Call) -> DispatchResultWithPostInfo {
    DatDot::operate(signed(n), account(peer), Box::new(RuntimeCall::DatDot(call)))
}

fn set(n: u64, operator: Option<u64>) {
    assert_ok!(DatDot::set_operator(signed(n), operator.map(account)));
}

fn offer() -> Call {
    Call::offer_hosting {
        capacity: CAPACITY,
        ask_disk: ASK_DISK,
        ask_receiving: ASK_RECEIVING,
        region: Default::default(),
    }
}

/// An error, whatever its weight.
macro_rules! fails {
    ($call:expr, $error:ident) => {
        assert_noop!($call.map_err(|failed| failed.error), Error::<Test>::$error)
    };
}

#[test]
fn a_peer_has_one_operator_and_nobody_else_has_any() {
    with_chain(|| {
        refused!(DatDot::set_operator(signed(1), Some(account(OPERATOR))), NotAPeer);
        refused!(DatDot::set_operator(signed(1), None), NotAPeer);
        register(1);
        assert_noop!(DatDot::set_operator(RuntimeOrigin::none(), None), BadOrigin);
        set(1, Some(OPERATOR));
        let operator = Some(account(OPERATOR));
        assert_eq!(last_event(), Event::OperatorSet { account: account(1), operator: operator.clone() });
        assert_eq!(Operators::<Test>::get(account(1)), operator);
        set(1, Some(61));
        fails!(operate(OPERATOR, 1, offer()), NotOperator);
        assert_ok!(operate(61, 1, offer()));
        set(1, None);
        assert_eq!(last_event(), Event::OperatorSet { account: account(1), operator: None });
        assert_eq!(Operators::<Test>::iter().count(), 0);
        fails!(operate(61, 1, Call::pause {}), NotOperator);
        fails!(operate(1, 1, Call::pause {}), NotOperator);
    });
}

#[test]
fn what_an_operator_does_is_the_peers() {
    with_chain(|| {
        register(HOSTER);
        set(HOSTER, Some(OPERATOR));
        let (before, own) = (free(HOSTER), free(OPERATOR));
        assert_ok!(operate(OPERATOR, HOSTER, offer()));
        assert!(Hosters::<Test>::contains_key(account(HOSTER)) && !Hosters::<Test>::contains_key(account(OPERATOR)));
        let hold = held(HOSTER, Role::Hosting);
        assert!(hold > 0);
        assert_eq!(
            (free(HOSTER), free(OPERATOR)),
            (before - hold, own),
            "the peer's money is held, not the operator's"
        );
        // The peer goes on calling for itself, and one operator may have several peers.
        assert_ok!(DatDot::withdraw_offer(signed(HOSTER), Role::Hosting));
        register(ENCODER);
        set(ENCODER, Some(OPERATOR));
        assert_ok!(operate(OPERATOR, ENCODER, Call::offer_encoding { ask: ASK_ENCODING }));
        fails!(operate(OPERATOR, ENCODER, Call::withdraw_offer { role: Role::Hosting }), NoOffer);
    });
}

#[test]
fn an_operator_makes_no_call_that_moves_money_or_keys() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        set(HOSTER, Some(OPERATOR));
        publish(3, 1);
        let (fresh, terms) = (Plans::<Test>::get(0).unwrap().fresh, terms(1));
        let key = swarm_pair(51).public().0;
        for call in [
            Call::register_peer {
                swarm_key: key,
                statement_key: key,
                swarm_signature: [0; 64],
                statement_signature: [0; 64],
            },
            Call::donate { plan: 0, amount: UNIT, fresh },
            Call::end_plan { plan: 0 },
            Call::amend_plan { plan: 0, terms },
            Call::settle_retrieval { era: 2, copy: 0 },
            Call::collect { copy: 0 },
            Call::claim_refund { plan: 0, donor: account(HOSTER) },
            Call::set_seed { value: H256::zero() },
            Call::rotate_swarm_key { swarm_key: key, signature: [0; 64] },
            Call::set_operator { operator: None },
            Call::operate { peer: account(HOSTER), call: Box::new(RuntimeCall::DatDot(Call::pause {})) },
        ] {
            fails!(operate(OPERATOR, HOSTER, call), NotOperable);
        }
        let dest = account(OPERATOR);
        let transfer = RuntimeCall::Balances(pallet_balances::Call::transfer_allow_death { dest, value: UNIT });
        fails!(DatDot::operate(signed(OPERATOR), account(HOSTER), Box::new(transfer)), NotOperable);
    });
}

#[test]
fn weight_class_and_fee_are_the_calls() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        set(HOSTER, Some(OPERATOR));
        active_copy(3);
        let open = run_until_challenged(HOSTER);
        next_block();
        let inner = || Call::submit_storage_proof { issued: open.issued, proof: answer(&open) };
        let info = inner().get_dispatch_info();
        let wrapped = Call::operate { peer: account(HOSTER), call: Box::new(RuntimeCall::DatDot(inner())) };
        let declared = wrapped.get_dispatch_info();
        assert_eq!(declared.call_weight, info.call_weight.saturating_add(weights::operate()));
        assert_eq!((declared.class, declared.pays_fee), (DispatchClass::Operational, Pays::Yes));
        let wrong = Call::submit_storage_proof { issued: open.issued + 1, proof: answer(&open) };
        let failed = operate(OPERATOR, HOSTER, wrong).unwrap_err();
        assert_eq!((failed.error, failed.post_info.pays_fee), (Error::<Test>::WrongChallenge.into(), Pays::Yes));
        let done = operate(OPERATOR, HOSTER, inner()).unwrap();
        assert_eq!((done.pays_fee, done.actual_weight), (Pays::No, Some(declared.call_weight)));
        assert!(challenge(HOSTER).is_none());
        let paid = operate(OPERATOR, HOSTER, Call::pause {}).unwrap();
        assert_eq!(paid.pays_fee, Pays::Yes);
    });
}

#[test]
fn an_operator_may_be_a_peer_itself() {
    with_chain(|| {
        register(HOSTER);
        register(ENCODER);
        set(HOSTER, Some(ENCODER));
        assert_ok!(operate(ENCODER, HOSTER, offer()));
        let hosts = |n: u64| -> bool { Hosters::<Test>::contains_key::<AccountId32>(account(n)) };
        assert_eq!((hosts(HOSTER), hosts(ENCODER)), (true, false));
    });
}
