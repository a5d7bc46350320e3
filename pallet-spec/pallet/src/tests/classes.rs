//! What the newer calls weigh, and in which class they are.

use super::{feeds::*, mock::*, world::*};
use crate::types::*;
use frame_support::{
    dispatch::{DispatchClass, GetDispatchInfo},
    weights::Weight,
};
use sp_core::H256;

type Call = crate::Call<Test>;

/// 16 sectors of 100 GiB in one segment have at most 393 siblings.
#[test]
fn a_proof_weighs_by_what_it_has() {
    let weights =
        [(0, 0, 670_000), (8, 0, 966_000), (16, 393, 1_851_500), (32, 960, 3_294_000), (32, 1_024, 3_390_000)];
    for (sectors, siblings, ns) in weights {
        let proof = StorageProof {
            sectors: vec![[0; 256]; sectors].try_into().unwrap(),
            siblings: vec![H256::zero(); siblings].try_into().unwrap(),
        };
        let info = Call::submit_storage_proof { issued: 0, proof }.get_dispatch_info();
        let weight = Weight::from_parts(ns * 1_000, 0);
        assert_eq!((info.call_weight, info.class), (weight, DispatchClass::Operational));
    }
}

/// Before a call each of its commits counts with a record and 128 draws.
#[test]
fn commits_and_reveals_weigh_by_their_number() {
    for (count, commits_us, reveals_us) in [(0, 500, 700), (1, 4_820, 1_150), (64, 276_980, 29_500)] {
        let commits = some(vec![RetrievalCommit { copy: 0, commit: H256::zero() }; count]);
        let reveal = RetrievalReveal { copy: 0, report: not_served(), salt: H256::zero(), opening: None };
        let reveals = some(vec![reveal; count]);
        for (call, us) in [
            (Call::commit_retrievals { era: 0, commits }, commits_us),
            (Call::reveal_retrievals { era: 0, link: H256::zero(), reveals }, reveals_us),
        ] {
            let (info, weight) = (call.get_dispatch_info(), Weight::from_parts(us * 1_000_000, 0));
            assert_eq!((info.call_weight, info.class), (weight, DispatchClass::Operational));
        }
    }
}

#[test]
fn a_publication_weighs_by_its_nodes() {
    with_chain(|| {
        let head = Feed::new(Kind::Compat, 7, &[256]).head();
        let node = OpenedNode { index: 1, size: 2, left: H256::zero(), right: H256::zero() };
        for (count, us) in [(0, 2_000), (49, 2_490), (4_096, 42_960)] {
            let (nodes, ranges) = (some(vec![node.clone(); count]), Default::default());
            let info =
                Call::publish_plan { head: head.clone(), ranges, nodes, terms: terms(1), pot: 0 }.get_dispatch_info();
            assert_eq!((info.call_weight, info.class), (Weight::from_parts(us * 1_000_000, 0), DispatchClass::Normal));
        }
    });
}

#[test]
fn calls_weigh_what_the_specification_says() {
    with_chain(|| {
        let feed = Feed::new(Kind::Compat, 7, &[256]);
        let (head, nodes) = (feed.head(), Default::default());
        let second = head.clone();
        let opening = Opening { data: [0; 256], siblings: Default::default() };
        let evidence = Evidence { segment: 0, sector: 0, opening, block: None };
        let normal = DispatchClass::Normal;
        let calls = [
            (Call::update_head { plan: 0, head: head.clone(), nodes }, 3, normal),
            (Call::declare_lost { copy: 0 }, 6, normal),
            (Call::leave_copy { copy: 0 }, 2, normal),
            (Call::decline_job { copy: 0 }, 3, normal),
            (Call::pause {}, 2, normal),
            (Call::amend_plan { plan: 0, terms: terms(1) }, 7, normal),
            (Call::commit_report { hash: H256::zero() }, 2, normal),
            (Call::report_invalid_encoding { copy: 0, evidence }, 25, DispatchClass::Operational),
            (Call::report_equivocation { plan: 0, first: head, second, root: 0, nodes: Default::default() }, 3, normal),
        ];
        for (call, ms, class) in calls {
            let info = call.get_dispatch_info();
            assert_eq!((info.call_weight, info.class), (Weight::from_parts(ms * 1_000_000_000, 0), class), "{call:?}");
        }
    });
}
