//! States at their bounds: peers with keys, plans with all their copies, copies with all their segments, feeds.

use crate::types::*;
use crate::{
    crypto::{self, hash},
    merkle, *,
};
use alloc::{vec, vec::Vec};
use frame_support::{
    traits::fungible::{Inspect, Mutate},
    BoundedVec,
};
use sp_core::{ed25519, H256};
use sp_runtime::AccountId32;

const RICH: Balance = 1_000_000_000 * UNIT;
/// Bytes of a copy in which every segment is a whole one.
const BYTES: u64 = (MAX_SEGMENTS as u64 - 1) * GIB;

pub fn now<T: Config>() -> Block {
    Pallet::<T>::now()
}

/// Goes to a block, without what happens on the way; its seed and its era are there.
pub fn go<T: Config>(block: Block) {
    frame_system::Pallet::<T>::set_block_number(block.into());
    Seeds::<T>::insert(block, hash(&[&block.to_le_bytes()]));
    for era in [Pallet::<T>::era().saturating_sub(1), Pallet::<T>::era()] {
        Eras::<T>::insert(era, EraInfo { seed: hash(&[b"era", &era.to_le_bytes()]), slots: SlotCount::<T>::get() });
    }
}

pub fn who<T: Config>(name: &'static str, n: u32) -> AccountId32 {
    let who = account(name, n);
    T::Currency::set_balance(&who, RICH);
    who
}

pub fn call<T: Config>(who: &AccountId32) -> T::RuntimeOrigin {
    frame_system::RawOrigin::Signed(who.clone()).into()
}

/// The keys of a runtime are in its host's keystore.
#[cfg(not(test))]
mod keys {
    use super::*;
    const KEYS: sp_core::crypto::KeyTypeId = sp_core::crypto::KeyTypeId(*b"dtdt");

    pub fn key(n: u32) -> ed25519::Public {
        sp_io::crypto::ed25519_generate(KEYS, Some(alloc::format!("//{n}").into_bytes()))
    }

    pub fn sign(n: u32, message: &[u8]) -> Signature {
        sp_io::crypto::ed25519_sign(KEYS, &key(n), message).expect("the keystore has it").0
    }
}

/// Tests have their own.
#[cfg(test)]
mod keys {
    use super::*;
    use sp_core::Pair;

    fn pair(n: u32) -> ed25519::Pair {
        ed25519::Pair::from_seed(&hash(&[&n.to_le_bytes()]).0)
    }

    pub fn key(n: u32) -> ed25519::Public {
        pair(n).public()
    }

    pub fn sign(n: u32, message: &[u8]) -> Signature {
        pair(n).sign(message).0
    }
}

pub use keys::{key, sign};

fn account(name: &str, n: u32) -> AccountId32 {
    AccountId32::new(hash(&[name.as_bytes(), &n.to_le_bytes()]).0)
}

/// A registered account, whose statement key has that number.
pub fn peer<T: Config>(name: &'static str, n: u32, statement_key: Key) -> AccountId32 {
    let who = who::<T>(name, n);
    let swarm_key = hash(&[name.as_bytes(), &n.to_le_bytes()]).0;
    let peer = Peer {
        swarm_key,
        statement_key,
        since: 0,
        reputation: FIRST_REPUTATION,
        latency_ms: 0,
        kib_per_s: 0,
        served: 0,
        failed: 0,
    };
    Peers::<T>::insert(&who, peer);
    who
}

/// The statement `bind` of an account, of the swarm and the statement key of these numbers.
pub fn bind<T: Config>(who: &AccountId32, swarm: u32, statement: u32) -> Vec<u8> {
    crate::crypto::bind_statement(Pallet::<T>::genesis(), who, &key(swarm).0, &key(statement).0)
}

/// Applies the changes that wait, as the block does in which they are due.
pub fn settle_changes<T: Config>() {
    go::<T>(now::<T>() + Pallet::<T>::times().seed_delay);
    Pallet::<T>::apply_changes();
}

/// A hoster in the draw table.
pub fn hoster<T: Config>(n: u32) -> AccountId32 {
    let who = peer::<T>("hoster", n, key(1_000).0);
    Pallet::<T>::do_offer_hosting(who.clone(), 1 << 42, 0, 0, Default::default()).expect("an offer");
    settle_changes::<T>();
    who
}

/// An encoder in the draw table.
pub fn encoder<T: Config>(n: u32) -> AccountId32 {
    let who = peer::<T>("encoder", n, key(1_001).0);
    Pallet::<T>::do_offer_encoding(who.clone(), 0).expect("an offer");
    settle_changes::<T>();
    who
}

