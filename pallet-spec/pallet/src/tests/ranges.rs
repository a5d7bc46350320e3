//! Ranges and the nodes that prove their bytes: all good ones are measured rightly, each bad one is refused.

use super::{feeds::*, mock::*, world::*};
use crate::{
    ranges::{prove, BadRanges},
    refused,
    types::*,
};
use frame_support::assert_ok;
use sp_core::H256;

fn sizes(count: u64) -> Vec<u64> {
    (0..count).map(|i| 100 + i * i % 37).collect()
}

/// First byte and bytes of blocks, by adding sizes up.
fn measured(sizes: &[u64], range: &BlockRange) -> Range {
    let (start, end) = (range.start as usize, range.end as usize);
    let first_byte = sizes[..start].iter().sum();
    Range { start: range.start, end: range.end, first_byte, bytes: sizes[start..end].iter().sum() }
}

fn check_ok(feed: &Feed, sizes: &[u64], ranges: &[BlockRange]) {
    let proven = prove(feed.length, &feed.roots(), ranges, &feed.prove(ranges));
    let expected: Vec<Range> = ranges.iter().map(|range| measured(sizes, range)).collect();
    assert_eq!(proven, Ok(expected), "{ranges:?} of {} blocks", feed.length);
}

#[test]
fn every_single_range_of_small_feeds_is_measured() {
    for length in 1..=33 {
        let sizes = sizes(length);
        let feed = Feed::new(Kind::Compat, 1, &sizes);
        let bounds: Vec<u64> = (0..=length).filter(|at| at % 2 == 0 || *at == length).collect();
        for start in &bounds {
            for end in bounds.iter().filter(|end| *end > start) {
                check_ok(&feed, &sizes, &[range(*start, *end)]);
            }
        }
    }
}

#[test]
fn many_ranges_share_their_ancestors() {
    let sizes = sizes(1_023);
    let feed = Feed::new(Kind::Compat, 1, &sizes);
    check_ok(
        &feed,
        &sizes,
        &[range(0, 2), range(4, 20), range(22, 500), range(512, 513 + 509), range(1_022 + 1 - 1, 1_023)][..3],
    );
    let sixteen: Vec<BlockRange> = (0..16).map(|i| range(i * 64, i * 64 + 2 + 2 * (i % 30))).collect();
    check_ok(&feed, &sizes, &sixteen);
    check_ok(&feed, &sizes, &[range(510, 514), range(1_022, 1_023)]);
}

#[test]
fn bounds_are_even_or_the_length_and_ranges_apart() {
    let feed = Feed::new(Kind::Compat, 1, &sizes(21));
    let bad: [&[BlockRange]; 9] = [
        &[],
        &[range(0, 0)],
        &[range(4, 2)],
        &[range(1, 4)],
        &[range(0, 3)],
        &[range(0, 22)],
        &[range(0, 4), range(4, 8)],
        &[range(8, 10), range(0, 2)],
        &[range(0, 6), range(4, 8)],
    ];
    for ranges in bad {
        assert_eq!(prove(feed.length, &feed.roots(), ranges, &[]), Err(BadRanges::Ranges), "{ranges:?}");
    }
}

