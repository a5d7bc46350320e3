"""Evidence of invalid encodings, right and wrong, of segments that were really encoded: `tests/vectors/evidence.json`.

    python -m tests.support.evidence

writes the file anew. The primes are public, 2, 3 or 4 to a modulus; decoders see the modulus alone.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gmpy2

from runtime_mock.model.datdot.crypto import report
from runtime_mock.model.datdot.heads import tree_hash
from runtime_mock.model.datdot.records import BlockProof, Evidence, Head, Opening, Range, Root
from runtime_mock.model.scale import codec_of
from service.encoding.permutation import permute, round_keys
from tests.support.differential.small_feeds import Feed

PATH = Path(__file__).parents[1] / "vectors" / "evidence.json"
SECTOR, ROUNDS = 256, 2
EVIDENCE = codec_of(Evidence)
# Blocks of the feed, those outside the two ranges included.
SIZES = [40, 10, 300, 0, 700, 256, 77, 5, 1, 90]
RANGES = [(2, 6), (8, 10)]
GENESIS, ACCOUNT, COPY = bytes([1]) * 32, bytes([2]) * 32, 7


@dataclass(frozen=True)
class Trapdoor:
    """A modulus with its factors."""

    primes: tuple[int, ...]

    @classmethod
    def of(cls, count: int, seed: int) -> Trapdoor:
        """`count` primes whose product the chain takes; the same for the same seed."""
        source, bits = random.Random(seed), 2048 // count
        rest = 2048 - bits * (count - 1)
        while True:
            sizes = [bits] * (count - 1) + [rest]
            found = [int(gmpy2.next_prime((1 << size) - source.getrandbits(size - 64))) for size in sizes]
            coprime = all(p % 3 == 2 for p in found) and len(set(found)) == count
            if coprime and (1 << 2048) - (1 << 1988) <= math.prod(found) < 1 << 2048:
                return cls(tuple(found))

    @property
    def n(self) -> int:
        return math.prod(self.primes)

    @property
    def modulus(self) -> bytes:
        return self.n.to_bytes(SECTOR, "big")

    def encode(self, salt: bytes, index: int, plain: bytes) -> bytes:
        """Encode one sector (docs/protocol/encoding.md section 6)."""
        d = pow(3, -1, math.lcm(*(p - 1 for p in self.primes)))
        for number in range(1, ROUNDS + 1):
            y = int.from_bytes(permute(plain, round_keys(salt, number, index, 1)), "big")
            plain = int(gmpy2.powmod(y, d, self.n) if y < self.n else y).to_bytes(SECTOR, "big")
        return plain


@dataclass(frozen=True)
class Case:
    """A segment as the chain knows it, evidence, and whether it proves the segment wrong."""

    why: str
    modulus: bytes
    salt: bytes
    first_byte: int
    bytes: int
    head: Head
    ranges: list[Range]
    evidence: Evidence
    proves: bool

    def json(self) -> dict[str, Any]:
        head = self.head
        return {
            "why": self.why,
            "modulus": self.modulus.hex(),
            "salt": self.salt.hex(),
            "first_byte": self.first_byte,
            "bytes": self.bytes,
            "length": head.length,
            "byte_length": head.byte_length,
            "tree_hash": head.tree_hash.hex(),
            "ranges": [[one.start, one.end, one.first_byte, one.bytes] for one in self.ranges],
            "evidence": EVIDENCE.encode(self.evidence).hex(),
            "proves": self.proves,
        }


def block_proof(feed: Feed, index: int) -> BlockProof:
    """A block of a feed as the model's record."""
    found = feed.block_proof(index)
    lists = {name: [Root(**one) for one in found[name]] for name in ("roots", "siblings")}
    return BlockProof(**found | lists)


def ranges_of(feed: Feed) -> list[Range]:
    def offset(block: int) -> int:
        return sum(feed.sizes[:block])

    return [Range(start, end, offset(start), offset(end) - offset(start)) for start, end in RANGES]


def cases(primes: int) -> list[Case]:
    """A segment of the stream from byte 256 to its end: 1,091 bytes in 5 sectors, the last with 67."""
    key, salt, feed = Trapdoor.of(primes, primes), bytes([primes]) * 32, Feed(f"evidence {primes}", "v1", SIZES)
    stream = b"".join(feed.block(block) for start, end in RANGES for block in range(start, end))
    first, size = 256, len(stream) - 256
    plain = stream[first:] + bytes(-size % SECTOR)
    head = Head(0, feed.length, sum(feed.sizes), _tree_hash(feed))
    sectors = [plain[at : at + SECTOR] for at in range(0, len(plain), SECTOR)]
    encoded = [key.encode(salt, index, sector) for index, sector in enumerate(sectors)]
    found: list[Case] = []

    def add(why: str, sector: int, data: bytes, block: BlockProof | None, proves: bool) -> None:
        evidence = Evidence(5, sector, Opening(data, []), block)
        found.append(Case(why, key.modulus, salt, first, size, head, ranges_of(feed), evidence, proves))

    for sector, block in ((0, 2), (0, 4), (3, 5), (4, 5), (4, 9)):
        add(f"sector {sector} is right: block {block}", sector, encoded[sector], block_proof(feed, block), False)
    add("the padding is right", 4, encoded[4], None, False)
    # one wrong byte of the plaintext: of block 2, of block 4, of the padding
    for sector, place, block in ((0, 0, 2), (0, 44, 4), (4, 66, 9)):
        spoiled = bytearray(sectors[sector])
        spoiled[place] ^= 1
        data = key.encode(salt, sector, bytes(spoiled))
        add(
            f"byte {place} of sector {sector} is wrong: its block {block}", sector, data, block_proof(feed, block), True
        )
        other = 5 if sector else 2 if block == 4 else 4
        add("the same: a block beside it", sector, data, block_proof(feed, other), False)
        add("the same: a block of no range", sector, data, block_proof(feed, 0), False)
    padded = key.encode(salt, 4, sectors[4][:67] + b"\1" + bytes(188))
    add("the padding begins with a one", 4, padded, None, True)
    add("the same: a block says nothing of it", 4, padded, block_proof(feed, 9), False)
    add("rubbish", 1, bytes([9]) * SECTOR, block_proof(feed, 4), True)
    for why, number in (
        ("0", 0),
        ("N - 1", key.n - 1),
        ("N", key.n),
        ("N + 1", key.n + 1),
        ("2^2048 - 1", 2**2048 - 1),
    ):
        add(f"the sector is {why}", 1, number.to_bytes(SECTOR, "big"), block_proof(feed, 4), True)
    return found


def _tree_hash(feed: Feed) -> bytes:
    return tree_hash(feed.length, [Root(root.hash, root.size) for root in feed.roots])


def vectors() -> dict[str, Any]:
    """All that the file holds."""
    all_cases = [case for primes in (2, 3, 4) for case in cases(primes)]
    committed = {"genesis": GENESIS.hex(), "account": ACCOUNT.hex(), "copy": COPY}
    committed["hash"] = report(GENESIS, ACCOUNT, COPY, all_cases[0].evidence).hex()
    return {"report": committed, "cases": [case.json() for case in all_cases]}


if __name__ == "__main__":
    PATH.write_text(json.dumps(vectors(), indent=1) + "\n")
