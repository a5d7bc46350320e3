"""The commands `datdot alerts`: what needs the operator of a node, and a message to see that telling works."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from service.disk import DISK_ERRORS
from service.node.config import BadSetting, read_file
from service.node.settings import ROLES_FILE, NodeError, NodeSettings
from service.operating.alerts.book import Alert, Category, Severity
from service.operating.alerts.table import PAGE, AlertTable
from service.operating.alerts.targets import TargetError, message, open_targets
from service.operating.facts import shown_alert
from service.operating.shapes import as_json
from service.roles.common.database import Database

from .failures import failure_of
from .options import Directory, Json
from .output import EXIT_USAGE, Failure, Output, configure_logging, run

alerts_app = typer.Typer(help="Show a node's alerts, and try its targets.", no_args_is_help=True)


@alerts_app.command("list")
def list_alerts(
    directory: Directory,
    closed: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=PAGE, help="The newest, at most this many.")] = 50,
    json: Json = False,
) -> None:
    """Show the alerts of a node, newest first: what it is, why it matters, what to do. The node may run."""
    out = Output(json)
    configure_logging(json)
    try:
        path = directory / ROLES_FILE
        if not path.exists():
            raise NodeError(f"{directory} is of no node that ever ran")
        with closing(Database(path)) as database:
            found = AlertTable(database).page(limit, only_open=not closed)
    except (NodeError, *DISK_ERRORS) as error:
        out.fail(failure_of(error, str(directory)))
    if json:
        out.result({"alerts": [as_json(shown_alert(one)) for one in found]})
    else:
        out.result({}, "\n".join(_text(one) for one in found) or "no alert is open")


def _text(one: Alert) -> str:
    until = "" if one.closed is None else f", over {_when(one.closed)}"
    return (
        f"{one.severity.value:<8}  {one.text}\n{'':>8}  since block {one.block}, told {_when(one.opened)}{until}\n"
        f"{'':>8}  why it matters: {one.why}\n{'':>8}  what to do: {one.remedy}"
    )


def _when(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


@alerts_app.command("test")
def try_targets(
    directory: Annotated[Path | None, typer.Option("--dir", metavar="DIR", help="The node's directory.")] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="TOML file of settings.")] = None,
    target: Annotated[
        list[str] | None, typer.Option("--alert-target", metavar="URL", help="A target; may be repeated.")
    ] = None,
    json: Json = False,
) -> None:
    """Send a message to each target of a node's alerts, and say which of them took it."""
    out = Output(json)
    configure_logging(json)
    try:
        urls = _urls(directory, config, target)
        targets = open_targets(urls)
    except BadSetting as error:
        out.fail(Failure("usage", str(error), str(config or ""), EXIT_USAGE))
    except (NodeError, TargetError) as error:
        out.fail(failure_of(error, str(config or directory or "")))
    now = int(time.time())
    text = "this is a test, and all is well"
    alert = Alert(0, "test/", Severity.WARNING, Category.PROGRAM, text, "somebody asked for it", "nothing", 0, now)

    async def main() -> None:
        taken = {one.name: await one.send(*message(alert, "none: a test")) for one in targets}
        out.result({"targets": [{"target": name, "taken": was} for name, was in taken.items()]}, _taken(taken))
        if not all(taken.values()):
            raise Failure("alert_target", "not all targets took the message: see that they are reached", "")

    run(out, main, failure_of)


def _taken(taken: dict[str, bool]) -> str:
    return "\n".join(f"{'taken    ' if was else 'not taken'}  {name}" for name, was in taken.items())


def _urls(directory: Path | None, config: Path | None, target: list[str] | None) -> list[str]:
    """Return the targets that were named. Raises BadSetting and NodeError."""
    if target:
        return target
    if config is not None:
        urls = list(read_file(config).get("alerts_targets", ()))
    elif directory is not None:
        settings = NodeSettings.load(directory)
        urls = [] if settings is None else list(settings.alert_targets)
    else:
        raise BadSetting("name the targets: --dir DIR of a node that has some, --config FILE, or --alert-target URL")
    if not urls:
        raise NodeError(
            "there are no targets: add [alerts] targets to the file of settings, or --alert-target to the node"
        )
    return urls
