//! The golden vectors: draws, statements, links, commits (rules.json), salts and trees (p1.json), heads (hypercore's own).

use super::{mock::*, trees::Tree};
use crate::{crypto::*, evidence::proves, heads, merkle, types::*};
use codec::Decode;
use serde_json::Value;
use sp_core::H256;
use sp_runtime::AccountId32;

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn rules() -> Value {
    read(include_str!("../../../../tests/vectors/rules.json"))
}

fn p1() -> Value {
    read(include_str!("../../../../tests/vectors/encoding/p1.json"))
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no text"));
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn h256(value: &Value) -> H256 {
    H256::from_slice(&bytes(value))
}

fn fixed<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn account_of(value: &Value) -> AccountId32 {
    AccountId32::new(fixed(value))
}

fn uint(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

#[test]
fn draws_are_those_of_the_rules() {
    let rules = rules();
    let seed = h256(&rules["inputs"]["seed"]);
    for one in list(&rules["draws"]) {
        let value: u128 = one["value"].as_str().unwrap().parse().unwrap();
        let ctr = uint(&one["ctr"]) as u32;
        assert_eq!(draw(uint(&one["tag"]) as u8, seed, &bytes(&one["ids"]), ctr), value, "{one}");
    }
    let salt = &rules["salt"];
    let genesis = h256(&rules["inputs"]["genesis"]);
    assert_eq!(contract_id(genesis, uint(&rules["numbers"]["copy"])), h256(&salt["contract_id"]));
    assert_eq!(chain_rand(seed, uint(&rules["numbers"]["segment"])), h256(&salt["chain_rand"]));
}

#[test]
fn the_development_seed_is_that_of_the_rules() {
    let vector = &rules()["development_seed"];
    let block = uint(&vector["block"]) as u32;
    with_chain(|| {
        frame_support::assert_ok!(DatDot::set_seed(RuntimeOrigin::root(), h256(&vector["v"])));
        System::set_block_number(block - 1);
        next_block();
        assert_eq!(DatDot::seed(), h256(&vector["seed"]));
    });
}

#[test]
fn statements_are_those_of_the_rules() {
    let rules = rules();
    let inputs = &rules["inputs"];
    let genesis = h256(&inputs["genesis"]);
    let bind = &rules["statements"][0];
    let (swarm_key, statement_key) = (fixed(&bind["swarm_key"]), fixed(&bind["statement_key"]));
    let message = bind_statement(genesis, &account_of(&inputs["account"]), &swarm_key, &statement_key);
    assert_eq!(message, bytes(&bind["message"]));
    assert_eq!(verify(&fixed(&bind["signature"]), &message, &statement_key), Ok(()));
    assert_eq!(verify(&fixed(&bind["swarm_signature"]), &message, &swarm_key), Ok(()));
    assert_eq!(verify(&fixed(&bind["signature"]), &message, &swarm_key), Err(Refused::Invalid));

    let segment = &rules["statements"][1];
    let statement = SegmentStatement {
        copy: uint(&rules["numbers"]["copy"]),
        segment: uint(&rules["numbers"]["segment"]),
        encoder: &account_of(&inputs["encoder"]),
        hoster: &account_of(&inputs["hoster"]),
        pk_hash: h256(&inputs["pk_hash"]),
        salt: h256(&inputs["salt"]),
        first_byte: uint(&segment["first_byte"]),
        bytes: uint(&segment["bytes"]),
        sectors: uint(&segment["sectors"]),
        root: h256(&inputs["root"]),
    };
    let message = statement.message(genesis);
    assert_eq!(message, bytes(&segment["message"]));
    assert_eq!(verify(&fixed(&segment["signature"]), &message, &fixed(&segment["statement_key"])), Ok(()));
}

#[test]
fn links_probes_and_commits_are_those_of_the_rules() {
    let rules = rules();
    let inputs = &rules["inputs"];
    let (genesis, account) = (h256(&inputs["genesis"]), account_of(&inputs["account"]));
    let (copy, era) = (uint(&rules["numbers"]["copy"]), uint(&rules["numbers"]["era"]) as u32);
    let chain = list(&rules["chain"]);
    for (link, next) in chain.iter().zip(chain.iter().skip(1)) {
        assert_eq!(next_link(genesis, &account, h256(link)), h256(next));
    }
    let commit = &rules["commit"];
    let p = h256(&commit["p"]);
    for (j, vector) in list(&rules["probes"]).iter().enumerate() {
        let q = probe(p, copy, era, j as u8);
        assert_eq!(q, h256(&vector["q"]));
        assert_eq!(low(q) % 1_000_003, u128::from(uint(&vector["sector_of_1000003"])));
    }
    for (vector, leaf) in [(commit, h256(&commit["leaf"])), (&rules["commit_not_served"], H256::zero())] {
        let report = bytes(&vector["report"]);
        let number = |at: usize| u32::from_le_bytes(report[at..at + 4].try_into().unwrap());
        let report = Report { served: report[0], latency_ms: number(1), kib_per_s: number(5) };
        let salt = h256(&commit["salt"]);
        let shown = Commitment { account: &account, era, copy, report, link: p, leaf, salt };
        assert_eq!(shown.hash(genesis), h256(&vector["commit"]));
    }
}

#[test]
fn small_order_points_are_refused_though_zip215_accepts_them() {
    let vector = &rules()["small_order"];
    let (signature, message): ([u8; 64], _) = (fixed(&vector["signature"]), bytes(&vector["message"]));
    let accepts = list(&vector["zip215_accepts"]);
    assert!(!accepts.is_empty(), "the vectors show that the host accepts some of these keys");
    for encoding in list(&vector["encodings"]) {
        let key: Key = fixed(encoding);
        let host = sp_io::crypto::ed25519_verify(
            &sp_core::ed25519::Signature::from_raw(signature),
            &message,
            &sp_core::ed25519::Public::from_raw(key),
        );
        assert_eq!(host, accepts.contains(encoding), "{encoding}");
        assert!(small_order(&key), "{encoding}");
        let mut high = key;
        high[31] |= 0x80;
        assert!(small_order(&high));
        assert_eq!(verify(&signature, &message, &key), Err(Refused::SmallOrder));
    }
}

#[test]
fn salts_and_trees_are_those_of_the_encoding() {
    let p1 = p1();
    let modulus: Sector = fixed(&p1["modulus"]);
    assert!(valid_modulus(&modulus));
    assert_eq!(pk_hash(&modulus), h256(&p1["pk_hash"]));
    let (encoder, hoster) = (account_of(&p1["encoder"]), account_of(&p1["hoster"]));
    let (id, salt) = (h256(&p1["contract_id"]), h256(&p1["salt"]));
    let parts: [&[u8]; 10] = [
        b"repenc/v1/salt",
        &[PROFILE_P1],
        &bytes(&p1["genesis"]),
        id.as_bytes(),
        encoder.as_ref(),
        hoster.as_ref(),
        &bytes(&p1["feed_key"]),
        &bytes(&p1["feed_root"]),
        &bytes(&p1["chain_rand"]),
        &bytes(&p1["pk_hash"]),
    ];
    assert_eq!(hash(&parts), salt);
    let ctx = context(id, &encoder, &hoster, PROFILE_P1, h256(&p1["pk_hash"]), salt);
    assert_eq!(ctx, h256(&p1["ctx"]));
    let mut openings = 0;
    for segment in list(&p1["segments"]) {
        let encoded = bytes(&segment["encoded"]);
        let sectors = encoded.len() as u64 / SECTOR;
        for vector in list(&segment["openings"]) {
            let index = uint(&vector["sector"]);
            let at = (index * SECTOR) as usize;
            let data = encoded[at..at + 256].try_into().unwrap();
            let siblings: Vec<H256> = list(&vector["siblings"]).iter().map(h256).collect();
            let opening = Opening { data, siblings: siblings.try_into().unwrap() };
            let root = merkle::opened_root(ctx, sectors, index, &opening);
            assert_eq!(root, Some(h256(&segment["root"])), "sector {index} of {sectors}");
            openings += 1;
        }
    }
    assert!(openings > 0);
}

#[test]
fn the_salt_is_made_of_what_the_rules_say() {
    let rules = rules();
    let inputs = &rules["inputs"];
    let p1 = p1();
    let genesis = h256(&inputs["genesis"]);
    let copy = uint(&rules["numbers"]["copy"]);
    let (encoder, hoster) = (account_of(&p1["encoder"]), account_of(&p1["hoster"]));
    let feed_key = fixed(&p1["feed_key"]);
    let found = salt(&SaltInputs {
        genesis,
        copy,
        encoder: &encoder,
        hoster: &hoster,
        feed_key: &feed_key,
        feed_root: h256(&p1["feed_root"]),
        chain_rand: h256(&rules["salt"]["chain_rand"]),
        pk_hash: h256(&p1["pk_hash"]),
    });
    let parts: [&[u8]; 10] = [
        b"repenc/v1/salt",
        &[1],
        genesis.as_bytes(),
        &bytes(&rules["salt"]["contract_id"]),
        encoder.as_ref(),
        hoster.as_ref(),
        &feed_key,
        &bytes(&p1["feed_root"]),
        &bytes(&rules["salt"]["chain_rand"]),
        &bytes(&p1["pk_hash"]),
    ];
    assert_eq!(found, hash(&parts));
}

#[test]
fn trees_of_any_width_open_every_sector_and_nothing_else() {
    let context = hash(&[b"any"]);
    for sectors in 1..=40 {
        let tree = Tree::new(context, sectors);
        for index in 0..sectors {
            let opening = tree.open(index);
            assert_eq!(merkle::opened_root(context, sectors, index, &opening), Some(tree.root()));
            let elsewhere = (index + 1) % sectors.max(2);
            assert_ne!(merkle::opened_root(context, sectors, elsewhere, &opening), Some(tree.root()));
            assert_ne!(merkle::opened_root(context, sectors + 1, index, &opening), Some(tree.root()));
            let mut changed = opening.clone();
            changed.data[255] ^= 1;
            assert_ne!(merkle::opened_root(context, sectors, index, &changed), Some(tree.root()));
            let mut longer = opening.clone();
            longer.siblings.try_push(H256::zero()).unwrap();
            assert_eq!(merkle::opened_root(context, sectors, index, &longer), None);
            let mut shorter = opening.clone();
            if shorter.siblings.pop().is_some() {
                assert_eq!(merkle::opened_root(context, sectors, index, &shorter), None);
            }
        }
        assert_eq!(merkle::opened_root(context, sectors, sectors, &tree.open(0)), None);
    }
}

/// Of every set of sectors of a small tree one proof leads to the root, and nothing that is not exactly it.
#[test]
fn one_proof_opens_any_sectors_with_each_hash_once() {
    let context = hash(&[b"any"]);
    for sectors in 1..=9u64 {
        let tree = Tree::new(context, sectors);
        for chosen in 1u64..1 << sectors {
            let indices: Vec<u64> = (0..sectors).filter(|index| chosen >> index & 1 == 1).collect();
            let data: Vec<Sector> = indices.iter().map(|index| tree.open(*index).data).collect();
            let siblings = tree.siblings(&indices);
            let proven = |indices: &[u64], siblings: &[H256]| {
                let mut left = siblings.iter();
                let root = merkle::proven_root(context, sectors, indices.iter().copied().zip(&data), &mut left);
                root.filter(|_| left.next().is_none())
            };
            assert_eq!(proven(&indices, &siblings), Some(tree.root()));
            if let [only] = indices[..] {
                assert_eq!(siblings, tree.open(only).siblings.to_vec(), "of one sector it is its opening");
            }
            for at in 0..siblings.len() {
                let mut wrong = siblings.clone();
                wrong[at].0[31] ^= 1;
                assert_ne!(proven(&indices, &wrong), Some(tree.root()));
                wrong.remove(at);
                assert_eq!(proven(&indices, &wrong), None);
            }
            assert_eq!(proven(&indices, &[&siblings[..], &[H256::zero()]].concat()), None);
            let backwards: Vec<u64> = indices.iter().rev().copied().collect();
            let twice: Vec<u64> = indices.iter().map(|_| indices[0]).collect();
            let outside: Vec<u64> = indices.iter().map(|index| index + sectors).collect();
            if indices.len() > 1 {
                assert_eq!((proven(&backwards, &siblings), proven(&twice, &siblings)), (None, None));
            }
            assert_eq!(proven(&outside, &siblings), None);
        }
    }
    assert_eq!(merkle::proven_root(context, 3, [].into_iter(), &mut [].iter()), None);
}

/// What kind of key a core of npm hypercore has, of those that the chain takes.
fn kind_of(core: &Value, manifest: &[u8]) -> Option<&'static str> {
    match () {
        _ if core["compat"].as_bool() == Some(true) => Some("compat"),
        _ if manifest.starts_with(&[0, 0, 1, 0]) && manifest.len() == 68 => Some("v0"),
        _ if manifest.starts_with(&[1, 0, 0, 1, 1, 0]) && manifest.len() == 70 => Some("v1"),
        _ => None,
    }
}

/// A core's head as `publish_plan` takes it.
fn signed_head(core: &Value, manifest: &[u8]) -> SignedHead {
    let signature = bytes(&core["signature"]);
    // A container of one signature: count, signer, the signature, no patch.
    let start = if signature.len() == 68 { 2 } else { 0 };
    let root = |index: &Value| {
        let node = list(&core["nodes"]).iter().find(|node| node[0] == *index).unwrap();
        Root { hash: h256(&node[2]), size: uint(&node[1]) }
    };
    let roots: Vec<Root> = list(&core["roots"]).iter().map(root).collect();
    SignedHead {
        key: fixed(&core["key"]),
        manifest: manifest.to_vec().try_into().unwrap(),
        fork: uint(&core["fork"]),
        length: uint(&core["length"]),
        roots: roots.try_into().unwrap(),
        signature: signature[start..start + 64].try_into().unwrap(),
    }
}

/// Heads that npm hypercore signed; those of other kinds than the three that the chain takes are refused by name.
#[test]
fn heads_of_npm_hypercore_are_accepted() {
    let texts = [
        include_str!("../../../../tests/vectors/hypercore/dump10.json"),
        include_str!("../../../../tests/vectors/hypercore/dump11.json"),
    ];
    let mut kinds = std::collections::BTreeMap::new();
    for text in texts {
        for core in list(&read(text)).iter().filter(|core| core["length"].as_u64().is_some_and(|n| n > 0)) {
            let manifest = core["manifest"].as_str().map(|_| bytes(&core["manifest"])).unwrap_or_default();
            let kind = kind_of(core, &manifest);
            *kinds.entry(kind.unwrap_or("others")).or_insert(0) += 1;
            let Some(kind) = kind else { continue };
            let signed = signed_head(core, if kind == "compat" { &[] } else { &manifest });
            let head = heads::check(&signed).unwrap_or_else(|bad| panic!("{}: {bad:?}", core["name"]));
            assert_eq!(head.tree_hash, h256(&core["treeHash"]));
            // Of an encrypted core hypercore counts the plaintext: each block is 8 bytes longer in the tree.
            let padding = if core["encKey"].is_null() { 0 } else { 8 * head.length };
            assert_eq!(head.byte_length, uint(&core["byteLength"]) + padding);
            let mut flipped = signed.clone();
            flipped.signature[40] ^= 1;
            assert!(heads::check(&flipped).is_err());
        }
    }
    for kind in ["compat", "v0", "v1", "others"] {
        assert!(kinds.contains_key(kind), "no {kind} among {kinds:?}");
    }
}

/// Segments that were really encoded, with moduli of two, three and four primes: what proves one wrong, and what does not.
#[test]
fn evidence_proves_what_the_vectors_say() {
    let vectors = read(include_str!("../../../../tests/vectors/evidence.json"));
    let decode = |case: &Value| Evidence::decode(&mut &bytes(&case["evidence"])[..]).unwrap();
    let mut proven = 0;
    for case in list(&vectors["cases"]) {
        let (length, byte_length) = (uint(&case["length"]), uint(&case["byte_length"]));
        let segment = Segment {
            copy: 0,
            encoder: AccountId32::new([0; 32]),
            profile: PROFILE_P1,
            pk_hash: H256::zero(),
            begun: 0,
            salt: Some(h256(&case["salt"])),
            first_byte: uint(&case["first_byte"]),
            bytes: uint(&case["bytes"]),
            sectors: uint(&case["bytes"]).div_ceil(SECTOR),
            root: H256::zero(),
            head: Head { fork: 0, length, byte_length, tree_hash: h256(&case["tree_hash"]) },
            half: 0,
        };
        let range = |one: &Value| Range {
            start: uint(&one[0]),
            end: uint(&one[1]),
            first_byte: uint(&one[2]),
            bytes: uint(&one[3]),
        };
        let ranges: Vec<Range> = list(&case["ranges"]).iter().map(range).collect();
        let found = proves(&decode(case), &segment, &fixed(&case["modulus"]), &ranges);
        assert_eq!(Some(found), case["proves"].as_bool(), "{}", case["why"]);
        proven += u32::from(found);
    }
    assert_eq!(proven, 30);
    let said = &vectors["report"];
    let evidence = decode(&list(&vectors["cases"])[0]);
    let hash = report(h256(&said["genesis"]), &account_of(&said["account"]), uint(&said["copy"]), &evidence);
    assert_eq!(hash, h256(&said["hash"]));
}
