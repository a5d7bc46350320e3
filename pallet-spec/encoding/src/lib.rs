//! datdot's replica encoding, profile P1 (docs/protocol/encoding.md), as far as a chain needs it: one sector is decoded,
//! without `std`, in constant memory, without a panic whatever the bytes are.
//!
//! | module | what |
//! | --- | --- |
//! | [`cube`] | x^3 mod N of 256-byte numbers: the RSA operation with the public exponent |
//! | [`permutation`] | PI-C: the public permutation of a sector, both ways |
//! | [`decode`] | a sector's two rounds, backwards |
//!
//! ```
//! use datdot_encoding::{decode_sector, Modulus, SECTOR};
//! let modulus = Modulus::new(&[0xff; SECTOR]).expect("odd, and in range");
//! let plain = decode_sector(&modulus, &[0; 32], 0, &[7; SECTOR]);
//! assert_ne!(plain, [7; SECTOR]);
//! ```
#![no_std]
#![forbid(unsafe_code)]

pub mod cube;
pub mod decode;
pub mod permutation;

pub use cube::Modulus;
pub use decode::decode_sector;

/// Bytes of a sector, and of a number below 2^2048.
pub const SECTOR: usize = 256;
/// Rounds of P1.
pub const ROUNDS: u32 = 2;

/// 256 bytes: a sector, or a number, big endian.
pub type Sector = [u8; SECTOR];
/// A segment's salt.
pub type Salt = [u8; 32];
