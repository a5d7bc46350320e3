//! Numbers as long as a sector: 40 limbs in two halves that fit the registers, and their words of 64 bits.
//!
//! They are reduced from the top: N = 2^2048 - c with a c below 2^1988, so the highest limb of a number is the quotient's, and
//! stands for c times as much further below. No form of Montgomery's has to be entered or left: a cube is two products.

use super::limbs::{carried, multiply, square, Num, Scratch, LANES, LIMB, WIDE};
use core::arch::x86_64::*;

const HALF: usize = WIDE / 2;
const MASK: i64 = (1 << LIMB) - 1;
/// Bits of the highest limb that are below 2^2048.
const TOP: usize = 2048 % LIMB;
/// Words of 64 bits of a sector.
pub const WORDS: usize = 32;

/// Eight numbers below 2^2048, the lowest word first, lane by lane.
pub type Words = [[u64; LANES]; WORDS];

/// 2^2048 - N, and 2^32 times that, the complement of 2^32 N in 40 limbs. The highest limb of both is 0.
pub struct Complement {
    pub c: [u64; WIDE],
    pub shifted: [u64; WIDE],
}

avx512! {
    /// a b mod N, as `reduced` leaves it, of numbers that it left or that are below 2^2048.
    #[inline]
    pub fn mul(a: &Num<WIDE>, b: &Num<WIDE>, c: &Complement, s: &mut Scratch) -> Num<WIDE> {
        let acc = &mut s.wide;
        let ((a0, a1), (b0, b1)) = (halves(&a.0), halves(&b.0));
        multiply::<HALF, 1>(acc, a0, b0);
        multiply::<HALF, 1>(&mut acc[WIDE..], a1, b1);
        multiply::<HALF, 0>(&mut acc[HALF..], a0, b1);
        multiply::<HALF, 0>(&mut acc[HALF..], a1, b0);
        reduced(acc, c)
    }

    /// a^2 mod N, as `reduced` leaves it.
    #[inline]
    pub fn sqr(a: &Num<WIDE>, c: &Complement, s: &mut Scratch) -> Num<WIDE> {
        let Scratch { wide: acc, cross } = s;
        let (a0, a1) = halves(&a.0);
        square::<HALF>(acc, a0);
        square::<HALF>(&mut acc[WIDE..], a1);
        multiply::<HALF, 1>(cross, a0, a1);
        for j in 0..WIDE {
            acc[HALF + j] = _mm512_add_epi64(acc[HALF + j], _mm512_add_epi64(cross[j], cross[j]));
        }
        reduced(acc, c)
    }

    /// A product modulo N: carried, and below 2^2048 + 2^2032, which is less than 2 N.
    ///
    /// Both factors are below that, too, so the number is below 2^4098: column 79 is 0, and column 78 has 42 bits. Columns are
    /// sums of less than 200 halves of products, which are below 2^52 each: of 60 bits.
    #[inline]
    fn reduced(acc: &mut [__m512i; 2 * WIDE], c: &Complement) -> Num<WIDE> {
        let zero = _mm512_setzero_si512();
        let low: [__m512i; HALF] = core::array::from_fn(|j| _mm512_set1_epi64(c.shifted[j] as i64));
        let mut quotient = [zero; HALF];
        // First the columns from 78 to 59, then what is left above column 58, and the columns from there to 40.
        fold(acc, 78, acc[78], c, &mut quotient);
        multiply::<HALF, 0>(&mut acc[HALF - 1..], &low, &quotient);
        fold(acc, 59, zero, c, &mut quotient);
        multiply::<HALF, 0>(acc, &low, &quotient);
        // What is above 2^2048, but for carries from below column 38: it has 41 bits, and they may add 2^2029.
        let top = _mm512_add_epi64(acc[WIDE - 1], _mm512_srli_epi64::<52>(acc[WIDE - 2]));
        let above = _mm512_srli_epi64::<{ TOP as u32 }>(top);
        acc[WIDE - 1] = _mm512_sub_epi64(acc[WIDE - 1], _mm512_slli_epi64::<{ TOP as u32 }>(above));
        for j in 0..WIDE - 1 {
            let limb = _mm512_set1_epi64(c.c[j] as i64);
            acc[j] = _mm512_madd52lo_epu64(acc[j], limb, above);
            acc[j + 1] = _mm512_madd52hi_epu64(acc[j + 1], limb, above);
        }
        carried::<WIDE>(&acc[..WIDE])
    }

    /// Takes away twenty columns from `first` down, of which that one is `top`, by what the upper half of the complement makes of
    /// them below. They are left in `quotient`, the lowest first, for the lower half.
    #[inline]
    fn fold(acc: &mut [__m512i; 2 * WIDE], first: usize, mut top: __m512i, c: &Complement, quotient: &mut [__m512i; HALF]) {
        let mask = _mm512_set1_epi64(MASK);
        // w[k] is column i - 20 + k, when column i is at the top.
        let mut w: [__m512i; HALF] = core::array::from_fn(|k| acc[first - HALF + k]);
        for step in 0..HALF {
            let i = first - step;
            let upper = &core::hint::black_box(c).shifted[HALF..];
            let mut q = _mm512_add_epi64(top, _mm512_srli_epi64::<52>(w[HALF - 1]));
            w[HALF - 1] = _mm512_and_si512(w[HALF - 1], mask);
            // The last steps may have left one more than a limb holds; of random numbers one of some thousand does.
            let more = _mm512_cmpgt_epi64_mask(q, mask);
            if more != 0 {
                w = added(&mut acc[i + 1 - WIDE..], w, c, more);
                q = _mm512_and_si512(q, mask);
            }
            quotient[HALF - 1 - step] = q;
            for k in 0..HALF - 1 {
                w[k] = _mm512_madd52lo_epu64(w[k], _mm512_set1_epi64(upper[k] as i64), q);
            }
            let limb = |k: usize| _mm512_set1_epi64(upper[k] as i64);
            top = _mm512_madd52hi_epu64(w[HALF - 1], limb(HALF - 2), q);
            for k in (0..HALF - 2).rev() {
                w[k + 2] = _mm512_madd52hi_epu64(w[k + 1], limb(k), q);
            }
            w[1] = w[0];
            w[0] = acc[i - HALF - 1];
        }
        acc[first - HALF] = top;
        acc[first - WIDE..first - HALF].copy_from_slice(&w);
    }

    /// Adds the complement to the columns from `below` on and to those above them, w, in the lanes of the mask.
    ///
    /// Called rarely, with w as a value: it is in memory here only, and in registers where it is used.
    #[cold]
    #[inline(never)]
    fn added(below: &mut [__m512i], mut w: [__m512i; HALF], c: &Complement, lanes: __mmask8) -> [__m512i; HALF] {
        let added = |to, limb: u64| _mm512_mask_add_epi64(to, lanes, to, _mm512_set1_epi64(limb as i64));
        let (lower, upper) = c.shifted.split_at(HALF);
        for k in 0..HALF - 1 {
            below[k] = added(below[k], lower[k]);
            w[k + 1] = added(w[k + 1], upper[k]);
        }
        w[0] = added(w[0], lower[HALF - 1]);
        w
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
