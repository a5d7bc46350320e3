//! The constants that the metadata shows: the bounds of `types::bounds`, apart from units.

use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod constants {
    #[pallet::extra_constants]
    impl<T: Config> Pallet<T> {
        /// Parts per million: the scale of reputation.
        #[pallet::constant_name(Ppm)]
        fn ppm() -> u32 {
            PPM
        }

        /// Longest copy stream of a plan, in bytes (256 GiB).
        #[pallet::constant_name(MaxPlanBytes)]
        fn max_plan_bytes() -> u64 {
            MAX_PLAN_BYTES
        }

        /// Checkpoints of the shortest partial segment (4 GiB in production).
        #[pallet::constant_name(SegmentCheckpoints)]
        fn segment_checkpoints() -> u32 {
            SEGMENT_CHECKPOINTS
        }

        /// Largest size, length and fork of a hypercore (2^53 - 1).
        #[pallet::constant_name(MaxSafe)]
        fn max_safe() -> u64 {
            MAX_SAFE
        }

        /// Largest ask, cap, price per report and amount parameter.
        #[pallet::constant_name(MaxAmount)]
        fn max_amount() -> Balance {
            MAX_AMOUNT
        }

        /// The only profile: P1 of the encoding.
        #[pallet::constant_name(ProfileP1)]
        fn profile_p1() -> u8 {
            PROFILE_P1
        }

        /// Lowest reputation, in ppm.
        #[pallet::constant_name(MinReputation)]
        fn min_reputation() -> u32 {
            MIN_REPUTATION
        }

        /// Reputation at registration, in ppm.
        #[pallet::constant_name(FirstReputation)]
        fn first_reputation() -> u32 {
            FIRST_REPUTATION
        }

        /// Expiries handled per kind and block, of kinds that have no bound of their own.
        #[pallet::constant_name(Expiries)]
        fn expiries() -> u32 {
            EXPIRIES
        }

        /// What ticks count per block: each plan 1, and 1 for each of its live copies.
        #[pallet::constant_name(Ticks)]
        fn ticks() -> u32 {
            TICKS
        }

        /// Records of settled verdicts that are removed per block.
        #[pallet::constant_name(Removals)]
        fn removals() -> u32 {
            REMOVALS
        }

        /// Placement tries per block for each lane.
        #[pallet::constant_name(Tries)]
        fn tries() -> u32 {
            TRIES
        }

        /// Changes of the draw tables that may wait for one block.
        #[pallet::constant_name(MaxChanges)]
        fn max_changes() -> u32 {
            MAX_CHANGES
        }

        /// Storage challenges issued per block.
        #[pallet::constant_name(Challenges)]
        fn challenges() -> u32 {
            CHALLENGES
        }

        /// `begin_segment` calls per block.
        #[pallet::constant_name(Begins)]
        fn begins() -> u32 {
            BEGINS
        }

        /// Jobs of an encoder at a time.
        #[pallet::constant_name(Jobs)]
        fn jobs() -> u32 {
            JOBS
        }

        /// Live copies of a hoster.
        #[pallet::constant_name(Copies)]
        fn copies() -> u32 {
            COPIES
        }

        /// Declines of a hoster, and declined jobs of an encoder, per era.
        #[pallet::constant_name(Declines)]
        fn declines() -> u32 {
            DECLINES
        }

        /// Misses in a row after which a need goes to the tail.
        #[pallet::constant_name(Misses)]
        fn misses() -> u8 {
            MISSES
        }

        /// Links that one reveal may skip.
        #[pallet::constant_name(MaxLinks)]
        fn max_links() -> u32 {
            MAX_LINKS
        }

        /// Probes that an attester makes of a copy in an era; the chain checks the sector of the first.
        #[pallet::constant_name(Probes)]
        fn probes() -> u8 {
            PROBES
        }

        /// Empty-handed seats that are burned per slot and era, 1 % each.
        #[pallet::constant_name(EmptyHanded)]
        fn empty_handed() -> u32 {
            EMPTY_HANDED
        }

        /// Entries of the draw table of hosters and of that of encoders (64^3).
        #[pallet::constant_name(MaxEntries)]
        fn max_entries() -> u32 {
            MAX_ENTRIES
        }

        /// Blocks for which seeds are kept.
        #[pallet::constant_name(Seeds)]
        fn seeds() -> Block {
            SEEDS
        }

        /// Eras for which Era(r) is kept.
        #[pallet::constant_name(Eras)]
        fn eras() -> Era {
            ERAS
        }

        /// Eras for which an ended copy's records and a given-back slot are kept, and for which a role must be left
        /// before its release.
        #[pallet::constant_name(KeepEras)]
        fn keep_eras() -> u32 {
            KEEP_ERAS
        }

        /// Eras between a confirmation and the second half of its fee.
        #[pallet::constant_name(HalfEras)]
        fn half_eras() -> u32 {
            HALF_ERAS
        }

        /// Eras of reports that a copy's reserve must pay.
        #[pallet::constant_name(ReportEras)]
        fn report_eras() -> u32 {
            REPORT_ERAS
        }

        /// Replicas of a plan.
        #[pallet::constant_name(MaxReplicas)]
        fn max_replicas() -> u32 {
            MAX_REPLICAS
        }

        /// Ranges of blocks of a plan.
        #[pallet::constant_name(MaxRanges)]
        fn max_ranges() -> u32 {
            MAX_RANGES
        }

        /// Segments of a copy.
        #[pallet::constant_name(MaxSegments)]
        fn max_segments() -> u32 {
            MAX_SEGMENTS
        }

        /// Samples of a storage challenge.
        #[pallet::constant_name(MaxSamples)]
        fn max_samples() -> u32 {
            MAX_SAMPLES
        }

        /// Seats of a committee.
        #[pallet::constant_name(MaxSeats)]
        fn max_seats() -> u32 {
            MAX_SEATS
        }

        /// Former parties that a plan remembers.
        #[pallet::constant_name(MaxMemory)]
        fn max_memory() -> u32 {
            MAX_MEMORY
        }

        /// Commits, or reveals, of one call.
        #[pallet::constant_name(MaxRetrievals)]
        fn max_retrievals() -> u32 {
            MAX_RETRIEVALS
        }

        /// Slots of one attester.
        #[pallet::constant_name(MaxSlots)]
        fn max_slots() -> u32 {
            MAX_SLOTS
        }

        /// Eras that a slot remembers, of renewals and of empty-handed seats alike.
        #[pallet::constant_name(MaxRecent)]
        fn max_recent() -> u32 {
            MAX_RECENT
        }

        /// Roots of a hypercore's tree of at most 2^53 - 1 blocks.
        #[pallet::constant_name(MaxRoots)]
        fn max_roots() -> u32 {
            MAX_ROOTS
        }

        /// Tree nodes opened by `publish_plan`: the paths to both ends of 16 ranges.
        #[pallet::constant_name(MaxNodes)]
        fn max_nodes() -> u32 {
            MAX_NODES
        }

        /// Siblings of one sector: 2^30 sectors of a copy are 30 levels.
        #[pallet::constant_name(MaxSiblings)]
        fn max_siblings() -> u32 {
            MAX_SIBLINGS
        }

        /// Siblings of a storage proof: 32 sectors of as many segments, each 30 levels deep, need 960.
        #[pallet::constant_name(MaxProofSiblings)]
        fn max_proof_siblings() -> u32 {
            MAX_PROOF_SIBLINGS
        }

        /// Bytes of a single signer's manifest.
        #[pallet::constant_name(MaxManifest)]
        fn max_manifest() -> u32 {
            MAX_MANIFEST
        }

        /// Least ratio, in ppm; that of a sponsor that is no peer.
        #[pallet::constant_name(MinRatio)]
        fn min_ratio() -> u32 {
            MIN_RATIO
        }

        /// What every account may take, and is taken to have given, before its ratio counts.
        #[pallet::constant_name(Allowance)]
        fn allowance() -> Balance {
            ALLOWANCE
        }

        /// 1 and the margin of 5 %, in ppm.
        #[pallet::constant_name(Margin)]
        fn margin() -> u32 {
            MARGIN
        }

        /// Terms may become wider while others have at most this part of the shares that the sponsor founded.
        #[pallet::constant_name(WideningPart)]
        fn widening_part() -> u32 {
            WIDENING_PART
        }

        /// What a copy forfeits that is lost, does not serve or is left young: the n-th part of its collateral.
        #[pallet::constant_name(DropPart)]
        fn drop_part() -> u128 {
            DROP_PART
        }

        /// What a copy of an evicted hoster forfeits.
        #[pallet::constant_name(EvictionPart)]
        fn eviction_part() -> u128 {
            EVICTION_PART
        }

        /// A slot with less than the n-th part of the bond of an attester is taken back.
        #[pallet::constant_name(SpentPart)]
        fn spent_part() -> u128 {
            SPENT_PART
        }

        /// The part that a reporter gets of what hoster and encoder of an invalid copy lose.
        #[pallet::constant_name(RewardPart)]
        fn reward_part() -> u128 {
            REWARD_PART
        }

        /// Lanes of needs: of plans that have something confirmed, and of the others.
        #[pallet::constant_name(Lanes)]
        fn lanes() -> u8 {
            LANES
        }

        /// Changes of these that offers, withdrawals and releases may fill.
        #[pallet::constant_name(MaxOfferChanges)]
        fn max_offer_changes() -> u32 {
            MAX_OFFER_CHANGES
        }

        /// Copies of an evicted hoster that end per block.
        #[pallet::constant_name(Sweep)]
        fn sweep() -> u32 {
            SWEEP
        }

        /// Segments whose records go per expiry.
        #[pallet::constant_name(Records)]
        fn records() -> u32 {
            RECORDS
        }

        /// Moves to the tail at which the need of a hoster sleeps.
        #[pallet::constant_name(HosterRounds)]
        fn hoster_rounds() -> u8 {
            HOSTER_ROUNDS
        }

        /// Moves to the tail at which the need of an encoder acts as `Wait::EncoderDraw`.
        #[pallet::constant_name(EncoderRounds)]
        fn encoder_rounds() -> u8 {
            ENCODER_ROUNDS
        }

        /// Declined jobs in a row after which a feed is taken to be gone.
        #[pallet::constant_name(NoData)]
        fn no_data() -> u8 {
            NO_DATA
        }

        /// Most doublings of the sponsor's part of a stall.
        #[pallet::constant_name(Doublings)]
        fn doublings() -> u8 {
            DOUBLINGS
        }

        /// Failed verdicts of the last eight that end a copy.
        #[pallet::constant_name(Fails)]
        fn fails() -> u32 {
            FAILS
        }

        /// Slow verdicts of the last eight that end a copy.
        #[pallet::constant_name(Slow)]
        fn slow() -> u32 {
            SLOW
        }

        /// Draws of a committee until its seats are filled.
        #[pallet::constant_name(SeatDraws)]
        fn seat_draws() -> u32 {
            SEAT_DRAWS
        }

        /// Eras for which a copy is young.
        #[pallet::constant_name(YoungEras)]
        fn young_eras() -> u32 {
            YOUNG_ERAS
        }

        /// Eras for which an encoder's bond is kept after its last confirmed segment.
        #[pallet::constant_name(BondEras)]
        fn bond_eras() -> u32 {
            BOND_ERAS
        }

        /// Eras between two pauses of a hoster.
        #[pallet::constant_name(PauseEras)]
        fn pause_eras() -> u32 {
            PAUSE_ERAS
        }

        /// Blocks that a report must stand before it is shown.
        #[pallet::constant_name(ReportAge)]
        fn report_age() -> Block {
            REPORT_AGE
        }

        /// Segments beyond which a copy does not grow.
        #[pallet::constant_name(GrowthSegments)]
        fn growth_segments() -> u32 {
            GROWTH_SEGMENTS
        }

        /// Regions that a plan names.
        #[pallet::constant_name(MaxRegions)]
        fn max_regions() -> u32 {
            MAX_REGIONS
        }

        /// Characters of a region: a geohash's first.
        #[pallet::constant_name(MaxRegion)]
        fn max_region() -> u32 {
            MAX_REGION
        }

        /// Bytes of a block that a fraud proof shows (1 MiB).
        #[pallet::constant_name(MaxBlock)]
        fn max_block() -> u32 {
            MAX_BLOCK
        }

        /// Nodes that extend a head: the path from its last root to the longest tree's.
        #[pallet::constant_name(MaxExtension)]
        fn max_extension() -> u32 {
            MAX_EXTENSION
        }
    }
}
