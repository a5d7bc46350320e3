//! Proves the bytes of block ranges with opened tree nodes, whose sizes are hashed (pallet-spec/README.md section 7).

use crate::{
    heads::{node_hash, tiles, Subtree},
    types::{BlockRange, OpenedNode, Range, Root},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use sp_core::H256;

/// Why ranges are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRanges {
    Ranges,
    Nodes,
}

/// Whether ranges are ascending, neither empty nor touching, inside the feed, and bounded by 0, even blocks or its length.
fn well_formed(length: u64, ranges: &[BlockRange]) -> bool {
    let bound = |at: u64| at.is_multiple_of(2) || at == length;
    let apart = ranges.windows(2).all(|pair| pair[0].end < pair[1].start);
    let each =
        |range: &BlockRange| range.start < range.end && range.end <= length && bound(range.start) && bound(range.end);
    !ranges.is_empty() && apart && ranges.iter().all(each)
}

/// A root of the head, with its byte offset.
struct Placed<'a> {
    subtree: Subtree,
    root: &'a Root,
    offset: u64,
}

fn place(length: u64, roots: &[Root]) -> Vec<Placed<'_>> {
    let mut offset = 0u64;
    let placed = tiles(0, length).into_iter().zip(roots).map(|(subtree, root)| {
        let at = offset;
        offset = offset.saturating_add(root.size);
        Placed { subtree, root, offset: at }
    });
    placed.collect()
}

/// The opened nodes by flat-tree index, with their hashes.
struct Opened<'a>(BTreeMap<u64, (&'a OpenedNode, H256)>);

impl Opened<'_> {
    /// Walks from a root to a tile; returns the tile's byte offset and size.
    fn locate(&self, placed: &Placed, tile: Subtree) -> Result<(u64, u64), BadRanges> {
        if tile == placed.subtree {
            return Ok((placed.offset, placed.root.size));
        }
        let (mut expected, mut bound, mut offset) = (placed.root.hash, None, placed.offset);
        let steps = placed.subtree.path_to(tile);
        for (step, next) in steps.iter().zip(steps.iter().skip(1).map(Some).chain([None])) {
            let (node, hash) = self.0.get(&step.index()).ok_or(BadRanges::Nodes)?;
            if *hash != expected {
                return Err(BadRanges::Nodes);
            }
            offset = match bound {
                None if node.size != placed.root.size => return Err(BadRanges::Nodes),
                None => offset,
                // A right child begins behind its sibling, whose size is the difference.
                Some((parent, is_right)) => {
                    let sibling = u64::checked_sub(parent, node.size).ok_or(BadRanges::Nodes)?;
                    if is_right {
                        offset.saturating_add(sibling)
                    } else {
                        offset
                    }
                },
            };
            if let Some(next) = next {
                let is_right = next.start != step.start;
                expected = if is_right { node.right } else { node.left };
                bound = Some((node.size, is_right));
            } else {
                return Ok((offset, node.size));
            }
        }
        Err(BadRanges::Nodes)
    }

    /// Two opened siblings add up to their parent.
    fn siblings_add_up(&self, subtrees: &BTreeMap<u64, Subtree>) -> bool {
        subtrees.iter().all(|(index, subtree)| {
            if subtree.height == 0 {
                return true;
            }
            let half = 1 << (subtree.height - 1);
            let child = |start: u64| {
                let index = Subtree { start, height: subtree.height - 1 }.index();
                self.0.get(&index).map(|(node, _)| node.size)
            };
            match (self.0.get(index), child(subtree.start), child(subtree.start + half)) {
                (Some((node, _)), Some(left), Some(right)) => left.checked_add(right) == Some(node.size),
                _ => true,
            }
        })
    }
}

/// The ranges with their bytes; `nodes` must be exactly the tiles that are no roots, and their ancestors, ascending.
pub fn prove(
    length: u64,
    roots: &[Root],
    ranges: &[BlockRange],
    nodes: &[OpenedNode],
) -> Result<Vec<Range>, BadRanges> {
    if !well_formed(length, ranges) {
        return Err(BadRanges::Ranges);
    }
    let placed = place(length, roots);
    let mut wanted = BTreeMap::new();
    let mut located = Vec::new();
    for range in ranges {
        for tile in tiles(range.start, range.end) {
            let at = placed.iter().position(|p| p.subtree.contains(&tile)).ok_or(BadRanges::Ranges)?;
            let root = placed.get(at).ok_or(BadRanges::Ranges)?;
            if tile != root.subtree {
                wanted.extend(root.subtree.path_to(tile).into_iter().map(|subtree| (subtree.index(), subtree)));
            }
            located.push((range.start, at, tile));
        }
    }
    let indices: BTreeSet<u64> = nodes.iter().map(|node| node.index).collect();
    let ascending = nodes.windows(2).all(|pair| pair[0].index < pair[1].index);
    if !ascending || !indices.iter().eq(wanted.keys()) {
        return Err(BadRanges::Nodes);
    }
    let opened = Opened(nodes.iter().map(|node| (node.index, (node, node_hash(node)))).collect());
    let mut bytes: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (start, at, tile) in located {
        let root = placed.get(at).ok_or(BadRanges::Ranges)?;
        let (offset, size) = opened.locate(root, tile)?;
        let entry = bytes.entry(start).or_insert((offset, 0));
        entry.1 = entry.1.saturating_add(size);
    }
    if !opened.siblings_add_up(&wanted) {
        return Err(BadRanges::Nodes);
    }
    let proven = ranges.iter().filter_map(|range| {
        let (first_byte, bytes) = bytes.get(&range.start)?;
        Some(Range { start: range.start, end: range.end, first_byte: *first_byte, bytes: *bytes })
    });
    Ok(proven.collect())
}