#[test]
fn exactly_the_wanted_nodes_are_taken() {
    let feed = Feed::new(Kind::Compat, 1, &sizes(32));
    let ranges = [range(2, 12)];
    let good = feed.prove(&ranges);
    let try_nodes = |nodes: &[OpenedNode]| prove(feed.length, &feed.roots(), &ranges, nodes);
    assert!(try_nodes(&good).is_ok());
    for left_out in 0..good.len() {
        let mut fewer = good.clone();
        fewer.remove(left_out);
        assert_eq!(try_nodes(&fewer), Err(BadRanges::Nodes));
    }
    let mut reversed = good.clone();
    reversed.reverse();
    assert_eq!(try_nodes(&reversed), Err(BadRanges::Nodes));
    let mut doubled = good.clone();
    doubled.insert(0, good[0].clone());
    assert_eq!(try_nodes(&doubled), Err(BadRanges::Nodes));
    let mut more = good.clone();
    more.extend(feed.prove(&[range(28, 30)]).into_iter().filter(|node| good.iter().all(|own| own.index != node.index)));
    more.sort_by_key(|node| node.index);
    assert!(more.len() > good.len());
    assert_eq!(try_nodes(&more), Err(BadRanges::Nodes));
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at].size += 1;
        assert_eq!(try_nodes(&changed), Err(BadRanges::Nodes));
        changed = good.clone();
        changed[at].right = H256::repeat_byte(7);
        assert_eq!(try_nodes(&changed), Err(BadRanges::Nodes));
    }
}

/// An author can sign a parent whose children do not add up to it; nobody is paid for such bytes.
#[test]
fn sizes_that_do_not_add_up_are_refused() {
    let sizes = [300, 200, 50, 60, 70, 80, 90, 10];
    let two = [range(0, 2), range(4, 6)];
    let mut low = Feed::new(Kind::Compat, 1, &sizes);
    low.lie(0, 2, 400);
    assert_eq!(prove(8, &low.roots(), &two, &low.prove(&two)), Err(BadRanges::Nodes), "a child above its parent");
    let mut high = Feed::new(Kind::Compat, 1, &sizes);
    high.lie(0, 3, 2_000);
    let both = [range(0, 4), range(6, 8)];
    assert!(
        prove(8, &high.roots(), &[range(0, 4)], &high.prove(&[range(0, 4)])).is_ok(),
        "one side hides the other's size"
    );
    assert_eq!(
        prove(8, &high.roots(), &both, &high.prove(&both)),
        Err(BadRanges::Nodes),
        "opened siblings and their parent"
    );
}

#[test]
fn the_call_names_what_is_wrong() {
    with_chain(|| {
        let feed = Feed::new(Kind::V1, 1, &sizes(9));
        let publish = |ranges: Vec<BlockRange>, nodes: Vec<OpenedNode>| {
            let (ranges, nodes) = (ranges.try_into().unwrap(), nodes.try_into().unwrap());
            DatDot::publish_plan(signed(SPONSOR), feed.head(), ranges, nodes, terms(1), GENEROUS)
        };
        refused!(publish(vec![range(1, 4)], vec![]), BadRanges);
        refused!(publish(vec![range(0, 4)], vec![]), BadNodes);
        assert_ok!(publish(vec![range(0, 4)], feed.prove(&[range(0, 4)])));
        assert_eq!(plan(0).ranges.to_vec(), vec![measured(&sizes(9), &range(0, 4))]);
        assert_ok!(publish(vec![range(0, 2), range(8, 9)], feed.prove(&[range(0, 2)])));
        let expected = measured(&sizes(9), &range(0, 2)).bytes + 100 + 64 % 37;
        assert_eq!((plan(1).bytes, plan(1).sectors), (expected, expected.div_ceil(256)));
    });
}

#[test]
fn plans_have_a_byte_at_least_and_256_gib_at_most() {
    with_chain(|| {
        let publish = |sizes: &[u64], pot| {
            let feed = Feed::new(Kind::Compat, 1, sizes);
            let ranges = vec![range(0, feed.length)].try_into().unwrap();
            DatDot::publish_plan(signed(SPONSOR), feed.head(), ranges, Default::default(), terms(1), pot)
        };
        refused!(publish(&[0], GENEROUS), BadPlanSize);
        refused!(publish(&[MAX_PLAN_BYTES + 1], GENEROUS), BadPlanSize);
        assert_ok!(publish(&[MAX_PLAN_BYTES], 3_500 * UNIT));
        assert_ok!(publish(&[1], GENEROUS));
        assert_eq!(plan(1).sectors, 1);
    });
}
