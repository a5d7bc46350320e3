"""The state during a runtime call: a block's state below, and layers of changes above."""

from __future__ import annotations

from collections.abc import Iterator

from .trie import Trie


class Overlay:
    """A state with changes.

    Reads fall through to the trie; writes stay in the topmost layer until `trie` joins them.
    """

    def __init__(self, base: Trie) -> None:
        self._base = base
        self._layers: list[dict[bytes, bytes | None]] = [{}]
        self._joined: Trie | None = None

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        for layer in reversed(self._layers):
            if key in layer:
                return layer[key]
        return self._base.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Set an entry."""
        self._joined = None
        self._layers[-1][key] = value

    def delete(self, key: bytes) -> None:
        """Delete an entry."""
        self._joined = None
        self._layers[-1][key] = None

    def next_key(self, key: bytes) -> bytes | None:
        """Return the first key after `key` that has a value, or None."""
        changed = self.changes()
        above = min((one for one, value in changed.items() if one > key and value is not None), default=None)
        below = self._base.next_key(key)
        while below is not None and changed.get(below, b"") is None:
            below = self._base.next_key(below)
        if above is None or below is None:
            return below if above is None else above
        return min(above, below)

    def keys(self, prefix: bytes) -> Iterator[bytes]:
        """Yield the keys that begin with `prefix`, in order."""
        key: bytes | None = prefix if self.get(prefix) is not None else self.next_key(prefix)
        while key is not None and key.startswith(prefix):
            yield key
            key = self.next_key(key)

    def clear_prefix(self, prefix: bytes, limit: int | None) -> tuple[int, bool]:
        """Delete all changed entries below a prefix, and at most `limit` of the state below, as a node counts them.

        Return how many entries of the state below were looked at, and whether any are left.
        """
        for key in [key for key in self.changes() if key.startswith(prefix)]:
            self.delete(key)
        seen = 0
        for key, _ in self._base.items(prefix):
            if seen == limit:
                return seen, True
            self.delete(key)
            seen += 1
        return seen, False

    def begin(self) -> None:
        """Open a transaction within the current one."""
        self._layers.append({})

    def commit(self) -> None:
        """Keep the changes of the innermost transaction."""
        layer = self._layers.pop()
        self._layers[-1].update(layer)

    def rollback(self) -> None:
        """Drop the changes of the innermost transaction."""
        self._joined = None
        self._layers.pop()

    @property
    def depth(self) -> int:
        """Number of open transactions."""
        return len(self._layers) - 1

    def changes(self) -> dict[bytes, bytes | None]:
        """Return everything that was changed; None stands for a deleted entry."""
        if len(self._layers) == 1:
            return self._layers[0]
        joined: dict[bytes, bytes | None] = {}
        for layer in self._layers:
            joined.update(layer)
        return joined

    def trie(self) -> Trie:
        """Return the state with all changes.

        It is kept until the next change, because a block needs its root and then the state.
        """
        if self._joined is None:
            self._joined = self._base.changed(self.changes().items())
        return self._joined

    def root(self, version: int) -> bytes:
        """Return the state root with all changes."""
        return self.trie().root(version)
