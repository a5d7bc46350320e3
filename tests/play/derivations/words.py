"""Figures as documents write them."""

from __future__ import annotations

from runtime_mock.model.datdot.limits import UNIT


def count(number: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{round(number):,}"


def percent(share: float, digits: int = 0) -> str:
    """Return a share in percent."""
    return f"{100 * share:.{digits}f} %"


def units(amount: float, digits: int = 0) -> str:
    """Return an amount of the smallest unit in UNIT."""
    return f"{amount / UNIT:,.{digits}f}"


def power(number: float, digits: int = 1) -> str:
    """Return a small number as a product with a power of ten."""
    mantissa, exponent = f"{number:.{digits}e}".split("e")
    return f"{mantissa}·10^{int(exponent)}"
