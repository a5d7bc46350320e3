//! Feeds at their bounds: heads, the nodes that prove ranges, extensions and second histories, and evidence of rubbish.

use super::world::*;
use crate::{
    crypto::hash,
    heads::{node_hash, tiles, tree_hash, Subtree, TREE},
    types::*,
    *,
};
use alloc::{vec, vec::Vec};
use frame_support::BoundedVec;
use sp_core::H256;

/// A subtree of a feed whose boundaries at `wanted` must be opened: its hash, and the nodes on the way, by index.
fn open(at: Subtree, size: u64, wanted: &[Subtree], nodes: &mut Vec<OpenedNode>) -> H256 {
    let inside: Vec<Subtree> = wanted.iter().copied().filter(|tile| at.contains(tile)).collect();
    let leaf = |side: u8| hash(&[&[side], &at.index().to_le_bytes()]);
    if inside.is_empty() || at.height == 0 {
        return leaf(0);
    }
    let (left_size, half) = (size / 2, 1 << (at.height - 1));
    let deeper = inside.iter().any(|tile| *tile != at);
    let child = |start: u64, size: u64, nodes: &mut Vec<OpenedNode>| {
        open(Subtree { start, height: at.height - 1 }, size, &inside, nodes)
    };
    let (left, right) = match deeper {
        true => (child(at.start, left_size, nodes), child(at.start + half, size - left_size, nodes)),
        false => (leaf(0), leaf(1)),
    };
    let node = OpenedNode { index: at.index(), size, left, right };
    let hash = node_hash(&node);
    nodes.push(node);
    hash
}

/// A head with one root over 2^50 blocks, ranges of it, and the nodes that prove them: some 90 for each range.
pub fn feed(ranges: u32) -> (SignedHead, Vec<BlockRange>, Vec<OpenedNode>) {
    let root = Subtree { start: 0, height: 50 };
    let part = root.end() / u64::from(MAX_RANGES);
    let range = |n: u32| {
        let start = u64::from(n) * part + 2;
        BlockRange { start, end: start + 4 }
    };
    let ranges: Vec<BlockRange> = (0..ranges).map(range).collect();
    let wanted: Vec<Subtree> = ranges.iter().flat_map(|range| tiles(range.start, range.end)).collect();
    let mut nodes = Vec::new();
    let size = 1 << 52;
    let hash = open(root, size, &wanted, &mut nodes);
    nodes.sort_by_key(|node| node.index);
    (signed(root.end(), vec![Root { hash, size }]), ranges, nodes)
}

/// A head of the feed of key 1, signed.
pub fn signed(length: u64, roots: Vec<Root>) -> SignedHead {
    let message =
        [&TREE[..], tree_hash(length, &roots).as_bytes(), &length.to_le_bytes(), &0u64.to_le_bytes()].concat();
    SignedHead {
        key: key(1).0,
        manifest: Default::default(),
        fork: 0,
        length,
        roots: roots.try_into().expect("at most 53"),
        signature: sign(1, &message),
    }
}

/// The plan's feed, one block longer: 50 roots become one.
pub fn extension<T: Config>(plan: PlanId) -> (SignedHead, Vec<OpenedNode>) {
    let (length, root) = ((1 << 50) - 1, |n: u32| Root { hash: hash(&[&n.to_le_bytes()]), size: 1 });
    let old: Vec<Root> = (0..50).map(root).collect();
    Plans::<T>::mutate(plan, |plan| {
        let plan = plan.as_mut().expect("a plan");
        plan.head.length = length;
        plan.bytes = 50;
        let last = plan.ranges.last_mut().expect("a range");
        (last.end, last.first_byte, last.bytes) = (length, 0, 50);
    });
    Roots::<T>::insert(plan, BoundedVec::<Root, MaxRoots>::try_from(old.clone()).expect("50"));
    let mut left: Vec<(Subtree, Root)> = tiles(0, length).into_iter().zip(old).collect();
    let (mut at, mut cur) = left.pop().expect("50");
    let mut nodes = Vec::new();
    while at.height < 50 {
        let parent = at.parent();
        let (left, right, size) = match parent.start == at.start {
            true => (cur.hash, H256::zero(), cur.size + 1),
            false => {
                let (_, sibling) = left.pop().expect("a root for each level");
                (sibling.hash, cur.hash, sibling.size + cur.size)
            },
        };
        let node = OpenedNode { index: parent.index(), size, left, right };
        (at, cur) = (parent, Root { hash: node_hash(&node), size });
        nodes.push(node);
    }
    (signed(1 << 50, vec![cur]), nodes)
}

/// Two histories of one feed: the last of 50 roots of the first is another in the second, 50 levels below its root.
pub fn histories() -> (SignedHead, SignedHead, u8, Vec<OpenedNode>) {
    let length = (1 << 50) - 1;
    let roots = (0..50u32).map(|n| Root { hash: hash(&[&n.to_le_bytes()]), size: 1 }).collect();
    let mut at = *tiles(0, length).last().expect("50");
    let mut below = H256::zero();
    let mut nodes = Vec::new();
    while at.height < 50 {
        let parent = at.parent();
        let (left, right) = if parent.start == at.start { (below, H256::zero()) } else { (H256::zero(), below) };
        let node = OpenedNode { index: parent.index(), size: 1, left, right };
        (at, below) = (parent, node_hash(&node));
        nodes.insert(0, node);
    }
    (signed(length, roots), signed(1 << 50, vec![Root { hash: below, size: 1 }]), 49, nodes)
}

/// A copy at its bounds that does not decode to its feed, and the largest evidence of it.
pub fn invalid<T: Config>() -> (CopyId, Evidence) {
    let (plan, copies) = full_plan::<T>(1);
    let (id, hoster) = copies[0].clone();
    let encoder = encoder::<T>(0);
    let data: BoundedVec<u8, MaxBlock> = vec![1; MAX_BLOCK as usize].try_into().expect("as long");
    let siblings: Vec<Root> = (0..52u8).map(|level| Root { hash: hash(&[&[level]]), size: 1 }).collect();
    let length = (1 << 53) - 1;
    let size = data.len() as u64;
    let mut node = Root { hash: hash(&[&[0], &size.to_le_bytes(), &data]), size };
    for sibling in &siblings {
        let size = node.size + sibling.size;
        let parts = [&[1][..], &size.to_le_bytes(), node.hash.as_bytes(), sibling.hash.as_bytes()];
        node = Root { hash: hash(&parts), size };
    }
    let roots: Vec<Root> =
        core::iter::once(node).chain((1..MAX_ROOTS).map(|_| Root { hash: H256::zero(), size: 1 })).collect();
    let head = Head { fork: 0, length, byte_length: 1, tree_hash: tree_hash(length, &roots) };
    Plans::<T>::mutate(plan, |plan| {
        let range = &mut plan.as_mut().expect("a plan").ranges[0];
        (range.start, range.end, range.first_byte) = (0, 2, 0);
    });
    let copy = Copies::<T>::get(id).expect("a copy");
    let number = copy.segments[0].segment;
    let (made, opening) = segment::<T>(id, &Copy { hoster, head, ..copy.clone() }, &encoder, GIB_SECTORS);
    Segments::<T>::insert(number, Segments::<T>::take(made).expect("it was made"));
    let siblings = siblings.try_into().expect("52");
    let block = BlockProof { length, roots: roots.try_into().expect("53"), index: 0, data, siblings };
    (id, Evidence { segment: number, sector: 0, opening, block: Some(block) })
}
