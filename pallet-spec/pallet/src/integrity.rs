//! What the pallet's bounds must keep among themselves and in the runtime that it stands in: `integrity_test` checks it.

use crate::{segments::part_sectors, types::*, weights};
use frame_support::dispatch::DispatchClass;
use frame_system::limits::BlockWeights;

/// Levels of a segment's tree of as many sectors as a copy may have.
const fn levels() -> u32 {
    (MAX_PLAN_BYTES / SECTOR).ilog2()
}

/// Bits of a copy's verdicts.
const VERDICTS: u32 = u8::BITS;

/// Checks all; names the first that does not hold.
pub fn check(least_balance: Balance, blocks: &BlockWeights) -> Result<(), &'static str> {
    let fits = |class, weight: frame_support::weights::Weight| {
        blocks.get(class).max_extrinsic.is_none_or(|most| weight.all_lte(most))
    };
    let most: u64 = MAX_RETRIEVALS.into();
    let rules = [
        (MAX_ENTRIES == 64 * 64 * 64 && COPIES == 64 * 64, "tables have as many slots as entries may be"),
        (
            MAX_PLAN_BYTES / SECTOR / part_sectors(Times::PRODUCTION.checkpoint) < u64::from(GROWTH_SEGMENTS),
            "the longest copy can be made, and can grow",
        ),
        (GROWTH_SEGMENTS < MAX_SEGMENTS, "a growth has room for its segments"),
        (levels() <= MAX_SIBLINGS, "an opening has room for all levels"),
        (MAX_SAMPLES * levels() <= MAX_PROOF_SIBLINGS, "a storage proof has room for all that may be asked for"),
        (MAX_SEATS <= SEAT_DRAWS, "a committee can be filled"),
        (MAX_OFFER_CHANGES < MAX_CHANGES, "offers leave room for what has a deadline"),
        (HALF_ERAS < KEEP_ERAS, "a second half falls due before the records go"),
        (KEEP_ERAS < ERAS && ERAS <= MAX_RECENT, "slots remember the eras that are not settled"),
        (FAILS <= VERDICTS && SLOW <= VERDICTS, "verdicts that end a copy can be counted"),
        (HOSTER_ROUNDS > 0 && ENCODER_ROUNDS > 0 && MISSES > 0 && NO_DATA > 0, "needs are tried"),
        (MIN_REPUTATION <= FIRST_REPUTATION && FIRST_REPUTATION <= PPM, "reputation is a part of one"),
        (MIN_REPUTATION >= 1_000, "a draw's weight is not rounded away"),
        (MIN_RATIO <= PPM && PPM <= MARGIN, "a cost is at least the ask"),
        (DROP_PART >= 1 && EVICTION_PART >= 1 && SPENT_PART >= 1 && REWARD_PART >= 1, "parts are not more than all"),
        (least_balance > 0, "a pot without money is no account"),
        (weights::worst_block().all_lte(blocks.max_block), "the worst block fits"),
        (fits(DispatchClass::Normal, weights::publish_plan(MAX_NODES.into())), "a publication fits"),
        (
            fits(DispatchClass::Operational, weights::commit_retrievals(most, most, most * u64::from(SEAT_DRAWS))),
            "a call of commits fits",
        ),
        (fits(DispatchClass::Operational, weights::reveal_retrievals(most)), "a call of reveals fits"),
    ];
    rules.iter().find(|(kept, _)| !kept).map_or(Ok(()), |(_, rule)| Err(rule))
}
