//! Encoder and decoder of one segment: the fastest path that this processor has, behind safe functions.

#[cfg(target_arch = "x86_64")]
use crate::avx512;
use crate::{check_run, key::Primes, portable, Fault, Salt, Sector};

/// Whether eight roots at a time can be taken here.
pub fn accelerated() -> bool {
    #[cfg(target_arch = "x86_64")]
    return avx512::available();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// How to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// By AVX512-IFMA where the processor has it.
    Fastest,
    /// On words of 64 bits, whatever the processor has.
    Portable,
}

enum Roots {
    #[cfg(target_arch = "x86_64")]
    Eight(Box<avx512::Roots>),
    One(Box<portable::Roots>),
}

/// Makes a segment's encoded sectors, from any number of threads. Its key is overwritten when it is dropped.
pub struct Encoder {
    roots: Roots,
    salt: Salt,
}

impl Encoder {
    /// Takes the two to four primes of the key, big endian.
    pub fn new(primes: &[&[u8]], salt: Salt, path: Path) -> Result<Self, Fault> {
        let primes = Primes::new(primes)?;
        #[cfg(target_arch = "x86_64")]
        if path == Path::Fastest && accelerated() {
            return Ok(Self { roots: Roots::Eight(Box::new(avx512::Roots::new(&primes)?)), salt });
        }
        let _ = path;
        Ok(Self { roots: Roots::One(Box::new(portable::Roots::new(&primes)?)), salt })
    }

    /// Encodes whole sectors in place, of which the first has the index `first`. Each root is cubed again before it is
    /// written; where one is wrong the run is zeros on return.
    pub fn encode(&self, first: u64, run: &mut [u8]) -> Result<(), Fault> {
        check_run(first, run)?;
        let done = match &self.roots {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a key of this kind is made only where the processor has what it needs.
            Roots::Eight(roots) => unsafe { avx512::encode(roots, &self.salt, first, run) },
            Roots::One(roots) => portable::encode(roots, &self.salt, first, run),
        };
        if done.is_err() {
            run.fill(0);
        }
        done
    }
}

enum Cube {
    #[cfg(target_arch = "x86_64")]
    Eight(Box<avx512::Cube>),
    One(Box<portable::Cube>),
}

/// Turns a segment's encoded sectors back, from any number of threads. It needs public values only.
pub struct Decoder {
    cube: Cube,
    salt: Salt,
}

impl Decoder {
    /// Takes a modulus that the chain takes; small factors are not looked for.
    pub fn new(modulus: &Sector, salt: Salt, path: Path) -> Result<Self, Fault> {
        datdot_encoding::Modulus::new(modulus).ok_or(Fault::Modulus)?;
        #[cfg(target_arch = "x86_64")]
        if path == Path::Fastest && accelerated() {
            return Ok(Self { cube: Cube::Eight(Box::new(avx512::Cube::new(modulus))), salt });
        }
        let _ = path;
        Ok(Self { cube: Cube::One(Box::new(portable::Cube::new(modulus))), salt })
    }

    /// Decodes whole sectors in place. Any bytes decode to something: whoever decodes must compare.
    pub fn decode(&self, first: u64, run: &mut [u8]) -> Result<(), Fault> {
        check_run(first, run)?;
        match &self.cube {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a cube of this kind is made only where the processor has what it needs.
            Cube::Eight(cube) => unsafe { avx512::decode(cube, &self.salt, first, run) },
            Cube::One(cube) => portable::decode(cube, &self.salt, first, run),
        }
        Ok(())
    }
}
