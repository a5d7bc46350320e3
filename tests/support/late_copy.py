"""A core as a hoster has it whose copy is of a shorter head than the core had before: nothing between the two is known."""

from __future__ import annotations

from service.hypercore import Core, Corestore, Node, Request, UpgradeRequest
from service.hypercore.tree import flat


class Held:
    """The blocks that a copy holds."""

    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = blocks

    def get(self, index: int) -> bytes | None:
        """See BlockSource."""
        return self._blocks[index]

    def is_quick(self, index: int) -> bool:
        """See BlockSource."""
        return True

    async def fetch(self, index: int) -> bytes | None:
        """See BlockSource."""
        return self._blocks[index]


def nodes_of(core: Core, length: int) -> list[Node]:
    """Return all tree nodes over the first `length` blocks alone."""
    found = (core.node(index) for index in range(2 * length) if flat.right_span(index) < 2 * length)
    return [node for node in found if node is not None]


def late_copy(core: Core, length: int, store: Corestore | None = None) -> Core:
    """Return a replica that has today's head of a core, and then got a copy of its first `length` blocks."""
    replica = (Corestore() if store is None else store).get(core.key)
    replica.apply(core.prove(Request(upgrade=UpgradeRequest(0, core.length), manifest=True)))
    replica.keep_nodes(nodes_of(core, length))
    replica.blocks = Held([core.raw(index) or b"" for index in range(length)])
    replica.mark(0, length)
    replica.flush()
    return replica


def way_shown(core: Core, length: int) -> list[Node]:
    """Return the nodes of the proof of a core's head from 0, by way of an earlier head."""
    upgrade = core.prove(Request(upgrade=UpgradeRequest(0, length))).upgrade
    assert upgrade is not None
    return [*upgrade.nodes, *upgrade.additional]
