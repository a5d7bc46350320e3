"""What a block costs in a network of 10,000 hosters with 100,000 copies, on both backends, and what a chain of them carries."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import islice
from pathlib import Path

from runtime_mock.chainspec import ChainSpec, artifacts
from runtime_mock.codec import Reader, compact, prefixed
from runtime_mock.model import ModelRuntime
from runtime_mock.model.frame import system
from runtime_mock.node.blocks import Header
from runtime_mock.node.chain import NEVER, SLOT_MS, TIMESTAMP_NOW
from runtime_mock.runtime import CODE, Runtime, Version
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie
from runtime_mock.wasm.runtime import WasmRuntime, default_cache
from service.chain_client import Call

from ._load import Load, Signed
from ._network import Network, made_up
from .registry import Figures, Report, measures

HOSTERS, COPIES = 10_000, 100_000
DETAILS = Path(__file__).with_name("scale.json")
QUIET_BLOCKS, TURNS = 10, 3
FULL = {b"\1\0\6", b"\0\1\3\5\7" + bytes(3)}
"""What the runtime answers to an extrinsic for which the block has no room, or its queue of changes (TooManyChanges)."""
BACKENDS = ("model", "wasm")
KINDS = ("nothing", "ordinary", "busy", "proofs", "commits", "reveals", "settlements")


@dataclass(frozen=True)
class Made:
    """A block: its header, the state after it, its extrinsics, whether there was no room for more, and what it took.

    `parts` is how many proofs, commits, reveals or settlements are in its extrinsics.
    """

    header: Header
    state: Trie
    extrinsics: int
    bytes: int
    full: bool
    processor_ms: float
    parts: int = 0


@dataclass(frozen=True)
class Row:
    """A kind of block on one backend: the median of some, in milliseconds of processor time."""

    backend: str
    kind: str
    extrinsics: int
    parts: int
    bytes: int
    full: bool
    processor_ms: float
    bare_ms: float


def runtime_of(backend: str) -> Runtime:
    """Return the model, or the committed runtime."""
    if backend == "model":
        return ModelRuntime(artifacts())
    code = ChainSpec.load(artifacts() / "chain-spec.json").genesis.get(CODE)
    assert code is not None
    return WasmRuntime(code, default_cache())


def make_block(runtime: Runtime, state: Trie, number: int, parent: bytes, extrinsics: Iterable[bytes] = ()) -> Made:
    """Build a block until an extrinsic finds no room. Raises RuntimeError if one is refused for any other reason."""
    start = time.process_time()
    overlay = Overlay(state)
    runtime.call(overlay, "Core_initialize_block", parent + compact(number) + NEVER + NEVER + compact(0))
    now = overlay.get(TIMESTAMP_NOW)
    moment = (int.from_bytes(now, "little") if now else 0) + SLOT_MS
    data = compact(1) + b"timstap0" + prefixed(moment.to_bytes(8, "little"))
    answer = Reader(runtime.call(overlay, "BlockBuilder_inherent_extrinsics", data))
    for _ in range(answer.compact()):
        runtime.call(overlay, "BlockBuilder_apply_extrinsic", prefixed(answer.bytes()))
    count = size = 0
    full = False
    for extrinsic in extrinsics:
        overlay.begin()
        said = runtime.call(overlay, "BlockBuilder_apply_extrinsic", extrinsic)
        full = said in FULL
        if full:
            overlay.rollback()
            break
        if said != b"\0\0":
            raise RuntimeError(f"extrinsic {count} of block {number} was answered {said.hex()}")
        overlay.commit()
        count, size = count + 1, size + len(extrinsic)
    header = Header.decode(runtime.call(overlay, "BlockBuilder_finalize_block", b""))
    taken = (time.process_time() - start) * 1e3
    return Made(header, overlay.trie(), count, size, full, taken)


@cache
def load_of(hosters: int, copies: int) -> Load:
    """Return a network and what fills its blocks; it takes minutes for the largest."""
    version = Version.decode(runtime_of("model").call(Overlay(Trie()), "Core_version", b""))
    made = Load(Network(hosters, copies), version.spec_version, version.transaction_version)
    for state in (made.state, made.earlier):
        state.root(version.state_version)
    return made


def in_a_row(runtime: Runtime, state: Trie, last: int, count: int) -> list[Made]:
    """Build blocks without extrinsics, each on the one before."""
    made, parent = list[Made](), made_up("block", last)
    for number in range(last + 1, last + 1 + count):
        made.append(make_block(runtime, state, number, parent))
        state, parent = made[-1].state, made[-1].header.hash
    return made


def parts_of(call: Call) -> int:
    """Return how many commits or reveals a call has; 1 of any other."""
    several = call.arguments.get("commits", call.arguments.get("reveals"))
    return len(several) if isinstance(several, tuple) else 1


def kinds_of(load: Load, turns: int = TURNS, most: int | None = None) -> dict[str, Callable[[Runtime], list[Made]]]:
    """Return what is measured, by name: each a few blocks, made anew at each turn, of at most so many extrinsics."""
    network = load.network
    late, early = network.at, network.era * network.times.era + network.times.reveal_from

    def filled(wanted: Callable[[], Iterable[Signed]], state: Trie, last: int) -> Callable[[Runtime], list[Made]]:
        said = list(islice(wanted(), most))
        extrinsics = list(load.signed(said, last))

        def make(runtime: Runtime) -> list[Made]:
            made = (make_block(runtime, state, last + 1, made_up("block", last), extrinsics) for _ in range(turns))
            return [replace(one, parts=sum(parts_of(call) for _, call in said[: one.extrinsics])) for one in made]

        return make

    # Ticks of some blocks and the records of an era are due at once; a block takes some of each.
    after = (network.era + 1) * network.times.era
    waited = load.state.set(system.Number.key, after.to_bytes(4, "little"))
    return {
        "nothing": lambda runtime: in_a_row(runtime, load.earlier, early, QUIET_BLOCKS),
        "ordinary": lambda runtime: in_a_row(runtime, load.state, late, QUIET_BLOCKS),
        "busy": lambda runtime: in_a_row(runtime, waited, after, QUIET_BLOCKS),
        "proofs": filled(load.proofs, load.state, late),
        "commits": filled(load.commits, load.state, late),
        "reveals": filled(load.reveals, load.earlier, early),
        "settlements": filled(load.settlements, load.state, late),
    }


def bare(runtime: Runtime) -> float:
    """Return the milliseconds of a block that holds no more than its timestamp, on a chain with nothing on it."""
    genesis = ChainSpec.load(artifacts() / "chain-spec.json").genesis
    made = in_a_row(runtime, genesis.delete(CODE), 0, QUIET_BLOCKS)
    return statistics.median(one.processor_ms for one in made)


def rows_of(load: Load, backend: str, report: Report, turns: int = TURNS) -> list[Row]:
    """Measure all kinds of blocks on a backend."""
    runtime = runtime_of(backend)
    found, beside = [], bare(runtime)
    for kind, make in kinds_of(load, turns).items():
        report(f"{backend}: {kind}")
        made = make(runtime)
        first, taken = made[0], statistics.median(one.processor_ms for one in made)
        found.append(Row(backend, kind, first.extrinsics, first.parts, first.bytes, first.full, taken, beside))
    return found


def state_bytes(state: Trie) -> tuple[int, int]:
    """Return how many entries a state has, and the bytes of their keys and values."""
    sizes = [len(key) + len(value) for key, value in state.items()]
    return len(sizes), sum(sizes)


# ---- the measurements


@cache
def measured(hosters: int, copies: int, backend: str) -> Sequence[Row]:
    """Return the rows of one run."""
    return rows_of(load_of(hosters, copies), backend, lambda _: None)


def carried(load: Load, rows: Sequence[Row]) -> dict[str, int]:
    """Return for how many hosters or copies a chain's full blocks have room, each call in its window of an era."""
    times, held = load.network.times, {row.kind: row.parts for row in rows if row.full}
    windows = {
        "proofs": (times.era, times.era // times.mean_gap),
        "commits": (times.era - times.probe_blocks, times.seats),
        "reveals": (times.settle_from - times.reveal_from, times.seats),
        "settlements": (times.era, 1),
    }
    return {kind: held[kind] * blocks // each for kind, (blocks, each) in windows.items() if kind in held}


def write(path: Path, load: Load, rows: Sequence[Row]) -> None:
    """Write the network and rows of it as JSON."""
    entries, size = state_bytes(load.state)
    network = load.network
    about = {"hosters": network.hosters, "copies": network.copies, "plans": network.plans}
    state = {"entries": entries, "bytes": size}
    found = {"carries": carried(load, rows), "blocks": [asdict(row) for row in rows]}
    path.write_text(json.dumps({**about, **state, **found}, indent=1) + "\n")


_DONE: dict[str, Sequence[Row]] = {}


def figures(backend: str, kind: str, report: Report) -> Figures:
    """Measure all kinds of blocks of a backend, once, and return those of one. What was measured so far is in scale.json."""
    report(f"{HOSTERS:,} hosters with {COPIES:,} copies are made, and their blocks: some minutes")
    _DONE[backend] = measured(HOSTERS, COPIES, backend)
    write(DETAILS, load_of(HOSTERS, COPIES), [row for rows in _DONE.values() for row in rows])
    row = next(row for row in _DONE[backend] if row.kind == kind)
    room = "there was room for no more" if row.full else "that was all there were"
    held = f"a block of {row.parts} {kind} in {row.extrinsics} extrinsics ({row.bytes:,} bytes; {room})"
    held = held if row.extrinsics else "no extrinsics"
    how = (
        f"{held}, in a state of {HOSTERS:,} hosters with {COPIES:,} copies: the median of {TURNS} to {QUIET_BLOCKS} blocks, "
        f"state root and signatures included; the peer is a block of the same backend on a chain with nothing on it"
    )
    return Figures("ms", row.processor_ms, row.bare_ms, "a bare block", how)


def _register() -> None:
    for backend in BACKENDS:
        for kind in KINDS:
            measures(f"scale/{backend}/{kind}")(partial(figures, backend, kind))


_register()


@measures("scale/state")
def scale_state(report: Report) -> Figures:
    """Measure the state itself."""
    report("writing the state of a tenth, and the whole one")
    (_, tenth), (entries, size) = (state_bytes(load_of(HOSTERS // part, COPIES // part).state) for part in (10, 1))
    how = f"keys and values of the {entries:,} entries that {HOSTERS:,} hosters with {COPIES:,} copies have near an era's end"
    return Figures("MiB", size / 2**20, 10 * tenth / 2**20, "ten times the state of a tenth", how)
