//! The two columns of parameters (pallet-spec/README.md section 17) and the rules that they must keep.

use crate::types::{
    Amounts, Times, ERAS, KEEP_ERAS, MAX_AMOUNT, MAX_MEMORY, MAX_SEATS, PAUSE_ERAS, REPORT_AGE, SEEDS, UNIT,
};

impl Times {
    /// The default column: 6 s blocks.
    pub const PRODUCTION: Times = Times {
        era: 14_400,
        seed_delay: 4,
        decline_window: 600,
        encoder_wait: 7_200,
        begin_window: 600,
        lease: 7_200,
        mean_gap: 2_400,
        proof_window: 1_200,
        probe_blocks: 13_000,
        reveal_from: 100,
        settle_from: 2_500,
        settle_to: 28_800,
        end_notice: 100_800,
        memory: 64,
        seats: 9,
        quorum: 5,
        probe_bytes: 1 << 20,
        plan_eras: 180,
        pause: 4_032,
        checkpoint: 1 << 18,
        report_window: 600,
    };

    /// The development column: 500 ms blocks.
    pub const DEVELOPMENT: Times = Times {
        era: 24,
        seed_delay: 4,
        decline_window: 4,
        encoder_wait: 40,
        begin_window: 20,
        lease: 240,
        mean_gap: 5,
        proof_window: 30,
        probe_blocks: 14,
        reveal_from: 3,
        settle_from: 12,
        settle_to: 48,
        end_notice: 10,
        memory: 1,
        seats: 9,
        quorum: 2,
        probe_bytes: 64 << 10,
        plan_eras: 1_000,
        pause: 6,
        checkpoint: 256,
        report_window: 20,
    };

    /// `Err` names the first rule that is broken.
    pub fn check(&self) -> Result<(), &'static str> {
        // A day is 14,400 blocks: nothing here is above a thousand days, so block arithmetic in u32 has room for ever.
        const LONGEST: u32 = 14_400_000;
        let waits = [
            self.era,
            self.seed_delay,
            self.decline_window,
            self.encoder_wait,
            self.begin_window,
            self.lease,
            self.mean_gap,
            self.proof_window,
            self.end_notice,
            self.settle_to,
        ];
        let rules = [
            (waits.iter().all(|w| (1..=LONGEST).contains(w)), "every wait >= 1, and at most 14,400,000"),
            (self.seed_delay < SEEDS, "SeedDelay < 256"),
            (self.seed_delay < self.lease, "SeedDelay < Lease"),
            (self.probe_blocks > 0 && self.probe_blocks < self.era, "0 < ProbeBlocks < Era"),
            (
                0 < self.reveal_from && self.reveal_from < self.settle_from && self.settle_from <= self.era,
                "0 < RevealFrom < SettleFrom <= Era",
            ),
            (
                self.settle_from < self.settle_to && self.settle_to as u64 <= 2 * self.era as u64,
                "SettleFrom < SettleTo <= 2 Era",
            ),
            (self.proof_window as u64 <= KEEP_ERAS as u64 * self.era as u64, "ProofWindow <= 3 Era"),
            (1 <= self.quorum && self.quorum <= self.seats && self.seats <= MAX_SEATS, "1 <= Quorum <= Seats <= 16"),
            (self.memory <= MAX_MEMORY, "Memory <= 64"),
            (
                self.plan_eras >= 1 && self.plan_eras as u64 * self.era as u64 <= LONGEST as u64,
                "1 <= plan length, at most 14,400,000 blocks",
            ),
            (PAUSE_ERAS as u64 * self.era as u64 > self.pause as u64, "Pause < 14 Era"),
            (self.checkpoint >= 1 && self.checkpoint < 1 << 24, "1 <= Checkpoint < 2^24"),
            (self.report_window > REPORT_AGE && self.report_window <= LONGEST, "ReportWindow > 4"),
            (ERAS > KEEP_ERAS, "Era(r) outlives what is tested in r"),
        ];
        rules.iter().find(|(kept, _)| !kept).map_or(Ok(()), |(_, rule)| Err(rule))
    }
}

impl Amounts {
    pub const DEFAULT: Amounts = Amounts {
        peer_fee: UNIT,
        publish_fee: UNIT / 10,
        min_donation: UNIT / 100,
        collateral: UNIT / 20,
        encoder_bond: 100 * UNIT,
        attester_bond: 10 * UNIT,
        begin_fine: UNIT / 50,
        stall_fine: UNIT / 100,
        retry_fee: UNIT / 100,
        slot_fee: UNIT / 2,
        report_price: UNIT / 1_000,
        tick_fee: UNIT / 1_000,
    };

    /// No amount is above 10^24, and donations are above zero.
    pub fn valid(&self) -> bool {
        let all = [
            self.peer_fee,
            self.publish_fee,
            self.min_donation,
            self.collateral,
            self.encoder_bond,
            self.attester_bond,
            self.begin_fine,
            self.stall_fine,
            self.retry_fee,
            self.slot_fee,
            self.report_price,
            self.tick_fee,
        ];
        all.iter().all(|a| *a <= MAX_AMOUNT) && self.min_donation > 0
    }
}
