"""The commands `datdot node`, `datdot devnet` and `datdot demo`."""

from __future__ import annotations

import asyncio
import json as json_module
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from service.devnet.demo import run_demo
from service.devnet.network import BACKENDS, Devnet, fork_peers, run_devnet
from service.node.config import BadOption, BadSetting, Resolved, resolve
from service.node.editing import SettingsFile
from service.node.run import run_node
from service.node.settings import KEY_FILE, NodeError, NodeSettings

from . import main as datdot
from .addresses import parse_peers
from .failures import failure_of
from .node_options import (
    AlertTargetSetting,
    AnnounceSetting,
    AskDiskSetting,
    AskEncodingSetting,
    AskReceivingSetting,
    AskReportSetting,
    BootstrapSetting,
    CapacitySetting,
    ChainSetting,
    ConfigFile,
    HttpNameSetting,
    HttpReaderSetting,
    HttpSetting,
    ListenSetting,
    PeerSetting,
    RegionSetting,
    RelaySetting,
    ReserveSetting,
    RolesSetting,
    SlotsSetting,
    UploadLimitSetting,
)
from .options import DEFAULT_CHAIN, Directory, Json, Key, PassphraseFile, Peers, checked_url
from .output import EXIT_FAILED, EXIT_USAGE, Failure, LogStream, Output, configure_logging, run
from .progress import NodeLines
from .unlocking import node_passphrase

log = structlog.get_logger(__name__)


def _checked_chain(chain: str) -> str:
    """Return a backend's name or an RPC address as given. Raises BadParameter for anything else."""
    if chain in BACKENDS:
        return chain
    try:
        checked_url(chain)
    except typer.BadParameter:
        raise typer.BadParameter(
            f"{chain!r} is neither {' nor '.join(BACKENDS)} nor an address such as {DEFAULT_CHAIN}"
        ) from None
    return chain


Which = Annotated[
    str,
    typer.Option(
        "--chain",
        metavar="model|wasm|ws://…",
        callback=_checked_chain,
        help="Backend of a mock chain, or a chain's RPC address.",
    ),
]


def node(
    directory: Directory,
    chain: ChainSetting = None,
    roles: RolesSetting = None,
    listen: ListenSetting = None,
    announce: AnnounceSetting = None,
    peer: PeerSetting = None,
    bootstrap: BootstrapSetting = None,
    relay: RelaySetting = None,
    upload_limit: UploadLimitSetting = None,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    config: ConfigFile = None,
    capacity: CapacitySetting = None,
    reserve: ReserveSetting = None,
    ask_disk: AskDiskSetting = None,
    ask_receiving: AskReceivingSetting = None,
    region: RegionSetting = None,
    ask_encoding: AskEncodingSetting = None,
    ask_report: AskReportSetting = None,
    slots: SlotsSetting = None,
    http: HttpSetting = None,
    http_name: HttpNameSetting = None,
    http_reader: HttpReaderSetting = None,
    alert_target: AlertTargetSetting = None,
    json: Json = False,
) -> None:
    """Run a peer. Options that are not given are those of --config, or of its last run in DIR; the first run creates its keys."""
    given = {
        "chain": chain,
        "roles": roles,
        "listen": listen,
        "announce": announce,
        "peers": peer,
        "bootstrap": bootstrap,
        "relay": relay,
        "upload_limit": upload_limit,
        "key": None if key is None else str(key.absolute()),
        "passphrase_file": None if passphrase_file is None else str(passphrase_file.absolute()),
        "hosting_capacity": capacity,
        "hosting_reserve": reserve,
        "hosting_ask_disk": ask_disk,
        "hosting_ask_receiving": ask_receiving,
        "hosting_region": region,
        "encoding_ask": ask_encoding,
        "attesting_ask": ask_report,
        "attesting_slots": slots,
    }
    given |= {"http_listen": http, "http_names": http_name, "http_readers": http_reader, "alerts_targets": alert_target}
    _run_node(Output(json), directory, given, config)


def _run_node(out: Output, directory: Path, given: dict[str, Any], config: Path | None) -> None:
    configure_logging(out.json)
    try:
        found = resolve(given, config, _settings_before(out, directory))
    except BadOption as error:
        raise typer.BadParameter(str(error)) from error
    except BadSetting as error:
        out.fail(Failure("usage", str(error), str(config or ""), EXIT_USAGE))
    settings = found.settings
    file = None if config is None else config.absolute()
    passphrase = node_passphrase(out, settings.key or directory / KEY_FILE, settings.passphrase_path)

    async def main() -> None:
        changes: asyncio.Queue[Resolved] = asyncio.Queue()
        before = None if settings.genesis is None else settings
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGHUP, lambda: _read_again(given, config, before, changes)
        )
        await run_node(
            directory,
            settings,
            out.result,
            _progress_lines(out),
            found.config,
            passphrase=passphrase,
            changes=changes,
            editor=SettingsFile(file, given, before, changes),
        )

    run(out, main, lambda error: failure_of(error, str(directory)), quiet_interrupt=True)


def _read_again(
    given: dict[str, Any], config: Path | None, before: NodeSettings | None, changes: asyncio.Queue[Resolved]
) -> None:
    """Read the file of settings again, at SIGHUP. What is wrong in it is told, and changes nothing."""
    if config is None:
        log.warning("there is no file of settings to read again: this node was started without --config")
        return
    try:
        changes.put_nowait(resolve(given, config, before))
    except NodeError as error:
        log.error("the settings stay as they are", error=str(error))


def _settings_before(out: Output, directory: Path) -> NodeSettings | None:
    try:
        return NodeSettings.load(directory)
    except NodeError as error:
        out.fail(failure_of(error, str(directory)))


def _progress_lines(out: Output) -> Callable[[dict[str, object]], None]:
    lines = NodeLines()
    stream = LogStream(sys.stdout)

    def tell(event: dict[str, object]) -> None:
        lines(event)
        if out.json:
            stream.write(json_module.dumps(event) + "\n")
            stream.flush()

    return tell


def devnet(directory: Directory, chain: Which = "model", peer: Peers = None, json: Json = False) -> None:
    """Run a network of peers on this machine. Prints one JSON line when it is ready."""
    out = Output(json=True)
    configure_logging(json)
    parse_peers(peer)
    forked = fork_peers(datdot)

    async def main() -> None:
        await run_devnet(Devnet(directory.absolute(), chain, tuple(peer or ()), forked=forked), out.result)

    run(out, main, lambda error: failure_of(error, str(directory)), quiet_interrupt=True)


def demo(
    path: Annotated[Path | None, typer.Argument(exists=True, help="What to import (default: this repository).")] = None,
    chain: Which = "model",
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir", metavar="DIR", help="Keep everything the peers store here (default: a temporary folder)."
        ),
    ] = None,
    replicas: Annotated[int, typer.Option(min=1, max=4, help="Number of copies.")] = 3,
    json: Json = False,
) -> None:
    """Run the whole job once: publish, place, encode, challenge, attest, pay, lose the author, read back."""
    out = Output(json)
    configure_logging(json, None if json else "warning")
    forked = fork_peers(datdot)

    async def main() -> None:
        result = await run_demo(
            path, chain, directory and directory.absolute(), replicas, out.console if not json else None, forked
        )
        if json:
            out.result(result)
        if not result["ok"]:
            if not json:
                out.console.print(f"failed: {result['reason']}", markup=False, soft_wrap=True)
            raise SystemExit(EXIT_FAILED)

    run(out, main, failure_of)