pub fn terms<T: Config>() -> Terms {
    Terms {
        replicas: MAX_REPLICAS as u8,
        max_ask_disk: UNIT,
        max_ask_encoding: UNIT,
        max_ask_receiving: UNIT,
        report_price: UNIT,
        until: now::<T>() + Pallet::<T>::times().plan_eras * Pallet::<T>::times().era,
        live: true,
        min_reputation: 0,
        regions: vec![vec![b'u'; 3].try_into().unwrap(); MAX_REGIONS as usize].try_into().unwrap(),
        max_latency_ms: u32::MAX,
        min_kib_per_s: 0,
    }
}

pub fn sponsor<T: Config>() -> AccountId32 {
    who::<T>("sponsor", 0)
}

/// A plan with 16 ranges, 64 former parties and a full pot, without copies.
pub fn plan<T: Config>() -> PlanId {
    let (id, sponsor) = (NextPlan::<T>::get(), sponsor::<T>());
    NextPlan::<T>::put(id + 1);
    let pot = Pallet::<T>::pot_account(id);
    T::Currency::set_balance(&pot, RICH + T::Currency::minimum_balance());
    let range = |i: u32| Range { start: 4 * u64::from(i), end: 4 * u64::from(i) + 2, first_byte: 0, bytes: BYTES / 16 };
    let head = Head { fork: 0, length: (1 << 53) - 1, byte_length: BYTES, tree_hash: H256::zero() };
    let roots = vec![Root { hash: H256::zero(), size: 1 }; MAX_ROOTS as usize];
    let plan = Plan {
        sponsor: sponsor.clone(),
        feed: key(1).0,
        head,
        ranges: (0..MAX_RANGES).map(range).collect::<Vec<_>>().try_into().unwrap(),
        bytes: BYTES,
        sectors: BYTES / SECTOR,
        terms: Terms { regions: Default::default(), ..terms::<T>() },
        state: PlanState::Live,
        published: now::<T>(),
        next_tick: now::<T>() + Pallet::<T>::times().era,
        shares: RICH,
        donors: 1,
        reserved: 0,
        burned: 0,
        live: Default::default(),
        records: 0,
        former: (0..MAX_MEMORY).map(|n| account("former", n)).collect::<Vec<_>>().try_into().unwrap(),
        queued: false,
        ending: false,
        remainder: None,
        confirmed: true,
        waiting: false,
        declined: 0,
        stalls: 0,
        leaving: 0,
        mark: 0,
        fresh: 0,
        founded: RICH,
    };
    Plans::<T>::insert(id, plan);
    Roots::<T>::insert(id, BoundedVec::<Root, MaxRoots>::try_from(roots).unwrap());
    Shares::<T>::insert(id, sponsor, RICH);
    id
}

/// A confirmed segment of a copy, and the opening of its sector 0.
pub fn segment<T: Config>(id: CopyId, copy: &Copy, encoder: &AccountId32, sectors: u64) -> (SegmentId, Opening) {
    let number = NextSegment::<T>::get();
    NextSegment::<T>::put(number + 1);
    let mut segment = Segment {
        copy: id,
        encoder: encoder.clone(),
        profile: PROFILE_P1,
        pk_hash: hash(&[&number.to_le_bytes()]),
        begun: 0,
        salt: Some(H256::zero()),
        first_byte: 0,
        bytes: sectors * SECTOR,
        sectors,
        root: H256::zero(),
        head: copy.head,
        half: 1,
    };
    let context = Pallet::<T>::context_of(&segment, &copy.hoster).expect("a salt");
    let levels = (0..MAX_SIBLINGS).take_while(|level| 1 << level < sectors);
    let siblings: Vec<H256> = levels.map(|level| hash(&[&level.to_le_bytes()])).collect();
    let opening = Opening { data: [7; SECTOR as usize], siblings: siblings.try_into().expect("few levels") };
    segment.root = merkle::opened_root(context, sectors, 0, &opening).expect("a sibling for each level");
    Segments::<T>::insert(number, segment);
    Moduli::<T>::insert(number, [0xff; SECTOR as usize]);
    (number, opening)
}

/// A modulus that the chain accepts; the first candidates have factors below 4,096 by chance only.
pub fn modulus(n: u64) -> Sector {
    let candidate = |low: u64| {
        let mut modulus = [0xff; SECTOR as usize];
        modulus[200..208].copy_from_slice(&n.to_be_bytes());
        modulus[248..].copy_from_slice(&low.to_be_bytes());
        modulus
    };
    (0..).map(|i| candidate(2 * i + 1)).find(crypto::valid_modulus).expect("one of infinitely many")
}

