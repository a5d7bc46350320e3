"""What a block does by itself is declared with no less than it costs (pallet-spec/README.md section 18)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from runtime_mock.model.datdot import changes, deadlines, placement, weights
from runtime_mock.model.datdot.limits import REPORT_AGE
from runtime_mock.model.frame import system
from runtime_mock.model.storage import twox
from runtime_mock.state.overlay import Overlay
from tests.support.differential.pallet_world import BEGIN, CONFIRM, EVERYTHING, PROVE, SHORT, SPONSOR, Watched

READ, WRITE = 25_000_000, 100_000_000
SYSTEM, ACCOUNTS = twox(b"System", 128), system.Account.prefix


class Meter:
    """The dearest of each kind of work, in picoseconds: different entries read and written, those of the frame apart."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.dearest: dict[str, float] = defaultdict(float)
        self._open: list[tuple[set[bytes], set[bytes]]] = []
        for name, place in (("get", 0), ("put", 1), ("delete", 1)):
            patch.setattr(Overlay, name, self._noting(getattr(Overlay, name), place))
        patch.setattr(deadlines, "_act", self._measured(deadlines._act, lambda _, wait, __: str(wait.name)))
        patch.setattr(changes, "_apply", self._measured(changes._apply, lambda *_: "change"))
        for name in ("_try_hoster", "_try_encoder"):
            patch.setattr(placement, name, self._measured(getattr(placement, name), lambda *_: "try"))

    def _noting(self, done: Callable[..., Any], place: int) -> Callable[..., Any]:
        def noting(state: Overlay, key: bytes, *rest: Any) -> Any:
            if not key.startswith(SYSTEM) or key.startswith(ACCOUNTS):
                for seen in self._open:
                    seen[place].add(key)
            return done(state, key, *rest)

        return noting

    def _measured(self, done: Callable[..., Any], kind: Callable[..., str]) -> Callable[..., Any]:
        def measured(*arguments: Any) -> Any:
            self._open.append((set(), set()))
            found = done(*arguments)
            read, written = self._open.pop()
            name = kind(*arguments)
            # a tick, an end or a sweep counts each copy
            times = found if name in ("TICK", "END_PLAN", "SWEEP") else 1
            self.dearest[name] = max(self.dearest[name], (READ * len(read) + WRITE * len(written)) / times)
            return found

        return measured


@pytest.mark.slow
def test_no_work_of_a_block_costs_more_than_its_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(monkeypatch)
    # a plan of one copy that ends by a tick; one whose encoders do not begin; one that stalls; one that nobody proves
    for replicas, until, idle in ((1, 40, 0), (2, 500, BEGIN), (2, 500, CONFIRM), (2, 500, PROVE)):
        world = Watched()
        world.people(hosters=3, encoders=3, attesters=1)
        world.publish(replicas=replicas, until=world.next_block + until)
        world.live(36, EVERYTHING & ~idle)
        if idle:
            world.call(world.party(SPONSOR), "end_plan", plan=0)
        world.live(SHORT["end_notice"] + 1 if idle else 5 * SHORT["era"])
    # one whose copies leave, are reported, are lost, and are ended by eviction
    world = Watched()
    world.people(hosters=4, encoders=4)
    world.publish(replicas=3)
    world.live(4 * SHORT["era"])
    live = sorted(key for key, copy in world.all("Copies").items() if copy["state"] == "Active")
    assert len(live) == 3
    reporter, accused = world.party(1), world.all("Copies")[live[0]]["segments"][0]["segment"]
    feed = world._feed_of(world.all("Plans")[0])
    assert feed is not None
    evidence = world.evidence(accused, 0, feed.block_proof(0))
    world.commit_to(reporter, live[0], evidence)
    world.live(REPORT_AGE)
    for name, copy in (("leave_copy", live[0]), ("declare_lost", live[1])):
        world.call(world._by_id[world.all("Copies")[copy]["hoster"]], name, copy=copy)
    world.call(reporter, "report_invalid_encoding", copy=live[0], evidence=evidence)
    world.live(4 * SHORT["era"], EVERYTHING & ~PROVE)
    declared = {wait.name: weight.ref_time for wait, weight in weights.EXPIRY.items()}
    declared |= {"change": weights.CHANGE.ref_time, "try": weights.ATTEMPT.ref_time}
    assert world.events["EncodingReported"] == 1
    assert meter.dearest.keys() == declared.keys()
    assert {name: cost for name, cost in meter.dearest.items() if cost > declared[name]} == {}
