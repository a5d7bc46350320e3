"""The readable half of a core: its head, nodes and blocks as they are stored, and the proofs made from them."""

from __future__ import annotations

from collections.abc import Iterator

from .codec import CodecError
from .crypto import PADDING, BlockCipher, KeyPair, Node, tree_hash
from .heads import BlockSource, CoreHead
from .manifest import Authority, Manifest, ManifestError
from .store.bitfield import Bitfield
from .store.nodes import Nodes
from .store.storage import CoreRecord, CoreStorage, StorageError
from .tree import flat, proving
from .tree.proof import BlockProof, HashProof, MissingNode, Proof, ProofError, Request, SeekProof, UpgradeProof


class CoreError(Exception):
    """An operation is not possible on this core. The message says why."""


class StoredCore:
    """The readable half of a `Core`."""

    def __init__(self, storage: CoreStorage, record: CoreRecord) -> None:
        self._storage, self._record = storage, record
        self.whole_paths: set[int] = set()
        """Blocks of which a proof must climb to today's roots (see :meth:`missing_nodes`)."""
        self._pair = KeyPair(record.seed) if record.seed is not None else None
        self.blocks: BlockSource | None = None
        self._unsourced = Bitfield()
        """Marks that were dropped because no source was attached when they were read."""
        self._load()

    def _load(self, before: Bitfield | None = None) -> None:
        """Read what is stored. `before`: blocks whose bytes were looked for already."""
        record = self._record
        self._authority = self._known_authority(record.manifest)
        self._bits = Bitfield(self._storage.pages(record.id))
        if self.blocks is None:
            self._drop_marks_without_bytes(before or Bitfield())
        self._nodes = Nodes(self._storage, record.id)
        self._roots = [self._stored(index) for index in flat.full_roots(2 * record.length)]
        self._cipher: BlockCipher | None = None
        if record.encryption_key is not None:
            compat = self._authority.compat if self._authority is not None else False
            self._cipher = BlockCipher(record.key, record.encryption_key, compat)

    def _drop_marks_without_bytes(self, before: Bitfield) -> None:
        """Take no block for available that nobody can give, and let it be fetched again.

        Its mark is from a source that is not attached, or was written after its bytes had been lost on a full disk.
        """
        for start, end in list(self._bits.beyond(before)):
            for first, last in self._storage.without_bytes(self._record.id, start, end):
                self._bits.clear_range(first, last)
                self._unsourced.set_range(first, last)
        self._bits.dirty.clear()

    def _known_authority(self, manifest: bytes | None) -> Authority | None:
        if manifest is None:
            return None
        try:
            return Authority.of(self._record.key, Manifest.decode(manifest))
        except (ManifestError, CodecError) as error:
            raise StorageError(f"the stored manifest of core {self.key.hex()} is damaged: {error}") from error

    # ---- state

    @property
    def key(self) -> bytes:
        """The core's key, 32 bytes."""
        return self._record.key

    @property
    def discovery_key(self) -> bytes:
        """The name under which peers look for the core."""
        return self._record.discovery_key

    @property
    def name(self) -> str | None:
        """The core's name in the corestore."""
        return self._record.name

    @property
    def length(self) -> int:
        """Number of blocks."""
        return self._record.length

    @property
    def byte_length(self) -> int:
        """Length of all blocks in bytes, as they were appended."""
        total = sum(root.size for root in self._roots)
        return total - self.padding * self.length

    @property
    def padding(self) -> int:
        """Bytes before each block (8 if it is encrypted)."""
        return 0 if self._cipher is None else PADDING

    @property
    def fork(self) -> int:
        """How often the core was truncated."""
        return self._record.fork

    @property
    def writable(self) -> bool:
        """Whether the secret key is here."""
        return self._pair is not None

    @property
    def contiguous_length(self) -> int:
        """Number of blocks stored without a gap from block 0."""
        return min(self._bits.contiguous, self.length)

    @property
    def manifest(self) -> bytes | None:
        """The manifest that peers need (None: compat, or not known yet)."""
        return None if self._authority is None or self._authority.compat else self._authority.manifest.encode()

    @property
    def knows_signers(self) -> bool:
        """Whether the core's signers are known."""
        return self._authority is not None

    def roots(self, length: int | None = None) -> tuple[Node, ...]:
        """Return the roots of the tree, or of an earlier `length`. Raises CoreError if they are not stored here."""
        if length is None or length == self.length:
            return tuple(self._roots)
        if not 0 <= length <= self.length:
            raise CoreError(f"length {length} of a core of {self.length} blocks")
        return tuple(self._stored(index) for index in flat.full_roots(2 * length))

    def tree_hash(self, length: int | None = None) -> bytes:
        """Return the tree hash, or that of an earlier `length`."""
        return tree_hash(self.roots(length))

    def head(self) -> CoreHead:
        """Return the signed head. Raises CoreError for an empty core."""
        if self.length == 0 or self._authority is None:
            raise CoreError("an empty core has no signed head")
        container = self._record.signature
        try:
            raw = self._authority.raw_signature(container)
        except ManifestError as error:
            raise CoreError(f"the head of {self.key.hex()} is not signed by one signer: {error}") from error
        return CoreHead(self.key, self.manifest, self.fork, self.length, tuple(self._roots), container, raw)

    def head_is_signed(self) -> bool:
        """Return whether the stored signature of the head is valid, checking it again."""
        authority, record = self._authority, self._record
        return authority is not None and authority.verify(self._roots, self.length, self.fork, record.signature)

    def has(self, index: int) -> bool:
        """Return whether a block is stored or available from the external source."""
        return index < self.length and self._bits.get(index)

    def ranges(self, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
        """Return runs of available blocks, as [start, end)."""
        return list(self._bits.ranges(start, self.length if end is None else min(end, self.length)))

    def page(self, number: int) -> bytes | None:
        """Return a page of the bitfield (32,768 blocks), or None if it is empty."""
        return self._bits.page(number)

    def node(self, index: int) -> Node | None:
        """Return a tree node, if it is stored here."""
        return self._nodes.get(index)

    def block_over(self, limit: int, start: int, end: int) -> tuple[int, int] | None:
        """Return (index, bytes) of a block of [start, end) with more than `limit` bytes, as far as sizes are known here."""
        leaf = self._nodes.larger_leaf(start, end, limit)
        return None if leaf is None else (leaf.index // 2, leaf.size)

    def unknown_size(self, start: int, end: int) -> tuple[int, int]:
        """Return the first block of [start, end) whose size is not known here (or `end`), and how many there are."""
        return self._nodes.unknown_leaf(start, end)

    def _stored(self, index: int) -> Node:
        node = self.node(index)
        if node is None:
            raise CoreError(f"tree node {index} is not here")
        return node

    def _node_to_prove(self, index: int) -> Node:
        node = self.node(index)
        if node is None:
            raise MissingNode(index)
        return node

    def byte_range(self, block: int, length: int | None = None) -> tuple[int, int]:
        """Return (offset, size) of a block by its own path in the tree.

        Raises CoreError if the path is not stored here.
        """
        length = self.length if length is None else length
        if not 0 <= block < length:
            raise CoreError(f"block {block} of a core of {length} blocks")
        try:
            start = proving.byte_offset(self._node_to_prove, 2 * block, 2 * length)
        except ProofError as error:
            raise CoreError(str(error)) from error
        return start, self._stored(2 * block).size

    # ---- reading

    def raw(self, index: int) -> bytes | None:
        """Return a block as it is in the tree, or None if it is not available."""
        if not self.has(index):
            return None
        data = self.blocks.get(index) if self.blocks is not None else None
        return data if data is not None else self._storage.block(self._record.id, index)

    def is_quick(self, index: int) -> bool:
        """Return whether `raw` takes no time that others would have to wait for."""
        return self.blocks is None or not self.has(index) or self.blocks.is_quick(index)

    async def fetch(self, index: int) -> bytes | None:
        """Return what `raw` does, found beside the event loop."""
        data = await self.blocks.fetch(index) if self.blocks is not None and self.has(index) else None
        return data if data is not None else self._storage.block(self._record.id, index)

    def get(self, index: int) -> bytes | None:
        """Return a block as it was appended, or None if it is not available."""
        data = self.raw(index)
        return data if data is None or self._cipher is None else self._cipher.decrypt(index, data)

    def opened_by(self, encryption_key: bytes) -> bool | None:
        """Return whether this key decrypts the blocks, or None if no block is here to tell."""
        compat = self._authority is not None and self._authority.compat
        for start, _ in self.ranges():
            data = self.raw(start)
            if data is not None:
                return BlockCipher(self.key, encryption_key, compat).opens(start, data, self.fork)
        return None

    # ---- proving

    def missing_nodes(self, index: int) -> int:
        """Return how many levels above tree node `index` a proof must climb to reach a node that is known here.

        For a block in `whole_paths` all siblings above that node are known too, up to a root: a known node may be the
        root of an earlier head, kept when the core was longer already, and the way from it to the present roots is not
        known.
        """
        if index // 2 not in self.whole_paths:
            count = 0
            for node in self._way_up(index):
                if self._nodes.has(node):
                    break
                count += 1
            return count
        way = list(self._way_up(index))
        if not way or not self._nodes.has(way[-1]):
            return len(way)
        count = len(way) - 1
        for level in range(len(way) - 2, -1, -1):
            if not self._nodes.has(flat.sibling(way[level])):
                break
            if self._nodes.has(way[level]):
                count = level
        return count

    def unjoined(self, length: int) -> list[int]:
        """Return the tree nodes that are missing here between an earlier head of `length` blocks and today's, bottom up.

        They are of use for no block of that head but to prove it to who knows the roots of today alone.
        """
        return [index for index in self._joints(length) if self.node(index) is None]

    def _joints(self, length: int) -> list[int]:
        """Return the siblings on the way from the last root of an earlier head up to today's root over it.

        All other roots of that head are among them, or are under the same roots today.
        """
        last = flat.full_roots(2 * length)[-1:]
        return [flat.sibling(index) for root in last for index in list(self._way_up(root))[:-1]]

    def _way_up(self, index: int) -> Iterator[int]:
        """Yield a node and all above it up to the root over it, or nothing if it is beyond the core's length."""
        head = 2 * self.length
        it = flat.Iterator(index)
        if it.index + (it.factor >> 1) - 1 >= head:
            return
        while not it.contains(head):
            yield it.index
            it.parent()

    def prove(self, request: Request, value: bytes | None = None) -> Proof:
        """Answer a peer's request, with the block's bytes if `fetch` found them. Raises ProofError if that is not possible."""
        wanted = request.block
        if wanted is not None and (value is None or not self.has(wanted.index)):
            value = self.raw(wanted.index)
        if wanted is not None and value is None:
            raise ProofError(f"block {wanted.index} is not here")
        if request.upgrade is not None and self.length == 0:
            raise ProofError("an empty core has no upgrade")
        paths = proving.prove(self._node_to_prove, self.length, request)
        block = BlockProof(wanted.index, value or b"", paths.node or ()) if wanted is not None else None
        node = HashProof(request.hash.index, paths.node or ()) if request.hash is not None and wanted is None else None
        seek = None
        if request.seek is not None and paths.seek is not None:
            seek = SeekProof(request.seek.bytes, paths.seek)
        upgrade = None
        if request.upgrade is not None:
            start, length = request.upgrade.start, request.upgrade.length
            upgrade = UpgradeProof(start, length, paths.upgrade or (), paths.additional, self._record.signature)
        manifest = self.manifest if request.manifest else None
        return Proof(self.fork, block, node, seek, upgrade, manifest)
