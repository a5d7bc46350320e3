//! The worst block: every FIFO has as much that is due as a block handles, every lane is busy, every change waits.
//! (Challenges are issued to whom the draw hits, not each with 32 samples: these have a benchmark of their own.)
//!
//! Hosters and encoders of each kind are others, so that no kind's work spares another's.

use super::{seats::*, world::*};
use crate::{types::*, *};
use alloc::vec::Vec;
use frame_support::{
    traits::{
        fungible::{Inspect, Mutate},
        ConstU32,
    },
    BoundedVec,
};
use sp_core::H256;
use sp_runtime::AccountId32;

/// Goes to a block in which everything is due that a block may do by itself.
pub fn fill<T: Config>() {
    let (era, copy, all) = seated::<T>();
    records_of_verdicts::<T>(era, copy, &all);
    copies_on_their_way::<T>();
    overdue_hosters::<T>();
    halves_and_records::<T>();
    ends_of_copies::<T>();
    ticks_and_ends::<T>();
    evicted_hosters::<T>();
    (0..EXPIRIES).for_each(|n| {
        let who = peer::<T>("reporter", n, key(1).0);
        Pallet::<T>::do_commit_report(who, H256::repeat_byte(n as u8)).expect("a peer");
    });
    lanes::<T>();
    let block = now::<T>() + 1;
    changes::<T>(block);
    Wait::ALL.into_iter().for_each(|wait| make_due::<T>(wait, block));
    go::<T>(block);
}

/// 16 copies of one plan, each of a hoster of its own, numbered from `from` on.
fn sixteen<T: Config>(from: u32) -> (PlanId, Vec<(CopyId, AccountId32)>) {
    plan_of::<T>(from, MAX_REPLICAS)
}

/// All that waits of a kind, and nothing else, is due in that block.
fn make_due<T: Config>(wait: Wait, block: Block) {
    let Fifo { head, tail } = DeadlineQueues::<T>::get(wait);
    (head..tail).for_each(|place| {
        Deadlines::<T>::mutate(wait, place, |deadline| deadline.as_mut().expect("it was armed").due = block)
    });
}

/// The waits that building a state armed are none of the block's.
fn forget<T: Config>(wait: Wait) {
    let Fifo { head, tail } = DeadlineQueues::<T>::take(wait);
    (head..tail).for_each(|place| Deadlines::<T>::remove(wait, place));
}

fn due<T: Config>(wait: Wait, id: u64, tag: u64) {
    Pallet::<T>::arm(wait, 1, id, tag);
}

fn records_of_verdicts<T: Config>(era: Era, copy: CopyId, all: &[AccountId32]) {
    forget::<T>(Wait::Settle);
    for id in (0..).map(|n| copy + 10_000 + n).take(REMOVALS as usize) {
        record::<T>(era, id, all, |_| (H256::zero(), None));
        due::<T>(Wait::Settle, id, era.into());
    }
}

fn copies_on_their_way<T: Config>() {
    for (copy, _) in sixteen::<T>(100).1 {
        set_state::<T>(copy, CopyState::Offered);
        due::<T>(Wait::Decline, copy, 0);
    }
    for (copy, _) in sixteen::<T>(200).1 {
        wants_encoder::<T>(copy);
        Copies::<T>::mutate(copy, |copy| copy.as_mut().expect("it was made").active_since = None);
        due::<T>(Wait::EncoderDraw, copy, 0);
    }
    for (n, (copy, _)) in (300..).zip(sixteen::<T>(300).1) {
        draw_encoder_of::<T>(copy, n);
        due::<T>(Wait::Begin, copy, 0);
    }
    for from in [400, 500] {
        for (n, (copy, _)) in (from..).zip(sixteen::<T>(from).1) {
            let encoder = draw_encoder_of::<T>(copy, n);
            Begins::<T>::kill();
            // A second stall ends a copy.
            Copies::<T>::mutate(copy, |copy| copy.as_mut().expect("it was made").stalls = 1);
            Pallet::<T>::do_begin_segment(encoder, copy, modulus(n.into()), PROFILE_P1).expect("it is drawn");
        }
        if from == 400 {
            forget::<T>(Wait::Lease);
        }
    }
    // The salts of those whose lease is over were drawn before.
    let Fifo { head, tail } = DeadlineQueues::<T>::get(Wait::Salt);
    let later: Vec<Deadline> =
        (head..tail).filter_map(|place| Deadlines::<T>::get(Wait::Salt, place)).skip(EXPIRIES as usize).collect();
    later.into_iter().for_each(|deadline| Pallet::<T>::draw_salt(deadline.id, deadline.tag, now::<T>()));
    (head..tail).skip(EXPIRIES as usize).for_each(|place| Deadlines::<T>::remove(Wait::Salt, place));
    DeadlineQueues::<T>::insert(Wait::Salt, Fifo { head, tail: head + u64::from(EXPIRIES) });
}

