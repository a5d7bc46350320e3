"""The journal against random lives of the model: for every account and block its entries add up to what the account's money did."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from runtime_mock.chainspec import artifacts
from runtime_mock.model.frame import system
from runtime_mock.model.scale import COMPACT, codec_of
from service.address import ss58
from service.chain_client import Block
from service.chain_client.runtime.metadata import Runtime
from service.operating.entries import Followed, JournalEntry, entries_of
from service.operating.meaning import explain
from service.operating.moves import BALANCES, BURNED_HELD
from service.operating.words import Level
from tests.support.model_life import ModelLife

BLOCKS = 200
METADATA = (artifacts() / "metadata.scale").read_bytes()


class WatchedLife(ModelLife):
    """A life of which the events of each block are kept as a node shows them, and what everybody has after it."""

    def __init__(self, number: int) -> None:
        self.blocks: list[Block] = []
        self.has: list[dict[bytes, tuple[int, int]]] = []
        self.runtime = Runtime(METADATA, 1, 1)
        super().__init__(number)
        self._watch()
        self._before = len(self.chain.events)
        self.has.append(self.balances())

    def balances(self) -> dict[bytes, tuple[int, int]]:
        data = {one.id: system.Account.get(self.chain.state, one.id).data for one in self.people}
        return {account: (one.free, one.reserved) for account, one in data.items()}

    def _watch(self) -> None:
        """Note where in the list of events each call, and each block's hooks, ended."""
        self._ends: list[tuple[bytes, int]] = []
        call, block = self.chain.call, self.chain.block

        def watched_call(rule: Any, *arguments: Any) -> str | None:
            error = call(rule, *arguments)
            self._ends.append((system.apply_phase(len(self._ends)), len(self.chain.events)))
            return error

        def watched_block(check: bool = True) -> None:
            self.close_block()
            block(check)
            self._ends.append((system.INITIALIZATION, len(self.chain.events)))

        self.chain.call, self.chain.block = watched_call, watched_block  # type: ignore[method-assign]

    def close_block(self) -> None:
        """Keep what happened since the last time as a block."""
        raw, count, at = b"", 0, self._before
        for phase, end in self._ends:
            for _, event in self.chain.events[at:end]:
                raw += phase + encoded(event)
                count += 1
            at = end
        assert at == len(self.chain.events)
        self._ends.clear()
        self._before = len(self.chain.events)
        found = self.runtime.decode_events(COMPACT.encode(count) + raw)
        self.blocks.append(Block(len(self.blocks) + 1, bytes(32), bytes(32), found))
        self.has.append(self.balances())


def encoded(event: Any) -> bytes:
    pallet, variant = event.INDEX
    return bytes([pallet, variant]) + codec_of(type(event)).encode(event) + b"\x00"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_entries_add_up_to_what_the_money_did(number: int) -> None:
    life = WatchedLife(number)
    life.live(BLOCKS)
    life.close_block()
    seen: Counter[str] = Counter()
    for account in life.by_id:
        followed, address = Followed(), ss58(account)
        for place, block in enumerate(life.blocks):
            entries = entries_of(block, account, followed)
            before, after = life.has[place][account], life.has[place + 1][account]
            assert sum(one.free for one in entries) == after[0] - before[0], (block.number, entries)
            assert sum(one.held for one in entries) == after[1] - before[1], (block.number, entries)
            for entry in entries:
                _check(entry, address, seen)
    assert seen["DatDot.Paid"] > 0


def _check(entry: JournalEntry, address: str, seen: Counter[str]) -> None:
    words = explain(entry, address)
    seen[f"{entry.pallet}.{entry.name}"] += 1
    assert entry.name != BURNED_HELD, "what was taken of held money is in the event that took it"
    if entry.pallet == BALANCES:
        assert entry.name != "Minted", "all pay has its event"
    if entry.change < 0 and entry.held < 0:
        assert words.level is Level.PENALTY, (entry, words)
