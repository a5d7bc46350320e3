//! Cubes and cube roots of single numbers, and runs of sectors one by one.

use super::{
    add,
    barrett::{self, Number, WORDS},
    montgomery::{mul, pow, Modulus},
    step, subtract_once,
};
use crate::key::{negated_inverse, places, Primes, Share};
use crate::{Fault, Salt, Sector, ROUNDS, SECTOR};
use datdot_encoding::permutation::{permute, round_keys, unpermute};
use num_bigint::BigUint;
use zeroize::Zeroize;

/// A number with a word more than a sector has: a sum of shares of a root.
type Sum = [u64; WORDS + 1];

fn number(sector: &Sector) -> Number {
    let mut words = [0; WORDS];
    for (word, eight) in words.iter_mut().zip(sector.rchunks_exact(8)) {
        *word = eight.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    words
}

fn bytes(number: &[u64]) -> Sector {
    let mut sector = [0; SECTOR];
    for (eight, word) in sector.rchunks_exact_mut(8).zip(number) {
        eight.copy_from_slice(&word.to_be_bytes());
    }
    sector
}

/// x -> x^3 mod N below N, from N on the number itself. Public values only.
pub struct Cube(barrett::Modulus);

impl Cube {
    /// Takes a modulus whose 60 top bits are ones, odd.
    pub fn new(modulus: &Sector) -> Self {
        Self(barrett::Modulus::new(&number(modulus)))
    }

    fn apply(&self, sector: &Sector) -> Sector {
        let x = number(sector);
        if self.0.above(&x) {
            bytes(&self.0.cube(&x))
        } else {
            *sector
        }
    }
}

/// One prime's part of the key. All of it is secret.
struct Part<const L: usize> {
    m: Modulus<L>,
    one: [u64; L],
    powers: Vec<[u64; L]>,
    windows: Vec<u8>,
    unit: [u64; L],
    cofactor: Vec<u64>,
}

impl<const L: usize> Part<L> {
    fn new(p: &BigUint, n: &BigUint) -> Result<Self, Fault> {
        let share = Share::new(p, n, 64 * L, 64 * WORDS)?;
        let limbs: [u64; L] = places(p, 64);
        Ok(Self {
            m: Modulus { n: limbs, inverse: negated_inverse(limbs[0]) },
            one: places(&share.one, 64),
            powers: share.powers.iter().map(|power| places(power, 64)).collect(),
            windows: share.windows,
            unit: places(&share.unit, 64),
            cofactor: share.cofactor.to_u64_digits(),
        })
    }
}

impl<const L: usize> Drop for Part<L> {
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
trait AnyPart: Send + Sync {
    /// Adds this prime's share of the root of y to the sum.
    fn add(&self, y: &Number, sum: &mut Sum);

    /// Flips a bit of the `at`th number of the part; false if it has fewer.
    #[cfg(test)]
    fn damage(&mut self, at: usize, bit: u32) -> bool;
}

impl<const L: usize> AnyPart for Part<L> {
    fn add(&self, y: &Number, sum: &mut Sum) {
        let mut base = [0u64; L];
        for (c, power) in self.powers.iter().enumerate() {
            let piece: [u64; L] = core::array::from_fn(|j| y.get(c * L + j).copied().unwrap_or(0));
            add(&mut base, &mul(&piece, power, &self.m));
            base = subtract_once(&subtract_once(&base, &self.m.n), &self.m.n);
        }
        let root = pow(&base, &self.one, &self.windows, &self.m);
        let share = mul(&root, &self.unit, &self.m);
        for (i, &word) in self.cofactor.iter().enumerate() {
            let mut carry = 0;
            for (j, place) in sum.iter_mut().skip(i).enumerate() {
                (*place, carry) = step(*place, share.get(j).copied().unwrap_or(0), word, carry);
            }
        }
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

/// The private key of a segment: roots of single numbers.
pub struct Roots {
    parts: Vec<Box<dyn AnyPart>>,
    n: Sum,
    cube: Cube,
}

impl Roots {
    /// Computes what the primes' roots need.
    pub fn new(key: &Primes) -> Result<Self, Fault> {
        // A radix is at least four times its modulus: two bits.
        let part = |p: &BigUint| -> Result<Box<dyn AnyPart>, Fault> {
            Ok(match p.bits() {
                0..=510 => Box::new(Part::<8>::new(p, &key.n)?),
                511..=574 => Box::new(Part::<9>::new(p, &key.n)?),
                575..=702 => Box::new(Part::<11>::new(p, &key.n)?),
                703..=766 => Box::new(Part::<12>::new(p, &key.n)?),
                _ => Box::new(Part::<17>::new(p, &key.n)?),
            })
        };
        let parts = key.primes.iter().map(part).collect::<Result<_, _>>()?;
        Ok(Self { parts, n: places(&key.n, 64), cube: Cube::new(&key.modulus()) })
    }

    /// The private permutation: the root below N, from N on the number itself. A root is cubed before it is given out: a
    /// wrong one would give away a factor of N.
    fn private(&self, sector: &Sector) -> Result<Sector, Fault> {
        let y = number(sector);
        if !self.cube.0.above(&y) {
            return Ok(*sector);
        }
        let mut sum = [0; WORDS + 1];
        self.parts.iter().for_each(|part| part.add(&y, &mut sum));
        // Each share is below 2 p times N/p.
        for _ in 0..2 * self.parts.len() - 1 {
            sum = subtract_once(&sum, &self.n);
        }
        self.give_out(sector, bytes(&sum))
    }

    fn give_out(&self, sector: &Sector, root: Sector) -> Result<Sector, Fault> {
        // A root from N on would be its own cube, but then not of a number below N.
        if self.cube.apply(&root) == *sector {
            Ok(root)
        } else {
            Err(Fault::Computation)
        }
    }
}

/// Encodes whole sectors in place.
pub fn encode(key: &Roots, salt: &Salt, first: u64, run: &mut [u8]) -> Result<(), Fault> {
    for_each_sector(first, run, |index, sector| {
        for round in 1..=ROUNDS {
            permute(sector, &round_keys(salt, round, index));
            *sector = key.private(sector)?;
        }
        Ok(())
    })
}

/// Decodes whole sectors in place.
pub fn decode(cube: &Cube, salt: &Salt, first: u64, run: &mut [u8]) {
    let done = for_each_sector(first, run, |index, sector| {
        for round in (1..=ROUNDS).rev() {
            *sector = cube.apply(sector);
            unpermute(sector, &round_keys(salt, round, index));
        }
        Ok(())
    });
    debug_assert_eq!(done, Ok(()));
}

fn for_each_sector(
    first: u64,
    run: &mut [u8],
    mut work: impl FnMut(u64, &mut Sector) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for (index, place) in (first..).zip(run.chunks_exact_mut(SECTOR)) {
        let mut sector = [0; SECTOR];
        sector.copy_from_slice(place);
        work(index, &mut sector)?;
        place.copy_from_slice(&sector);
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
