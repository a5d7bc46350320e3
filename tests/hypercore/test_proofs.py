"""Proofs: 937 that npm hypercore made, byte for byte; seeks; and anything that is changed in one is refused."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from service.hypercore import (
    BlockProof,
    BlockRequest,
    Core,
    Corestore,
    HashProof,
    HashRequest,
    Node,
    Proof,
    ProofError,
    Request,
    SeekProof,
    SeekRequest,
    UpgradeProof,
    UpgradeRequest,
    default_manifest,
)
from service.hypercore.store.storage import CoreRecord
from service.hypercore.tree import flat
from service.hypercore.wire.messages import decode_data, encode_data

FUZZ = json.loads((Path(__file__).parents[1] / "vectors" / "hypercore" / "fuzz.json").read_text())
H = bytes.fromhex
BLOCKS = [H(block) for block in FUZZ["blocks"]]


def request_of(case: dict[str, Any]) -> Request:
    asked = case["msg"]
    return Request(
        block=BlockRequest(**asked["block"]) if asked["block"] else None,
        hash=HashRequest(**asked["hash"]) if asked["hash"] else None,
        upgrade=UpgradeRequest(**asked["upgrade"]) if asked["upgrade"] else None,
    )


def whole() -> Core:
    """All of npm's blocks in a core of ours: its tree holds every shorter one."""
    core = Corestore().create()
    core.append(BLOCKS)
    return core


class Replay:
    """npm's core at each of its lengths, with the signatures that it made, in our storage."""

    def __init__(self) -> None:
        self.store = Corestore()
        self.core = self.store.get(H(FUZZ["key"]))
        self._whole = whole()
        self._heads = {}
        for case in FUZZ["cases"]:
            if "wire" in case:
                upgrade = decode_data(H(case["wire"]))[1].upgrade
                if upgrade is not None:
                    self._heads[case["L"]] = upgrade.signature

    def at(self, length: int) -> Core:
        """The writer's core when it had ``length`` blocks; lengths must not fall."""
        inside = range(2 * length - 1)
        nodes = [node for index in inside if (node := self._whole.node(index)) and flat.right_span(index) in inside]
        core = self.core
        core._storage.put_nodes(core._record.id, nodes)  # what the writer wrote; a replica could not sign it
        core._storage.put_blocks(core._record.id, enumerate(BLOCKS[:length]))
        core.mark(0, length)
        manifest = default_manifest(H(FUZZ["pk"]))
        core._storage.put_head(core._record.id, 0, length, self._heads.get(length, b""), manifest.encode())
        record = core._storage.find("key", core.key)
        assert record is not None
        core.flush()
        core.restore()
        return core


def test_937_proofs_of_npm_byte_for_byte() -> None:
    replay, same, refused = Replay(), 0, 0
    length, core = -1, replay.core
    for case in FUZZ["cases"]:
        if case["L"] != length:
            length = case["L"]
            core = replay.at(length)
        if "err" in case:
            with pytest.raises(ProofError):
                core.prove(request_of(case))
            refused += 1
            continue
        assert encode_data(1, core.prove(request_of(case))) == H(case["wire"]), case["msg"]
        same += 1
    assert (same, refused) == (937, len(FUZZ["cases"]) - 937)
    replay.store.close()


def replica(builder: Core, length: int) -> tuple[Corestore, Core]:
    """A replica that knows the roots of ``length`` blocks, and nothing else."""
    store = Corestore()
    core = store.get(H(FUZZ["key"]))
    core._storage.put_nodes(core._record.id, builder.roots(length))
    core._storage.put_head(core._record.id, 0, length, b"", default_manifest(H(FUZZ["pk"])).encode())
    core.flush()
    record = core._storage.find("key", core.key)
    assert record is not None
    core.restore()
    return store, core


