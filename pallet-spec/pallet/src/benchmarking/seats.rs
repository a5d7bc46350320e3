//! Committees of 16 seats, and what they say: commits to copies of 255 segments, and reveals of these.

use super::world::*;
use crate::{
    crypto::{hash, next_link},
    types::*,
    *,
};
use alloc::vec::Vec;
use frame_support::BoundedVec;
use sp_core::H256;
use sp_runtime::AccountId32;

/// The link of era 64 of an attester.
pub fn link(n: u32) -> H256 {
    hash(&[b"link", &n.to_le_bytes()])
}

/// A copy in the commit window of era 64, and 16 attesters, whose last link is 64 eras old, among 128 slots.
pub fn seated<T: Config>() -> (Era, CopyId, Vec<AccountId32>) {
    let (_, copies) = full_plan::<T>(1);
    let genesis = Pallet::<T>::genesis();
    let attester = |n: u32| {
        let who = peer::<T>("attester", n, key(1_002).0);
        let anchor = (0..MAX_LINKS).fold(link(n), |link, _| next_link(genesis, &who, link));
        Pallet::<T>::do_offer_attesting(who.clone(), 0, anchor, 1).expect("an offer");
        who
    };
    let all: Vec<AccountId32> = (0..MAX_SEATS).map(attester).collect();
    let other = Slot { account: sponsor::<T>(), ..Slots::<T>::get(0).expect("it was taken") };
    (MAX_SEATS..SEAT_DRAWS).for_each(|n| Slots::<T>::insert(n, other.clone()));
    SlotCount::<T>::put(SEAT_DRAWS);
    let (era, times) = (Pallet::<T>::era() + MAX_LINKS, Pallet::<T>::times());
    go::<T>(era * times.era + times.probe_blocks);
    (era, copies[0].0, all)
}

/// The record of a committee of all 16.
pub fn record<T: Config>(era: Era, copy: CopyId, all: &[AccountId32], said: impl Fn(u32) -> (H256, Option<Report>)) {
    let seat = |(n, account): (u32, &AccountId32)| {
        let (commit, report) = said(n);
        Seat { slot: n, account: account.clone(), commit: Some(commit), report }
    };
    let seats: Vec<Seat> = (0..).zip(all).map(seat).collect();
    Retrievals::<T>::insert(era, copy, Retrieval { seats: seats.try_into().expect("16"), settled: false });
}

/// The same with the commit of the last only, if there is one.
pub fn unsaid<T: Config>(era: Era, copy: CopyId, all: &[AccountId32], last: Option<H256>) {
    record::<T>(era, copy, all, |_| (H256::zero(), None));
    Retrievals::<T>::mutate(era, copy, |record| {
        let seats = &mut record.as_mut().expect("it was written").seats;
        seats.iter_mut().for_each(|seat| seat.commit = None);
        seats.last_mut().expect("16").commit = last;
    });
}

/// How many of a copy's committee committed.
pub fn committed<T: Config>(era: Era, copy: CopyId) -> usize {
    let record = Retrievals::<T>::get(era, copy).expect("a record");
    record.seats.iter().filter(|seat| seat.commit.is_some()).count()
}

/// A copy and others like it, each with segments of its own number: `count` in all.
pub fn twins<T: Config>(copy: CopyId, count: u32) -> Vec<CopyId> {
    let found = Copies::<T>::get(copy).expect("a copy");
    let twin = |n: u32| {
        let id = copy + u64::from(n) * 1_000;
        let mut twin = found.clone();
        twin.segments.iter_mut().filter(|_| n > 0).for_each(|part| {
            let segment = Segments::<T>::get(part.segment).expect("a segment");
            part.segment += u64::from(n) * 1_000_000;
            Segments::<T>::insert(part.segment, Segment { copy: id, ..segment });
        });
        Copies::<T>::insert(id, twin);
        id
    };
    (0..count).map(twin).collect()
}

/// The opening that the holder of a link must show of a copy.
pub fn probed<T: Config>(era: Era, id: CopyId, link: H256) -> Opening {
    let copy = Copies::<T>::get(id).expect("a copy");
    let sector = crypto::low(crypto::probe(link, id, era, 0)) % u128::from(copy.stored);
    let (number, index) = copy.locate(sector as u64).expect("a sector");
    let mut segment = Segments::<T>::get(number).expect("a segment");
    let context = Pallet::<T>::context_of(&segment, &copy.hoster).expect("a salt");
    let siblings: Vec<H256> = (0..22u8).map(|level| hash(&[&[level]])).collect();
    let opening = Opening { data: [7; SECTOR as usize], siblings: siblings.try_into().expect("22") };
    segment.root = merkle::opened_root(context, segment.sectors, index, &opening).expect("22 levels");
    Segments::<T>::insert(number, segment);
    opening
}

