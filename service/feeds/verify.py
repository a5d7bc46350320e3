"""Verify a feed on disk: hash every block and tree node again, and check the head's signature."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from service.hypercore import Core
from service.hypercore.crypto import leaf_node, parent_node
from service.hypercore.tree import flat

from .progress import OnBytes

CHECK_BLOCKS = 64
"""Blocks checked before the event loop gets a turn."""


class VerifyError(Exception):
    """A feed on this disk differs from what was signed. The message names the block or the node."""


@dataclass(frozen=True, slots=True)
class VerifiedFeed:
    """What `verify_feed` checked: the feed's length, and the blocks and bytes found here."""

    length: int
    blocks: int
    byte_length: int


async def verify_feed(core: Core, on_progress: OnBytes | None = None) -> VerifiedFeed:
    """Hash every stored block and every tree node above it again, and check the head's signature.

    Raises VerifyError at the first mismatch.
    """
    if core.length and not core.head_is_signed():
        raise VerifyError(f"the head of {core.length} blocks is not signed by the feed's key")
    blocks = done = 0
    for start, end in core.ranges():
        for index in range(start, end):
            data = core.raw(index)
            node = core.node(2 * index)
            if data is None or node is None or leaf_node(index, data) != node:
                raise VerifyError(f"block {index} of feed {core.key.hex()} differs from the block that was signed")
            _check_path(core, 2 * index)
            blocks += 1
            done += len(data)
            if on_progress is not None:
                on_progress(done, core.byte_length)
            if blocks % CHECK_BLOCKS == 0:
                await asyncio.sleep(0)
    return VerifiedFeed(core.length, blocks, done)


def _check_path(core: Core, index: int) -> None:
    """Check that each parent above `index`, up to its root, is the hash of its two children. Raises VerifyError."""
    roots = {root.index for root in core.roots()}
    while index not in roots:
        left, right = sorted((index, flat.sibling(index)))
        index = flat.parent(index)
        pair = core.node(left), core.node(right)
        if pair[0] is None or pair[1] is None or parent_node(pair[0], pair[1]) != core.node(index):
            raise VerifyError(f"tree node {index} of feed {core.key.hex()} is not the hash of its children")
