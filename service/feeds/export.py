"""Export of a feed: the imported file or folder, or the concatenated blocks of any other feed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import structlog

from service.hypercore import Core

from . import archive
from .encryption import looks_encrypted
from .held import held
from .progress import OnBytes

log = structlog.get_logger(__name__)


class ExportError(Exception):
    """A feed cannot be exported. The message says why."""


def blocks_of(core: Core) -> Iterator[bytes]:
    """Yield every block in order. Raises ExportError at the first one that is missing."""
    for index in range(core.length):
        block = core.get(index)
        if block is None:
            raise _missing(core, index)
        yield block


def _missing(core: Core, index: int) -> ExportError:
    found = held(core)
    what = f"block {index} of it cannot be read" if found.first_missing != index else str(found)
    return ExportError(f"feed {core.key.hex()}: {what}: fetch the feed first")


async def export_feed(core: Core, target: Path, on_progress: OnBytes | None = None) -> None:
    """Write the imported file or folder, or all blocks concatenated, to `target`, which must not exist.

    The target appears whole or not at all. Raises ExportError and ArchiveError.
    """
    if core.length == 0:
        raise ExportError(f"feed {core.key.hex()} is empty, or nothing of it is stored here")
    first = core.get(0)
    if first is None:
        raise _missing(core, 0)
    unpacker = archive.Unpacker() if archive.is_archive(first) else None
    if unpacker is None and looks_encrypted(core):
        log.warning(
            "the blocks of this feed look encrypted: they are written as they are; if they are, give --encryption-key HEX",
            feed=core.key.hex(),
        )
    writer = archive.TreeWriter(target)
    done = 0
    try:
        if unpacker is None:
            writer.write(archive.ArchiveHeader(folder=False))
            writer.write(archive.FileStart(target.name, core.byte_length, False))
        for block in blocks_of(core):
            done += len(block)
            if unpacker is None:
                writer.write(archive.FileData(block, last=False))
            else:
                for event in unpacker.feed(block):
                    writer.write(event)
            if on_progress is not None:
                on_progress(done, core.byte_length)
            await asyncio.sleep(0)
        if unpacker is None:
            writer.write(archive.FileData(b"", last=True))
        else:
            unpacker.finish()
        writer.commit()
    except BaseException:
        writer.abort()
        raise
