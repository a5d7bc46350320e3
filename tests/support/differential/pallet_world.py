"""A world with short times, in which every event and error is counted and the model's own rules of the state are checked
after every block; and root's hand in the storage of both chains, for states that would take years."""

from __future__ import annotations

from collections import Counter
from typing import Any

from runtime_mock.model.datdot.check_state import check_money, check_state
from runtime_mock.model.frame import balances
from runtime_mock.state.overlay import Overlay
from tests.support.differential.acts_plans import TARGETS
from tests.support.differential.driver import UNIT, Outcome, Pair
from tests.support.differential.life import GIB, World
from tests.support.differential.small_feeds import Feed

# Eras and windows of a few blocks, within the rules of `Times::check`.
SHORT = {
    "era": 12,
    "seed_delay": 2,
    "decline_window": 2,
    "encoder_wait": 12,
    "begin_window": 4,
    "lease": 14,
    "mean_gap": 2,
    "proof_window": 5,
    "probe_blocks": 6,
    "reveal_from": 2,
    "settle_from": 6,
    "settle_to": 20,
    "end_notice": 5,
    "memory": 2,
    "seats": 4,
    "quorum": 2,
    "pause": 3,
    "checkpoint": 2,
    "report_window": 6,
}
SPONSOR = 0
BEGIN, CONFIRM, PROVE, COMMIT, REVEAL, SETTLE, CLAIM, COLLECT = (1 << bit for bit in range(8))
EVERYTHING = 255


class Watched(World):
    """`events` and `errors` count what happened, by name; `balanced` is to be unset before root makes money."""

    def __init__(self, times: dict[str, int] | None = None, accounts: int = 13) -> None:
        patch = {"datDot": {"times": SHORT | (times or {})}}
        super().__init__(Pair(accounts=accounts, patch=patch))
        self.events: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.at_genesis = balances.TotalIssuance.get(Overlay(self.pair.state))
        self.whole = self.balanced = True

    def seal(self) -> list[Outcome]:
        found = super().seal()
        self.events.update(event.name.removeprefix("DatDot.") for event in self.pair.events())
        self.errors.update(outcome.error.removeprefix("DatDot.") for outcome in found if outcome.error)
        state = Overlay(self.pair.state)
        if self.whole:
            check_state(state)
        if self.balanced:
            check_money(state, self.at_genesis)
        return found

    def live(self, blocks: int, duties: int = EVERYTHING) -> None:
        self.do_live(blocks, duties, 0)

    def until(self, event: str, duties: int = EVERYTHING, most: int = 120) -> None:
        """Live until an event was seen; an AssertionError says that it never came."""
        before = self.events[event]
        for _ in range(most):
            if self.events[event] > before:
                return
            self.live(1, duties)
        raise AssertionError(f"no {event} in {most} blocks; seen: {dict(self.events)}")

    def offer(self, who: int, role: str, **changes: Any) -> None:
        """A fair offer, with changes."""
        party = self.party(who)
        if role == "Hosting":
            self.call(
                party,
                "offer_hosting",
                **{"capacity": GIB, "ask_disk": UNIT, "ask_receiving": UNIT // 200, "region": b""} | changes,
            )
        elif role == "Encoding":
            self.call(party, "offer_encoding", **{"ask": UNIT} | changes)
        else:
            fair = {"ask": 10**9, "anchor": party.chain(0).anchor, "slots": 2}
            self.call(party, "offer_attesting", **fair | changes)

    def people(self, hosters: int, encoders: int, attesters: int = 0) -> None:
        """Party 0 is the sponsor; then come hosters, encoders, attesters. Their offers stand in the tables at the end."""
        self.settle_in(hosters, encoders, attesters)
        self.live(SHORT["seed_delay"] + 1, 0)

    def publish(self, sizes: list[int] | None = None, pot: int = 20 * UNIT, **terms: Any) -> None:
        """A plan for a whole feed."""
        feed = Feed(f"feed {len(self.actions)} {self.pair.number}", "v1", sizes or [5_000, 3_000, 1_200])
        self.publish_of(feed, [(0, feed.length)], pot, **terms)

    def publish_of(self, feed: Feed, ranges: list[tuple[int, int]], pot: int, **terms: Any) -> None:
        """A plan for ranges of a feed."""
        self.remember(feed)
        fair = {
            "replicas": 1,
            "max_ask_disk": 3 * UNIT,
            "max_ask_encoding": 3 * UNIT,
            "max_ask_receiving": 3 * UNIT,
            "report_price": 10**9,
            "until": self.next_block + 5_000,
            **TARGETS[1],
        }
        self.call(
            self.party(SPONSOR),
            "publish_plan",
            head=feed.head(),
            ranges=[{"start": start, "end": end} for start, end in ranges],
            nodes=feed.open(ranges),
            terms=fair | terms,
            pot=pot,
        )

    def inside(self, who: int, name: str, **arguments: Any) -> None:
        """A call within a batch, where nobody asks whether the account can be good for it."""
        calls = [("DatDot", (name, arguments))]
        self.pair.submit(self.party(who).account, "Utility", "batch_all", {"calls": calls})

    def copy_in(self, state: str) -> int:
        """The first copy in a state."""
        return min(key for key, copy in self.all("Copies").items() if copy["state"] == state)

    def refused(self, *errors: str) -> None:
        """The calls of the next block fail with these errors, in this order and on both chains; "" for none."""
        found = [outcome.error or ("refused" if outcome.refused else "") for outcome in self.seal()]
        assert [one.removeprefix("DatDot.") for one in found] == list(errors)

    def write(self, key: bytes, value: bytes) -> None:
        """Root writes a raw entry, on both chains, in the next block."""
        self.pair.sudo("System", "set_storage", {"items": [(key, value)]})
