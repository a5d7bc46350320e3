//! Montgomery products of eight numbers of K limbs of 52 bits, all modulo the same number.
//!
//! Numbers stay below four times the modulus: R = 2^(52 K) is at least 64 times the modulus, so no product ends with a
//! subtraction. A column sums up at most 160 halves of products, each below 2^52, so carries wait until the end of a product.

use crate::key::WINDOW;
use core::arch::x86_64::*;

/// Numbers in a register.
pub const LANES: usize = 8;
/// Bits of a limb.
pub const LIMB: usize = 52;
/// Limbs of a number as long as a sector.
pub const WIDE: usize = 40;
const MASK: i64 = (1 << LIMB) - 1;

/// K limbs of eight numbers, the lowest first.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Num<const K: usize>(pub [__m512i; K]);

/// A modulus, and what reduction by it needs.
#[derive(Clone)]
pub struct Modulus<const K: usize> {
    pub n: [u64; K],
    /// -1/n mod 2^52.
    pub inverse: u64,
}

/// Room for the columns of products, made once for many: clearing it for each one would cost a tenth of the speed.
pub struct Scratch {
    pub(super) wide: [__m512i; 2 * WIDE],
    pub(super) cross: [__m512i; WIDE],
}

avx512! {
    /// acc = a b (FRESH = 1) or acc += a b (0) over 2 K columns; K of them stay in registers and slide by one with each row.
    #[inline]
    pub(super) fn multiply<const K, const FRESH>(acc: &mut [__m512i], a: &[__m512i; K], b: &[__m512i; K]) {
        let acc = &mut acc[..2 * K];
        let zero = _mm512_setzero_si512();
        let mut w: [__m512i; K] = if FRESH == 1 { [zero; K] } else { core::array::from_fn(|j| acc[j]) };
        for i in 0..K {
            let (x, next) = (b[i], if FRESH == 1 { zero } else { acc[i + K] });
            for j in 0..K {
                w[j] = _mm512_madd52lo_epu64(w[j], a[j], x);
            }
            acc[i] = w[0];
            for j in 0..K - 1 {
                w[j] = _mm512_madd52hi_epu64(w[j + 1], a[j], x);
            }
            w[K - 1] = _mm512_madd52hi_epu64(next, a[K - 1], x);
        }
        acc[K..].copy_from_slice(&w);
    }

    /// acc = a^2 over 2 K columns: products of different limbs once, doubled, and the squares.
    #[inline]
    #[allow(unused_assignments, clippy::identity_op, clippy::erasing_op)] // of the rows written out, the last and the first
    pub(super) fn square<const K>(acc: &mut [__m512i], a: &[__m512i; K]) {
        let acc = &mut acc[..2 * K];
        let zero = _mm512_setzero_si512();
        // w[c] is the column 2 I + 1 + c: after row I two of them are complete.
        let mut w = [zero; K];
        let mut low = zero;
        seq_macro::seq!(I in 0..20 {
            if I < K {
                let x = a[I];
                for j in I + 1..K {
                    let c = j - I - 1;
                    w[c] = _mm512_madd52lo_epu64(w[c], a[j], x);
                    w[c + 1] = _mm512_madd52hi_epu64(w[c + 1], a[j], x);
                }
                acc[2 * I] = _mm512_madd52lo_epu64(low, x, x);
                acc[2 * I + 1] = _mm512_madd52hi_epu64(_mm512_add_epi64(w[0], w[0]), x, x);
                low = _mm512_add_epi64(w[1], w[1]);
                for c in 0..K {
                    w[c] = if c + 2 < K { w[c + 2] } else { zero };
                }
            }
        });
    }

    /// Clears the lower half of 2 K columns by multiples of n. Returns the upper half, and the multiples in `quotient`.
    #[inline]
    pub(super) fn reduce<const K>(
        acc: &[__m512i],
        n: &[u64; K],
        inverse: u64,
        quotient: &mut [__m512i; K],
    ) -> [__m512i; K] {
        let acc = &acc[..2 * K];
        let (zero, inverse) = (_mm512_setzero_si512(), _mm512_set1_epi64(inverse as i64));
        let mut w: [__m512i; K] = core::array::from_fn(|j| acc[j]);
        for i in 0..K {
            let q = _mm512_madd52lo_epu64(zero, w[0], inverse);
            quotient[i] = q;
            for j in 0..K {
                w[j] = _mm512_madd52lo_epu64(w[j], _mm512_set1_epi64(n[j] as i64), q);
            }
            let carry = _mm512_srli_epi64::<52>(w[0]);
            for j in 0..K - 1 {
                w[j] = _mm512_madd52hi_epu64(w[j + 1], _mm512_set1_epi64(n[j] as i64), q);
            }
            w[K - 1] = _mm512_madd52hi_epu64(acc[i + K], _mm512_set1_epi64(n[K - 1] as i64), q);
            w[0] = _mm512_add_epi64(w[0], carry);
        }
        w
    }

    /// Carries out of columns, so that each limb has 52 bits; the highest keeps what is above it.
    #[inline]
    pub fn carried<const K>(columns: &[__m512i]) -> Num<K> {
        let mask = _mm512_set1_epi64(MASK);
        let mut carry = _mm512_setzero_si512();
        let mut out = Num([carry; K]);
        for j in 0..K {
            let sum = _mm512_add_epi64(columns[j], carry);
            carry = _mm512_srai_epi64::<52>(sum);
            out.0[j] = if j + 1 < K { _mm512_and_si512(sum, mask) } else { sum };
        }
        out
    }

    /// a b / R mod n, below 2 n if a b < R n.
    #[inline]
    pub fn mul<const K>(a: &Num<K>, b: &Num<K>, m: &Modulus<K>, s: &mut Scratch) -> Num<K> {
        multiply::<K, 1>(&mut s.cross, &a.0, &b.0);
        carried::<K>(&reduce::<K>(&s.cross, &m.n, m.inverse, &mut [_mm512_setzero_si512(); K]))
    }

    /// a^2 / R mod n.
    #[inline]
    pub fn sqr<const K>(a: &Num<K>, m: &Modulus<K>, s: &mut Scratch) -> Num<K> {
        square::<K>(&mut s.cross, &a.0);
        carried::<K>(&reduce::<K>(&s.cross, &m.n, m.inverse, &mut [_mm512_setzero_si512(); K]))
    }

    #[inline]
    pub fn add<const K>(a: &Num<K>, b: &Num<K>) -> Num<K> {
        let sum: [__m512i; K] = core::array::from_fn(|j| _mm512_add_epi64(a.0[j], b.0[j]));
        carried::<K>(&sum)
    }

    pub fn scratch() -> Scratch {
        let zero = _mm512_setzero_si512();
        Scratch { wide: [zero; 2 * WIDE], cross: [zero; WIDE] }
    }

    /// The same number in each lane.
    pub fn splat<const K>(limbs: &[u64; K]) -> Num<K> {
        Num(core::array::from_fn(|j| _mm512_set1_epi64(limbs[j] as i64)))
    }

    /// base^exponent in Montgomery's form, by the windows of the exponent, the same for all lanes.
    pub fn pow<const K>(base: &Num<K>, one: &Num<K>, windows: &[u8], m: &Modulus<K>, s: &mut Scratch) -> Num<K> {
        let mut table = [*one; 1 << WINDOW];
        table[1] = *base;
        for i in 2..1 << WINDOW {
            table[i] = if i % 2 == 0 { sqr::<K>(&table[i / 2], m, s) } else { mul::<K>(&table[i - 1], base, m, s) };
        }
        let mut power = *one;
        let mut entry = *one;
        for (i, &window) in windows.iter().enumerate() {
            // The table is read while the carries of the squares run through their limbs.
            for step in 0..WINDOW {
                if i > 0 {
                    power = sqr::<K>(&power, m, s);
                }
                select::<K>(&table, window, step, &mut entry);
            }
            power = if i > 0 { mul::<K>(&power, &entry, m, s) } else { entry };
        }
        power
    }

    /// A part of the limbs of an entry of the table, of which every byte is read whichever it is.
    #[inline]
    fn select<const K>(table: &[Num<K>; 1 << WINDOW], window: u8, step: usize, found: &mut Num<K>) {
        let wanted = _mm512_set1_epi64(i64::from(window));
        let size = K.div_ceil(WINDOW);
        let from = (step * size).min(K - size);
        let mut part = [_mm512_setzero_si512(); WIDE / 2 / WINDOW]; // of the widest prime
        for (i, entry) in table.iter().enumerate() {
            let hit = _mm512_cmpeq_epi64_mask(_mm512_set1_epi64(i as i64), wanted);
            for j in 0..size {
                part[j] = _mm512_mask_mov_epi64(part[j], hit, entry.0[from + j]);
            }
        }
        found.0[from..from + size].copy_from_slice(&part[..size]);
    }
}