def test_937_proofs_of_npm_hold() -> None:
    checked, builder = 0, whole()
    for case in FUZZ["cases"]:
        if "wire" not in case:
            continue
        store, core = replica(builder, case["a"])
        _, answer = decode_data(H(case["wire"]))
        core.apply(answer)
        assert core.length == (case["L"] if answer.upgrade else case["a"])
        if answer.block is not None:
            assert core.get(answer.block.index) == BLOCKS[answer.block.index]
        store.close()
        checked += 1
    assert checked == 937


# ---------------------------------------------------------------- our own trees


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def falsified(answer: Proof, chance: random.Random) -> list[Proof]:
    """One change each, of everything that a proof has."""
    found: list[Proof] = []

    def change(nodes: tuple[Node, ...]) -> list[tuple[Node, ...]]:
        if not nodes:
            return []
        at = chance.randrange(len(nodes))
        node = nodes[at]
        others = [
            Node(node.index, node.size, flip(node.hash, chance.randrange(32))),
            Node(node.index + 2, node.size, node.hash),
            Node(node.index, node.size + 1, node.hash),
        ]
        swapped = [(*nodes[:at], other, *nodes[at + 1 :]) for other in others]
        return [*swapped, nodes[:at] + nodes[at + 1 :], (*nodes, nodes[-1])]

    block, upgrade = answer.block, answer.upgrade
    if block is not None:
        if block.value:
            value = flip(block.value, chance.randrange(len(block.value)))
            found.append(Proof(answer.fork, BlockProof(block.index, value, block.nodes), upgrade=upgrade))
        found.append(Proof(answer.fork, BlockProof(block.index, block.value + b"x", block.nodes), upgrade=upgrade))
        found.append(Proof(answer.fork, BlockProof(block.index ^ 1, block.value, block.nodes), upgrade=upgrade))
        for nodes in change(block.nodes):
            found.append(Proof(answer.fork, BlockProof(block.index, block.value, nodes), upgrade=upgrade))
    if upgrade is not None:
        for nodes in change(upgrade.nodes):
            changed = UpgradeProof(upgrade.start, upgrade.length, nodes, upgrade.additional, upgrade.signature)
            found.append(Proof(answer.fork, block, upgrade=changed))
        for sign in (flip(upgrade.signature, 9), b"", upgrade.signature[:-1], upgrade.signature + b"\0"):
            changed = UpgradeProof(upgrade.start, upgrade.length, upgrade.nodes, upgrade.additional, sign)
            found.append(Proof(answer.fork, block, upgrade=changed))
        found.append(Proof(answer.fork + 1, block, upgrade=upgrade))
    return found


@pytest.fixture(params=[False, True], ids=["manifest", "compat"])
def writer(request: pytest.FixtureRequest) -> Any:
    store = Corestore()
    core = store.create(compat=request.param)
    core.append([bytes([number]) * (number * 7 % 23) for number in range(61)])
    yield core
    store.close()


def test_whatever_is_changed_in_a_proof_is_refused(writer: Core) -> None:
    chance = random.Random(1)
    refused = 0
    for _ in range(60):
        store = Corestore()
        copy = store.get(writer.key)
        known = chance.randrange(1, writer.length)
        first = Request(upgrade=UpgradeRequest(0, known), manifest=True)
        copy.apply(writer_at(writer, known).prove(first))
        index = chance.randrange(writer.length)
        inside = index < known
        upgrade = UpgradeRequest(known, writer.length - known) if not inside or chance.random() < 0.5 else None
        levels = copy.missing_nodes(2 * index) if inside else 0
        answer = writer.prove(Request(block=BlockRequest(index, levels), upgrade=upgrade))
        for false in falsified(answer, chance):
            with pytest.raises(ProofError):
                copy.apply(false)
            assert (copy.length, copy.get(index)) == (known, None)
            refused += 1
        copy.apply(answer)
        assert copy.get(index) == writer.get(index)
        store.close()
    assert refused > 600


def writer_at(writer: Core, length: int) -> Core:
    """The same writer when it was shorter: another store with the same seed."""
    record, store = writer._record, Corestore()
    store._storage.add_core(
        CoreRecord(0, record.key, record.discovery_key, None, record.manifest, record.seed, None, 0, 0, b"")
    )
    store.flush()
    core = store.get(writer.key)
    core.append([writer.get(number) or b"" for number in range(length)])
    return core


