//! What shows that a sector does not decode to its feed: the padding behind the copy's end, or a block of the feed
//! (pallet-spec/README.md section 8).

use crate::{
    crypto::hash,
    heads::{tiles, tree_hash},
    types::*,
};
use alloc::vec::Vec;
use core::ops::Range as Span;
use datdot_encoding::{decode_sector, Modulus};
use sp_core::H256;

/// Bytes of a segment's sector, cut at the segment's end, by their places in the copy stream.
fn sector_span(segment: &Segment, sector: u64) -> Span<u64> {
    let start = segment.first_byte.saturating_add(sector.saturating_mul(SECTOR));
    let end = segment.first_byte.saturating_add(segment.bytes);
    start..start.saturating_add(SECTOR).min(end)
}

/// Whether the opened sector does not decode to what it should. That it is the segment's was checked before.
pub fn proves(evidence: &Evidence, segment: &Segment, modulus: &Sector, ranges: &[Range]) -> bool {
    let (Some(salt), Some(modulus)) = (segment.salt, Modulus::new(modulus)) else { return false };
    let decoded = decode_sector(&modulus, &salt.0, evidence.sector, &evidence.opening.data);
    let span = sector_span(segment, evidence.sector);
    let Some(block) = &evidence.block else {
        // Behind the end of the copy there are zeros.
        let used = span.end.saturating_sub(span.start);
        return decoded.iter().skip(used as usize).any(|byte| *byte != 0);
    };
    let Some(start) = stream_place(block, &segment.head, ranges) else { return false };
    let (from, to) = (span.start.max(start), span.end.min(start.saturating_add(block.data.len() as u64)));
    let cut = |bytes: &[u8], first: u64| {
        let at = |place: u64| place.checked_sub(first).map(|offset| offset as usize);
        bytes.get(at(from)?..at(to)?).map(Vec::from)
    };
    // Nothing in common proves nothing.
    match (cut(&decoded, span.start), cut(&block.data, start)) {
        (Some(ours), Some(theirs)) => from < to && ours != theirs,
        _ => false,
    }
}

/// Where a proven block of the feed begins in the copy stream; none if it is not proven, or in none of the ranges.
fn stream_place(block: &BlockProof, head: &Head, ranges: &[Range]) -> Option<u64> {
    let offset = feed_offset(block, head)?;
    let mut before = 0u64;
    for range in ranges {
        if (range.start..range.end).contains(&block.index) {
            return before.checked_add(offset)?.checked_sub(range.first_byte);
        }
        before = before.checked_add(range.bytes)?;
    }
    None
}

/// Where a block begins in the feed: behind the roots and the siblings left of it. None unless it leads to a root of the head.
fn feed_offset(block: &BlockProof, head: &Head) -> Option<u64> {
    let BlockProof { length, roots, index, data, siblings } = block;
    let counted = *length == head.length && roots.len() == length.count_ones() as usize;
    if !counted || tree_hash(*length, roots) != head.tree_hash {
        return None;
    }
    let mut offset = 0u64;
    for (top, root) in tiles(0, *length).iter().zip(roots) {
        if (top.start..top.end()).contains(index) {
            let (proven, left) = climb(*index, data, siblings)?;
            return (siblings.len() == top.height as usize && proven == *root).then(|| offset.checked_add(left))?;
        }
        offset = offset.checked_add(root.size)?;
    }
    None
}

/// The node that a block's siblings lead to, and the bytes of those left of it.
fn climb(index: u64, data: &[u8], siblings: &[Root]) -> Option<(Root, u64)> {
    let length = data.len() as u64;
    let mut node = Root { hash: hash(&[&[0], &length.to_le_bytes(), data]), size: length };
    let (mut at, mut left) = (index, 0u64);
    for sibling in siblings {
        let size = node.size.checked_add(sibling.size)?;
        let join = |left: H256, right: H256| hash(&[&[1], &size.to_le_bytes(), left.as_bytes(), right.as_bytes()]);
        let hash = if at & 1 == 1 {
            left = left.checked_add(sibling.size)?;
            join(sibling.hash, node.hash)
        } else {
            join(node.hash, sibling.hash)
        };
        node = Root { hash, size };
        at >>= 1;
    }
    Some((node, left))
}
