//! A segment's Merkle tree: openings and their check (docs/protocol/encoding.md section 8; pallet-spec/README.md section 2).

use crate::{
    crypto::hash,
    types::{Opening, Sector, SECTOR},
};
use sp_core::H256;

/// Hash of the leaf of sector `index`.
pub fn leaf(context: H256, index: u64, data: &Sector) -> H256 {
    hash(&[&[0], context.as_bytes(), &index.to_le_bytes(), data])
}

/// Hash of an inner node.
pub fn node(left: H256, right: H256) -> H256 {
    hash(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The root over `sectors` leaves, of which `top` is the topmost node.
pub fn root(context: H256, sectors: u64, top: H256) -> H256 {
    hash(&[&[2], context.as_bytes(), &sectors.to_le_bytes(), &(SECTOR as u32).to_le_bytes(), top.as_bytes()])
}

/// The root that an opening of sector `index` of `sectors` leads to; none if the number of siblings is wrong.
pub fn opened_root(context: H256, sectors: u64, index: u64, opening: &Opening) -> Option<H256> {
    if index >= sectors {
        return None;
    }
    let mut siblings = opening.siblings.iter();
    let (mut hash, mut at, mut width) = (leaf(context, index, &opening.data), index, sectors);
    while width > 1 {
        if at & 1 == 1 {
            hash = node(*siblings.next()?, hash);
        } else if at + 1 < width {
            hash = node(hash, *siblings.next()?);
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    siblings.next().is_none().then(|| root(context, sectors, hash))
}
