//! datdot's replica encoding, profile P1 (docs/protocol/encoding.md), at the speed of the machine: runs of sectors are
//! encoded, decoded and hashed.
//!
//! | module | what |
//! | --- | --- |
//! | [`codec`] | [`Encoder`] and [`Decoder`] of a segment: the fastest path that this processor has |
//! | `key` | the numbers that belong to the primes of a private key |
//! | `avx512` | eight roots or cubes at a time on AVX512-IFMA, sixteen permutations |
//! | `portable` | one at a time on words of 64 bits: every other processor |
//! | [`merkle`] | leaves, nodes, root and openings of a segment's tree |
//!
//! **What does not depend on the key.** On AVX512-IFMA no branch and no address does: exponents are read in windows whose table
//! is read whole each time. On other processors the window's entry is read by its index: whoever shares the processor's cache with
//! an encoder may learn about its key there. What the encoder is made of is overwritten when it is dropped; numbers on the stack
//! and those from which it was made are not.

#![deny(unsafe_op_in_unsafe_fn)]
// Columns, limbs and lanes of several numbers are counted together.
#![allow(clippy::needless_range_loop)]

#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod codec;
mod key;
pub mod merkle;
mod portable;

pub use codec::{accelerated, Decoder, Encoder, Path};
pub use datdot_encoding::{Salt, Sector, ROUNDS, SECTOR};

use core::fmt;

/// The most sectors that a segment has.
pub const MAX_SECTORS: u64 = 1 << 30;

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The primes form no key of the profile: what is wrong with them.
    Key(&'static str),
    /// The modulus is one that the profile does not allow.
    Modulus,
    /// Bytes that are not whole sectors, or sectors that no segment has: how many bytes, the first sector.
    Run(usize, u64),
    /// An opening names a sector that is not there, or too many at once.
    Opening,
    /// A root failed its check: this machine computes wrongly.
    Computation,
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Fault::Key(why) => write!(to, "the primes are no key of the profile: {why}"),
            Fault::Modulus => write!(to, "the modulus is even, or outside the range of the profile"),
            Fault::Run(bytes, first) => write!(to, "{bytes} bytes from sector {first} on are no run of sectors"),
            Fault::Opening => write!(to, "the sector to open is not in the tree"),
            Fault::Computation => write!(to, "an RSA result failed its check; this machine computes wrongly"),
        }
    }
}

impl std::error::Error for Fault {}

/// Refuses what is not whole sectors of one segment.
pub fn check_run(first: u64, run: &[u8]) -> Result<(), Fault> {
    let count = (run.len() / SECTOR) as u64;
    if !run.len().is_multiple_of(SECTOR) || first.checked_add(count).is_none_or(|end| end > MAX_SECTORS) {
        return Err(Fault::Run(run.len(), first));
    }
    Ok(())
}
