//! Cubes modulo N: Montgomery products of numbers of 64 words of 32 bits, least word first, with R = 2^2048.
//!
//! Words of 32 bits, for a product of two fits the widest word that WebAssembly multiplies.

use crate::{Sector, SECTOR};

const WORDS: usize = SECTOR / 4;
const BITS: u32 = 32;
type Number = [u32; WORDS];

/// A segment's modulus, ready for cubes. Only public values pass through it: nothing in it takes constant time.
#[derive(Clone, Debug)]
pub struct Modulus {
    n: Number,
    /// -1/N mod 2^32.
    inverse: u32,
    /// R^3 mod N.
    r3: Number,
}

impl Modulus {
    /// Takes N, big endian; none if it is even or outside [2^2048 - 2^1988, 2^2048). Small factors are not looked for: a
    /// cube needs none of that.
    pub fn new(modulus: &Sector) -> Option<Modulus> {
        let in_range = modulus.iter().take(7).all(|byte| *byte == 0xff) && modulus[7] >= 0xf0;
        if !in_range || modulus[SECTOR - 1] & 1 == 0 {
            return None;
        }
        let n = number(modulus);
        let mut modulus = Modulus { n, inverse: negated_inverse(n[0]), r3: [0; WORDS] };
        modulus.r3 = modulus.cubed_radix();
        Some(modulus)
    }

    /// x^3 mod N of a number below N, any other as it is: so it permutes all sectors.
    pub fn cube(&self, sector: &Sector) -> Sector {
        let x = number(sector);
        if !below(&x, &self.n) {
            return *sector;
        }
        // x^2 / R times x R^2, over R.
        let square = self.product(&x, &x);
        let raised = self.product(&x, &self.r3);
        bytes(&self.product(&square, &raised))
    }

    /// R^3 mod N, by products alone: R mod N is 1 in Montgomery's form, and 2^64 squared five times is R.
    fn cubed_radix(&self) -> Number {
        // N is above 2^2047, so R mod N is R - N.
        let mut power = [0; WORDS];
        subtract(&mut power, &self.n);
        for _ in 0..64 {
            power = self.double(&power);
        }
        for _ in 0..5 {
            power = self.product(&power, &power);
        }
        self.product(&power, &power)
    }

    /// 2 x mod N of a number below N.
    fn double(&self, x: &Number) -> Number {
        let mut carry = 0;
        let twice = x.map(|word| {
            let shifted = word << 1 | carry;
            carry = word >> (BITS - 1);
            shifted
        });
        self.reduced(twice, carry)
    }

    /// a b / R mod N of a number below R and one below N.
    fn product(&self, a: &Number, b: &Number) -> Number {
        let mut sum = [0; WORDS];
        // The sum stays below 2 R.
        let mut top = 0u64;
        for factor in b {
            let carry = add_multiple(&mut sum, a, *factor);
            top += u64::from(carry);
            // N times this clears the lowest word.
            let multiple = sum[0].wrapping_mul(self.inverse);
            let carry = add_multiple(&mut sum, &self.n, multiple);
            top += u64::from(carry);
            sum.copy_within(1.., 0);
            sum[WORDS - 1] = top as u32;
            top >>= BITS;
        }
        self.reduced(sum, top as u32)
    }

    /// A number below 2 N, whose bit 2048 is `carry`, modulo N.
    fn reduced(&self, mut number: Number, carry: u32) -> Number {
        if carry != 0 || !below(&number, &self.n) {
            subtract(&mut number, &self.n);
        }
        number
    }
}

/// Adds a number times a word; returns what does not fit.
fn add_multiple(sum: &mut Number, number: &Number, factor: u32) -> u32 {
    let mut carry = 0u64;
    for (place, word) in sum.iter_mut().zip(number) {
        // (2^32 - 1)^2 + 2 (2^32 - 1) is 2^64 - 1.
        let wide = u64::from(*word) * u64::from(factor) + u64::from(*place) + carry;
        *place = wide as u32;
        carry = wide >> BITS;
    }
    carry as u32
}

/// Subtracts modulo 2^2048.
fn subtract(number: &mut Number, other: &Number) {
    let mut borrow = false;
    for (place, word) in number.iter_mut().zip(other) {
        let (once, first) = place.overflowing_sub(*word);
        let (twice, second) = once.overflowing_sub(u32::from(borrow));
        *place = twice;
        borrow = first || second;
    }
}

fn below(a: &Number, b: &Number) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// -1/n mod 2^32 of an odd n: each step doubles the bits that are right.
fn negated_inverse(n: u32) -> u32 {
    let inverse = (0..5).fold(n, |x, _| x.wrapping_mul(2u32.wrapping_sub(n.wrapping_mul(x))));
    inverse.wrapping_neg()
}

fn number(sector: &Sector) -> Number {
    let mut words = [0; WORDS];
    for (word, four) in words.iter_mut().zip(sector.rchunks_exact(4)) {
        *word = four.iter().fold(0, |value, byte| value << 8 | u32::from(*byte));
    }
    words
}

fn bytes(number: &Number) -> Sector {
    let mut sector = [0; SECTOR];
    for (four, word) in sector.rchunks_exact_mut(4).zip(number) {
        four.copy_from_slice(&word.to_be_bytes());
    }
    sector
}
