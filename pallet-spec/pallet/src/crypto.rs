//! Hashes, statements, keys and moduli: the bytes of pallet-spec/README.md sections 2, 7 and 8.

use crate::types::{CopyId, Era, Evidence, Key, Report, Sector, SegmentId, Signature, PROFILE_P1};
use alloc::vec::Vec;
use codec::Encode;
use sp_core::{ed25519, H256};
use sp_io::hashing::blake2_256;
use sp_runtime::AccountId32;

/// H: BLAKE2b-256 of the parts, one behind the other.
pub fn hash(parts: &[&[u8]]) -> H256 {
    H256(blake2_256(&parts.concat()))
}

/// U: bytes 0..16 of a hash.
pub fn low(hash: H256) -> u128 {
    hash.0.iter().take(16).rev().fold(0, |value, byte| value << 8 | u128::from(*byte))
}

/// The first 32 bytes of an account.
fn raw(account: &AccountId32) -> &[u8] {
    account.as_ref()
}

/// y-coordinates of the small-order points with bit 255 clear, and the non-canonical encodings of two of them.
const SMALL_ORDER: [Key; 7] = {
    const P: u8 = 0xed;
    let mut all = [[0u8; 32]; 7];
    all[1][0] = 1;
    let mut i = 2;
    while i < 5 {
        let mut j = 1;
        while j < 31 {
            all[i][j] = 0xff;
            j += 1;
        }
        all[i][31] = 0x7f;
        all[i][0] = P - 3 + i as u8;
        i += 1;
    }
    all[5] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    all[6] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    all
};

/// Whether an encoded point is one of small order, which the host's ed25519 would accept.
pub fn small_order(point: &Key) -> bool {
    let mut cleared = *point;
    cleared[31] &= 0x7f;
    SMALL_ORDER.contains(&cleared)
}

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    SmallOrder,
    Invalid,
}

/// Checks an ed25519 signature: small-order keys and R first, then ZIP-215.
pub fn verify(signature: &Signature, message: &[u8], key: &Key) -> Result<(), Refused> {
    let mut r = [0; 32];
    r.copy_from_slice(&signature[..32]);
    if small_order(key) || small_order(&r) {
        return Err(Refused::SmallOrder);
    }
    let valid = sp_io::crypto::ed25519_verify(
        &ed25519::Signature::from_raw(*signature),
        message,
        &ed25519::Public::from_raw(*key),
    );
    valid.then_some(()).ok_or(Refused::Invalid)
}

fn statement(name: &[u8], genesis: H256, fields: &[&[u8]]) -> Vec<u8> {
    [&[b"datdot/v1/", name, b"\0", genesis.as_bytes()], fields].concat().concat()
}

/// The statement `bind`.
pub fn bind_statement(genesis: H256, account: &AccountId32, swarm_key: &Key, statement_key: &Key) -> Vec<u8> {
    statement(b"bind", genesis, &[raw(account), swarm_key, statement_key])
}

/// What the statement `segment` says.
pub struct SegmentStatement<'a> {
    pub copy: CopyId,
    pub segment: SegmentId,
    pub encoder: &'a AccountId32,
    pub hoster: &'a AccountId32,
    pub pk_hash: H256,
    pub salt: H256,
    pub first_byte: u64,
    pub bytes: u64,
    pub sectors: u64,
    pub root: H256,
}

impl SegmentStatement<'_> {
    /// The bytes that encoder and hoster sign.
    pub fn message(&self, genesis: H256) -> Vec<u8> {
        let fields: [&[u8]; 10] = [
            &self.copy.to_le_bytes(),
            &self.segment.to_le_bytes(),
            raw(self.encoder),
            raw(self.hoster),
            self.pk_hash.as_bytes(),
            self.salt.as_bytes(),
            &self.first_byte.to_le_bytes(),
            &self.bytes.to_le_bytes(),
            &self.sectors.to_le_bytes(),
            self.root.as_bytes(),
        ];
        statement(b"segment", genesis, &fields)
    }
}

/// D(tag, ids, ctr).
pub fn draw(tag: u8, seed: H256, ids: &[u8], ctr: u32) -> u128 {
    low(hash(&[b"datdot/v1/draw\0", &[tag], seed.as_bytes(), ids, &ctr.to_le_bytes()]))
}

/// chain_rand of a segment, from the seed of the block in which its salt is drawn.
pub fn chain_rand(seed: H256, segment: SegmentId) -> H256 {
    hash(&[b"datdot/v1/draw\0\x06", seed.as_bytes(), &segment.to_le_bytes()])
}

/// contract_id of a copy.
pub fn contract_id(genesis: H256, copy: CopyId) -> H256 {
    hash(&[b"datdot/v1/copy\0", genesis.as_bytes(), &copy.to_le_bytes()])
}

