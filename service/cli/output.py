"""What every command shares: results and errors as text or JSON, exit codes, logging and Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, NoReturn, TextIO, cast

import structlog
from rich.console import Console
from typer._click.exceptions import ClickException

from .interrupts import call_at, ignore

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
INTERNAL = "internal"
"""The code of an unexpected error."""


@dataclass(slots=True)
class Failure(Exception):
    """A command's failure: a short machine-readable `code`, what was wrong, and where."""

    code: str
    message: str
    where: str = ""
    exit_code: int = EXIT_FAILED

    def __str__(self) -> str:
        return f"{self.message} ({self.where})" if self.where and self.where not in self.message else self.message


@dataclass(slots=True)
class Output:
    """The destination of a command's results: lines for people, or JSON objects on stdout."""

    json: bool = False
    console: Console = field(default_factory=lambda: Console(highlight=False))
    sent: Callable[[], list[str]] | None = None
    """For a command that signs: which calls were sent and may still take effect."""
    again: str = ""
    """What to do after an interruption."""

    def result(self, value: dict[str, Any], text: str | None = None) -> None:
        """Print one result: the object in JSON mode, otherwise `text`, or the object's fields line by line."""
        if self.json:
            sys.stdout.write(json.dumps(value) + "\n")
            sys.stdout.flush()
        elif text is not None:
            self.console.print(text, markup=False, soft_wrap=True)
        else:
            width = max((len(key) for key in value), default=0)
            for key, item in value.items():
                shown = json.dumps(item) if isinstance(item, dict | list) else item
                self.console.print(f"{key.replace('_', ' '):<{width}}  {shown}", markup=False, soft_wrap=True)

    def fail(self, failure: Failure) -> NoReturn:
        """Print `failure` (JSON: the error object on stdout) and exit with its code."""
        if self.json:
            error = {"code": failure.code, "message": failure.message, "where": failure.where}
            sys.stdout.write(json.dumps({"error": error}) + "\n")
            sys.stdout.flush()
        else:
            Console(stderr=True, highlight=False).print(f"error: {failure}", markup=False, soft_wrap=True)
        raise SystemExit(failure.exit_code)


class LogStream:
    """A stream for logs. A line that cannot be written is dropped: a full disk must not end what it tells of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.dropped = 0

    def write(self, text: str) -> int:
        """Write, or count what is dropped."""
        try:
            return self._stream.write(text)
        except OSError:
            self.dropped += 1
            return len(text)

    def flush(self) -> None:
        """Flush, or count what is dropped."""
        try:
            self._stream.flush()
        except OSError:
            self.dropped += 1


log_format = "auto"
"""What --log-format said: text, json, or auto, which is JSON where results are."""


def configure_logging(as_json: bool, level: str | None = None) -> None:
    """Send structured logs to stderr: JSON lines for machines, otherwise key=value lines."""
    as_json = as_json if log_format == "auto" else log_format == "json"
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"), pad_event_to=0
        )
    )
    chosen = getattr(logging, (level or os.environ.get("DATDOT_LOG", "info")).upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(chosen),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, LogStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


def run(
    out: Output,
    main: Callable[[], Coroutine[Any, Any, None]],
    failures: Callable[[Exception], Failure],
    quiet_interrupt: bool = False,
) -> None:
    """Run `main`. SIGINT and SIGTERM cancel it, so that everything is closed.

    A failure is printed as `failures` maps it. `quiet_interrupt` says that an interruption is the normal end of the
    command.
    """

    async def interruptible() -> None:
        task = asyncio.ensure_future(main())
        loop = asyncio.get_running_loop()
        call_at(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            await task
        finally:
            ignore()  # what is left is to say how it ended

    try:
        asyncio.run(interruptible())
    except asyncio.CancelledError:
        if quiet_interrupt:
            return
        out.fail(Failure("interrupted", _interruption(out), exit_code=EXIT_FAILED))
    except Failure as failure:
        out.fail(failure)
    except ClickException:
        raise  # wrong usage: `datdot.main` shows it, because it knows the command line
    except Exception as error:  # the outermost frame: show every error, lose none
        shown = failures(error)
        if shown.code == INTERNAL:
            logging.getLogger("datdot").error("unexpected error; please report it", exc_info=error)
        out.fail(shown)


def _interruption(out: Output) -> str:
    if out.sent is None:
        return f"interrupted: {out.again}" if out.again and not out.json else "interrupted"
    calls = out.sent()
    if not calls:
        return "interrupted: nothing was sent"
    return (
        f"interrupted: {', '.join(calls)} was sent and may still take effect: type the same command again to hear of it, "
        "it is not paid twice"
    )
