"""Keys of the state that subscriptions watch. A new block costs what it changed, not what is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..node.engine import BestChanged, Event
from ..state.trie import Trie
from .methods import Node

Changes = dict[bytes, bytes | None]
Told = Callable[[bytes, Changes], None]
"""Takes the hash of a new best block, and the watched keys whose values changed."""


class WatchedKeys:
    """All watched keys of a node's state, each with those who watch it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._watchers: dict[bytes, dict[Told, None]] = {}
        self._state: Trie | None = None
        self._stop: Callable[[], None] | None = None

    def __len__(self) -> int:
        return sum(len(told) for told in self._watchers.values())

    def watch(self, keys: Iterable[bytes], told: Told) -> None:
        """Call `told` when a key's value changes."""
        if self._stop is None:
            self._state = self._node.chain.state(self._node.chain.best)
            self._stop = self._node.engine.listen(self._hear)
        for key in keys:
            self._watchers.setdefault(key, {})[told] = None

    def end(self, keys: Iterable[bytes], told: Told) -> None:
        """Call it no longer."""
        for key in keys:
            watching = self._watchers.get(key)
            if watching is not None:
                watching.pop(told, None)
                if not watching:
                    del self._watchers[key]
        if not self._watchers and self._stop is not None:
            self._stop()
            self._stop = self._state = None

    def _hear(self, event: Event) -> None:
        if not isinstance(event, BestChanged):
            return
        before, state = self._state, self._node.chain.state(event.block)
        self._state = state
        assert before is not None
        changed: dict[Told, Changes] = {}
        for key in state.differing(before):
            watching = self._watchers.get(key)
            if watching:
                value = state.get(key)
                for told in watching:
                    changed.setdefault(told, {})[key] = value
        for told, changes in changed.items():
            told(event.block.hash, changes)
