"""The routing table: of the nodes that share n leading bits with this one's id, and no more, at most 20 are known."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from .address import ID_BYTES, Address

ROW_NODES = 20
LATEST = 64
"""Nodes that answered last, for questions about one's own address."""


class HasId(Protocol):
    """Something with an id."""

    @property
    def id(self) -> bytes:
        """32 bytes."""
        ...


Item = TypeVar("Item", bound=HasId)


def shared_bits(one: bytes, other: bytes) -> int:
    """Return how many leading bits two ids share."""
    difference = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return 8 * ID_BYTES - difference.bit_length()


class RoutingTable(Generic[Item]):
    """The nodes known to the node with an id: a row for each number of bits shared, each sorted by id."""

    def __init__(self, own: bytes) -> None:
        self.id = own
        self._rows: list[list[Item]] = [[] for _ in range(8 * ID_BYTES)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Item]:
        for row in self._rows:
            yield from row

    def row(self, target: bytes) -> list[Item]:
        """Return the nodes of the row that an id belongs to. The list is the table's own."""
        return self._rows[min(shared_bits(self.id, target), 8 * ID_BYTES - 1)]

    def get(self, target: bytes) -> Item | None:
        """Return the node with an id."""
        row = self.row(target)
        at = bisect_left(row, target, key=_id)
        return row[at] if at < len(row) and row[at].id == target else None

    def add(self, item: Item) -> bool:
        """Add a node, unless it is this one, known or its row is full. Return whether it is in the table now."""
        if item.id == self.id:
            return False
        row = self.row(item.id)
        at = bisect_left(row, item.id, key=_id)
        if at < len(row) and row[at].id == item.id:
            row[at] = item
            return True
        if len(row) >= ROW_NODES:
            return False
        row.insert(at, item)
        self._count += 1
        return True

    def remove(self, target: bytes) -> bool:
        """Take a node out. Return whether it was there."""
        row = self.row(target)
        at = bisect_left(row, target, key=_id)
        if at >= len(row) or row[at].id != target:
            return False
        del row[at]
        self._count -= 1
        return True

    def closest(self, target: bytes, most: int = ROW_NODES) -> list[Item]:
        """Return nodes near to an id: its row first, those of fewer bits, then those of more. Not sorted by distance."""
        start = min(shared_bits(self.id, target), 8 * ID_BYTES - 1)
        found: list[Item] = []
        for number in (*range(start, -1, -1), *range(start + 1, 8 * ID_BYTES)):
            found += self._rows[number][: most - len(found)]
            if len(found) >= most:
                break
        return found


class LatestNodes:
    """The nodes that answered last. Who merely asks is none of them: senders of requests can be forged."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[Address, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._nodes)

    def add(self, address: Address) -> None:
        """Note that a node has answered."""
        self._nodes.pop(address, None)
        self._nodes[address] = None
        if len(self._nodes) > LATEST:
            self._nodes.popitem(last=False)

    def newest_first(self) -> list[Address]:
        """Return them."""
        return list(reversed(self._nodes))


def _id(item: HasId) -> bytes:
    return item.id
