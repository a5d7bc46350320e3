//! Faults of the machine, put into every number of the key and into every limb of a result: none leaves the encoder.

use super::super::{available, limbs::scratch};
use super::*;

/// None on another processor: there nothing here can run, and `portable` has the same tests.
fn key() -> Option<Roots> {
    available().then(|| Roots::new(&crate::key::tests::primes()).unwrap())
}

fn numbers() -> Words {
    let mut words = [[0; LANES]; WORDS];
    for (i, lanes) in words.iter_mut().enumerate() {
        for (lane, word) in lanes.iter_mut().enumerate() {
            *word = (i as u64 + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(lane as u32) >> (i / 31);
        }
    }
    words
}

#[test]
fn a_damaged_number_of_the_key_gives_nothing_wrong_out() {
    let Some(mut key) = key() else { return };
    let mut right = numbers();
    // SAFETY: there is a key, so the processor has what it needs.
    unsafe { private(&key, &mut right, &mut scratch()).unwrap() };
    let (mut refused, mut at) = (0, 0);
    for part in 0..key.parts.len() {
        at = 0;
        while key.parts[part].damage(at, at as u32 % 52) {
            let mut words = numbers();
            // SAFETY: as above.
            match unsafe { private(&key, &mut words, &mut scratch()) } {
                Err(Fault::Computation) => refused += 1,
                other => assert!(other.is_ok() && words == right, "part {part}, number {at}"),
            }
            assert!(words == right || words == numbers(), "part {part}, number {at}");
            key.parts[part].damage(at, at as u32 % 52);
            at += 1;
        }
    }
    assert!(at > 80 && refused > 200, "{at}, {refused}");
    let mut words = numbers();
    // SAFETY: as above.
    assert_eq!(unsafe { private(&key, &mut words, &mut scratch()) }, Ok(()));
}

#[test]
fn a_damaged_modulus_gives_nothing_wrong_out() {
    let Some(mut key) = key() else { return };
    let mut right = numbers();
    // SAFETY: there is a key, so the processor has what it needs.
    unsafe { private(&key, &mut right, &mut scratch()).unwrap() };
    for limb in 0..3 * WIDE {
        let flip = |cube: &mut Cube| {
            let Complement { c, shifted } = &mut cube.c;
            *[&mut cube.limbs, c, shifted][limb / WIDE].get_mut(limb % WIDE).unwrap() ^= 1 << (limb % WIDE);
        };
        flip(&mut key.cube);
        let mut words = numbers();
        // SAFETY: as above.
        let done = unsafe { private(&key, &mut words, &mut scratch()) };
        assert!(done == Err(Fault::Computation) || words == right, "limb {limb}");
        flip(&mut key.cube);
    }
}

/// One bit of one limb of one lane, at the moment when the root is complete; and a root that is N too large.
#[test]
fn a_flipped_bit_of_a_result_never_leaves() {
    let Some(key) = key() else { return };
    // SAFETY: there is a key, so the processor has what it needs.
    let (y, mut s) = unsafe { (from_words(&numbers()), scratch()) };
    let x = unsafe { to_words(&roots(&key, &y, &mut s)) };
    let give_out = |out: Words, words: &mut Words| unsafe { super::give_out(&key.cube, out, words, &mut scratch()) };
    for word in 0..WORDS {
        for lane in 0..LANES {
            let mut wrong = x;
            wrong[word][lane] ^= 1 << ((7 * word + lane) % 64);
            let mut words = numbers();
            assert_eq!(give_out(wrong, &mut words), Err(Fault::Computation), "word {word}, lane {lane}");
            assert_eq!(words, numbers());
        }
    }
    let mut words = numbers();
    assert_eq!(give_out(x, &mut words), Ok(()));
    assert_eq!(words, x);
    // 0 and N are roots of 0: only the first is below N.
    let mut above = [[0; LANES]; WORDS];
    for (lanes, word) in above.iter_mut().zip(key.cube.n) {
        lanes[2] = word;
    }
    let mut zeros = [[0; LANES]; WORDS];
    assert_eq!(give_out(above, &mut zeros), Err(Fault::Computation));
}
