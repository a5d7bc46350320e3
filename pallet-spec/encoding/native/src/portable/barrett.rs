//! Cubes modulo N = 2^2048 - c with c <= 2^1988. Barrett's quotient takes two half products for a reduction, and no number
//! changes its form: 3,600 products of words for a cube instead of Montgomery's 6,500.

use super::{add, step, subtract_once};

/// Words of a sector.
pub const WORDS: usize = 32;
pub type Number = [u64; WORDS];
type Wide = [u64; 2 * WORDS];
/// Columns of the quotient below this one are left out: it becomes too small by at most one.
const FROM: usize = WORDS - 2;

/// A modulus, ready for cubes.
pub struct Modulus {
    n: [u64; WORDS + 1],
    c: Number,
    /// 2^4096 / N - 2^2048 rounded down, or up to two less.
    mu: Number,
}

impl Modulus {
    /// Takes a modulus whose 60 top bits are ones.
    pub fn new(n: &Number) -> Self {
        let mut c = n.map(|word| !word);
        add(&mut c, &core::array::from_fn(|i| u64::from(i == 0)));
        // mu = c (1 + mu / 2^2048): each turn makes 60 more bits right.
        let mut mu = c;
        for _ in 0..35 {
            let high = upper(&product(&c, &mu));
            mu = c;
            add(&mut mu, &high);
        }
        let mut wide = [0; WORDS + 1];
        wide[..WORDS].copy_from_slice(n);
        Self { n: wide, c, mu }
    }

    /// x^3 mod N of a number below N.
    pub fn cube(&self, x: &Number) -> Number {
        self.reduced(&product(&self.reduced(&square(x)), x))
    }

    /// Whether a number is below N.
    pub fn above(&self, x: &Number) -> bool {
        x.iter().rev().lt(self.n[..WORDS].iter().rev())
    }

    fn reduced(&self, p: &Wide) -> Number {
        let high = upper(p);
        let mut t = [0u64; 2 * WORDS];
        for i in 0..WORDS {
            let mut carry = 0;
            for j in FROM.saturating_sub(i)..WORDS {
                (t[i + j], carry) = step(t[i + j], high[i], self.mu[j], carry);
            }
            t[i + WORDS] = carry;
        }
        let mut q = high;
        let over = t[WORDS];
        add(&mut q, &upper(&t));
        // The rest is low + q c - over 2^2048, below 5 N: 33 words hold it.
        let mut rest = [0u64; WORDS + 1];
        rest[..WORDS].copy_from_slice(&p[..WORDS]);
        for i in 0..WORDS {
            let mut carry = 0;
            let end = (WORDS + 1 - i).min(WORDS);
            for j in 0..end {
                (rest[i + j], carry) = step(rest[i + j], q[i], self.c[j], carry);
            }
            if i + end <= WORDS {
                rest[i + end] = rest[i + end].wrapping_add(carry);
            }
        }
        rest[WORDS] = rest[WORDS].wrapping_sub(over);
        for _ in 0..4 {
            rest = subtract_once(&rest, &self.n);
        }
        core::array::from_fn(|i| rest[i])
    }
}

fn upper(wide: &Wide) -> Number {
    core::array::from_fn(|i| wide[WORDS + i])
}

fn product(a: &Number, b: &Number) -> Wide {
    let mut out = [0; 2 * WORDS];
    for i in 0..WORDS {
        let mut carry = 0;
        for j in 0..WORDS {
            (out[i + j], carry) = step(out[i + j], a[i], b[j], carry);
        }
        out[i + WORDS] = carry;
    }
    out
}

/// Products of different words once, doubled, and the squares.
fn square(a: &Number) -> Wide {
    let mut out = [0; 2 * WORDS];
    for i in 0..WORDS {
        let mut carry = 0;
        for j in i + 1..WORDS {
            (out[i + j], carry) = step(out[i + j], a[i], a[j], carry);
        }
        out[i + WORDS] = carry;
    }
    let (mut carry, mut bit) = (0u64, 0u64);
    for i in 0..WORDS {
        let square = u128::from(a[i]) * u128::from(a[i]);
        for (at, part) in [(2 * i, square as u64), (2 * i + 1, (square >> 64) as u64)] {
            let sum = u128::from((out[at] << 1) | bit) + u128::from(part) + u128::from(carry);
            bit = out[at] >> 63;
            (out[at], carry) = (sum as u64, (sum >> 64) as u64);
        }
    }
    out
}
