"""The state of a large network is one that calls can lead to, and its blocks are what they are said to be."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bench import scale
from bench._network import Network, table_nodes
from runtime_mock.model.datdot import items
from runtime_mock.model.datdot.check_state import check_state
from runtime_mock.model.datdot.limits import REMOVALS
from runtime_mock.model.datdot.records import CopyState, Retrieval
from runtime_mock.model.datdot.tables import encoder_table, hoster_table
from runtime_mock.model.datdot.types import Wait
from runtime_mock.model.frame import balances, system
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie
from tests.support.differential.pallet_world import SHORT, Watched
from tests.support.differential.runtime_names import names

HOSTERS, COPIES = 50, 500
# What a network holds only while something is under way, and what a network does not need.
PASSING = {"Changes", "OfferChanges", "Needs", "Begins", "SeedOverride", "Holes", "HoleCount", "Frozen"}
PASSING |= {"Reports", "ReportAt", "NextReport", "StorageChallenges"}


def found_items(state: Trie) -> set[str]:
    """The pallet's items of which a state has an entry."""
    return {
        name
        for pallet, name in names().items
        if pallet == "DatDot" and next(state.items(names().items[pallet, name].prefix), None) is not None
    }


@pytest.fixture(scope="module")
def load() -> scale.Load:
    return scale.load_of(HOSTERS, COPIES)


@pytest.fixture(scope="module")
def reached() -> Watched:
    """A network that calls and blocks made: whole copies, verdicts, ticks."""
    world = Watched()
    world.people(hosters=3, encoders=2, attesters=4)
    for _ in range(3):
        world.publish(replicas=2)
    world.until("RetrievalSettled")
    world.live(SHORT["era"])
    return world


def test_the_state_keeps_the_pallet_s_rules(load: scale.Load) -> None:
    state = Overlay(load.state)
    check_state(state)
    accounts = [account for _, account in system.Account.entries(state)]
    total = sum(account.data.free + account.data.reserved for account in accounts)
    assert total == balances.TotalIssuance.get(state)
    for who, account in system.Account.entries(state):
        assert account.data.reserved == sum(hold.amount for hold in balances.Holds.get(state, who))
    assert sum(1 for _ in items.StorageChallenges.entries(state)) == load.challenged
    assert load.network.open_verdicts > 0


@pytest.mark.slow
def test_it_has_the_items_of_a_state_that_calls_made(load: scale.Load, reached: Watched) -> None:
    assert found_items(load.state) - PASSING == found_items(reached.pair.state) - PASSING


def absent(record: Any) -> set[str]:
    """The names of a record's fields that are None or an empty list."""
    return {one.name for one in fields(record) if getattr(record, one.name) in (None, [])}


def test_its_records_have_the_form_of_those_that_calls_made(load: scale.Load, reached: Watched) -> None:
    """Whole copies, with their segments, plans, hosters, idle encoders: the same fields are set."""
    forms = []
    for state in (Overlay(load.state), Overlay(reached.pair.state)):
        copies = [one for _, one in items.Copies.entries(state) if one.state == CopyState.ACTIVE]
        kinds = {
            "copy": copies[0],
            "segment": items.Segments.at(state, copies[0].segments[0].segment),
            "plan": items.Plans.at(state, copies[0].plan),
            "hoster": items.Hosters.at(state, copies[0].hoster),
            "draw": items.HosterDraws.at(state, copies[0].hoster),
            "encoder": items.Encoders.at(state, copies[0].encoders[0]),
            "attester": next(one for _, one in items.Attesters.entries(state)),
            "slot": items.Slots.at(state, 0),
        }
        forms.append({kind: absent(record) - {"regions", "former", "empty"} for kind, record in kinds.items()})
    assert forms[0] == forms[1]


def test_its_tables_are_those_that_calls_make(reached: Watched) -> None:
    """The pallet changes a table slot by slot; the network's are written at once."""
    state = Overlay(reached.pair.state)
    tables = (
        (items.HosterDraws, items.HosterNodes, hoster_table),
        (items.EncoderDraws, items.EncoderNodes, encoder_table),
    )
    for draws, nodes, table in tables:
        slots = range(sum(1 for _ in draws.entries(state)))
        assert dict(nodes.entries(state)) == table_nodes(3, [table(state).weight(slot) for slot in slots])
    whole = 0
    for account, _ in items.Hosters.entries(state):
        slots_of = dict(items.CopySlots.entries(state, account))
        if slots_of and sorted(slots_of) == list(range(len(slots_of))):
            tabled = [items.Copies.at(state, slots_of[slot]).tabled for slot in range(len(slots_of))]
            assert dict(items.CopyNodes.entries(state, account)) == table_nodes(2, tabled)
            whole += 1
    assert whole, "some hoster has no hole in its table"


