//! What peers do: registration, offers, plans, segments, proofs and reports, each in one line of a test.

use super::{feeds::*, mock::*, trees::Tree};
use crate::{crypto, types::*, Attesters, Copies, Error, Plans, Segments, StorageChallenges};
use frame_support::assert_ok;
use sp_core::{ed25519, Pair, H256};
use sp_runtime::{AccountId32, DispatchError, DispatchResult};

pub const SPONSOR: u64 = 1;
pub const STRANGER: u64 = 2;
pub const HOSTER: u64 = 10;
pub const ENCODER: u64 = 20;
pub const ATTESTER: u64 = 30;

pub const GENEROUS: Balance = 100 * UNIT;
/// Caps of the terms of tests: what the asks cost a sponsor that is no peer.
pub const CAP_DISK: Balance = ASK_DISK * 21 / 10;
pub const CAP_RECEIVING: Balance = ASK_RECEIVING * 21 / 10;
pub const CAP_ENCODING: Balance = ASK_ENCODING * 21 / 10;
/// Capacity that the hosters of tests offer.
pub const CAPACITY: u64 = 4 * GIB;
pub const ASK_DISK: Balance = UNIT;
/// At most a tenth of the collateral per GiB.
pub const ASK_RECEIVING: Balance = UNIT / 250;
pub const ASK_ENCODING: Balance = 2 * UNIT;
/// The least that a plan may pay, and the most that a slot may ask.
pub const REPORT_PRICE: Balance = Amounts::DEFAULT.report_price;
pub const TICK_FEE: Balance = Amounts::DEFAULT.tick_fee;
/// Links of the attesters' chains in tests.
const LINKS: u32 = 200;

pub fn times() -> Times {
    DatDot::times()
}

pub fn genesis() -> H256 {
    System::block_hash(0)
}

pub fn swarm_pair(n: u64) -> ed25519::Pair {
    ed25519::Pair::from_seed(&crypto::hash(&[b"swarm", &n.to_le_bytes()]).0)
}

pub fn statement_pair(n: u64) -> ed25519::Pair {
    ed25519::Pair::from_seed(&crypto::hash(&[b"statement", &n.to_le_bytes()]).0)
}

/// The number of an account of a test.
pub fn number(account: &AccountId32) -> u64 {
    (0..100).find(|n| super::mock::account(*n) == *account).expect("an account of the tests")
}

/// Gives to a plan as its terms are.
pub fn donated(origin: RuntimeOrigin, plan: PlanId, amount: Balance) -> DispatchResult {
    let fresh = Plans::<Test>::get(plan).map_or(0, |plan| plan.fresh);
    DatDot::donate(origin, plan, amount, fresh)
}

pub fn register(n: u64) {
    let (swarm, statement) = (swarm_pair(n), statement_pair(n));
    let (swarm_key, statement_key) = (swarm.public().0, statement.public().0);
    let message = crypto::bind_statement(genesis(), &account(n), &swarm_key, &statement_key);
    let (one, two) = (swarm.sign(&message).0, statement.sign(&message).0);
    assert_ok!(DatDot::register_peer(signed(n), swarm_key, statement_key, one, two));
}

/// An offer of hosting without a region.
pub fn offer_hosting_at(n: u64, capacity: u64, ask_disk: Balance, ask_receiving: Balance) -> DispatchResult {
    DatDot::offer_hosting(signed(n), capacity, ask_disk, ask_receiving, Default::default())
}

pub fn offer_hosting(n: u64, capacity: u64) {
    assert_ok!(offer_hosting_at(n, capacity, ASK_DISK, ASK_RECEIVING));
}

pub fn offer_encoding(n: u64) {
    assert_ok!(DatDot::offer_encoding(signed(n), ASK_ENCODING));
}

/// The chain of links from the secret of an account: the last one is the anchor.
pub fn link(n: u64, from_anchor: u32) -> H256 {
    let secret = crypto::hash(&[b"secret", &n.to_le_bytes()]);
    (0..LINKS - from_anchor).fold(secret, |link, _| crypto::next_link(genesis(), &account(n), link))
}

pub fn offer_attesting(n: u64, slots: u32) {
    assert_ok!(DatDot::offer_attesting(signed(n), REPORT_PRICE, link(n, 0), slots));
}

