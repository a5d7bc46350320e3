//! The types that stand in storage, calls and events; their SCALE encodings are part of the specification.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use sp_core::H256;
use sp_runtime::AccountId32;

/// Money, in the smallest unit; 10^12 are one UNIT.
pub type Balance = u128;
/// Block number.
pub type Block = u32;
/// Era: block / `Times::era`.
pub type Era = u32;
pub type PlanId = u64;
pub type CopyId = u64;
pub type SegmentId = u64;
/// An ed25519 public key.
pub type Key = [u8; 32];
/// An ed25519 signature.
pub type Signature = [u8; 64];
/// The plaintext or the encoded bytes of one sector.
pub type Sector = [u8; 256];

/// One UNIT of money.
pub const UNIT: Balance = 1_000_000_000_000;
/// Parts per million: the scale of reputation.
pub const PPM: u32 = 1_000_000;
/// Bytes of a sector.
pub const SECTOR: u64 = 256;
/// Sectors of one GiB.
pub const GIB_SECTORS: u64 = 1 << 22;
/// Bytes of one GiB.
pub const GIB: u64 = 1 << 30;
/// Longest copy stream of a plan, in bytes (256 GiB).
pub const MAX_PLAN_BYTES: u64 = 256 * GIB;
/// Bytes that a partial segment has at least (4 GiB).
pub const SEGMENT_BYTES: u64 = 4 * GIB;
/// Largest size, length and fork of a hypercore (2^53 - 1).
pub const MAX_SAFE: u64 = (1 << 53) - 1;
/// Lowest reputation.
pub const MIN_REPUTATION: u32 = 100_000;
/// Reputation at registration.
pub const FIRST_REPUTATION: u32 = 500_000;
/// Largest ask, cap, price per report and amount parameter.
pub const MAX_AMOUNT: Balance = 1_000_000_000_000_000_000_000_000;
/// The only profile: P1 of the encoding.
pub const PROFILE_P1: u8 = 1;

/// Expiries handled per kind and block.
pub const EXPIRIES: u32 = 32;
/// Placement tries per block.
pub const TRIES: u32 = 32;
/// Changes of the draw tables that may wait for one block.
pub const MAX_CHANGES: u32 = 256;
/// Storage challenges issued per block.
pub const CHALLENGES: u32 = 8;
/// `begin_segment` calls per block.
pub const BEGINS: u32 = 32;
/// Jobs of an encoder at a time.
pub const JOBS: u32 = 4;
/// Live copies of a hoster.
pub const COPIES: u32 = 4_096;
/// Declines of a hoster per era.
pub const DECLINES: u32 = 8;
/// Misses in a row after which a need goes to the tail.
pub const MISSES: u8 = 8;
/// Blocks for which seeds are kept.
pub const SEEDS: Block = 256;
/// Eras for which Era(r) is kept.
pub const ERAS: Era = 4;
/// Eras for which an ended copy's records and a given-back slot are kept, and for which a role must be left before its release.
pub const KEEP_ERAS: u32 = 3;
/// Eras between a confirmation and the second half of its fee.
pub const HALF_ERAS: u32 = 2;
/// Links that one reveal may skip.
pub const MAX_LINKS: u32 = 64;
/// Empty-handed seats that are burned per slot and era, 1 % each.
pub const EMPTY_HANDED: u32 = 5;
/// Entries of the draw table of hosters and of that of encoders (64^3).
pub const MAX_ENTRIES: u32 = 262_144;

pub type MaxReplicas = ConstU32<16>;
pub type MaxRanges = ConstU32<16>;
pub type MaxSegments = ConstU32<256>;
pub type MaxSamples = ConstU32<32>;
pub type MaxSeats = ConstU32<16>;
pub type MaxMemory = ConstU32<64>;
/// Slots of one attester.
pub type MaxSlots = ConstU32<16>;
/// Roots of a hypercore's tree of at most 2^53 - 1 blocks.
pub type MaxRoots = ConstU32<53>;
/// Tree nodes opened by `publish_plan`: the paths to both ends of 16 ranges.
pub type MaxNodes = ConstU32<4_096>;
/// Siblings of one sector: 2^30 sectors of a copy, 30 levels.
pub type MaxSiblings = ConstU32<32>;

/// A role that can be offered.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub enum Role {
    #[codec(index = 0)]
    Hosting,
    #[codec(index = 1)]
    Encoding,
    #[codec(index = 2)]
    Attesting,
}

