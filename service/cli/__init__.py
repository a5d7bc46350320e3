"""The command `datdot`: signals first, then the commands, whose imports take a while."""

from __future__ import annotations

import sys

from .interrupts import end_at_once


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: with 0 on success, 1 on failure, 2 on wrong usage."""
    given = sys.argv[1:] if arguments is None else arguments
    end_at_once(given)
    from .commands import run_command  # a second or more, in which Ctrl-C must not show a traceback

    run_command(given)
