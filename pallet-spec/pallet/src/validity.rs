//! Calls that are free when they succeed are refused before they get into a block if their account cannot succeed with
//! them (pallet-spec/README.md section 14): else a stranger's would take the room of those that have a deadline.

use crate::{operators::is_operable, Attesters, Call, Config, Copies, Pallet, StorageChallenges};
use codec::{Decode, DecodeWithMemTracking, Encode};
use core::marker::PhantomData;
use frame_support::{
    pallet_prelude::TransactionSource, traits::IsSubType, traits::OriginTrait, weights::Weight, DebugNoBound,
    DefaultNoBound,
};
use scale_info::TypeInfo;
use sp_runtime::{
    impl_tx_ext_default,
    traits::{DispatchInfoOf, TransactionExtension, ValidateResult},
    transaction_validity::InvalidTransaction,
    AccountId32,
};

impl<T: Config> Pallet<T> {
    /// Whether a signed call may succeed, as far as a read or two of the state tell. It refuses no call that would.
    fn is_party_to(account: &AccountId32, call: &Call<T>) -> bool {
        match call {
            Call::confirm_segment { copy, .. } => Copies::<T>::get(copy)
                .is_some_and(|copy| copy.hoster == *account || copy.encoder.as_ref() == Some(account)),
            Call::submit_storage_proof { .. } => StorageChallenges::<T>::contains_key(account),
            // Whoever had a slot may still have a seat: a slot that was given back keeps those of the era.
            Call::commit_retrievals { .. } | Call::reveal_retrievals { .. } => Attesters::<T>::contains_key(account),
            // As dear as it is to take a mebibyte at all.
            // Nor is it charged to who comes second, as long as it is not in the same block.
            Call::report_invalid_encoding { copy, evidence } => {
                Copies::<T>::get(copy).is_some_and(|copy| !copy.invalid) && Self::is_committed(account, *copy, evidence)
            },
            Call::operate { peer, call } => {
                Self::is_operator(account, peer)
                    && call.is_sub_type().is_some_and(|call| is_operable(call) && Self::is_party_to(peer, call))
            },
            _ => true,
        }
    }
}

/// The calls of the runtime, of which an extrinsic is one.
type RuntimeCallOf<T> = <T as frame_system::Config>::RuntimeCall;

/// Refuses the calls 11 to 14, 28 and 32 of accounts that are no party. It adds no byte to an extrinsic or to what is signed.
#[derive(Encode, Decode, DecodeWithMemTracking, DebugNoBound, DefaultNoBound, Clone, Eq, PartialEq, TypeInfo)]
#[scale_info(skip_type_params(T))]
pub struct CheckParty<T>(PhantomData<T>);

impl<T: Config + Send + Sync> TransactionExtension<RuntimeCallOf<T>> for CheckParty<T>
where
    RuntimeCallOf<T>: IsSubType<Call<T>>,
{
    const IDENTIFIER: &'static str = "CheckParty";
    type Implicit = ();
    type Val = ();
    type Pre = ();

    /// The base weight of an extrinsic covers one read, and that of `operate` another.
    fn weight(&self, _: &RuntimeCallOf<T>) -> Weight {
        Weight::zero()
    }

    fn validate(
        &self,
        origin: T::RuntimeOrigin,
        call: &RuntimeCallOf<T>,
        _info: &DispatchInfoOf<RuntimeCallOf<T>>,
        _len: usize,
        _self_implicit: Self::Implicit,
        _inherited_implication: &impl Encode,
        _source: TransactionSource,
    ) -> ValidateResult<Self::Val, RuntimeCallOf<T>> {
        if let (Some(account), Some(call)) = (origin.as_signer(), call.is_sub_type()) {
            if !Pallet::<T>::is_party_to(account, call) {
                return Err(InvalidTransaction::Call.into());
            }
        }
        Ok((Default::default(), (), origin))
    }

    impl_tx_ext_default!(RuntimeCallOf<T>; prepare);
}
