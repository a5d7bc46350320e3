//! The pallet DatDot: interface. Each call's rules stand in the module that it names.
//!
//! Peers offer hosting, encoding and attesting; sponsors publish plans for hypercores; the chain draws hosters and encoders,
//! challenges storage and retrieval, pays out of the plans' pots by minting and burning alike, and watches every deadline.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod crypto;
pub mod heads;
pub mod merkle;
pub mod params;
pub mod ranges;
pub mod sums;
pub mod types;
pub mod weights;

mod challenges;
mod changes;
mod copies;
mod deadlines;
mod draw;
mod money;
mod offers;
mod placement;
mod plans;
mod queue;
mod retrieval;
mod segments;
#[cfg(any(test, feature = "try-runtime"))]
mod try_state;

#[cfg(test)]
mod tests;

pub use money::CountBurned;
pub use pallet::*;

#[frame_support::pallet]
pub mod pallet {
    use super::types::*;
    use super::weights;
    use frame_support::{
        pallet_prelude::*,
        traits::{
            fungible::{Inspect, InspectHold, Mutate, MutateHold},
            Randomness,
        },
        PalletId,
    };
    use frame_system::pallet_prelude::*;
    use sp_core::H256;
    use sp_runtime::{traits::Hash as HashT, AccountId32};

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
        type RuntimeHoldReason: From<HoldReason>;
        /// Source of seed(b): `random(&[])` of block b must have been unknown in b - SeedDelay.
        type Randomness: Randomness<H256, BlockNumberFor<Self>>;
        /// Pots are sub-accounts of it.
        #[pallet::constant]
        type PalletId: Get<PalletId>;
    }

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

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
    /// Amounts.
    #[pallet::storage]
    pub type Amount<T> = StorageValue<_, Amounts, OptionQuery>;
    /// All that was ever minted.
    #[pallet::storage]
    pub type Minted<T> = StorageValue<_, Balance, ValueQuery>;
    /// All that was ever burned, fees and dust included: issuance = genesis + Minted - Burned.
    #[pallet::storage]
    pub type Burned<T> = StorageValue<_, Balance, ValueQuery>;

    // ---- randomness

    /// seed(b) of the last 256 blocks.
    #[pallet::storage]
    pub type Seeds<T> = StorageMap<_, Twox64Concat, Block, H256, OptionQuery>;
    /// v of `set_seed`.
    #[pallet::storage]
    pub type SeedOverride<T> = StorageValue<_, H256, OptionQuery>;
    /// Era(r) of the last eras.
    #[pallet::storage]
    pub type Eras<T> = StorageMap<_, Twox64Concat, Era, EraInfo, OptionQuery>;

    // ---- peers and offers

    #[pallet::storage]
    pub type Peers<T> = StorageMap<_, Blake2_128Concat, AccountId32, Peer, OptionQuery>;
    /// Every key ever bound, and by whom.
    #[pallet::storage]
    pub type Keys<T> = StorageMap<_, Blake2_128Concat, Key, AccountId32, OptionQuery>;
    #[pallet::storage]
    pub type Hosters<T> = StorageMap<_, Blake2_128Concat, AccountId32, Hoster, OptionQuery>;
    #[pallet::storage]
    pub type HosterCount<T> = StorageValue<_, u32, ValueQuery>;
    #[pallet::storage]
    pub type Encoders<T> = StorageMap<_, Blake2_128Concat, AccountId32, Encoder, OptionQuery>;
    #[pallet::storage]
    pub type EncoderCount<T> = StorageValue<_, u32, ValueQuery>;
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
    #[pallet::storage]
    pub type HoleCount<T> = StorageValue<_, u32, ValueQuery>;

    // ---- draw tables

    #[pallet::storage]
    pub type HosterDraws<T> = StorageMap<_, Blake2_128Concat, AccountId32, HosterDraw, OptionQuery>;
    /// Nodes: 0 is the root, the children of n are 64 n + 1 .. 64 n + 64.
    #[pallet::storage]
    pub type HosterNodes<T> = StorageMap<_, Twox64Concat, u32, Node, OptionQuery>;
    #[pallet::storage]
    pub type HosterSlots<T> = StorageMap<_, Twox64Concat, u32, AccountId32, OptionQuery>;
    #[pallet::storage]
    pub type EncoderDraws<T> = StorageMap<_, Blake2_128Concat, AccountId32, EncoderDraw, OptionQuery>;
    #[pallet::storage]
    pub type EncoderNodes<T> = StorageMap<_, Twox64Concat, u32, Node, OptionQuery>;
    #[pallet::storage]
    pub type EncoderSlots<T> = StorageMap<_, Twox64Concat, u32, AccountId32, OptionQuery>;
    /// A hoster's copies table.
    #[pallet::storage]
    pub type CopyNodes<T> = StorageDoubleMap<_, Blake2_128Concat, AccountId32, Twox64Concat, u32, Node, OptionQuery>;
    #[pallet::storage]
    pub type CopySlots<T> = StorageDoubleMap<_, Blake2_128Concat, AccountId32, Twox64Concat, u32, CopyId, OptionQuery>;
    /// Hosters that store something: places 0 .. StoringCount.
    #[pallet::storage]
    pub type Storing<T> = StorageMap<_, Twox64Concat, u32, AccountId32, OptionQuery>;
    #[pallet::storage]
    pub type StoringCount<T> = StorageValue<_, u32, ValueQuery>;
    /// Changes of the draw tables that are due in a block.
    #[pallet::storage]
    pub type Changes<T> = StorageMap<_, Twox64Concat, Block, BoundedVec<Change, ConstU32<MAX_CHANGES>>, ValueQuery>;

    // ---- plans and copies

    #[pallet::storage]
    pub type NextPlan<T> = StorageValue<_, PlanId, ValueQuery>;
    #[pallet::storage]
    pub type NextCopy<T> = StorageValue<_, CopyId, ValueQuery>;
    #[pallet::storage]
    pub type NextSegment<T> = StorageValue<_, SegmentId, ValueQuery>;
    #[pallet::storage]
    pub type Plans<T> = StorageMap<_, Twox64Concat, PlanId, Plan, OptionQuery>;
    /// The roots of a plan's head, left to right.
    #[pallet::storage]
    pub type Roots<T> = StorageMap<_, Twox64Concat, PlanId, BoundedVec<Root, MaxRoots>, OptionQuery>;
    #[pallet::storage]
    pub type Shares<T> = StorageDoubleMap<_, Twox64Concat, PlanId, Blake2_128Concat, AccountId32, Balance, OptionQuery>;
    #[pallet::storage]
    pub type Copies<T> = StorageMap<_, Twox64Concat, CopyId, Copy, OptionQuery>;
    #[pallet::storage]
    pub type Segments<T> = StorageMap<_, Twox64Concat, SegmentId, Segment, OptionQuery>;
    /// N of a segment, big endian.
    #[pallet::storage]
    pub type Moduli<T> = StorageMap<_, Twox64Concat, SegmentId, Sector, OptionQuery>;
    /// H(N) of every modulus ever begun with.
    #[pallet::storage]
    pub type UsedModuli<T> = StorageMap<_, Identity, H256, SegmentId, OptionQuery>;
    /// `begin_segment` calls in this block.
    #[pallet::storage]
    pub type Begins<T> = StorageValue<_, u32, ValueQuery>;
    /// The FIFO of needs.
    #[pallet::storage]
    pub type Needs<T> = StorageMap<_, Twox64Concat, u64, Need, OptionQuery>;
    #[pallet::storage]
    pub type NeedQueue<T> = StorageValue<_, Fifo, ValueQuery>;

    // ---- challenges and deadlines

    #[pallet::storage]
    pub type StorageChallenges<T> = StorageMap<_, Blake2_128Concat, AccountId32, StorageChallenge, OptionQuery>;
    #[pallet::storage]
    pub type Retrievals<T> = StorageDoubleMap<_, Twox64Concat, Era, Twox64Concat, CopyId, Retrieval, OptionQuery>;
    #[pallet::storage]
    pub type Deadlines<T> = StorageDoubleMap<_, Twox64Concat, Wait, Twox64Concat, u64, Deadline, OptionQuery>;
    #[pallet::storage]
    pub type DeadlineQueues<T> = StorageMap<_, Twox64Concat, Wait, Fifo, ValueQuery>;

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

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        #[codec(index = 0)]
        PeerRegistered { account: AccountId32, swarm_key: Key, statement_key: Key },
        /// `capacity`: as applied; `collateral`: all that is held.
        #[codec(index = 1)]
        HostingOffered {
            account: AccountId32,
            capacity: u64,
            ask_disk: Balance,
            ask_receiving: Balance,
            collateral: Balance,
        },
        #[codec(index = 2)]
        EncodingOffered { account: AccountId32, ask: Balance, bond: Balance },
        /// `slots`: all that it has now.
        #[codec(index = 3)]
        AttestingOffered { account: AccountId32, ask: Balance, anchor: H256, slots: u32 },
        #[codec(index = 4)]
        OfferWithdrawn { account: AccountId32, role: Role },
        #[codec(index = 5)]
        Released { account: AccountId32, role: Role, amount: Balance },
        #[codec(index = 6)]
        SlotFreed { account: AccountId32, slot: u32, amount: Balance },
        #[codec(index = 7)]
        PlanPublished { plan: PlanId, sponsor: AccountId32, feed: Key, bytes: u64, pot: Balance },
        #[codec(index = 8)]
        Donated { plan: PlanId, account: AccountId32, amount: Balance, shares: Balance },
        /// `end_plan`: it ends in `block`.
        #[codec(index = 9)]
        PlanEnding { plan: PlanId, block: Block },
        /// The pot could not pay the tick in `block` as things are.
        #[codec(index = 10)]
        PotLow { plan: PlanId, block: Block },
        #[codec(index = 11)]
        PlanEnded { plan: PlanId, reason: PlanEnd },
        #[codec(index = 12)]
        PlanClaimable { plan: PlanId, remainder: Balance },
        #[codec(index = 13)]
        Refunded { plan: PlanId, account: AccountId32, amount: Balance },
        /// The last share was claimed.
        #[codec(index = 14)]
        PlanClosed { plan: PlanId },
        #[codec(index = 15)]
        CopyOffered { copy: CopyId, plan: PlanId, hoster: AccountId32 },
        #[codec(index = 16)]
        CopyAccepted { copy: CopyId },
        #[codec(index = 17)]
        EncoderDrawn { copy: CopyId, encoder: AccountId32 },
        #[codec(index = 18)]
        BeginMissed { copy: CopyId, encoder: AccountId32, burned: Balance },
        /// The salt is drawn in `salt_block`.
        #[codec(index = 19)]
        SegmentBegun { copy: CopyId, segment: SegmentId, encoder: AccountId32, pk_hash: H256, salt_block: Block },
        #[codec(index = 20)]
        SaltDrawn { copy: CopyId, segment: SegmentId, chain_rand: H256, salt: H256 },
        #[codec(index = 21)]
        SegmentConfirmed { copy: CopyId, segment: SegmentId, first_byte: u64, bytes: u64, sectors: u64, root: H256 },
        #[codec(index = 22)]
        CopyActive { copy: CopyId },
        /// Burned from the hoster's collateral, the encoder's bond and the pot.
        #[codec(index = 23)]
        Stalled {
            copy: CopyId,
            hoster: AccountId32,
            encoder: AccountId32,
            collateral: Balance,
            bond: Balance,
            pot: Balance,
        },
        #[codec(index = 24)]
        CopyEnded { copy: CopyId, reason: CopyEnd },
        #[codec(index = 25)]
        CopyStruck { copy: CopyId, strikes: u32 },
        /// Its records are gone.
        #[codec(index = 26)]
        CopyRemoved { copy: CopyId },
        #[codec(index = 27)]
        StorageChallenged { hoster: AccountId32, issued: Block, samples: u32 },
        #[codec(index = 28)]
        StorageProved { hoster: AccountId32, issued: Block, reputation: u32 },
        #[codec(index = 29)]
        StorageMissed { hoster: AccountId32, issued: Block, reputation: u32 },
        #[codec(index = 30)]
        RetrievalCommitted { era: Era, copy: CopyId, account: AccountId32 },
        #[codec(index = 31)]
        RetrievalRevealed { era: Era, copy: CopyId, account: AccountId32, report: Report },
        #[codec(index = 32)]
        SeatEmptyHanded { era: Era, copy: CopyId, account: AccountId32, slot: u32, burned: Balance },
        /// Medians are 0 unless passed.
        #[codec(index = 33)]
        RetrievalSettled {
            era: Era,
            copy: CopyId,
            verdict: Verdict,
            reports: u32,
            fails: u32,
            latency_ms: u32,
            kib_per_s: u32,
        },
        /// Minted to the account, and burned from the copy's reserve alike.
        #[codec(index = 34)]
        Paid { copy: CopyId, account: AccountId32, amount: Balance, what: Payment },
        #[codec(index = 35)]
        ParametersSet { amounts: Amounts },
        #[codec(index = 36)]
        SeedSet { value: H256 },
        #[codec(index = 37)]
        SeedUnset,
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The account has not registered.
        #[codec(index = 0)]
        NotAPeer,
        #[codec(index = 1)]
        AlreadyAPeer,
        /// A key that is or was bound, or both keys are the same.
        #[codec(index = 2)]
        KeyBound,
        /// A key or a signature's R is of small order.
        #[codec(index = 3)]
        SmallOrderKey,
        #[codec(index = 4)]
        BadSignature,
        /// The account cannot spend that and keep the existential deposit.
        #[codec(index = 5)]
        InsufficientBalance,
        /// An ask, cap, price or parameter above 10^24.
        #[codec(index = 6)]
        AmountTooLarge,
        /// 256 changes of the draw tables wait for that block already: try in the next one.
        #[codec(index = 7)]
        TooManyChanges,
        /// A draw table has no free slot.
        #[codec(index = 8)]
        TableFull,
        /// There is no such offer, or it is withdrawn already.
        #[codec(index = 9)]
        NoOffer,
        /// Withdraw first.
        #[codec(index = 10)]
        OfferOpen,
        /// The role was left less than three eras ago.
        #[codec(index = 11)]
        TooEarly,
        /// A job, a second half or a copy's record is left.
        #[codec(index = 12)]
        StillBound,
        /// More than 16 slots, or none.
        #[codec(index = 13)]
        BadSlotCount,
        /// Not exactly a single signer's manifest of version 0 or 1.
        #[codec(index = 14)]
        BadManifest,
        /// The manifest's hash is not the feed's key.
        #[codec(index = 15)]
        WrongFeedKey,
        /// Fork, length or sizes out of range, or not the roots of that length.
        #[codec(index = 16)]
        BadHead,
        /// None, too long, not ascending, touching or outside the feed.
        #[codec(index = 17)]
        BadRanges,
        /// The opened nodes are not exactly those that prove the ranges' bytes.
        #[codec(index = 18)]
        BadNodes,
        /// No byte, or more than 256 GiB.
        #[codec(index = 19)]
        BadPlanSize,
        /// Replicas not 1 to 16, or `until` past or too far.
        #[codec(index = 20)]
        BadTerms,
        /// Less than the reserves of all replicas at the caps for one era.
        #[codec(index = 21)]
        PotTooSmall,
        #[codec(index = 22)]
        NoSuchPlan,
        #[codec(index = 23)]
        NotSponsor,
        #[codec(index = 24)]
        PlanNotLive,
        /// `end_plan` was called before.
        #[codec(index = 25)]
        AlreadyEnding,
        #[codec(index = 26)]
        DonationTooSmall,
        /// V x 10^6 < S.
        #[codec(index = 27)]
        PotExhausted,
        /// The remainder is not fixed yet.
        #[codec(index = 28)]
        NotClaimable,
        #[codec(index = 29)]
        NoShares,
        #[codec(index = 30)]
        NoSuchCopy,
        /// Not the copy's hoster or its drawn encoder, whichever must call.
        #[codec(index = 31)]
        NotParty,
        /// The copy's state does not allow that.
        #[codec(index = 32)]
        WrongState,
        /// Eight in this era already.
        #[codec(index = 33)]
        TooManyDeclines,
        #[codec(index = 34)]
        BadProfile,
        /// Out of bound, even, or with a prime factor below 4096.
        #[codec(index = 35)]
        BadModulus,
        #[codec(index = 36)]
        ModulusUsed,
        /// 32 in this block already.
        #[codec(index = 37)]
        TooManyBegins,
        /// Not the copy's current segment.
        #[codec(index = 38)]
        WrongSegment,
        /// Neither the rest nor a partial segment's length.
        #[codec(index = 39)]
        BadSegmentBytes,
        #[codec(index = 40)]
        TooManySegments,
        /// No storage challenge is open.
        #[codec(index = 41)]
        NoChallenge,
        /// The open challenge was issued in another block.
        #[codec(index = 42)]
        WrongChallenge,
        /// Not one opening per sample.
        #[codec(index = 43)]
        WrongOpeningCount,
        /// A sector with its siblings does not lead to its segment's root.
        #[codec(index = 44)]
        BadOpening,
        #[codec(index = 45)]
        OutsideWindow,
        /// The copy was not active before that era, or not until its end.
        #[codec(index = 46)]
        NotUnderTest,
        #[codec(index = 47)]
        NoSeat,
        #[codec(index = 48)]
        AlreadyCommitted,
        #[codec(index = 49)]
        NotCommitted,
        #[codec(index = 50)]
        AlreadyRevealed,
        /// `served` is neither 0 nor 1, or an opening is missing or not wanted.
        #[codec(index = 51)]
        BadReport,
        /// The link does not lead to the last one, or is another than this era's.
        #[codec(index = 52)]
        BadLink,
        /// The reveal is not what was committed.
        #[codec(index = 53)]
        CommitMismatch,
        #[codec(index = 54)]
        AlreadySettled,
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
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::check_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Binds a swarm key and a statement key to the account; both signed `bind`. Burns the peer fee.
        #[pallet::call_index(0)]
        #[pallet::weight(weights::register_peer())]
        pub fn register_peer(
            origin: OriginFor<T>,
            swarm_key: Key,
            statement_key: Key,
            swarm_signature: Signature,
            statement_signature: Signature,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_register_peer(who, swarm_key, statement_key, swarm_signature, statement_signature)
        }

        /// Offers `capacity` bytes, or renews the offer; fills the collateral up to its due.
        #[pallet::call_index(1)]
        #[pallet::weight(weights::offer())]
        pub fn offer_hosting(
            origin: OriginFor<T>,
            capacity: u64,
            ask_disk: Balance,
            ask_receiving: Balance,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_offer_hosting(who, capacity, ask_disk, ask_receiving)
        }

        /// Offers encoding, or renews the offer; fills the bond up to its due.
        #[pallet::call_index(2)]
        #[pallet::weight(weights::offer())]
        pub fn offer_encoding(origin: OriginFor<T>, ask: Balance) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_offer_encoding(who, ask)
        }

        /// Takes `slots` more slots at `ask` per report. Another anchor than the last counts all the account's slots as
        /// taken in this era.
        #[pallet::call_index(3)]
        #[pallet::weight(weights::offer_attesting())]
        pub fn offer_attesting(origin: OriginFor<T>, ask: Balance, anchor: H256, slots: u32) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_offer_attesting(who, ask, anchor, slots)
        }

        /// No new draws; for attesting, gives all slots back.
        #[pallet::call_index(4)]
        #[pallet::weight(weights::offer_attesting())]
        pub fn withdraw_offer(origin: OriginFor<T>, role: Role) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_withdraw_offer(who, role)
        }

        /// Frees the hold of hosting or encoding, three eras after the role was left.
        #[pallet::call_index(5)]
        #[pallet::weight(weights::offer())]
        pub fn release(origin: OriginFor<T>, role: Role) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_release(who, role)
        }

        /// Publishes a plan for block ranges of a feed and fills its pot.
        #[pallet::call_index(6)]
        #[pallet::weight(weights::publish_plan())]
        pub fn publish_plan(
            origin: OriginFor<T>,
            head: SignedHead,
            ranges: BoundedVec<BlockRange, MaxRanges>,
            nodes: BoundedVec<OpenedNode, MaxNodes>,
            terms: Terms,
            pot: Balance,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_publish_plan(who, head, ranges.into_inner(), nodes.into_inner(), terms, pot)
        }

        /// Adds to a plan's pot, for shares of what will be left.
        #[pallet::call_index(7)]
        #[pallet::weight(weights::money())]
        pub fn donate(origin: OriginFor<T>, plan: PlanId, amount: Balance) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_donate(who, plan, amount)
        }

        /// By the sponsor: the plan ends `EndNotice` blocks later.
        #[pallet::call_index(8)]
        #[pallet::weight(weights::money())]
        pub fn end_plan(origin: OriginFor<T>, plan: PlanId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_end_plan(who, plan)
        }

        /// By the hoster of a copy that was just offered.
        #[pallet::call_index(9)]
        #[pallet::weight(weights::decline_copy())]
        pub fn decline_copy(origin: OriginFor<T>, copy: CopyId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_decline_copy(who, copy)
        }

        /// By the drawn encoder: commits a fresh modulus (big endian); the salt is drawn `SeedDelay` blocks later.
        #[pallet::call_index(10)]
        #[pallet::weight(weights::begin_segment())]
        pub fn begin_segment(origin: OriginFor<T>, copy: CopyId, modulus: Sector, profile: u8) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_begin_segment(who, copy, modulus, profile)
        }

        /// By hoster or encoder, with the statement `segment` signed by the other.
        #[pallet::call_index(11)]
        #[pallet::weight((weights::confirm_segment(), DispatchClass::Operational))]
        pub fn confirm_segment(
            origin: OriginFor<T>,
            copy: CopyId,
            segment: SegmentId,
            bytes: u64,
            root: H256,
            signature: Signature,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_confirm_segment(who, copy, segment, bytes, root, signature)?;
            Ok(Pays::No.into())
        }

        /// By a challenged hoster: one opening per sample, in the challenge's order.
        #[pallet::call_index(12)]
        #[pallet::weight((weights::submit_storage_proof(), DispatchClass::Operational))]
        pub fn submit_storage_proof(
            origin: OriginFor<T>,
            issued: Block,
            openings: BoundedVec<Opening, MaxSamples>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_submit_storage_proof(who, issued, openings.into_inner())?;
            Ok(Pays::No.into())
        }

        /// By an attester with a seat for (era, copy): H of its report; final.
        #[pallet::call_index(13)]
        #[pallet::weight((weights::retrieval(), DispatchClass::Operational))]
        pub fn commit_retrieval(
            origin: OriginFor<T>,
            era: Era,
            copy: CopyId,
            commit: H256,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_commit_retrieval(who, era, copy, commit)?;
            Ok(Pays::No.into())
        }

        /// Opens a commit: the report, the era's link, and, if served, the encoded sector with its siblings.
        #[pallet::call_index(14)]
        #[pallet::weight((weights::retrieval(), DispatchClass::Operational))]
        pub fn reveal_retrieval(
            origin: OriginFor<T>,
            era: Era,
            copy: CopyId,
            report: Report,
            link: H256,
            salt: H256,
            opening: Option<Opening>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_reveal_retrieval(who, era, copy, report, link, salt, opening)?;
            Ok(Pays::No.into())
        }

        /// By anyone: the verdict of (era, copy), and its payments.
        #[pallet::call_index(15)]
        #[pallet::weight(weights::settle_retrieval())]
        pub fn settle_retrieval(origin: OriginFor<T>, era: Era, copy: CopyId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_settle_retrieval(era, copy)
        }

        /// By anyone: pays the hoster what the copy earned.
        #[pallet::call_index(16)]
        #[pallet::weight(weights::money())]
        pub fn collect(origin: OriginFor<T>, copy: CopyId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_collect(copy)
        }

        /// By a donor: its part of an ended plan's remainder.
        #[pallet::call_index(17)]
        #[pallet::weight(weights::money())]
        pub fn claim_refund(origin: OriginFor<T>, plan: PlanId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_claim_refund(who, plan)
        }

        /// By root: amounts only.
        #[pallet::call_index(18)]
        #[pallet::weight(weights::root())]
        pub fn set_parameters(origin: OriginFor<T>, amounts: Amounts) -> DispatchResult {
            ensure_root(origin)?;
            ensure!(amounts.valid(), Error::<T>::AmountTooLarge);
            Amount::<T>::put(amounts);
            Self::deposit_event(Event::ParametersSet { amounts });
            Ok(())
        }

        /// By root, for development: from the next block on seed(b) = H(value | u64 b).
        #[pallet::call_index(19)]
        #[pallet::weight(weights::root())]
        pub fn set_seed(origin: OriginFor<T>, value: H256) -> DispatchResult {
            ensure_root(origin)?;
            SeedOverride::<T>::put(value);
            Self::deposit_event(Event::SeedSet { value });
            Ok(())
        }

        /// By root: the randomness source again.
        #[pallet::call_index(20)]
        #[pallet::weight(weights::root())]
        pub fn unset_seed(origin: OriginFor<T>) -> DispatchResult {
            ensure_root(origin)?;
            SeedOverride::<T>::kill();
            Self::deposit_event(Event::SeedUnset);
            Ok(())
        }
    }
}
