"""The reader: gets a feed from whoever has it, checks it, and writes it out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from service.hypercore import Core
from service.hypercore.crypto import leaf_node, parent_node
from service.hypercore.net import ConnectError, Connection, ReplicationError, Replicator, Transport
from service.hypercore.tree import flat

from .archive import format as archive

log = structlog.get_logger(__name__)

OnBytes = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""
CHECK_BLOCKS = 64


class VerifyError(Exception):
    """A feed on this disk that is not what was signed; names the block or the node."""


class ExportError(Exception):
    """A feed that cannot be written out; says why."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What :func:`verify_feed` looked at."""

    length: int
    blocks: int
    byte_length: int


async def fetch_feed(
    core: Core, transport: Transport, peers: Sequence[bytes] | None = None, on_progress: OnBytes | None = None
) -> None:
    """Bring ``core`` to the head that peers show, with all blocks, durable on return.

    ``peers``: swarm keys to ask (default: all that the transport knows). Raises :class:`ReplicationError`.
    """
    wanted = list(peers) if peers is not None else [peer.key for peer in transport.known]
    if not wanted:
        raise ReplicationError(f"core {core.key.hex()}: no peer is known to fetch it from")
    connections, reasons = await connect_all(transport, wanted)
    if not connections:
        raise ReplicationError(f"core {core.key.hex()}: no peer can be reached: {'; '.join(reasons)}")
    try:
        with Replicator(core) as replicator:
            for connection in connections:
                replicator.attach(connection)
            if await replicator.update() == 0:
                raise ReplicationError(f"core {core.key.hex()}: no peer has any of it")
            await replicator.download(0, core.length, _in_bytes(core, on_progress))
    finally:
        for connection in connections:
            connection.close("done")


async def connect_all(transport: Transport, peers: Sequence[bytes]) -> tuple[list[Connection], list[str]]:
    """Connections to those that answer, and why the others did not."""
    results = await asyncio.gather(*(transport.connect(key) for key in peers), return_exceptions=True)
    connections = [one for one in results if isinstance(one, Connection)]
    reasons = []
    for result in results:
        if isinstance(result, ConnectError):
            reasons.append(str(result))
            log.info("peer not reached", reason=str(result))
        elif isinstance(result, BaseException):
            for connection in connections:
                connection.close("given up")
            raise result
    return connections, reasons


def _in_bytes(core: Core, on_progress: OnBytes | None) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None

    def report(done: int, total: int) -> None:
        on_progress(core.byte_length * done // max(1, total), core.byte_length)

    return report


def blocks_of(core: Core) -> Iterator[bytes]:
    """Every block in order. Raises :class:`ExportError` at the first that is not here."""
    for index in range(core.length):
        block = core.get(index)
        if block is None:
            raise ExportError(f"block {index} of feed {core.key.hex()} is not here: fetch it first")
        yield block


async def export_feed(core: Core, target: Path, on_progress: OnBytes | None = None) -> None:
    """Write the imported file or folder, or the blocks one after another, to ``target``, which must not exist.

    It appears whole or not at all. Raises :class:`ExportError` and :class:`archive.ArchiveError`.
    """
    if core.length == 0:
        raise ExportError(f"feed {core.key.hex()} is empty, or nothing of it is here")
    first = core.get(0)
    if first is None:
        raise ExportError(f"block 0 of feed {core.key.hex()} is not here: fetch it first")
    unpacker = archive.Unpacker() if archive.is_archive(first) else None
    writer = archive.TreeWriter(target)
    done = 0
    try:
        if unpacker is None:
            writer.write(archive.Header(folder=False))
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


async def verify_feed(core: Core, on_progress: OnBytes | None = None) -> Verified:
    """Hash every block that is here again, and every tree node above; check the head's signature.

    Raises :class:`VerifyError`.
    """
    if core.length and not core.head_is_signed():
        raise VerifyError(f"the head of {core.length} blocks is not signed by the feed's key")
    blocks = done = 0
    for start, end in core.ranges():
        for index in range(start, end):
            data = core.raw(index)
            node = core.node(2 * index)
            if data is None or node is None or leaf_node(index, data) != node:
                raise VerifyError(f"block {index} of feed {core.key.hex()} is not the block that was signed")
            _check_path(core, 2 * index)
            blocks += 1
            done += len(data)
            if on_progress is not None:
                on_progress(done, core.byte_length)
            if blocks % CHECK_BLOCKS == 0:
                await asyncio.sleep(0)
    return Verified(core.length, blocks, done)


def _check_path(core: Core, index: int) -> None:
    """Where ``index`` is a right child (or the last under its root), its parent must be the hash of both children."""
    roots = {root.index for root in core.roots()}
    while index not in roots:
        left, right = sorted((index, flat.sibling(index)))
        index = flat.parent(index)
        pair = core.node(left), core.node(right)
        if pair[0] is None or pair[1] is None or parent_node(pair[0], pair[1]) != core.node(index):
            raise VerifyError(f"tree node {index} of feed {core.key.hex()} is not the hash of its children")
