//! The pallet DatDot: hypercores are kept online by peers whom the chain draws, checks and pays.
//!
//! Peers offer hosting, encoding and attesting; sponsors publish plans for ranges of hypercores; the chain draws hosters and
//! encoders, challenges storage and retrieval, pays out of the plans' pots by minting and burning alike, and watches every
//! deadline. `pallet-spec/README.md` is the specification.
//!
//! # A copy's life
//!
//! 1. [`register_peer`](Pallet::register_peer) binds an account's keys. `offer_hosting`, `offer_encoding` and
//!    `offer_attesting` make it eligible, against collateral, a bond, or a bond for each slot.
//! 2. [`publish_plan`](Pallet::publish_plan) fills a pot. Placement draws a hoster for each replica: a [`types::Copy`] is
//!    `Offered`, and accepted by silence (`decline_copy` is the other way).
//! 3. An encoder is drawn. It calls `begin_segment` with a fresh modulus; the salt is drawn some blocks later; hoster and
//!    encoder sign what they made, and one of them calls `confirm_segment`, until the copy is `Active`.
//! 4. Storage challenges are answered by `submit_storage_proof`, retrieval challenges by attesters' `commit_retrievals` and
//!    `reveal_retrievals`, and anybody's `settle_retrieval`. Who does not prove is warned, suspended, evicted; a copy that is
//!    not served, lost or left ends, and another takes its place.
//! 5. A live plan follows its feed (`update_head`), and its copies grow at its ticks.
//! 6. Disk is paid at every tick of the plan and by `collect`. When the plan ends, its copies' records go three eras later,
//!    and donors `claim_refund`.
//!
//! # Where what stands
//!
//! | module | what |
//! | --- | --- |
//! | `calls`, `events`, `errors`, `constants` | parts of [`pallet`], pasted in by FRAME's `import_section` |
//! | [`types`] | what stands in storage, calls and events; bounds |
//! | `deadlines` | the order of a block, and what every expired wait does |
//! | `queue`, `changes`, `placement` | FIFOs; changes of the draw tables that wait; draws of hosters and encoders |
//! | `draw`, [`sums`] | the draw tables |
//! | `offers`, `plans`, `terms`, `copies`, `segments` | what the calls of that subject do |
//! | `live` | longer heads, and copies that grow with them |
//! | `stalls`, `ends` | encoders that fail and feeds that are gone; copies that end before their plan |
//! | `challenges`, `ladder` | storage challenges; what happens to who does not answer |
//! | `retrieval`, `verdicts` | retrieval challenges; what they come to over eras |
//! | `fraud`, [`evidence`] | reports of invalid encodings and of second histories; what shows the former |
//! | `money`, [`params`] | burning, minting, holds, reserves; time spans and amounts |
//! | [`crypto`], [`heads`], [`ranges`], [`merkle`] | hashes and statements; what a feed's head and a sector's opening prove |
//! | `operators` | calls that an operator makes for a peer |
//! | `validity` | calls that are refused before they get into a block |
//! | [`weights`] | upper bounds of weights |
//! | [`migrations`] | what a chain of an older version becomes |
//! | `try_state` | what holds after every block |
//!
//! # Configuration
//!
//! [`Config`] wants a currency with holds, a source of randomness, a pallet id for the pots' accounts, and the runtime's calls,
//! of which an operator makes some for a peer. The runtime must
//! set `pallet_balances::Config::DustRemoval` to [`CountBurned`] and call [`CountBurned::count`] for fees that it burns:
//! issuance = genesis + `Minted` - `Burned` holds only then.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(feature = "runtime-benchmarks", recursion_limit = "512")]

extern crate alloc;

pub mod crypto;
pub mod evidence;
pub mod heads;
pub mod merkle;
pub mod migrations;
pub mod params;
pub mod ranges;
pub mod sums;
pub mod types;
pub mod weights;

#[cfg(any(test, feature = "runtime-benchmarks"))]
#[cfg_attr(not(feature = "runtime-benchmarks"), allow(dead_code))]
mod benchmarking;
mod calls;
mod challenges;
mod changes;
mod constants;
mod copies;
mod deadlines;
mod draw;
mod ends;
mod errors;
mod events;
mod fraud;
mod integrity;
mod ladder;
mod live;
mod money;
mod offers;
mod operators;
mod placement;
mod plans;
mod queue;
mod retrieval;
mod segments;
mod stalls;
mod terms;
#[cfg(any(test, feature = "try-runtime"))]
mod try_state;
mod validity;
mod verdicts;

#[cfg(test)]
mod tests;