/// A registered account.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Peer {
    pub swarm_key: Key,
    pub statement_key: Key,
    /// Block of registration.
    pub since: Block,
    /// R, in ppm: one for all roles.
    pub reputation: u32,
    /// Lower median of the last verdict `Passed` on a copy that it hosts; 0 before.
    pub latency_ms: u32,
    pub kib_per_s: u32,
    /// Verdicts `Passed`.
    pub served: u32,
    /// Verdicts `Failed`.
    pub failed: u32,
}

/// A hoster's state; every entry that was ever offered stays.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Hoster {
    /// The offer stands.
    pub open: bool,
    /// Block in which `open` last became false; 0 before.
    pub out_since: Block,
    /// Bytes applied: max(offered, used).
    pub capacity: u64,
    /// Bytes reserved by its live copies: 256 x their sectors.
    pub used: u64,
    /// Sectors confirmed of its live copies.
    pub stored: u64,
    /// Live copies.
    pub copies: u32,
    /// Copies whose records are kept, live ones included.
    pub records: u32,
    /// Price per GiB and era.
    pub ask_disk: Balance,
    /// Price per GiB received.
    pub ask_receiving: Balance,
    /// ppm x blocks.
    pub acc: u64,
    /// Block up to which `acc` counts.
    pub last: Block,
    /// Era of the last decline.
    pub decline_era: Era,
    /// Declines in that era.
    pub declines: u32,
    /// Place in the list of hosters that store something.
    pub place: Option<u32>,
    /// Passed and missed storage challenges.
    pub passed: u32,
    pub missed: u32,
}

/// The draw table's own copies of what a hoster's weight follows from.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct HosterDraw {
    /// Slot in the tree, from the first time it was in.
    pub slot: Option<u32>,
    pub open: bool,
    pub capacity: u64,
    pub used: u64,
    pub collateral: Balance,
    pub reputation: u32,
}

/// An encoder's state; every entry that was ever offered stays.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Encoder {
    pub open: bool,
    pub out_since: Block,
    /// Current jobs.
    pub jobs: u32,
    /// Price per GiB.
    pub ask: Balance,
    /// Unreleased fees: unpaid second halves and the fees of its current jobs.
    pub unreleased: Balance,
    /// Unpaid second halves, in number.
    pub halves: u32,
}

/// The draw table's own copies of what an encoder's weight follows from.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct EncoderDraw {
    pub slot: Option<u32>,
    pub open: bool,
    pub jobs: u32,
    pub bond: Balance,
    pub reputation: u32,
}

/// An attester's chain of links and its slots.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Attester {
    /// The anchor offered last.
    pub anchor: H256,
    /// Era of the last link shown; at first that of the offer.
    pub link_era: Era,
    /// Last link shown; at first the anchor.
    pub link: H256,
    /// Its slots that were not given back, ascending in the order in which they were taken.
    pub slots: BoundedVec<u32, MaxSlots>,
}

/// A count in one era.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct EraCount {
    pub era: Era,
    pub count: u32,
}

/// An attester's slot; none stands at a hole.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Slot {
    pub account: AccountId32,
    /// Price per report; never changes.
    pub ask: Balance,
    /// What is left of its bond.
    pub bond: Balance,
    /// Era in which it was taken.
    pub taken: Era,
    /// Eras in which its account offered anew with another anchor: the last four different ones, ascending.
    pub renewed: BoundedVec<Era, ConstU32<4>>,
    /// Block in which it was given back.
    pub returned: Option<Block>,
    /// Empty-handed seats burned: the last four eras in order of their first burn.
    pub empty: BoundedVec<EraCount, ConstU32<4>>,
}

/// A node of a sum table: fan-out 64.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Node {
    /// Bit i: slot i is taken, or child i is full.
    pub mask: u64,
    pub sums: [u64; 64],
}

