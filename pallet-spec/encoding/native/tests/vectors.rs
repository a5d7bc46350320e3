//! The golden vectors, which the Python implementation wrote and reads too, on both paths.

mod common;

use common::{fixed, key, padded, product, read, slices, unhex, PATHS, SHAPES};
use datdot_encoding_native::{merkle, Decoder, Encoder, SECTOR};
use num_bigint::BigUint;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    p: String,
    q: String,
    modulus: String,
    salt: String,
    ctx: String,
    segments: Vec<Segment>,
    edges: Vec<Root>,
}

#[derive(Deserialize)]
struct Segment {
    plain: String,
    encoded: String,
    root: String,
    openings: Vec<Opening>,
}

#[derive(Deserialize)]
struct Opening {
    sector: u64,
    siblings: Vec<String>,
}

#[derive(Deserialize)]
struct Root {
    x: String,
}

#[derive(Deserialize)]
struct Edges {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    modulus: String,
    primes: Vec<String>,
    salt: String,
    edges: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    what: String,
    first: u64,
    sector: String,
    plain: String,
}

#[test]
fn segments() {
    let vectors: Vectors = read("p1.json");
    let (salt, primes) = (fixed(&vectors.salt), [unhex(&vectors.p), unhex(&vectors.q)]);
    for path in PATHS {
        let encoder = Encoder::new(&slices(&primes), salt, path).unwrap();
        let decoder = Decoder::new(&fixed(&vectors.modulus), salt, path).unwrap();
        for segment in &vectors.segments {
            let encoded = unhex(&segment.encoded);
            let mut plain = unhex(&segment.plain);
            plain.resize(encoded.len(), 0);
            let mut run = plain.clone();
            encoder.encode(0, &mut run).unwrap();
            assert_eq!(run, encoded, "{path:?}");
            decoder.decode(0, &mut run).unwrap();
            assert_eq!(run, plain, "{path:?}");
        }
    }
    assert_eq!(vectors.segments.len(), 7);
}

#[test]
fn trees() {
    let vectors: Vectors = read("p1.json");
    let ctx = fixed(&vectors.ctx);
    let mut opened = 0;
    for segment in &vectors.segments {
        let encoded = unhex(&segment.encoded);
        let root: merkle::Hash = fixed(&segment.root);
        assert_eq!(merkle::root(&ctx, &encoded).unwrap(), root);
        for opening in &segment.openings {
            let wanted: Vec<u8> = opening.siblings.iter().flat_map(|sibling| unhex(sibling)).collect();
            assert_eq!(merkle::opening(&ctx, &encoded, opening.sector).unwrap(), (root, wanted));
            opened += 1;
        }
        assert!(merkle::opening(&ctx, &encoded, (encoded.len() / SECTOR) as u64).is_err());
    }
    assert!(opened > 10);
    assert!(merkle::root(&ctx, &[]).is_err());
}

/// Numbers from N on stay as they are, and so do 0 and 1; of half of all moduli more than the 60 top bits are no ones.
#[test]
fn edges() {
    let edges: Edges = read("p1-edges.json");
    let mut seen = 0;
    for case in &edges.cases {
        let primes: Vec<_> = case.primes.iter().map(|prime| unhex(prime)).collect();
        for path in PATHS {
            let encoder = Encoder::new(&slices(&primes), fixed(&case.salt), path).unwrap();
            let decoder = Decoder::new(&fixed(&case.modulus), fixed(&case.salt), path).unwrap();
            for edge in &case.edges {
                let mut run = unhex(&edge.sector);
                decoder.decode(edge.first, &mut run).unwrap();
                assert_eq!(run, unhex(&edge.plain), "{path:?}: {}", edge.what);
                encoder.encode(edge.first, &mut run).unwrap();
                assert_eq!(run, unhex(&edge.sector), "{path:?}: {}", edge.what);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 2 * 14);
}

/// The permutation's edges, of the vectors' modulus and of others: what decodes to something is encoded to it again.
#[test]
fn edges_of_the_permutation() {
    let vectors: Vectors = read("p1.json");
    let one = BigUint::from(1u8);
    let mut keys = vec![vec![unhex(&vectors.p), unhex(&vectors.q)]];
    keys.extend(SHAPES.iter().map(|shape| key("edges", shape)));
    for primes in keys {
        let n = product(&primes);
        let numbers = [BigUint::ZERO, one.clone(), &n - 1u8, n.clone(), &n + 1u8, (&one << 2048u32) - 1u8];
        let mut sectors: Vec<u8> = numbers.iter().flat_map(padded).collect();
        sectors.extend(vectors.edges.iter().flat_map(|edge| unhex(&edge.x)));
        for path in PATHS {
            let encoder = Encoder::new(&slices(&primes), [9; 32], path).unwrap();
            let decoder = Decoder::new(&padded(&n), [9; 32], path).unwrap();
            let mut run = sectors.clone();
            decoder.decode(77, &mut run).unwrap();
            encoder.encode(77, &mut run).unwrap();
            assert_eq!(run, sectors, "{path:?}");
        }
    }
}