/// The hosters and encoders with those numbers register, offer, and get into the draw tables.
pub fn providers(hosters: &[u64], encoders: &[u64]) {
    for n in hosters {
        register(*n);
        offer_hosting(*n, CAPACITY);
    }
    for n in encoders {
        register(*n);
        offer_encoding(*n);
    }
    run(times().seed_delay);
}

pub fn terms(replicas: u8) -> Terms {
    Terms {
        replicas,
        max_ask_disk: CAP_DISK,
        max_ask_encoding: CAP_ENCODING,
        max_ask_receiving: CAP_RECEIVING,
        report_price: REPORT_PRICE,
        until: now() + 20 * times().era,
        live: false,
        min_reputation: 0,
        regions: Default::default(),
        max_latency_ms: u32::MAX,
        min_kib_per_s: 0,
    }
}

/// Publishes a plan for all of a feed.
pub fn publish_with(feed: &Feed, terms: Terms, pot: Balance) -> PlanId {
    let id = crate::NextPlan::<Test>::get();
    let ranges = vec![range(0, feed.length)];
    let nodes = feed.prove(&ranges);
    let (ranges, nodes) = (ranges.try_into().unwrap(), nodes.try_into().unwrap());
    assert_ok!(DatDot::publish_plan(signed(SPONSOR), feed.head(), ranges, nodes, terms, pot));
    id
}

/// A feed of that many sectors.
pub fn feed_of(sectors: u64) -> Feed {
    Feed::new(Kind::Compat, 7, &[sectors * SECTOR])
}

/// A plan of that many sectors with a generous pot.
pub fn publish(sectors: u64, replicas: u8) -> PlanId {
    publish_with(&feed_of(sectors), terms(replicas), GENEROUS)
}

pub fn plan(id: PlanId) -> Plan {
    Plans::<Test>::get(id).expect("a plan")
}

/// Burns of a pot what was no payment.
pub fn spend(id: PlanId, amount: Balance) {
    Plans::<Test>::mutate(id, |plan| {
        let plan = plan.as_mut().expect("a plan");
        DatDot::burn_pot(id, plan, amount);
        plan.mark += amount;
    });
}

/// Sectors that the encoding of so many is paid for.
pub fn paid_sectors(sectors: u64) -> u128 {
    sectors.max(times().checkpoint.into()).into()
}

pub fn copy(id: CopyId) -> Copy {
    Copies::<Test>::get(id).expect("a copy")
}

pub fn segment(id: SegmentId) -> Segment {
    Segments::<Test>::get(id).expect("a segment")
}

pub fn reputation(n: u64) -> u32 {
    DatDot::reputation(&account(n))
}

/// Runs until a copy is in a state.
pub fn run_until(id: CopyId, state: CopyState) {
    run_while(|| Copies::<Test>::get(id).is_none_or(|copy| copy.state != state))
}

pub fn run_while(waits: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if !waits() {
            return;
        }
        next_block();
    }
    panic!("waited 2000 blocks in vain; it is block {}", now());
}

/// The n-th modulus that the chain accepts.
pub fn modulus(n: u64) -> Sector {
    let mut modulus = [0xff; 256];
    let mut low = n * 4_096 + 1;
    loop {
        modulus[200..208].copy_from_slice(&n.to_be_bytes());
        modulus[248..].copy_from_slice(&low.to_be_bytes());
        if crypto::valid_modulus(&modulus) {
            return modulus;
        }
        low += 2;
    }
}

/// The drawn encoder begins a segment with a modulus of its own.
pub fn begin(id: CopyId) -> SegmentId {
    let segment = crate::NextSegment::<Test>::get();
    let encoder = copy(id).encoder.expect("a drawn encoder");
    assert_ok!(DatDot::begin_segment(RuntimeOrigin::signed(encoder), id, modulus(segment), PROFILE_P1));
    segment
}

pub fn context(id: SegmentId) -> H256 {
    let segment = segment(id);
    DatDot::context_of(&segment, &copy(segment.copy).hoster).expect("a salt")
}

pub fn tree(id: SegmentId, sectors: u64) -> Tree {
    Tree::new(context(id), sectors)
}

