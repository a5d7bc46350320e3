//! Which signed calls are refused before they get into a block.

use super::{mock::*, retrieval::*, world::*};
use crate::{types::*, CheckParty};
use codec::Encode;
use frame_support::{
    assert_ok,
    dispatch::{DispatchInfo, GetDispatchInfo, Pays},
    pallet_prelude::TransactionSource,
};
use sp_core::H256;
use sp_runtime::{
    traits::{DispatchTransaction, TransactionExtension},
    transaction_validity::{InvalidTransaction, TransactionValidityError},
};

type Call = crate::Call<Test>;

/// Whether a pool and a block take that call of account n.
fn taken(n: u64, call: Call) -> bool {
    let valid = |origin, call: RuntimeCall| {
        let info = DispatchInfo::default();
        CheckParty::<Test>::default().validate_only(origin, &call, &info, 0, TransactionSource::External, 0).map(|_| ())
    };
    let done = valid(signed(n), RuntimeCall::DatDot(call));
    assert!(done.is_ok() || done == Err(TransactionValidityError::from(InvalidTransaction::Call)), "{done:?}");
    done.is_ok()
}

#[test]
fn the_check_adds_no_byte_and_no_weight() {
    let check = CheckParty::<Test>::default();
    assert_eq!(check.encode(), Vec::<u8>::new());
    assert_eq!(check.implicit().map(|implicit| implicit.encode()), Ok(Vec::new()));
    let call = RuntimeCall::DatDot(Call::collect { copy: 0 });
    assert_eq!(check.weight(&call), Default::default());
}

#[test]
fn only_parties_confirm() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        let call =
            |copy| Call::confirm_segment { copy, segment: 0, bytes: 768, root: H256::zero(), signature: [0; 64] };
        run_until(0, CopyState::Accepted);
        assert!(taken(HOSTER, call(0)) && !taken(ENCODER, call(0)));
        run_until(0, CopyState::Assigned);
        assert!(taken(HOSTER, call(0)) && taken(ENCODER, call(0)));
        assert!(!taken(SPONSOR, call(0)) && !taken(HOSTER, call(1)));
    });
}

#[test]
fn only_who_is_challenged_proves() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(3);
        let call = || Call::submit_storage_proof { issued: 0, proof: Default::default() };
        if challenge(HOSTER).is_some() {
            prove(HOSTER);
        }
        assert!(!taken(HOSTER, call()));
        run_until_challenged(HOSTER);
        assert!(taken(HOSTER, call()) && !taken(ENCODER, call()));
    });
}

#[test]
fn only_who_had_a_slot_commits_and_reveals() {
    with_chain(|| {
        let copy = tested(&all(1));
        let commit = || {
            let commits = some(vec![RetrievalCommit { copy, commit: H256::zero() }]);
            Call::commit_retrievals { era: 2, commits }
        };
        let (report, hash) = (not_served(), H256::zero());
        let reveal = || {
            let reveals = some(vec![RetrievalReveal { copy, report, salt: hash, opening: None }]);
            Call::reveal_retrievals { era: 2, link: hash, reveals }
        };
        assert!(taken(ATTESTER, commit()) && taken(ATTESTER, reveal()));
        assert!(!taken(HOSTER, commit()) && !taken(HOSTER, reveal()));
        // A slot that was given back keeps the seats of the era.
        to_commits(2);
        assert_ok!(DatDot::withdraw_offer(signed(ATTESTER), Role::Attesting));
        assert!(taken(ATTESTER, commit()));
        assert_ok!(Probe::new(ATTESTER, 2, copy, not_served()).commit());
    });
}

#[test]
fn an_operators_call_passes_if_the_peers_would() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        active_copy(3);
        run_until_challenged(HOSTER);
        let wrapped = |peer, call| Call::operate { peer: account(peer), call: Box::new(RuntimeCall::DatDot(call)) };
        let proof = || Call::submit_storage_proof { issued: 0, proof: Default::default() };
        assert!(!taken(STRANGER, wrapped(HOSTER, proof())), "nobody operates");
        assert_ok!(DatDot::set_operator(signed(HOSTER), Some(account(STRANGER))));
        assert_ok!(DatDot::set_operator(signed(ENCODER), Some(account(STRANGER))));
        assert!(taken(STRANGER, wrapped(HOSTER, proof())) && !taken(SPONSOR, wrapped(HOSTER, proof())));
        assert!(!taken(STRANGER, wrapped(ENCODER, proof())), "the encoder is not challenged");
        assert!(taken(STRANGER, wrapped(ENCODER, Call::pause {})), "what is not free is looked at in the block");
        assert!(!taken(STRANGER, wrapped(HOSTER, Call::collect { copy: 0 })), "no operator's call");
        assert!(!taken(STRANGER, wrapped(HOSTER, wrapped(HOSTER, proof()))));
    });
}

#[test]
fn other_calls_and_other_origins_pass() {
    with_chain(|| {
        assert!(taken(STRANGER, Call::collect { copy: 9 }));
        assert!(taken(STRANGER, Call::settle_retrieval { era: 2, copy: 9 }));
        let call = RuntimeCall::DatDot(Call::submit_storage_proof { issued: 0, proof: Default::default() });
        let source = TransactionSource::External;
        let info = DispatchInfo::default();
        assert!(CheckParty::<Test>::default().validate_only(RuntimeOrigin::root(), &call, &info, 0, source, 0).is_ok());
        let other = RuntimeCall::System(frame_system::Call::remark { remark: vec![] });
        assert!(CheckParty::<Test>::default().validate_only(signed(1), &other, &info, 0, source, 0).is_ok());
    });
}

/// Fees of what serves all are given back if the call succeeds: an encoder of a small append would lose by it.
#[test]
fn who_begins_and_who_settles_pays_nothing() {
    with_chain(|| {
        let copy = tested(&all(3));
        publish(3, 1);
        run_until(1, CopyState::Assigned);
        let call = Call::begin_segment { copy: 1, modulus: modulus(77), profile: PROFILE_P1 };
        assert_eq!(call.get_dispatch_info().pays_fee, Pays::Yes, "it is charged first");
        let done = DatDot::begin_segment(signed(ENCODER), 1, modulus(77), PROFILE_P1).unwrap();
        assert_eq!(done.pays_fee, Pays::No);
        let refused = DatDot::begin_segment(signed(ENCODER), 1, modulus(78), PROFILE_P1).unwrap_err();
        assert_eq!(refused.post_info.pays_fee, Pays::Yes);
        to_settle(2);
        assert_eq!(DatDot::settle_retrieval(signed(STRANGER), 2, copy).unwrap().pays_fee, Pays::No);
        let again = DatDot::settle_retrieval(signed(STRANGER), 2, copy).unwrap_err();
        assert_eq!(again.post_info.pays_fee, Pays::Yes);
    });
}
