"""The commands `datdot node`, `datdot devnet` and `datdot demo`."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from service.devnet.demo import run_demo
from service.devnet.network import BACKENDS, Devnet, run_devnet
from service.node.run import run_node
from service.node.settings import KEY_FILE, ROLES, NodeError, NodeSettings

from .addresses import parse_announce, parse_bootstrap, parse_listen, parse_peers
from .failures import failure_of
from .options import DEFAULT_CHAIN, Announce, Bootstrap, Directory, Json, Key, PassphraseFile, Peers, checked_url
from .output import EXIT_FAILED, EXIT_USAGE, Failure, LogStream, Output, configure_logging, run
from .progress import NodeLines
from .unlocking import node_passphrase


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
    chain: Annotated[
        str | None,
        typer.Option(
            "--chain", envvar="DATDOT_CHAIN", metavar="URL", callback=checked_url, help="The chain's RPC address."
        ),
    ] = None,
    roles: Annotated[str | None, typer.Option(metavar="a,b", help=f"Some of {', '.join(ROLES)}.")] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Port 0 picks a free one.")
    ] = None,
    announce: Announce = None,
    peer: Peers = None,
    bootstrap: Bootstrap = None,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Run a peer. Options that are not given are those of its last run in DIR; the first run creates its keys."""
    out = Output(json)
    configure_logging(json)
    parse_peers(peer)
    parse_bootstrap(bootstrap)
    told = parse_announce(announce)
    given = _roles_of(roles)
    before = _settings_before(out, directory)
    if before is None and given is None:
        out.fail(Failure("usage", "the first start of a node needs --roles", "--roles", EXIT_USAGE))
    used = str(key.absolute()) if key else before.key if before else None
    unlocked = passphrase_file.absolute() if passphrase_file else before.passphrase_path if before else None
    passphrase = node_passphrase(out, used or directory / KEY_FILE, unlocked)
    at = parse_listen(listen) if listen else (before.host, before.port) if before else ("127.0.0.1", 0)
    settings = NodeSettings(
        chain=chain or (before.chain if before else DEFAULT_CHAIN),
        roles=tuple(given) if given else before.roles if before else (),
        host=at[0],
        port=at[1],
        peers=tuple(peer) if peer else before.peers if before else (),
        bootstrap=tuple(bootstrap) if bootstrap else before.bootstrap if before else (),
        key=used,
        passphrase_file=None if unlocked is None else str(unlocked),
        genesis=before.genesis if before else None,
        announce=told or (before.announce if before else None),
    )

    async def main() -> None:
        await run_node(directory, settings, out.result, _progress_lines(out), passphrase=passphrase)

    run(out, main, lambda error: failure_of(error, str(directory)), quiet_interrupt=True)


def _roles_of(text: str | None) -> list[str] | None:
    given = None if text is None else text.split(",")
    if given is not None and (len(set(given)) < len(given) or not set(given) <= set(ROLES)):
        raise typer.BadParameter(f"--roles {text}: a node's roles are some of {', '.join(ROLES)}, each once")
    return given


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

    async def main() -> None:
        await run_devnet(Devnet(directory.absolute(), chain, tuple(peer or ())), out.result)

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

    async def main() -> None:
        result = await run_demo(
            path, chain, directory and directory.absolute(), replicas, out.console if not json else None
        )
        if json:
            out.result(result)
        if not result["ok"]:
            if not json:
                out.console.print(f"failed: {result['reason']}", markup=False, soft_wrap=True)
            raise SystemExit(EXIT_FAILED)

    run(out, main, failure_of)