def test_seeks_lead_to_the_block_of_a_byte(writer: Core) -> None:
    """As npm asks for them: with a hash in the same subtree, or with an upgrade."""
    for wanted in range(0, writer.byte_length, 13):
        store = Corestore()
        copy = store.get(writer.key)
        answer = writer.prove(Request(seek=SeekRequest(wanted), upgrade=UpgradeRequest(0, 61), manifest=True))
        assert answer.seek is not None
        copy.apply(answer)
        assert copy.length == 61
        start = offset_of(writer, answer.seek.nodes[0].index)
        assert start <= wanted <= start + answer.seek.nodes[0].size
        store.close()


def offset_of(core: Core, index: int) -> int:
    start, _ = core.byte_range(flat.left_span(index) // 2)
    return start


def test_a_seek_below_a_known_node(writer: Core) -> None:
    store = Corestore()
    copy = store.get(writer.key)
    copy.apply(writer.prove(Request(upgrade=UpgradeRequest(0, 61), manifest=True)))
    for block in (0, 5, 31, 40, 57, 60):
        start, size = writer.byte_range(block)
        levels = copy.missing_nodes(2 * block)
        asked = Request(hash=HashRequest(2 * block, levels), seek=SeekRequest(start + size // 2))
        answer = writer.prove(asked)
        assert answer.hash is not None
        copy.verify(answer)
        changed = HashProof(answer.hash.index, tuple(Node(n.index, n.size, flip(n.hash, 3)) for n in answer.hash.nodes))
        with pytest.raises(ProofError):
            copy.verify(Proof(answer.fork, hash=changed, seek=answer.seek))
        if answer.seek is not None:
            first, *rest = answer.seek.nodes
            broken = SeekProof(answer.seek.bytes, (Node(first.index, first.size, flip(first.hash, 3)), *rest))
            with pytest.raises(ProofError):
                copy.verify(Proof(answer.fork, hash=answer.hash, seek=broken))
    store.close()


@pytest.mark.parametrize(
    "asked",
    [
        Request(block=BlockRequest(61, 0)),
        Request(block=BlockRequest(0, 61)),
        Request(block=BlockRequest(0, 7)),
        Request(block=BlockRequest(2**52, 0)),
        Request(hash=HashRequest(122, 0)),
        Request(hash=HashRequest(2**53 - 1, 0)),
        Request(hash=HashRequest(63, 1)),
        Request(upgrade=UpgradeRequest(0, 62)),
        Request(upgrade=UpgradeRequest(61, 0)),
        Request(upgrade=UpgradeRequest(61, 1)),
        Request(upgrade=UpgradeRequest(2**52, 2**52)),
        Request(block=BlockRequest(3, 2), seek=SeekRequest(2**52)),
    ],
    ids=str,
)
def test_what_cannot_be_proved_is_refused(writer: Core, asked: Request) -> None:
    with pytest.raises(ProofError):
        writer.prove(asked)


def test_an_empty_core_proves_nothing() -> None:
    store = Corestore()
    core = store.create()
    for asked in (Request(), Request(upgrade=UpgradeRequest(0, 1)), Request(block=BlockRequest(0, 0))):
        with pytest.raises(ProofError):
            core.prove(asked)
    store.close()


def test_sizes_whose_sum_no_head_can_hold() -> None:
    """4,096 leaves that came as they are, each within its own bound."""
    source = Corestore().create()
    source.append([b"x"] * 4096)
    copy = Corestore().get(source.key)
    copy.apply(source.prove(Request(upgrade=UpgradeRequest(0, 4096), manifest=True)))
    leaves = tuple(Node(2 * (4096 + number), 2**53 - 1, bytes(32)) for number in range(4096))
    with pytest.raises(ProofError, match="a tree of 18014398509481982 bytes"):
        copy.apply(Proof(0, upgrade=UpgradeProof(4096, 0, (), leaves, bytes(68))))
    assert copy.length == 4096
