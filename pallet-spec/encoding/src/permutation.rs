//! PI-C: eight rounds of a Feistel network over a sector's halves, with keyed BLAKE3 (docs/protocol/encoding.md section 6).

use crate::{Salt, Sector, SECTOR};

const CONTEXT: &str = "repenc 2025-01 v1 chunk round keys";
const HALF: usize = SECTOR / 2;
const KEY: usize = 32;

/// The eight keys of one sector in one round, one behind the other. `index` is below 2^30 in every segment.
pub fn round_keys(salt: &Salt, round: u32, index: u64) -> Sector {
    let mut keys = [0; SECTOR];
    let mut stream = blake3::Hasher::new_derive_key(CONTEXT)
        .update(salt)
        .update(&0u64.to_le_bytes())
        .update(&round.to_le_bytes())
        .finalize_xof();
    stream.set_position(index.wrapping_mul(SECTOR as u64));
    stream.fill(&mut keys);
    keys
}

/// PI-C.
pub fn permute(sector: &mut Sector, keys: &Sector) {
    let (a, b) = sector.split_at_mut(HALF);
    for pair in keys.chunks_exact(2 * KEY) {
        let (even, odd) = pair.split_at(KEY);
        mix(a, b, even);
        mix(b, a, odd);
    }
}

/// PI-C backwards.
pub fn unpermute(sector: &mut Sector, keys: &Sector) {
    let (a, b) = sector.split_at_mut(HALF);
    for pair in keys.rchunks_exact(2 * KEY) {
        let (even, odd) = pair.split_at(KEY);
        mix(b, a, odd);
        mix(a, b, even);
    }
}

/// Adds F(key, source) to a half, bit by bit.
fn mix(target: &mut [u8], source: &[u8], key: &[u8]) {
    let mut fixed = [0; KEY];
    fixed.copy_from_slice(key);
    let mut mask = [0; HALF];
    blake3::Hasher::new_keyed(&fixed).update(source).finalize_xof().fill(&mut mask);
    target.iter_mut().zip(mask).for_each(|(byte, bits)| *byte ^= bits);
}