/// A change of the draw tables that waits; variants by what a call changed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Change {
    /// `offer_hosting`.
    #[codec(index = 0)]
    HosterOffered { account: AccountId32, capacity: u64, collateral: Balance },
    /// `withdraw_offer(Hosting)`.
    #[codec(index = 1)]
    HosterWithdrawn { account: AccountId32 },
    /// `release(Hosting)`.
    #[codec(index = 2)]
    HosterReleased { account: AccountId32 },
    /// `offer_encoding`.
    #[codec(index = 3)]
    EncoderOffered { account: AccountId32, bond: Balance },
    /// `withdraw_offer(Encoding)`.
    #[codec(index = 4)]
    EncoderWithdrawn { account: AccountId32 },
    /// `release(Encoding)`.
    #[codec(index = 5)]
    EncoderReleased { account: AccountId32 },
    /// A proof or a verdict.
    #[codec(index = 6)]
    Reputation { account: AccountId32, reputation: u32 },
    /// `decline_copy`: the hoster's used bytes fall, and the plan needs a hoster.
    #[codec(index = 7)]
    Declined { account: AccountId32, bytes: u64, plan: PlanId },
    /// `confirm_segment`: sectors enter the copies table; `encoder` is set when its job ended with it.
    #[codec(index = 8)]
    Confirmed { copy: CopyId, sectors: u64, encoder: Option<AccountId32> },
}

/// A root of a hypercore's tree, left to right.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Root {
    pub hash: H256,
    pub size: u64,
}

/// A feed's signed head as `publish_plan` takes it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SignedHead {
    /// The hypercore's key.
    pub key: Key,
    /// Empty for a compat key, else the manifest of one signer (v0: 68 bytes, v1: 70 bytes).
    pub manifest: BoundedVec<u8, ConstU32<70>>,
    pub fork: u64,
    /// Blocks.
    pub length: u64,
    pub roots: BoundedVec<Root, MaxRoots>,
    /// The raw ed25519 signature, without hypercore's container.
    pub signature: Signature,
}

/// A feed's head: what of it is signed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub struct Head {
    pub fork: u64,
    pub length: u64,
    pub byte_length: u64,
    pub tree_hash: H256,
}

/// Blocks [start, end) of a feed, as `publish_plan` takes them.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub struct BlockRange {
    pub start: u64,
    pub end: u64,
}

/// Blocks [start, end) of a feed, and the bytes [first_byte, first_byte + bytes) that they are in it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub struct Range {
    pub start: u64,
    pub end: u64,
    pub first_byte: u64,
    pub bytes: u64,
}

/// An opened node of a hypercore's tree: its hash is H(0x01 | size | left | right).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct OpenedNode {
    /// Flat-tree index, odd.
    pub index: u64,
    pub size: u64,
    pub left: H256,
    pub right: H256,
}

/// What a plan asks for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Terms {
    /// 1 to 16.
    pub replicas: u8,
    /// Caps: per GiB and era, per GiB, per GiB.
    pub max_ask_disk: Balance,
    pub max_ask_encoding: Balance,
    pub max_ask_receiving: Balance,
    /// Z: price of one report.
    pub report_price: Balance,
    /// The plan ends at its first tick at or after this block.
    pub until: Block,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub enum PlanState {
    #[codec(index = 0)]
    Live,
    #[codec(index = 1)]
    Ended,
}

/// Why a plan ended.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub enum PlanEnd {
    /// The first tick at or after `until`.
    #[codec(index = 0)]
    Until,
    /// The pot could not pay a tick.
    #[codec(index = 1)]
    Unpaid,
    /// `end_plan`.
    #[codec(index = 2)]
    Called,
}

/// A sponsor's order.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Plan {
    pub sponsor: AccountId32,
    /// The feed's key.
    pub feed: Key,
    pub head: Head,
    pub ranges: BoundedVec<Range, MaxRanges>,
    /// Bytes of the copy stream.
    pub bytes: u64,
    /// ceil(bytes / 256).
    pub sectors: u64,
    pub terms: Terms,
    pub state: PlanState,
    /// Block of publication.
    pub published: Block,
    /// T: block of the next tick.
    pub next_tick: Block,
    /// S: all shares.
    pub shares: Balance,
    /// Accounts that still hold shares.
    pub donors: u32,
    /// Sum of its copies' reserves.
    pub reserved: Balance,
    /// Burned from its pot so far.
    pub burned: Balance,
    /// Copies that have not ended, in the order in which they were offered.
    pub live: BoundedVec<CopyId, MaxReplicas>,
    /// Copies whose records are kept, live ones included.
    pub records: u32,
    /// Former parties, the last `Times::memory`, oldest first.
    pub former: BoundedVec<AccountId32, MaxMemory>,
    /// It has a need in the queue.
    pub queued: bool,
    /// `end_plan` was called.
    pub ending: bool,
    /// What is left for its donors, once fixed.
    pub remainder: Option<Balance>,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub enum CopyState {
    /// The hoster may decline.
    #[codec(index = 0)]
    Offered,
    /// An encoder is wanted.
    #[codec(index = 1)]
    Accepted,
    /// The encoder must begin a segment.
    #[codec(index = 2)]
    Assigned,
    /// The salt is awaited.
    #[codec(index = 3)]
    Begun,
    /// The segment is being made.
    #[codec(index = 4)]
    Encoding,
    /// Complete.
    #[codec(index = 5)]
    Active,
    #[codec(index = 6)]
    Ended,
}

