//! The private key as big numbers: which primes form one, and what is computed from them once.

use crate::{Fault, Sector, SECTOR};
use num_bigint::BigUint;
use num_traits::{One, ToPrimitive};

/// Bits of a window of the exponent.
pub const WINDOW: usize = 5;
/// The most bits that a prime may have: a product of two reaches the modulus.
pub const MAX_PRIME_BITS: u64 = 1034;

/// A key's primes and their product.
pub struct Primes {
    /// Two to four odd numbers; that they are primes is shown by the check of each root.
    pub primes: Vec<BigUint>,
    /// The modulus.
    pub n: BigUint,
}

impl Primes {
    /// Takes the primes, big endian, in any order.
    pub fn new(primes: &[&[u8]]) -> Result<Self, Fault> {
        if !(2..=4).contains(&primes.len()) {
            return Err(Fault::Key("it has two to four"));
        }
        let primes: Vec<_> = primes.iter().map(|prime| BigUint::from_bytes_be(prime)).collect();
        if primes.iter().any(|prime| prime.bits() > MAX_PRIME_BITS || !prime.bit(0) || prime.bits() < 256) {
            return Err(Fault::Key("one is even, too small or too large"));
        }
        let n: BigUint = primes.iter().product();
        let whole = BigUint::one() << (8 * SECTOR);
        if n >= whole || n < whole - (BigUint::one() << (8 * SECTOR - 60)) {
            return Err(Fault::Key("their product is outside the range of the profile"));
        }
        Ok(Self { primes, n })
    }

    /// The modulus as bytes, big endian.
    pub fn modulus(&self) -> Sector {
        let mut modulus = [0; SECTOR];
        modulus.copy_from_slice(&self.n.to_bytes_be());
        modulus
    }
}

/// What a prime p of a modulus N needs for its share of a root, for Montgomery's form with a radix R.
pub struct Share {
    /// R mod p.
    pub one: BigUint,
    /// R^2, R^3, ... mod p: they bring the parts of a long number into the form.
    pub powers: Vec<BigUint>,
    /// 1/3 mod p - 1, in windows, the highest first.
    pub windows: Vec<u8>,
    /// The inverse of N/p mod p.
    pub unit: BigUint,
    /// N/p.
    pub cofactor: BigUint,
}

impl Share {
    /// Computes it for a radix of 2^`radix_bits`, and numbers of `bits` bits.
    pub fn new(p: &BigUint, n: &BigUint, radix_bits: usize, bits: usize) -> Result<Self, Fault> {
        let radix = BigUint::one() << radix_bits;
        let exponent = BigUint::from(3u8).modinv(&(p - 1u8)).ok_or(Fault::Key("3 divides one, less 1"))?;
        let cofactor = n / p;
        let count = exponent.bits().div_ceil(WINDOW as u64);
        let window = |i: u64| ((&exponent >> (i * WINDOW as u64)) % (1u64 << WINDOW)).to_u8().unwrap_or_default();
        Ok(Self {
            one: &radix % p,
            powers: (2..2 + bits.div_ceil(radix_bits) as u32).map(|power| radix.pow(power) % p).collect(),
            windows: (0..count).rev().map(window).collect(),
            unit: (&cofactor % p).modinv(p).ok_or(Fault::Key("two have a common divisor"))?,
            cofactor,
        })
    }
}

/// The lowest `bits` bits of a number in each of K places, the lowest first.
pub fn places<const K: usize>(value: &BigUint, bits: usize) -> [u64; K] {
    let mask = (BigUint::one() << bits) - 1u8;
    core::array::from_fn(|j| ((value >> (j * bits)) & &mask).to_u64().unwrap_or_default())
}

/// -1/n mod 2^64 of an odd number: each step doubles the bits that are right.
pub const fn negated_inverse(n: u64) -> u64 {
    let mut x = n;
    let mut i = 0;
    while i < 6 {
        x = x.wrapping_mul(2u64.wrapping_sub(n.wrapping_mul(x)));
        i += 1;
    }
    x.wrapping_neg()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Primes of 683, 683 and 682 bits, for tests alone.
    const PRIMES: [&str; 3] = [
        "7fffffffffffffff86aa62332553fc1ea36f17fd374c6a5387777330bdbd7210dff076ce2ef87b0b125ec1d7da0a6eb8c9ebd69fe29d76d4330f1446beab0c11fdecb91ce375bc8fbbcbde5c0994164d8399f767c99",
        "7fffffffffffffffda9ad8d194a9892139600ddb74d960d5a8f9a656aafd14125844d25deb354f46a6910acff0043892dfc254cb864ef901b932a7c18806a3753915c76f18a0585a01c4c7d6df0621aef57e4cc418d",
        "3ffffffffffffffffcc05da8467f06313fff9a01fe8419521fe0e979cf32d1634b4b465325278f845f57b3120df2f4d4c8650d7d13fb24891917b121dc54e5a3a26d18a669a5af84e6b4f59672710e6d8e656806c37",
    ];

    pub fn primes() -> Primes {
        let primes = PRIMES.map(|prime| BigUint::parse_bytes(prime.as_bytes(), 16).unwrap().to_bytes_be());
        Primes::new(&[&primes[0], &primes[1], &primes[2]]).unwrap()
    }

    #[test]
    fn shares_add_up_to_one() {
        let Primes { primes, n } = primes();
        let sum: BigUint =
            primes.iter().map(|p| Share::new(p, &n, 728, 2080).unwrap()).map(|s| s.unit * s.cofactor).sum();
        assert_eq!(sum % n, BigUint::one());
    }

    #[test]
    fn places_are_those_of_the_number() {
        let n = primes().n;
        let sum: BigUint = places::<40>(&n, 52).iter().rev().fold(BigUint::ZERO, |sum, limb| (sum << 52) + limb);
        assert_eq!(sum, n);
        let low: u64 = places::<1>(&n, 64)[0];
        assert_eq!(low.wrapping_mul(negated_inverse(low)), u64::MAX);
    }
}
