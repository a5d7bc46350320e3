"""The sum tables against a plain list of weights: same free slots, same picks, no node left behind."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime_mock.model.datdot.items import CopyNodes, HosterNodes
from runtime_mock.model.datdot.sums import Table
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie

HOSTER = b"h" * 32


class Naive:
    """Slots as a dict of weights."""

    def __init__(self, size: int) -> None:
        self.size, self.weights = size, dict[int, int]()

    def take(self, weight: int) -> int | None:
        free = next((slot for slot in range(self.size) if slot not in self.weights), None)
        if free is not None:
            self.weights[free] = weight
        return free

    def pick(self, x: int) -> tuple[int, int] | None:
        total = sum(self.weights.values())
        if not total:
            return None
        rest = x % total
        for slot, weight in sorted(self.weights.items()):
            if rest < weight:
                return slot, rest
            rest -= weight
        raise AssertionError("x mod total is below the total")


WEIGHTS = st.one_of(st.just(0), st.integers(1, 5), st.integers(0, 2**40))
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), WEIGHTS, st.just(0)),
        st.tuples(st.just("set"), WEIGHTS, st.integers(0, 1 << 12)),
        st.tuples(st.just("free"), st.just(0), st.integers(0, 1 << 12)),
        st.tuples(st.just("pick"), st.just(0), st.integers(0, 2**128 - 1)),
    ),
    max_size=120,
)


def nodes_of(state: Overlay, prefix: bytes) -> list[bytes]:
    return list(state.keys(prefix))


@pytest.mark.parametrize("depth", [2, 3])
@given(actions=ACTIONS, filled=st.sampled_from([0, 1, 63, 64, 65, 130]))
@settings(max_examples=60, deadline=None)
def test_a_table_does_what_a_list_does(depth: int, actions: list[tuple[str, int, int]], filled: int) -> None:
    state = Overlay(Trie())
    nodes, key = (CopyNodes, (HOSTER,)) if depth == 2 else (HosterNodes, ())
    table, naive = Table(state, nodes, depth, *key), Naive(64**depth)
    for number in range(filled):
        assert table.take(number) == naive.take(number) == number
    for name, weight, number in actions:
        slots = sorted(naive.weights)
        if name == "take":
            assert table.take(weight) == naive.take(weight)
        elif name == "pick":
            assert table.pick(number) == naive.pick(number)
        elif slots:
            slot = slots[number % len(slots)]
            if name == "set":
                table.set(slot, weight)
                naive.weights[slot] = weight
            else:
                table.free(slot)
                del naive.weights[slot]
        assert table.total() == sum(naive.weights.values())
    for slot in list(naive.weights):
        table.free(slot)
    assert nodes_of(state, nodes.prefix) == [], "a node without slots and sums is removed"
    assert table.pick(7) is None


def test_a_full_table_has_no_slot_and_the_freed_one_is_taken_again() -> None:
    state = Overlay(Trie())
    table = Table(state, CopyNodes, 2, HOSTER)
    assert [table.take(1) for _ in range(64 * 64)] == list(range(64 * 64))
    assert table.take(1) is None
    assert table.total() == 64 * 64
    table.free(1_000)
    assert table.take(9) == 1_000
    assert table.pick(1_000 + 5) == (1_000, 5)
    assert table.pick(1_000 + 9) == (1_001, 0)


def test_tables_of_two_hosters_are_apart() -> None:
    state = Overlay(Trie())
    one, other = Table(state, CopyNodes, 2, HOSTER), Table(state, CopyNodes, 2, b"o" * 32)
    assert one.take(5) == other.take(7) == 0
    one.free(0)
    assert (one.total(), other.total()) == (0, 7)
