//! Sum tables: trees of fan-out 64 over weighted slots (pallet-spec/README.md section 6).
//!
//! Nodes are numbered: 0 is the root, the children of n are 64 n + 1 .. 64 n + 64. Slot numbers are paths: base-64 digits
//! from the top.

use crate::types::Node;
use alloc::vec::Vec;
use frame_support::traits::Defensive;

/// Where a table's nodes are kept.
pub trait Nodes {
    /// Levels of the tree: 64^DEPTH slots.
    const DEPTH: u32;
    fn get(&self, id: u32) -> Option<Node>;
    fn put(&mut self, id: u32, node: Node);
    fn remove(&mut self, id: u32);
}

impl Node {
    pub const EMPTY: Node = Node { mask: 0, sums: [0; 64] };

    fn total(&self) -> u64 {
        self.sums.iter().fold(0, |sum, weight| sum.saturating_add(*weight))
    }
}

/// A node's id and the place in it that a slot's path goes through, root first.
fn path(depth: u32, slot: u32) -> Vec<(u32, usize)> {
    let mut id = 0;
    let digits = (0..depth).rev().map(|level| slot >> (6 * level) & 63);
    digits
        .map(|digit| {
            let step = (id, digit as usize);
            id = 64 * id + 1 + digit;
            step
        })
        .collect()
}

/// A sum table over `Nodes`.
pub struct Table<N>(pub N);

impl<N: Nodes> Table<N> {
    fn node(&self, id: u32) -> Node {
        self.0.get(id).unwrap_or(Node::EMPTY)
    }

    fn store(&mut self, id: u32, node: Node) {
        if node == Node::EMPTY {
            self.0.remove(id)
        } else {
            self.0.put(id, node)
        }
    }

    /// Sum of all weights.
    pub fn total(&self) -> u64 {
        self.0.get(0).map_or(0, |root| root.total())
    }

    /// Writes a slot's weight and whether it is taken, bottom up.
    fn write(&mut self, slot: u32, weight: u64, taken: bool) {
        let (mut sum, mut full) = (weight, taken);
        for (id, place) in path(N::DEPTH, slot).into_iter().rev() {
            let mut node = self.node(id);
            if let Some(entry) = node.sums.get_mut(place).defensive() {
                *entry = sum;
            }
            node.mask = if full { node.mask | 1 << place } else { node.mask & !(1 << place) };
            sum = node.total();
            full = node.mask == u64::MAX;
            self.store(id, node);
        }
    }

    /// Takes the lowest free slot with a weight; none if all are taken.
    pub fn take(&mut self, weight: u64) -> Option<u32> {
        let (mut id, mut slot) = (0, 0);
        for _ in 0..N::DEPTH {
            let free = self.node(id).mask.trailing_ones();
            if free == 64 {
                return None;
            }
            slot = slot << 6 | free;
            id = 64 * id + 1 + free;
        }
        self.write(slot, weight, true);
        Some(slot)
    }

    /// Gives a taken slot another weight.
    pub fn set(&mut self, slot: u32, weight: u64) {
        self.write(slot, weight, true)
    }

    /// Frees a slot.
    pub fn free(&mut self, slot: u32) {
        self.write(slot, 0, false)
    }

    /// The slot that x mod total falls into, lowest slot first, and how far into it; none if all weights are 0.
    pub fn pick(&self, x: u128) -> Option<(u32, u64)> {
        let mut rest = u64::try_from(x.checked_rem(u128::from(self.total()))?).ok()?;
        let (mut id, mut slot) = (0, 0);
        for _ in 0..N::DEPTH {
            let node = self.0.get(id)?;
            let mut at = None;
            for (place, sum) in node.sums.iter().enumerate() {
                if rest < *sum {
                    at = Some(place as u32);
                    break;
                }
                rest -= sum;
            }
            let place = at?;
            slot = slot << 6 | place;
            id = 64 * id + 1 + place;
        }
        Some((slot, rest))
    }
}
