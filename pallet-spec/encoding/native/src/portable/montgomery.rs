//! Montgomery products of numbers of L words. R = 2^(64 L) is at least four times the modulus: no product ends with a
//! subtraction.

use super::step;
use crate::key::WINDOW;

/// A modulus, and what reduction by it needs.
pub struct Modulus<const L: usize> {
    pub n: [u64; L],
    /// -1/n mod 2^64.
    pub inverse: u64,
}

/// Rows are written out up to this many words: twice as fast as loops, and more code.
const WRITTEN_OUT: usize = 17;

/// a b / R mod n, below 2 n if a b < R n.
#[inline]
pub fn mul<const L: usize>(a: &[u64; L], b: &[u64; L], m: &Modulus<L>) -> [u64; L] {
    let mut t = [0u64; L];
    let mut top = 0u64;
    for &x in b {
        let mut carry = 0;
        for j in 0..L {
            (t[j], carry) = step(t[j], a[j], x, carry);
        }
        let (sum, over) = top.overflowing_add(carry);
        let q = t[0].wrapping_mul(m.inverse);
        let (_, mut carry) = step(t[0], q, m.n[0], 0);
        for j in 1..L {
            (t[j - 1], carry) = step(t[j], q, m.n[j], carry);
        }
        let (sum, again) = sum.overflowing_add(carry);
        t[L - 1] = sum;
        top = u64::from(over) + u64::from(again);
    }
    t
}

/// a^2 / R mod n: products of different words once, doubled, and the squares; half the work of a general product.
#[inline]
pub fn sqr<const L: usize>(a: &[u64; L], m: &Modulus<L>) -> [u64; L] {
    if L > WRITTEN_OUT {
        return mul(a, a, m);
    }
    let (mut low, mut high) = ([0u64; L], [0u64; L]); // the product's two halves
    seq_macro::seq!(I in 0..17 {
        #[allow(clippy::identity_op, clippy::erasing_op)]
        if I < L {
            let mut carry = 0;
            for j in I + 1..L {
                let at = if I + j < L { &mut low[I + j] } else { &mut high[I + j - L] };
                (*at, carry) = step(*at, a[I], a[j], carry);
            }
            high[I] = carry;
        }
    });
    let (mut carry, mut bit) = (0u64, 0u64);
    for i in 0..L {
        let square = u128::from(a[i]) * u128::from(a[i]);
        for (c, part) in [(2 * i, square as u64), (2 * i + 1, (square >> 64) as u64)] {
            let at = if c < L { &mut low[c] } else { &mut high[c - L] };
            let sum = u128::from((*at << 1) | bit) + u128::from(part) + u128::from(carry);
            bit = *at >> 63;
            (*at, carry) = (sum as u64, (sum >> 64) as u64);
        }
    }
    reduce(low, high, m)
}

/// (low + high R) / R mod n.
#[inline]
#[allow(unused_assignments)] // what is left over of the last row is zero
fn reduce<const L: usize>(mut low: [u64; L], mut high: [u64; L], m: &Modulus<L>) -> [u64; L] {
    let mut over = 0u64;
    seq_macro::seq!(I in 0..17 {
        #[allow(clippy::identity_op, clippy::erasing_op)]
        if I < L {
            let q = low[I].wrapping_mul(m.inverse);
            let mut carry = 0;
            for j in 0..L {
                let at = if I + j < L { &mut low[I + j] } else { &mut high[I + j - L] };
                (*at, carry) = step(*at, q, m.n[j], carry);
            }
            let sum = u128::from(high[I]) + u128::from(carry) + u128::from(over);
            (high[I], over) = (sum as u64, (sum >> 64) as u64);
        }
    });
    high
}

/// base^exponent in Montgomery's form, by the exponent's windows. The table is read by index: see the crate's first page.
pub fn pow<const L: usize>(base: &[u64; L], one: &[u64; L], windows: &[u8], m: &Modulus<L>) -> [u64; L] {
    let mut table = [*one; 1 << WINDOW];
    for i in 1..1 << WINDOW {
        table[i] = mul(&table[i - 1], base, m);
    }
    let mut power = *one;
    for (i, &window) in windows.iter().enumerate() {
        let entry = &table[usize::from(window) % (1 << WINDOW)];
        if i == 0 {
            power = *entry;
            continue;
        }
        for _ in 0..WINDOW {
            power = sqr(&power, m);
        }
        power = mul(&power, entry, m);
    }
    power
}
