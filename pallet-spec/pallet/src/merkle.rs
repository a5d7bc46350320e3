//! A segment's Merkle tree: the check of an opening (docs/protocol/encoding.md section 8) and of several sectors at once
//! (pallet-spec/README.md section 2).

use crate::{
    crypto::hash,
    types::{Opening, Sector, SECTOR},
};
use alloc::vec::Vec;
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

/// The root that some of a segment's `sectors` lead to, ascending and each once, with the siblings that they need: level by
/// level from the leaves up, in each from left to right, each hash once. None if a sector is not the segment's, two do
/// not ascend, or a sibling is missing. What follows in `siblings` is left there.
pub fn proven_root<'a>(
    context: H256,
    sectors: u64,
    opened: impl Iterator<Item = (u64, &'a Sector)>,
    siblings: &mut impl Iterator<Item = &'a H256>,
) -> Option<H256> {
    let mut level: Vec<(u64, H256)> = opened.map(|(index, data)| (index, leaf(context, index, data))).collect();
    let ascend = level.is_sorted_by(|(one, _), (next, _)| one < next);
    if !ascend || level.last().is_none_or(|(last, _)| *last >= sectors) {
        return None;
    }
    let mut width = sectors;
    while width > 1 {
        level = above(&level, width, siblings)?;
        width = width.div_ceil(2);
    }
    level.first().map(|(_, top)| root(context, sectors, *top))
}

/// The parents of the known nodes of a level that is `width` nodes wide; an odd last one is carried up unchanged.
fn above<'a>(
    level: &[(u64, H256)],
    width: u64,
    siblings: &mut impl Iterator<Item = &'a H256>,
) -> Option<Vec<(u64, H256)>> {
    let mut parents = Vec::with_capacity(level.len());
    let mut known = level.iter().copied().peekable();
    while let Some((at, hash)) = known.next() {
        let parent = if at & 1 == 1 {
            node(*siblings.next()?, hash)
        } else if let Some((_, right)) = known.next_if(|(next, _)| *next == at + 1) {
            node(hash, right)
        } else if at + 1 < width {
            node(hash, *siblings.next()?)
        } else {
            hash
        };
        parents.push((at / 2, parent));
    }
    Some(parents)
}
