//! A runtime of System, Balances and DatDot, and how its blocks go by.

use crate::{self as pallet_datdot, types::*, Event};
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU128, Hooks, Randomness},
    weights::{
        constants::{RocksDbWeight, WEIGHT_REF_TIME_PER_SECOND},
        Weight,
    },
    PalletId,
};
use frame_system::limits::BlockWeights;
use sp_core::H256;
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage, Perbill};
use std::cell::RefCell;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        DatDot: pallet_datdot,
    }
);

pub const EXISTENTIAL: Balance = UNIT / 1_000;
/// What each account of a test has at first.
pub const ENDOWMENT: Balance = 10_000 * UNIT;

parameter_types! {
    pub const TestPalletId: PalletId = PalletId(*b"datdot/1");
    /// As in the runtime: 2 s, three quarters of it for normal calls.
    pub Weights: BlockWeights = BlockWeights::with_sensible_defaults(
        Weight::from_parts(2 * WEIGHT_REF_TIME_PER_SECOND, u64::MAX),
        Perbill::from_percent(75),
    );
}

thread_local! {
    static SALT: RefCell<u64> = const { RefCell::new(0) };
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountData = pallet_balances::AccountData<Balance>;
    type AccountId = AccountId32;
    type Block = frame_system::mocking::MockBlockU32<Test>;
    type BlockWeights = Weights;
    type DbWeight = RocksDbWeight;
    type Lookup = IdentityLookup<AccountId32>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type AccountStore = System;
    type Balance = Balance;
    type DustRemoval = pallet_datdot::CountBurned<Test>;
    type ExistentialDeposit = ConstU128<EXISTENTIAL>;
    type RuntimeHoldReason = RuntimeHoldReason;
}

/// seed(b) = H(u64 salt | u32 b).
pub struct Salted;

impl Randomness<H256, u32> for Salted {
    fn random(_: &[u8]) -> (H256, u32) {
        let now = System::block_number();
        let salt = SALT.with(|salt| *salt.borrow());
        (seed_of(salt, now), now.saturating_sub(1))
    }
}

pub fn seed_of(salt: u64, block: u32) -> H256 {
    crate::crypto::hash(&[&salt.to_le_bytes(), &block.to_le_bytes()])
}

impl pallet_datdot::Config for Test {
    type Currency = Balances;
    type PalletId = TestPalletId;
    type Randomness = Salted;
    type RuntimeCall = RuntimeCall;
    type RuntimeHoldReason = RuntimeHoldReason;
}

/// The account number n; all below 100 have money.
pub fn account(n: u64) -> AccountId32 {
    let mut raw = [0xac; 32];
    raw[..8].copy_from_slice(&n.to_le_bytes());
    AccountId32::new(raw)
}

/// The sum of all money at genesis.
pub fn genesis_issuance() -> Balance {
    100 * ENDOWMENT
}

/// Runs a test in block 1 of a chain with these times.
pub fn with_times(times: Times, salt: u64, test: impl FnOnce()) {
    genesis_of(times, salt).execute_with(|| {
        next_block();
        test();
        check();
    });
}

/// The genesis of a chain with these times.
pub fn genesis_of(times: Times, salt: u64) -> sp_io::TestExternalities {
    SALT.with(|cell| *cell.borrow_mut() = salt);
    let genesis = RuntimeGenesisConfig {
        system: Default::default(),
        balances: pallet_balances::GenesisConfig {
            balances: (0..100).map(|n| (account(n), ENDOWMENT)).collect(),
            ..Default::default()
        },
        dat_dot: pallet_datdot::GenesisConfig { times, amounts: Amounts::DEFAULT, ..Default::default() },
    };
    sp_io::TestExternalities::new(genesis.build_storage().unwrap())
}

/// The same with the development preset.
pub fn with_chain(test: impl FnOnce()) {
    with_times(Times::DEVELOPMENT, 1, test)
}

pub fn now() -> Block {
    System::block_number()
}

/// What must hold after every block and call.
pub fn check() {
    DatDot::check_state().unwrap_or_else(|broken| panic!("block {}: {broken:?}", now()));
    for (id, plan) in crate::Plans::<Test>::iter() {
        let kept = crate::money::kept(plan.reserved, crate::money::unsurcharged(&plan));
        assert!(DatDot::pot_value(id) >= kept, "block {}: pot {id} lacks of what it keeps", now());
    }
    let counted = genesis_issuance() + crate::Minted::<Test>::get() - crate::Burned::<Test>::get();
    assert_eq!(pallet_balances::TotalIssuance::<Test>::get(), counted, "issuance in block {}", now());
    let sum: Balance = frame_system::Account::<Test>::iter_values().map(|a| a.data.free + a.data.reserved).sum();
    assert_eq!(sum, counted, "balances in block {}", now());
}

/// Begins the next block; the events of the last one are gone.
pub fn next_block() {
    System::reset_events();
    System::set_block_number(now() + 1);
    DatDot::on_initialize(now());
    check();
}

/// Goes to the beginning of a block.
pub fn run_to(block: Block) {
    assert!(block >= now(), "block {block} is past, it is {}", now());
    while now() < block {
        next_block();
    }
}

pub fn run(blocks: Block) {
    run_to(now() + blocks)
}

/// The pallet's events of this block.
pub fn events() -> Vec<Event<Test>> {
    let ours = |record: frame_system::EventRecord<RuntimeEvent, H256>| match record.event {
        RuntimeEvent::DatDot(event) => Some(event),
        _ => None,
    };
    System::events().into_iter().filter_map(ours).collect()
}

pub fn last_event() -> Event<Test> {
    events().pop().expect("the block has no event")
}

pub fn happened(event: Event<Test>) {
    let all = events();
    assert!(all.contains(&event), "block {}: no {event:?} among {all:#?}", now());
}

pub fn signed(n: u64) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(n))
}

pub fn free(n: u64) -> Balance {
    Balances::free_balance(account(n))
}

pub fn held(n: u64, role: Role) -> Balance {
    DatDot::held(&account(n), role)
}

/// Asserts that a call is refused by that name and changes nothing.
#[macro_export]
macro_rules! refused {
    ($call:expr, $error:ident) => {
        frame_support::assert_noop!($call, $crate::Error::<$crate::tests::mock::Test>::$error)
    };
}
