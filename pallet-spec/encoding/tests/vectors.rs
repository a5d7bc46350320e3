//! The golden vectors, which the Python implementation wrote and reads too.

use datdot_encoding::{decode_sector, Modulus, Salt, Sector, SECTOR};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    modulus: String,
    salt: String,
    edges: Vec<Root>,
    segments: Vec<Segment>,
}

/// A cube and its root.
#[derive(Deserialize)]
struct Root {
    y: String,
    x: String,
}

#[derive(Deserialize)]
struct Segment {
    plain: String,
    encoded: String,
}

#[derive(Deserialize)]
struct Edges {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    modulus: String,
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

fn read<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let path = format!("{}/../../tests/vectors/encoding/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn sector(text: &str) -> Sector {
    unhex(text).try_into().unwrap()
}

fn salt(text: &str) -> Salt {
    unhex(text).try_into().unwrap()
}

#[test]
fn p1_decodes() {
    let vectors: Vectors = read("p1.json");
    let (modulus, salt) = (Modulus::new(&sector(&vectors.modulus)).unwrap(), salt(&vectors.salt));
    let mut sectors = 0;
    for Segment { plain, encoded } in &vectors.segments {
        let (mut plain, encoded) = (unhex(plain), unhex(encoded));
        plain.resize(encoded.len(), 0);
        for (index, (plain, encoded)) in plain.chunks(SECTOR).zip(encoded.chunks(SECTOR)).enumerate() {
            let found = decode_sector(&modulus, &salt, index as u64, encoded.try_into().unwrap());
            assert_eq!(found, *plain, "sector {index}");
            sectors += 1;
        }
    }
    assert!(sectors > 50);
}

#[test]
fn p1_cubes_what_it_rooted() {
    let vectors: Vectors = read("p1.json");
    let modulus = Modulus::new(&sector(&vectors.modulus)).unwrap();
    for Root { y, x } in &vectors.edges {
        assert_eq!(modulus.cube(&sector(x)), sector(y));
    }
    assert_eq!(vectors.edges.len(), 6);
}

/// Numbers from N on stay as they are, and so do 0 and 1; of half of all moduli more than the 60 top bits are no ones.
#[test]
fn edges_decode() {
    let edges: Edges = read("p1-edges.json");
    let mut seen = 0;
    for case in &edges.cases {
        let (modulus, salt) = (Modulus::new(&sector(&case.modulus)).unwrap(), salt(&case.salt));
        for edge in &case.edges {
            let found = decode_sector(&modulus, &salt, edge.first, &sector(&edge.sector));
            assert_eq!(found, sector(&edge.plain), "{}", edge.what);
            seen += 1;
        }
    }
    assert_eq!(seen, 14);
}
