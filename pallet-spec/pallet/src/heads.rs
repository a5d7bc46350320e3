//! Heads: keys, manifests, roots, signatures (pallet-spec/README.md section 7; docs/protocol/hypercore.md section 1).

use crate::{
    crypto::{hash, verify, Refused},
    types::{Head, Key, OpenedNode, Root, SignedHead, MAX_SAFE},
};
use alloc::vec::Vec;
use sp_core::H256;

/// namespace("hypercore", 0).
pub(crate) const TREE: [u8; 32] = [
    0x9f, 0xac, 0x70, 0xb5, 0x0c, 0xa1, 0x4e, 0xfc, 0x4e, 0x91, 0xc8, 0x33, 0xb2, 0x04, 0xe7, 0x5b, 0x8b, 0x5a, 0xad,
    0x8b, 0x58, 0x81, 0xbf, 0xc0, 0xad, 0xb5, 0xef, 0x38, 0xa3, 0x27, 0x5b, 0x9c,
];
/// namespace("hypercore", 3).
const MANIFEST: [u8; 32] = [
    0xe6, 0x4b, 0x71, 0x08, 0xea, 0xcc, 0xe4, 0x7c, 0xfc, 0x61, 0xac, 0x85, 0x05, 0x68, 0xf5, 0x5f, 0x8b, 0x15, 0xb8,
    0x2e, 0xc5, 0xed, 0x78, 0xc4, 0xec, 0x59, 0x7b, 0x03, 0x6e, 0x2a, 0x14, 0x98,
];
/// What stands before namespace and key in a single signer's manifest of version 0 and of version 1.
const V0: &[u8] = &[0x00, 0x00, 0x01, 0x00];
const V1: &[u8] = &[0x01, 0x00, 0x00, 0x01, 0x01, 0x00];

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHead {
    /// Not exactly a single signer's manifest.
    Manifest,
    /// The manifest's hash is not the key.
    Key,
    /// Fork, length or sizes out of range, or not that length's roots.
    Head,
    Signature(Refused),
}

/// A full subtree of blocks [start, start + 2^height).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree {
    pub start: u64,
    pub height: u32,
}

impl Subtree {
    pub fn end(&self) -> u64 {
        self.start + (1 << self.height)
    }

    /// Flat-tree index: 2 x start + 2^height - 1.
    pub fn index(&self) -> u64 {
        2 * self.start + (1 << self.height) - 1
    }

    pub fn contains(&self, other: &Subtree) -> bool {
        self.start <= other.start && other.end() <= self.end()
    }

    /// The subtree over it and its sibling.
    pub fn parent(&self) -> Subtree {
        let height = self.height + 1;
        Subtree { start: self.start >> height << height, height }
    }

    /// The subtrees from this down to `tile`, both included.
    pub fn path_to(&self, tile: Subtree) -> Vec<Subtree> {
        let at = |height| Subtree { start: tile.start >> height << height, height };
        (tile.height..=self.height).rev().map(at).collect()
    }
}

/// The maximal full subtrees that tile blocks [start, end), left to right. Of [0, length) these are the roots.
pub fn tiles(start: u64, end: u64) -> Vec<Subtree> {
    let mut tiles = Vec::new();
    let mut at = start;
    while at < end {
        let aligned = if at == 0 { 63 } else { at.trailing_zeros() };
        let height = aligned.min((end - at).ilog2());
        tiles.push(Subtree { start: at, height });
        at += 1 << height;
    }
    tiles
}

/// Hash of an inner node of a tree.
pub fn node_hash(node: &OpenedNode) -> H256 {
    hash(&[&[1], &node.size.to_le_bytes(), node.left.as_bytes(), node.right.as_bytes()])
}

