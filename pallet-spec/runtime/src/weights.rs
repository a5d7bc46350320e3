//! One flat weight for every call that is not DatDot's, and none for the transaction extensions: the base weight of an
//! extrinsic covers them. So a fee is base + call + bytes, with constants that a second implementation can copy.

use frame_support::weights::Weight;

/// 200 us: above every benchmark of these pallets on reference hardware.
const FLAT: Weight = Weight::from_parts(200_000_000, 0);

/// The weights of System, Timestamp, Balances, Sudo, TransactionPayment and Utility.
pub struct Flat;

impl pallet_balances::WeightInfo for Flat {
    fn transfer_allow_death() -> Weight {
        FLAT
    }
    fn transfer_keep_alive() -> Weight {
        FLAT
    }
    fn force_set_balance_creating() -> Weight {
        FLAT
    }
    fn force_set_balance_killing() -> Weight {
        FLAT
    }
    fn force_transfer() -> Weight {
        FLAT
    }
    fn transfer_all() -> Weight {
        FLAT
    }
    fn force_unreserve() -> Weight {
        FLAT
    }
    fn upgrade_accounts(accounts: u32) -> Weight {
        FLAT.saturating_mul(accounts.into())
    }
    fn force_adjust_total_issuance() -> Weight {
        FLAT
    }
    fn burn_allow_death() -> Weight {
        FLAT
    }
    fn burn_keep_alive() -> Weight {
        FLAT
    }
}

impl pallet_timestamp::WeightInfo for Flat {
    fn set() -> Weight {
        FLAT
    }
    fn on_finalize() -> Weight {
        FLAT
    }
}

impl pallet_sudo::WeightInfo for Flat {
    fn set_key() -> Weight {
        FLAT
    }
    fn sudo() -> Weight {
        FLAT
    }
    fn sudo_as() -> Weight {
        FLAT
    }
    fn remove_key() -> Weight {
        FLAT
    }
    fn check_only_sudo_account() -> Weight {
        Weight::zero()
    }
}

impl pallet_transaction_payment::WeightInfo for Flat {
    fn charge_transaction_payment() -> Weight {
        Weight::zero()
    }
}

impl frame_system::WeightInfo for Flat {
    fn remark(_: u32) -> Weight {
        FLAT
    }
    fn remark_with_event(_: u32) -> Weight {
        FLAT
    }
    fn set_heap_pages() -> Weight {
        FLAT
    }
    /// Compiling and checking a runtime takes most of a block.
    fn set_code() -> Weight {
        Weight::from_parts(1_000_000_000_000, 0)
    }
    fn set_storage(items: u32) -> Weight {
        FLAT.saturating_mul(items.into())
    }
    fn kill_storage(items: u32) -> Weight {
        FLAT.saturating_mul(items.into())
    }
    fn kill_prefix(keys: u32) -> Weight {
        FLAT.saturating_mul(keys.into())
    }
    fn authorize_upgrade() -> Weight {
        FLAT
    }
    fn apply_authorized_upgrade() -> Weight {
        Self::set_code()
    }
}

impl frame_system::ExtensionsWeightInfo for Flat {
    fn check_genesis() -> Weight {
        Weight::zero()
    }
    fn check_mortality_mortal_transaction() -> Weight {
        Weight::zero()
    }
    fn check_mortality_immortal_transaction() -> Weight {
        Weight::zero()
    }
    fn check_non_zero_sender() -> Weight {
        Weight::zero()
    }
    fn check_nonce() -> Weight {
        Weight::zero()
    }
    fn check_spec_version() -> Weight {
        Weight::zero()
    }
    fn check_tx_version() -> Weight {
        Weight::zero()
    }
    fn check_weight() -> Weight {
        Weight::zero()
    }
    fn weight_reclaim() -> Weight {
        Weight::zero()
    }
}

impl pallet_utility::WeightInfo for Flat {
    fn batch(_: u32) -> Weight {
        FLAT
    }
    fn as_derivative() -> Weight {
        FLAT
    }
    fn batch_all(_: u32) -> Weight {
        FLAT
    }
    fn dispatch_as() -> Weight {
        FLAT
    }
    fn force_batch(_: u32) -> Weight {
        FLAT
    }
    fn dispatch_as_fallible() -> Weight {
        FLAT
    }
    fn if_else() -> Weight {
        FLAT
    }
}
