"""The commands of `datdot`, put together, and the exit codes of wrong usage."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer._click import exceptions as click_errors  # typer brings its own click, and shows only some of its errors

from .chain import chain_app
from .dht import dht
from .feed import feed_app
from .hoster import hoster_app
from .key import key_app
from .network import demo, devnet, node
from .output import EXIT_USAGE, Failure, Output
from .plan import plan_app
from .ratio import ratio
from .vault import vault_app

app = typer.Typer(
    name="datdot",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(key_app, name="key")
app.add_typer(vault_app, name="vault")
app.add_typer(feed_app, name="feed")
app.add_typer(plan_app, name="plan")
app.add_typer(hoster_app, name="hoster")
app.add_typer(chain_app, name="chain")
app.command()(ratio)
app.command()(node)
app.command()(dht)
app.command()(devnet)
app.command()(demo)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"datdot {version('datdot-service')}\n")
        raise typer.Exit()


@app.callback()
def datdot(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Keep hypercores online: funded, encoded, proven and paid on a Substrate chain."""


def run_command(given: list[str]) -> None:
    """Run a command and exit: with 0 on success, 1 on failure, 2 on wrong usage."""
    try:
        code = app(given, prog_name="datdot", standalone_mode=False)
    except typer.Exit as leaving:
        sys.exit(leaving.exit_code)
    except typer.Abort:
        sys.exit(1)
    except click_errors.ClickException as error:
        context = getattr(error, "ctx", None)
        if "--json" in given:
            where = context.command_path if context is not None else "datdot"
            Output(json=True).fail(Failure("usage", error.format_message(), where, EXIT_USAGE))
        error.show()
        sys.exit(EXIT_USAGE)
    sys.exit(code if isinstance(code, int) else 0)