/// The statement of a segment, signed by the account that has number n.
pub fn statement(id: SegmentId, bytes: u64, root: H256, n: u64) -> Signature {
    let segment = segment(id);
    let copy = copy(segment.copy);
    let statement = crypto::SegmentStatement {
        copy: segment.copy,
        segment: id,
        encoder: &segment.encoder,
        hoster: &copy.hoster,
        pk_hash: segment.pk_hash,
        salt: segment.salt.expect("a salt"),
        first_byte: segment.first_byte,
        bytes,
        sectors: bytes.div_ceil(SECTOR),
        root,
    };
    statement_pair(n).sign(&statement.message(genesis())).0
}

/// The hoster confirms its current segment, all of the rest or `bytes` of it; the encoder signed.
pub fn confirm_bytes(id: CopyId, bytes: u64, root: H256) {
    let copy = copy(id);
    let (segment, encoder) = (copy.current.expect("a segment"), copy.encoder.expect("an encoder"));
    let signature = statement(segment, bytes, root, number(&encoder));
    assert_ok!(DatDot::confirm_segment(RuntimeOrigin::signed(copy.hoster), id, segment, bytes, root, signature));
}

/// The same for all that is left, with its tree's root.
pub fn confirm(id: CopyId) {
    let copy = copy(id);
    let rest = copy.bytes - copy.stored_bytes;
    let root = tree(copy.current.expect("a segment"), rest.div_ceil(SECTOR)).root();
    confirm_bytes(id, rest, root);
}

/// Takes a copy from wherever it is to Active.
pub fn activate(id: CopyId) {
    run_until(id, CopyState::Assigned);
    begin(id);
    run_until(id, CopyState::Encoding);
    confirm(id);
}

/// Takes several copies to Active at the same time.
pub fn activate_all(ids: &[CopyId]) {
    let state = |id: &CopyId| Copies::<Test>::get(id).map(|copy| copy.state);
    for _ in 0..200 {
        for id in ids {
            match state(id) {
                Some(CopyState::Assigned) => drop(begin(*id)),
                Some(CopyState::Encoding) => confirm(*id),
                _ => (),
            }
        }
        if ids.iter().all(|id| state(id) == Some(CopyState::Active)) {
            return;
        }
        next_block();
    }
    panic!("not all of {ids:?} became active");
}

/// A copy of that many sectors, active and in the tables; hoster, encoder and sponsor are registered before.
pub fn active_copy(sectors: u64) -> CopyId {
    let id = crate::NextCopy::<Test>::get();
    publish(sectors, 1);
    activate(id);
    run(times().seed_delay);
    id
}

pub fn challenge(n: u64) -> Option<StorageChallenge> {
    StorageChallenges::<Test>::get(account(n))
}

/// The right answer to a challenge.
pub fn answer(challenge: &StorageChallenge) -> StorageProof {
    let (mut sectors, mut siblings) = (Vec::new(), Vec::new());
    // By copy first: a later copy may have an earlier segment.
    for samples in challenge.samples.chunk_by(|one, next| one.segment == next.segment) {
        let tree = tree(samples[0].segment, segment(samples[0].segment).sectors);
        let wanted: Vec<u64> = samples.iter().map(|sample| sample.sector).collect();
        sectors.extend(wanted.iter().map(|index| tree.open(*index).data));
        siblings.extend(tree.siblings(&wanted));
    }
    StorageProof { sectors: sectors.try_into().unwrap(), siblings: siblings.try_into().unwrap() }
}

pub fn submit(n: u64, issued: Block, proof: StorageProof) -> Result<(), DispatchError> {
    DatDot::submit_storage_proof(signed(n), issued, proof).map(|_| ()).map_err(|e| e.error)
}

/// Runs until the hoster is challenged anew; one that is open is answered first.
pub fn run_until_challenged(n: u64) -> StorageChallenge {
    if challenge(n).is_some() {
        prove(n);
    }
    run_while(|| challenge(n).is_none());
    challenge(n).expect("a challenge")
}

/// Answers the open challenge of a hoster, in the block after it was issued if need be.
pub fn prove(n: u64) {
    let challenge = challenge(n).expect("a challenge");
    if now() == challenge.issued {
        next_block();
    }
    assert_ok!(submit(n, challenge.issued, answer(&challenge)));
}