@pytest.mark.parametrize("weights", [[], [5], [1] * 64, [2] * 65, list(range(1, 4_100))], ids=len)
def test_tables_of_any_size(weights: list[int]) -> None:
    state = Overlay(Trie())
    table = hoster_table(state)
    for weight in weights:
        table.take(weight)
    assert dict(items.HosterNodes.entries(state)) == table_nodes(3, weights)


@pytest.mark.slow
def test_it_lives_on_alike_on_both_backends(load: scale.Load) -> None:
    """Every kind of block: headers are equal, so state roots are; calls succeed; the pallet's rules hold afterwards."""
    runtimes = [scale.runtime_of(backend) for backend in scale.BACKENDS]
    for kind, make in scale.kinds_of(load, turns=1, most=30).items():
        ours, theirs = (make(runtime) for runtime in runtimes)
        assert [one.header for one in ours] == [one.header for one in theirs], kind
        assert [(one.extrinsics, one.full) for one in ours] == [(one.extrinsics, one.full) for one in theirs], kind
        check_state(Overlay(ours[-1].state))
        assert (ours[0].extrinsics > 0) == (kind in ("proofs", "commits", "reveals", "settlements")), kind


def test_what_the_blocks_do(load: scale.Load) -> None:
    """Ticks are spread over an era, and a burst of them is bounded; what attesters and hosters send is taken."""
    runtime = scale.runtime_of("model")
    made = {kind: make(runtime) for kind, make in scale.kinds_of(load, turns=1).items()}

    def queue(state: Trie, wait: Wait) -> int:
        return items.DeadlineQueues.get(Overlay(state), wait).head

    def ticks(kind: str) -> int:
        before = load.earlier if kind == "nothing" else load.state
        return queue(made[kind][-1].state, Wait.TICK) - queue(before, Wait.TICK)

    assert ticks("nothing") == 0
    assert 0 < ticks("ordinary") <= scale.QUIET_BLOCKS
    due = (
        (load.network.times.era - load.network.times.probe_blocks - 500) * load.network.plans // load.network.times.era
    )
    assert ticks("busy") == due + 1, "none is forgotten"
    removed = queue(made["busy"][-1].state, Wait.SETTLE) - queue(load.state, Wait.SETTLE)
    assert removed == REMOVALS * scale.QUIET_BLOCKS, "as many a block as it takes"
    proved = Overlay(made["proofs"][0].state)
    open_now = sum(one.issued <= load.network.at for _, one in items.StorageChallenges.entries(proved))
    assert open_now == load.challenged - made["proofs"][0].extrinsics
    settled = Overlay(made["settlements"][0].state)
    assert items.Retrievals.at(settled, load.network.era - 1, 0) == Retrieval([], True), "its seats are gone"
    revealed = Overlay(made["reveals"][0].state)
    for copies in load.revealing.values():
        seats = (items.Retrievals.at(revealed, load.network.era - 1, copy).seats for copy in copies)
        assert all(seat.report is not None for some in seats for seat in some)


def test_rows_and_what_is_written(load: scale.Load, tmp_path: Path) -> None:
    rows = scale.rows_of(load, "model", lambda _: None, turns=1)
    assert [row.kind for row in rows] == list(scale.KINDS)
    assert all(0 < row.bare_ms < 1e6 and row.processor_ms > 0 for row in rows)
    scale.write(tmp_path / "scale.json", load, rows)
    written = json.loads((tmp_path / "scale.json").read_text())
    assert (written["hosters"], written["copies"], len(written["blocks"])) == (HOSTERS, COPIES, len(rows))
    parts = {row.kind: row.parts for row in rows}
    assert written["carries"] == {"settlements": parts["settlements"] * 14_400}, (
        "there is not enough to fill the others"
    )
    assert (parts["commits"], parts["reveals"], parts["nothing"]) == (12 * 64, 12 * 64, 0), (
        "twelve attesters, as many as a call has"
    )
    assert written["bytes"] == scale.state_bytes(load.state)[1] > 1_000_000


def test_a_network_has_a_least_size() -> None:
    with pytest.raises(ValueError, match="3 hosters and copies at least"):
        Network(2, 30)