/// Why a copy ended.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub enum CopyEnd {
    #[codec(index = 0)]
    Declined,
    /// No encoder was found in `Times::encoder_wait`.
    #[codec(index = 1)]
    NoEncoder,
    /// The lease passed.
    #[codec(index = 2)]
    Stalled,
    #[codec(index = 3)]
    PlanEnded,
}

/// A confirmed segment of a copy.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub struct CopySegment {
    pub segment: SegmentId,
    pub sectors: u64,
}

/// One replica of a plan on one hoster.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Copy {
    pub plan: PlanId,
    pub hoster: AccountId32,
    /// The encoder that is drawn; none once the copy is active.
    pub encoder: Option<AccountId32>,
    /// Encoders that confirmed a segment, each once, in that order.
    pub encoders: BoundedVec<AccountId32, MaxSegments>,
    pub state: CopyState,
    pub bytes: u64,
    pub sectors: u64,
    /// Confirmed bytes.
    pub stored_bytes: u64,
    /// Confirmed sectors.
    pub stored: u64,
    /// The hoster's asks, locked when placed.
    pub ask_disk: Balance,
    pub ask_receiving: Balance,
    /// The drawn encoder's ask, locked when drawn.
    pub ask_encoding: Balance,
    /// Fee of the current job, within the encoder's unreleased fees.
    pub fee: Balance,
    /// Unpaid second halves.
    pub halves: Balance,
    /// The part of the pot out of which it pays.
    pub reserve: Balance,
    /// Sectors x ppm x blocks that were paid or never due.
    pub debt: u128,
    /// The hoster's `acc` at its end.
    pub frozen: Option<u64>,
    pub segments: BoundedVec<CopySegment, MaxSegments>,
    /// The segment that was begun and is not confirmed.
    pub current: Option<SegmentId>,
    /// Counts draws of encoders and partial confirmations; deadlines name it.
    pub generation: u32,
    pub offered: Block,
    pub first_confirmed: Option<Block>,
    pub active_since: Option<Block>,
    pub ended: Option<Block>,
    /// Slot in the hoster's copies table.
    pub slot: Option<u32>,
    /// Sectors that are in the hoster's copies table.
    pub tabled: u64,
    pub strikes: u32,
}

/// A run of one copy's sectors made by one encoder.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Segment {
    pub copy: CopyId,
    pub encoder: AccountId32,
    pub profile: u8,
    pub pk_hash: H256,
    /// Block of `begin_segment`.
    pub begun: Block,
    /// Drawn SeedDelay blocks later.
    pub salt: Option<H256>,
    pub first_byte: u64,
    /// 0 until confirmed; so are sectors and root.
    pub bytes: u64,
    pub sectors: u64,
    pub root: H256,
    /// The feed's head at `begin_segment`.
    pub head: Head,
    /// Second half of its fee, while unpaid.
    pub half: Balance,
}

/// A sector that a storage challenge names; index within the segment.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy, PartialOrd, Ord,
)]
pub struct Sample {
    pub copy: CopyId,
    pub segment: SegmentId,
    pub sector: u64,
}

/// A storage challenge, due in issued + 1 ..= issued + ProofWindow.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct StorageChallenge {
    pub issued: Block,
    /// Different ones, ascending.
    pub samples: BoundedVec<Sample, MaxSamples>,
}

/// A sector and its siblings, bottom-up.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Opening {
    pub data: Sector,
    pub siblings: BoundedVec<H256, MaxSiblings>,
}

/// What an attester measured.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub struct Report {
    /// 1 or 0.
    pub served: u8,
    pub latency_ms: u32,
    pub kib_per_s: u32,
}

