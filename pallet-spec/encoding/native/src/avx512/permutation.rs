//! PI-C of sixteen sectors at a time: word w of all of them is one register.
//!
//! BLAKE3's own many-at-once function takes one key for all its inputs and gives 32 bytes; here each sector has a key of its
//! own, and gets 128.

use crate::{Salt, SECTOR};
use core::arch::x86_64::*;

/// Sectors in a group.
pub const SECTORS: usize = 16;
const WORDS: usize = SECTOR / 4;
const CONTEXT: &str = "repenc 2025-01 v1 chunk round keys";

/// Sixteen sectors as words of 32 bits, little endian, lane by lane.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Group(pub [[u32; SECTORS]; WORDS]);

impl Group {
    /// Takes up to sixteen sectors; the others are zeros.
    #[inline]
    pub fn load(run: &[u8]) -> Self {
        let mut group = Group([[0; SECTORS]; WORDS]);
        for (lane, sector) in run.chunks_exact(SECTOR).enumerate() {
            for (word, bytes) in group.0.iter_mut().zip(sector.chunks_exact(4)) {
                word[lane] = bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
            }
        }
        group
    }

    /// Writes as many sectors as there is room for.
    #[inline]
    pub fn store(&self, run: &mut [u8]) {
        for (lane, sector) in run.chunks_exact_mut(SECTOR).enumerate() {
            for (word, bytes) in self.0.iter().zip(sector.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&word[lane].to_le_bytes());
            }
        }
    }
}

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const ROOT: u32 = 8;
const KEYED: u32 = 16;
const MATERIAL: u32 = 64;
const IV: [u32; 8] = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19];
const SCHEDULE: [[usize; 16]; 7] = schedule();

/// Which word of the message goes where in each of BLAKE3's seven rounds.
const fn schedule() -> [[usize; 16]; 7] {
    const NEXT: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
    let mut rounds = [[0; 16]; 7];
    let mut at = 0;
    while at < 7 * 16 {
        rounds[at / 16][at % 16] = if at < 16 { at } else { rounds[at / 16 - 1][NEXT[at % 16]] };
        at += 1;
    }
    rounds
}

macro_rules! mix {
    ($s:ident, $a:expr, $b:expr, $c:expr, $d:expr, $x:expr, $y:expr) => {
        $s[$a] = _mm512_add_epi32(_mm512_add_epi32($s[$a], $x), $s[$b]);
        $s[$d] = _mm512_ror_epi32::<16>(_mm512_xor_si512($s[$d], $s[$a]));
        $s[$c] = _mm512_add_epi32($s[$c], $s[$d]);
        $s[$b] = _mm512_ror_epi32::<12>(_mm512_xor_si512($s[$b], $s[$c]));
        $s[$a] = _mm512_add_epi32(_mm512_add_epi32($s[$a], $y), $s[$b]);
        $s[$d] = _mm512_ror_epi32::<8>(_mm512_xor_si512($s[$d], $s[$a]));
        $s[$c] = _mm512_add_epi32($s[$c], $s[$d]);
        $s[$b] = _mm512_ror_epi32::<7>(_mm512_xor_si512($s[$b], $s[$c]));
    };
}

/// The key of the derivation's context, from which the keys of every salt and round start.
pub fn context_key() -> [u32; 8] {
    let key = blake3::hazmat::hash_derive_key_context(CONTEXT);
    core::array::from_fn(|i| u32::from_le_bytes([key[4 * i], key[4 * i + 1], key[4 * i + 2], key[4 * i + 3]]))
}

