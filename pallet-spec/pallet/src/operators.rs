//! Operators: a peer's node signs with a key of its own, so that the key of the peer's money need not lie where the node runs
//! (pallet-spec/README.md section 14).

use crate::{weights, Call, Config, Error, Event, Operators, Pallet};
use frame_support::{
    dispatch::{extract_actual_weight, DispatchErrorWithPostInfo, DispatchResultWithPostInfo, PostDispatchInfo},
    dispatch::{GetDispatchInfo, Pays},
    ensure,
    traits::IsSubType,
};
use frame_system::RawOrigin;
use sp_runtime::{traits::Dispatchable, AccountId32, DispatchResult};

/// Whether an operator may call it for a peer: what a node does. None of them moves the peer's money to anybody else.
pub(crate) fn is_operable<T: Config>(call: &Call<T>) -> bool {
    matches!(
        call,
        Call::offer_hosting { .. }
            | Call::offer_encoding { .. }
            | Call::offer_attesting { .. }
            | Call::withdraw_offer { .. }
            | Call::release { .. }
            | Call::decline_copy { .. }
            | Call::begin_segment { .. }
            | Call::confirm_segment { .. }
            | Call::submit_storage_proof { .. }
            | Call::commit_retrievals { .. }
            | Call::reveal_retrievals { .. }
            | Call::declare_lost { .. }
            | Call::leave_copy { .. }
            | Call::decline_job { .. }
            | Call::pause { .. }
            | Call::commit_report { .. }
            | Call::report_invalid_encoding { .. }
    )
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_set_operator(account: AccountId32, operator: Option<AccountId32>) -> DispatchResult {
        Self::ensure_peer(&account)?;
        Operators::<T>::set(&account, operator.clone());
        Self::deposit_event(Event::OperatorSet { account, operator });
        Ok(())
    }

    pub(crate) fn is_operator(account: &AccountId32, peer: &AccountId32) -> bool {
        Operators::<T>::get(peer).as_ref() == Some(account)
    }

    /// Dispatches a call as the peer's own. Its error, its weight and whether its fee comes back are the call's.
    pub(crate) fn do_operate(
        account: AccountId32,
        peer: AccountId32,
        call: <T as Config>::RuntimeCall,
    ) -> DispatchResultWithPostInfo {
        ensure!(Self::is_operator(&account, &peer), Error::<T>::NotOperator);
        ensure!(call.is_sub_type().is_some_and(is_operable::<T>), Error::<T>::NotOperable);
        let info = call.get_dispatch_info();
        let result = call.dispatch(RawOrigin::Signed(peer).into());
        let used = Some(weights::operate().saturating_add(extract_actual_weight(&result, &info)));
        let post = |pays_fee: Pays| PostDispatchInfo { actual_weight: used, pays_fee };
        match result {
            Ok(done) => Ok(post(done.pays_fee)),
            Err(failed) => {
                let post_info = post(failed.post_info.pays_fee);
                Err(DispatchErrorWithPostInfo { post_info, error: failed.error })
            },
        }
    }
}
