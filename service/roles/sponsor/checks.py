"""Pre-flight checks for `publish_plan`: head, ranges, terms and pot by the chain's own rules.

No fee is spent on a plan that the chain would refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service import hypercore
from service.chain_client.pallet.constants import (
    MAX_AMOUNT,
    MAX_PLAN_BYTES,
    MAX_REGION,
    MAX_REGIONS,
    MAX_REPLICAS,
    MAX_SAFE,
    PPM,
    REPORT_ERAS,
)
from service.chain_client.pallet.types import BlockRange, OpenedNode, Root, SignedHead, Terms, Times
from service.encoding.profiles import SECTOR
from service.hypercore.codec import CodecError
from service.hypercore.core import Core
from service.hypercore.crypto import HASH_BYTES, SIGNATURE_BYTES, Node, blake2b
from service.hypercore.manifest import Authority, Manifest, ManifestError
from service.hypercore.tree import flat
from service.protocols.copy.stream import (
    FREE_BLOCKS,
    LEAST_MEAN_BLOCK,
    MAX_BLOCK,
    MAX_EMPTY_RUN,
    too_many_blocks,
)

from ..common.ratio import dearest
from .ranges import RangeError, check_ranges, opened, tiles

GIB_SECTORS = 1 << 22
MAX_BLOCK_NUMBER = 1 << 32
MAX_TARGET = 1 << 32
GEOHASH = b"0123456789bcdefghjkmnpqrstuvwxyz"
"""The characters of a geohash."""

_PRIME = (1 << 255) - 19
_SMALL_ORDER = frozenset(number.to_bytes(32, "little") for number in (0, 1, _PRIME - 1, _PRIME, _PRIME + 1)) | {
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
}


class PublicationError(Exception):
    """A plan, donation or claim that the chain would refuse. The message says which part of it, and why."""


class WrongFeedKey(PublicationError):
    """The manifest does not belong to the feed's key, or is of a kind that the chain does not accept."""


class BadHeadSignature(PublicationError):
    """The head is not signed by the feed's author."""


class SmallOrderKey(PublicationError):
    """The author's key, or point R of the signature, is of small order: anybody could have signed."""


class BadHead(PublicationError):
    """Fork, length, roots or sizes that no valid head can have."""


class BadRanges(PublicationError):
    """Ranges that no plan can have, or whose bytes the tree nodes do not prove."""


class UnknownBlocks(BadRanges):
    """Blocks whose sizes are not known here, so that nobody can say whether hosters would take them."""


class OversizedBlock(PublicationError):
    """A block too large for a proof of false encoding: hosters decline such a plan."""


class TinyBlocks(PublicationError):
    """Blocks so many and so small that they cost a hoster more than their bytes pay: hosters decline such a plan."""


class BadTerms(PublicationError):
    """Replicas, prices or times outside the chain's limits."""


def is_small_order(point: bytes) -> bool:
    """Return whether an encoded ed25519 point is one that the chain refuses (pallet-spec/README.md section 2)."""
    return bytes((*point[:31], point[31] & 0x7F)) in _SMALL_ORDER


def check_head(head: hypercore.CoreHead) -> SignedHead:
    """Return the head in the chain's form.

    Raises WrongFeedKey, BadHead, SmallOrderKey or BadHeadSignature.
    """
    authority = _authority(head)
    if not 0 <= head.fork <= MAX_SAFE or not 1 <= head.length <= MAX_SAFE or head.byte_length > MAX_SAFE:
        raise BadHead(f"head of {head.length} blocks and {head.byte_length} bytes at fork {head.fork}: out of range")
    if [root.index for root in head.roots] != flat.full_roots(2 * head.length):
        raise BadHead(f"the head's roots are not those of a feed of {head.length} blocks")
    if len(head.raw_signature) != SIGNATURE_BYTES:
        raise BadHeadSignature(f"a signature has {SIGNATURE_BYTES} bytes, not {len(head.raw_signature)}")
    signer = head.key if authority.compat else authority.manifest.signers[0].public_key
    for point, name in ((signer, "the author's key"), (head.raw_signature[:HASH_BYTES], "the signature's point R")):
        if is_small_order(point):
            raise SmallOrderKey(f"{name} {point.hex()} is of small order")
    if not authority.verify(head.roots, head.length, head.fork, authority.container(head.raw_signature)):
        raise BadHeadSignature(
            f"the head of {head.length} blocks at fork {head.fork} is not signed by the author of {head.key.hex()}"
        )
    roots = tuple(Root(root.hash, root.size) for root in head.roots)
    manifest = b"" if authority.compat else authority.manifest.encode()
    return SignedHead(head.key, manifest, head.fork, head.length, roots, head.raw_signature)


