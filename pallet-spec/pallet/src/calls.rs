//! The calls of the pallet: thin, what they do stands in the module of their subject. Their indices are part of the
//! specification, and so are the order and the types of their arguments.

use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod calls {
    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Bind a swarm key and a statement key to the account; both signed `bind`. The peer fee is burned.
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

        /// Offer `capacity` bytes, or renew the offer; the collateral is filled up to its due.
        #[pallet::call_index(1)]
        #[pallet::weight(weights::offer())]
        pub fn offer_hosting(
            origin: OriginFor<T>,
            capacity: u64,
            ask_disk: Balance,
            ask_receiving: Balance,
            region: Region,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_offer_hosting(who, capacity, ask_disk, ask_receiving, region)
        }

        /// Offer encoding, or renew the offer; the bond is filled up to its due.
        #[pallet::call_index(2)]
        #[pallet::weight(weights::offer())]
        pub fn offer_encoding(origin: OriginFor<T>, ask: Balance) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_offer_encoding(who, ask)
        }

        /// Take `slots` more slots at `ask` per report. Another anchor than the last counts all the account's slots as
        /// taken in this era.
        #[pallet::call_index(3)]
        #[pallet::weight(weights::offer_attesting())]
        pub fn offer_attesting(origin: OriginFor<T>, ask: Balance, anchor: H256, slots: u32) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_offer_attesting(who, ask, anchor, slots)
        }

        /// Leave the draws of a role; of attesting: give all slots back.
        #[pallet::call_index(4)]
        #[pallet::weight(weights::offer_attesting())]
        pub fn withdraw_offer(origin: OriginFor<T>, role: Role) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_withdraw_offer(who, role)
        }

        /// Free the hold of hosting or encoding, three eras after the role was left.
        #[pallet::call_index(5)]
        #[pallet::weight(weights::offer())]
        pub fn release(origin: OriginFor<T>, role: Role) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_release(who, role)
        }

        /// Publish a plan for block ranges of a feed and fill its pot.
        #[pallet::call_index(6)]
        #[pallet::weight(weights::publish_plan(nodes.len() as u64))]
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

        /// Add to a plan's pot, for shares of what will be left. `fresh` is the plan's, as the donor saw it: no other terms take
        /// the gift.
        #[pallet::call_index(7)]
        #[pallet::weight(weights::money())]
        pub fn donate(origin: OriginFor<T>, plan: PlanId, amount: Balance, fresh: Block) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_donate(who, plan, amount, fresh)
        }

        /// End a plan, `EndNotice` blocks later. By its sponsor.
        #[pallet::call_index(8)]
        #[pallet::weight(weights::money())]
        pub fn end_plan(origin: OriginFor<T>, plan: PlanId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_end_plan(who, plan)
        }

        /// Decline a copy that was just offered. By its hoster.
        #[pallet::call_index(9)]
        #[pallet::weight(weights::decline_copy())]
        pub fn decline_copy(origin: OriginFor<T>, copy: CopyId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_decline_copy(who, copy)
        }

        /// Commit a fresh modulus (big endian); the salt is drawn `SeedDelay` blocks later. By the drawn encoder.
        #[pallet::call_index(10)]
        #[pallet::weight(weights::begin_segment())]
        pub fn begin_segment(
            origin: OriginFor<T>,
            copy: CopyId,
            modulus: Sector,
            profile: u8,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_begin_segment(who, copy, modulus, profile)?;
            Ok(Pays::No.into())
        }

        /// Confirm a segment of `bytes`, with the statement `segment` signed by the other. By hoster or encoder.
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

        /// Answer the storage challenge of block `issued` with one sector per sample, in its order. By the hoster.
        #[pallet::call_index(12)]
        #[pallet::weight((
            weights::submit_storage_proof(proof.sectors.len() as u64, proof.siblings.len() as u64),
            DispatchClass::Operational,
        ))]
        pub fn submit_storage_proof(
            origin: OriginFor<T>,
            issued: Block,
            proof: StorageProof,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_submit_storage_proof(who, issued, proof)?;
            Ok(Pays::No.into())
        }

        /// Commit to reports on copies in an era, for good. By an attester with a seat for each. What is wrong is left out, and
        /// the call fails if all is. The fee comes back if nothing is.
        #[pallet::call_index(13)]
        #[pallet::weight((
            weights::commit_retrievals(commits.len() as u64, commits.len() as u64, u64::from(SEAT_DRAWS) * commits.len() as u64),
            DispatchClass::Operational,
        ))]
        pub fn commit_retrievals(
            origin: OriginFor<T>,
            era: Era,
            commits: BoundedVec<RetrievalCommit, MaxRetrievals>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_commit_retrievals(who, era, commits.into_inner())
        }

        /// Open commits with the era's link, and for each copy the report and, if served, the encoded sector with its siblings.
        /// What is wrong is left out, and the call fails if all is. The fee comes back if nothing is.
        #[pallet::call_index(14)]
        #[pallet::weight((weights::reveal_retrievals(reveals.len() as u64), DispatchClass::Operational))]
        pub fn reveal_retrievals(
            origin: OriginFor<T>,
            era: Era,
            link: H256,
            reveals: BoundedVec<RetrievalReveal, MaxRetrievals>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_reveal_retrievals(who, era, link, reveals.into_inner())
        }

        /// Settle the retrieval challenge of a copy in an era: verdict and payments. By anyone.
        #[pallet::call_index(15)]
        #[pallet::weight(weights::settle_retrieval())]
        pub fn settle_retrieval(origin: OriginFor<T>, era: Era, copy: CopyId) -> DispatchResultWithPostInfo {
            ensure_signed(origin)?;
            Self::do_settle_retrieval(era, copy)?;
            Ok(Pays::No.into())
        }

        /// Pay the hoster what the copy earned. By anyone.
        #[pallet::call_index(16)]
        #[pallet::weight(weights::money())]
        pub fn collect(origin: OriginFor<T>, copy: CopyId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_collect(copy)
        }

        /// Pay a donor its part of an ended plan's remainder. By anyone.
        #[pallet::call_index(17)]
        #[pallet::weight(weights::money())]
        pub fn claim_refund(origin: OriginFor<T>, plan: PlanId, donor: AccountId32) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_claim_refund(plan, donor)
        }

        /// Set the amounts. By root.
        #[pallet::call_index(18)]
        #[pallet::weight(weights::root())]
        pub fn set_parameters(origin: OriginFor<T>, amounts: Amounts) -> DispatchResult {
            ensure_root(origin)?;
            ensure!(amounts.valid(), Error::<T>::AmountTooLarge);
            Amount::<T>::put(amounts);
            Self::deposit_event(Event::ParametersSet { amounts });
            Ok(())
        }

        /// Set what seeds are made of: from the next block on seed(b) = H(value | u64 b). By root, for development.
        #[pallet::call_index(19)]
        #[pallet::weight(weights::root())]
        pub fn set_seed(origin: OriginFor<T>, value: H256) -> DispatchResult {
            ensure_root(origin)?;
            SeedOverride::<T>::put(value);
            Self::deposit_event(Event::SeedSet { value });
            Ok(())
        }

        /// Take seeds from the source of randomness again. By root.
        #[pallet::call_index(20)]
        #[pallet::weight(weights::root())]
        pub fn unset_seed(origin: OriginFor<T>) -> DispatchResult {
            ensure_root(origin)?;
            SeedOverride::<T>::kill();
            Self::deposit_event(Event::SeedUnset);
            Ok(())
        }

        /// Show a live plan a longer head of its feed, with the nodes that lead from the last old root to the new one over
        /// it; a head of a later fork ends the plan `EndNotice` blocks later. By anyone.
        #[pallet::call_index(21)]
        #[pallet::weight(weights::update_head())]
        pub fn update_head(
            origin: OriginFor<T>,
            plan: PlanId,
            head: SignedHead,
            nodes: BoundedVec<OpenedNode, MaxExtension>,
        ) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_update_head(plan, head, nodes.into_inner())
        }

        /// Say that a copy is lost: it ends, and costs a tenth of its collateral. By its hoster.
        #[pallet::call_index(22)]
        #[pallet::weight(weights::declare_lost())]
        pub fn declare_lost(origin: OriginFor<T>, copy: CopyId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_declare_lost(who, copy)
        }

        /// Leave a copy: it ends when another is active, or `EndNotice` blocks later. By its hoster.
        #[pallet::call_index(23)]
        #[pallet::weight(weights::leave_copy())]
        pub fn leave_copy(origin: OriginFor<T>, copy: CopyId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_leave_copy(who, copy)
        }

        /// Decline to encode: the feed cannot be fetched. By the drawn encoder.
        #[pallet::call_index(24)]
        #[pallet::weight(weights::decline_job())]
        pub fn decline_job(origin: OriginFor<T>, copy: CopyId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_decline_job(who, copy)
        }

        /// Announce an absence: from now on nothing new is asked of the hoster until it is over.
        #[pallet::call_index(25)]
        #[pallet::weight(weights::pause())]
        pub fn pause(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_pause(who)
        }

        /// Change a plan's terms; for wider ones others must have given little. By its sponsor.
        #[pallet::call_index(26)]
        #[pallet::weight(weights::amend_plan())]
        pub fn amend_plan(origin: OriginFor<T>, plan: PlanId, terms: Terms) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_amend_plan(who, plan, terms)
        }

        /// Commit to a report of an invalid encoding, so that nobody else can make it. By a peer.
        #[pallet::call_index(27)]
        #[pallet::weight(weights::commit_report())]
        pub fn commit_report(origin: OriginFor<T>, hash: H256) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_commit_report(who, hash)
        }

        /// Show that a sector of a copy does not decode to the feed: hoster and encoder pay for it, and the copy ends. By who
        /// committed to exactly this report at least four blocks ago.
        #[pallet::call_index(28)]
        #[pallet::weight((weights::report_invalid_encoding(), DispatchClass::Operational))]
        pub fn report_invalid_encoding(
            origin: OriginFor<T>,
            copy: CopyId,
            evidence: Evidence,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_report_invalid_encoding(who, copy, evidence)?;
            Ok(Pays::No.into())
        }

        /// Show that the owner of a feed signed two histories: that root of the first head is another in the second, whose
        /// nodes lead from its root over it down to its parent. A live plan is of that feed. By anyone.
        #[pallet::call_index(29)]
        #[pallet::weight(weights::report_equivocation())]
        pub fn report_equivocation(
            origin: OriginFor<T>,
            plan: PlanId,
            first: SignedHead,
            second: SignedHead,
            root: u8,
            nodes: BoundedVec<OpenedNode, MaxExtension>,
        ) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_report_equivocation(plan, first, second, root, nodes.into_inner())
        }

        /// Bind another swarm key, which signed `bind`, in place of the peer's, which stays bound. The peer fee is burned.
        #[pallet::call_index(30)]
        #[pallet::weight(weights::register_peer())]
        pub fn rotate_swarm_key(origin: OriginFor<T>, swarm_key: Key, signature: Signature) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_rotate_swarm_key(who, swarm_key, signature)
        }

        /// Let another account make the calls of a node for this peer, or no other any more. What is in a block before stays.
        #[pallet::call_index(31)]
        #[pallet::weight(weights::set_operator())]
        pub fn set_operator(origin: OriginFor<T>, operator: Option<AccountId32>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_set_operator(who, operator)
        }

        /// Make one of calls 1 to 5, 9 to 14, 22 to 25, 27 and 28 for a peer. By its operator, who pays the fee, and gets it
        /// back where the peer would.
        #[pallet::call_index(32)]
        #[pallet::weight({
            let info = call.get_dispatch_info();
            (weights::operate().saturating_add(info.call_weight), info.class)
        })]
        pub fn operate(
            origin: OriginFor<T>,
            peer: AccountId32,
            call: Box<<T as Config>::RuntimeCall>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_operate(who, peer, *call)
        }
    }
}
