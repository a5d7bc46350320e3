"""How figures stand on pages: one formatter for each kind. Pure."""

from __future__ import annotations

from markupsafe import Markup

from service.operating.objects import HeldCopy
from service.units import DIGITS, GIB, KIB, MIB, TIB, UNIT

STATES = {"good": "good", "warn": "warn", "bad": "bad", "err": "bad"}
"""The class of a state's colour; every other state is ink."""
LEVELS = {"note": "wait", "warning": "warn", "penalty": "bad"}
"""The mark of a line's level."""
COPY_WORDS = {
    "Offered": ("wait", "Offered"),
    "Accepted": ("half", "Waits for an encoder"),
    "Assigned": ("half", "Being made"),
    "Begun": ("half", "Being made"),
    "Encoding": ("half", "Being made"),
    "Active": ("good", "Served"),
    "Ended": ("wait", "Ended"),
}
"""What the chain's states of a copy are called, each with its mark."""
_SIZES = ((TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))


def amt(amount: int, full: bool = False) -> Markup:
    """Return a sum in UNIT as an element that copies as a number: digits in threes, leading zeros quiet.

    With `full` all twelve digits stand there, so that points align in columns. A sum below 0 has a minus.
    """
    whole, rest = divmod(abs(amount), UNIT)
    digits = f"{rest:0{DIGITS}}"
    groups = [digits[at : at + 3] for at in range(0, DIGITS, 3)]
    while not full and len(groups) > 1 and groups[-1] == "000":
        groups.pop()
    quiet, loud, leading = "", "", whole == 0
    for place, part in enumerate([f"{whole:,}.", *groups]):
        leading = leading and (place == 0 or part == "000")
        cell = part if place < 2 else f"<i>{part}</i>"
        quiet, loud = (quiet + cell, loud) if leading else (quiet, loud + cell)
    inside = f'<span class="z">{quiet}</span>{loud}' if quiet and loud else quiet + loud
    return Markup(f'<data class="amt" value="{amount}">{"−" if amount < 0 else ""}{inside}</data>')


def signed(amount: int, full: bool = True) -> Markup:
    """Return a change of money: with a plus if it is above 0."""
    return Markup("+" if amount > 0 else "") + amt(amount, full)


def size(count: int) -> str:
    """Return a number of bytes for people: to three digits."""
    for unit, name in _SIZES:
        if count >= unit:
            return f"{count / unit:.3g} {name}" if count < 1000 * unit else f"{count // unit:,} {name}"
    return f"{count} B"


def number(value: int) -> str:
    """Return a whole number with its digits in threes."""
    return f"{value:,}"


def percent(ppm: int) -> str:
    """Return millionths as a percentage with one digit after the point."""
    return f"{ppm / 10_000:.1f} %"


def seconds(value: float) -> str:
    """Return a duration in words."""
    whole = int(value)
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if whole >= 2 * unit:
            return f"{whole // unit} {name}"
    return f"{whole} s"


def ago(value: float) -> str:
    """Return when something was that many seconds before now."""
    return "now" if value < 1 else f"{seconds(value)} ago"


def short(text: str) -> str:
    """Return the first eight signs of an account or key, by which it is told from others."""
    return text[:8]


def count(many: int, one: str, more: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{many:,} {one if many == 1 else more or one + 's'}"


def copy_state(copy: HeldCopy) -> tuple[str, str]:
    """Return the mark and the word of a copy's state."""
    if copy.state == "Active" and copy.strikes:
        return "warn", f"Served, {count(copy.strikes, 'strike')}"
    if copy.state == "Active" and copy.leaving:
        return "half", "Served, leaving"
    return COPY_WORDS.get(copy.state, ("wait", copy.state))


def first_up(text: str) -> str:
    """Return a sentence with its first letter large."""
    return text[:1].upper() + text[1:]
