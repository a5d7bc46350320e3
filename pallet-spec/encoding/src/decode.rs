//! A sector's decoding (docs/protocol/encoding.md section 7).

use crate::{
    permutation::{round_keys, unpermute},
    Modulus, Salt, Sector, ROUNDS,
};

/// What sector `index` of a segment decodes to. Any bytes decode to something: whoever decodes must compare.
pub fn decode_sector(modulus: &Modulus, salt: &Salt, index: u64, encoded: &Sector) -> Sector {
    let mut sector = *encoded;
    for round in (1..=ROUNDS).rev() {
        sector = modulus.cube(&sector);
        unpermute(&mut sector, &round_keys(salt, round, index));
    }
    sector
}
