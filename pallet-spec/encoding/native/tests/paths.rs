//! Both paths and the chain's decoder agree on random keys of two, three and four primes, on runs of any length.

mod common;

use common::{key, padded, product, random, slices, PATHS, SHAPES};
use datdot_encoding::{decode_sector, Modulus};
use datdot_encoding_native::{merkle, Decoder, Encoder, Fault, Path, MAX_SECTORS, SECTOR};

const LENGTHS: [usize; 10] = [0, 1, 2, 7, 8, 9, 15, 16, 17, 33];

#[test]
fn runs_of_any_length() {
    for shape in SHAPES {
        let primes = key("runs", shape);
        let n = padded(&product(&primes));
        let encoders = PATHS.map(|path| Encoder::new(&slices(&primes), [5; 32], path).unwrap());
        let decoders = PATHS.map(|path| Decoder::new(&n, [5; 32], path).unwrap());
        for (length, first) in LENGTHS.into_iter().zip([0, 3, (1 << 30) - 64].into_iter().cycle()) {
            let plain = random(&format!("{shape:?} {length}"), SECTOR * length);
            let mut runs = [plain.clone(), plain.clone()];
            for (encoder, run) in encoders.iter().zip(&mut runs) {
                encoder.encode(first, run).unwrap();
            }
            assert_eq!(runs[0], runs[1], "{shape:?}, {length} sectors");
            let modulus = Modulus::new(&n).unwrap();
            for (i, (sector, plain)) in runs[0].chunks(SECTOR).zip(plain.chunks(SECTOR)).enumerate() {
                assert_eq!(decode_sector(&modulus, &[5; 32], first + i as u64, sector.try_into().unwrap()), *plain);
            }
            for (decoder, run) in decoders.iter().zip(&mut runs) {
                decoder.decode(first, run).unwrap();
                assert_eq!(*run, plain, "{shape:?}, {length} sectors");
            }
        }
    }
}

/// Moduli of every form that the chain takes, with sectors of any bytes: nobody needs a key to choose them.
#[test]
fn decoders_agree_on_any_modulus() {
    for case in 0..64 {
        let mut n: [u8; SECTOR] = random(&format!("modulus {case}"), SECTOR).try_into().unwrap();
        match case % 4 {
            0 => n[8..200].fill(0xff),
            1 => n[8..200].fill(0),
            _ => (),
        }
        n[..7].fill(0xff);
        n[7] |= 0xf0;
        n[SECTOR - 1] |= 1;
        let mut run = random(&format!("sectors {case}"), SECTOR * 11);
        run[..SECTOR].copy_from_slice(&n);
        run[SECTOR..2 * SECTOR].copy_from_slice(&n);
        run[2 * SECTOR - 1] -= 1;
        run[2 * SECTOR..3 * SECTOR].fill(0xff);
        let modulus = Modulus::new(&n).unwrap();
        let sectors = run.chunks(SECTOR).zip(40u64..);
        let wanted: Vec<u8> =
            sectors.flat_map(|(sector, i)| decode_sector(&modulus, &[1; 32], i, sector.try_into().unwrap())).collect();
        for path in PATHS {
            let mut found = run.clone();
            Decoder::new(&n, [1; 32], path).unwrap().decode(40, &mut found).unwrap();
            assert_eq!(found, wanted, "{path:?}, case {case}");
        }
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let primes = key("refused", &[683, 683, 682]);
    let refuse = |primes: &[&[u8]]| match Encoder::new(primes, [0; 32], Path::Fastest).map(|_| ()) {
        Err(Fault::Key(why)) => why,
        other => panic!("{other:?}"),
    };
    let all = slices(&primes);
    assert!(refuse(&[]).contains("two to four"));
    assert!(refuse(&all[..2]).contains("range"));
    assert!(
        refuse(&[all[0], all[0], all[1]]).contains("range") || refuse(&[all[0], all[0], all[2]]).contains("divisor")
    );
    let mut even = primes[0].clone();
    *even.last_mut().unwrap() -= 1;
    assert!(refuse(&[&even, all[1], all[2]]).contains("even"));
    assert!(refuse(&[&product(&primes[..2]).to_bytes_be(), all[2]]).contains("large"));
}

/// A number that is no prime gives roots that are none.
#[test]
fn a_key_of_composites_gives_nothing_out() {
    let primes = key("composite", &[683, 683, 682]);
    let mut wrong = primes.clone();
    // 3 divides none of them, less 1, so only the check of the roots can tell.
    let found = product(&primes[..1]) + 6u8;
    wrong[0] = found.to_bytes_be();
    for path in PATHS {
        let encoder = Encoder::new(&slices(&wrong), [0; 32], path).unwrap();
        let mut run = vec![7; SECTOR * 3];
        assert_eq!(encoder.encode(0, &mut run), Err(Fault::Computation), "{path:?}");
        assert_eq!(run, vec![0; SECTOR * 3]);
    }
}

#[test]
fn what_is_no_run_is_refused() {
    let primes = key("refused", &[683, 683, 682]);
    let n = padded(&product(&primes));
    for path in PATHS {
        let encoder = Encoder::new(&slices(&primes), [0; 32], path).unwrap();
        let decoder = Decoder::new(&n, [0; 32], path).unwrap();
        for (first, bytes) in [(0, 255), (MAX_SECTORS, 256), (MAX_SECTORS - 1, 512), (u64::MAX, 256)] {
            assert_eq!(encoder.encode(first, &mut vec![0; bytes]), Err(Fault::Run(bytes, first)));
            assert_eq!(decoder.decode(first, &mut vec![0; bytes]), Err(Fault::Run(bytes, first)));
            assert_eq!(merkle::leaves(&[0; 32], first, &vec![0; bytes]), Err(Fault::Run(bytes, first)));
        }
    }
    let mut even = n;
    even[SECTOR - 1] -= 1;
    assert!(matches!(Decoder::new(&even, [0; 32], Path::Fastest), Err(Fault::Modulus)));
}

/// Any number of threads use one object.
#[test]
fn threads_share_an_encoder() {
    let primes = key("threads", &[512, 512, 512, 512]);
    let encoder = Encoder::new(&slices(&primes), [3; 32], Path::Fastest).unwrap();
    let plain = random("threads", SECTOR * 64);
    let mut whole = plain.clone();
    encoder.encode(0, &mut whole).unwrap();
    let mut parts = plain;
    std::thread::scope(|scope| {
        for (run, first) in parts.chunks_mut(SECTOR * 16).zip((0..).step_by(16)) {
            let encoder = &encoder;
            scope.spawn(move || encoder.encode(first, run).unwrap());
        }
    });
    assert_eq!(parts, whole);
}
