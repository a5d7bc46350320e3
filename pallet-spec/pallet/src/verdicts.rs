//! Verdicts over eras: a copy that is not served, or served slowly, ends (pallet-spec/README.md section 10).

use crate::{types::*, Config, Copies, Pallet};

/// Eras that a copy remembers: the bits of `fails` and of `slow`.
const REMEMBERED: u32 = u8::BITS;

impl Copy {
    /// Moves its verdicts so that bit 0 is that of `era`, if that is newer.
    fn turn_to(&mut self, era: Era) {
        if era > self.judged {
            let by = era.saturating_sub(self.judged);
            self.fails = self.fails.checked_shl(by).unwrap_or(0);
            self.slow = self.slow.checked_shl(by).unwrap_or(0);
            self.judged = era;
        }
    }
}

impl<T: Config> Pallet<T> {
    /// Enters the verdict of an era; four failed ones of the last eight, or seven slow ones, end the copy.
    pub(crate) fn judge(era: Era, id: CopyId, verdict: Verdict, latency_ms: u32, kib_per_s: u32) {
        let Some((mut copy, plan)) = Self::copy_and_plan(id).filter(|(copy, _)| copy.state != CopyState::Ended) else {
            return;
        };
        copy.turn_to(era);
        let back = copy.judged.saturating_sub(era);
        if back < REMEMBERED {
            let below = latency_ms > plan.terms.max_latency_ms || kib_per_s < plan.terms.min_kib_per_s;
            copy.fails |= u8::from(verdict == Verdict::Failed) << back;
            copy.slow |= u8::from(verdict == Verdict::Passed && below) << back;
        }
        if copy.fails.count_ones() >= FAILS {
            Self::arm_drop(id, &mut copy, CopyEnd::Unserved);
        } else if copy.slow.count_ones() >= SLOW {
            Self::arm_drop(id, &mut copy, CopyEnd::Slow);
        }
        Copies::<T>::insert(id, copy);
    }
}
