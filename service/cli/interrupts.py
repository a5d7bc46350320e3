"""Ctrl-C and SIGTERM while a command has not begun yet, and when it has ended. It imports next to nothing."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ENDLESS = (("node",), ("top",), ("devnet",), ("feed", "serve"))
"""Commands that run until a signal ends them: for them it is no failure."""


def end_at_once(arguments: Sequence[str]) -> None:
    """From now on, end the process at a signal, with one line and the right code. Nothing has begun that must be undone."""
    as_json = "--json" in arguments
    words = tuple(word for word in arguments if not word.startswith("-"))
    endless = any(words[: len(name)] == name for name in ENDLESS)

    def end(number: int, frame: FrameType | None) -> None:
        if not endless:
            if as_json:
                os.write(1, b'{"error": {"code": "interrupted", "message": "interrupted", "where": ""}}\n')
            else:
                os.write(2, b"error: interrupted\n")
        os._exit(0 if endless else 1)

    _set(end)


def call_at(act: Callable[[], object]) -> None:
    """From now on, call `act` at a signal, in the main thread, between any two of its instructions."""
    _set(lambda number, frame: act())


def ignore() -> None:
    """From now on, ignore signals: the command has ended, and only its process has not."""
    _set(signal.SIG_IGN)


def _set(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    if _in_main_thread():
        for number in SIGNALS:
            signal.signal(number, handler)


def _in_main_thread() -> bool:
    threading = sys.modules.get("threading")  # not imported: then there is only one
    return threading is None or threading.current_thread() is threading.main_thread()
