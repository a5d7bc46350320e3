//! Calls that are free when they succeed are refused before they get into a block if their account cannot succeed with
//! them (pallet-spec/README.md section 14): else a stranger's would take the room of those that have a deadline.

use crate::{Attesters, Call, Config, Copies, Pallet, StorageChallenges};
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
    /// Whether a signed call may succeed, as far as one read of the state tells. It refuses no call that would.
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
            _ => true,
        }
    }
}

/// Refuses the calls 11 to 14 and 28 of accounts that are no party. It adds no byte to an extrinsic or to what is signed.
#[derive(Encode, Decode, DecodeWithMemTracking, DebugNoBound, DefaultNoBound, Clone, Eq, PartialEq, TypeInfo)]
#[scale_info(skip_type_params(T))]
pub struct CheckParty<T>(PhantomData<T>);

impl<T: Config + Send + Sync> TransactionExtension<T::RuntimeCall> for CheckParty<T>
where
    T::RuntimeCall: IsSubType<Call<T>>,
{
    const IDENTIFIER: &'static str = "CheckParty";
    type Implicit = ();
    type Val = ();
    type Pre = ();

    /// The base weight of an extrinsic covers one read.
    fn weight(&self, _: &T::RuntimeCall) -> Weight {
        Weight::zero()
    }

    fn validate(
        &self,
        origin: T::RuntimeOrigin,
        call: &T::RuntimeCall,
        _info: &DispatchInfoOf<T::RuntimeCall>,
        _len: usize,
        _self_implicit: Self::Implicit,
        _inherited_implication: &impl Encode,
        _source: TransactionSource,
    ) -> ValidateResult<Self::Val, T::RuntimeCall> {
        if let (Some(account), Some(call)) = (origin.as_signer(), call.is_sub_type()) {
            if !Pallet::<T>::is_party_to(account, call) {
                return Err(InvalidTransaction::Call.into());
            }
        }
        Ok((Default::default(), (), origin))
    }

    impl_tx_ext_default!(T::RuntimeCall; prepare);
}
