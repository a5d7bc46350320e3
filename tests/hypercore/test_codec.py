"""Bytes from anybody: every decoder gives a value or its own error, and never holds more than what came."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.hypercore import (
    BlockProof,
    BlockRequest,
    CodecError,
    HashProof,
    HashRequest,
    Manifest,
    ManifestError,
    Node,
    Proof,
    Request,
    SeekProof,
    SeekRequest,
    UpgradeProof,
    UpgradeRequest,
)
from service.hypercore.codec import MAX_UINT, Reader, encode_buffer, encode_string, encode_uint
from service.hypercore.manifest import ManifestSigner, _read_container
from service.hypercore.tree import flat
from service.hypercore.wire import messages as m
from service.hypercore.wire.intervals import Intervals

UINT = st.integers(0, MAX_UINT) | st.integers(0, 300) | st.sampled_from([252, 253, 65535, 65536, 2**32 - 1, 2**32])
HASH = st.binary(min_size=32, max_size=32)
NODES = st.lists(st.builds(Node, UINT, UINT, HASH), max_size=5).map(tuple)
SIGNERS = st.lists(st.builds(ManifestSigner, HASH, HASH), min_size=1, max_size=3).map(tuple)


@given(UINT)
def test_uint(value: int) -> None:
    encoded = encode_uint(value)
    assert Reader(encoded).uint() == value
    assert len(encoded) == (1 if value < 253 else 3 if value < 2**16 else 5 if value < 2**32 else 9)


@pytest.mark.parametrize("value", [-1, MAX_UINT + 1])
def test_no_uint(value: int) -> None:
    with pytest.raises(ValueError, match="is not a uint"):
        encode_uint(value)


@pytest.mark.parametrize(
    ("data", "read", "message"),
    [
        (b"", lambda r: r.uint("size"), "size at offset 0: the message ends"),
        (b"\xfd\x01", lambda r: r.uint("size"), "size at offset 0: the message ends"),
        (b"\xff" + b"\xff" * 8, lambda r: r.uint("size"), "size at offset 0: .* is over"),
        (b"\x05", lambda r: r.uint("size", 4), "size at offset 0: 5 is over 4"),
        (
            b"\xfe\xff\xff\xff\xffab",
            lambda r: r.buffer(what="value"),
            "value at offset 5: .* bytes expected, but 2 are left",
        ),
        (b"\x05abcde", lambda r: r.buffer(4, "value"), "length of value at offset 0: 5 is over 4"),
        (b"\x02\xff\xfe", lambda r: r.string(what="name"), "name at offset 0: not UTF-8"),
        (b"\x01\x02", lambda r: (r.uint(), r.end()), "1 unexpected bytes at offset 1"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, read: Callable[[Reader], object], message: str) -> None:
    with pytest.raises(CodecError, match=message):
        read(Reader(data))


@given(st.binary(max_size=50), st.text(max_size=20))
def test_buffers_and_strings(data: bytes, text: str) -> None:
    reader = Reader(encode_buffer(data) + encode_string(text) + b"rest")
    assert (reader.buffer(), reader.string(), reader.rest()) == (data, text, b"rest")
    reader.end()


DECODERS: list[Callable[[bytes], object]] = [
    m.decode_sync,
    m.decode_request,
    m.decode_data,
    m.decode_range,
    m.decode_want,
    m.decode_bitfield,
    Manifest.decode,
    lambda data: m.decode_nodes(Reader(data)),
    lambda data: _read_container(0, data),
    lambda data: _read_container(1, data),
]


@given(st.sampled_from(DECODERS), st.binary(max_size=400))
def test_rubbish_gives_a_value_or_the_decoders_own_error(decode: Callable[[bytes], object], data: bytes) -> None:
    try:
        decode(data)
    except (CodecError, ManifestError):
        pass


HUGE = [b"\xff" + (2**53 - 1).to_bytes(8, "little"), b"\xfe\xff\xff\xff\xff", b"\xfd\xff\xff", b"\xfc"]


@pytest.mark.parametrize("size", HUGE, ids=["8", "4", "2", "1"])
@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("decode", DECODERS)
def test_announced_sizes_take_no_memory(decode: Callable[[bytes], object], place: int, size: bytes) -> None:
    """A length or count of anything up to 2^53, at any of the first places, in 200 bytes."""
    for flags in (1, 2, 4, 8, 16, 31):
        data = (bytes([flags]) + bytes(place) + size).ljust(200, b"\1")
        tracemalloc.start()
        try:
            decode(data)
        except (CodecError, ManifestError):
            pass
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < 64 * 1024


@given(st.builds(m.Sync, st.integers(0, 31), UINT, UINT, UINT))
def test_sync(sync: m.Sync) -> None:
    assert m.decode_sync(m.encode_sync(sync)) == sync


REQUESTS = st.builds(
    Request,
    st.none() | st.builds(BlockRequest, UINT, UINT),
    st.none() | st.builds(HashRequest, UINT, UINT),
    st.none() | st.builds(SeekRequest, UINT, UINT),
    st.none() | st.builds(UpgradeRequest, UINT, UINT),
    st.booleans(),
)


@given(UINT, UINT, REQUESTS)
def test_request(number: int, fork: int, request: Request) -> None:
    assert m.decode_request(m.encode_request(number, fork, request)) == (number, fork, request)


def test_a_seek_of_hypercore_10_has_no_padding() -> None:
    assert m.decode_request(b"\4\1\0\x09") == (1, 0, Request(seek=SeekRequest(9, 0)))


MANIFESTS = st.builds(
    Manifest, st.just(1), st.integers(1, 3), SIGNERS, st.booleans(), st.none() | st.tuples(HASH, UINT)
) | st.builds(
    Manifest,
    st.sampled_from([2, 3]),
    st.integers(1, 3),
    SIGNERS,
    st.booleans(),
    st.none() | st.tuples(HASH, UINT),
    st.lists(HASH, max_size=3).map(tuple),
    st.none() | st.binary(max_size=20),
)


@given(MANIFESTS | st.builds(Manifest, st.just(0), st.integers(1, 3), SIGNERS, st.booleans()))
def test_manifest(manifest: Manifest) -> None:
    assert Manifest.decode(manifest.encode()) == manifest
    assert len(manifest.key) == 32


PROOFS = st.builds(
    Proof,
    UINT,
    st.none() | st.builds(BlockProof, UINT, st.binary(max_size=40), NODES),
    st.none() | st.builds(HashProof, UINT, NODES),
    st.none() | st.builds(SeekProof, UINT, NODES),
    st.none() | st.builds(UpgradeProof, UINT, UINT, NODES, NODES, st.binary(max_size=70)),
    st.none() | MANIFESTS.map(Manifest.encode),
)


@given(UINT, PROOFS)
def test_data(number: int, answer: Proof) -> None:
    encoded = m.encode_data(number, answer)
    assert m.decode_data(encoded) == (number, answer)


@given(PROOFS, st.data())
def test_a_cut_answer_is_refused(answer: Proof, data: st.DataObject) -> None:
    encoded = m.encode_data(1, answer)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(CodecError):
        m.decode_data(encoded[:cut])


@given(UINT, UINT, st.booleans())
def test_range(start: int, length: int, drop: bool) -> None:
    assert m.decode_range(m.encode_range(start, length, drop)) == (start, length, drop)


@given(UINT, st.binary(max_size=40).map(lambda data: data[: len(data) // 4 * 4]))
def test_bitfield_and_want(start: int, bits: bytes) -> None:
    assert m.decode_bitfield(m.encode_bitfield(start, bits)) == (start, bits)
    assert m.decode_want(m.encode_want(start, len(bits))) == (start, len(bits))


@pytest.mark.parametrize("version", [4, 5, 2**40])
def test_manifests_of_the_future_are_named(version: int) -> None:
    with pytest.raises(ManifestError, match=f"unknown manifest version {version}"):
        Manifest.decode(encode_uint(version) + bytes(80))


# ---------------------------------------------------------------- flat trees and sets of runs


@given(st.integers(0, 2**50))
def test_flat_tree(node: int) -> None:
    level = flat.depth(node)
    assert flat.index(level, flat.offset(node)) == node
    assert flat.sibling(flat.sibling(node)) == node
    assert flat.parent(node) == flat.parent(flat.sibling(node))
    assert flat.right_span(node) - flat.left_span(node) == 2 * (flat.leaves(node) - 1)
    if level:
        assert flat.parent(flat.left_child(node)) == flat.parent(flat.right_child(node)) == node
    else:
        with pytest.raises(ValueError, match="is a leaf"):
            flat.left_child(node)
    walk = flat.Iterator(node)
    assert (walk.sibling(), walk.sibling()) == (flat.sibling(node), node)
    assert walk.parent() == flat.parent(node)
    assert walk.contains(node)


@given(st.integers(0, 5000))
def test_full_roots(blocks: int) -> None:
    roots = flat.full_roots(2 * blocks)
    assert sum(map(flat.leaves, roots)) == blocks
    assert len(roots) == blocks.bit_count()
    walk, found = flat.Iterator(0), []
    while walk.full_root(2 * blocks):
        found.append(walk.index)
        walk.next_tree()
    assert found == roots


SPANS = st.tuples(
    st.sampled_from(["add", "remove", "bits"]), st.integers(0, 90), st.integers(0, 30), st.binary(max_size=4)
)


@given(st.lists(SPANS, max_size=30))
def test_intervals_beside_a_set(steps: list[tuple[str, int, int, bytes]]) -> None:
    runs, model = Intervals(), set[int]()
    for what, start, size, bits in steps:
        if what == "bits":
            runs.replace(start, bits)
            model -= set(range(start, start + 8 * len(bits)))
            model |= {start + at for at in range(8 * len(bits)) if bits[at >> 3] >> (at & 7) & 1}
        elif what == "add":
            runs.add(start, start + size)
            model |= set(range(start, start + size))
        else:
            runs.remove(start, start + size)
            model -= set(range(start, start + size))
        assert {index for first, last in runs.runs() for index in range(first, last)} == model
        assert all(first < last for first, last in runs.runs())
        assert all(one[1] < two[0] for one, two in zip(runs.runs(), runs.runs()[1:], strict=False))
    for index in range(150):
        assert (index in runs) == (index in model)
        assert runs.next(index) == min((one for one in model if one >= index), default=None)
        assert runs.gap(index) == next(one for one in range(index, 500) if one not in model)


def test_intervals_are_bounded() -> None:
    runs = Intervals(10)
    for place in range(100):
        runs.add(2 * place, 2 * place + 1)
    assert len(runs) == 10
    runs.replace(1000, b"\x55" * 1000)
    assert len(runs) == 10
    runs.add(0, 1000)
    assert runs.runs() == [(0, 1000)]
