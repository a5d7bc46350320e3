//! Cubes and cube roots of eight numbers: the RSA operation of profile P1, both ways.

use super::limbs::{self, splat, Modulus, Num, Scratch, LANES, LIMB, WIDE};
use super::wide::{from_words, mul, sqr, subtract_once, to_words, Complement, Words, WORDS};
use crate::key::{negated_inverse, places, Primes, Share};
use crate::{Fault, Sector, SECTOR};
use core::arch::x86_64::*;
use num_bigint::BigUint;
use num_traits::One;
use zeroize::Zeroize;

/// Columns in which the shares of a root are summed up.
const COLUMNS: usize = 64;

fn modulus<const K: usize>(n: &BigUint) -> Modulus<K> {
    let limbs: [u64; K] = places(n, LIMB);
    Modulus { n: limbs, inverse: negated_inverse(limbs[0]) & ((1 << LIMB) - 1) }
}

/// x -> x^3 mod N of eight numbers. Public values only.
pub struct Cube {
    pub(super) c: Complement,
    pub(super) limbs: [u64; WIDE],
    n: [u64; WORDS],
}

impl Cube {
    /// Takes a modulus whose 60 top bits are ones, odd.
    pub fn new(bytes: &Sector) -> Self {
        let n = BigUint::from_bytes_be(bytes);
        let c = (BigUint::one() << (8 * SECTOR)) - &n;
        let shifted = &c << (WIDE * LIMB - 8 * SECTOR);
        let c = Complement { c: places(&c, LIMB), shifted: places(&shifted, LIMB) };
        Self { c, limbs: places(&n, LIMB), n: places(&n, 64) }
    }

    /// Whether the number in this lane is below N; nearly always the highest word decides.
    fn below(&self, words: &Words, lane: usize) -> bool {
        let differs = (0..WORDS).rev().find(|&i| words[i][lane] != self.n[i]);
        differs.is_some_and(|i| words[i][lane] < self.n[i])
    }

    /// Lanes whose number before was N or more get it back.
    fn keep(&self, before: &Words, after: &mut Words) {
        for lane in 0..LANES {
            if before[WORDS - 1][lane] >= self.n[WORDS - 1] && !self.below(before, lane) {
                for (after, before) in after.iter_mut().zip(before) {
                    after[lane] = before[lane];
                }
            }
        }
    }
}

/// One prime's part of the key. All of it is secret.
pub(super) struct Part<const K: usize> {
    m: Modulus<K>,
    one: [u64; K],
    powers: Vec<[u64; K]>,
    windows: Vec<u8>,
    unit: [u64; K],
    cofactor: Vec<u64>,
}

impl<const K: usize> Part<K> {
    fn new(p: &BigUint, n: &BigUint) -> Result<Self, Fault> {
        let share = Share::new(p, n, K * LIMB, WIDE * LIMB)?;
        let width = share.cofactor.bits().div_ceil(LIMB as u64) as usize;
        Ok(Self {
            m: modulus(p),
            one: places(&share.one, LIMB),
            powers: share.powers.iter().map(|power| places(power, LIMB)).collect(),
            windows: share.windows,
            unit: places(&share.unit, LIMB),
            cofactor: places::<WIDE>(&share.cofactor, LIMB)[..width].to_vec(),
        })
    }
}

impl<const K: usize> Drop for Part<K> {
    fn drop(&mut self) {
        self.m.n.zeroize();
        self.m.inverse.zeroize();
        self.one.zeroize();
        self.powers.iter_mut().for_each(|power| power.zeroize());
        self.windows.zeroize();
        self.unit.zeroize();
        self.cofactor.zeroize();
    }
}

/// A part of any width.
pub(super) trait AnyPart: Send + Sync {
    /// Adds this prime's share of the roots of y to the columns.
    ///
    /// # Safety
    /// The processor must have what `available` looks for.
    unsafe fn add(&self, y: &Num<WIDE>, columns: &mut [__m512i; COLUMNS], s: &mut Scratch);

    /// Flips a bit of the `at`th number of the part; false if it has fewer.
    #[cfg(test)]
    fn damage(&mut self, at: usize, bit: u32) -> bool;
}

impl<const K: usize> AnyPart for Part<K> {
    unsafe fn add(&self, y: &Num<WIDE>, columns: &mut [__m512i; COLUMNS], s: &mut Scratch) {
        // SAFETY: the caller's word.
        unsafe { share(self, y, columns, s) }
    }