/// An active copy of a plan with that many segments, each by an encoder of its own; openings of each one's sector 0.
pub fn copy<T: Config>(plan: PlanId, hoster: &AccountId32, segments: u32) -> (CopyId, Vec<Opening>) {
    let id = NextCopy::<T>::get();
    NextCopy::<T>::put(id + 1);
    let mut of = Plans::<T>::get(plan).expect("a plan");
    let entry = HosterDraws::<T>::get(hoster).expect("an offer");
    let mut copy = Copy::offered(plan, &of, (hoster, &entry), now::<T>());
    of.live.try_push(id).expect("room");
    of.records += 1;
    Plans::<T>::insert(plan, of);
    let sectors = GIB_SECTORS;
    let mut openings = Vec::new();
    for n in 0..segments {
        let maker = account("maker", n);
        let (segment, opening) = segment::<T>(id, &copy, &maker, sectors);
        copy.segments.try_push(CopySegment { segment, sectors, since: now::<T>() }).expect("room");
        copy.encoders.try_push(maker).expect("room");
        openings.push(opening);
    }
    copy.state = CopyState::Active;
    copy.stored = sectors * u64::from(segments);
    copy.stored_bytes = copy.stored * SECTOR;
    copy.first_confirmed = Some(now::<T>());
    copy.active_since = Some(now::<T>());
    Hosters::<T>::mutate(hoster, |hoster| {
        let hoster = hoster.as_mut().expect("an offer");
        hoster.used += copy.sectors * SECTOR;
        hoster.stored += copy.stored;
        hoster.copies += 1;
        hoster.records += 1;
    });
    let stored = copy.stored;
    Pallet::<T>::table_copy(id, &mut copy, stored);
    Copies::<T>::insert(id, copy);
    (id, openings)
}

/// A plan with all its copies, each of a hoster of its own and with all its segments; their ids and hosters.
pub fn full_plan<T: Config>(copies: u32) -> (PlanId, Vec<(CopyId, AccountId32)>) {
    plan_of::<T>(0, copies)
}

/// The same, of hosters that are numbered from `from` on.
pub fn plan_of<T: Config>(from: u32, copies: u32) -> (PlanId, Vec<(CopyId, AccountId32)>) {
    let plan = plan::<T>();
    let each = (from..from + copies).map(|n| {
        let hoster = hoster::<T>(n);
        (copy::<T>(plan, &hoster, MAX_SEGMENTS - 1).0, hoster)
    });
    let all = each.collect();
    (plan, all)
}

/// A challenge of 32 samples of 32 copies, a segment each.
pub fn challenge<T: Config>(hoster: &AccountId32) {
    let mut samples = Vec::new();
    for at in 0..MAX_SAMPLES {
        if at % MAX_REPLICAS == 0 {
            plan::<T>();
        }
        let (copy, _) = copy::<T>(NextPlan::<T>::get() - 1, hoster, 1);
        let segment = Copies::<T>::get(copy).expect("it was made").segments[0].segment;
        samples.push(Sample { copy, segment, sector: 0 });
    }
    let issued = now::<T>();
    let challenge = StorageChallenge { issued, samples: samples.try_into().expect("32") };
    StorageChallenges::<T>::insert(hoster, challenge);
}

/// The right answer to a challenge of that many samples, with that many siblings: each segment is as large as its part of
/// them wants it, with fewer than 32 sectors larger than any copy.
pub fn answer<T: Config>(hoster: &AccountId32, sectors: u32, siblings: u32) -> StorageProof {
    challenge::<T>(hoster);
    let mut challenge = StorageChallenges::<T>::get(hoster).expect("a challenge");
    challenge.samples.truncate(sectors as usize);
    let data: Sector = [7; SECTOR as usize];
    let mut all: Vec<H256> = Vec::new();
    for (n, sample) in (0..sectors).zip(&challenge.samples) {
        let levels = siblings / sectors + u32::from(n < siblings % sectors);
        let path: Vec<H256> = (0..levels).map(|level| hash(&[&n.to_le_bytes(), &level.to_le_bytes()])).collect();
        Segments::<T>::mutate(sample.segment, |segment| {
            let segment = segment.as_mut().expect("a segment");
            let context = Pallet::<T>::context_of(segment, hoster).expect("a salt");
            segment.sectors = 1 << levels;
            let root = merkle::proven_root(context, segment.sectors, [(0, &data)].into_iter(), &mut path.iter());
            segment.root = root.expect("a sibling for each level");
        });
        all.extend(path);
    }
    StorageChallenges::<T>::insert(hoster, challenge);
    let sectors: Vec<Sector> = (0..sectors).map(|_| data).collect();
    StorageProof { sectors: sectors.try_into().expect("32"), siblings: all.try_into().expect("960") }
}

