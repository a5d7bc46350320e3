//! The events of the pallet; their indices are part of the specification.

use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod events {
    /// What happened in a block.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// An account bound its keys.
        #[codec(index = 0)]
        PeerRegistered { account: AccountId32, swarm_key: Key, statement_key: Key },
        /// Hosting was offered, or the offer renewed; `capacity`: as applied; `collateral`: all that is held.
        #[codec(index = 1)]
        HostingOffered {
            account: AccountId32,
            capacity: u64,
            ask_disk: Balance,
            ask_receiving: Balance,
            collateral: Balance,
        },
        /// Encoding was offered, or the offer renewed; `bond`: all that is held.
        #[codec(index = 2)]
        EncodingOffered { account: AccountId32, ask: Balance, bond: Balance },
        /// Slots were taken, or the anchor changed; `slots`: all that the account has now.
        #[codec(index = 3)]
        AttestingOffered { account: AccountId32, ask: Balance, anchor: H256, slots: u32 },
        /// A role gets no new draws; attesting: all slots were given back.
        #[codec(index = 4)]
        OfferWithdrawn { account: AccountId32, role: Role },
        /// The hold of a role that was left is free.
        #[codec(index = 5)]
        Released { account: AccountId32, role: Role, amount: Balance },
        /// A slot that was given back is a hole; its bond returned.
        #[codec(index = 6)]
        SlotFreed { account: AccountId32, slot: u32, amount: Balance },
        /// A plan was published; `bytes`: of its copy stream.
        #[codec(index = 7)]
        PlanPublished { plan: PlanId, sponsor: AccountId32, feed: Key, bytes: u64, pot: Balance },
        /// A plan's pot was added to, for shares.
        #[codec(index = 8)]
        Donated { plan: PlanId, account: AccountId32, amount: Balance, shares: Balance },
        /// The sponsor called `end_plan`: the plan ends in `block`.
        #[codec(index = 9)]
        PlanEnding { plan: PlanId, block: Block },
        /// The pot could not pay the tick in `block` as things are.
        #[codec(index = 10)]
        PotLow { plan: PlanId, block: Block },
        /// A plan ended, and with it its copies.
        #[codec(index = 11)]
        PlanEnded { plan: PlanId, reason: PlanEnd },
        /// What is left for the donors is fixed.
        #[codec(index = 12)]
        PlanClaimable { plan: PlanId, remainder: Balance },
        /// A donor claimed its part of an ended plan's remainder.
        #[codec(index = 13)]
        Refunded { plan: PlanId, account: AccountId32, amount: Balance },
        /// The last share was claimed: the plan is gone.
        #[codec(index = 14)]
        PlanClosed { plan: PlanId },
        /// A hoster was drawn: it may decline.
        #[codec(index = 15)]
        CopyOffered { copy: CopyId, plan: PlanId, hoster: AccountId32 },
        /// The hoster did not decline: an encoder is wanted.
        #[codec(index = 16)]
        CopyAccepted { copy: CopyId },
        /// An encoder was drawn: it must begin a segment.
        #[codec(index = 17)]
        EncoderDrawn { copy: CopyId, encoder: AccountId32 },
        /// The encoder did not begin: it is fined and out, another is drawn.
        #[codec(index = 18)]
        BeginMissed { copy: CopyId, encoder: AccountId32, burned: Balance },
        /// An encoder began a segment; the salt is drawn in `salt_block`.
        #[codec(index = 19)]
        SegmentBegun { copy: CopyId, segment: SegmentId, encoder: AccountId32, pk_hash: H256, salt_block: Block },
        /// A segment can be encoded.
        #[codec(index = 20)]
        SaltDrawn { copy: CopyId, segment: SegmentId, chain_rand: H256, salt: H256 },
        /// Hoster and encoder agree on a segment.
        #[codec(index = 21)]
        SegmentConfirmed { copy: CopyId, segment: SegmentId, first_byte: u64, bytes: u64, sectors: u64, root: H256 },
        /// The last segment was confirmed: the copy is whole.
        #[codec(index = 22)]
        CopyActive { copy: CopyId },
        /// The lease passed; `collateral`, `bond` and `pot` are what was burned of each.
        #[codec(index = 23)]
        Stalled {
            copy: CopyId,
            hoster: AccountId32,
            encoder: AccountId32,
            collateral: Balance,
            bond: Balance,
            pot: Balance,
        },
        /// A copy ended; its records stay for three eras.
        #[codec(index = 24)]
        CopyEnded { copy: CopyId, reason: CopyEnd },
        /// A copy failed a challenge; `strikes`: all that it has.
        #[codec(index = 25)]
        CopyStruck { copy: CopyId, strikes: u32 },
        /// The records of an ended copy are gone.
        #[codec(index = 26)]
        CopyRemoved { copy: CopyId },
        /// A hoster must prove some of its sectors.
        #[codec(index = 27)]
        StorageChallenged { hoster: AccountId32, issued: Block, samples: u32 },
        /// The hoster proved them.
        #[codec(index = 28)]
        StorageProved { hoster: AccountId32, issued: Block, reputation: u32 },
        /// The hoster did not prove them in time.
        #[codec(index = 29)]
        StorageMissed { hoster: AccountId32, issued: Block, reputation: u32 },
        /// An attester fixed its report.
        #[codec(index = 30)]
        RetrievalCommitted { era: Era, copy: CopyId, account: AccountId32 },
        /// An attester showed its report.
        #[codec(index = 31)]
        RetrievalRevealed { era: Era, copy: CopyId, account: AccountId32, report: Report },
        /// A seat had no valid report; `burned`: of the bond of its slot.
        #[codec(index = 32)]
        SeatEmptyHanded { era: Era, copy: CopyId, account: AccountId32, slot: u32, burned: Balance },
        /// A retrieval challenge has its verdict; the medians are 0 unless it passed.
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
        /// Money was minted to the account, and burned from the copy's reserve alike.
        #[codec(index = 34)]
        Paid { copy: CopyId, account: AccountId32, amount: Balance, what: Payment },
        /// Root changed the amounts.
        #[codec(index = 35)]
        ParametersSet { amounts: Amounts },
        /// Root set the seed: it is no longer random.
        #[codec(index = 36)]
        SeedSet { value: H256 },
        /// The seed is random again.
        #[codec(index = 37)]
        SeedUnset,
        /// A hoster did not answer in time; `step`: 1 or 2; `due`: the last block in which it may still.
        #[codec(index = 38)]
        HosterOverdue { hoster: AccountId32, issued: Block, step: u8, due: Block },
        /// A hoster owes no proof any more, or was swept.
        #[codec(index = 39)]
        HosterCleared { hoster: AccountId32 },
        /// A hoster did not answer at all: its copies end.
        #[codec(index = 40)]
        HosterEvicted { hoster: AccountId32 },
        /// A copy cost its hoster a part of the collateral: burned, and given to the plan's pot.
        #[codec(index = 41)]
        Forfeited { copy: CopyId, account: AccountId32, burned: Balance, pot: Balance },
        /// A copy follows its plan, which became longer; `sectors`: how many more.
        #[codec(index = 42)]
        GrowthBegun { copy: CopyId, bytes: u64, sectors: u64 },
        /// A copy did not become longer: it stays as it was.
        #[codec(index = 43)]
        GrowthLeft { copy: CopyId },
        /// A live plan follows a longer head; `bytes`: of its copy stream.
        #[codec(index = 44)]
        HeadUpdated { plan: PlanId, length: u64, bytes: u64 },
        /// A plan wants nothing before its next tick.
        #[codec(index = 45)]
        PlanWaits { plan: PlanId },
        /// A copy is to be replaced, and ends in `block` at the latest; 0: only when it is replaced.
        #[codec(index = 46)]
        CopyLeaving { copy: CopyId, block: Block },
        /// What the sponsor's ratio added to `base`, which its plan paid.
        #[codec(index = 47)]
        Surcharged { plan: PlanId, base: Balance, amount: Balance },
        /// The sponsor changed the terms.
        #[codec(index = 48)]
        PlanAmended { plan: PlanId, terms: Terms },
        /// A drawn encoder cannot get the feed.
        #[codec(index = 49)]
        JobDeclined { copy: CopyId, encoder: AccountId32 },
        /// A hoster may be away in blocks start + 1 ..= end.
        #[codec(index = 50)]
        HosterPaused { account: AccountId32, start: Block, end: Block },
        /// A plan found no hoster; it asks again at its next tick.
        #[codec(index = 51)]
        NeedSleeps { plan: PlanId },
        /// A feed's owner signed two histories: no plan of it goes on.
        #[codec(index = 52)]
        FeedIsFrozen { feed: Key },
        /// A report of an invalid encoding was committed to.
        #[codec(index = 53)]
        ReportCommitted { account: AccountId32, hash: H256 },
        /// A sector does not decode to the feed; `taken` of hoster and encoder, `reward` of it to the reporter.
        #[codec(index = 54)]
        EncodingReported { copy: CopyId, segment: SegmentId, account: AccountId32, taken: Balance, reward: Balance },
        /// A commit or a reveal was not taken, while others of its call were; `error`: the number of the pallet's error.
        #[codec(index = 55)]
        RetrievalRefused { era: Era, copy: CopyId, account: AccountId32, error: u8 },
        /// A slot of which less than half of its bond was left after a silent seat counts as given back.
        #[codec(index = 56)]
        SlotTakenBack { account: AccountId32, slot: u32 },
        /// A peer has another swarm key; `old_key`, which nobody else can bind, is not its own any more.
        #[codec(index = 57)]
        SwarmKeyRotated { account: AccountId32, old_key: Key, swarm_key: Key },
        /// A peer has another operator, or none.
        #[codec(index = 58)]
        OperatorSet { account: AccountId32, operator: Option<AccountId32> },
    }
}
