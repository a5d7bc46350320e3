//! Sum tables against a plain list of weights.

use crate::{
    crypto::hash,
    sums::{Nodes, Table},
    types::Node,
};
use std::collections::BTreeMap;

#[derive(Default)]
struct Memory<const D: u32>(BTreeMap<u32, Node>);

impl<const D: u32> Nodes for Memory<D> {
    const DEPTH: u32 = D;
    fn get(&self, id: u32) -> Option<Node> {
        self.0.get(&id).cloned()
    }
    fn put(&mut self, id: u32, node: Node) {
        self.0.insert(id, node);
    }
    fn remove(&mut self, id: u32) {
        self.0.remove(&id);
    }
}

/// The slot and the offset in it of x mod total, by walking the list.
fn walk(weights: &BTreeMap<u32, u64>, x: u128) -> Option<(u32, u64)> {
    let total: u64 = weights.values().sum();
    let mut rest = (x % u128::from(total.max(1))) as u64;
    for (slot, weight) in weights {
        if rest < *weight {
            return Some((*slot, rest));
        }
        rest -= weight;
    }
    None
}

#[test]
fn an_empty_table_has_no_pick() {
    assert_eq!(Table(Memory::<3>::default()).pick(5), None);
    let mut table = Table(Memory::<2>::default());
    assert_eq!(table.take(0), Some(0));
    assert_eq!(table.pick(5), None, "its sum is 0");
}

#[test]
fn new_entries_take_the_lowest_free_slot() {
    let mut table = Table(Memory::<2>::default());
    for slot in 0..4_096 {
        assert_eq!(table.take(1), Some(slot));
    }
    assert_eq!(table.take(1), None, "4,096 slots");
    for slot in [4_095, 70, 3] {
        table.free(slot);
    }
    assert_eq!(table.total(), 4_093);
    for slot in [3, 70, 4_095] {
        assert_eq!(table.take(2), Some(slot));
    }
    assert_eq!((table.take(1), table.total()), (None, 4_099));
    for slot in 0..4_096 {
        table.free(slot);
    }
    assert!(table.0 .0.is_empty(), "nodes without slots and sums are removed");
}

#[test]
fn slots_of_weight_zero_stay_taken() {
    let mut table = Table(Memory::<3>::default());
    assert_eq!((table.take(5), table.take(7)), (Some(0), Some(1)));
    table.set(0, 0);
    assert_eq!(table.take(1), Some(2));
    assert_eq!(table.pick(0), Some((1, 0)));
}

#[test]
fn picks_are_those_of_a_list() {
    let mut table = Table(Memory::<3>::default());
    let mut list = BTreeMap::new();
    let random = |i: u64, part: u8| crate::crypto::low(hash(&[&i.to_le_bytes(), &[part]]));
    for i in 0..600u64 {
        let weight = (random(i, 0) % 1_000) as u64;
        match random(i, 1) % 4 {
            0 if !list.is_empty() => {
                let slot = *list.keys().nth(random(i, 2) as usize % list.len()).unwrap();
                table.free(slot);
                list.remove(&slot);
            },
            1 if !list.is_empty() => {
                let slot = *list.keys().nth(random(i, 2) as usize % list.len()).unwrap();
                table.set(slot, weight);
                list.insert(slot, weight);
            },
            _ => {
                let slot = table.take(weight).unwrap();
                assert_eq!(slot, (0..).find(|slot| !list.contains_key(slot)).unwrap());
                list.insert(slot, weight);
            },
        }
        assert_eq!(table.total(), list.values().sum::<u64>());
        assert_eq!(table.pick(random(i, 3)), walk(&list, random(i, 3)));
    }
    assert!(list.len() > 128, "two nodes and more of the lowest level were in use");
}