avx512! {
    /// BLAKE3's compression of sixteen blocks: the state before it is folded.
    #[inline]
    fn compressed(
        chain: &[__m512i; 8],
        m: &[__m512i; 16],
        counter: (__m512i, __m512i),
        length: u32,
        flags: u32,
    ) -> [__m512i; 16] {
        let word = |value: u32| _mm512_set1_epi32(value as i32);
        let mut s = [word(0); 16];
        s[..8].copy_from_slice(chain);
        for i in 0..4 {
            s[8 + i] = word(IV[i]);
        }
        (s[12], s[13], s[14], s[15]) = (counter.0, counter.1, word(length), word(flags));
        seq_macro::seq!(R in 0..7 {
            let i = &SCHEDULE[R];
            mix!(s, 0, 4, 8, 12, m[i[0]], m[i[1]]);
            mix!(s, 1, 5, 9, 13, m[i[2]], m[i[3]]);
            mix!(s, 2, 6, 10, 14, m[i[4]], m[i[5]]);
            mix!(s, 3, 7, 11, 15, m[i[6]], m[i[7]]);
            mix!(s, 0, 5, 10, 15, m[i[8]], m[i[9]]);
            mix!(s, 1, 6, 11, 12, m[i[10]], m[i[11]]);
            mix!(s, 2, 7, 8, 13, m[i[12]], m[i[13]]);
            mix!(s, 3, 4, 9, 14, m[i[14]], m[i[15]]);
        });
        s
    }

    #[inline]
    fn folded(s: &[__m512i; 16]) -> [__m512i; 8] {
        core::array::from_fn(|i| _mm512_xor_si512(s[i], s[i + 8]))
    }

    #[inline]
    fn load(words: &[u32; SECTORS]) -> __m512i {
        // SAFETY: sixteen words of 32 bits lie there; the load needs no alignment.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }

    /// The eight keys of sixteen sectors from `first` on.
    pub fn round_keys(context_key: &[u32; 8], salt: &Salt, round: u32, first: u64) -> [[__m512i; 8]; 8] {
        let mut material = [0u32; 16]; // salt | u64 0 | u32 round
        for (word, bytes) in material.iter_mut().zip(salt.chunks_exact(4)) {
            *word = bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
        }
        material[10] = round;
        let chain = core::array::from_fn(|i| _mm512_set1_epi32(context_key[i] as i32));
        let m = core::array::from_fn(|i| _mm512_set1_epi32(material[i] as i32));
        let mut keys = [[_mm512_setzero_si512(); 8]; 8];
        for block in 0..4 {
            // The stream's blocks of 64 bytes: four for each sector.
            let counters: [u64; SECTORS] =
                core::array::from_fn(|lane| (first.wrapping_add(lane as u64)).wrapping_mul(4) + block as u64);
            let (low, high) = (counters.map(|c| c as u32), counters.map(|c| (c >> 32) as u32));
            let s = compressed(&chain, &m, (load(&low), load(&high)), 44, MATERIAL | CHUNK_START | CHUNK_END | ROOT);
            keys[2 * block] = folded(&s);
            keys[2 * block + 1] = core::array::from_fn(|i| _mm512_xor_si512(s[8 + i], chain[i]));
        }
        keys
    }

    /// Adds F(key, source) to the target, bit by bit, sixteen times.
    fn half_round(key: &[__m512i; 8], source: &[[u32; SECTORS]], target: &mut [[u32; SECTORS]]) {
        let zero = _mm512_setzero_si512();
        let m: [__m512i; 16] = core::array::from_fn(|i| load(&source[i]));
        let chain = folded(&compressed(key, &m, (zero, zero), 64, KEYED | CHUNK_START));
        let m: [__m512i; 16] = core::array::from_fn(|i| load(&source[16 + i]));
        for block in 0..2 {
            let counter = _mm512_set1_epi32(block);
            let s = compressed(&chain, &m, (counter, zero), 64, KEYED | CHUNK_END | ROOT);
            let target = &mut target[16 * block as usize..][..16];
            for i in 0..8 {
                let (low, high) = (_mm512_xor_si512(s[i], s[i + 8]), _mm512_xor_si512(s[i + 8], chain[i]));
                for (word, mask) in [(i, low), (i + 8, high)] {
                    let sum = _mm512_xor_si512(load(&target[word]), mask);
                    // SAFETY: there is room for sixteen words of 32 bits; the store needs no alignment.
                    unsafe { _mm512_storeu_si512(target[word].as_mut_ptr().cast(), sum) }
                }
            }
        }
    }

    /// PI-C of sixteen sectors, or its inverse.
    pub fn permute(group: &mut Group, keys: &[[__m512i; 8]; 8], inverse: bool) {
        let (a, b) = group.0.split_at_mut(WORDS / 2);
        for step in 0..8 {
            let i = if inverse { 7 - step } else { step };
            if i % 2 == 0 {
                half_round(&keys[i], b, a);
            } else {
                half_round(&keys[i], a, b);
            }
        }
    }
}
