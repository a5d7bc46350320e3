//! Signed extrinsics as a pool and a block see them.

use super::*;
use alloc::vec;
use codec::Encode;
use frame_support::{
    storage::unhashed,
    traits::{GetStorageVersion, StorageVersion},
};
use pallet_datdot::{types::Amounts, Amount, Time};
use sp_core::{sr25519, Pair};
use sp_runtime::{
    generic::{Era, SignedPayload},
    traits::{Header as _, TransactionExtension},
    transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidity},
    BuildStorage,
};

fn alice() -> sr25519::Pair {
    sr25519::Pair::from_string("//Alice", None).expect("a well-known key")
}

/// A call of Alice's, signed as clients sign it.
fn extrinsic(call: RuntimeCall, nonce: Nonce) -> UncheckedExtrinsic {
    let extension: TxExtension = (
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckEra::from(Era::Immortal),
        frame_system::CheckNonce::from(nonce),
        frame_system::CheckWeight::new(),
        pallet_transaction_payment::ChargeTransactionPayment::from(0),
        pallet_datdot::CheckParty::default(),
    );
    let payload = SignedPayload::new(call, extension).expect("implicit data of genesis");
    let signature = payload.using_encoded(|bytes| alice().sign(bytes));
    let (call, extension, _) = payload.deconstruct();
    let account = AccountId::from(alice().public().0);
    UncheckedExtrinsic::new_signed(call, account.into(), signature.into(), extension)
}

/// Runs a test on a chain of which Alice has money.
fn with_chain(test: impl FnOnce()) {
    let genesis = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances: vec![(AccountId::from(alice().public().0), 1_000 * UNIT)],
            ..Default::default()
        },
        ..Default::default()
    };
    let storage = genesis.build_storage().expect("a genesis");
    sp_io::TestExternalities::new(storage).execute_with(test);
}

fn validity(call: RuntimeCall) -> TransactionValidity {
    let extrinsic = extrinsic(call, 0);
    Executive::validate_transaction(TransactionSource::External, extrinsic, System::block_hash(0))
}

/// Clients sign what the metadata names; the pallet's own check adds nothing to it.
#[test]
fn the_extensions_are_those_that_clients_know() {
    let all = <TxExtension as TransactionExtension<RuntimeCall>>::metadata();
    let names: Vec<_> = all.iter().map(|one| one.identifier).collect();
    let known = [
        "CheckNonZeroSender",
        "CheckSpecVersion",
        "CheckTxVersion",
        "CheckGenesis",
        "CheckMortality",
        "CheckNonce",
        "CheckWeight",
        "ChargeTransactionPayment",
        "CheckParty",
    ];
    assert_eq!(names, known);
    with_chain(|| {
        let call = RuntimeCall::System(frame_system::Call::remark { remark: vec![] });
        let UncheckedExtrinsic { preamble, .. } = extrinsic(call, 5);
        // Address, signature, then era, nonce and tip.
        let bytes = preamble.encode();
        assert_eq!(bytes[bytes.len() - 3..], [0, 5 << 2, 0]);
        assert_eq!(bytes.len(), 1 + 33 + 65 + 3);
    });
}

#[test]
fn a_strangers_proof_is_refused_before_it_gets_into_a_block() {
    with_chain(|| {
        let proof = || {
            let proof = Default::default();
            RuntimeCall::DatDot(pallet_datdot::Call::submit_storage_proof { issued: 0, proof })
        };
        assert_eq!(validity(proof()), Err(InvalidTransaction::Call.into()));
        let collect = RuntimeCall::DatDot(pallet_datdot::Call::collect { copy: 0 });
        assert!(validity(collect).is_ok());
        // In a batch it is charged like the batch.
        let batch = RuntimeCall::Utility(pallet_utility::Call::batch { calls: vec![proof()] });
        assert!(validity(batch).is_ok());
    });
}

/// The first block of this version does what the versions before it did not: those of 3 to 7, and version 2.
#[test]
fn the_first_block_of_a_version_migrates() {
    for (storage, spec_version, amounts, times) in [(1, 7u32, 10, 21), (0, 2, 8, 18)] {
        with_chain(|| {
            let cut = |mut bytes: Vec<u8>, length| {
                bytes.truncate(length);
                bytes
            };
            let (amount, time) = (Amount::<Runtime>::get().encode(), Time::<Runtime>::get());
            unhashed::put_raw(&Amount::<Runtime>::hashed_key(), &cut(amount[1..].to_vec(), 16 * amounts));
            unhashed::put_raw(&Time::<Runtime>::hashed_key(), &cut(time.expect("of genesis").encode(), 4 * times));
            StorageVersion::new(storage).put::<DatDot>();
            let last =
                frame_system::LastRuntimeUpgradeInfo { spec_version: spec_version.into(), spec_name: "datdot".into() };
            frame_system::LastRuntimeUpgrade::<Runtime>::put(last);
            let [root, parent] = [H256::zero(), System::block_hash(0)];
            Executive::initialize_block(&Header::new(1, root, root, parent, Default::default()));
            assert_eq!(DatDot::on_chain_storage_version(), 2);
            assert_eq!((Amount::<Runtime>::get(), Time::<Runtime>::get()), (Some(Amounts::DEFAULT), time));
        });
    }
}
