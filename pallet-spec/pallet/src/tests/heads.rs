//! Heads: each kind of key is accepted, and whatever is wrong is refused by its name.

use super::{feeds::*, mock::*, world::*};
use crate::{refused, types::*};
use frame_support::assert_ok;
use sp_runtime::DispatchResult;

const KINDS: [Kind; 3] = [Kind::Compat, Kind::V0, Kind::V1];

/// Publishes all of a feed under a head that may be another than its own.
fn publish_head(feed: &Feed, head: SignedHead) -> DispatchResult {
    let ranges = vec![range(0, feed.length)];
    let nodes = feed.prove(&ranges).try_into().unwrap();
    DatDot::publish_plan(signed(SPONSOR), head, ranges.try_into().unwrap(), nodes, terms(1), GENEROUS)
}

#[test]
fn each_kind_of_key_is_accepted_and_its_head_kept() {
    with_chain(|| {
        for (i, kind) in KINDS.into_iter().enumerate() {
            for fork in [0, 3] {
                let mut feed = Feed::new(kind, 40 + i as u64, &[100, 200, 300, 50, 7]);
                feed.fork = fork;
                let id = crate::NextPlan::<Test>::get();
                assert_ok!(publish_head(&feed, feed.head()));
                let plan = plan(id);
                assert_eq!(plan.feed, feed.key);
                let head = Head { fork, length: 5, byte_length: 657, tree_hash: feed.tree_hash() };
                assert_eq!(plan.head, head);
                assert_eq!(crate::Roots::<Test>::get(id).unwrap().to_vec(), feed.roots());
            }
        }
    });
}

#[test]
fn signatures_of_anything_else_are_refused() {
    with_chain(|| {
        for kind in KINDS {
            let feed = Feed::new(kind, 1, &[1_000, 2_000, 3_000]);
            let good = feed.head();
            let mut bad = good.clone();
            bad.signature[63] ^= 1;
            refused!(publish_head(&feed, bad), BadSignature);
            bad = good.clone();
            bad.fork = 1;
            refused!(publish_head(&feed, bad), BadSignature);
            bad = good.clone();
            bad.roots[0].hash.0[0] ^= 1;
            refused!(publish_head(&feed, bad), BadSignature);
            bad = good.clone();
            bad.roots[0].size += 1;
            refused!(publish_head(&feed, bad), BadSignature);
            assert_ok!(publish_head(&feed, good));
        }
        // What a compat key signed is not what a manifest's key signs, though both are the same feed's author.
        let (compat, v1) = (Feed::new(Kind::Compat, 1, &[10]), Feed::new(Kind::V1, 1, &[10]));
        let mut crossed = v1.head();
        crossed.signature = compat.head().signature;
        refused!(publish_head(&v1, crossed), BadSignature);
    });
}

#[test]
fn small_order_keys_and_r_are_refused() {
    with_chain(|| {
        let feed = Feed::new(Kind::Compat, 1, &[1_000]);
        let mut head = feed.head();
        head.key = [0; 32];
        head.key[0] = 1;
        head.signature = [0; 64];
        head.signature[0] = 1;
        refused!(publish_head(&feed, head), SmallOrderKey);
        let mut head = feed.head();
        head.signature[..32].copy_from_slice(&[0; 32]);
        refused!(publish_head(&feed, head), SmallOrderKey);
    });
}

#[test]
fn manifests_must_be_exactly_a_single_signers() {
    with_chain(|| {
        for kind in [Kind::V0, Kind::V1] {
            let feed = Feed::new(kind, 1, &[1_000]);
            for change in 0..4 {
                let mut head = feed.head();
                let mut manifest = head.manifest.to_vec();
                match change {
                    0 => manifest.truncate(manifest.len() - 1),
                    1 => manifest[0] = 2,
                    2 => manifest[2] ^= 1,
                    _ => manifest[3] ^= 4,
                }
                head.manifest = manifest.try_into().unwrap();
                refused!(publish_head(&feed, head), BadManifest);
            }
            let mut head = feed.head();
            head.manifest[69.min(feed.manifest.len() - 1)] ^= 1;
            refused!(publish_head(&feed, head), WrongFeedKey);
            let mut head = feed.head();
            head.key[0] ^= 1;
            refused!(publish_head(&feed, head), WrongFeedKey);
        }
        let v0 = Feed::new(Kind::V0, 1, &[1_000]);
        let mut longer = v0.head();
        longer.manifest.try_push(0).unwrap();
        refused!(publish_head(&v0, longer), BadManifest);
    });
}

#[test]
fn numbers_out_of_range_are_refused() {
    with_chain(|| {
        let feed = Feed::new(Kind::Compat, 1, &[1_000, 500, 3]);
        for change in 0..6 {
            let mut head = feed.head();
            match change {
                0 => head.fork = MAX_SAFE + 1,
                1 => head.length = 0,
                2 => head.length = MAX_SAFE + 1,
                3 => head.roots[0].size = MAX_SAFE + 1,
                4 => (head.roots[0].size, head.roots[1].size) = (MAX_SAFE, 1),
                _ => drop(head.roots.pop()),
            }
            refused!(publish_head(&feed, head), BadHead);
        }
    });
}
