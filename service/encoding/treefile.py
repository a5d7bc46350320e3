"""The tree file beside a segment's sectors: the nodes from 64 KiB up, so that openings need not hash everything.

Layout: a header of 64 bytes, "datdot tree" | 0x00 | u8 version (2) | 19 zeros | ctx[32], then the hashes, 32 bytes
each, of all perfect subtrees of 256 sectors or more in post-order. Appending never changes what is there, so a file
that a crash cut short is still right as far as it goes. If the sectors do not end with such a subtree, the node over the
rest follows, and blake2b-256 of "datdot tail" | ctx | u64 sectors | node, by which a node of another count is told apart;
what is appended replaces it. Version 1 had no such node; it is added. All of it can be rebuilt from the sectors.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from service.durable import put_in_place, remove, sync_directory, sync_file

from .errors import DamagedSectors, DamagedTree, SectorError, TreeFileError
from .merkle import HASH, Frontier, Opening, leaf_hashes, node_hash, parents, root_hash
from .profiles import SECTOR

GROUP = 256  # sectors under a lowest stored node
ReadSectors = Callable[[int, int], bytes]  # (first sector, count) -> encoded bytes
_GROUP_HEIGHT = GROUP.bit_length() - 1
_VERSION = 2
_WITHOUT_TAIL = 1
_HEADER = 64


def stored_nodes(groups: int) -> int:
    """Return how many nodes the file holds of a tree with this many complete groups."""
    return 2 * groups - groups.bit_count()


class TreeFile:
    """A segment's tree on disk, growing with its sectors. It must not be used from two threads at once.

    Acknowledge sectors only after `sync`, and pass only acknowledged counts to `open`.
    """

    def __init__(self, path: Path, descriptor: int, ctx: bytes) -> None:
        """Wrap an open file. Only `create` and `open` call this."""
        self.path = path
        self.ctx = ctx
        self._descriptor = descriptor
        self._nodes = 0
        self._pending = bytearray()
        self._frontier = Frontier(ctx, self._keep)
        self._unread: tuple[int, ReadSectors] | None = None
        """How many sectors the frontier does not have yet, as the node over them is recorded; and how to read them."""
        self._tail: bytes | None = None
        """The recorded node over the sectors after the last complete group."""

    # ------------------------------------------------------------------ making and opening

    @classmethod
    def create(cls, path: Path, ctx: bytes) -> TreeFile:
        """Create an empty tree, replacing what was at `path`. It is durable after the first `sync`."""
        if len(ctx) != HASH:
            raise TreeFileError(f"a context has {HASH} bytes, not {len(ctx)}")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        os.pwrite(descriptor, _header(ctx), 0)
        sync_directory(path.parent)
        return cls(path, descriptor, ctx)

    @classmethod
    def open(cls, path: Path, ctx: bytes, sectors: int, read: ReadSectors, root: bytes | None = None) -> TreeFile:
        """Open the tree over the first `sectors` sectors, as it was when that count was acknowledged.

        Nodes beyond that are cut off, and missing ones rebuilt from the sectors. The whole file is rebuilt if it is
        absent or of an unknown version or another context. With `root`, a file that does not lead to it is rebuilt too, but only
        if the sectors do lead to it: with damaged sectors the old nodes stay, because they show which sectors are
        damaged.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return cls.rebuild(path, ctx, sectors, read)
        if os.pread(descriptor, _HEADER, 0) not in (_header(ctx), _header(ctx, _WITHOUT_TAIL)):
            os.close(descriptor)
            return cls.rebuild(path, ctx, sectors, read)
        tree = cls(path, descriptor, ctx)
        try:
            tree._resume(sectors, read)
            if root is None or tree._recorded_root(read) == root:
                if root is not None and tree._tail is None:
                    with suppress(OSError):  # a full disk does not keep what is stored from being shown
                        tree._write_tail()
                return tree
            try:
                whole = cls.rebuild(path, ctx, sectors, read, root)
            except (DamagedTree, DamagedSectors):
                return tree
        except BaseException:
            tree.close()
            raise
        tree.close()
        return whole

    @classmethod
    def rebuild(cls, path: Path, ctx: bytes, sectors: int, read: ReadSectors, root: bytes | None = None) -> TreeFile:
        """Rebuild the file from the sectors, in one step on disk. Raises DamagedTree if they do not lead to `root`."""
        fresh = _fresh(path)
        tree = cls.create(fresh, ctx)
        try:
            for first in range(0, sectors, GROUP):
                tree.append(_read(read, first, min(GROUP, sectors - first)))
            if root is not None and tree.root() != root:
                raise DamagedTree(f"the {sectors} sectors of {path.name} on disk do not lead to the root {root.hex()}")
            tree.sync()
            put_in_place(fresh, path)
        except BaseException:
            tree.close()
            fresh.unlink(missing_ok=True)
            raise
        tree.path = path
        return tree

    @classmethod
    def remove(cls, path: Path) -> None:
        """Delete the file if it is there, and what a rebuilding that was killed left beside it."""
        for one in (path, _fresh(path)):
            remove(one)

    def _resume(self, sectors: int, read: ReadSectors) -> None:
        held = max(0, os.fstat(self._descriptor).st_size - _HEADER) // HASH
        groups = min(sectors // GROUP, _groups_of(held))
        self._nodes = stored_nodes(groups)
        if groups == sectors // GROUP:
            self._tail = self._read_tail(sectors)
        end = _HEADER + HASH * self._nodes + (0 if self._tail is None else 2 * HASH)
        if os.fstat(self._descriptor).st_size != end:
            os.ftruncate(self._descriptor, end)
        frontier = Frontier(self.ctx)
        for height in range(groups.bit_length() - 1, -1, -1):
            if groups >> height & 1:
                index = (groups >> height) - 1
                frontier.push(_GROUP_HEIGHT + height, self._stored(height, index))
        frontier.on_node = self._keep
        self._frontier = frontier
        if self._tail is not None:
            self._unread = sectors - groups * GROUP, read
            return
        for first in range(groups * GROUP, sectors, GROUP):
            self.append(_read(read, first, min(GROUP, sectors - first)))

    def _whole_frontier(self) -> Frontier:
        """Return the frontier over all sectors, with those after the last complete group as they are on the disk."""
        if self._unread is not None:
            (count, read), self._unread = self._unread, None
            self._frontier.append(_read(read, self._frontier.sectors, count))
        return self._frontier

    def _read_tail(self, sectors: int) -> bytes | None:
        """Return the recorded node over the sectors after the last complete group, if there is one for this count."""
        record = os.pread(self._descriptor, 2 * HASH, _HEADER + HASH * stored_nodes(sectors // GROUP))
        node = record[:HASH]
        return node if sectors % GROUP and record[HASH:] == _tail_check(self.ctx, sectors, node) else None

    def _write_tail(self) -> None:
        """Record the node over the sectors after the last complete group, or cut off what an earlier count left."""
        node = self._whole_frontier().tail(_GROUP_HEIGHT)
        end = _HEADER + HASH * self._nodes
        if node is not None:
            os.pwrite(self._descriptor, node + _tail_check(self.ctx, self.sectors, node), end)
            end += 2 * HASH
        os.ftruncate(self._descriptor, end)
        os.pwrite(self._descriptor, _header(self.ctx), 0)
        self._tail = node

    # ------------------------------------------------------------------ growing

    @property
    def sectors(self) -> int:
        """Number of sectors that the tree covers."""
        return self._frontier.sectors + (0 if self._unread is None else self._unread[0])

    def append(self, data: bytes) -> None:
        """Add whole encoded sectors at the end. Raises SectorError for a partial sector."""
        self._whole_frontier().append(data)
        self._tail = None
        if self._pending:
            os.pwrite(self._descriptor, self._pending, _HEADER + HASH * self._nodes)
            self._nodes += len(self._pending) // HASH
            self._pending.clear()

    def _keep(self, height: int, node: bytes) -> None:
        if height >= _GROUP_HEIGHT:
            self._pending += node

    def root(self) -> bytes:
        """Return the root over all sectors so far, the last of them as they are on the disk."""
        return self._whole_frontier().root()

    def _recorded_root(self, read: ReadSectors) -> bytes:
        return self.root_at(self.sectors, read) if self._tail is not None else self.root()

    def sync(self) -> None:
        """Make everything appended so far durable, with the node over the sectors after the last complete group."""
        if self._tail is None:
            self._write_tail()
        sync_file(self._descriptor)

    def close(self) -> None:
        """Close the file. The object cannot be used afterwards."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> TreeFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ opening sectors

    def open_sector(
        self, sector: int, read: ReadSectors, *, sectors: int | None = None, root: bytes | None = None
    ) -> Opening:
        """Return the opening of one sector in the tree over the first `sectors` (default: all).

        This reads 64 KiB, at most twice. With `root` the opening is checked against it. Raises SectorError for an index
        out of range, DamagedSectors if the sector's group on disk is not what the tree recorded, and DamagedTree if
        other damage keeps it from the root.
        """
        total = self._bounded(sectors)
        if not 0 <= sector < total:
            raise SectorError(f"sector {sector} is not among the {total} of the tree")
        group = sector // GROUP
        first, count = group * GROUP, min(GROUP, total - group * GROUP)
        data = _read(read, first, count)
        level, i, siblings = leaf_hashes(self.ctx, first, data), sector - first, []
        while len(level) > 1:
            if i ^ 1 < len(level):
                siblings.append(level[i ^ 1])
            level, i = parents(level), i // 2
        node, index, height = level[0], group, 0
        while total > GROUP << height:
            if index ^ 1 <= (total - 1) // (GROUP << height):
                sibling = self._subtree(height, index ^ 1, total, read)
                siblings.append(sibling)
                node = node_hash(sibling, node) if index & 1 else node_hash(node, sibling)
            index, height = index // 2, height + 1
        if root is None or root_hash(self.ctx, total, node) != root:
            self._diagnose(group, count, level[0], total, root)
        at = (sector - first) * SECTOR
        return Opening(sector, data[at : at + SECTOR], tuple(siblings))

    def _diagnose(self, group: int, count: int, node: bytes, total: int, root: bytes | None) -> None:
        """Raise the reason why the group's hash does not lead to the root.

        Return if no root is known and the group is right.
        """
        recorded = self._stored(0, group) if count == GROUP else self._tail_of(total)
        if recorded is not None and recorded != node:
            raise DamagedSectors(group * GROUP, count)
        if root is not None:
            tail = total % GROUP if self._tail_of(total) is None else 0
            where = f"the last {tail} sectors or " if tail else ""
            raise DamagedTree(f"{where}the tree file {self.path.name} do not lead to the root {root.hex()}")

    def root_at(self, sectors: int, read: ReadSectors) -> bytes:
        """Return the root that the tree had over its first `sectors` sectors, as far as it is recorded."""
        total = self._bounded(sectors)
        height = max(0, (total - 1).bit_length() - _GROUP_HEIGHT)
        return root_hash(self.ctx, total, self._subtree(height, 0, total, read))

    def damaged(self, read: ReadSectors) -> Iterator[tuple[int, int]]:
        """Yield all groups on disk that differ from what was recorded, as (first sector, count).

        Reads everything.
        """
        for group in range(self.sectors // GROUP):
            if self._group(group, self.sectors, read) != self._stored(0, group):
                yield group * GROUP, GROUP
        rest = self.sectors % GROUP
        if self._tail is not None and self._group(self.sectors // GROUP, self.sectors, read) != self._tail:
            yield self.sectors - rest, rest

    def _tail_of(self, total: int) -> bytes | None:
        """Return the recorded node over the last sectors of the tree over the first `total`, or None."""
        return self._tail if total == self.sectors else None

    def _bounded(self, sectors: int | None) -> int:
        total = self.sectors if sectors is None else sectors
        if not 1 <= total <= self.sectors:
            raise SectorError(f"the tree covers {self.sectors} sectors, not {total}")
        return total

    def _subtree(self, height: int, index: int, total: int, read: ReadSectors) -> bytes:
        """Return the node over groups [index·2^height, (index + 1)·2^height) in the tree over the first `total` sectors."""
        if (index + 1) << height <= total // GROUP:
            return self._stored(height, index)
        if height == 0:
            recorded = self._tail_of(total)
            return self._group(index, total, read) if recorded is None else recorded
        left = self._subtree(height - 1, 2 * index, total, read)
        if (2 * index + 1) << (height - 1) > (total - 1) // GROUP:
            return left
        return node_hash(left, self._subtree(height - 1, 2 * index + 1, total, read))

    def _group(self, group: int, total: int, read: ReadSectors) -> bytes:
        first = group * GROUP
        level = leaf_hashes(self.ctx, first, _read(read, first, min(GROUP, total - first)))
        while len(level) > 1:
            level = parents(level)
        return level[0]

    def _stored(self, height: int, index: int) -> bytes:
        last = ((index + 1) << height) - 1  # the group with which this node was completed
        node = os.pread(self._descriptor, HASH, _HEADER + HASH * (stored_nodes(last) + height))
        if len(node) != HASH:
            raise TreeFileError(f"{self.path.name} ends before the node of height {height}, index {index}")
        return node


def _groups_of(nodes: int) -> int:
    """Return the largest number of complete groups whose nodes all lie within the first `nodes`."""
    low, high = nodes // 2, nodes
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if stored_nodes(middle) <= nodes else (low, middle - 1)
    return low


def _header(ctx: bytes, version: int = _VERSION) -> bytes:
    return b"datdot tree\0" + bytes([version]) + bytes(19) + ctx


def _tail_check(ctx: bytes, sectors: int, node: bytes) -> bytes:
    return hashlib.blake2b(b"datdot tail" + ctx + sectors.to_bytes(8, "little") + node, digest_size=HASH).digest()


def _read(read: ReadSectors, first: int, count: int) -> bytes:
    data = read(first, count)
    if len(data) != count * SECTOR:
        raise DamagedSectors(first, count)
    return data


def _fresh(path: Path) -> Path:
    """Return the path at which a tree is rebuilt."""
    return path.with_name(path.name + ".new")
