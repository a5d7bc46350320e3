"""How a key becomes that of an account's operator, as a command that can be pasted: one place for all remedies that say it."""

from __future__ import annotations

from shlex import quote

from service.address import ss58


def how_to_operate(account: str, operator: str, url: str) -> str:
    """Return how an account's own key makes another one its operator, both in SS58, on the chain at `url`, in words."""
    return f"where the vault of {account} is: datdot operator set {operator} --key VAULT --chain {quote(url)}"


def lacking(account: bytes, operator: bytes, url: str) -> dict[str, str]:
    """Return who is not whose operator, and what to do about it, as fields of a line of the log."""
    whose, who = ss58(account), ss58(operator)
    return {"operator": who, "account": whose, "remedy": how_to_operate(whose, who, url)}