def _authority(head: hypercore.CoreHead) -> Authority:
    if len(head.key) != HASH_BYTES:
        raise WrongFeedKey(f"a feed's key has {HASH_BYTES} bytes, not {len(head.key)}")
    try:
        manifest = None if head.manifest is None else Manifest.decode(head.manifest)
        authority = Authority.of(head.key, manifest)
    except (ManifestError, CodecError) as error:
        raise WrongFeedKey(f"feed {head.key.hex()}: {error}") from error
    manifest = authority.manifest
    plain = Manifest(manifest.version, 1, manifest.signers)
    if manifest.version > 1 or len(manifest.signers) != 1 or manifest != plain:
        raise WrongFeedKey(f"feed {head.key.hex()}: the chain accepts only feeds with exactly one author")
    return authority


def open_nodes(core: Core, ranges: Sequence[tuple[int, int]]) -> tuple[OpenedNode, ...]:
    """Return the tree nodes that prove the ranges' bytes, from a core that knows them.

    Raises BadRanges. A replica that lacks nodes gets them with the blocks of `blocks_to_open`.
    """
    _check_ranges(ranges, core.length)
    return tuple(open_node(core, index) for index in opened(core.length, ranges))


def open_node(core: Core, index: int) -> OpenedNode:
    """Return a tree node with its children's hashes. Raises BadRanges if they are not stored here."""
    known = core.node(index), core.node(flat.left_child(index)), core.node(flat.right_child(index))
    node, left, right = known
    if node is None or left is None or right is None:
        raise BadRanges(f"tree node {index} or one of its children is missing: fetch the feed, or its proofs, first")
    return OpenedNode(index, node.size, left.hash, right.hash)