use frame_support::pallet_macros::import_section;
pub use money::CountBurned;
pub use pallet::*;
pub use validity::CheckParty;

/// Storage, calls, hooks, events, errors and constants.
#[import_section(calls::calls)]
#[import_section(constants::constants)]
#[import_section(errors::errors)]
#[import_section(events::events)]
#[frame_support::pallet]
pub mod pallet {
    use super::types::*;
    use super::weights;
    use alloc::boxed::Box;
    use frame_support::{
        dispatch::{GetDispatchInfo, PostDispatchInfo},
        pallet_prelude::*,
        traits::{
            fungible::{Inspect, InspectHold, Mutate, MutateHold},
            IsSubType, Randomness,
        },
        PalletId,
    };
    use frame_system::pallet_prelude::*;
    use sp_core::H256;
    use sp_runtime::{
        traits::{Dispatchable, Hash as HashT},
        AccountId32,
    };

    #[pallet::config]
    pub trait Config:
        frame_system::Config<
        AccountId = AccountId32,
        Hash = H256,
        Hashing: HashT<Output = H256>,
        RuntimeEvent: From<Event<Self>>,
    >
    {
        /// The money.
        type Currency: Inspect<AccountId32, Balance = Balance>
            + Mutate<AccountId32>
            + InspectHold<AccountId32, Reason = Self::RuntimeHoldReason>
            + MutateHold<AccountId32>;
        /// Why the runtime's money is on hold: this pallet's reasons among all others.
        type RuntimeHoldReason: From<HoldReason>;
        /// The runtime's calls: an operator wraps one of this pallet's.
        type RuntimeCall: Parameter
            + Dispatchable<RuntimeOrigin = Self::RuntimeOrigin, PostInfo = PostDispatchInfo>
            + GetDispatchInfo
            + From<Call<Self>>
            + IsSubType<Call<Self>>;
        /// Source of seed(b): `random(&[])` of block b must have been unknown in b - SeedDelay.
        type Randomness: Randomness<H256, BlockNumberFor<Self>>;
        /// Pots are sub-accounts of it.
        #[pallet::constant]
        type PalletId: Get<PalletId>;
    }

    /// The pallet; every storage item has a greatest length.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// 0 until version 2 of the runtime, 1 until version 7.
    const STORAGE_VERSION: StorageVersion = StorageVersion::new(2);

