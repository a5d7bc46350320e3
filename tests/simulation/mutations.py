"""Faults that are put into the product on purpose, one by one: a life must find each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runtime_mock.model.datdot import retrieval
from service.hypercore.net.replicator import Replicator
from service.node.rekeying import SwarmKeys
from service.roles.hoster import sectors


def forgotten_sync() -> None:
    """A hoster acknowledges runs of sectors that it has not synced: a loss of power takes them."""
    write = sectors.SectorFile.write

    def forgetful(self: sectors.SectorFile, first: int, data: bytes) -> None:
        honest, sectors.sync_file = sectors.sync_file, lambda descriptor: None
        try:
            write(self, first, data)
        finally:
            sectors.sync_file = honest

    sectors.SectorFile.write = forgetful  # type: ignore[method-assign]


def paid_twice() -> None:
    """The runtime pays each report of an attester twice; the sums agree."""
    pay = retrieval.pay

    def twice(*arguments: Any) -> int:
        pay(*arguments)
        return pay(*arguments)

    retrieval.pay = twice  # type: ignore[attr-defined]


def lost_wakeup() -> None:
    """Every third time that a peer tells something new, the replicator's scheduler is not woken."""
    changed = Replicator.changed
    count = 0

    def deaf(self: Replicator, peer: Any, block: int | None) -> None:
        nonlocal count
        count += 1
        if count % 3:
            changed(self, peer, block)

    Replicator.changed = deaf  # type: ignore[method-assign]


def deaf_to_rotations() -> None:
    """Nodes go on with the swarm key that they started with, and dial static peers by the keys that the settings name."""

    async def deaf(self: SwarmKeys, follower: Any) -> None:
        await follower.wait_for(1 << 32)  # a block that never comes

    SwarmKeys.run = deaf  # type: ignore[method-assign]


MUTATIONS: dict[str, Callable[[], None]] = {
    "forgotten-sync": forgotten_sync,
    "paid-twice": paid_twice,
    "lost-wakeup": lost_wakeup,
    "deaf-to-rotations": deaf_to_rotations,
}
