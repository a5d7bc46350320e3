//! Shared by the tests: pseudo-random bytes and primes by name, the vectors, both paths.
#![allow(dead_code)]

use datdot_encoding_native::{Path, Sector, SECTOR};
use num_bigint::BigUint;
use serde::de::DeserializeOwned;

pub const PATHS: [Path; 2] = [Path::Fastest, Path::Portable];

pub fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/../../../tests/vectors/encoding/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

pub fn unhex(text: &str) -> Vec<u8> {
    let text = text.trim_start_matches("0x");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub fn fixed<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().unwrap()
}

pub fn random(name: &str, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut out);
    out
}

pub fn padded(number: &BigUint) -> Sector {
    let bytes = number.to_bytes_be();
    let mut sector = [0; SECTOR];
    sector[SECTOR - bytes.len()..].copy_from_slice(&bytes);
    sector
}

/// A prime below 2^bits whose 62 top bits are ones, and of which 3 does not divide the predecessor.
pub fn prime(name: &str, bits: usize) -> BigUint {
    let one = BigUint::from(1u8);
    let span = bits - 62;
    let low = (&one << bits) - (&one << span);
    let mut found = low + (BigUint::from_bytes_be(&random(name, span / 8)) | &one);
    while &found % 3u8 != BigUint::from(2u8) || !is_prime(&found) {
        found += 2u8;
    }
    assert_eq!(found.bits(), bits as u64);
    found
}

fn is_prime(n: &BigUint) -> bool {
    if (3u32..2000).step_by(2).any(|factor| (n % factor).bits() == 0) {
        return false;
    }
    let (one, less) = (BigUint::from(1u8), n - 1u8);
    let twos = less.trailing_zeros().unwrap();
    [2u8, 3, 5, 7].iter().all(|base| {
        let mut x = BigUint::from(*base).modpow(&(&less >> twos), n);
        (0..twos).any(|_| {
            let fits = x == less || x == one;
            x = &x * &x % n;
            fits
        })
    })
}

/// Shapes of keys: two, three and four primes, of equal and of unequal lengths, up to what a kernel takes.
pub const SHAPES: [&[usize]; 7] = [
    &[1024, 1024],
    &[1034, 1014],
    &[683, 683, 682],
    &[670, 670, 708],
    &[722, 663, 663],
    &[512, 512, 512, 512],
    &[514, 514, 510, 510],
];

pub fn key(name: &str, shape: &[usize]) -> Vec<Vec<u8>> {
    shape.iter().enumerate().map(|(i, bits)| prime(&format!("{name} {i}"), *bits).to_bytes_be()).collect()
}

pub fn slices(primes: &[Vec<u8>]) -> Vec<&[u8]> {
    primes.iter().map(Vec::as_slice).collect()
}

pub fn product(primes: &[Vec<u8>]) -> BigUint {
    primes.iter().map(|prime| BigUint::from_bytes_be(prime)).product()
}