    #[cfg(test)]
    fn damage(&mut self, at: usize, bit: u32) -> bool {
        let Self { m, one: _, powers, windows: _, unit, cofactor } = self;
        let numbers = m.n.iter_mut().chain([&mut m.inverse]).chain(powers.iter_mut().flatten()).chain(unit);
        match numbers.chain(cofactor).nth(at) {
            Some(number) => *number ^= 1 << bit,
            None => return false,
        }
        true
    }
}

/// The private key of a segment: roots of eight numbers at a time.
pub struct Roots {
    pub(super) parts: Vec<Box<dyn AnyPart>>,
    pub(super) cube: Cube,
}

impl Roots {
    /// Computes what the primes' roots need: about half a millisecond.
    pub fn new(key: &Primes) -> Result<Self, Fault> {
        // A radix is at least 64 times its modulus: six bits.
        let part = |p: &BigUint| -> Result<Box<dyn AnyPart>, Fault> {
            Ok(match p.bits() {
                0..=514 => Box::new(Part::<10>::new(p, &key.n)?),
                515..=670 => Box::new(Part::<13>::new(p, &key.n)?),
                671..=722 => Box::new(Part::<14>::new(p, &key.n)?),
                _ => Box::new(Part::<20>::new(p, &key.n)?),
            })
        };
        Ok(Self { parts: key.primes.iter().map(part).collect::<Result<_, _>>()?, cube: Cube::new(&key.modulus()) })
    }
}

avx512! {
    fn share<const K>(part: &Part<K>, y: &Num<WIDE>, columns: &mut [__m512i; COLUMNS], s: &mut Scratch) {
        let zero = _mm512_setzero_si512();
        let mut base = Num([zero; K]);
        for (c, power) in part.powers.iter().enumerate() {
            let piece = Num(core::array::from_fn(|j| y.0.get(c * K + j).copied().unwrap_or(zero)));
            base = limbs::add(&base, &limbs::mul::<K>(&piece, &splat(power), &part.m, s));
        }
        let root = limbs::pow::<K>(&base, &splat(&part.one), &part.windows, &part.m, s);
        let share = limbs::mul::<K>(&root, &splat(&part.unit), &part.m, s);
        for (i, &word) in part.cofactor.iter().enumerate() {
            let word = _mm512_set1_epi64(word as i64);
            for j in 0..K {
                columns[i + j] = _mm512_madd52lo_epu64(columns[i + j], share.0[j], word);
                columns[i + j + 1] = _mm512_madd52hi_epu64(columns[i + j + 1], share.0[j], word);
            }
        }
    }

    #[inline]
    fn cubed(c: &Cube, x: &Num<WIDE>, s: &mut Scratch) -> Num<WIDE> {
        let square = sqr(x, &c.c, s);
        subtract_once(&mul(&square, x, &c.c, s), &c.limbs)
    }

    /// The public permutation of eight numbers: the cube below N, from N on the number itself.
    pub fn public(c: &Cube, words: &mut Words, s: &mut Scratch) {
        let mut out = to_words(&cubed(c, &from_words(words), s));
        c.keep(words, &mut out);
        *words = out;
    }

    /// The roots of eight numbers by the remainders modulo each prime, unchecked.
    fn roots(key: &Roots, y: &Num<WIDE>, s: &mut Scratch) -> Num<WIDE> {
        let mut columns = [_mm512_setzero_si512(); COLUMNS];
        for part in &key.parts {
            // SAFETY: this function has the same features.
            unsafe { part.add(y, &mut columns, s) }
        }
        // Each share is below 2 p times N/p.
        let mut x = limbs::carried::<WIDE>(&columns[..WIDE]);
        for _ in 0..2 * key.parts.len() - 1 {
            x = subtract_once(&x, &key.cube.limbs);
        }
        x
    }

    /// The private permutation of eight numbers: the root below N, from N on the number itself. What is given out is cubed
    /// first, the very words: one wrong root would give away a factor of N.
    pub fn private(key: &Roots, words: &mut Words, s: &mut Scratch) -> Result<(), Fault> {
        let x = roots(key, &from_words(words), s);
        give_out(&key.cube, to_words(&x), words, s)
    }

    fn give_out(c: &Cube, mut out: Words, words: &mut Words, s: &mut Scratch) -> Result<(), Fault> {
        let reduced = (0..LANES).all(|lane| out[WORDS - 1][lane] < c.n[WORDS - 1] || c.below(&out, lane));
        let mut check = to_words(&cubed(c, &from_words(&out), s));
        c.keep(words, &mut check);
        if !reduced || check != *words {
            return Err(Fault::Computation);
        }
        c.keep(words, &mut out);
        *words = out;
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
