"""Segments as the chain sees them: a modulus that it takes, and a real Merkle tree over sectors of random bytes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from service.encoding import merkle
from service.encoding.derive import contract_id, derive_ctx

SECTOR = 256
# a tree of more sectors is not made: its root is any hash, and nobody can open it
MOST_SECTORS = 4_096


@cache
def _primorial() -> int:
    return math.prod(p for p in range(3, 4096, 2) if all(p % q for q in range(3, math.isqrt(p) + 1, 2)))


def modulus(number: int) -> bytes:
    """A number that the chain takes for a modulus; nobody knows its factors, and nobody needs them here."""
    source = random.Random(number)
    while True:
        found = (1 << 2048) - (1 << 1988) + source.getrandbits(1988) | 1
        if math.gcd(found, _primorial()) == 1:
            return found.to_bytes(SECTOR, "big")


class Tree:
    """The sectors of a segment, and their openings."""

    def __init__(self, number: int, ctx: bytes, sectors: int, data: bytes | None = None) -> None:
        """`data` are the sectors; without them they are random, and decode to nothing that anybody knows."""
        self.data = random.Random(number).randbytes(sectors * SECTOR) if data is None else data
        self.sectors, self.ctx = sectors, ctx
        self._levels = [merkle.leaf_hashes(ctx, 0, self.data)]
        while len(self._levels[-1]) > 1:
            self._levels.append(merkle.parents(self._levels[-1]))
        self.root = merkle.root_hash(ctx, sectors, self._levels[-1][0])

    def leaf(self, sector: int) -> bytes:
        return self._levels[0][sector]

    def open(self, sector: int) -> dict[str, Any]:
        """`Opening`."""
        siblings, index = [], sector
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                siblings.append(level[index ^ 1])
            index //= 2
        return {"data": self.data[sector * SECTOR : (sector + 1) * SECTOR], "siblings": siblings}

    def siblings(self, sectors: Iterable[int]) -> list[bytes]:
        """What one proof of several sectors needs besides them."""
        known, siblings = set(sectors), []
        for level in self._levels[:-1]:
            beside = sorted({index ^ 1 for index in known if index ^ 1 < len(level)} - known)
            siblings += [level[index] for index in beside]
            known = {index // 2 for index in known}
        return siblings


def storage_proof(trees: Mapping[int, Tree], samples: Iterable[tuple[int, int]]) -> dict[str, Any]:
    """`StorageProof` of sectors, by segment and index; of one that nobody can open 256 zeros, without siblings."""
    opened: dict[int, set[int]] = {}
    data = []
    for segment, sector in samples:
        tree = trees.get(segment)
        if tree is None or sector >= tree.sectors:
            data.append(bytes(SECTOR))
        else:
            data.append(tree.data[sector * SECTOR : (sector + 1) * SECTOR])
            opened.setdefault(segment, set()).add(sector)
    siblings = [sibling for segment, of in opened.items() for sibling in trees[segment].siblings(of)]
    return {"sectors": data, "siblings": siblings}


def context(genesis: bytes, copy: int, segment: dict[str, Any], hoster: bytes) -> bytes:
    """The ctx of a segment's tree."""
    return derive_ctx(
        contract_id=contract_id(genesis, copy),
        encoder=segment["encoder"],
        hoster=hoster,
        pk_hash=segment["pk_hash"],
        salt=segment["salt"],
    )