// ---- copies on their way

pub fn set_state<T: Config>(id: CopyId, state: CopyState) {
    Copies::<T>::mutate(id, |copy| copy.as_mut().expect("a copy").state = state);
}

/// A copy of a full plan that lacks its last segment; an encoder is drawn. Copy, hoster, encoder.
pub fn drawn<T: Config>() -> (CopyId, AccountId32, AccountId32) {
    let (_, copies) = full_plan::<T>(MAX_REPLICAS);
    let (id, hoster) = copies[0].clone();
    (id, hoster, draw_encoder_of::<T>(id, 0))
}

/// A whole copy lacks its last segment, and the encoder of that number is drawn for it, who is returned.
pub fn draw_encoder_of<T: Config>(id: CopyId, n: u32) -> AccountId32 {
    let encoder = encoder::<T>(n);
    Copies::<T>::mutate(id, |copy| {
        let copy = copy.as_mut().expect("a copy");
        copy.segments.pop();
        copy.encoders.pop();
        copy.stored -= GIB_SECTORS;
        copy.stored_bytes -= GIB;
        copy.active_since = None;
        copy.state = CopyState::Assigned;
        copy.encoder = Some(encoder.clone());
    });
    Encoders::<T>::mutate(&encoder, |encoder| encoder.as_mut().expect("an offer").jobs = 1);
    encoder
}

/// The same with its segment begun. Copy, hoster, segment.
pub fn begun<T: Config>() -> (CopyId, AccountId32, SegmentId) {
    let (id, hoster, encoder) = drawn::<T>();
    Pallet::<T>::do_begin_segment(encoder, id, modulus(1 << 40), PROFILE_P1).expect("it is drawn");
    go::<T>(now::<T>() + Pallet::<T>::times().seed_delay);
    (id, hoster, Copies::<T>::get(id).and_then(|copy| copy.current).expect("it was begun"))
}

/// The same with its segment made: copy, hoster, segment, its bytes, and what the encoder signed of it.
pub fn made<T: Config>() -> (CopyId, AccountId32, SegmentId, u64, Signature) {
    let (id, hoster, number) = begun::<T>();
    Pallet::<T>::draw_salt(id, number, now::<T>());
    let copy = Copies::<T>::get(id).expect("a copy");
    let segment = Segments::<T>::get(number).expect("a segment");
    let bytes = copy.bytes - copy.stored_bytes;
    let statement = crypto::SegmentStatement {
        copy: id,
        segment: number,
        encoder: &segment.encoder,
        hoster: &hoster,
        pk_hash: segment.pk_hash,
        salt: segment.salt.expect("it was drawn"),
        first_byte: segment.first_byte,
        bytes,
        sectors: bytes.div_ceil(SECTOR),
        root: H256::zero(),
    };
    let signature = sign(1_001, &statement.message(Pallet::<T>::genesis()));
    (id, hoster, number, bytes, signature)
}

/// A hoster that stores 32 copies, and so much that it is asked for 32 sectors.
pub fn storing<T: Config>(n: u32) {
    let who = hoster::<T>(n);
    challenge::<T>(&who);
    StorageChallenges::<T>::remove(&who);
    Hosters::<T>::mutate(&who, |hoster| hoster.as_mut().expect("an offer").stored = u64::MAX >> 8);
    StoringCount::<T>::put(n + 1);
}

/// A whole copy that is to be longer, and has no encoder yet.
pub fn wants_encoder<T: Config>(id: CopyId) {
    Copies::<T>::mutate(id, |copy| {
        let copy = copy.as_mut().expect("a copy");
        copy.sectors += 1;
        copy.bytes += SECTOR;
        copy.state = CopyState::Accepted;
    });
}

/// A need in that lane that nobody fits, of a copy whose plan has 16, of hosters that are numbered from `from` on: who is
/// drawn is a party of the last that is looked at.
pub fn unfit<T: Config>(lane: u8, from: u32) {
    let (_, copies) = plan_of::<T>(from, MAX_REPLICAS);
    let (copy, hoster) = copies[MAX_REPLICAS as usize - 1].clone();
    wants_encoder::<T>(copy);
    alone::<T>(&hoster);
    Pallet::<T>::push_need_in(lane, Need { kind: NeedKind::Encoder, id: copy, ready: 0, misses: 0, rounds: 0 });
}

