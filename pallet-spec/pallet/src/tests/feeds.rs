//! Hypercores for tests: trees over blocks of given sizes, signed by each kind of key, and the nodes that prove ranges.

use crate::{crypto::hash, types::*};
use sp_core::{ed25519, Pair, H256};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Compat,
    V0,
    V1,
}

#[derive(Clone)]
struct TreeNode {
    size: u64,
    hash: H256,
    children: Option<(H256, H256)>,
}

/// A feed whose blocks are known by size only.
#[derive(Clone)]
pub struct Feed {
    pair: ed25519::Pair,
    pub manifest: Vec<u8>,
    pub key: Key,
    pub fork: u64,
    pub length: u64,
    nodes: BTreeMap<u64, TreeNode>,
}

/// BLAKE2b-256("hypercore"...) namespaces as other implementations have them, taken from the golden vectors' format notes.
fn manifest_hash(manifest: &[u8]) -> H256 {
    let namespace = namespace(3);
    hash(&[namespace.as_bytes(), manifest])
}

/// namespace("hypercore", i) = H(H("hypercore") | u8 i).
fn namespace(i: u8) -> H256 {
    hash(&[hash(&[b"hypercore"]).as_bytes(), &[i]])
}

/// Index of the node over blocks [start, start + 2^height).
fn index(start: u64, height: u32) -> u64 {
    2 * start + (1 << height) - 1
}

impl Feed {
    /// Of blocks that nobody reads.
    pub fn new(kind: Kind, name: u64, sizes: &[u64]) -> Feed {
        let leaf = |(block, size): (usize, &u64)| {
            let hash = hash(&[&[0], &size.to_le_bytes(), &name.to_le_bytes(), &(block as u64).to_le_bytes()]);
            (*size, hash)
        };
        Self::over(kind, name, sizes.iter().enumerate().map(leaf).collect())
    }

    /// Of those bytes.
    pub fn of_blocks(kind: Kind, name: u64, blocks: &[Vec<u8>]) -> Feed {
        let leaf = |data: &Vec<u8>| {
            let size = data.len() as u64;
            (size, hash(&[&[0], &size.to_le_bytes(), data]))
        };
        Self::over(kind, name, blocks.iter().map(leaf).collect())
    }

    fn over(kind: Kind, name: u64, leaves: Vec<(u64, H256)>) -> Feed {
        let pair = ed25519::Pair::from_seed(&hash(&[b"feed", &name.to_le_bytes()]).0);
        let public = pair.public().0;
        let own = hash(&[b"namespace", &name.to_le_bytes()]);
        let manifest = match kind {
            Kind::Compat => Vec::new(),
            Kind::V0 => [&[0, 0, 1, 0], own.as_bytes(), &public].concat(),
            Kind::V1 => [&[1, 0, 0, 1, 1, 0], own.as_bytes(), &public].concat(),
        };
        let key = if kind == Kind::Compat { public } else { manifest_hash(&manifest).0 };
        let length = leaves.len() as u64;
        let mut feed = Feed { pair, manifest, key, fork: 0, length, nodes: BTreeMap::new() };
        for (block, (size, hash)) in leaves.into_iter().enumerate() {
            feed.nodes.insert(index(block as u64, 0), TreeNode { size, hash, children: None });
        }
        for height in 1..64u32 {
            let width = 1u64 << height;
            if width > length {
                break;
            }
            for start in (0..=length - width).step_by(width as usize) {
                let (left, right) =
                    (feed.at(start, height - 1).clone(), feed.at(start + width / 2, height - 1).clone());
                let size = left.size + right.size;
                feed.put(start, height, size, (left.hash, right.hash));
            }
        }
        feed
    }

    fn at(&self, start: u64, height: u32) -> &TreeNode {
        &self.nodes[&index(start, height)]
    }

    fn put(&mut self, start: u64, height: u32, size: u64, (left, right): (H256, H256)) {
        let hash = hash(&[&[1], &size.to_le_bytes(), left.as_bytes(), right.as_bytes()]);
        self.nodes.insert(index(start, height), TreeNode { size, hash, children: Some((left, right)) });
    }

    /// Signs another size for a parent than its children have, as a dishonest author can: all above follows.
    pub fn lie(&mut self, start: u64, height: u32, size: u64) {
        let children = self.at(start, height).children.expect("a parent");
        self.put(start, height, size, children);
        let roots = self.root_places();
        let (mut start, mut height) = (start, height);
        while !roots.contains(&(start, height)) {
            height += 1;
            start = start >> height << height;
            let (left, right) =
                (self.at(start, height - 1).clone(), self.at(start + (1 << (height - 1)), height - 1).clone());
            self.put(start, height, left.size + right.size, (left.hash, right.hash));
        }
    }

    /// Signs another size for a root than its hash says.
    pub fn claim(&mut self, start: u64, height: u32, size: u64) {
        self.nodes.get_mut(&index(start, height)).expect("a node").size = size;
    }

