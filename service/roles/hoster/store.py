"""A hoster's store: encoded sectors, their trees and each segment's progress.

Plaintext exists only while it is served.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from service.encoding import Frontier, Opening, SectorDecoder
from service.encoding.pool import Digest
from service.encoding.profiles import SECTOR
from service.encoding.treefile import TreeFile
from service.ports import Codec
from service.protocols.copy.job import SegmentJob
from service.protocols.copy.messages import Checkpoint
from service.protocols.copy.receiver import Store, Stored
from service.protocols.copy.stream import Position

from ..common.database import Database, DatabaseError
from .records import job_from_json, job_to_json
from .sectors import SectorFile, SectorsMissing, segment_path, tree_path

_DECODERS = 64
_KNOWN = 64
"""Copies of which what is recorded is kept in memory."""
_READ = 4096
"""Sectors read at a time when a whole segment is looked through (1 MiB)."""


@dataclass(frozen=True, slots=True)
class HostedSegment:
    """A segment of a hosted copy: its job, its durable progress, and the encoder's last checkpoint."""

    job: SegmentJob
    progress: Stored
    checkpoint: Checkpoint | None

    @property
    def end(self) -> int:
        """Where the segment's durable bytes end in the copy stream."""
        return self.job.first_byte + min(self.progress.sectors * SECTOR, self.job.length)


