"""Substrate's Merkle-Patricia trie (layouts V0 and V1), immutable; its versions share unchanged nodes.

A node's encoding is computed once, so that a block's state root costs only the paths that it changed. The node formats
are in the Polkadot specification, "Trie node".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..codec import blake2_256, compact

HASHED_VALUE_BYTES = 33
_DIGITS = b"0123456789abcdef"
_OF_HEX = bytes(_DIGITS.index(byte) if byte in _DIGITS else 0 for byte in range(256))
_TO_HEX = _DIGITS + bytes(240)
_NO_CHILDREN: tuple[None, ...] = (None,) * 16


def _nibbles(key: bytes) -> bytes:
    return key.hex().encode().translate(_OF_HEX)  # by C alone: strangers ask for keys of megabytes


def _pack(nibbles: bytes) -> bytes:
    odd = len(nibbles) & 1
    return nibbles[:odd] + bytes.fromhex(nibbles[odd:].translate(_TO_HEX).decode())


def _header(prefix: int, bits: int, length: int) -> bytes:
    most = 255 >> bits
    if length < most:
        return bytes([prefix | length])
    full, rest = divmod(length - most, 255)
    return bytes([prefix | most]) + b"\xff" * full + bytes([rest])


class _Node:
    __slots__ = ("_reference", "_version", "children", "partial", "value")

    def __init__(self, partial: bytes, value: bytes | None, children: tuple[_Node | None, ...] | None) -> None:
        self.partial, self.value, self.children = partial, value, children
        self._reference: bytes | None = None
        self._version = -1

    def encode(self, version: int) -> bytes:
        """Return the node's bytes, with children by reference."""
        part, value = self.partial, self.value
        stored = b""
        hashed = False
        if value is not None:
            hashed = version == 1 and len(value) >= HASHED_VALUE_BYTES
            stored = blake2_256(value) if hashed else compact(len(value)) + value
        if self.children is None:
            head = _header(0x20, 3, len(part)) if hashed else _header(0x40, 2, len(part))
            return head + _pack(part) + stored
        bitmap = 0
        references = []
        for index, child in enumerate(self.children):
            if child is not None:
                bitmap |= 1 << index
                references.append(child.reference(version))
        prefix, bits = (0x80, 2) if value is None else (0x10, 4) if hashed else (0xC0, 2)
        head = _header(prefix, bits, len(part))
        return head + _pack(part) + bitmap.to_bytes(2, "little") + stored + b"".join(references)

    def reference(self, version: int) -> bytes:
        """Return the parent's reference to the node: its bytes if short, otherwise their hash, with a length prefix."""
        if self._reference is None or self._version != version:
            encoded = self.encode(version)
            named = encoded if len(encoded) < 32 else blake2_256(encoded)
            self._reference, self._version = compact(len(named)) + named, version
        return self._reference


def _common(a: bytes, b: bytes) -> int:
    most = min(len(a), len(b))
    for index in range(most):
        if a[index] != b[index]:
            return index
    return most


def _with_child(children: tuple[_Node | None, ...], index: int, child: _Node | None) -> tuple[_Node | None, ...]:
    return (*children[:index], child, *children[index + 1 :])


def _set(node: _Node | None, path: bytes, value: bytes) -> _Node:
    if node is None:
        return _Node(path, value, None)
    part = node.partial
    same = _common(part, path)
    children: tuple[_Node | None, ...]
    if same == len(part):
        if same == len(path):
            return _Node(part, value, node.children)
        index = path[same]
        children = node.children or _NO_CHILDREN
        return _Node(part, node.value, _with_child(children, index, _set(children[index], path[same + 1 :], value)))
    children = _with_child(_NO_CHILDREN, part[same], _Node(part[same + 1 :], node.value, node.children))
    if same == len(path):
        return _Node(part[:same], value, children)
    return _Node(part[:same], None, _with_child(children, path[same], _Node(path[same + 1 :], value, None)))


