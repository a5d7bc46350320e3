//! The Merkle tree of a segment (docs/protocol/encoding.md section 8): BLAKE2b-256 over tagged leaves and nodes, several at
//! a time.

use crate::{check_run, Fault, SECTOR};
use blake2b_simd::{
    many::{hash_many, HashManyJob},
    Params,
};

/// Bytes of a hash.
pub const HASH: usize = 32;
/// Hashes computed together.
const BATCH: usize = 64;
const LEAF: usize = 1 + HASH + 8 + SECTOR;
const NODE: usize = 1 + 2 * HASH;

/// A context or a node.
pub type Hash = [u8; HASH];

fn params() -> Params {
    let mut params = Params::new();
    params.hash_length(HASH);
    params
}

fn hash(input: &[u8]) -> Hash {
    let mut out = [0; HASH];
    out.copy_from_slice(params().hash(input).as_bytes());
    out
}

/// Hashes equally long inputs that lie one after another.
fn hash_all(inputs: &[u8], size: usize, out: &mut Vec<u8>) {
    let params = params();
    for batch in inputs.chunks(size * BATCH) {
        let mut jobs: Vec<_> = batch.chunks_exact(size).map(|input| HashManyJob::new(&params, input)).collect();
        hash_many(jobs.iter_mut());
        jobs.iter().for_each(|job| out.extend_from_slice(job.to_hash().as_bytes()));
    }
}

/// The leaf hashes of whole sectors, one after another.
pub fn leaves(ctx: &Hash, first: u64, run: &[u8]) -> Result<Vec<u8>, Fault> {
    check_run(first, run)?;
    let mut out = Vec::with_capacity(run.len() / SECTOR * HASH);
    let mut inputs = Vec::with_capacity(LEAF * BATCH);
    let mut index = first;
    for sectors in run.chunks(SECTOR * BATCH) {
        inputs.clear();
        for sector in sectors.chunks_exact(SECTOR) {
            inputs.push(0);
            inputs.extend_from_slice(ctx);
            inputs.extend_from_slice(&index.to_le_bytes());
            inputs.extend_from_slice(sector);
            index += 1;
        }
        hash_all(&inputs, LEAF, &mut out);
    }
    Ok(out)
}

/// The level above nodes that lie one after another: pairs are hashed, an odd last node is carried up.
pub fn parents(level: &[u8]) -> Vec<u8> {
    let pairs = level.len() / (2 * HASH) * 2 * HASH;
    let mut out = Vec::with_capacity(level.len().div_ceil(2 * HASH) * HASH);
    let mut inputs = Vec::with_capacity(NODE * BATCH);
    for batch in level[..pairs].chunks(2 * HASH * BATCH) {
        inputs.clear();
        for pair in batch.chunks_exact(2 * HASH) {
            inputs.push(1);
            inputs.extend_from_slice(pair);
        }
        hash_all(&inputs, NODE, &mut out);
    }
    out.extend_from_slice(&level[pairs..]);
    out
}

/// The root of a segment, from its sectors.
pub fn root(ctx: &Hash, run: &[u8]) -> Result<Hash, Fault> {
    Ok(opened(ctx, run, None)?.0)
}

/// The opening of a sector: the root, and the siblings of the sector's path, bottom up, one after another.
pub fn opening(ctx: &Hash, run: &[u8], sector: u64) -> Result<(Hash, Vec<u8>), Fault> {
    if sector >= (run.len() / SECTOR) as u64 {
        return Err(Fault::Opening);
    }
    opened(ctx, run, Some(sector as usize))
}

fn opened(ctx: &Hash, run: &[u8], sector: Option<usize>) -> Result<(Hash, Vec<u8>), Fault> {
    if run.is_empty() {
        return Err(Fault::Run(0, 0));
    }
    let (mut level, mut siblings) = (leaves(ctx, 0, run)?, Vec::new());
    let mut at = sector;
    while level.len() > HASH {
        if let Some(index) = &mut at {
            siblings.extend_from_slice(level.chunks_exact(HASH).nth(*index ^ 1).unwrap_or_default());
            *index /= 2;
        }
        level = parents(&level);
    }
    let mut input = vec![2];
    input.extend_from_slice(ctx);
    input.extend_from_slice(&((run.len() / SECTOR) as u64).to_le_bytes());
    input.extend_from_slice(&(SECTOR as u32).to_le_bytes());
    input.extend_from_slice(&level);
    Ok((hash(&input), siblings))
}
