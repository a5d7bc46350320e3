"""The worked examples of money and forfeits, by the model's own functions (pallet-spec/README.md sections 9 and 11)."""

from __future__ import annotations

from runtime_mock.model.datdot.limits import DROP_PART, EVICTION_PART, GIB, GIB_SECTORS, POT_PART, PPM, UNIT
from runtime_mock.model.datdot.money import fee, fee_ceil, mul_div
from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS, PRODUCTION
from runtime_mock.model.datdot.ratio import cost, ratio_of
from runtime_mock.model.datdot.segments import paid_sectors
from runtime_mock.model.datdot.tables import collateral_due
from tests.support.model_chain import DictState

from .catalogue import Figures, Said, derive, specified
from .money import Account
from .words import count, units

SIZE = 10 * GIB
ASK, ENCODING = 10**9, 2 * 10**12
REPUTATION, BLOCKS = 900_000, 2_400
FEW, MANY = 3, 300_001
PRICE, PAID = 1_000, 10_000


def _examples_says(found: Figures) -> tuple[Said, ...]:
    parts = ("collateral", "lost", "lost, to the pot", "evicted", "evicted, to the pot", "evicted, burned")
    whole, lost, lost_pot, evicted, pot, burned = (f"{found[part] / UNIT:g}" for part in parts)
    assert lost == lost_pot
    number = {name: count(value) for name, value in found.items()}
    return (
        *specified(
            9,
            f"10 GiB at {units(DEFAULT_AMOUNTS.collateral, 2)} UNIT per GiB: C = {whole} UNIT. A lost copy (1/10): {lost}, all to "
            f"the pot. An evicted one (1/2): {evicted}, {pot} to the pot and {burned} burned.",
        ),
        *specified(
            11,
            f"pay = {number['pay']}.",
            f"{FEW} sectors: fee = {number['fee of few']}. {count(MANY)} sectors: fee = {number['fee of many']}; halves "
            f"{number['half of many']} each.",
            f"× {number['reserved sectors']} / 2^22) = {number['encoding term']}.",
            f"given 4 UNIT, taken 12: q = {number['poor ratio']}; an ask of 1,000 costs {number['poor cost']}; a pot that paid "
            f"10,000 burns {number['poor surcharge']} more. Given 200 UNIT, taken 100: q = 10^6; 10,000 paid burn "
            f"{number['fair surcharge']} more.",
        ),
    )


@derive("examples", "production times and default amounts; the amounts of the examples", _examples_says)
def examples() -> Figures:
    """What the examples of collateral, pay, fees, reserve, ratio and surcharge come to."""
    production = DictState()  # without parameters of its own: those of production
    whole = collateral_due(DEFAULT_AMOUNTS.collateral, SIZE)
    most = whole // POT_PART
    earned = SIZE // GIB * GIB_SECTORS * REPUTATION * BLOCKS
    poor, fair = Account.fresh(), Account.fresh()
    poor.give(4 * UNIT)
    poor.owe(12 * UNIT)
    fair.give(200 * UNIT)
    fair.owe(100 * UNIT)
    assert ratio_of(fair.state, fair.id) == PPM
    many, reserved = fee(ENCODING, paid_sectors(production, MANY)), FEW + PRODUCTION.checkpoint
    return {
        "collateral": whole,
        "lost": whole // DROP_PART,
        "lost, to the pot": min(whole // DROP_PART, most),
        "evicted": whole // EVICTION_PART,
        "evicted, to the pot": min(whole // EVICTION_PART, most),
        "evicted, burned": whole // EVICTION_PART - min(whole // EVICTION_PART, most),
        "pay": mul_div(ASK, earned, by=GIB_SECTORS * PRODUCTION.era * PPM),
        "fee of few": fee(ENCODING, paid_sectors(production, FEW)),
        "fee of many": many,
        "half of many": many - many // 2,
        "reserved sectors": reserved,
        "encoding term": fee_ceil(ENCODING, reserved),
        "poor ratio": ratio_of(poor.state, poor.id),
        "poor cost": cost(poor.state, poor.id, PRICE),
        "poor surcharge": cost(poor.state, poor.id, PAID) - PAID,
        "fair surcharge": cost(fair.state, fair.id, PAID) - PAID,
    }
