//! Runs of sectors in groups of sixteen: their permutations side by side, their roots or cubes eight at a time.

use super::limbs::{scratch, Scratch, LANES};
use super::permutation::{context_key, permute, round_keys, Group, SECTORS};
use super::roots::{private, public, Cube, Roots};
use super::wide::{Words, WORDS};
use crate::{Fault, Salt, ROUNDS, SECTOR};

const GROUP: usize = SECTORS * SECTOR;

avx512! {
    /// Encodes whole sectors in place. A group is written when all its roots have passed their check.
    pub fn encode(key: &Roots, salt: &Salt, first: u64, run: &mut [u8]) -> Result<(), Fault> {
        let (context, mut s) = (context_key(), scratch());
        for (at, run) in run.chunks_mut(GROUP).enumerate() {
            let mut group = Group::load(run);
            for round in 1..=ROUNDS {
                permute(&mut group, &round_keys(&context, salt, round, first + (SECTORS * at) as u64), false);
                for half in 0..run.len().div_ceil(GROUP / 2) {
                    let mut words = numbers(&group, half);
                    private(key, &mut words, &mut s)?;
                    put(&words, &mut group, half);
                }
            }
            group.store(run);
        }
        Ok(())
    }

    /// Decodes whole sectors in place.
    pub fn decode(cube: &Cube, salt: &Salt, first: u64, run: &mut [u8]) {
        let (context, mut s) = (context_key(), scratch());
        for (at, run) in run.chunks_mut(GROUP).enumerate() {
            let mut group = Group::load(run);
            for round in (1..=ROUNDS).rev() {
                cube_group(cube, &mut group, run.len().div_ceil(GROUP / 2), &mut s);
                permute(&mut group, &round_keys(&context, salt, round, first + (SECTORS * at) as u64), true);
            }
            group.store(run);
        }
    }

    fn cube_group(cube: &Cube, group: &mut Group, halves: usize, s: &mut Scratch) {
        for half in 0..halves {
            let mut words = numbers(group, half);
            public(cube, &mut words, s);
            put(&words, group, half);
        }
    }

    /// Eight sectors of a group as numbers: their bytes are big endian.
    fn numbers(group: &Group, half: usize) -> Words {
        let mut words = [[0; LANES]; WORDS];
        for (i, word) in words.iter_mut().rev().enumerate() {
            let (high, low) = (&group.0[2 * i][LANES * half..], &group.0[2 * i + 1][LANES * half..]);
            for lane in 0..LANES {
                word[lane] = u64::from(high[lane].swap_bytes()) << 32 | u64::from(low[lane].swap_bytes());
            }
        }
        words
    }

    fn put(words: &Words, group: &mut Group, half: usize) {
        for (i, word) in words.iter().rev().enumerate() {
            for lane in 0..LANES {
                group.0[2 * i][LANES * half + lane] = ((word[lane] >> 32) as u32).swap_bytes();
                group.0[2 * i + 1][LANES * half + lane] = (word[lane] as u32).swap_bytes();
            }
        }
    }
}