/// The same, but eight accounts only have slots, one of them 33: no committee of nine is ever full.
pub fn of_eight<T: Config>() -> (Era, CopyId, Vec<AccountId32>) {
    let found = seated::<T>();
    let (mine, other) = (Slots::<T>::get(0).expect("a slot"), Slots::<T>::get(MAX_SEATS).expect("a slot"));
    (8..40).for_each(|n| Slots::<T>::insert(n, mine.clone()));
    (40..SEAT_DRAWS).for_each(|n| Slots::<T>::insert(n, other.clone()));
    found
}

/// 16 slots, all of them holes.
pub fn holes<T: Config>() {
    (0..MAX_SLOTS).for_each(|hole| Holes::<T>::insert(hole, hole));
    HoleCount::<T>::put(MAX_SLOTS);
    SlotCount::<T>::put(MAX_SLOTS);
}

/// Goes to the block that is so far behind the start of the era after one.
fn after<T: Config>(era: Era, blocks: u32) {
    go::<T>((era + 1) * Pallet::<T>::times().era + blocks);
}

/// A copy without a record, when it may be settled, and the slot of its last seat: the 16 slots that may sit come last among
/// those that are drawn, nobody says anything, and each slot has half of its bond left.
pub fn silent<T: Config>() -> (Era, CopyId, u32) {
    let (era, copy, _) = seated::<T>();
    Time::<T>::mutate(|times| times.as_mut().expect("genesis wrote it").seats = MAX_SEATS);
    let seed = Eras::<T>::get(era).expect("it began").seed;
    let ids = [&copy.to_le_bytes()[..], &era.to_le_bytes()[..]].concat();
    let mut drawn: Vec<u32> = Vec::new();
    for ctr in 0..SEAT_DRAWS {
        let place = (crypto::draw(5, seed, &ids, ctr) % u128::from(SEAT_DRAWS)) as u32;
        if !drawn.contains(&place) {
            drawn.push(place);
        }
    }
    let taken = |n: u32| Slots::<T>::get(n).expect("it was taken");
    let (all, other): (Vec<Slot>, Slot) = ((0..MAX_SEATS).map(taken).collect(), taken(MAX_SEATS));
    (0..SEAT_DRAWS).for_each(|n| Slots::<T>::insert(n, other.clone()));
    let bond = Pallet::<T>::amounts().attester_bond / SPENT_PART;
    let last = drawn.split_off(drawn.len() - all.len());
    last.iter().zip(all).for_each(|(place, slot)| Slots::<T>::insert(place, Slot { bond, ..slot }));
    after::<T>(era, Pallet::<T>::times().settle_from);
    (era, copy, last[last.len() - 1])
}

/// Commits to a copy and others like it: `count` in all.
pub fn commits<T: Config>(copy: CopyId, count: u32) -> BoundedVec<RetrievalCommit, MaxRetrievals> {
    let commits = twins::<T>(copy, count).into_iter().map(|copy| RetrievalCommit { copy, commit: H256::zero() });
    commits.collect::<Vec<_>>().try_into().expect("no more than a call has")
}

/// What an attester has to reveal of a copy and others like it, `count` in all, when it may.
pub fn reveals<T: Config>(count: u32) -> (Era, AccountId32, BoundedVec<RetrievalReveal, MaxRetrievals>) {
    let (era, copy, all) = seated::<T>();
    let (account, link) = (all.last().expect("16"), link(MAX_SEATS - 1));
    let report = Report { served: 1, latency_ms: 1, kib_per_s: 1 };
    let reveal = |copy: CopyId| {
        let (opening, found) = (probed::<T>(era, copy, link), Copies::<T>::get(copy).expect("a copy"));
        let leaf = Pallet::<T>::opened_leaf(era, copy, &found, link, &opening).ok().expect("it is right");
        let bound = crypto::Commitment { account, era, copy, report, link, leaf, salt: H256::zero() };
        unsaid::<T>(era, copy, &all, Some(bound.hash(Pallet::<T>::genesis())));
        RetrievalReveal { copy, report, salt: H256::zero(), opening: Some(opening) }
    };
    let said: Vec<RetrievalReveal> = twins::<T>(copy, count).into_iter().map(reveal).collect();
    after::<T>(era, Pallet::<T>::times().reveal_from);
    (era, account.clone(), said.try_into().expect("no more than a call has"))
}
