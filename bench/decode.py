"""Time of the real runtime to decode one sector, as it does where an encoding is reported to be false."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

from runtime_mock.codec import Reader, compact, prefixed
from runtime_mock.model.datdot import crypto, items
from runtime_mock.model.datdot.limits import REPORT_AGE
from runtime_mock.model.datdot.records import Evidence, Opening
from runtime_mock.model.datdot.segments import context_of
from runtime_mock.node.chain import NEVER, SLOT_MS, TIMESTAMP_NOW
from runtime_mock.runtime import Runtime, Version
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie
from service.chain_client.pallet import calls, types
from service.encoding import PrivateKey

from ._load import Load
from ._network import SECTORS, Network, Party, made_up
from .proof import SparseTree
from .registry import Figures, Report, measures
from .scale import runtime_of

AIM = 0.5
"""Milliseconds."""
TURNS = 40
COPY, SECTOR_AT = 0, 12_345
NOT_PROVEN = b"\0\1\3"
"""How the answer to a call begins that a pallet refuses."""
NO_MODULUS = bytes(256)
"""No modulus of an encoding: the runtime refuses a report without decoding anything."""


class Reported:
    """A copy, and a report of one of its sectors: the sector's opening is right, and what it decodes to proves nothing."""

    def __init__(self) -> None:
        network = self.network = Network(30, 90)
        self.modulus = PrivateKey.generate().modulus
        self.reporter: Party = network.attesting[0]
        segment = items.Segments.at(network.state, COPY)
        context = context_of(network.state, segment, network.hoster_of(COPY).id)
        assert context is not None
        tree = SparseTree(context, SECTORS, [SECTOR_AT], 1)
        segment.root = tree.root
        items.Segments.put(network.state, COPY, segment)
        opened = tree.opening(SECTOR_AT)
        self.evidence = Evidence(COPY, SECTOR_AT, Opening(opened.data, list(opened.siblings)), None)
        shown = types.Evidence(COPY, SECTOR_AT, types.ChainOpening(opened.data, opened.siblings), None)
        self.call = calls.report_invalid_encoding(COPY, shown)
        self._commit()

    def _commit(self) -> None:
        network = self.network
        digest = crypto.report(network.genesis, self.reporter.id, COPY, self.evidence)
        items.Reports.put(network.state, digest, network.at - REPORT_AGE)

    def signed(self, version: Version) -> bytes:
        """Return the report, signed. What signs it writes into the network's state: take the states before."""
        load = Load(self.network, version.spec_version, version.transaction_version)
        (extrinsic,) = load.signed([(self.reporter, self.call)], self.network.at)
        return extrinsic

    def state(self, modulus: bytes, cut: bool = False) -> Trie:
        """Return the state with a modulus of the segment; `cut`: the segment ends within that sector, which is false then."""
        state = self.network.state
        state.begin()
        items.Moduli.put(state, COPY, modulus)
        if cut:
            segment = items.Segments.at(state, COPY)
            items.Segments.put(state, COPY, replace(segment, bytes=SECTOR_AT * 256 + 1))
        found = state.trie()
        state.rollback()
        return found


def opened(runtime: Runtime, state: Trie, last: int) -> Overlay:
    """Return the state within the next block, after its inherent."""
    overlay = Overlay(state)
    parent = made_up("block", last)
    runtime.call(overlay, "Core_initialize_block", parent + compact(last + 1) + NEVER + NEVER + compact(0))
    now = overlay.get(TIMESTAMP_NOW)
    moment = (int.from_bytes(now, "little") if now else 0) + SLOT_MS
    data = compact(1) + b"timstap0" + prefixed(moment.to_bytes(8, "little"))
    answer = Reader(runtime.call(overlay, "BlockBuilder_inherent_extrinsics", data))
    for _ in range(answer.compact()):
        runtime.call(overlay, "BlockBuilder_apply_extrinsic", prefixed(answer.bytes()))
    return overlay


def applied(runtime: Runtime, overlay: Overlay, extrinsic: bytes) -> tuple[bytes, float]:
    """Apply an extrinsic, undo it, and return the answer and the milliseconds of the processor."""
    overlay.begin()
    start = time.process_time()
    answer = runtime.call(overlay, "BlockBuilder_apply_extrinsic", extrinsic)
    taken = (time.process_time() - start) * 1e3
    overlay.rollback()
    return answer, taken


@measures("decode/wasm")
def decode_wasm(report: Report) -> Figures:
    """Measure a report of a false encoding that decodes a sector, and the same one that is refused before."""
    report("a network with a report")
    runtime, made = runtime_of("wasm"), Reported()
    at = made.network.at
    states = made.state(made.modulus), made.state(NO_MODULUS), made.state(made.modulus, cut=True)
    ours, without, false = (opened(runtime, state, at) for state in states)
    extrinsic = made.signed(Version.decode(runtime.call(Overlay(states[0]), "Core_version", b"")))
    proven = applied(runtime, false, extrinsic)[0]
    if proven != b"\0\0":
        raise RuntimeError(f"a false sector was not decoded: the answer is {proven.hex()}")
    decoded, refused = list[float](), list[float]()
    for turn in range(TURNS):
        report(f"turn {turn + 1} of {TURNS}")
        answers = set()
        for overlay, found in ((ours, decoded), (without, refused)):
            answer, taken = applied(runtime, overlay, extrinsic)
            answers.add(answer)
            found.append(taken)
        if len(answers) != 1 or not answers.pop().startswith(NOT_PROVEN):
            raise RuntimeError(f"the reports are answered in different ways: {answers}")
    how = (
        "report_invalid_encoding in the real runtime in wasmtime: one whose sector is decoded and proves nothing, less the same "
        "one whose modulus is none, so that nothing is decoded (one that is decoded to bytes behind the segment's end is "
        f"taken); the medians of {TURNS} turns by process time, {statistics.median(refused):.2f} ms of them without decoding"
    )
    return Figures("ms of the processor", statistics.median(decoded) - statistics.median(refused), AIM, "the aim", how)
