"""What a hoster is told to do about an open challenge: the same words in its status, its journal and its alerts."""

from __future__ import annotations

from collections.abc import Iterable

MEANWHILE = "nothing new is placed and nothing is earned"
"""What holds from the first deadline on."""
AFTER = "After that all copies end, and half of their collateral is taken"
"""What the last deadline means."""


def answer(by: int, asked: Iterable[int] = ()) -> str:
    """Return how an open challenge is met, until a block. `asked` are the copies that it asks for, if they are known."""
    numbers = ", ".join(str(copy) for copy in sorted(set(asked)))
    which = f" that it asks for ({numbers})" if numbers else ""
    return (
        f"by block {by}: answer the challenge, as a running node does by itself; if the disk lost a copy{which}, say so "
        "first: datdot hoster lost COPY"
    )
