//! Faults of the machine, put into every number of the key and into a result: none leaves the encoder.

use super::*;

fn sector() -> Sector {
    core::array::from_fn(|i| (i * 37 + 11) as u8)
}

#[test]
fn a_damaged_number_of_the_key_gives_nothing_wrong_out() {
    let mut key = Roots::new(&crate::key::tests::primes()).unwrap();
    let right = key.private(&sector()).unwrap();
    let (mut refused, mut at) = (0, 0);
    for part in 0..key.parts.len() {
        at = 0;
        while key.parts[part].damage(at, at as u32 % 64) {
            match key.private(&sector()) {
                Err(Fault::Computation) => refused += 1,
                found => assert_eq!(found, Ok(right), "part {part}, number {at}"),
            }
            key.parts[part].damage(at, at as u32 % 64);
            at += 1;
        }
    }
    assert!(at > 60 && refused > 150, "{at}, {refused}");
    assert_eq!(key.private(&sector()), Ok(right));
}

#[test]
fn a_flipped_bit_of_a_result_never_leaves() {
    let key = Roots::new(&crate::key::tests::primes()).unwrap();
    let right = key.private(&sector()).unwrap();
    for bit in 0..8 * SECTOR {
        let mut wrong = right;
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key.give_out(&sector(), wrong), Err(Fault::Computation), "bit {bit}");
    }
    // 0 and N are roots of 0: only the first is below N.
    let modulus = bytes(&key.n[..WORDS]);
    assert_eq!(key.give_out(&[0; SECTOR], modulus), Err(Fault::Computation));
    assert_eq!(key.give_out(&[0; SECTOR], [0; SECTOR]), Ok([0; SECTOR]));
}