def blocks_to_open(length: int, ranges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the blocks whose proofs together hold all nodes that `open_nodes` needs.

    There are few of them, whatever the feed's length.
    """
    _check_ranges(ranges, length)
    roots = set(flat.full_roots(2 * length))
    found = {tile for start, end in ranges for tile in tiles(start, end)} - roots
    return sorted(flat.left_span(tile) // 2 for tile in found)


def check_blocks(core: Core, ranges: Sequence[tuple[int, int]]) -> None:
    """Raise UnknownBlocks if sizes of blocks are not known here, OversizedBlock if one is over 1 MiB.

    Raises TinyBlocks if they are too many, or if too many in a row are empty.
    """
    for start, end in ranges:
        first, unknown = core.unknown_size(start, end)
        if unknown:
            raise UnknownBlocks(
                f"feed {core.key.hex()}: the sizes of {unknown} of the blocks {start} to {end} are not known here, the "
                f"first is block {first}: fetch the feed first, as hosters decline a plan with blocks that are too large"
            )
    blocks = sum(end - start for start, end in ranges)
    nodes = (core.node(tile) for start, end in ranges for tile in tiles(start, end))
    size = sum(node.size for node in nodes if node is not None)
    if too_many_blocks(blocks, size):
        raise TinyBlocks(
            f"{blocks} blocks of feed {core.key.hex()} have only {size} bytes: hosters decline a plan of more than "
            f"{FREE_BLOCKS} blocks whose mean is under {LEAST_MEAN_BLOCK} bytes. Put more into each block"
        )
    for start, end in ranges:
        run = empty_run(core, start, end)
        if run is not None:
            raise TinyBlocks(
                f"more than {MAX_EMPTY_RUN} blocks of feed {core.key.hex()} in a row are empty, from block {run} on: who "
                "reads it finds no bytes there. Publish the blocks before and after them (--range START:END)"
            )
        found = core.block_over(MAX_BLOCK, start, end)
        if found is not None:
            raise OversizedBlock(
                f"block {found[0]} of feed {core.key.hex()} has {found[1]} bytes: "
                f"hosters decline a plan with a block of more than {MAX_BLOCK} bytes"
            )


def empty_run(core: Core, start: int, end: int, most: int = MAX_EMPTY_RUN) -> int | None:
    """Return the first block of a run of more than `most` empty ones in [start, end), or None.

    The sizes of all blocks must be known. Such a run holds a whole subtree of half as many, so few nodes are looked at.
    """
    stride = 1 << ((most + 1) // 2).bit_length() - 1
    for first in range(-(-start // stride) * stride, end - stride + 1, stride):
        if not _is_empty(core, first, stride):
            continue
        low, high = first, first + stride
        while low > start and high - low <= most and _is_empty(core, low - 1, 1):
            low -= 1
        while high < end and high - low <= most and _is_empty(core, high, 1):
            high += 1
        if high - low > most:
            return low
    return None


def _is_empty(core: Core, first: int, count: int) -> bool:
    """Return whether `count` blocks, a power of two at a multiple of it, have no bytes."""
    node = core.node(2 * first + count - 1)
    if node is None:
        return all(_is_empty(core, block, 1) for block in range(first, first + count))
    return node.size == 0


def _check_ranges(ranges: Sequence[tuple[int, int]], length: int) -> None:
    try:
        check_ranges(ranges, length)
    except RangeError as error:
        raise BadRanges(str(error)) from error


def range_bytes(head: SignedHead, ranges: Sequence[tuple[int, int]], nodes: Sequence[OpenedNode]) -> list[int]:
    """Return the bytes of each range, proven by exactly the nodes that the chain expects. Raises BadRanges."""
    _check_ranges(ranges, head.length)
    wanted = opened(head.length, ranges)
    if [node.index for node in nodes] != wanted:
        raise BadRanges(f"the ranges need the tree nodes {wanted!r:.200}, but got {[n.index for n in nodes]!r:.200}")
    sizes = _sizes(head, nodes)
    return [sum(sizes[tile] for tile in tiles(start, end)) for start, end in ranges]


def _sizes(head: SignedHead, nodes: Sequence[OpenedNode]) -> dict[int, int]:
    """Return the sizes of roots and opened nodes, each proven by its own hash and by its parent's."""
    known = {
        index: Node(index, root.size, root.hash)
        for index, root in zip(flat.full_roots(2 * head.length), head.roots, strict=True)
    }
    sizes = {index: root.size for index, root in known.items()}
    expected = {index: root.hash for index, root in known.items()}
    for node in sorted(nodes, key=lambda node: -flat.depth(node.index)):
        digest = blake2b(b"\1" + node.size.to_bytes(8, "little") + node.left + node.right)
        if expected.get(node.index) != digest or sizes.get(node.index, node.size) != node.size:
            raise BadRanges(f"tree node {node.index} does not lead to a root of the head")
        sizes[node.index] = node.size
        for child, below in ((flat.left_child(node.index), node.left), (flat.right_child(node.index), node.right)):
            expected[child] = below
    for node in nodes:
        left, right = sizes.get(flat.left_child(node.index)), sizes.get(flat.right_child(node.index))
        if left is not None and right is not None and left + right != node.size:
            raise BadRanges(f"tree node {node.index} has {node.size} bytes, but its children have {left} and {right}")
        if (left or right or 0) > node.size:
            raise BadRanges(f"tree node {node.index} has {node.size} bytes, fewer than one of its children")
    return sizes


@dataclass(frozen=True, slots=True)
class Publication:
    """All arguments of `publish_plan`, checked. `bytes` is the length of the copy stream."""

    head: SignedHead
    ranges: tuple[BlockRange, ...]
    nodes: tuple[OpenedNode, ...]
    terms: Terms
    pot: int
    bytes: int


def least_pot(terms: Terms, sectors: int, times: Times) -> int:
    """Return the smallest pot: what it keeps for all replicas' reserves, at the caps, for one era.

    See pallet-spec/README.md section 11.
    """
    parts = (
        (terms.max_ask_disk, sectors),
        (terms.max_ask_encoding, sectors + times.checkpoint),
        (terms.max_ask_receiving, sectors),
    )
    each = sum(-(-cap * size // GIB_SECTORS) for cap, size in parts) + REPORT_ERAS * times.seats * terms.report_price
    return dearest(each * terms.replicas)


def check_terms(terms: Terms, times: Times, now: int) -> None:
    """Raise BadTerms unless the chain accepts these terms in the block after `now`."""
    check_bounds(terms)
    last = now + times.plan_eras * times.era
    if not now + 1 < terms.until <= last:
        raise BadTerms(
            f"a plan until block {terms.until}: it must end after block {now + 1} and no later than block {last}"
        )


def check_bounds(terms: Terms) -> None:
    """Raise BadTerms for replicas and prices that no plan can have."""
    if not 1 <= terms.replicas <= MAX_REPLICAS:
        raise BadTerms(f"{terms.replicas} replicas: a plan has 1 to {MAX_REPLICAS}")
    for name, amount in _amounts(terms):
        if not 0 <= amount <= MAX_AMOUNT:
            raise BadTerms(f"{name}: {amount} is outside 0 to {MAX_AMOUNT}")
    if not 0 <= terms.min_reputation <= PPM:
        raise BadTerms(f"a least reputation of {terms.min_reputation} ppm: it must be from 0 to {PPM}")
    _check_regions(terms.regions)
    for name, value in (("latency", terms.max_latency_ms), ("throughput", terms.min_kib_per_s)):
        if not 0 <= value < MAX_TARGET:
            raise BadTerms(f"{name}: {value} is outside 0 to {MAX_TARGET - 1}")
    if not 0 <= terms.until < MAX_BLOCK_NUMBER:
        raise BadTerms(f"a plan until block {terms.until}: no later than block {MAX_BLOCK_NUMBER - 1} can be named")


def _check_regions(regions: Sequence[bytes]) -> None:
    if len(regions) > MAX_REGIONS:
        raise BadTerms(f"{len(regions)} regions: a plan names at most {MAX_REGIONS}")
    for region in regions:
        if not 1 <= len(region) <= MAX_REGION or not set(region) <= set(GEOHASH):
            raise BadTerms(
                f"region {region.decode(errors='replace')!r}: 1 to {MAX_REGION} characters of a geohash are one"
            )


def _amounts(terms: Terms) -> Iterator[tuple[str, int]]:
    yield "cap for disk", terms.max_ask_disk
    yield "cap for encoding", terms.max_ask_encoding
    yield "cap for receiving", terms.max_ask_receiving
    yield "price of a report", terms.report_price


def prepare(
    head: hypercore.CoreHead,
    ranges: Sequence[tuple[int, int]],
    nodes: Sequence[OpenedNode],
    terms: Terms,
    pot: int,
    *,
    times: Times,
    now: int,
) -> Publication:
    """Check everything that can be checked without the sponsor's account.

    Raises a PublicationError of the fitting kind.
    """
    check_terms(terms, times, now)
    wanted = assemble(head, ranges, nodes, terms, pot)
    check_prices(wanted, times, now)
    return wanted


def assemble(
    head: hypercore.CoreHead,
    ranges: Sequence[tuple[int, int]],
    nodes: Sequence[OpenedNode],
    terms: Terms,
    pot: int,
) -> Publication:
    """Return a publication whose head, ranges and bounds are right, whatever the time. Raises a PublicationError."""
    check_bounds(terms)
    signed = check_head(head)
    check_live(terms, ranges, signed.length)
    total = sum(range_bytes(signed, ranges, nodes))
    if not 1 <= total <= MAX_PLAN_BYTES:
        raise BadRanges(f"the ranges have {total} bytes: a plan has 1 byte to 256 GiB")
    if pot > MAX_AMOUNT:
        raise BadTerms(f"a pot of {pot}: the maximum is {MAX_AMOUNT}")
    return Publication(signed, tuple(BlockRange(start, end) for start, end in ranges), tuple(nodes), terms, pot, total)


def check_live(terms: Terms, ranges: Sequence[tuple[int, int]], length: int) -> None:
    """Raise BadRanges for a live plan that does not reach the end of its feed: its last range grows with it."""
    if terms.live and (not ranges or ranges[-1][1] != length):
        end = f"block {ranges[-1][1]}" if ranges else "nowhere"
        raise BadRanges(f"the last range of a live plan must end at the feed's length {length}, not at {end}")


def check_prices(wanted: Publication, times: Times, now: int) -> None:
    """Raise BadTerms unless the chain accepts terms and pot in the block after `now`."""
    terms = wanted.terms
    check_terms(terms, times, now)
    least = least_pot(terms, -(-wanted.bytes // SECTOR), times)
    if wanted.pot < least:
        raise BadTerms(
            f"a pot of {wanted.pot}: the first era of {terms.replicas} copies of {wanted.bytes} bytes needs {least}"
        )
