//! The errors of the pallet; their indices are part of the specification.

use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod errors {
    /// Why a call failed.
    #[pallet::error]
    pub enum Error<T> {
        /// The account has not registered.
        #[codec(index = 0)]
        NotAPeer,
        /// The account has registered before.
        #[codec(index = 1)]
        AlreadyAPeer,
        /// A key that is or was bound, or both keys are the same.
        #[codec(index = 2)]
        KeyBound,
        /// A key or a signature's R is of small order.
        #[codec(index = 3)]
        SmallOrderKey,
        /// The signature is not one of that key over what must be signed.
        #[codec(index = 4)]
        BadSignature,
        /// The account cannot spend that and keep the existential deposit.
        #[codec(index = 5)]
        InsufficientBalance,
        /// An ask, cap, price or parameter above what is allowed.
        #[codec(index = 6)]
        AmountTooLarge,
        /// 256 changes of the draw tables wait for that block already, or 64 of offers: try in the next one.
        #[codec(index = 7)]
        TooManyChanges,
        /// A draw table has no free slot.
        #[codec(index = 8)]
        TableFull,
        /// There is no such offer, or it is withdrawn already.
        #[codec(index = 9)]
        NoOffer,
        /// The offer stands: withdraw it first.
        #[codec(index = 10)]
        OfferOpen,
        /// The role was left less than three eras ago, or the last segment was confirmed less than 14 eras ago.
        #[codec(index = 11)]
        TooEarly,
        /// A job, a second half, a copy's record or an overdue proof is left.
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
        /// No range, too many, or one that is empty, touching the one before it, not after it, or outside the feed; or the
        /// last of a live plan ends before the feed.
        #[codec(index = 17)]
        BadRanges,
        /// The opened nodes are not exactly those that prove the ranges' bytes.
        #[codec(index = 18)]
        BadNodes,
        /// No byte, or more than 256 GiB.
        #[codec(index = 19)]
        BadPlanSize,
        /// Replicas not 1 to 16, `until` past or too far, a reputation above 10^6, or a region that is none.
        #[codec(index = 20)]
        BadTerms,
        /// Less than what the pot keeps for the reserves of all replicas at the caps for one era.
        #[codec(index = 21)]
        PotTooSmall,
        /// There is no such plan, or it is closed.
        #[codec(index = 22)]
        NoSuchPlan,
        /// Only the plan's sponsor may do that.
        #[codec(index = 23)]
        NotSponsor,
        /// The plan has ended.
        #[codec(index = 24)]
        PlanNotLive,
        /// The plan is ending already.
        #[codec(index = 25)]
        AlreadyEnding,
        /// Less than the smallest donation.
        #[codec(index = 26)]
        DonationTooSmall,
        /// The pot is worth less than a millionth of a millionth of its shares.
        #[codec(index = 27)]
        PotExhausted,
        /// The remainder is not fixed yet.
        #[codec(index = 28)]
        NotClaimable,
        /// The account has no shares of the plan, or claimed before.
        #[codec(index = 29)]
        NoShares,
        /// There is no such copy, or its records are gone.
        #[codec(index = 30)]
        NoSuchCopy,
        /// Not the copy's hoster or its drawn encoder, whichever must call.
        #[codec(index = 31)]
        NotParty,
        /// The copy's state does not allow that.
        #[codec(index = 32)]
        WrongState,
        /// The hoster declined eight copies, or the encoder eight jobs, in this era.
        #[codec(index = 33)]
        TooManyDeclines,
        /// There is no such profile of the encoding.
        #[codec(index = 34)]
        BadProfile,
        /// The modulus is out of bound, even, or has a prime factor below 4096.
        #[codec(index = 35)]
        BadModulus,
        /// A segment was begun with that modulus before.
        #[codec(index = 36)]
        ModulusUsed,
        /// 16 segments were begun in this block: try in the next one.
        #[codec(index = 37)]
        TooManyBegins,
        /// Not the copy's current segment.
        #[codec(index = 38)]
        WrongSegment,
        /// Neither the rest, nor a partial segment's length, nor a checkpoint's.
        #[codec(index = 39)]
        BadSegmentBytes,
        /// The copy has 256 segments: the last must be the rest.
        #[codec(index = 40)]
        TooManySegments,
        /// No storage challenge is open.
        #[codec(index = 41)]
        NoChallenge,
        /// The open challenge was issued in another block.
        #[codec(index = 42)]
        WrongChallenge,
        /// Not one sector per sample.
        #[codec(index = 43)]
        WrongSectorCount,
        /// A sector with its siblings does not lead to its segment's root.
        #[codec(index = 44)]
        BadOpening,
        /// The window of blocks is not open.
        #[codec(index = 45)]
        OutsideWindow,
        /// The copy was not active before that era, or not until its end.
        #[codec(index = 46)]
        NotUnderTest,
        /// The account has no seat in that committee, or lost it.
        #[codec(index = 47)]
        NoSeat,
        /// The seat has its commit.
        #[codec(index = 48)]
        AlreadyCommitted,
        /// The seat has no commit.
        #[codec(index = 49)]
        NotCommitted,
        /// The seat has its report.
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
        /// The challenge has its verdict.
        #[codec(index = 54)]
        AlreadySettled,
        /// The feed's owner signed two histories: no plan of it goes on.
        #[codec(index = 55)]
        FeedFrozen,
        /// The nodes do not show that the new head extends the plan's.
        #[codec(index = 56)]
        BadExtension,
        /// The head is not longer than the plan's, or of an older fork.
        #[codec(index = 57)]
        HeadNotNewer,
        /// The plan is not live: its ranges are fixed.
        #[codec(index = 58)]
        PlanFixed,
        /// Others gave too much for wider terms.
        #[codec(index = 59)]
        AmendTooWide,
        /// The hoster leaves that copy already.
        #[codec(index = 60)]
        AlreadyLeaving,
        /// The last pause began less than 14 eras ago.
        #[codec(index = 61)]
        PauseTooSoon,
        /// A region is up to three characters of a geohash.
        #[codec(index = 62)]
        BadRegion,
        /// The hash was committed before, or the copy was reported.
        #[codec(index = 63)]
        AlreadyReported,
        /// No report of that hash was committed at least four blocks ago.
        #[codec(index = 64)]
        NoReport,
        /// The evidence does not show what it should.
        #[codec(index = 65)]
        NotProven,
        /// A call of commits or reveals without any.
        #[codec(index = 66)]
        NothingSaid,
        /// The plan has other terms than the donor saw: read them, and give again.
        #[codec(index = 67)]
        TermsChanged,
        /// The caller is not the peer's operator.
        #[codec(index = 68)]
        NotOperator,
        /// An operator does not make such calls.
        #[codec(index = 69)]
        NotOperable,
    }
}
