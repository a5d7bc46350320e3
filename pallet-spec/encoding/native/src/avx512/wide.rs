//! Numbers as long as a sector: 40 limbs in two halves that fit the registers, and their words of 64 bits.

use super::limbs::{carried, multiply, reduce, square, Modulus, Num, Scratch, LANES, LIMB, WIDE};
use core::arch::x86_64::*;

const HALF: usize = WIDE / 2;
const MASK: i64 = (1 << LIMB) - 1;
/// Words of 64 bits of a sector.
pub const WORDS: usize = 32;

/// Eight numbers below 2^2048, the lowest word first, lane by lane.
pub type Words = [[u64; LANES]; WORDS];

avx512! {
    /// a b / R mod n, with R = 2^2080.
    #[inline]
    pub fn mul(a: &Num<WIDE>, b: &Num<WIDE>, m: &Modulus<WIDE>, s: &mut Scratch) -> Num<WIDE> {
        let acc = &mut s.wide;
        let ((a0, a1), (b0, b1)) = (halves(&a.0), halves(&b.0));
        multiply::<HALF, 1>(acc, a0, b0);
        multiply::<HALF, 1>(&mut acc[WIDE..], a1, b1);
        multiply::<HALF, 0>(&mut acc[HALF..], a0, b1);
        multiply::<HALF, 0>(&mut acc[HALF..], a1, b0);
        reduced(acc, m)
    }

    /// a^2 / R mod n.
    #[inline]
    pub fn sqr(a: &Num<WIDE>, m: &Modulus<WIDE>, s: &mut Scratch) -> Num<WIDE> {
        let Scratch { wide: acc, cross } = s;
        let (a0, a1) = halves(&a.0);
        square::<HALF>(acc, a0);
        square::<HALF>(&mut acc[WIDE..], a1);
        multiply::<HALF, 1>(cross, a0, a1);
        for j in 0..WIDE {
            acc[HALF + j] = _mm512_add_epi64(acc[HALF + j], _mm512_add_epi64(cross[j], cross[j]));
        }
        reduced(acc, m)
    }

    #[inline]
    fn reduced(acc: &mut [__m512i; 2 * WIDE], m: &Modulus<WIDE>) -> Num<WIDE> {
        let mut quotient = [_mm512_setzero_si512(); HALF];
        let low: [u64; HALF] = core::array::from_fn(|j| m.n[j]);
        let high: [__m512i; HALF] = core::array::from_fn(|j| _mm512_set1_epi64(m.n[HALF + j] as i64));
        for base in [0, HALF] {
            let rest = reduce::<HALF>(&acc[base..], &low, m.inverse, &mut quotient);
            acc[base + HALF..base + WIDE].copy_from_slice(&rest);
            multiply::<HALF, 0>(&mut acc[base + HALF..], &high, &quotient);
        }
        carried::<WIDE>(&acc[WIDE..])
    }

    /// a - n where a >= n, else a, in each lane; both carried.
    pub fn subtract_once(a: &Num<WIDE>, n: &[u64; WIDE]) -> Num<WIDE> {
        let difference: [__m512i; WIDE] =
            core::array::from_fn(|j| _mm512_sub_epi64(a.0[j], _mm512_set1_epi64(n[j] as i64)));
        let less = carried::<WIDE>(&difference);
        let negative = _mm512_movepi64_mask(less.0[WIDE - 1]);
        Num(core::array::from_fn(|j| _mm512_mask_mov_epi64(less.0[j], negative, a.0[j])))
    }

    /// Limbs of words.
    pub fn from_words(words: &Words) -> Num<WIDE> {
        let mask = _mm512_set1_epi64(MASK);
        Num(core::array::from_fn(|j| {
            let (word, shift) = (j * LIMB / 64, (j * LIMB % 64) as i64);
            let low = _mm512_srlv_epi64(load(words, word), _mm512_set1_epi64(shift));
            // A shift by 64 gives 0.
            let high = _mm512_sllv_epi64(load(words, word + 1), _mm512_set1_epi64(64 - shift));
            _mm512_and_si512(_mm512_or_si512(low, high), mask)
        }))
    }

    #[inline]
    fn load(words: &Words, word: usize) -> __m512i {
        match words.get(word) {
            // SAFETY: eight words of 64 bits lie there; the load needs no alignment.
            Some(lanes) => unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) },
            None => _mm512_setzero_si512(),
        }
    }

    /// Words of limbs that are all carried; bits from 2^2048 up are dropped.
    pub fn to_words(number: &Num<WIDE>) -> Words {
        let mut words = [[0; LANES]; WORDS];
        for (i, word) in words.iter_mut().enumerate() {
            let (limb, shift) = (i * 64 / LIMB, (i * 64 % LIMB) as i64);
            let mut value = _mm512_srlv_epi64(number.0[limb], _mm512_set1_epi64(shift));
            let mut have = LIMB as i64 - shift;
            for &next in &number.0[limb + 1..] {
                if have >= 64 {
                    break;
                }
                value = _mm512_or_si512(value, _mm512_sllv_epi64(next, _mm512_set1_epi64(have)));
                have += LIMB as i64;
            }
            // SAFETY: there is room for eight words of 64 bits; the store needs no alignment.
            unsafe { _mm512_storeu_si512(word.as_mut_ptr().cast(), value) }
        }
        words
    }
}

fn halves(limbs: &[__m512i; WIDE]) -> (&[__m512i; HALF], &[__m512i; HALF]) {
    let (low, high) = limbs.split_at(HALF);
    (low.try_into().expect("half of them"), high.try_into().expect("half of them"))
}