/// Shows that the tree of a longer head goes on where an older one ends; none if it does not. `nodes` lead from the last old
/// root up to the new root over it: it and all roots before it must be those of the new tree, or stand in these nodes.
pub fn extends(places: &[Subtree], old: &[Root], (length, roots): (u64, &[Root]), nodes: &[OpenedNode]) -> Option<()> {
    let new: Vec<(Subtree, &Root)> = tiles(0, length).into_iter().zip(roots).collect();
    let root_at = |subtree: Subtree| new.iter().find(|(at, _)| *at == subtree).map(|(_, root)| *root);
    let mut left: Vec<(Subtree, &Root)> = places.iter().copied().zip(old).collect();
    let (mut at, last) = left.pop()?;
    let mut cur = last.clone();
    let mut nodes = nodes.iter();
    while root_at(at).is_none() {
        let node = nodes.next()?;
        let parent = at.parent();
        let joined = if parent.start == at.start {
            node.left == cur.hash
        } else {
            let (sibling, root) = left.pop()?;
            sibling.height == at.height && node.left == root.hash && node.right == cur.hash
        };
        if !joined || node.index != parent.index() {
            return None;
        }
        at = parent;
        cur = Root { hash: node_hash(node), size: node.size };
    }
    let whole = nodes.next().is_none() && root_at(at) == Some(&cur);
    let kept = left.iter().all(|(at, root)| root_at(*at) == Some(*root));
    (whole && kept).then_some(())
}

/// The tree hash over roots, left to right.
pub fn tree_hash(length: u64, roots: &[Root]) -> H256 {
    let mut bytes = Vec::from([2u8]);
    for (subtree, root) in tiles(0, length).iter().zip(roots) {
        bytes.extend_from_slice(root.hash.as_bytes());
        bytes.extend_from_slice(&subtree.index().to_le_bytes());
        bytes.extend_from_slice(&root.size.to_le_bytes());
    }
    hash(&[&bytes])
}

/// Who signs for a core, and the manifest's part of what is signed (none for a compat key).
fn signer(key: &Key, manifest: &[u8]) -> Result<(Key, Option<[u8; 32]>), BadHead> {
    if manifest.is_empty() {
        return Ok((*key, None));
    }
    let (rest, version) = match (manifest.strip_prefix(V0), manifest.strip_prefix(V1)) {
        (Some(rest), _) => (rest, 0),
        (_, Some(rest)) => (rest, 1),
        _ => return Err(BadHead::Manifest),
    };
    let rest: &[u8; 64] = rest.try_into().map_err(|_| BadHead::Manifest)?;
    let (mut namespace, mut public) = ([0; 32], [0; 32]);
    namespace.copy_from_slice(&rest[..32]);
    public.copy_from_slice(&rest[32..]);
    if hash(&[&MANIFEST, manifest]).0 != *key {
        return Err(BadHead::Key);
    }
    Ok((public, Some(if version == 0 { namespace } else { *key })))
}

/// Checks a head and its signature.
pub fn check(signed: &SignedHead) -> Result<Head, BadHead> {
    let (public, context) = signer(&signed.key, &signed.manifest)?;
    let sizes = signed.roots.iter().try_fold(0u64, |sum, root| {
        let sum = sum.checked_add(root.size)?;
        (sum <= MAX_SAFE).then_some(sum)
    });
    let in_range = signed.fork <= MAX_SAFE && (1..=MAX_SAFE).contains(&signed.length);
    let byte_length = match sizes {
        Some(sum) if in_range && signed.roots.len() == signed.length.count_ones() as usize => sum,
        _ => return Err(BadHead::Head),
    };
    let tree_hash = tree_hash(signed.length, &signed.roots);
    let (length, fork) = (signed.length.to_le_bytes(), signed.fork.to_le_bytes());
    let context = context.as_ref().map_or(&[][..], |c| &c[..]);
    let message = [&TREE[..], context, tree_hash.as_bytes(), &length, &fork].concat();
    verify(&signed.signature, &message, &public).map_err(BadHead::Signature)?;
    Ok(Head { fork: signed.fork, length: signed.length, byte_length, tree_hash })
}
