"""The two columns of parameters (pallet-spec/README.md section 17), their rules, and genesis."""

from __future__ import annotations

from dataclasses import astuple, fields
from functools import lru_cache
from typing import Any, TypeVar

from ..frame.dispatch import RuntimePanic
from ..storage import State
from .items import Amount, Time
from .limits import (
    ERAS,
    KEEP_ERAS,
    MAX_AMOUNT,
    MAX_MEMORY,
    MAX_SEATS,
    PAUSE_ERAS,
    REPORT_AGE,
    SEEDS,
    UNIT,
)
from .types import Amounts, Times

# A day is 14,400 blocks. Nothing here exceeds a thousand days, so block arithmetic in u32 never overflows.
LONGEST = 14_400_000

# The default column: 6 s blocks.
PRODUCTION = Times(
    era=14_400,
    seed_delay=4,
    decline_window=600,
    encoder_wait=7_200,
    begin_window=600,
    lease=7_200,
    mean_gap=2_400,
    proof_window=1_200,
    probe_blocks=13_000,
    reveal_from=100,
    settle_from=2_500,
    settle_to=28_800,
    end_notice=100_800,
    memory=64,
    seats=9,
    quorum=5,
    probe_bytes=1 << 20,
    plan_eras=180,
    pause=4_032,
    checkpoint=1 << 18,
    report_window=600,
)

# The development column: 500 ms blocks.
DEVELOPMENT = Times(
    era=24,
    seed_delay=4,
    decline_window=4,
    encoder_wait=40,
    begin_window=20,
    lease=240,
    mean_gap=5,
    proof_window=30,
    probe_blocks=14,
    reveal_from=3,
    settle_from=12,
    settle_to=48,
    end_notice=10,
    memory=1,
    seats=9,
    quorum=2,
    probe_bytes=64 << 10,
    plan_eras=1_000,
    pause=6,
    checkpoint=256,
    report_window=20,
)

DEFAULT_AMOUNTS = Amounts(
    peer_fee=UNIT,
    publish_fee=UNIT // 10,
    min_donation=UNIT // 100,
    collateral=UNIT // 20,
    encoder_bond=100 * UNIT,
    attester_bond=10 * UNIT,
    begin_fine=UNIT // 50,
    stall_fine=UNIT // 100,
    retry_fee=UNIT // 100,
    slot_fee=UNIT // 2,
    report_price=UNIT // 1_000,
    tick_fee=UNIT // 1_000,
)


def broken_rule(t: Times) -> str | None:
    """Return the first rule that the times break, or None."""
    waits = (
        t.era,
        t.seed_delay,
        t.decline_window,
        t.encoder_wait,
        t.begin_window,
        t.lease,
        t.mean_gap,
        t.proof_window,
        t.end_notice,
        t.settle_to,
        t.report_window,
    )
    rules = (
        (all(1 <= wait <= LONGEST for wait in waits), "every wait >= 1, and at most 14,400,000"),
        (t.seed_delay < SEEDS, "SeedDelay < 256"),
        (t.seed_delay < t.lease, "SeedDelay < Lease"),
        (0 < t.probe_blocks < t.era, "0 < ProbeBlocks < Era"),
        (0 < t.reveal_from < t.settle_from <= t.era, "0 < RevealFrom < SettleFrom <= Era"),
        (t.settle_from < t.settle_to <= 2 * t.era, "SettleFrom < SettleTo <= 2 Era"),
        (t.proof_window <= KEEP_ERAS * t.era, "ProofWindow <= 3 Era"),
        (1 <= t.quorum <= t.seats <= MAX_SEATS, "1 <= Quorum <= Seats <= 16"),
        (t.memory <= MAX_MEMORY, "Memory <= 64"),
        (t.plan_eras >= 1 and t.plan_eras * t.era <= LONGEST, "1 <= plan length, at most 14,400,000 blocks"),
        (t.pause < PAUSE_ERAS * t.era, "Pause < 14 Era"),
        (1 <= t.checkpoint < 1 << 24, "1 <= Checkpoint < 2^24"),
        (t.report_window > REPORT_AGE, "ReportWindow > 4"),
        (ERAS > KEEP_ERAS, "Era(r) outlives what is tested in r"),
    )
    return next((rule for kept, rule in rules if not kept), None)


def valid_amounts(amounts: Amounts) -> bool:
    """Return whether no amount exceeds 10^24, and donations are above zero."""
    return all(amount <= MAX_AMOUNT for amount in astuple(amounts)) and amounts.min_donation > 0


# Parameters are read in every block and call and hardly ever change, so decoded records are cached by their bytes.


@lru_cache(maxsize=16)
def _times(raw: bytes) -> Times:
    return Time.codec.decode(raw)


@lru_cache(maxsize=16)
def _amounts(raw: bytes) -> Amounts:
    return Amount.codec.decode(raw)


def times(s: State) -> Times:
    """Return the time spans, which genesis always writes."""
    raw = s.get(Time.key)
    return PRODUCTION if raw is None else _times(raw)


def amounts(s: State) -> Amounts:
    """Return the amounts in force."""
    raw = s.get(Amount.key)
    return DEFAULT_AMOUNTS if raw is None else _amounts(raw)


R = TypeVar("R")


def _from_json(kind: type[R], config: Any, bits: int) -> R:
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for name in names:
        value = config.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value >> bits:
            raise ValueError(f"genesis: datDot's {name!r} is {value!r}, not a number in range")
    return kind(*(config[name] for name in names))


def build_genesis(s: State, config: dict[str, Any]) -> None:
    """Write the `datDot` part of the genesis JSON, `times` and `amounts`.

    Raises ValueError for malformed JSON, and RuntimePanic for parameters that break a rule.
    """
    for part in ("times", "amounts"):
        if not isinstance(config.get(part), dict):
            raise ValueError(f"genesis: datDot has no {part!r}")
    chosen = _from_json(Times, config["times"], 32)
    sums = _from_json(Amounts, config["amounts"], 128)
    rule = broken_rule(chosen)
    if rule is not None:
        raise RuntimePanic(f"times of genesis break a rule: {rule}")
    if not valid_amounts(sums):
        raise RuntimePanic("an amount of genesis is too large")
    Time.put(s, chosen)
    Amount.put(s, sums)
