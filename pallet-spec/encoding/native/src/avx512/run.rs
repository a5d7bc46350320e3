//! Runs of sectors in groups of sixteen: their permutations side by side, their roots or cubes eight at a time.

use super::limbs::{scratch, Scratch, LANES};
use super::permutation::{context_key, permute, round_keys, Group, SECTORS};
use super::roots::{private, public, Cube, Roots};
use super::wide::{Words, WORDS};
use crate::{Fault, Salt, ROUNDS, SECTOR};
use core::arch::x86_64::*;

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
            let (high, low) = (wide(&group.0[2 * i], half), wide(&group.0[2 * i + 1], half));
            let value = swapped(_mm512_or_si512(_mm512_slli_epi64::<32>(low), high));
            // SAFETY: there is room for eight words of 64 bits; the store needs no alignment.
            unsafe { _mm512_storeu_si512(word.as_mut_ptr().cast(), value) }
        }
        words
    }

    fn put(words: &Words, group: &mut Group, half: usize) {
        for (i, word) in words.iter().rev().enumerate() {
            // SAFETY: eight words of 64 bits lie there; the load needs no alignment.
            let value = swapped(unsafe { _mm512_loadu_si512(word.as_ptr().cast()) });
            for (place, part) in [(2 * i, value), (2 * i + 1, _mm512_srli_epi64::<32>(value))] {
                let lanes: &mut [u32; LANES] = (&mut group.0[place][LANES * half..][..LANES]).try_into().expect("eight");
                // SAFETY: there is room for eight words of 32 bits; the store needs no alignment.
                unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(part)) }
            }
        }
    }

    /// Eight words of 32 bits as ones of 64.
    #[inline]
    fn wide(words: &[u32; SECTORS], half: usize) -> __m512i {
        let lanes: &[u32; LANES] = words[LANES * half..][..LANES].try_into().expect("eight");
        // SAFETY: eight words of 32 bits lie there; the load needs no alignment.
        _mm512_cvtepu32_epi64(unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) })
    }

    /// The bytes of each word of 64 bits in the other order.
    #[inline]
    fn swapped(words: __m512i) -> __m512i {
        let order = _mm512_set_epi64(
            0x08090a0b0c0d0e0f, 0x0001020304050607, 0x08090a0b0c0d0e0f, 0x0001020304050607,
            0x08090a0b0c0d0e0f, 0x0001020304050607, 0x08090a0b0c0d0e0f, 0x0001020304050607,
        );
        _mm512_shuffle_epi8(words, order)
    }
}
