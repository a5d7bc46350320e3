"""The commands of `datdot`, put together, and the exit codes of wrong usage."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from importlib import import_module
from typing import Annotated

import typer
from typer._click import exceptions as click_errors  # typer brings its own click, and shows only some of its errors

from . import output
from .output import EXIT_USAGE, Failure, Output

COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": (
        "init",
        "init",
        "Make a node's file of settings: asks for role, disk, price, chain, addresses, and for a vault its passphrase.",
    ),
    "ratio": (
        "ratio",
        "ratio",
        "Show an account's ratio: what its peers gave, what its plans took, and what an ask of 1 UNIT costs them.",
    ),
    "faucet": (
        "wallet",
        "faucet",
        "Give an account money of a development chain, from its well-known account //Alice.",
    ),
    "status": (
        "status",
        "status",
        "Show how a running node stands. It must have been started with --http HOST:PORT.",
    ),
    "top": (
        "status",
        "top",
        "Keep showing how a running node stands, until Ctrl-C: what datdot status shows, with its alerts and newest events.",
    ),
    "alerts": ("alerts", "alerts_app", "Show a node's alerts, and try its targets."),
    "doctor": (
        "doctor",
        "doctor",
        "Look at disk, codec, reach from outside, peers, chain, clock, money and prices, and say what to do. The node may run.",
    ),
    "bench": (
        "bench",
        "bench",
        "Measure disk, encoding, decoding and hashing on this machine, and say what it would earn at a chain's asks of today.",
    ),
    "verify": (
        "copies",
        "verify",
        "Check the copies that a hoster keeps: every sector against the root on the chain, every block against its feed.",
    ),
    "repair": (
        "copies",
        "repair",
        "Check a copy, and do what can be done: say how to get the feed's tree back, or declare to the chain that it is lost.",
    ),
    "backup": (
        "keeping",
        "backup_node",
        "Back up a node's directory; the node may run. An encoder's private keys are never in it.",
    ),
    "restore": (
        "keeping",
        "restore_node",
        "Make a node's directory of a backup, after each file was compared with what was backed up.",
    ),
    "move": (
        "keeping",
        "move_node",
        "Move a stopped node's directory, to another disk as well. One that was cut off goes on when it is typed again.",
    ),
    "node": (
        "network",
        "node",
        "Run a peer. Options that are not given are those of --config, or of its last run in DIR; the first run creates its keys.",
    ),
    "dht": ("dht", "dht", "Run a node of the DHT by which peers find each other, until Ctrl-C."),
    "relay": (
        "relay",
        "relay",
        "Run a blind relay, until Ctrl-C: peers name its key with --relay, and meet there if nothing else leads to them.",
    ),
    "devnet": ("network", "devnet", "Run a network of peers on this machine. Prints one JSON line when it is ready."),
    "demo": (
        "network",
        "demo",
        "Run the whole job once: publish, place, encode, challenge, attest, pay, lose the author, read back.",
    ),
    "key": ("key", "key_app", "Create and show key files."),
    "vault": ("vault_rotate", "vault_app", "Create, show, import and export vaults: keys that a passphrase locks."),
    "operator": (
        "operator",
        "operator_app",
        "Show, name and revoke who makes a peer's calls for it: the key of its node.",
    ),
    "feed": ("feed", "feed_app", "Create, import, serve, fetch, verify and export feeds (hypercores)."),
    "plan": ("plan", "plan_app", "Publish, show, fund, amend and end plans (orders to keep feeds online)."),
    "wallet": ("wallet", "wallet_app", "Show what an account has and what happened to it; send money."),
    "hoster": ("hoster", "hoster_app", "Show how a hoster stands; pause, leave a copy, say that one is lost."),
    "chain": ("chain", "chain_app", "Show the chain's state and events."),
}
"""Each command or group: its module, its name there, and the first line of its help."""


COMPLETING, COMPLETE_ARGS = "_DATDOT_COMPLETE", "_TYPER_COMPLETE_ARGS"
"""Variables by which a shell asks for what could be typed next."""


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"datdot {version('datdot-service')}\n")
        raise typer.Exit()


class LogFormat(StrEnum):
    """How lines of the log are written."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


def datdot(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
    log_format: Annotated[
        LogFormat,
        typer.Option("--log-format", envvar="DATDOT_LOG_FORMAT", help="Of the log; auto: JSON with --json, else text."),
    ] = LogFormat.AUTO,
) -> None:
    """Keep hypercores online: funded, encoded, proven and paid on a Substrate chain."""
    output.log_format = log_format.value


def program(*wanted: str) -> typer.Typer:
    """Return the program with these commands, and of all others the name and the help.

    Only what is wanted is imported: all together take every start a second.
    """
    app = typer.Typer(name="datdot", no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(datdot)
    for name, (module, attribute, help_line) in COMMANDS.items():
        if name not in wanted:
            app.command(name, help=help_line)(_not_wanted)
            continue
        found = getattr(import_module(f".{module}", __package__), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _not_wanted() -> None:
    raise AssertionError("this command is known by its help only")


def run_command(given: list[str]) -> None:
    """Run a command and exit: with 0 on success, 1 on failure, 2 on wrong usage."""
    wanted = [word for word in given if word in COMMANDS][:1]
    if COMPLETING in os.environ:  # the shell's words stand there, and not in `given`
        wanted = [
            word for word in os.environ.get("COMP_WORDS", os.environ.get(COMPLETE_ARGS, "")).split() if word in COMMANDS
        ]
    try:
        code = program(*wanted)(given, prog_name="datdot", standalone_mode=False)
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
