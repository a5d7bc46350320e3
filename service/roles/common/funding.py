"""How an account gets money, as commands that can be pasted: one place for all remedies that say it."""

from __future__ import annotations

from shlex import quote

from service.units import decimal


def transfer_command(account: str, url: str, amount: int | None = None) -> str:
    """Return the command by which somebody else sends an account money on the chain at `url`; None: an amount to be named."""
    what = "AMOUNT" if amount is None else f"{decimal(amount)}UNIT"
    return f"datdot wallet transfer {account} {what} --key FILE --chain {quote(url)}"


def faucet_command(account: str, url: str) -> str:
    """Return the command that gives an account money of a development chain at `url`."""
    return f"datdot faucet {account} --chain {quote(url)}"


def how_to_get(account: str, url: str, amount: int | None = None) -> str:
    """Return how an account, in SS58, gets money on the chain at `url`, in words."""
    sent = transfer_command(account, url, amount)
    return f"{sent} by who has some; on a development chain: {faucet_command(account, url)}"
