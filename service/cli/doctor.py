"""The command `datdot doctor`: this machine, the chain, the account and the peers, before they hurt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from service import durable
from service.node.config import BadSetting, resolve
from service.node.doctor import examine
from service.node.findings import Finding, Grade
from service.node.settings import KEY_FILE, NodeError, NodeSettings
from service.vault import KeyFileError, PublicKeys, public_keys

from .failures import failure_of
from .options import Directory, Json
from .output import EXIT_USAGE, Failure, Output, configure_logging, run
from .status import ask, url_of

FILE = "node.toml"


def doctor(
    directory: Directory,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="TOML file of settings (default: DIR/node.toml)."),
    ] = None,
    chain: Annotated[str | None, typer.Option("--chain", metavar="URL", help="Another chain's RPC address.")] = None,
    json: Json = False,
) -> None:
    """Look at disk, codec, reach from outside, peers, chain, clock, money and prices, and say what to do. The node may run."""
    out = Output(json)
    configure_logging(json)
    usual = directory / FILE
    file = config or (usual if usual.exists() else None)
    try:
        before = NodeSettings.load(directory)
        found = resolve({"chain": chain}, file, before)
    except BadSetting as error:
        out.fail(Failure("usage", str(error), str(file or directory), EXIT_USAGE))
    except NodeError as error:
        out.fail(failure_of(error, str(directory)))
    keys = _keys(found.settings.key or directory / KEY_FILE)

    async def ask_running() -> dict[str, Any]:
        try:
            return await ask(f"{url_of(directory)}/api/reach")
        except Failure as error:
            raise NodeError(error.message) from error

    async def main() -> None:
        durable.make_private_if_missing(directory)
        seen = []
        async for one in examine(directory, found.settings, found.config, keys, ask_running):
            seen.append(one)
            if not json:
                out.result({}, _text(one))
        if json:
            out.result({"findings": [_shown(one) for one in seen]})
        if any(one.level is Grade.BAD for one in seen):
            raise Failure("unfit", "with this the node does not do its work: see what to do above", str(directory))

    run(out, main, lambda error: failure_of(error, str(directory)))


def _keys(key: Path | str) -> PublicKeys | None:
    """Return the node's public keys, None before it has any."""
    try:
        return public_keys(key)
    except (KeyFileError, OSError):
        return None


def _shown(one: Finding) -> dict[str, str]:
    return {"what": one.what, "level": one.level.value, "text": one.text, "remedy": one.remedy}


def _text(one: Finding) -> str:
    line = f"{one.level.value:<8} {one.what:<11} {one.text}"
    return f"{line}\n{'':>20} what to do: {one.remedy}" if one.remedy else line
