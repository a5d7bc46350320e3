//! Cubes of any number modulo any modulus that the chain takes, and of what it does not take, beside another implementation;
//! and the permutation with its inverse.

use datdot_encoding::{
    decode_sector,
    permutation::{permute, round_keys, unpermute},
    Modulus, Sector, SECTOR,
};
use num_bigint::BigUint;

/// Bytes that look random, by BLAKE3: the same in every run.
fn random(name: &str, number: u32) -> Sector {
    let mut sector = [0; SECTOR];
    blake3::Hasher::new().update(name.as_bytes()).update(&number.to_le_bytes()).finalize_xof().fill(&mut sector);
    sector
}

fn modulus(number: u32) -> Sector {
    let mut modulus = random("modulus", number);
    modulus[..7].fill(0xff);
    modulus[7] |= 0xf0;
    modulus[SECTOR - 1] |= 1;
    match number % 8 {
        // The least and the greatest.
        0 => modulus[7..].fill(0),
        1 => modulus.fill(0xff),
        // Long runs of ones and of zeros, where carries go far.
        2 => modulus[8..200].fill(0xff),
        3 => modulus[8..200].fill(0),
        _ => return modulus,
    }
    modulus[7] |= 0xf0;
    modulus[SECTOR - 1] |= 1;
    modulus
}

fn padded(number: &BigUint) -> Option<Sector> {
    let bytes = number.to_bytes_be();
    let mut sector = [0; SECTOR];
    sector[SECTOR.checked_sub(bytes.len())?..].copy_from_slice(&bytes);
    Some(sector)
}

/// Where a carry or a comparison may go wrong.
fn numbers(n: &BigUint, round: u32) -> Vec<Sector> {
    let one = BigUint::from(1u8);
    let top = &one << 2048;
    let small = (0..3u8).map(BigUint::from);
    let near = (0..3u8).flat_map(|far| [n - far, n + far, &top - 1u8 - far]);
    let powers = [32, 64, 1024, 2016, 2047].map(|bits| &one << bits);
    let mut found: Vec<Sector> =
        small.chain(near).chain(powers).chain([n >> 1]).filter_map(|number| padded(&number)).collect();
    found.extend((0..8).map(|i| random("number", 8 * round + i)));
    found
}

#[test]
fn cubes_are_cubes() {
    let mut unchanged = 0;
    for round in 0..64 {
        let bytes = modulus(round);
        let n = BigUint::from_bytes_be(&bytes);
        let modulus = Modulus::new(&bytes).unwrap();
        for sector in numbers(&n, round) {
            let x = BigUint::from_bytes_be(&sector);
            let wanted = if x < n { padded(&x.modpow(&BigUint::from(3u8), &n)).unwrap() } else { sector };
            unchanged += u32::from(x >= n);
            assert_eq!(modulus.cube(&sector), wanted, "{x} modulo {n}");
        }
    }
    assert!(unchanged > 100);
}

#[test]
fn only_what_the_chain_takes_is_a_modulus() {
    let fair = modulus(5);
    assert!(Modulus::new(&fair).is_some());
    for (place, value) in [(SECTOR - 1, fair[SECTOR - 1] & 0xfe), (7, 0xef), (6, 0xfe), (0, 0x7f), (0, 0)] {
        let mut other = fair;
        other[place] = value;
        assert!(Modulus::new(&other).is_none(), "byte {place} is {value}");
    }
}

#[test]
fn the_permutation_has_an_inverse() {
    for i in 0..20 {
        let keys = round_keys(&[i as u8; 32], i % 3, u64::from(i) << 28);
        let plain = random("plain", i);
        let mut sector = plain;
        permute(&mut sector, &keys);
        assert_ne!(sector, plain);
        unpermute(&mut sector, &keys);
        assert_eq!(sector, plain);
    }
}

/// No salt, no index and no sector makes it panic, and each of them matters.
#[test]
fn anything_decodes_to_something_of_its_own() {
    let modulus = Modulus::new(&modulus(6)).unwrap();
    let indices = [0, 1, 2, (1 << 30) - 1, 1 << 30, 1 << 56, u64::MAX];
    let mut found = Vec::new();
    for sector in [[0; SECTOR], [0xff; SECTOR], random("any", 0)] {
        for salt in [[0; 32], [0xff; 32]] {
            found.extend(indices.map(|index| decode_sector(&modulus, &salt, index, &sector)));
        }
    }
    let all = found.len();
    found.sort();
    found.dedup();
    // Positions in the stream of keys are counted modulo 2^64.
    assert_eq!(found.len(), all - 3 * 2, "{all}");
}
