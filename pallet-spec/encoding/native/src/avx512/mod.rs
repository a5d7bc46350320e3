//! Eight numbers at a time by the multiply-and-add of 52-bit limbs (AVX512-IFMA), sixteen permutations by AVX512.
//!
//! The lanes of a register belong to different sectors, limb j of all of them is one register: nothing is ever shuffled
//! between them. Every lane takes the same instructions whatever its number and the key are, but for rare carries of cubes: of numbers
//! that are given out.

/// Declares functions that the compiler may fill with AVX512; whoever calls one must know that the processor has it.
macro_rules! avx512 {
    ($($(#[$m:meta])* $v:vis fn $name:ident $(<$(const $c:ident),*>)? ($($a:tt)*) $(-> $r:ty)? $body:block)*) => {
        $($(#[$m])* #[target_feature(enable = "avx512f,avx512ifma,avx512bw,avx512vl,avx512dq")]
        $v fn $name $(<$(const $c: usize),*>)? ($($a)*) $(-> $r)? $body)*
    };
}

pub mod limbs;
mod permutation;
mod roots;
mod run;
pub mod wide;

pub use roots::{Cube, Roots};
pub use run::{decode, encode};

/// Whether this processor, and what runs it, has all that is used here.
pub fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512ifma")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}