class HostedCopies:
    """The sectors of all copies that this hoster keeps. Every method blocks: call it in a thread."""

    def __init__(self, directory: Path, database: Database) -> None:
        self._directory = directory
        self._db = database
        self._lock = threading.RLock()
        self._decoders: OrderedDict[int, SectorDecoder] = OrderedDict()
        self._known: OrderedDict[int, tuple[HostedSegment, ...]] = OrderedDict()
        self._noting = threading.Lock()
        """Held while these are read and forgotten only: the event loop asks for them, and `_lock` is held for long."""

    # ---- what is there

    def segments(self, copy: int) -> list[HostedSegment]:
        """Return the segments of a copy in the order of the stream."""
        return list(self._segments_of(copy))

    def _segments_of(self, copy: int) -> tuple[HostedSegment, ...]:
        """Return them, kept in memory for copies that were asked for lately: a reader asks for each block."""
        known = self._known.get(copy)
        if known is not None:
            return known
        with self._noting:
            rows = self._db.rows(f"SELECT {_COLUMNS} FROM hosted WHERE copy = ?", (copy,))
            known = tuple(sorted((_hosted(row) for row in rows), key=lambda hosted: hosted.job.first_byte))
            while len(self._known) >= _KNOWN:
                self._known.popitem(last=False)
            self._known[copy] = known
            return known

    def _write(self, copy: int, statement: str, arguments: tuple[Any, ...]) -> None:
        """Change what is recorded of a copy, and read it anew when it is asked for."""
        try:
            self._db.execute(statement, arguments)
        finally:
            with self._noting:
                self._known.pop(copy, None)

    def segment(self, segment: int) -> HostedSegment | None:
        """Return one segment, or None if it was not begun here."""
        row = self._db.row(f"SELECT {_COLUMNS} FROM hosted WHERE segment = ?", (segment,))
        return None if row is None else _hosted(row)

    def copies(self) -> list[int]:
        """Return the numbers of all copies of which anything is kept."""
        return [row[0] for row in self._db.rows("SELECT DISTINCT copy FROM hosted ORDER BY copy")]

    def reached(self, copy: int) -> int:
        """Return the block up to which a copy is stored: later segments have higher numbers."""
        known = self._segments_of(copy)
        return max(known, key=lambda hosted: hosted.job.segment).progress.position.block if known else 0

    def counts(self) -> dict[int, tuple[int, int]]:
        """Return the copy and the durable sectors of each segment."""
        return {row[0]: (row[1], row[2]) for row in self._db.rows("SELECT segment, copy, sectors FROM hosted")}

    # ---- receiving

    def begin(self, job: SegmentJob) -> HostedSegment:
        """Return the segment, ready to receive. It is created if it is new.

        A current segment whose sectors are missing restarts from its first sector: its encoder still has the key. If they
        cannot be read now, nothing is changed. Raises OSError and DatabaseError.
        """
        with self._lock:
            hosted = self.segment(job.segment)
            if hosted is None:
                self._insert(job)
            else:
                try:
                    SectorFile(self._path(job)).prepare(hosted.progress.sectors)
                    self._tree(hosted).close()
                    return hosted
                except SectorsMissing:
                    self._restart(job)
            SectorFile(self._path(job)).prepare(0)
            TreeFile.create(tree_path(self._directory, job.copy, job.segment), job.ctx).close()
            begun = self.segment(job.segment)
            assert begun is not None
            return begun

    def _start(self, job: SegmentJob) -> Position:
        earlier = [s for s in self.segments(job.copy) if s.job.first_byte < job.first_byte]
        return earlier[-1].progress.position if earlier else job.stream.start

    def _insert(self, job: SegmentJob) -> None:
        start = self._start(job)
        self._write(
            job.copy,
            "INSERT INTO hosted (segment, copy, plan, job, sectors, block, offset) VALUES (?, ?, ?, ?, 0, ?, ?)",
            (job.segment, job.copy, job.plan, job_to_json(job), start.block, start.offset),
        )

    def _restart(self, job: SegmentJob) -> None:
        start = self._start(job)
        # the count first: it must never cover what is not there
        self._write(
            job.copy,
            "UPDATE hosted SET sectors = 0, block = ?, offset = ?, checkpoint_sectors = NULL, checkpoint_root = NULL,"
            " checkpoint_signature = NULL WHERE segment = ?",
            (start.block, start.offset, job.segment),
        )
        SectorFile(self._path(job)).remove()

    def store(self, job: SegmentJob, store: Store, tree: TreeFile) -> None:
        """Make a verified run durable: sectors and tree, before `advance` counts them."""
        with self._lock:
            if store.data:
                SectorFile(self._path(job)).write(store.first, store.data)
                tree.append(store.data)
                tree.sync()

    def advance(self, job: SegmentJob, progress: Stored) -> None:
        """Make the new count durable. Everything it covers must be durable already."""
        self._write(
            job.copy,
            "UPDATE hosted SET sectors = ?, block = ?, offset = ? WHERE segment = ?",
            (progress.sectors, progress.position.block, progress.position.offset, job.segment),
        )

    def keep_job(self, job: SegmentJob) -> None:
        """Make a segment's job durable, with the roots that became known since it was begun."""
        self._write(job.copy, "UPDATE hosted SET job = ? WHERE segment = ?", (job_to_json(job), job.segment))

    def keep_checkpoint(self, job: SegmentJob, checkpoint: Checkpoint) -> None:
        """Make the encoder's signature durable."""
        self._write(
            job.copy,
            "UPDATE hosted SET checkpoint_sectors = ?, checkpoint_root = ?, checkpoint_signature = ? WHERE segment = ?",
            (checkpoint.sectors, checkpoint.root, checkpoint.signature, job.segment),
        )

    def tree(self, hosted: HostedSegment) -> TreeFile:
        """Return the tree over the durable sectors, for appending or opening. The caller closes it."""
        return self._tree(hosted)

    def _tree(self, hosted: HostedSegment) -> TreeFile:
        job = hosted.job
        path = tree_path(self._directory, job.copy, job.segment)
        return TreeFile.open(path, job.ctx, hosted.progress.sectors, SectorFile(self._path(job)).read)

    # ---- reading

    def plain(self, copy: int, start: int, end: int) -> bytes:
        """Return bytes [start, end) of the copy stream, decoded but not checked against the feed.

        Raises SectorsMissing if they are not all stored, and OSError and DatabaseError if they cannot be read now.
        """
        return b"".join([self._decode(*piece) for piece in self._pieces(copy, start, end)])

    async def fetch(self, codec: Codec, copy: int, start: int, end: int, digest: Digest) -> tuple[bytes, bytes]:
        """Return what `plain` does, read and decoded by the codec's workers, and what `digest` makes of it.

        Raises PoolClosed, too.
        """
        pieces = self._pieces(copy, start, end)
        if len(pieces) == 1:
            return await self._fetched(codec, *pieces[0], digest)
        data = b"".join([(await self._fetched(codec, *piece, lambda _: b""))[0] for piece in pieces])
        return data, digest(data)

    async def _fetched(
        self, codec: Codec, job: SegmentJob, start: int, end: int, digest: Digest
    ) -> tuple[bytes, bytes]:
        read = SectorFile(self._path(job)).read
        return await codec.decode_read(read, start, end, salt=job.salt, modulus=job.modulus, digest=digest)

    def _pieces(self, copy: int, start: int, end: int) -> list[tuple[SegmentJob, int, int]]:
        """Return where bytes [start, end) of the copy stream are: segment, first byte in it, byte after the last."""
        pieces = []
        for hosted in self.segments(copy):
            job, first, last = hosted.job, max(start, hosted.job.first_byte), min(end, hosted.end)
            if first < last:
                pieces.append((job, first - job.first_byte, last - job.first_byte))
        if sum(last - first for _, first, last in pieces) != end - start:
            raise SectorsMissing(f"copy {copy}: some of the bytes {start} to {end} of its stream are not stored")
        return pieces

    def _sectors(self, job: SegmentJob, start: int, end: int) -> bytes:
        first, last = start // SECTOR, -(-end // SECTOR)
        return SectorFile(self._path(job)).read(first, last - first)

    def _decode(self, job: SegmentJob, start: int, end: int) -> bytes:
        first = start // SECTOR
        plain = self._decoder(job).decode(first, self._sectors(job, start, end))
        return plain[start - first * SECTOR : end - first * SECTOR]

    def _decoder(self, job: SegmentJob) -> SectorDecoder:
        with self._lock:
            decoder = self._decoders.pop(job.segment, None) or SectorDecoder(job.salt, job.modulus)
            self._decoders[job.segment] = decoder
            while len(self._decoders) > _DECODERS:
                self._decoders.popitem(last=False)
            return decoder

    def decode(self, job: SegmentJob, first: int, data: bytes) -> bytes:
        """Decode sectors as they were received."""
        return self._decoder(job).decode(first, data)

    def open_sector(self, segment: int, sector: int, root: bytes, sectors: int) -> Opening:
        """Return the opening of a stored sector, checked against the segment's sectors and their root on the chain.

        Raises SectorsMissing if the segment or a file is missing, and EncodingError (DamagedSectors, DamagedTree, …) if
        the stored data does not lead to the root.
        """
        with self._lock:
            hosted = self.segment(segment)
            if hosted is None:
                raise SectorsMissing(f"segment {segment} is not stored here")
            read = SectorFile(self._path(hosted.job)).read
            if 0 <= sector < sectors:
                # before the tree: in a folder that is gone it cannot be rebuilt, and the loss must be told
                read(sector, 1)
            path = tree_path(self._directory, hosted.job.copy, segment)
            with TreeFile.open(path, hosted.job.ctx, sectors, read, root) as tree:
                return tree.open_sector(sector, read, root=root)

    def short(self, segment: int, sectors: int) -> str | None:
        """Return what is missing of a segment by the size of its file, or None. Its sectors are not read."""
        hosted = self.segment(segment)
        if hosted is None:
            return f"segment {segment} is not stored here"
        path = self._path(hosted.job)
        held = path.stat().st_size // SECTOR if path.exists() else 0
        return f"{path} has {held} of {sectors} sectors" if held < sectors else None

    def fault(self, segment: int, root: bytes, sectors: int) -> str | None:
        """Return why all sectors of a segment do not lead to their root on the chain, or None if they do.

        Raises OSError and DatabaseError if they cannot be read now.
        """
        hosted = self.segment(segment)
        if hosted is None:
            return f"segment {segment} is not stored here"
        file, frontier = SectorFile(self._path(hosted.job)), Frontier(hosted.job.ctx)
        try:
            for first in range(0, sectors, _READ):
                frontier.append(file.read(first, min(_READ, sectors - first)))
        except SectorsMissing as error:
            return str(error)
        return None if frontier.root() == root else f"{file.path}: its sectors do not lead to the root on the chain"

    # ---- the end

    def cut(self, job: SegmentJob, progress: Stored) -> None:
        """Cut a segment to fewer sectors. The count is last: a cut that was cut off is one that is still to be made."""
        with self._lock:
            SectorFile(self._path(job)).prepare(progress.sectors)
            hosted = self.segment(job.segment)
            assert hosted is not None
            self._tree(replace(hosted, progress=progress)).close()
            self.advance(job, progress)

    def drop(self, job: SegmentJob) -> None:
        """Delete a segment that was begun and is of no copy."""
        with self._lock:
            self._remove(job)
            self._write(job.copy, "DELETE FROM hosted WHERE segment = ?", (job.segment,))

    def _remove(self, job: SegmentJob) -> None:
        SectorFile(self._path(job)).remove()
        TreeFile.remove(tree_path(self._directory, job.copy, job.segment))
        self._decoders.pop(job.segment, None)

    def forget(self, copy: int) -> None:
        """Delete a copy's sectors, trees and records, once nothing more can be asked of it."""
        with self._lock:
            for hosted in self.segments(copy):
                self._remove(hosted.job)
            self._write(copy, "DELETE FROM hosted WHERE copy = ?", (copy,))
            folder = self._directory / "copies" / str(copy)
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _path(self, job: SegmentJob) -> Path:
        return segment_path(self._directory, job.copy, job.segment)


_COLUMNS = "job, sectors, block, offset, checkpoint_sectors, checkpoint_root, checkpoint_signature"


def _hosted(row: tuple[Any, ...]) -> HostedSegment:
    text, sectors, block, offset, signed, root, signature = row
    checkpoint = None if signed is None else Checkpoint(signed, root, signature)
    try:
        job = job_from_json(text)
    except (ValueError, KeyError, TypeError) as error:
        raise DatabaseError(
            f"roles.sqlite: a record of a hosted segment is damaged: {error!r}; put the file back from a backup"
        ) from error
    return HostedSegment(job, Stored(sectors, Position(block, offset)), checkpoint)
