"""Parties that live on both chains: each duty done right, or wrong in a chosen way. An action is a name and three numbers,
so that a sequence of them is JSON, can be drawn, shrunk and replayed; what the numbers pick depends on the state.

    world = World(Pair(accounts=13))
    world.settle_in()
    world.play([["publish", 0, 0, 0], ["live", 60, 255, 0]])
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.support.differential.acts_copies import Copies
from tests.support.differential.acts_frame import Frame
from tests.support.differential.acts_lives import Lives
from tests.support.differential.acts_plans import Plans
from tests.support.differential.acts_reports import Reports
from tests.support.differential.driver import Outcome
from tests.support.differential.parties import ED, GIB

Action = Sequence[Any]


class World(Plans, Copies, Lives, Reports, Frame):
    """All that parties can do."""

    def play(self, actions: Iterable[Action]) -> None:
        """Do actions in turn; `seal` and `live` make blocks."""
        for name, *numbers in actions:
            self.actions.append([name, *numbers])
            a, b, c = (*numbers, 0, 0, 0)[:3]
            getattr(self, f"do_{name}")(a, b, c)

    def seal(self) -> list[Outcome]:
        """A block of what was done."""
        found = self.pair.seal()
        self.outcomes += found
        return found

    def do_seal(self, count: int, _: int, __: int) -> None:
        """`count` blocks in which nobody does anything more."""
        for _unused in range(max(1, count)):
            self.seal()

    def do_live(self, count: int, duties: int, _: int) -> None:
        """`count` blocks before each of which the `duties` (bits) are done by all."""
        for _unused in range(count):
            self.work(duties)
            self.seal()

    def settle_in(self, hosters: int = 4, encoders: int = 4, attesters: int = 3) -> None:
        """Everybody registers and offers: party 0 is the sponsor, then come hosters, encoders, attesters."""
        for index in range(1 + hosters + encoders + attesters):
            self.play([["register", index]])
        self.play([["seal", 1]])
        roles = [0] * hosters + [1] * encoders + [2] * attesters
        self.play([["offer", 1 + index, role] for index, role in enumerate(roles)])
        self.play([["seal", 1]])

    # duties

    def work(self, duties: int) -> None:
        """What honest parties do now; each bit of `duties` is one duty, done by all."""
        copies = self.all("Copies") if duties & 0b10111011 else {}
        order = sorted(copies)
        if duties & 1:
            self._each(
                order, lambda key: copies[key]["state"] == "Assigned", lambda place, _: self.do_begin(place, 0, 0)
            )
        if duties & 2:
            ready = [key for key in order if copies[key]["state"] == "Encoding"]
            for place, key in enumerate(ready):
                self.do_confirm(place, 8 * (key % 2), 1)
        if duties & 4:
            for place in range(len(self.all("StorageChallenges"))):
                self.do_prove(place, 0, 0)
        offset, era = self.next_block % self.times["era"], self.era
        if duties & 8 and offset >= self.times["probe_blocks"]:
            self._commit_all(era, copies)
        if duties & 16 and self.times["reveal_from"] <= offset < self.times["settle_from"]:
            self._reveal_all(era - 1)
        if duties & 32 and offset >= self.times["settle_from"]:
            for key in order:
                record = self.pair.value("DatDot", "Retrievals", era - 1, key) if era else None
                if record is not None and not record["settled"]:
                    self.call(self.parties[-1], "settle_retrieval", era=era - 1, copy=key)
        if duties & 64:
            self._claim_all()
        if duties & 128 and self.next_block % 7 == 0:
            for key in order:
                self.call(self.parties[-1], "collect", copy=key)

    @staticmethod
    def _each(order: list[int], wanted: Callable[[int], bool], do: Callable[[int, int], None]) -> None:
        for place, key in enumerate([key for key in order if wanted(key)]):
            do(place, key)

    def _commit_all(self, era: int, copies: dict[int, dict[str, Any]]) -> None:
        """Each attester commits once, for all copies under test for which it may have a seat."""
        start, wanted = era * self.times["era"], defaultdict[bytes, list[int]](list)
        for key, copy in sorted(copies.items()):
            if copy["state"] == "Active" and era >= 2 and copy["active_since"] < start:
                for party in self._seated(era, key):
                    if (era, key, party.id) not in self._committed:
                        wanted[party.id].append(key)
        for account, keys in wanted.items():
            self._try_commit(era, keys, self._by_id[account])

    def _reveal_all(self, era: int) -> None:
        """Each attester reveals once, all that it committed to."""
        wanted = defaultdict[bytes, list[int]](list)
        for of, key, account in sorted(self._committed):
            if of == era and self._may_reveal(of, key, account):
                wanted[account].append(key)
        for account, keys in wanted.items():
            self._try_reveal(era, keys, account)

    def _may_reveal(self, era: int, key: int, account: bytes) -> bool:
        record = self.pair.value("DatDot", "Retrievals", era, key)
        seats = record["seats"] if record else []
        return any(one["account"] == account and one["commit"] and one["report"] is None for one in seats)

    def _claim_all(self) -> None:
        for key, plan in self.all("Plans").items():
            if plan["remainder"] is not None:
                for account in self.pair.entries("DatDot", "Shares", key):
                    self.call(self.parties[0], "claim_refund", plan=key, donor=account)


__all__ = ["ED", "GIB", "Action", "World"]