fn overdue_hosters<T: Config>() {
    for (step, wait) in [(0, Wait::Proof), (1, Wait::Recheck), (2, Wait::LastCall)] {
        for n in 0..EXPIRIES {
            let who = hoster::<T>(1_000 + 100 * u32::from(step) + n);
            challenge::<T>(&who);
            Hosters::<T>::mutate(&who, |hoster| hoster.as_mut().expect("an offer").step = step);
            let slot = HosterDraws::<T>::get(&who).and_then(|draw| draw.slot).expect("it is in the table");
            due::<T>(wait, slot.into(), now::<T>().into());
        }
    }
}

fn halves_and_records<T: Config>() {
    owed::<T>(2_000, EXPIRIES).into_iter().for_each(|segment| due::<T>(Wait::Half, segment, 0));
    forget::<T>(Wait::Records);
    for (copy, _) in sixteen::<T>(2_100).1 {
        Pallet::<T>::end_copy(copy, CopyEnd::PlanEnded);
        Copies::<T>::mutate(copy, |copy| copy.as_mut().expect("its records stand").halves = 0);
    }
}

fn ends_of_copies<T: Config>() {
    for (copy, hoster) in sixteen::<T>(2_200).1 {
        challenge_of::<T>(&hoster, copy);
        due::<T>(Wait::Drop, copy, CopyEnd::Lost as u64);
    }
    for (copy, hoster) in sixteen::<T>(2_300).1 {
        challenge_of::<T>(&hoster, copy);
        Copies::<T>::mutate(copy, |copy| copy.as_mut().expect("it was made").leaving = 2);
        due::<T>(Wait::Leave, copy, 0);
    }
}

/// Of ticks 55 (three plans of 16 copies and one of 3), of ends 15 copies; and one head more, which is handled whole.
fn ticks_and_ends<T: Config>() {
    let full = MAX_REPLICAS;
    let last = TICKS - 2 - 3 * (1 + full);
    for (from, count) in [(2_400, full), (2_420, full), (2_440, full), (2_460, last), (2_500, full)] {
        let (plan, copies) = plan_of::<T>(from, count);
        grown::<T>(plan, &copies);
        due::<T>(Wait::Tick, plan, 0);
    }
    for (from, count) in [(2_600, MAX_REPLICAS - 1), (2_700, MAX_REPLICAS)] {
        let (plan, _) = plan_of::<T>(from, count);
        Plans::<T>::mutate(plan, |plan| plan.as_mut().expect("it was made").ending = true);
        due::<T>(Wait::EndPlan, plan, 0);
    }
}

fn evicted_hosters<T: Config>() {
    for (n, count) in [(0, SWEEP), (1, SWEEP - 1), (2, SWEEP)] {
        let (plan, who) = (plan::<T>(), hoster::<T>(2_800 + n));
        (0..count).for_each(|_| drop(copy::<T>(plan, &who, MAX_SEGMENTS - 1)));
        Hosters::<T>::mutate(&who, |hoster| hoster.as_mut().expect("an offer").step = 3);
        let slot = HosterDraws::<T>::get(&who).and_then(|draw| draw.slot).expect("it is in the table");
        due::<T>(Wait::Sweep, slot.into(), 0);
    }
}

/// In each lane a need that nobody fits, and no other.
fn lanes<T: Config>() {
    for lane in 0..LANES {
        NeedQueue::<T>::remove(lane);
        unfit::<T>(lane, 3_000 + 100 * u32::from(lane));
        // Whoever is drawn is looked at to the end: the pot cannot pay.
        let pot = Pallet::<T>::pot_account(NextPlan::<T>::get() - 1);
        T::Currency::set_balance(&pot, T::Currency::minimum_balance());
    }
}

/// Confirmations, which touch most: each of an encoder of its own.
fn changes<T: Config>(block: Block) {
    let (_, copies) = sixteen::<T>(4_000);
    let change = |n: u32| {
        let encoder = Some(encoder::<T>(4_000 + n));
        Change::Confirmed { copy: copies[(n % MAX_REPLICAS) as usize].0, sectors: 1, encoder }
    };
    let all: Vec<Change> = (0..MAX_CHANGES).map(change).collect();
    Changes::<T>::insert(block, BoundedVec::<_, ConstU32<MAX_CHANGES>>::try_from(all).expect("as many as fit"));
}