/// pk_hash of an RSA-2048 modulus with e = 3.
pub fn pk_hash(modulus: &Sector) -> H256 {
    hash(&[&2048u16.to_le_bytes(), &3u32.to_le_bytes(), modulus])
}

/// What a segment's salt is made of.
pub struct SaltInputs<'a> {
    pub genesis: H256,
    pub copy: CopyId,
    pub encoder: &'a AccountId32,
    pub hoster: &'a AccountId32,
    pub feed_key: &'a Key,
    pub feed_root: H256,
    pub chain_rand: H256,
    pub pk_hash: H256,
}

/// A segment's salt (docs/protocol/encoding.md section 5), profile P1.
pub fn salt(inputs: &SaltInputs) -> H256 {
    hash(&[
        b"repenc/v1/salt",
        &[PROFILE_P1],
        inputs.genesis.as_bytes(),
        contract_id(inputs.genesis, inputs.copy).as_bytes(),
        raw(inputs.encoder),
        raw(inputs.hoster),
        inputs.feed_key,
        inputs.feed_root.as_bytes(),
        inputs.chain_rand.as_bytes(),
        inputs.pk_hash.as_bytes(),
    ])
}

/// ctx of a segment's Merkle tree (docs/protocol/encoding.md section 5).
pub fn context(
    contract_id: H256,
    encoder: &AccountId32,
    hoster: &AccountId32,
    profile: u8,
    pk_hash: H256,
    salt: H256,
) -> H256 {
    hash(&[
        b"repenc/v1/ctx",
        contract_id.as_bytes(),
        raw(encoder),
        raw(hoster),
        &[profile],
        pk_hash.as_bytes(),
        salt.as_bytes(),
    ])
}

/// The link that follows `link` towards the anchor.
pub fn next_link(genesis: H256, account: &AccountId32, link: H256) -> H256 {
    hash(&[b"datdot/v1/chain\0", genesis.as_bytes(), raw(account), link.as_bytes()])
}

/// q_j of (copy, era) for the holder of `link`.
pub fn probe(link: H256, copy: CopyId, era: Era, j: u8) -> H256 {
    hash(&[b"datdot/v1/probe\0", link.as_bytes(), &copy.to_le_bytes(), &era.to_le_bytes(), &[j]])
}

/// An attester's report with what it is bound to.
pub struct Commitment<'a> {
    pub account: &'a AccountId32,
    pub era: Era,
    pub copy: CopyId,
    pub report: Report,
    pub link: H256,
    /// Leaf hash of the sector of j = 0; zeros if not served.
    pub leaf: H256,
    pub salt: H256,
}

impl Commitment<'_> {
    pub fn hash(&self, genesis: H256) -> H256 {
        hash(&[
            b"datdot/v1/commit\0",
            genesis.as_bytes(),
            raw(self.account),
            &self.era.to_le_bytes(),
            &self.copy.to_le_bytes(),
            &self.report.encode(),
            self.link.as_bytes(),
            self.leaf.as_bytes(),
            self.salt.as_bytes(),
        ])
    }
}

/// What a reporter commits to.
pub fn report(genesis: H256, account: &AccountId32, copy: CopyId, evidence: &Evidence) -> H256 {
    let mut bytes = statement(b"report", genesis, &[raw(account), &copy.to_le_bytes()]);
    evidence.encode_to(&mut bytes);
    H256(blake2_256(&bytes))
}

/// Primes below this must not divide a modulus.
const SMALL_PRIMES: usize = 4_096;

/// Whether N (big endian) lies in [2^2048 - 2^1988, 2^2048), is odd and has no prime factor below 4,096.
pub fn valid_modulus(modulus: &Sector) -> bool {
    let top = modulus[..7].iter().all(|byte| *byte == 0xff) && modulus[7] >= 0xf0;
    top && modulus[255] & 1 == 1 && odd_primes().all(|prime| remainder(modulus, prime) != 0)
}

/// N mod `divisor`, which is below 2^16.
fn remainder(modulus: &Sector, divisor: u64) -> u64 {
    modulus.chunks(4).fold(0, |rest, word| {
        let word = word.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        ((rest << 32) | word) % divisor
    })
}

/// The odd primes below 4,096, by a sieve.
fn odd_primes() -> impl Iterator<Item = u64> {
    let mut composite = [false; SMALL_PRIMES];
    let mut n = 3;
    while n * n < SMALL_PRIMES {
        if !composite[n] {
            let mut multiple = n * n;
            while multiple < SMALL_PRIMES {
                composite[multiple] = true;
                multiple += n;
            }
        }
        n += 2;
    }
    (3..SMALL_PRIMES).step_by(2).filter(move |n| !composite[*n]).map(|n| n as u64)
}
