"""The check of hosted feeds' trees at a hoster's start: the node's own tree against the roots that the chain holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from service.hypercore import Core
from service.hypercore.crypto import Node, parent_node
from service.hypercore.tree import flat
from service.protocols.copy.job import SegmentJob

CHECKED_AT_ONCE = 64
"""Nodes checked before the event loop gets a turn."""


def remedy(job: SegmentJob, directory: object) -> str:
    """Return what an operator can do about a damaged tree."""
    return (
        f"stop the node, put corestore.sqlite back from a backup, or move it away and fetch the feed again "
        f"(datdot feed fetch {job.feed_key.hex()} --dir {directory} --peer KEY@HOST:PORT), then start the node"
    )


async def tree_fault(core: Core, job: SegmentJob, reached: int) -> str | None:
    """Return what is wrong with a feed's tree as far as a copy's blocks below `reached` need it, or None.

    Every node on the way from the roots on the chain to those blocks is hashed again. Raises DiskError if they cannot be
    read.
    """
    head = job.head
    if core.length < head.length:
        return f"it has {core.length} blocks, and the copy is of {head.length}"
    if core.fork != head.fork:
        return None  # the feed went on on another fork; what both share is served
    spans = [(span.start, min(span.end, reached)) for span in job.ranges if span.start < reached]
    left, checked = list(job.roots), 0
    while left:
        node = left.pop()
        checked += 1
        if checked % CHECKED_AT_ONCE == 0:
            await asyncio.sleep(0)
        if core.node(node.index) != node:
            return f"tree node {node.index} is damaged or missing"
        if node.index % 2 and _needed(node, spans):
            children = core.node(flat.left_child(node.index)), core.node(flat.right_child(node.index))
            if children[0] is None or children[1] is None or parent_node(children[0], children[1]) != node:
                return f"a tree node below {node.index} is damaged or missing"
            left += [one for one in children if one is not None]
    return None if core.head_is_signed() else "the signature of its head is damaged"


def _needed(node: Node, spans: Sequence[tuple[int, int]]) -> bool:
    first, last = flat.left_span(node.index) // 2, flat.right_span(node.index) // 2
    return any(start <= last and first < end for start, end in spans)