/// Goes to the beginning of a block; whoever is challenged meanwhile proves, late in its window.
pub fn serve_to(block: Block) {
    assert!(block >= now(), "block {block} is past, it is {}", now());
    while now() < block {
        next_block();
        let late = |open: &StorageChallenge| now() == open.issued + times().proof_window - 1;
        let due: Vec<_> = StorageChallenges::<Test>::iter().filter(|(_, open)| late(open)).collect();
        due.iter().for_each(|(hoster, _)| prove(number(hoster)));
    }
}

/// What an attester commits to, and reveals.
#[derive(Clone)]
pub struct Probe {
    pub n: u64,
    pub era: Era,
    pub copy: CopyId,
    pub report: Report,
    pub link: H256,
    pub salt: H256,
    pub opening: Option<Opening>,
    pub leaf: H256,
}

impl Probe {
    /// The true report of an attester on a copy that serves as said.
    pub fn new(n: u64, era: Era, id: CopyId, report: Report) -> Probe {
        let attester = Attesters::<Test>::get(account(n)).expect("an attester");
        let anchor_era = (0..LINKS).find(|i| link(n, *i) == attester.link).expect("a link of its chain");
        let link = link(n, anchor_era + era - attester.link_era);
        let salt = crypto::hash(&[b"salt", &n.to_le_bytes()]);
        let mut probe = Probe { n, era, copy: id, report, link, salt, opening: None, leaf: H256::zero() };
        let copy = copy(id);
        // Sectors that came within the era are not probed in it; without any the copy is not under test.
        let before = copy.segments.iter().filter(|part| part.since < era * times().era);
        let sectors = before.fold(0, |sum, part| sum + u128::from(part.sectors));
        if report.served == 1 && sectors > 0 {
            let sector = crypto::low(crypto::probe(link, id, era, 0)) % sectors;
            let (segment_id, index) = copy.locate(sector as u64).expect("a sector");
            let tree = tree(segment_id, segment(segment_id).sectors);
            probe.leaf = tree.leaf(index);
            probe.opening = Some(tree.open(index));
        }
        probe
    }

    pub fn hash(&self) -> H256 {
        let Probe { era, copy, report, link, leaf, salt, .. } = *self;
        crypto::Commitment { account: &account(self.n), era, copy, report, link, leaf, salt }.hash(genesis())
    }

    pub fn commit(&self) -> Result<(), DispatchError> {
        commit(self.n, self.era, self.copy, self.hash())
    }

    pub fn reveal(&self) -> Result<(), DispatchError> {
        let call = DatDot::reveal_retrievals(signed(self.n), self.era, self.link, some(vec![self.item()]));
        call.map(|_| ()).map_err(|e| e.error)
    }

    /// What opens its commit, beside the link.
    pub fn item(&self) -> RetrievalReveal {
        let Probe { copy, report, salt, .. } = *self;
        RetrievalReveal { copy, report, salt, opening: self.opening.clone() }
    }
}

/// A bounded vector.
pub fn some<I: std::fmt::Debug, S: frame_support::traits::Get<u32>>(items: Vec<I>) -> frame_support::BoundedVec<I, S> {
    items.try_into().expect("not too many")
}

/// A call with one commit.
pub fn commit(n: u64, era: Era, copy: CopyId, commit: H256) -> Result<(), DispatchError> {
    let call = DatDot::commit_retrievals(signed(n), era, some(vec![RetrievalCommit { copy, commit }]));
    call.map(|_| ()).map_err(|e| e.error)
}

pub fn served(latency_ms: u32, kib_per_s: u32) -> Report {
    Report { served: 1, latency_ms, kib_per_s }
}

pub fn not_served() -> Report {
    Report { served: 0, latency_ms: 0, kib_per_s: 0 }
}

pub fn era() -> Era {
    now() / times().era
}

pub fn settle(era: Era, copy: CopyId) -> Result<(), DispatchError> {
    DatDot::settle_retrieval(signed(STRANGER), era, copy).map(|_| ()).map_err(|e| e.error)
}

pub fn error(error: Error<Test>) -> DispatchError {
    error.into()
}
