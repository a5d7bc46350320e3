//! Stand-ins for encoded segments: sectors of any bytes, their Merkle trees, and openings.

use crate::{crypto::hash, types::*};
use sp_core::H256;
use std::collections::BTreeSet;

/// The sector's bytes: any will do, as the pallet never decodes.
pub fn sector(context: H256, index: u64) -> Sector {
    let mut data = [0; 256];
    for (i, part) in data.chunks_mut(32).enumerate() {
        part.copy_from_slice(hash(&[context.as_bytes(), &index.to_le_bytes(), &[i as u8]]).as_bytes());
    }
    data
}

/// All levels of a segment's tree, leaves first.
pub struct Tree {
    context: H256,
    levels: Vec<Vec<H256>>,
}

impl Tree {
    pub fn new(context: H256, sectors: u64) -> Tree {
        let leaf = |i: u64| hash(&[&[0], context.as_bytes(), &i.to_le_bytes(), &sector(context, i)]);
        let mut levels = vec![(0..sectors).map(leaf).collect::<Vec<_>>()];
        while levels.last().unwrap().len() > 1 {
            let pairs = levels.last().unwrap().chunks(2);
            let above = pairs.map(|pair| match pair {
                [left, right] => hash(&[&[1], left.as_bytes(), right.as_bytes()]),
                _ => pair[0],
            });
            levels.push(above.collect());
        }
        Tree { context, levels }
    }

    pub fn root(&self) -> H256 {
        let (count, top) = (self.levels[0].len() as u64, self.levels.last().unwrap()[0]);
        hash(&[&[2], self.context.as_bytes(), &count.to_le_bytes(), &256u32.to_le_bytes(), top.as_bytes()])
    }

    pub fn leaf(&self, index: u64) -> H256 {
        self.levels[0][index as usize]
    }

    pub fn open(&self, index: u64) -> Opening {
        let mut at = index as usize;
        let mut siblings = Vec::new();
        for level in &self.levels[..self.levels.len() - 1] {
            siblings.extend(level.get(at ^ 1).copied());
            at /= 2;
        }
        Opening { data: sector(self.context, index), siblings: siblings.try_into().unwrap() }
    }

    /// The siblings of one proof of several sectors: of each level, those beside a path that no path gives.
    pub fn siblings(&self, sectors: &[u64]) -> Vec<H256> {
        let mut known: BTreeSet<usize> = sectors.iter().map(|index| *index as usize).collect();
        let mut siblings = Vec::new();
        for level in &self.levels[..self.levels.len() - 1] {
            let beside: BTreeSet<usize> = known.iter().map(|at| at ^ 1).filter(|at| *at < level.len()).collect();
            siblings.extend(beside.difference(&known).map(|at| level[*at]));
            known = known.iter().map(|at| at / 2).collect();
        }
        siblings
    }
}