/// A seat of the committee of (era, copy) that is not empty.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Seat {
    pub slot: u32,
    pub account: AccountId32,
    pub commit: Option<H256>,
    pub report: Option<Report>,
}

/// The committee of (era, copy).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Retrieval {
    /// In seat order.
    pub seats: BoundedVec<Seat, MaxSeats>,
    pub settled: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub enum Verdict {
    #[codec(index = 0)]
    Void,
    #[codec(index = 1)]
    Passed,
    #[codec(index = 2)]
    Failed,
}

/// Era(r): stored at its first block.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub struct EraInfo {
    pub seed: H256,
    /// Length of the list of slots, holes included.
    pub slots: u32,
}

/// A need of placement.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub struct Need {
    pub kind: NeedKind,
    /// Plan or copy.
    pub id: u64,
    /// First block in which it may be tried.
    pub ready: Block,
    /// Misses in a row.
    pub misses: u8,
}

#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy, PartialOrd, Ord,
)]
pub enum NeedKind {
    /// A plan needs a hoster.
    #[codec(index = 0)]
    Hoster,
    /// A copy needs an encoder.
    #[codec(index = 1)]
    Encoder,
}

/// Head and tail of a FIFO: entries head .. tail are in it.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy, Default,
)]
pub struct Fifo {
    pub head: u64,
    pub tail: u64,
}

/// Kinds of expiries, in the order in which a block handles them.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub enum Wait {
    #[codec(index = 0)]
    Decline,
    #[codec(index = 1)]
    EncoderDraw,
    #[codec(index = 2)]
    Begin,
    #[codec(index = 3)]
    Salt,
    #[codec(index = 4)]
    Lease,
    #[codec(index = 5)]
    Proof,
    #[codec(index = 6)]
    Half,
    #[codec(index = 7)]
    Tick,
    #[codec(index = 8)]
    EndPlan,
    #[codec(index = 9)]
    Settle,
    #[codec(index = 10)]
    Records,
}

impl Wait {
    /// The order of a block.
    pub const ALL: [Wait; 11] = [
        Wait::Decline,
        Wait::EncoderDraw,
        Wait::Begin,
        Wait::Salt,
        Wait::Lease,
        Wait::Proof,
        Wait::Half,
        Wait::Tick,
        Wait::EndPlan,
        Wait::Settle,
        Wait::Records,
    ];
}

/// An entry of a FIFO of expiries; what `id` and `tag` are depends on the kind.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub struct Deadline {
    /// Block in whose `on_initialize` it acts.
    pub due: Block,
    pub id: u64,
    pub tag: u64,
}

/// What was paid for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
pub enum Payment {
    /// Disk, by `collect`.
    #[codec(index = 0)]
    Storage,
    #[codec(index = 1)]
    Receiving,
    #[codec(index = 2)]
    FirstHalf,
    #[codec(index = 3)]
    SecondHalf,
    #[codec(index = 4)]
    Report,
}

/// Time spans in blocks and counts; from genesis, for ever.
#[derive(
    Clone,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Copy,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Times {
    pub era: u32,
    pub seed_delay: u32,
    pub decline_window: u32,
    pub encoder_wait: u32,
    pub begin_window: u32,
    pub lease: u32,
    pub mean_gap: u32,
    pub proof_window: u32,
    pub probe_blocks: u32,
    pub reveal_from: u32,
    pub settle_from: u32,
    pub settle_to: u32,
    pub end_notice: u32,
    pub memory: u32,
    pub seats: u32,
    pub quorum: u32,
    /// Off chain.
    pub probe_bytes: u32,
    /// Longest plan, in eras.
    pub plan_eras: u32,
}

/// Amounts, in the smallest unit; root may change them.
#[derive(
    Clone,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Copy,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Amounts {
    /// Burned by `register_peer`.
    pub peer_fee: Balance,
    /// Burned by `publish_plan`.
    pub publish_fee: Balance,
    pub min_donation: Balance,
    /// Hoster's collateral per GiB offered.
    pub collateral: Balance,
    pub encoder_bond: Balance,
    /// Per slot.
    pub attester_bond: Balance,
    /// Burned from the bond of an encoder that does not begin.
    pub begin_fine: Balance,
    /// Burned thrice at a stall.
    pub stall_fine: Balance,
}