/// A change that waits: a confirmation, which touches most, by the encoder of that number.
pub fn change<T: Config>(copy: CopyId, n: u32) {
    let encoder = Some(encoder::<T>(n));
    Pallet::<T>::schedule(Change::Confirmed { copy, sectors: 1, encoder }).expect("there is room");
}

/// So many segments of a copy of the hoster `from`, each by an encoder of its own, to whom half of its fee is owed.
pub fn owed<T: Config>(from: u32, count: u32) -> Vec<SegmentId> {
    let (plan, copies) = plan_of::<T>(from, 1);
    let parts = Copies::<T>::get(copies[0].0).expect("it was made").segments;
    Plans::<T>::mutate(plan, |plan| plan.as_mut().expect("a plan").reserved = UNIT);
    Copies::<T>::mutate(copies[0].0, |copy| copy.as_mut().expect("it was made").reserve = UNIT);
    let each = (from..from + count).zip(parts).map(|(n, part)| {
        let encoder = encoder::<T>(n);
        Segments::<T>::mutate(part.segment, |segment| segment.as_mut().expect("it was made").encoder = encoder);
        part.segment
    });
    each.collect()
}

/// Who committed to a report long enough ago.
pub fn announced<T: Config>(copy: CopyId, evidence: &Evidence) -> AccountId32 {
    let who = peer::<T>("reporter", 0, key(1).0);
    let hash = crypto::report(Pallet::<T>::genesis(), &who, copy, evidence);
    Pallet::<T>::do_commit_report(who.clone(), hash).expect("a peer");
    go::<T>(now::<T>() + REPORT_AGE);
    who
}

/// One encoder is in the draw table, who is that hoster.
pub fn alone<T: Config>(hoster: &AccountId32) {
    Pallet::<T>::do_offer_encoding(hoster.clone(), 0).expect("an offer");
    settle_changes::<T>();
}

/// A plan is longer than all its copies, whose hosters have room and have been paid for nothing yet.
pub fn grown<T: Config>(plan: PlanId, copies: &[(CopyId, AccountId32)]) {
    Plans::<T>::mutate(plan, |plan| {
        let plan = plan.as_mut().expect("a plan");
        plan.bytes += GIB;
        plan.sectors += GIB_SECTORS;
        plan.reserved += UNIT * copies.len() as u128;
    });
    for (copy, hoster) in copies {
        Hosters::<T>::mutate(hoster, |hoster| hoster.as_mut().expect("an offer").acc += 1_000_000);
        Copies::<T>::mutate(copy, |copy| {
            let copy = copy.as_mut().expect("a copy");
            copy.segments.truncate(GROWTH_SEGMENTS as usize - 1);
            copy.ask_disk = UNIT;
            copy.reserve = UNIT;
        });
    }
}

/// A hoster on that step with a challenge of 32 copies: its slot, and the block of the challenge.
pub fn asked<T: Config>(step: u8) -> (u64, u64) {
    let who = hoster::<T>(0);
    challenge::<T>(&who);
    Hosters::<T>::mutate(&who, |hoster| hoster.as_mut().expect("an offer").step = step);
    let slot = HosterDraws::<T>::get(&who).and_then(|draw| draw.slot).expect("it is in the table");
    (slot.into(), now::<T>().into())
}

/// A challenge of which one sample is of that copy.
pub fn challenge_of<T: Config>(hoster: &AccountId32, copy: CopyId) {
    challenge::<T>(hoster);
    StorageChallenges::<T>::mutate(hoster, |open| open.as_mut().expect("it was issued").samples[0].copy = copy);
}

/// An evicted hoster with 16 copies at their bounds: its slot.
pub fn swept<T: Config>() -> (u64, AccountId32) {
    let (plan, who) = (plan::<T>(), hoster::<T>(0));
    for _ in 0..MAX_REPLICAS {
        copy::<T>(plan, &who, MAX_SEGMENTS - 1);
    }
    Hosters::<T>::mutate(&who, |hoster| hoster.as_mut().expect("an offer").step = 3);
    let slot = HosterDraws::<T>::get(&who).and_then(|draw| draw.slot).expect("it is in the table");
    (slot.into(), who)
}

/// What a wait does now; what it counts.
pub fn act<T: Config>(wait: Wait, id: u64, tag: u64) -> u32 {
    Pallet::<T>::act(wait, Deadline { due: now::<T>(), id, tag })
}
