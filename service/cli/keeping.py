"""The commands `datdot backup`, `restore` and `move`: a node's directory as a whole."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from service.disk import shown_size
from service.node.keeping import NodeBackup, backup, move, restore

from .failures import failure_of
from .options import Directory, Json
from .output import Output, configure_logging, run
from .progress import bytes_progress


def backup_node(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The directory that is made; it must not exist.")],
    directory: Directory,
    copies: Annotated[bool, typer.Option("--copies", help="The hosted sectors, too.")] = False,
    with_key: Annotated[bool, typer.Option("--with-key", help="The key file, too, if it lies in DIR.")] = False,
    json: Json = False,
) -> None:
    """Back up a node's directory; the node may run. An encoder's private keys are never in it."""
    out = Output(json, again="nothing was made; type the same command again")
    configure_logging(json)

    async def main() -> None:
        with bytes_progress(out, "backup") as tell:
            kept = await asyncio.to_thread(backup, directory.absolute(), target.absolute(), copies, with_key, tell)
        out.result(_shown(kept, target), _told("backed up to", target, kept))

    run(out, main, lambda error: failure_of(error, str(directory)))


def restore_node(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="A directory that datdot backup made.")],
    directory: Directory,
    json: Json = False,
) -> None:
    """Make a node's directory of a backup, after each file was compared with what was backed up."""
    out = Output(json, again="nothing was made; type the same command again")
    configure_logging(json)

    async def main() -> None:
        with bytes_progress(out, "restore") as tell:
            kept = await asyncio.to_thread(restore, source.absolute(), directory.absolute(), tell)
        out.result(_shown(kept, directory), _told("restored to", directory, kept))

    run(out, main, lambda error: failure_of(error, str(source)))


def move_node(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Where the directory is to be; it must not exist.")],
    directory: Directory,
    json: Json = False,
) -> None:
    """Move a stopped node's directory, to another disk as well. One that was cut off goes on when it is typed again."""
    out = Output(json, again="type the same command again: it goes on where it was")
    configure_logging(json)

    async def main() -> None:
        with bytes_progress(out, "move") as tell:
            left = await asyncio.to_thread(move, directory.absolute(), target.absolute(), tell)
        value = {"dir": str(target), "left": "" if left is None else str(left)}
        told = f"moved: datdot node --dir {target}"
        if left is None:
            told += (
                "\nit lies on the same disk as before: if another was meant, see that it is mounted, and move it again"
            )
        out.result(value, told if left is None else f"{told}\nwhen that runs, remove {left}; never start it again")

    run(out, main, lambda error: failure_of(error, str(directory)))


def _shown(kept: NodeBackup, where: Path) -> dict[str, Any]:
    return {
        "account": kept.account,
        "dir": str(where),
        "made": kept.made,
        "files": len(kept.files),
        "bytes": kept.bytes,
        "left_out": kept.left_out,
    }


def _told(what: str, where: Path, kept: NodeBackup) -> str:
    lines = [f"{what} {where}: {len(kept.files)} files, {shown_size(kept.bytes)}, of {kept.account}"]
    return "\n".join(lines + [f"not in it: {one}" for one in kept.left_out])
