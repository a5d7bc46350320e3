//! datdot's runtime: System, Timestamp, Balances, Sudo, TransactionPayment, DatDot, Utility.
#![cfg_attr(not(feature = "std"), no_std)]
#![recursion_limit = "256"]

extern crate alloc;

mod apis;
mod genesis;
#[cfg(test)]
mod tests;
mod weights;

use alloc::{borrow::Cow, vec::Vec};
use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    traits::{fungible::Credit, ConstU128, ConstU32, ConstU64, ConstU8, Contains, Imbalance, OnUnbalanced, Randomness},
    weights::{
        constants::{RocksDbWeight, WEIGHT_REF_TIME_PER_SECOND},
        ConstantMultiplier, Weight,
    },
    PalletId,
};
use frame_system::limits::{BlockLength, BlockWeights};
use pallet_transaction_payment::{ConstFeeMultiplier, FungibleAdapter, Multiplier};
use sp_core::H256;
use sp_runtime::{
    generic,
    traits::{AccountIdLookup, BlakeTwo256, IdentifyAccount, One, Verify},
    MultiAddress, MultiSignature, Perbill,
};
use sp_version::RuntimeVersion;

pub type Balance = u128;
pub type BlockNumber = u32;
pub type Nonce = u32;
pub type Signature = MultiSignature;
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
pub type Address = MultiAddress<AccountId, ()>;
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
pub type TxExtension = (
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckEra<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
    pallet_datdot::CheckParty<Runtime>,
);
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
pub type Executive =
    frame_executive::Executive<Runtime, Block, frame_system::ChainContext<Runtime>, Runtime, AllPalletsWithSystem>;
/// What the upgrade to this version does, once: the first is for a chain of version 2.
pub type Migrations = (pallet_datdot::migrations::ToVersion3<Runtime>, pallet_datdot::migrations::ToVersion8<Runtime>);

/// 10^12 of the smallest unit.
pub const UNIT: Balance = pallet_datdot::types::UNIT;
pub const EXISTENTIAL_DEPOSIT: Balance = UNIT / 1_000;

#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("datdot"),
    impl_name: Cow::Borrowed("datdot"),
    authoring_version: 1,
    spec_version: 10,
    impl_version: 1,
    apis: apis::RUNTIME_API_VERSIONS,
    transaction_version: 4,
    system_version: 1,
};

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Timestamp = pallet_timestamp;
    #[runtime::pallet_index(2)]
    pub type Balances = pallet_balances;
    #[runtime::pallet_index(3)]
    pub type TransactionPayment = pallet_transaction_payment;
    #[runtime::pallet_index(4)]
    pub type Sudo = pallet_sudo;
    #[runtime::pallet_index(5)]
    pub type DatDot = pallet_datdot;
    #[runtime::pallet_index(6)]
    pub type Utility = pallet_utility;
}

/// Normal calls may fill three quarters of a block.
const NORMAL: Perbill = Perbill::from_percent(75);

parameter_types! {
    pub const Version: RuntimeVersion = VERSION;
    pub const DatDotPalletId: PalletId = PalletId(*b"datdot/1");
    pub Weights: BlockWeights = BlockWeights::with_sensible_defaults(
        Weight::from_parts(2 * WEIGHT_REF_TIME_PER_SECOND, u64::MAX),
        NORMAL,
    );
    /// Fees do not follow the load; `()` would make it zero after the first block.
    pub FeeMultiplier: Multiplier = Multiplier::one();
    pub Length: BlockLength = BlockLength::builder()
        .max_length(5 * 1024 * 1024)
        .modify_max_length_for_class(DispatchClass::Normal, |length| *length = NORMAL * *length)
        .build();
}

/// Refuses what would burn money that nobody counts.
pub struct CallFilter;

impl Contains<RuntimeCall> for CallFilter {
    fn contains(call: &RuntimeCall) -> bool {
        !matches!(call, RuntimeCall::Balances(pallet_balances::Call::burn { .. }))
    }
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type AccountData = pallet_balances::AccountData<Balance>;
    type AccountId = AccountId;
    type BaseCallFilter = CallFilter;
    type Block = Block;
    type BlockHashCount = ConstU32<4096>;
    type BlockLength = Length;
    type BlockWeights = Weights;
    type DbWeight = RocksDbWeight;
    type ExtensionsWeightInfo = weights::Flat;
    type Hash = H256;
    type Lookup = AccountIdLookup<AccountId, ()>;
    type MaxConsumers = ConstU32<16>;
    type Nonce = Nonce;
    type SingleBlockMigrations = Migrations;
    type SS58Prefix = frame_support::traits::ConstU16<42>;
    type SystemWeightInfo = weights::Flat;
    type Version = Version;
}

impl pallet_timestamp::Config for Runtime {
    type MinimumPeriod = ConstU64<0>;
    type Moment = u64;
    type OnTimestampSet = ();
    type WeightInfo = weights::Flat;
}

impl pallet_balances::Config for Runtime {
    type AccountStore = System;
    type Balance = Balance;
    type DoneSlashHandler = ();
    type DustRemoval = pallet_datdot::CountBurned<Runtime>;
    type ExistentialDeposit = ConstU128<EXISTENTIAL_DEPOSIT>;
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxFreezes = ConstU32<0>;
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ConstU32<0>;
    type ReserveIdentifier = [u8; 8];
    type RuntimeEvent = RuntimeEvent;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type RuntimeHoldReason = RuntimeHoldReason;
    type WeightInfo = weights::Flat;
}

/// Fees and tips are burned, and counted.
pub struct BurnFees;

impl OnUnbalanced<Credit<AccountId, Balances>> for BurnFees {
    fn on_nonzero_unbalanced(credit: Credit<AccountId, Balances>) {
        pallet_datdot::CountBurned::<Runtime>::count(credit.peek());
    }
}

impl pallet_transaction_payment::Config for Runtime {
    type FeeMultiplierUpdate = ConstFeeMultiplier<FeeMultiplier>;
    type LengthToFee = ConstantMultiplier<Balance, ConstU128<1_000_000>>;
    type OnChargeTransaction = FungibleAdapter<Balances, BurnFees>;
    type OperationalFeeMultiplier = ConstU8<1>;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = weights::Flat;
    type WeightToFee = ConstantMultiplier<Balance, ConstU128<1>>;
}

impl pallet_sudo::Config for Runtime {
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = weights::Flat;
}

impl pallet_utility::Config for Runtime {
    type PalletsOrigin = OriginCaller;
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = weights::Flat;
}

/// Development only: whoever makes a block chooses its parent, and so its seed. H(subject | parent hash), known since the
/// block before.
pub struct ParentHash;

impl Randomness<H256, BlockNumber> for ParentHash {
    fn random(subject: &[u8]) -> (H256, BlockNumber) {
        let parent = System::parent_hash();
        let seed = sp_io::hashing::blake2_256(&[subject, parent.as_bytes()].concat());
        (H256(seed), System::block_number().saturating_sub(1))
    }
}

impl pallet_datdot::Config for Runtime {
    type Currency = Balances;
    type PalletId = DatDotPalletId;
    type Randomness = ParentHash;
    type RuntimeCall = RuntimeCall;
    type RuntimeHoldReason = RuntimeHoldReason;
}
