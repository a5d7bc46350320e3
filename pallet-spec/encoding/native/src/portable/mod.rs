//! One sector at a time on words of 64 bits: every processor without AVX512-IFMA.

mod barrett;
mod montgomery;
mod roots;

pub use roots::{decode, encode, Cube, Roots};

/// a b + sum + carry, as a word and what is above it.
#[inline(always)]
fn step(sum: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let wide = u128::from(a) * u128::from(b) + u128::from(sum) + u128::from(carry);
    (wide as u64, (wide >> 64) as u64)
}

/// a - n where a >= n, else a.
fn subtract_once<const L: usize>(a: &[u64; L], n: &[u64; L]) -> [u64; L] {
    let mut out = [0; L];
    let mut borrow = false;
    for i in 0..L {
        let (x, once) = a[i].overflowing_sub(n[i]);
        let (x, twice) = x.overflowing_sub(u64::from(borrow));
        (out[i], borrow) = (x, once | twice);
    }
    let keep = u64::from(borrow).wrapping_neg();
    core::array::from_fn(|i| a[i] & keep | out[i] & !keep)
}

/// a += b, modulo 2^(64 L).
fn add<const L: usize>(a: &mut [u64; L], b: &[u64; L]) {
    let mut carry = false;
    for i in 0..L {
        let (x, once) = a[i].overflowing_add(b[i]);
        let (x, twice) = x.overflowing_add(u64::from(carry));
        (a[i], carry) = (x, once | twice);
    }
}
