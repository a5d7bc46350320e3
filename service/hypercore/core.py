"""One hypercore: append, apply what a peer proves, and truncate, on top of a `CoreStorage`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from .codec import MAX_UINT, CodecError
from .conflict import Conflict, HistoryHead, contradiction
from .crypto import BlockCipher, Node, leaf_node, parent_node, tree_hash
from .heads import Appended, Available, Change, Dropped, Truncated
from .manifest import Authority, Manifest, ManifestError
from .store.bitfield import PAGE_BITS, Bitfield
from .store.conflicts import ConflictTable
from .store.storage import CoreRecord, CoreStorage
from .stored import CoreError, StoredCore
from .tree import checking, flat
from .tree.proof import Batch, BlockProof, HashProof, OtherTree, Proof, ProofError, Unconnected

MAX_PENDING = 256
"""Applied answers after which the changes are committed."""
MAX_PENDING_BYTES = 16 * 1024 * 1024
"""Bytes of applied answers after which the changes are committed."""
MAX_BLOCK_BYTES = (1 << 24) - 1 - 4096
"""Largest block that fits into one message, with room for its proof."""

MAX_SHUNNED = 256
"""Peers of which no more of a core is taken that are remembered."""

Listener = Callable[[Change], None]


class Core(StoredCore):
    """A hypercore, made by a `Corestore`. It must not be used from more than one thread at a time."""

    def __init__(
        self, storage: CoreStorage, record: CoreRecord, commit: Callable[[], None], undo: Callable[[], None]
    ) -> None:
        super().__init__(storage, record)
        self._commit_all, self._undo_all = commit, undo
        self._listeners: list[Listener] = []
        self._pending = self._pending_bytes = 0
        self._shunned: dict[bytes, int] = {}

    def use_encryption(self, encryption_key: bytes) -> None:
        """Decrypt with this key from now on, and store it. Raises CoreError if the core has another one."""
        known = self._record.encryption_key
        if known == encryption_key:
            return
        if known is not None or self.writable:
            raise CoreError(f"core {self.key.hex()} has {'another' if known is not None else 'no'} encryption key")
        compat = self._authority is not None and self._authority.compat
        self._cipher = BlockCipher(self.key, encryption_key, compat)
        self._record.encryption_key = encryption_key
        if not self._storage.read_only:
            self._storage.put_encryption(self._record.id, encryption_key)
            self.flush()

    # ---- writing

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Make one commit on top of what is stored now, or none at all.

        Two appends to the same length would be two signed heads that contradict each other, and every peer would refuse
        the core from then on. So what another process wrote is taken over first. What other cores of the store have not
        committed yet is committed before, so that it does not go with this change if that cannot be made.
        """
        self.flush()
        self._storage.begin()
        try:
            stored = self._storage.head(self._record.id)
            if stored is None:
                raise CoreError(f"core {self.key.hex()} was removed")
            if stored != (self.fork, self.length):
                record = self._storage.find("key", self.key)
                assert record is not None
                self.reload(record)
            yield
            self.flush()
        except BaseException:
            self._undo_all()
            raise

    def append(self, blocks: bytes | Sequence[bytes]) -> int:
        """Append blocks and return the new length. Blocks and signed head are durable on return.

        Raises CoreError, and StorageError if they cannot be written, in which case nothing of them is stored.
        """
        if self._pair is None or self._authority is None:
            raise CoreError(f"core {self.key.hex()} is read-only here: its secret key is not in this store")
        many = [blocks] if isinstance(blocks, bytes) else list(blocks)
        if not many:
            return self.length
        with self._writing():
            before, length = self.length, self.length + len(many)
            stored, nodes, roots = self._grown(many)
            self._storage.put_blocks(self._record.id, stored)
            self._nodes.put(nodes)
            self._bits.set_range(before, length)
            self._sign(roots, length, self.fork)
        self._tell(Appended(length))
        self._tell(Available(before, length))
        return length

    def _grown(self, many: list[bytes]) -> tuple[list[tuple[int, bytes]], list[Node], list[Node]]:
        """Return the blocks as they are stored, the nodes they bring, and the roots with them."""
        roots, nodes, stored = list(self._roots), [], []
        for index, plain in enumerate(many, self.length):
            data = plain if self._cipher is None else self._cipher.encrypt(index, plain, self.fork)
            if len(data) > MAX_BLOCK_BYTES:
                raise CoreError(
                    f"block {index} has {len(data)} bytes, over the limit of {MAX_BLOCK_BYTES} that can be sent"
                )
            stored.append((index, data))
            node = leaf_node(index, data)
            nodes.append(node)
            roots.append(node)
            while len(roots) > 1 and flat.sibling(roots[-1].index) == roots[-2].index:
                joined = parent_node(roots[-2], roots[-1])
                nodes.append(joined)
                roots[-2:] = [joined]
        return stored, nodes, roots

    def _sign(self, roots: list[Node], length: int, fork: int) -> None:
        assert self._pair is not None
        assert self._authority is not None
        raw = self._pair.sign(self._authority.message(tree_hash(roots), length, fork))
        self._put_head(roots, length, fork, self._authority.container(raw), self._authority)

    def _put_head(
        self, roots: list[Node], length: int, fork: int, signature: bytes, authority: Authority | None
    ) -> None:
        record = self._record
        manifest = record.manifest if authority is None else authority.manifest.encode()
        self._storage.put_head(record.id, fork, length, signature, manifest)
        record.length, record.fork, record.signature, record.manifest = length, fork, signature, manifest
        if authority is not None:
            if self._authority is None and record.encryption_key is not None:
                self._cipher = BlockCipher(record.key, record.encryption_key, authority.compat)
            self._authority = authority
        self._roots = roots

    def truncate(self, length: int, fork: int | None = None) -> None:
        """Cut the core to `length` blocks, under a new `fork` (default: the next). Raises CoreError."""
        if self._pair is None:
            raise CoreError(f"core {self.key.hex()} is read-only here: its secret key is not in this store")
        with self._writing():
            fork = self.fork + 1 if fork is None else fork
            if not 0 <= length <= self.length or not self.fork < fork <= MAX_UINT:
                raise CoreError(f"cannot cut {self.length} blocks at fork {self.fork} to {length} at {fork}")
            roots = list(self.roots(length))
            self._cut(length)
            self._sign(roots, length, fork)
        self._tell(Truncated(length, fork))

    def _cut(self, length: int) -> None:
        self._storage.delete_blocks(self._record.id, length, MAX_UINT)
        self._nodes.delete_beyond(length)
        self._bits.clear_range(length, max(length, self.length))

    def clear(self, start: int, end: int) -> None:
        """Delete the bytes of blocks [start, end). The tree stays."""
        self._storage.delete_blocks(self._record.id, start, end)
        self._bits.clear_range(start, end)
        self.flush()
        self._tell(Dropped(start, end))

    def keep_nodes(self, nodes: Sequence[Node]) -> None:
        """Keep tree nodes that the caller has verified against a head of this core.

        They are durable after the next `flush`.
        """
        self._nodes.put(nodes)

    def join(self, length: int, nodes: Iterable[Node]) -> bool:
        """Keep of nodes that nobody has verified those between an earlier head of `length` blocks and today's.

        Return whether nothing is missing between the two now. They are durable after the next `flush`. Raises CoreError if
        the roots of the earlier head are not here, and ProofError if the nodes are of another tree: then none is kept.
        """
        if not self.unjoined(length):
            return True
        shown = {node.index: node for node in nodes}
        way = [self._stored(flat.full_roots(2 * length)[-1])]
        for index in self._joints(length):
            node = self.node(index) or shown.get(index)
            if node is None:
                return False
            way.append(node)
        self.apply(Proof(self.fork, hash=HashProof(way[0].index, tuple(way))))
        return True

    def mark(self, start: int, end: int) -> None:
        """Mark blocks [start, end) as available from the external source.

        The mark is durable after the next `flush`.
        """
        for first, last in self._bits.set_range(start, end):
            self._tell(Available(first, last))

    def mark_again(self, start: int, end: int) -> None:
        """Mark those blocks of [start, end) that were marked before the source was attached.

        For a source that cannot tell which of its blocks belong to the present fork.
        """
        for first, last in list(self._unsourced.ranges(start, end)):
            self.mark(first, last)

    def unmark(self, start: int, end: int) -> None:
        """Mark blocks [start, end) as no longer available from the external source."""
        self._bits.clear_range(start, end)
        self._tell(Dropped(start, end))

    # ---- checking

    def verify(self, answer: Proof) -> tuple[Batch, Authority | None]:
        """Check an answer against what is known, without storing anything. Raises ProofError."""
        if answer.fork != self.fork and not (self.length == 0 and answer.upgrade is not None):
            raise ProofError(f"the answer is of fork {answer.fork}, but the core is at fork {self.fork}")
        return self._verify_from(answer, self._roots, self.length)

    def _verify_from(self, answer: Proof, roots: list[Node], length: int) -> tuple[Batch, Authority | None]:
        batch = Batch(length=length)
        unused = checking.verify_tree(answer, batch)
        authority: Authority | None = None
        if answer.upgrade is not None:
            unused = checking.verify_upgrade(answer.upgrade, roots, length, unused, batch)
            authority = self._authority_of(answer)
            assert batch.roots is not None
            if not authority.verify(batch.roots, batch.length, answer.fork, answer.upgrade.signature):
                raise OtherTree(f"the signature of the head of {batch.length} blocks at fork {answer.fork} is wrong")
        if unused is not None:
            known = self.node(unused.index) or next((one for one in roots if one.index == unused.index), None)
            if known is None and batch.roots is not None:
                known = next((one for one in batch.roots if one.index == unused.index), None)
            if known is None:
                raise Unconnected(f"the path does not lead to tree node {unused.index} that is known here")
            if known.hash != unused.hash or (known.size != unused.size and not checking.worked_out(answer)):
                raise OtherTree(f"the path does not lead to tree node {unused.index} that is known here")
        return batch, authority

    def contradicted_by(self, answer: Proof) -> Conflict | None:
        """Return the proof that a peer's signed head contradicts the one here, from an upgrade from 0, or None.

        None, too, if too little of the tree is known here to tell. Raises ProofError if the peer's head is not signed by
        the core's owner.
        """
        if answer.upgrade is None or answer.upgrade.start != 0 or answer.fork != self.fork or self.length == 0:
            return None
        batch, _ = self._verify_from(Proof(answer.fork, upgrade=answer.upgrade, manifest=answer.manifest), [], 0)
        ours = HistoryHead(self.length, tuple(self._roots), self._record.signature)
        theirs = HistoryHead(batch.length, tuple(batch.roots or ()), answer.upgrade.signature)
        if theirs.length < ours.length:
            first, second, found = theirs, ours, contradiction(theirs, ours, self.node)
        else:
            first, second, found = ours, theirs, contradiction(ours, theirs, {n.index: n for n in batch.nodes}.get)
        if found is None:
            return None
        return Conflict(self.key, self.manifest, self.fork, first, second, *found)

    @property
    def conflict(self) -> Conflict | None:
        """The proof that the core's owner signed two histories, if one was found. Raises StorageError."""
        return ConflictTable(self._storage).of(self.key)

    def keep_conflict(self, conflict: Conflict) -> bool:
        """Keep the proof of two histories, durably: one of each core. Return whether it is kept. Raises StorageError."""
        kept = ConflictTable(self._storage).keep(conflict)
        if kept:
            self.flush()
        return kept

    def shun(self, peer: bytes) -> None:
        """Take no more of this core's present fork from the peer of a public key, who has another history of it."""
        self._shunned.pop(peer, None)
        self._shunned[peer] = self.fork
        if len(self._shunned) > MAX_SHUNNED:
            del self._shunned[next(iter(self._shunned))]

    def shuns(self, peer: bytes) -> bool:
        """Return whether nothing more is taken from a peer."""
        return self._shunned.get(peer) == self.fork

    def _authority_of(self, answer: Proof) -> Authority:
        if self._authority is not None:
            return self._authority
        try:
            return Authority.of(self.key, None if answer.manifest is None else Manifest.decode(answer.manifest))
        except (ManifestError, CodecError) as error:
            raise ProofError(str(error)) from error

    def apply(self, answer: Proof, keep: bool = True) -> None:
        """Check an answer and store what it brings. With `keep` false, all but the block's bytes.

        A new head is durable on return, a block after the next `flush`, which happens by itself after some answers. Raises
        ProofError, and StorageError if it cannot be written: then nothing of it is kept, and all cores of the store are
        as they are stored.
        """
        batch, authority = self.verify(answer)
        self._nodes.put(batch.nodes)
        changes: list[Change] = []
        grown = batch.roots is not None
        if batch.roots is not None and answer.upgrade is not None:
            self._put_head(batch.roots, batch.length, answer.fork, answer.upgrade.signature, authority)
            changes.append(Appended(batch.length))
        if answer.block is not None and self._take_block(answer.block, keep):
            changes.append(Available(answer.block.index, answer.block.index + 1))
        self._pending += 1
        # a head is never undone once anybody has heard of it
        if grown or self._pending >= MAX_PENDING or self._pending_bytes >= MAX_PENDING_BYTES:
            self.flush()
        self.tell(changes)

    def _take_block(self, block: BlockProof, keep: bool) -> bool:
        """Return whether the block is new."""
        if keep:
            self._storage.put_block(self._record.id, block.index, block.value)
            self._pending_bytes += len(block.value)
        return self._bits.set(block.index)

    def adopt_fork(self, answer: Proof) -> None:
        """Take over a newer fork: a signed upgrade from 0. What the new tree shares with the old one on its left is kept.

        Raises ProofError.
        """
        upgrade = answer.upgrade
        if upgrade is None or upgrade.start != 0 or answer.fork <= self.fork:
            raise ProofError(f"the answer is not an upgrade from 0 to a fork newer than {self.fork}")
        batch, authority = self._verify_from(answer, [], 0)
        assert batch.roots is not None
        shared = 0
        for root in batch.roots:
            known = self.node(root.index)
            if known is None or known.hash != root.hash:
                break
            shared += flat.leaves(root.index)
        try:
            self._cut(min(shared, self.length))
            self._nodes.put(batch.nodes)
            self._put_head(batch.roots, batch.length, answer.fork, upgrade.signature, authority)
            self.flush()
        except BaseException:
            self._undo_all()  # a half-applied fork must not get into another commit
            raise
        self._tell(Truncated(min(shared, batch.length), answer.fork))
        self._tell(Appended(batch.length))

    # ---- housekeeping

    def flush(self) -> None:
        """Make everything applied durable."""
        self._commit_all()

    def save(self) -> None:
        """Put new nodes and changed pages into the open transaction; the corestore calls it before a commit."""
        self._nodes.save()
        for number in self._bits.dirty:
            self._storage.put_page(self._record.id, number, self._bits.page(number) or b"")
        self._bits.dirty.clear()
        self._pending = self._pending_bytes = 0

    @property
    def dirty(self) -> bool:
        """Whether the bitfield has changes that are not in the storage."""
        return bool(self._bits.dirty)

    def restore(self) -> list[Change]:
        """Return to what is stored, after a transaction was undone. Return the changes, for `tell`."""
        record, was = self._storage.find("key", self.key), self._bits
        if record is None:
            return []
        self._record = record
        self._pending = self._pending_bytes = 0
        self._load()
        gone = [Dropped(start, end) for start, end in was.beyond(self._bits)]
        return [*gone, *(Available(start, end) for start, end in self._bits.beyond(was))]

    def reload(self, record: CoreRecord) -> None:
        """Take over what another process wrote, if anything."""
        before, was = (self.fork, self.length), self._bits
        if before == (record.fork, record.length) and not was.differs(self._storage.pages(record.id)):
            return
        unsaved = was.dirty if self.fork == record.fork else set()
        if self.fork == record.fork:
            self._nodes.save()
        self._record = record
        self._load(was if self.fork == before[0] else None)
        for number in unsaved:
            for start, end in was.ranges(number * PAGE_BITS, (number + 1) * PAGE_BITS):
                self._bits.set_range(start, end)
        if self.fork != before[0]:
            # listeners that count blocks hear below of those of the new fork, so they must not find them here yet
            now, self._bits = self._bits, Bitfield()
            self._tell(Truncated(min(self.length, before[1]), self.fork))
            was, self._bits = self._bits, now
        if self.length != before[1]:
            self._tell(Appended(self.length))
        for start, end in was.beyond(self._bits):
            self._tell(Dropped(start, end))
        for start, end in self._bits.beyond(was):
            self._tell(Available(start, end))

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` for changes. Return a function that ends this."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, changes: Iterable[Change]) -> None:
        """Tell all listeners of changes."""
        for change in changes:
            self._tell(change)

    def _tell(self, change: Change) -> None:
        for listener in list(self._listeners):
            listener(change)
