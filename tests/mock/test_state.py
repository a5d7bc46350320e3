"""The state trie and the overlay above it: known roots, order, proofs, transactions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_mock.chainspec import ChainSpec, artifacts
from runtime_mock.codec import blake2_256
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie, ordered_root

EMPTY = "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314"
keys = st.binary(max_size=6)
values = st.binary(min_size=1, max_size=80)
changes = st.lists(st.tuples(keys, st.one_of(st.none(), values)), max_size=30)


def naive_root(entries: dict[bytes, bytes], version: int) -> bytes:
    """The specification's trie, built from scratch by recursion over sorted nibbles."""

    def encode(items: list[tuple[bytes, bytes]], depth: int) -> bytes:
        common = items[0][0][depth:]
        for key, _ in items[1:]:
            rest = key[depth:]
            size = next(
                (i for i, (a, b) in enumerate(zip(common, rest, strict=False)) if a != b), min(len(common), len(rest))
            )
            common = common[:size]
        end = depth + len(common)
        own = [value for key, value in items if len(key) == end]
        groups: dict[int, list[tuple[bytes, bytes]]] = {}
        for key, value in items:
            if len(key) > end:
                groups.setdefault(key[end], []).append((key, value))
        hashed = bool(own) and version == 1 and len(own[0]) >= 33
        kind, bits = (0x80, 6) if groups and not own else (0xC0, 6) if groups else (0x40, 6)
        if hashed:
            kind, bits = (0x10, 4) if groups else (0x20, 5)
        length, most = len(common), (1 << bits) - 1
        out = bytearray([kind | min(length, most)])
        if length >= most:
            left = length - most
            while left >= 255:
                out.append(255)
                left -= 255
            out.append(left)
        padded = (b"\0" if len(common) % 2 else b"") + common
        out += bytes(16 * padded[i] + padded[i + 1] for i in range(0, len(padded), 2))
        if groups:
            out += sum(1 << nibble for nibble in groups).to_bytes(2, "little")
        if own:
            out += blake2_256(own[0]) if hashed else compact(len(own[0])) + own[0]
        for nibble in sorted(groups):
            child = encode(groups[nibble], end + 1)
            child = child if len(child) < 32 else blake2_256(child)
            out += compact(len(child)) + child
        return bytes(out)

    if not entries:
        return blake2_256(b"\0")
    nibbled = sorted((bytes(n for byte in key for n in divmod(byte, 16)), value) for key, value in entries.items())
    return blake2_256(encode(nibbled, 0))


def compact(value: int) -> bytes:
    assert value < 1 << 14
    return bytes([value << 2]) if value < 64 else (value << 2 | 1).to_bytes(2, "little")


def test_known_roots() -> None:
    assert Trie().root(0).hex() == Trie().root(1).hex() == EMPTY
    # of the block 1 of this chain by the real node, see test_reexecute; here: an ordered list with and without items
    assert ordered_root([], 0).hex() == EMPTY
    top = json.loads((artifacts() / "chain-spec.json").read_text())["genesis"]["raw"]["top"]
    entries = {bytes.fromhex(key[2:]): bytes.fromhex(value[2:]) for key, value in top.items() if len(value) < 20_000}
    assert Trie.of(entries.items()).root(1) == naive_root(entries, 1)


@pytest.mark.parametrize("version", [0, 1])
@given(st.dictionaries(keys, values, max_size=40))
def test_roots_are_those_of_the_specification(version: int, entries: dict[bytes, bytes]) -> None:
    assert Trie.of(entries.items()).root(version) == naive_root(entries, version)


@given(changes, changes)
def test_versions_share_but_do_not_disturb_each_other(first: Any, second: Any) -> None:
    one = Trie().changed(first)
    root = one.root(1)
    two = one.changed(second)
    plain: dict[bytes, bytes] = {}
    for key, value in [*first, *second]:
        if value is None:
            plain.pop(key, None)
        else:
            plain[key] = value
    assert dict(two.items()) == plain
    assert two.root(1) == Trie.of(plain.items()).root(1)
    assert one.root(1) == root


