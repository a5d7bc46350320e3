//! The calls and what a block does by itself, each at its bounds, for frame-benchmarking (`make weights`).
//!
//! Every vector is as long as it may be: a plan has 16 copies, 16 ranges and 64 former parties, a copy 255 segments of as many
//! encoders, a challenge 32 samples of 32 copies, a committee 16 seats.

#[cfg(feature = "runtime-benchmarks")]
mod feeds;
pub(crate) mod filled;
#[cfg(feature = "runtime-benchmarks")]
mod ready;
mod seats;
mod world;

#[cfg(feature = "runtime-benchmarks")]
use frame_benchmarking::v2::*;

#[cfg(feature = "runtime-benchmarks")]
#[benchmarks]
mod benchmarks {
    use super::{feeds::*, ready::*, seats::*, world::*, *};
    use crate::{types::*, *};
    use frame_system::RawOrigin;
    use sp_core::H256;

    #[benchmark]
    fn register_peer() {
        let (who, one, two) = bound::<T>(who::<T>("new", 0));
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), key(1).0, key(2).0, one, two);
        assert!(Peers::<T>::contains_key(who));
    }

    #[benchmark]
    fn rotate_swarm_key() {
        let (who, signature, _) = bound::<T>(peer::<T>("peer", 0, key(2).0));
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), key(1).0, signature);
        assert_eq!(Peers::<T>::get(who).unwrap().swarm_key, key(1).0);
    }

    #[benchmark]
    fn set_operator() {
        let (peer, operator) = operated::<T>();
        Operators::<T>::remove(&peer);
        #[extrinsic_call]
        _(RawOrigin::Signed(peer.clone()), Some(operator));
        assert!(Operators::<T>::contains_key(peer));
    }

    #[benchmark]
    fn operate() {
        let (peer, operator) = operated::<T>();
        let call = Call::<T>::commit_report { hash: H256::zero() };
        #[extrinsic_call]
        _(RawOrigin::Signed(operator), peer, alloc::boxed::Box::new(call.into()));
        assert!(Reports::<T>::contains_key(H256::zero()));
    }

    #[benchmark]
    fn offer_hosting() {
        let who = peer::<T>("hoster", 0, key(1).0);
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), 1 << 40, UNIT, 1, b"u33".to_vec().try_into().unwrap());
        assert!(Hosters::<T>::contains_key(who));
    }

    #[benchmark]
    fn offer_encoding() {
        let who = peer::<T>("encoder", 0, key(1).0);
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), UNIT);
        assert!(Encoders::<T>::contains_key(who));
    }

    #[benchmark]
    fn offer_attesting() {
        let who = peer::<T>("attester", 0, key(1).0);
        holes::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), 1, H256::zero(), MAX_SLOTS);
        assert_eq!(HoleCount::<T>::get(), 0);
    }

    #[benchmark]
    fn withdraw_offer() {
        let who = attesting::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), Role::Attesting);
        assert!(Attesters::<T>::get(who).unwrap().slots.is_empty());
    }

    #[benchmark]
    fn release() {
        let who = released::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), Role::Hosting);
        assert_eq!(Pallet::<T>::held(&who, Role::Hosting), 0);
    }

    /// r: ranges; some 90 opened nodes each.
    #[benchmark]
    fn publish_plan(r: Linear<1, { MAX_RANGES }>) {
        let (head, ranges, nodes) = feed(r);
        let terms = Terms { live: false, max_ask_disk: 0, max_ask_encoding: 0, ..terms::<T>() };
        let (who, ranges, nodes) = (sponsor::<T>(), ranges.try_into().unwrap(), nodes.try_into().unwrap());
        #[extrinsic_call]
        _(RawOrigin::Signed(who), head, ranges, nodes, terms, 1_000_000 * UNIT);
        assert_eq!(NextPlan::<T>::get(), 1);
    }

    #[benchmark]
    fn donate() {
        let (plan, who) = (plan::<T>(), who::<T>("donor", 0));
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), plan, UNIT, 0);
        assert!(Shares::<T>::contains_key(plan, who));
    }

    #[benchmark]
    fn end_plan() {
        let (plan, _) = full_plan::<T>(0);
        #[extrinsic_call]
        _(RawOrigin::Signed(sponsor::<T>()), plan);
        assert!(Plans::<T>::get(plan).unwrap().ending);
    }

    #[benchmark]
    fn decline_copy() {
        let (copy, hoster) = full_plan::<T>(MAX_REPLICAS).1[0].clone();
        set_state::<T>(copy, CopyState::Offered);
        #[extrinsic_call]
        _(RawOrigin::Signed(hoster), copy);
        assert_eq!(Copies::<T>::get(copy).unwrap().state, CopyState::Ended);
    }

    #[benchmark]
    fn begin_segment() {
        let (copy, _, encoder) = drawn::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(encoder), copy, modulus(1 << 40), PROFILE_P1);
        assert_eq!(Copies::<T>::get(copy).unwrap().state, CopyState::Begun);
    }

    #[benchmark]
    fn confirm_segment() {
        let (copy, hoster, segment, bytes, signature) = made::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(hoster), copy, segment, bytes, H256::zero(), signature);
        assert_eq!(Copies::<T>::get(copy).unwrap().state, CopyState::Active);
    }

    #[benchmark]
    fn submit_storage_proof(s: Linear<16, 32>, p: Linear<0, 960>) {
        let (who, issued, right) = answerable::<T>(s, p);
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), issued, right);
        assert!(!StorageChallenges::<T>::contains_key(who));
    }

    /// c: commits to copies whose records are there, each of 255 segments and 16 seats.
    #[benchmark]
    fn commit_retrievals(c: Linear<1, { MAX_RETRIEVALS }>) {
        let (era, all, said) = unsaid_all::<T>(c);
        #[extrinsic_call]
        _(RawOrigin::Signed(all[MAX_SEATS as usize - 1].clone()), era, said.clone());
        assert!(said.iter().all(|one| committed::<T>(era, one.copy) == 1));
    }

    /// r: commits that make the records of as many copies. All 128 slots are drawn for each.
    #[benchmark]
    fn commit_retrievals_first(r: Linear<1, { MAX_RETRIEVALS }>) {
        let (era, copy, all) = of_eight::<T>();
        let said = commits::<T>(copy, r);
        #[block]
        {
            Pallet::<T>::commit_retrievals(call::<T>(&all[0]), era, said.clone()).unwrap();
        }
        assert!(said.iter().all(|one| committed::<T>(era, one.copy) == 1));
    }

    /// r: reveals of sectors of copies of 255 segments, with the 22 siblings that a segment of 4,194,304 sectors has.
    #[benchmark]
    fn reveal_retrievals(r: Linear<1, { MAX_RETRIEVALS }>) {
        let (era, who, said) = reveals::<T>(r);
        let copy = said[r as usize - 1].copy;
        #[extrinsic_call]
        _(RawOrigin::Signed(who), era, link(MAX_SEATS - 1), said);
        assert!(Retrievals::<T>::get(era, copy).unwrap().seats[MAX_SEATS as usize - 1].report.is_some());
    }

    #[benchmark]
    fn settle_retrieval() {
        let (era, copy, last) = silent::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(sponsor::<T>()), era, copy);
        assert!(Slots::<T>::get(last).unwrap().returned.is_some());
    }

    #[benchmark]
    fn collect() {
        let copy = earning::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(sponsor::<T>()), copy);
    }

    #[benchmark]
    fn declare_lost() {
        let (copy, who) = challenged::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(who), copy);
        assert!(Copies::<T>::get(copy).unwrap().dropping);
    }

    #[benchmark]
    fn leave_copy() {
        let (copy, hoster) = full_plan::<T>(MAX_REPLICAS).1[0].clone();
        #[extrinsic_call]
        _(RawOrigin::Signed(hoster), copy);
        assert_eq!(Copies::<T>::get(copy).unwrap().leaving, 2);
    }

    #[benchmark]
    fn decline_job() {
        let (copy, _, encoder) = drawn::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(encoder), copy);
        assert_eq!(Copies::<T>::get(copy).unwrap().state, CopyState::Accepted);
    }

    #[benchmark]
    fn pause() {
        let who = hoster::<T>(0);
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));
        assert!(Hosters::<T>::get(who).unwrap().pause.is_some());
    }

    #[benchmark]
    fn amend_plan() {
        let (plan, terms) = shrinking::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(sponsor::<T>()), plan, terms);
        assert_eq!(Plans::<T>::get(plan).unwrap().leaving, 15);
    }

    #[benchmark]
    fn commit_report() {
        let who = peer::<T>("peer", 0, key(1).0);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), H256::zero());
        assert!(Reports::<T>::contains_key(H256::zero()));
    }

    #[benchmark]
    fn update_head() {
        let (plan, head, nodes) = extended::<T>();
        let length = head.length;
        #[extrinsic_call]
        _(RawOrigin::Signed(sponsor::<T>()), plan, head, nodes.try_into().unwrap());
        assert_eq!(Plans::<T>::get(plan).unwrap().head.length, length);
    }

    #[benchmark]
    fn report_equivocation() {
        let (plan, first, second, root, nodes) = two_histories::<T>();
        let key = first.key;
        #[extrinsic_call]
        _(RawOrigin::Signed(sponsor::<T>()), plan, first, second, root, nodes.try_into().unwrap());
        assert!(Frozen::<T>::contains_key(key));
    }

    #[benchmark]
    fn claim_refund() {
        let (plan, sponsor) = (claimable::<T>(), sponsor::<T>());
        #[extrinsic_call]
        _(RawOrigin::Signed(sponsor.clone()), plan, sponsor.clone());
        assert!(!Plans::<T>::contains_key(plan));
    }

    /// A block of 1 MiB, 52 levels below its root.
    #[benchmark]
    fn report_invalid_encoding() {
        let (copy, evidence) = invalid::<T>();
        let who = announced::<T>(copy, &evidence);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), copy, evidence);
        assert!(Copies::<T>::get(copy).unwrap().invalid);
    }

    // ---- what a block does by itself

    /// A confirmation: the change that touches most.
    #[benchmark]
    fn change_due() {
        let (_, copies) = full_plan::<T>(1);
        change::<T>(copies[0].0, 0);
        go::<T>(now::<T>() + Pallet::<T>::times().seed_delay);
        #[block]
        {
            assert_eq!(Pallet::<T>::apply_changes(), 1);
        }
    }

    /// 32 tries of a need that nobody fits: who is drawn is a party of the last copy that is looked at.
    #[benchmark]
    fn attempts() {
        unfit::<T>(0, 0);
        #[block]
        {
            assert_eq!(Pallet::<T>::place(), 2 * TRIES);
        }
    }

    /// Eight challenges of 32 samples, each of another copy.
    #[benchmark]
    fn challenges() {
        (0..CHALLENGES).for_each(storing::<T>);
        #[block]
        {
            Pallet::<T>::issue_challenges();
        }
    }

    /// All that a block may do by itself.
    #[benchmark]
    fn worst_block() {
        filled::fill::<T>();
        #[block]
        {
            assert_eq!(Pallet::<T>::begin_block(), weights::worst_block());
        }
    }

    #[benchmark]
    fn decline() {
        let (_, copies) = full_plan::<T>(MAX_REPLICAS);
        set_state::<T>(copies[0].0, CopyState::Offered);
        #[block]
        {
            act::<T>(Wait::Decline, copies[0].0, 0);
        }
    }

    #[benchmark]
    fn encoder_draw() {
        let (_, copies) = full_plan::<T>(MAX_REPLICAS);
        wants_encoder::<T>(copies[0].0);
        Copies::<T>::mutate(copies[0].0, |copy| copy.as_mut().unwrap().active_since = None);
        #[block]
        {
            act::<T>(Wait::EncoderDraw, copies[0].0, 0);
        }
        assert_eq!(Copies::<T>::get(copies[0].0).unwrap().state, CopyState::Ended);
    }

    #[benchmark]
    fn begin() {
        let (copy, _, _) = drawn::<T>();
        #[block]
        {
            act::<T>(Wait::Begin, copy, 0);
        }
        assert_eq!(Copies::<T>::get(copy).unwrap().state, CopyState::Accepted);
    }

    #[benchmark]
    fn salt() {
        let (copy, _, current) = begun::<T>();
        #[block]
        {
            act::<T>(Wait::Salt, copy, current);
        }
        assert_eq!(Copies::<T>::get(copy).unwrap().state, CopyState::Encoding);
    }

    #[benchmark]
    fn lease() {
        let (copy, _, current) = begun::<T>();
        Copies::<T>::mutate(copy, |copy| copy.as_mut().unwrap().stalls = 1);
        #[block]
        {
            act::<T>(Wait::Lease, copy, current);
        }
        assert_eq!(Copies::<T>::get(copy).unwrap().state, CopyState::Ended);
    }

    #[benchmark]
    fn proof() {
        let (slot, issued) = asked::<T>(0);
        #[block]
        {
            act::<T>(Wait::Proof, slot, issued);
        }
    }

    #[benchmark]
    fn recheck() {
        let (slot, issued) = asked::<T>(1);
        #[block]
        {
            act::<T>(Wait::Recheck, slot, issued);
        }
    }

    #[benchmark]
    fn last_call() {
        let (slot, issued) = asked::<T>(2);
        #[block]
        {
            act::<T>(Wait::LastCall, slot, issued);
        }
    }

    #[benchmark]
    fn half() {
        let segment = owed::<T>(0, 1)[0];
        #[block]
        {
            act::<T>(Wait::Half, segment, 0);
        }
        assert_eq!(Segments::<T>::get(segment).unwrap().half, 0);
    }

    /// c: live copies, each of which must grow.
    #[benchmark]
    fn tick(c: Linear<1, { MAX_REPLICAS }>) {
        let (plan, copies) = full_plan::<T>(c);
        grown::<T>(plan, &copies);
        #[block]
        {
            assert_eq!(act::<T>(Wait::Tick, plan, 0), c + 1);
        }
    }

    /// c: live copies.
    #[benchmark]
    fn end_plan_due(c: Linear<1, { MAX_REPLICAS }>) {
        let (plan, _) = full_plan::<T>(c);
        Plans::<T>::mutate(plan, |plan| plan.as_mut().unwrap().ending = true);
        #[block]
        {
            assert_eq!(act::<T>(Wait::EndPlan, plan, 0), c);
        }
        assert_eq!(Plans::<T>::get(plan).unwrap().state, PlanState::Ended);
    }

    #[benchmark]
    fn settle() {
        let (era, copy, all) = seated::<T>();
        record::<T>(era, copy, &all, |_| (H256::zero(), None));
        #[block]
        {
            act::<T>(Wait::Settle, copy, era.into());
        }
        assert!(!Retrievals::<T>::contains_key(era, copy));
    }

    #[benchmark]
    fn records() {
        let (_, copies) = full_plan::<T>(1);
        Pallet::<T>::end_copy(copies[0].0, CopyEnd::Left);
        Copies::<T>::mutate(copies[0].0, |copy| copy.as_mut().unwrap().halves = 0);
        #[block]
        {
            act::<T>(Wait::Records, copies[0].0, 0);
        }
        assert_eq!(Copies::<T>::get(copies[0].0).unwrap().segments.len() as u32, MAX_SEGMENTS - 1 - RECORDS);
    }

    #[benchmark]
    fn dropped() {
        let (_, copies) = full_plan::<T>(MAX_REPLICAS);
        challenge_of::<T>(&copies[0].1, copies[0].0);
        #[block]
        {
            act::<T>(Wait::Drop, copies[0].0, CopyEnd::Lost as u64);
        }
        assert_eq!(Copies::<T>::get(copies[0].0).unwrap().state, CopyState::Ended);
    }

    #[benchmark]
    fn sweep() {
        let (slot, _) = swept::<T>();
        #[block]
        {
            assert_eq!(act::<T>(Wait::Sweep, slot, 0), SWEEP);
        }
    }

    #[benchmark]
    fn report_due() {
        let who = peer::<T>("peer", 0, key(1).0);
        Pallet::<T>::commit_report(call::<T>(&who), H256::zero()).unwrap();
        #[block]
        {
            act::<T>(Wait::Report, 0, 0);
        }
        assert!(!Reports::<T>::contains_key(H256::zero()));
    }
}