def _delete(node: _Node | None, path: bytes) -> _Node | None:
    if node is None or not path.startswith(node.partial):
        return node
    size = len(node.partial)
    if size == len(path):
        return node if node.value is None else _collapse(_Node(node.partial, None, node.children))
    if node.children is None:
        return node
    index = path[size]
    before = node.children[index]
    after = _delete(before, path[size + 1 :])
    if after is before:
        return node
    return _collapse(_Node(node.partial, node.value, _with_child(node.children, index, after)))


def _collapse(node: _Node) -> _Node | None:
    """Bring a node that lost its value or a child into the only form that the trie allows."""
    children = node.children
    if children is None:
        return None if node.value is None else node
    held = [(index, child) for index, child in enumerate(children) if child is not None]
    if not held:
        return None if node.value is None else _Node(node.partial, node.value, None)
    if len(held) == 1 and node.value is None:
        index, child = held[0]
        return _Node(node.partial + bytes([index]) + child.partial, child.value, child.children)
    return node


def _walk(node: _Node, path: bytes, after: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries below `node` in order, those beyond the nibbles `after` (None: all)."""
    here = path + node.partial
    if after is not None:
        if here > after:
            after = None
        elif not after.startswith(here):
            return
    if node.value is not None and (after is None or here > after):
        yield here, node.value
    if node.children is not None:
        first = after[len(here)] if after is not None and len(after) > len(here) else 0
        for index in range(first, 16):
            child = node.children[index]
            if child is not None:
                below = here + bytes([index])
                beyond = after if after is not None and after.startswith(below) else None
                if after is not None and beyond is None and below <= after:
                    continue
                yield from _walk(child, below, beyond)


def _below(node: _Node | None, path: bytes) -> Iterator[bytes]:
    """Yield the keys below a node, as nibbles; `path` leads to the node and ends with its own part."""
    if node is None:
        return
    if node.value is not None:
        yield path
    for index, child in enumerate(node.children or ()):
        if child is not None:
            yield from _below(child, path + bytes([index]) + child.partial)


def _differing(one: _Node | None, other: _Node | None, path: bytes, parts: tuple[bytes, bytes]) -> Iterator[bytes]:
    """Yield the keys, as nibbles, whose values differ below two nodes, of whose parts `parts` are left."""
    a, b = parts
    if one is other and a == b:
        return
    same = _common(a, b)
    if one is None or other is None or (same < len(a) and same < len(b)):
        yield from _below(one, path + a)
        yield from _below(other, path + b)
    elif same < len(a):
        yield from _differing(other, one, path, (b, a))
    else:
        yield from _differing_here(one, other, path + a, b[same:])


def _differing_here(one: _Node, other: _Node, path: bytes, rest: bytes) -> Iterator[bytes]:
    """Do the same where `one` lies at `path` and `other` there, too, or below it by the nibbles `rest`."""
    if one.value != (None if rest else other.value):
        yield path
    theirs = _with_child(_NO_CHILDREN, rest[0], other) if rest else other.children or _NO_CHILDREN
    for index, (mine, their) in enumerate(zip(one.children or _NO_CHILDREN, theirs, strict=True)):
        if mine is their and not rest:
            continue
        part = b"" if their is None else rest[1:] if rest else their.partial
        yield from _differing(mine, their, path + bytes([index]), (b"" if mine is None else mine.partial, part))


class Trie:
    """An immutable map from bytes to bytes, in key order, with Substrate's state root."""

    __slots__ = ("_root",)

    def __init__(self, root: _Node | None = None) -> None:
        self._root = root

    @classmethod
    def of(cls, entries: Iterable[tuple[bytes, bytes]]) -> Trie:
        """Make a trie of the given entries."""
        root = None
        for key, value in entries:
            root = _set(root, _nibbles(key), value)
        return cls(root)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        node, path = self._root, _nibbles(key)
        while node is not None:
            if not path.startswith(node.partial):
                return None
            size = len(node.partial)
            if size == len(path):
                return node.value
            if node.children is None:
                return None
            node, path = node.children[path[size]], path[size + 1 :]
        return None

    def set(self, key: bytes, value: bytes) -> Trie:
        """Return the trie with an entry added or replaced."""
        return Trie(_set(self._root, _nibbles(key), value))

    def delete(self, key: bytes) -> Trie:
        """Return the trie without an entry."""
        return Trie(_delete(self._root, _nibbles(key)))

    def changed(self, changes: Iterable[tuple[bytes, bytes | None]]) -> Trie:
        """Return the trie with many entries set (bytes) or deleted (None)."""
        root = self._root
        for key, value in changes:
            root = _delete(root, _nibbles(key)) if value is None else _set(root, _nibbles(key), value)
        return Trie(root)

    def next_key(self, key: bytes) -> bytes | None:
        """Return the first key after `key`, which need not exist."""
        for found, _ in self._from(_nibbles(key)):
            return found
        return None

    def items(self, prefix: bytes = b"", after: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries whose keys begin with `prefix`, in order, those beyond the key `after`."""
        if after is None or after < prefix:
            value = self.get(prefix)
            if value is not None:
                yield prefix, value
            after = prefix
        for key, value in self._from(_nibbles(after)):
            if not key.startswith(prefix):
                return
            yield key, value

    def _from(self, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        if self._root is not None:
            for nibbles, value in _walk(self._root, b"", after):
                yield _pack(nibbles), value

    def differing(self, other: Trie) -> Iterator[bytes]:
        """Yield the keys whose values differ in another trie. What both share costs nothing."""
        parts = b"" if self._root is None else self._root.partial, b"" if other._root is None else other._root.partial
        for nibbles in _differing(self._root, other._root, b"", parts):
            yield _pack(nibbles)

    def closest(self, prefix: bytes, version: int = 1) -> bytes | None:
        """Return the Merkle value of the node of a key, or else of the first below it: its hash, or itself if it is short.

        None if no key begins with `prefix`.
        """
        node, path, top = self._root, _nibbles(prefix), True
        while node is not None:
            if node.partial.startswith(path):
                encoded = node.encode(version)
                return encoded if len(encoded) < 32 and not top else blake2_256(encoded)
            if not path.startswith(node.partial) or node.children is None:
                return None
            size = len(node.partial)
            node, path, top = node.children[path[size]], path[size + 1 :], False
        return None

    def root(self, version: int = 1) -> bytes:
        """Return the state root, 32 bytes."""
        return blake2_256(b"\0" if self._root is None else self._root.encode(version))

    def prover(self, version: int = 1) -> Prover:
        """Return what collects the proof of some keys."""
        return Prover(self._root, version)


class Prover:
    """The encoded nodes and hashed values that prove the entries of some keys, or their absence."""

    def __init__(self, root: _Node | None, version: int) -> None:
        self._root, self._version = root, version
        self._found: dict[bytes, None] = {}
        self._encoded: dict[_Node, bytes] = {}
        self.size = 0

    @property
    def proof(self) -> list[bytes]:
        """What was collected."""
        return list(self._found)

    def add(self, key: bytes) -> None:
        """Collect what proves a key."""
        node, path, top = self._root, _nibbles(key), True
        while node is not None:
            encoded = self._encoded.get(node) or self._encoded.setdefault(node, node.encode(self._version))
            if top or len(encoded) >= 32:
                self._keep(encoded)
            top = False
            size = len(node.partial)
            if not path.startswith(node.partial):
                break
            if size == len(path):
                if node.value is not None and self._version == 1 and len(node.value) >= HASHED_VALUE_BYTES:
                    self._keep(node.value)
                break
            node, path = (node.children[path[size]] if node.children else None), path[size + 1 :]

    def _keep(self, part: bytes) -> None:
        if part not in self._found:
            self._found[part] = None
            self.size += len(part)


def ordered_root(values: list[bytes], version: int) -> bytes:
    """Return the root of a list, with its items under their compact indices."""
    return Trie.of((compact(index), value) for index, value in enumerate(values)).root(version)
