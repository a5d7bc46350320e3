"""Which reports of an attester go into one call: all that are ready, none twice, and fewer where calls fail."""

from __future__ import annotations

from collections.abc import Callable

from service.chain_client.pallet.constants import MAX_RETRIEVALS
from service.roles.attester.batches import Batch, Batches, CommitBatch, RevealBatch
from service.roles.attester.decisions import CommitReport, RevealReport

LINK, OTHER = bytes(32), bytes([1]) * 32


def commits(*copies: int, era: int = 5, link: bytes = LINK) -> list[CommitReport | RevealReport]:
    return [CommitReport(era, copy, link) for copy in copies]


def idle(batch: Batch) -> bool:
    return False


def only(*waiting: Batch) -> Callable[[Batch], bool]:
    return lambda batch: batch in waiting


def test_all_that_is_ready_goes_into_one_call() -> None:
    assert Batches().form(commits(7, 3, 5), idle) == [CommitBatch(5, LINK, (3, 5, 7))]
    mixed = [*commits(1, 2), RevealReport(4, 9), RevealReport(4, 2), *commits(3, link=OTHER), RevealReport(3, 1)]
    assert set(Batches().form(mixed, idle)) == {
        CommitBatch(5, LINK, (1, 2)),
        CommitBatch(5, OTHER, (3,)),
        RevealBatch(4, (2, 9)),
        RevealBatch(3, (1,)),
    }


def test_no_call_has_more_than_the_chain_takes() -> None:
    formed = Batches().form(commits(*range(2 * MAX_RETRIEVALS + 1)), idle)
    assert [len(batch.copies) for batch in formed] == [MAX_RETRIEVALS, MAX_RETRIEVALS, 1]


def test_what_is_under_way_is_in_no_other_call_and_stays_as_it_was() -> None:
    batches = Batches()
    (first,) = batches.form(commits(1, 5), idle)
    second = CommitBatch(5, LINK, (2, 3))
    assert batches.form(commits(1, 2, 3, 5), only(first)) == [first, second]
    # one of it is on the chain, the other is still to come: both were in the same call
    assert batches.form(commits(5, 2, 3), only(first, second)) == [first, second]
    # it ended without an effect, as the other is not wanted any more
    assert batches.form(commits(5, 6), only(second)) == [CommitBatch(5, LINK, (5, 6))]


def test_what_is_wanted_no_more_is_given_up() -> None:
    batches = Batches()
    (first,) = batches.form(commits(1, 2), idle)
    assert batches.form([], only(first)) == []
    assert batches.form(commits(1, 2), only(first)) == [first]


def test_calls_that_fail_become_shorter_down_to_one_and_grow_again() -> None:
    batches, wanted = Batches(), commits(*range(10))
    lengths = []
    for _ in range(5):
        formed = batches.form(wanted, idle)
        lengths.append([len(batch.copies) for batch in formed])
        batches.failed(formed[0])
    assert lengths == [[10], [5, 5], [2] * 5, [1] * 10, [1] * 10]
    for most in (2, 4, 8, 16):
        batches.taken()
        assert batches.most == most
    for _ in range(5):
        batches.taken()
    assert batches.most == MAX_RETRIEVALS
