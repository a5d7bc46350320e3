"""Time of the real runtime to verify the answer to a storage challenge of a hoster with 100 GiB."""

from __future__ import annotations

import random
import statistics
import time

from runtime_mock.chainspec import ChainSpec, artifacts
from runtime_mock.codec import Reader, compact, prefixed
from runtime_mock.model.datdot import items, records
from runtime_mock.model.datdot.types import Peer
from runtime_mock.model.storage import State
from runtime_mock.node.chain import NEVER, Chain
from runtime_mock.runtime import CODE
from runtime_mock.state.overlay import Overlay
from runtime_mock.wasm.runtime import WasmRuntime, default_cache
from service.chain_client.pallet import calls, types
from service.encoding import SECTOR, Opening, contract_id, derive_ctx, leaf_hash, node_hash, root_hash
from service.encoding.multiproof import join, split

from .extrinsic import Sender
from .registry import Figures, Report, measures

SECTORS = (100 << 30) // SECTOR
SAMPLES = 16
TURNS = 20
ENCODER = bytes([7]) * 32


class SparseTree:
    """A tree of 100 GiB of which only the paths to some sectors are hashed. Every other hash is made up."""

    def __init__(self, ctx: bytes, sectors: int, samples: list[int], seed: int) -> None:
        self._ctx, self._sectors, self._samples = ctx, sectors, samples
        self._random = random.Random(seed)
        self.data = {sample: self._random.randbytes(SECTOR) for sample in samples}
        self._levels: list[dict[int, bytes]] = []
        self.root = self._hash()

    def _hash(self) -> bytes:
        level = {sample: leaf_hash(self._ctx, sample, data) for sample, data in self.data.items()}
        width = self._sectors
        while width > 1:
            for place in list(level):
                if place ^ 1 < width:
                    level.setdefault(place ^ 1, self._random.randbytes(32))
            self._levels.append(level)
            level = {
                place // 2: node_hash(level[place], level[place + 1]) if place + 1 < width else level[place]
                for place in level
                if place % 2 == 0
            }
            width = (width + 1) // 2
        return root_hash(self._ctx, self._sectors, level[0])

    def opening(self, sample: int) -> Opening:
        """Return the sector and its path."""
        siblings = []
        place = sample
        for level in self._levels:
            if place ^ 1 in level:
                siblings.append(level[place ^ 1])
            place //= 2
        return Opening(sample, self.data[sample], tuple(siblings))


def opened_block(chain: Chain) -> Overlay:
    """Return the state within block 1, after its inherent."""
    overlay = Overlay(chain.state(chain.genesis))
    runtime = chain.runtime
    runtime.call(overlay, "Core_initialize_block", chain.genesis.hash + compact(1) + NEVER + NEVER + compact(0))
    data = compact(1) + b"timstap0" + prefixed((6_000).to_bytes(8, "little"))
    answer = Reader(runtime.call(overlay, "BlockBuilder_inherent_extrinsics", data))
    for _ in range(answer.compact()):
        runtime.call(overlay, "BlockBuilder_apply_extrinsic", prefixed(answer.bytes()))
    return overlay


def challenged(state: State, genesis: bytes, hoster: bytes) -> tuple[list[Opening], bytes, bytes]:
    """Put a segment of 100 GiB and a challenge of it into the state.

    Return the answer, the segment's ctx and its root.
    """
    chosen = random.Random(1)
    samples = sorted(chosen.sample(range(SECTORS), SAMPLES))
    key_hash, salt = bytes([8]) * 32, bytes([9]) * 32
    ctx = derive_ctx(contract_id=contract_id(genesis, 0), encoder=ENCODER, hoster=hoster, pk_hash=key_hash, salt=salt)
    tree = SparseTree(ctx, SECTORS, samples, 2)
    head = records.Head(0, 1, SECTORS * SECTOR, bytes(32))
    segment = records.Segment(0, ENCODER, 1, key_hash, 0, salt, 0, SECTORS * SECTOR, SECTORS, tree.root, head, 0)
    items.Segments.put(state, 0, segment)
    items.Peers.put(state, hoster, Peer(bytes([1]) * 32, bytes([2]) * 32, 0, 500_000))
    challenge = records.StorageChallenge(0, [records.Sample(0, 0, sample) for sample in samples])
    items.StorageChallenges.put(state, hoster, challenge)
    return [tree.opening(sample) for sample in samples], ctx, tree.root


@measures("proof/verify")
def proof_verify(report: Report) -> Figures:
    """Measure the dispatch of `submit_storage_proof` in wasm."""
    report("starting the runtime")
    spec = ChainSpec.load(artifacts() / "chain-spec.json")
    code = spec.genesis.get(CODE)
    assert code is not None
    chain = Chain(WasmRuntime(code, default_cache()), spec.genesis)
    genesis = chain.genesis.hash
    sender = Sender(genesis, chain.version.spec_version, chain.version.transaction_version)
    overlay = opened_block(chain)
    openings, ctx, root = challenged(overlay, genesis, sender.account)
    proof = types.StorageProof(tuple(one.data for one in openings), join(SECTORS, openings))
    call = calls.submit_storage_proof(0, proof)
    extrinsic = sender.sign(call, 0)
    ours, peer = [], []
    for turn in range(TURNS):
        report(f"turn {turn + 1} of {TURNS}")
        overlay.begin()
        start = time.process_time()
        answer = chain.runtime.call(overlay, "BlockBuilder_apply_extrinsic", extrinsic)
        ours.append((time.process_time() - start) * 1e3)
        overlay.rollback()
        if answer != b"\0\0":
            raise RuntimeError(f"the proof was refused: {answer.hex()}")
        start = time.process_time()
        found, _ = split(ctx, SECTORS, {one.sector: one.data for one in openings}, proof.siblings)
        peer.append((time.process_time() - start) * 1e3)
        if found != root:
            raise RuntimeError(f"the proof leads to {found.hex()}, not to {root.hex()}")
    how = (
        f"one submit_storage_proof of {len(extrinsic)} bytes ({SAMPLES} sectors, {len(proof.siblings)} siblings) for a segment of "
        "100 GiB, applied to an open block by the real runtime in wasmtime, signature and fee included, hashing by host "
        f"functions in Python; processor time, the median of {TURNS} turns. The tree is real along the opened paths only"
    )
    return Figures("ms", statistics.median(ours), statistics.median(peer), "the same check by service.encoding", how)
