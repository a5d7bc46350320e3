"""A random life on the model alone: hosters that vanish, lose data, leave and pause; feeds that grow and fork; sponsors that
change their minds; attesters that lie. In the end all is closed and released, and the money is where it belongs."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

from runtime_mock.model.datdot import (
    amend,
    copies,
    ends,
    events,
    fraud,
    items,
    jobs,
    ladder,
    live_plans,
    money,
    offers,
    pauses,
)
from runtime_mock.model.datdot import plans as rules
from runtime_mock.model.datdot.records import Copy, CopyState, Plan, PlanState, StorageChallenge, Terms
from runtime_mock.model.datdot.types import Payment, Role
from runtime_mock.model.frame import balances
from tests.support.differential.driver import UNIT
from tests.support.differential.parties import Party
from tests.support.differential.small_feeds import Feed
from tests.support.model_world import ModelWorld, nodes_of, signed_head

# Short waits for proofs, and checkpoints of a few sectors.
TIMES = {"proof_window": 20, "checkpoint": 4, "lease": 60}
CHECKPOINT = 4 * 256
# What may go wrong, and how often at most in a block.
FAULTS = {
    "vanish": 0.06,
    "lose": 0.06,
    "leave": 0.06,
    "declare": 0.06,
    "decline": 0.06,
    "pause": 0.06,
    "refuse": 0.06,
    "withdraw": 0.02,
    "grow": 0.06,
    "fork": 0.0008,
    "contradict": 0.0008,
    "donate": 0.06,
    "amend": 0.06,
    "end": 0.0008,
    "salvage": 0.02,
    "no_data": 0.06,
}
CLOSED_WITHIN = 1_000


class ModelLife(ModelWorld):
    """A life that follows from its number alone."""

    def __init__(self, number: int) -> None:
        source = random.Random(f"life {number}")
        count, choice = source.randint, source.choice
        capacity = choice([1 << 16, 1 << 17, 1 << 30])
        super().__init__(count(3, 8), count(2, 6), choice([0, 3, 8]), f"life {number}", capacity, TIMES)
        self.random = source
        self._feeds: dict[int, Feed] = {}
        self._down: dict[bytes, int] = {}
        self._refusing: set[bytes] = set()
        self._liars = {one.id for one in self.attesters if source.random() < choice([0, 0.2, 0.6])}
        self._honest = source.random() < 0.7
        self._odds = {name: choice([0, 1 / 20, 1 / 3, 1]) * most for name, most in FAULTS.items()}

    def live(self, blocks: int) -> None:
        """A life with faults, and its end."""
        for number in range(blocks):
            self.step(check=number % 4 == 0)
            self._do_wrong()
        self._down.clear()
        for _ in range(CLOSED_WITHIN):
            if not self.chain.all(items.Plans):
                break
            self.step(check=self.chain.number % 10 == 0)
            self._close()
        self._release()

    # duties that are not done

    def _is_down(self, account: bytes | None) -> bool:
        return account is not None and self._down.get(account, 0) >= self.chain.number

    def declines(self, copy_id: int, copy: Copy) -> bool:
        if self._is_down(copy.encoder):
            return True
        if self.random.random() < 10 * self._odds["no_data"]:
            self.chain.call(jobs.decline_job, copy.encoder, copy_id)
            return True
        return False

    def confirm_if_there(self, copy_id: int, copy: Copy) -> None:
        hoster_is_down = self._is_down(copy.hoster)
        if not hoster_is_down and not self._is_down(copy.encoder):
            self.confirm(copy_id, copy, by_hoster=self.random.random() < 0.5)
        elif not hoster_is_down and copy.bytes - copy.stored_bytes > 2 * CHECKPOINT and self.random.random() < 0.5:
            self.confirm(copy_id, copy, CHECKPOINT)

    def prove(self, hoster: bytes, challenge: StorageChallenge) -> None:
        if not self._is_down(hoster) and self.random.random() < 0.5:
            super().prove(hoster, challenge)

    def cannot_prove(self, hoster: bytes, challenge: StorageChallenge) -> None:
        lost = self.lost[hoster]
        if self._honest:
            for copy_id in sorted({one.copy for one in challenge.samples if one.segment in lost}):
                self.chain.call(ladder.declare_lost, hoster, copy_id)

    def sees_served(self, attester: Party, copy: Copy) -> bool:
        if attester.id in self._liars and self.random.random() < 0.5:
            return False
        return copy.hoster not in self._refusing and not self._is_down(copy.hoster)

    # faults

    def _happens(self, fault: str) -> bool:
        return self.random.random() < self._odds[fault]

    def _do_wrong(self) -> None:
        live = [(key, copy) for key, copy in self.chain.all(items.Copies).items() if copy.state != CopyState.ENDED]
        self._hosters_do_wrong()
        if live:
            self._copies_go_wrong(live)
        self._offer_again()
        plans = list(self.chain.all(items.Plans).items())
        if plans:
            self._plan_changes(*self.random.choice(plans))
        if len(self._feeds) < 4 and (not self._feeds or self.random.random() < 0.01):
            self._new_plan()

    def _hosters_do_wrong(self) -> None:
        hoster = self.random.choice(self.hosters).id
        if self._happens("vanish"):
            gone = self.random.choice(self.hosters + self.encoders).id
            self._down[gone] = self.chain.number + self.random.choice([5, 25, 45, 120, 300])
        if self._happens("lose"):
            copies = self.chain.all(items.Copies).values()
            parts = [part for copy in copies if copy.hoster == hoster for part in copy.segments]
            if parts:
                self.lost.setdefault(hoster, set()).add(self.random.choice(parts).segment)
        if self._happens("pause") and self.chain.call(pauses.pause, hoster) is None:
            self._down[hoster] = self.chain.number + self.chain.times.proof_window + self.chain.times.pause
        if self._happens("refuse"):
            self._refusing ^= {hoster}
        if self._happens("withdraw"):
            self.chain.call(offers.withdraw_offer, hoster, Role.HOSTING)
            self.chain.call(offers.withdraw_offer, self.random.choice(self.encoders).id, Role.ENCODING)

    def _copies_go_wrong(self, live: list[tuple[int, Copy]]) -> None:
        copy_id, copy = self.random.choice(live)
        if self._happens("leave"):
            self.chain.call(ends.leave_copy, copy.hoster, copy_id)
        if self._happens("declare"):
            self.chain.call(ladder.declare_lost, copy.hoster, copy_id)
        if self._happens("decline"):
            self.chain.call(copies.decline_copy, copy.hoster, copy_id)
        rest = copy.bytes - copy.stored_bytes
        if self._happens("salvage") and copy.state == CopyState.ENCODING and rest > 2 * CHECKPOINT:
            self.confirm(copy_id, copy, CHECKPOINT)

    def _offer_again(self) -> None:
        if self.random.random() > 0.05:
            return
        for one in self.hosters:
            if not items.Hosters.at(self.chain.state, one.id).open and not self._is_down(one.id):
                size, region = self.random.choice([1 << 16, 1 << 17, 1 << 30]), self.random.choice([b"u3", b"9q", b""])
                self.chain.call(offers.offer_hosting, one.id, size, UNIT, UNIT // 200, region)
        for one in self.encoders:
            if not items.Encoders.at(self.chain.state, one.id).open and not self._is_down(one.id):
                self.chain.call(offers.offer_encoding, one.id, UNIT)

    def _plan_changes(self, plan_id: int, plan: Plan) -> None:
        feed, call = self._feeds[plan_id], self.chain.call
        if self._happens("grow"):
            grown = Feed(*self._named(plan_id), feed.sizes + [self.random.randint(0, 3_000) for _ in range(3)])
            nodes = nodes_of(grown.extension(feed.length))
            if call(live_plans.update_head, plan_id, signed_head(grown), nodes) is None:
                self._feeds[plan_id] = grown
        if self._happens("fork"):
            call(live_plans.update_head, plan_id, signed_head(Feed(*self._named(plan_id), feed.sizes, fork=1)), [])
        if self._happens("contradict"):
            other = Feed(*self._named(plan_id), [size + 1 for size in feed.sizes])
            call(fraud.report_equivocation, plan_id, signed_head(feed), signed_head(other), 0, [])
        if self._happens("donate"):
            call(rules.donate, self.donor.id, plan_id, self.random.choice([UNIT // 100, UNIT, 5 * UNIT]), plan.fresh)
        if self._happens("amend"):
            until, cap = self.chain.number + self.random.randint(1, 900), self.random.choice([UNIT // 2, 3 * UNIT])
            terms = replace(plan.terms, replicas=self.random.randint(1, 5), until=until, max_ask_disk=cap)
            call(amend.amend_plan, plan.sponsor, plan_id, terms)
        if self._happens("end"):
            call(rules.end_plan, plan.sponsor, plan_id)

    def _named(self, plan_id: int) -> tuple[str, str]:
        """Name and kind of a plan's feed."""
        return f"feed {self.chain.genesis.hex()} {plan_id}", ("compat", "v0", "v1")[plan_id % 3]

    def _new_plan(self) -> None:
        number, chance = len(self._feeds), self.random.random
        sizes = [self.random.randint(1, 4_000) for _ in range(self.random.randint(1, 7))]
        cap = self.random.choice([3 * UNIT, 3 * UNIT, 6 * UNIT, UNIT // 2])
        terms = Terms(
            replicas=self.random.randint(1, 4),
            max_ask_disk=cap,
            max_ask_encoding=cap,
            max_ask_receiving=cap,
            report_price=10**9,
            until=self.chain.number + self.random.randint(30, 900),
            live=chance() < 0.5,
            min_reputation=self.random.choice([400_000, 600_000]) if chance() < 0.2 else 0,
            regions=[b"u"] if chance() < 0.2 else [],
            max_latency_ms=40 if chance() < 0.3 else 10**6,
        )
        feed, pot = Feed(*self._named(number), sizes), self.random.choice([UNIT // 2, UNIT, 20 * UNIT])
        if self.publish(self.random.choice([self.sponsor, self.second_sponsor]), feed, pot, terms) is None:
            self._feeds[number] = feed

    # the end

    def _close(self) -> None:
        for plan_id, plan in self.chain.all(items.Plans).items():
            if plan.state == PlanState.LIVE and not plan.ending:
                self.must(rules.end_plan, plan.sponsor, plan_id)
            if plan.remainder is not None:
                for donor in self.chain.all(items.Shares, plan_id):
                    self.must(rules.claim_refund, plan_id, donor)

    def _release(self) -> None:
        """Everybody leaves, and nothing is left behind."""
        assert not self.chain.all(items.Plans), "all plans close"
        roles = [(one.id, Role.HOSTING) for one in self.hosters] + [(one.id, Role.ENCODING) for one in self.encoders]
        for account, role in [*roles, *((one.id, Role.ATTESTING) for one in self.attesters)]:
            self.chain.call(offers.withdraw_offer, account, role)
        for _ in range(14 * self.chain.times.era + 2):
            self.chain.block(check=False)
        for account, role in roles:
            self.must(offers.release, account, role)
        for _ in range(self.chain.times.seed_delay + 1):
            self.chain.block()
        kept: tuple[Any, ...] = (items.Copies, items.Segments, items.Moduli, items.StorageChallenges, items.HosterDraws)
        for item in kept:
            assert not self.chain.all(item), "no record is left"
        for plan_id in self._feeds:
            assert self.chain.money(money.pot_account(plan_id)) == 0, "no pot is left"
        everybody = sum(self.chain.money(one.id) for one in self.people)
        assert everybody == balances.TotalIssuance.get(self.chain.state), "nobody else holds money"


def paid_once(life: ModelLife) -> None:
    """No half of a fee, no receiving and no report was paid twice."""
    paid: Counter[tuple[int, bytes, Payment]] = Counter()
    most: dict[tuple[int, bytes, Payment], int] = defaultdict(int)
    encoders: dict[int, bytes] = {}
    hosters: dict[int, bytes] = {}
    for _, event in life.chain.events:
        if isinstance(event, events.Paid):
            paid[event.copy, event.account, event.what] += 1
        elif isinstance(event, events.CopyOffered):
            hosters[event.copy] = event.hoster
        elif isinstance(event, events.SegmentBegun):
            encoders[event.segment] = event.encoder
        elif isinstance(event, events.SegmentConfirmed):
            for what in (Payment.FIRST_HALF, Payment.SECOND_HALF):
                most[event.copy, encoders[event.segment], what] += 1
            most[event.copy, hosters[event.copy], Payment.RECEIVING] += 1
        elif isinstance(event, events.RetrievalRevealed):
            most[event.copy, event.account, Payment.REPORT] += event.report.served
    for key, count in paid.items():
        if key[2] != Payment.STORAGE:
            assert count <= most[key], key