@given(st.dictionaries(keys, values, max_size=30), keys, keys)
def test_keys_come_in_order(entries: dict[bytes, bytes], key: bytes, prefix: bytes) -> None:
    trie = Trie.of(entries.items())
    ordered = sorted(entries)
    assert [one for one, _ in trie.items()] == ordered
    assert trie.next_key(key) == next((one for one in ordered if one > key), None)
    assert [one for one, _ in trie.items(prefix)] == [one for one in ordered if one.startswith(prefix)]
    later = [one for one in ordered if one.startswith(prefix) and one > key]
    assert [one for one, _ in trie.items(prefix, after=key)] == later


@given(st.dictionaries(keys, values, min_size=1, max_size=30), keys)
def test_a_proof_holds_the_path_from_the_root(entries: dict[bytes, bytes], absent: bytes) -> None:
    trie = Trie.of(entries.items())
    prover = trie.prover(1)
    for key in (*entries, absent, *entries):
        prover.add(key)
    proof = prover.proof
    assert prover.size == sum(len(part) for part in proof)
    assert blake2_256(proof[0]) == trie.root(1)
    assert len(set(proof)) == len(proof)
    for value in entries.values():
        assert len(value) < 33 or value in proof


@given(st.dictionaries(keys, values, max_size=30), st.dictionaries(keys, st.none() | values, max_size=10))
def test_what_differs_between_two_states(entries: dict[bytes, bytes], changed: dict[bytes, bytes | None]) -> None:
    trie = Trie.of(entries.items())
    other = trie.changed(changed.items())
    apart = Trie.of(other.items())  # the same, and nothing of it shared
    right = sorted(key for key in {*entries, *changed} if trie.get(key) != other.get(key))
    for one, two in ((trie, other), (other, trie), (trie, apart), (apart, trie)):
        assert sorted(one.differing(two)) == right
    assert not list(other.differing(apart))


@given(st.dictionaries(keys, values, max_size=20), changes, changes, st.booleans(), keys)
def test_an_overlay_reads_as_if_it_were_written(base: Any, outer: Any, inner: Any, keep: bool, key: bytes) -> None:
    overlay, plain = Overlay(Trie.of(base.items())), dict(base)

    def write(changes: Any) -> None:
        for one, value in changes:
            if value is None:
                overlay.delete(one)
                plain.pop(one, None)
            else:
                overlay.put(one, value)
                plain[one] = value

    write(outer)
    before = dict(plain)
    overlay.begin()
    write(inner)
    assert overlay.depth == 1
    assert overlay.next_key(key) == min((one for one in plain if one > key), default=None)
    assert list(overlay.keys(key)) == sorted(one for one in plain if one.startswith(key))
    if keep:
        overlay.commit()
    else:
        overlay.rollback()
        plain = before
    assert overlay.get(key) == plain.get(key)
    assert overlay.root(1) == Trie.of(plain.items()).root(1)
    assert dict(overlay.trie().items()) == plain


@given(st.dictionaries(keys, values, max_size=20), changes, keys, st.one_of(st.none(), st.integers(0, 9)))
def test_prefixes_are_cleared(base: Any, changed: Any, prefix: bytes, limit: int | None) -> None:
    overlay = Overlay(Trie.of(base.items()))
    for key, value in changed:
        if value is None:
            overlay.delete(key)
        else:
            overlay.put(key, value)
    before = dict(overlay.trie().items())
    below = sorted(key for key in base if key.startswith(prefix))
    looked_at = below if limit is None else below[:limit]
    assert overlay.clear_prefix(prefix, limit) == (len(looked_at), len(looked_at) < len(below))
    gone = set(looked_at) | {key for key, _ in changed if key.startswith(prefix)}
    assert dict(overlay.trie().items()) == {key: value for key, value in before.items() if key not in gone}


def test_the_genesis_of_the_chain_spec(spec: ChainSpec) -> None:
    assert spec.identifier == "datdot-dev"
    assert spec.genesis.get(b":code") is not None
    assert spec.properties["ss58Format"] == 42
