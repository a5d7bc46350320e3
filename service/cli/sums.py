"""Sums of money as every command takes them: in the smallest unit, or in UNIT with the word behind it. And who agrees to spend."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from service.units import UNIT, decimal, parse_money

from .asking import agreed
from .output import Output

IN_WORDS = "in the smallest unit, or in UNIT with the word behind it (1.5UNIT)"
MOST = 2**128 - 1
"""The largest sum that the chain has room for."""


def parse_amount(text: str | int) -> int:
    """Return a sum that a command was given, in the smallest unit. Raises BadParameter."""
    try:
        found = parse_money(str(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if found > MOST:
        raise typer.BadParameter(f"{text!r} is more than the chain has room for, {decimal(MOST)} UNIT")
    return found


def parse_gift(text: str | int) -> int:
    """Return a sum above 0. Raises BadParameter."""
    found = parse_amount(text)
    if not found:
        raise typer.BadParameter(f"{text!r}: the sum must be above 0")
    return found


def price_option(text: str, **more: Any) -> Any:
    """Return an option that takes a price."""
    return typer.Option(parser=parse_amount, metavar="X", help=f"{text}, {IN_WORDS}.", **more)


Sum = Annotated[int, typer.Argument(parser=parse_amount, metavar="X", help=f"Amount {IN_WORDS}.")]
Gift = Annotated[int, typer.Argument(parser=parse_gift, metavar="X", help=f"Amount {IN_WORDS}.")]
Pot = Annotated[int, typer.Option(parser=parse_gift, metavar="X", help=f"Money for the pot, {IN_WORDS}.")]
FaucetSum = Annotated[
    int, typer.Option("--amount", parser=parse_amount, metavar="X", help="How much, such as 100UNIT.")
]
FAUCET_GIVES = 1000 * UNIT

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before signing; without a terminal it must be given.")]


def agreed_to_spend(out: Output, yes: bool, question: str = "Sign and send?") -> None:
    """Ask before money is spent: the one rule of all commands that do.

    With --yes, or with --json, which programs use, nobody is asked. Else the answer must be yes, and where nobody sits at a
    terminal it is wrong usage, and nothing is sent.
    """
    if not yes and not out.json:
        agreed(out, question)