    /// (start, height) of the roots.
    fn root_places(&self) -> Vec<(u64, u32)> {
        let mut places = Vec::new();
        let mut start = 0;
        for height in (0..64).rev().filter(|height| self.length >> height & 1 == 1) {
            places.push((start, height));
            start += 1 << height;
        }
        places
    }

    pub fn roots(&self) -> Vec<Root> {
        let root = |(start, height): (u64, u32)| {
            let node = self.at(start, height);
            Root { hash: node.hash, size: node.size }
        };
        self.root_places().into_iter().map(root).collect()
    }

    pub fn tree_hash(&self) -> H256 {
        let mut bytes = vec![2u8];
        for ((start, height), root) in self.root_places().into_iter().zip(self.roots()) {
            bytes.extend(root.hash.as_bytes());
            bytes.extend(index(start, height).to_le_bytes());
            bytes.extend(root.size.to_le_bytes());
        }
        hash(&[&bytes])
    }

    /// What hypercore signs.
    pub fn message(&self) -> Vec<u8> {
        let context = match self.manifest.first() {
            None => Vec::new(),
            Some(0) => self.manifest[4..36].to_vec(),
            Some(_) => self.key.to_vec(),
        };
        let ends = [self.length.to_le_bytes(), self.fork.to_le_bytes()].concat();
        [&namespace(0).0[..], &context, self.tree_hash().as_bytes(), &ends].concat()
    }

    pub fn head(&self) -> SignedHead {
        SignedHead {
            key: self.key,
            manifest: self.manifest.clone().try_into().unwrap(),
            fork: self.fork,
            length: self.length,
            roots: self.roots().try_into().unwrap(),
            signature: self.pair.sign(&self.message()).0,
        }
    }

    /// The maximal full subtrees that tile [start, end), greedily from the left.
    fn cover(start: u64, end: u64) -> Vec<(u64, u32)> {
        let mut found = Vec::new();
        let mut at = start;
        while at < end {
            let mut height = 0;
            while at.is_multiple_of(2 << height) && at + (2 << height) <= end {
                height += 1;
            }
            found.push((at, height));
            at += 1 << height;
        }
        found
    }

    /// The nodes that prove these ranges.
    pub fn prove(&self, ranges: &[BlockRange]) -> Vec<OpenedNode> {
        let roots: BTreeSet<(u64, u32)> = self.root_places().into_iter().collect();
        let mut opened = BTreeMap::new();
        for range in ranges {
            for tile in Self::cover(range.start, range.end).into_iter().filter(|tile| !roots.contains(tile)) {
                let (mut start, mut height) = tile;
                loop {
                    let node = self.at(start, height);
                    let (left, right) = node.children.expect("a tile that is a leaf is a root");
                    let index = index(start, height);
                    opened.insert(index, OpenedNode { index, size: node.size, left, right });
                    if roots.contains(&(start, height)) {
                        break;
                    }
                    height += 1;
                    start = start >> height << height;
                }
            }
        }
        opened.into_values().collect()
    }
}

impl Feed {
    /// The nodes that lead from the last root of its first `old` blocks up to its own root over it.
    pub fn extension(&self, old: u64) -> Vec<OpenedNode> {
        let roots = self.root_places();
        let (mut start, mut height) = *Self::cover(0, old).last().expect("a root");
        let mut nodes = Vec::new();
        while !roots.contains(&(start, height)) {
            height += 1;
            start = start >> height << height;
            let node = self.at(start, height);
            let (left, right) = node.children.expect("a parent");
            nodes.push(OpenedNode { index: index(start, height), size: node.size, left, right });
        }
        nodes
    }

    /// The nodes from its root over a subtree down to the parent of that.
    pub fn path(&self, start: u64, height: u32) -> Vec<OpenedNode> {
        let roots = self.root_places();
        let (mut at, mut up) = (start, height);
        let mut nodes = Vec::new();
        while !roots.contains(&(at, up)) {
            up += 1;
            at = at >> up << up;
            let node = self.at(at, up);
            let (left, right) = node.children.expect("a parent");
            nodes.insert(0, OpenedNode { index: index(at, up), size: node.size, left, right });
        }
        nodes
    }

    /// A block with what proves it.
    pub fn block(&self, index: u64, data: &[u8]) -> BlockProof {
        let roots = self.root_places();
        let (mut start, mut height) = (index, 0);
        let mut siblings = Vec::new();
        while !roots.contains(&(start, height)) {
            let node = self.at(start ^ 1 << height, height);
            siblings.push(Root { hash: node.hash, size: node.size });
            height += 1;
            start = start >> height << height;
        }
        BlockProof {
            length: self.length,
            roots: self.roots().try_into().unwrap(),
            index,
            data: data.to_vec().try_into().unwrap(),
            siblings: siblings.try_into().unwrap(),
        }
    }

    /// (start, height) of the n-th root.
    pub fn root_place(&self, n: usize) -> (u64, u32) {
        self.root_places()[n]
    }
}

pub fn range(start: u64, end: u64) -> BlockRange {
    BlockRange { start, end }
}
