"""A question before something that cannot be undone, to who sits at the terminal."""

from __future__ import annotations

import signal
import sys

from .interrupts import end_at_once
from .output import EXIT_USAGE, Failure, Output
from .unlocking import at_terminal


def agreed(out: Output, question: str) -> None:
    """Ask, and end the command unless the answer is yes. Without a terminal nobody can be asked: that is wrong usage."""
    if at_terminal() is None:
        out.fail(Failure("usage", "nobody sits at a terminal to be asked: add --yes", "--yes", EXIT_USAGE))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        out.console.print(f"{question} [y/N] ", markup=False, end="")
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        out.fail(Failure("interrupted", "interrupted: nothing was sent"))
    finally:
        end_at_once(sys.argv[1:])
    if answer.strip().lower() not in ("y", "yes"):
        out.fail(Failure("interrupted", "not agreed to: nothing was sent"))