    /// Why money is on hold.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// A hoster's collateral.
        #[codec(index = 0)]
        Hosting,
        /// An encoder's bond.
        #[codec(index = 1)]
        Encoding,
        /// The bonds of an attester's slots.
        #[codec(index = 2)]
        Attesting,
    }

    // ---- parameters and totals

    /// Time spans; from genesis, for ever.
    #[pallet::storage]
    pub type Time<T> = StorageValue<_, Times, OptionQuery>;
    /// Amounts; root may change them.
    #[pallet::storage]
    pub type Amount<T> = StorageValue<_, Amounts, OptionQuery>;
    /// All that was ever minted.
    #[pallet::storage]
    pub type Minted<T> = StorageValue<_, Balance, ValueQuery>;
    /// All that was ever burned, fees and dust included: issuance = genesis + Minted - Burned.
    #[pallet::storage]
    pub type Burned<T> = StorageValue<_, Balance, ValueQuery>;

    // ---- randomness

    /// The seeds of the last 256 blocks.
    #[pallet::storage]
    pub type Seeds<T> = StorageMap<_, Twox64Concat, Block, H256, OptionQuery>;
    /// The value of `set_seed`.
    #[pallet::storage]
    pub type SeedOverride<T> = StorageValue<_, H256, OptionQuery>;
    /// What was drawn for the last eras, at the first block of each.
    #[pallet::storage]
    pub type Eras<T> = StorageMap<_, Twox64Concat, Era, EraInfo, OptionQuery>;

    // ---- peers and offers

    /// Registered accounts.
    #[pallet::storage]
    pub type Peers<T> = StorageMap<_, Blake2_128Concat, AccountId32, Peer, OptionQuery>;
    /// Every key ever bound, and by whom.
    #[pallet::storage]
    pub type Keys<T> = StorageMap<_, Blake2_128Concat, Key, AccountId32, OptionQuery>;
    /// Who may make a peer's calls for it, by peer.
    #[pallet::storage]
    pub type Operators<T> = StorageMap<_, Blake2_128Concat, AccountId32, AccountId32, OptionQuery>;
    /// Hosters' states.
    #[pallet::storage]
    pub type Hosters<T> = StorageMap<_, Blake2_128Concat, AccountId32, Hoster, OptionQuery>;
    /// Entries of the draw table of hosters.
    #[pallet::storage]
    pub type HosterCount<T> = StorageValue<_, u32, ValueQuery>;
    /// Encoders' states.
    #[pallet::storage]
    pub type Encoders<T> = StorageMap<_, Blake2_128Concat, AccountId32, Encoder, OptionQuery>;
    /// Encoders that ever offered.
    #[pallet::storage]
    pub type EncoderCount<T> = StorageValue<_, u32, ValueQuery>;
    /// Attesters' states.
    #[pallet::storage]
    pub type Attesters<T> = StorageMap<_, Blake2_128Concat, AccountId32, Attester, OptionQuery>;
    /// The list of slots; a hole has no entry.
    #[pallet::storage]
    pub type Slots<T> = StorageMap<_, Twox64Concat, u32, Slot, OptionQuery>;
    /// Length of the list of slots, holes included.
    #[pallet::storage]
    pub type SlotCount<T> = StorageValue<_, u32, ValueQuery>;
    /// Holes in the order in which they were freed: places 0 .. HoleCount.
    #[pallet::storage]
    pub type Holes<T> = StorageMap<_, Twox64Concat, u32, u32, OptionQuery>;
    /// Holes in the list of slots.
    #[pallet::storage]
    pub type HoleCount<T> = StorageValue<_, u32, ValueQuery>;

    // ---- draw tables

    /// Hosters' entries of their draw table.
    #[pallet::storage]
    pub type HosterDraws<T> = StorageMap<_, Blake2_128Concat, AccountId32, HosterDraw, OptionQuery>;
    /// Nodes: 0 is the root, the children of n are 64 n + 1 .. 64 n + 64.
    #[pallet::storage]
    pub type HosterNodes<T> = StorageMap<_, Twox64Concat, u32, Node, OptionQuery>;
    /// Which hoster stands in a slot of the draw table.
    #[pallet::storage]
    pub type HosterSlots<T> = StorageMap<_, Twox64Concat, u32, AccountId32, OptionQuery>;
    /// Encoders' entries of their draw table.
    #[pallet::storage]
    pub type EncoderDraws<T> = StorageMap<_, Blake2_128Concat, AccountId32, EncoderDraw, OptionQuery>;
    /// Nodes, numbered like `HosterNodes`.
    #[pallet::storage]
    pub type EncoderNodes<T> = StorageMap<_, Twox64Concat, u32, Node, OptionQuery>;
    /// Which encoder stands in a slot of the draw table.
    #[pallet::storage]
    pub type EncoderSlots<T> = StorageMap<_, Twox64Concat, u32, AccountId32, OptionQuery>;
    /// A hoster's copies table.
    #[pallet::storage]
    pub type CopyNodes<T> = StorageDoubleMap<_, Blake2_128Concat, AccountId32, Twox64Concat, u32, Node, OptionQuery>;
    /// Which copy stands in a slot of a hoster's copies table.
    #[pallet::storage]
    pub type CopySlots<T> = StorageDoubleMap<_, Blake2_128Concat, AccountId32, Twox64Concat, u32, CopyId, OptionQuery>;
    /// Hosters that store something: places 0 .. StoringCount.
    #[pallet::storage]
    pub type Storing<T> = StorageMap<_, Twox64Concat, u32, AccountId32, OptionQuery>;
    /// Hosters that store something.
    #[pallet::storage]
    pub type StoringCount<T> = StorageValue<_, u32, ValueQuery>;
    /// Changes of the draw tables that are due in a block.
    #[pallet::storage]
    pub type Changes<T> = StorageMap<_, Twox64Concat, Block, BoundedVec<Change, ConstU32<MAX_CHANGES>>, ValueQuery>;
    /// How many of a block's changes are offers, withdrawals and releases.
    #[pallet::storage]
    pub type OfferChanges<T> = StorageMap<_, Twox64Concat, Block, u32, ValueQuery>;

    // ---- plans and copies

    /// Number of the next plan.
    #[pallet::storage]
    pub type NextPlan<T> = StorageValue<_, PlanId, ValueQuery>;
    /// Number of the next copy.
    #[pallet::storage]
    pub type NextCopy<T> = StorageValue<_, CopyId, ValueQuery>;
    /// Number of the next segment.
    #[pallet::storage]
    pub type NextSegment<T> = StorageValue<_, SegmentId, ValueQuery>;
    /// Plans whose donors have not claimed all.
    #[pallet::storage]
    pub type Plans<T> = StorageMap<_, Twox64Concat, PlanId, Plan, OptionQuery>;
    /// The roots of a plan's head, left to right.
    #[pallet::storage]
    pub type Roots<T> = StorageMap<_, Twox64Concat, PlanId, BoundedVec<Root, MaxRoots>, OptionQuery>;
    /// A donor's shares of a plan's remainder.
    #[pallet::storage]
    pub type Shares<T> = StorageDoubleMap<_, Twox64Concat, PlanId, Blake2_128Concat, AccountId32, Balance, OptionQuery>;
    /// Copies whose records are kept.
    #[pallet::storage]
    pub type Copies<T> = StorageMap<_, Twox64Concat, CopyId, Copy, OptionQuery>;
    /// Segments whose records are kept.
    #[pallet::storage]
    pub type Segments<T> = StorageMap<_, Twox64Concat, SegmentId, Segment, OptionQuery>;
    /// A segment's RSA modulus, big endian.
    #[pallet::storage]
    pub type Moduli<T> = StorageMap<_, Twox64Concat, SegmentId, Sector, OptionQuery>;
    /// The hash of every modulus that a segment was ever begun with, and that segment.
    #[pallet::storage]
    pub type UsedModuli<T> = StorageMap<_, Identity, H256, SegmentId, OptionQuery>;
    /// `begin_segment` calls in this block.
    #[pallet::storage]
    pub type Begins<T> = StorageValue<_, u32, ValueQuery>;
    /// The FIFOs of needs, by lane: 0 of plans that have something confirmed, 1 of the others.
    #[pallet::storage]
    pub type Needs<T> = StorageDoubleMap<_, Twox64Concat, u8, Twox64Concat, u64, Need, OptionQuery>;
    /// Ends of the FIFOs of needs, by lane.
    #[pallet::storage]
    pub type NeedQueue<T> = StorageMap<_, Twox64Concat, u8, Fifo, ValueQuery>;
    /// What accounts gave and took.
    #[pallet::storage]
    pub type Ratios<T> = StorageMap<_, Blake2_128Concat, AccountId32, Ratio, ValueQuery>;

    // ---- fraud

    /// Keys of feeds whose owners signed two histories, and the block in which that was shown.
    #[pallet::storage]
    pub type Frozen<T> = StorageMap<_, Blake2_128Concat, Key, Block, OptionQuery>;
    /// Hashes of reports that were committed to, and when.
    #[pallet::storage]
    pub type Reports<T> = StorageMap<_, Identity, H256, Block, OptionQuery>;
    /// The same by number: their expiries name it.
    #[pallet::storage]
    pub type ReportAt<T> = StorageMap<_, Twox64Concat, u64, H256, OptionQuery>;
    /// Number of the next report.
    #[pallet::storage]
    pub type NextReport<T> = StorageValue<_, u64, ValueQuery>;

    // ---- challenges and deadlines

    /// Open storage challenges, by hoster.
    #[pallet::storage]
    pub type StorageChallenges<T> = StorageMap<_, Blake2_128Concat, AccountId32, StorageChallenge, OptionQuery>;
    /// Committees of (era, copy), from the first commit on.
    #[pallet::storage]
    pub type Retrievals<T> = StorageDoubleMap<_, Twox64Concat, Era, Twox64Concat, CopyId, Retrieval, OptionQuery>;
    /// The FIFOs of expiries, by kind.
    #[pallet::storage]
    pub type Deadlines<T> = StorageDoubleMap<_, Twox64Concat, Wait, Twox64Concat, u64, Deadline, OptionQuery>;
    /// Ends of the FIFOs of expiries.
    #[pallet::storage]
    pub type DeadlineQueues<T> = StorageMap<_, Twox64Concat, Wait, Fifo, ValueQuery>;

    /// Parameters of a chain; the default is production's.
    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        pub times: Times,
        pub amounts: Amounts,
        #[serde(skip)]
        pub _config: PhantomData<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            Self { times: Times::PRODUCTION, amounts: Amounts::DEFAULT, _config: PhantomData }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            if let Err(rule) = self.times.check() {
                panic!("times of genesis break a rule: {rule}");
            }
            assert!(self.amounts.valid(), "an amount of genesis is too large");
            Time::<T>::put(self.times);
            Amount::<T>::put(self.amounts);
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// The order of a block: pallet-spec/README.md section 5.
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            Self::begin_block()
        }

        fn integrity_test() {
            for times in [Times::PRODUCTION, Times::DEVELOPMENT] {
                assert_eq!(times.check(), Ok(()));
            }
            assert!(Amounts::DEFAULT.valid());
            assert_eq!(crate::integrity::check(T::Currency::minimum_balance(), &T::BlockWeights::get()), Ok(()));
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::check_state()
        }
    }
}
