"""The arithmetic of retrieval challenges: links, probes, seats and commits (pallet-spec/README.md sections 2 and 10)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from service.chain_client.pallet.constants import PROBES, SEAT_DRAWS
from service.chain_client.pallet.types import Slot

CHAIN_LENGTH = 4096
"""Links between a secret and its anchor, one for each era."""
TAG_COMMITTEE = 5
"""Domain tag of the draws for committees."""


KEPT_PROBES = 4096
"""Seats whose probes are not computed again in each block."""


def _h(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def u128(digest: bytes) -> int:
    """Return `U(h)`: bytes 0..16 of a hash as an unsigned little-endian integer."""
    return int.from_bytes(digest[:16], "little")


def draw(tag: int, seed: bytes, ids: bytes, ctr: int) -> int:
    """Return `D(tag, ids, ctr)` for the given seed: a number below 2^128."""
    return u128(_h(draw_prefix(tag, seed, ids), struct.pack("<I", ctr)))


def draw_prefix(tag: int, seed: bytes, ids: bytes) -> bytes:
    """Return what is hashed before the counter in a draw."""
    return b"datdot/v1/draw\x00" + bytes([tag]) + seed + ids


def contract_id(genesis: bytes, copy: int) -> bytes:
    """Return the 32 bytes that stand for a copy in its salts and trees (pallet-spec/README.md section 2)."""
    return _h(b"datdot/v1/copy\x00", genesis, struct.pack("<Q", copy))


def next_link(genesis: bytes, account: bytes, link: bytes) -> bytes:
    """Return the link that follows `link` on an attester's chain. Links are revealed in the opposite direction."""
    return _h(b"datdot/v1/chain\x00", genesis, account, link)


def links(genesis: bytes, account: bytes, secret: bytes) -> Iterator[bytes]:
    """Yield the chain from its secret on. `CHAIN_LENGTH` steps lead to the anchor, which comes last."""
    link = secret
    yield link
    for _ in range(CHAIN_LENGTH):
        link = next_link(genesis, account, link)
        yield link


class LinkChain:
    """An attester's chain of 4,096 links, derived from a secret of 32 bytes that never leaves its owner."""

    def __init__(self, genesis: bytes, account: bytes, secret: bytes) -> None:
        if len(secret) != 32:
            raise ValueError(f"an attester's secret has 32 bytes, not {len(secret)}")
        self._links = list(links(genesis, account, secret))

    @property
    def anchor(self) -> bytes:
        """The last link, which is on the chain from the era of joining on."""
        return self._links[-1]

    def link(self, age: int) -> bytes:
        """Return the link of the era `age` eras after joining; age 0 is the anchor itself.

        Raises ValueError past the end of the chain, where a new anchor must be offered.
        """
        if not 0 <= age <= CHAIN_LENGTH:
            raise ValueError(f"link {age} is outside a chain of {CHAIN_LENGTH}")
        return self._links[CHAIN_LENGTH - age]


@dataclass(frozen=True, slots=True)
class Probe:
    """One of the four probes of a seat: which sector of the copy, and at which block of the era."""

    number: int
    sector: int
    offset: int


def probe_hash(link: bytes, copy: int, era: int, number: int) -> bytes:
    """Return `q_j`, the hash that fixes place and time of probe j."""
    return _h(b"datdot/v1/probe\x00", link, struct.pack("<QIB", copy, era, number))


@lru_cache(maxsize=KEPT_PROBES)
def probes(link: bytes, copy: int, era: int, sectors: int, probe_blocks: int) -> tuple[Probe, ...]:
    """Return the four probes of (copy, era) for the holder of `link`.

    `sectors` is the copy's number of sectors at the era's start. Raises ValueError if there are no sectors or no probe
    blocks.
    """
    if sectors < 1 or probe_blocks < 1:
        raise ValueError(f"a probe needs sectors and blocks, not {sectors} and {probe_blocks}")
    found = []
    for number in range(PROBES):
        q = probe_hash(link, copy, era, number)
        found.append(Probe(number, u128(q) % sectors, int.from_bytes(q[16:32], "little") % probe_blocks))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What an attester reports: served or not, latency in milliseconds, throughput in KiB per second."""

    served: bool
    latency_ms: int
    kib_per_s: int

    def encode(self) -> bytes:
        """Encode as `u8 served | u32 latency_ms | u32 kib_per_s`. Figures past 32 bits count as the largest."""
        top = 2**32 - 1
        if not self.served:
            return bytes(9)
        return struct.pack("<BII", 1, min(self.latency_ms, top), min(self.kib_per_s, top))


NOT_SERVED = Measurement(False, 0, 0)
NO_LEAF = bytes(32)


def commit_hash(
    genesis: bytes, account: bytes, era: int, copy: int, report: Measurement, link: bytes, leaf: bytes, salt: bytes
) -> bytes:
    """Return the hash that is put on the chain before the reveal. `leaf` is `NO_LEAF` if not served."""
    fields = struct.pack("<IQ", era, copy) + report.encode() + link + leaf + salt
    return _h(b"datdot/v1/commit\x00", genesis, account, fields)


def draw_start(seed: bytes, copy: int, era: int) -> bytes:
    """Return what is hashed before the counter in the draws of the committee of (copy, era)."""
    return draw_prefix(TAG_COMMITTEE, seed, struct.pack("<QI", copy, era))


def may_sit(slot: Slot, era: int, start: int) -> bool:
    """Return whether a slot can sit in `era`, which began in block `start`, for any copy at all.

    It cannot if it was taken (or renewed) in era - 1 or later, or given back before the era.
    """
    gone = slot.returned is not None and slot.returned < start
    return not gone and max(slot.taken, *slot.renewed, 0) < era - 1


def seat_slots(seed: bytes, copy: int, era: int, slots: int) -> Iterator[int]:
    """Yield the slot numbers that are drawn for (copy, era), one after another: few are needed to fill its seats.

    `seed` is that of Era(era), `slots` that of Era(era - 1).
    """
    # as `draw`, but what all draws of a committee begin with is hashed once: an attester draws for every copy of the chain
    begun = hashlib.blake2b(draw_start(seed, copy, era), digest_size=32)
    for ctr in range(SEAT_DRAWS if slots else 0):
        one = begun.copy()
        one.update(ctr.to_bytes(4, "little"))
        yield u128(one.digest()) % slots


def committee(
    drawn: Iterable[Slot | None], seats: int, era: int, start: int, barred: frozenset[bytes], price: int
) -> list[Slot]:
    """Return, in seat order, the first `seats` drawn slots that can sit for a copy in `era`, which began in block `start`.

    The rule is that of pallet-spec/README.md section 10. A draw is passed over if its slot is a hole, was taken (or
    renewed) in era - 1 or later, was given back before the era, repeats an account, belongs to a barred account (the
    copy's parties, the sponsor), or asks more than the plan's price.
    """
    seated: dict[bytes, Slot] = {}
    for slot in drawn:
        if len(seated) == seats:
            break
        if slot is None or slot.account in seated or slot.account in barred or slot.ask > price:
            continue
        if may_sit(slot, era, start):
            seated[slot.account] = slot
    return list(seated.values())
