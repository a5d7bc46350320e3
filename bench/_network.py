"""The state of a large network, written record by record: hosters with whole copies of 4 GiB, their encoders, attesters, plans.

Everything is as calls and blocks would have left it: sums, tables, queues, money on hold, what copies reserve, and the
retrieval records of the last eras. Contents are made up: keys, moduli, roots. Tests hold it against the pallet's
invariants, against a state that calls made, and let it live on both backends.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sr25519

from runtime_mock.model import genesis
from runtime_mock.model.datdot import crypto, items
from runtime_mock.model.datdot.money import dearest, hold_reason, pot_account, reserve_for
from runtime_mock.model.datdot.records import (
    Copy,
    CopySegment,
    CopyState,
    EraInfo,
    Head,
    Plan,
    PlanState,
    Range,
    Report,
    Retrieval,
    Root,
    Seat,
    Segment,
    Terms,
)
from runtime_mock.model.datdot.tables import collateral_due, encoder_weight, hoster_weight
from runtime_mock.model.datdot.types import (
    Attester,
    Deadline,
    Encoder,
    EncoderDraw,
    Fifo,
    Hoster,
    HosterDraw,
    Node,
    Peer,
    Ratio,
    Role,
    Slot,
    Times,
    Wait,
)
from runtime_mock.model.frame import balances, system
from runtime_mock.model.scale import U32, U64
from runtime_mock.model.storage import Map
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie

UNIT = 10**12
ED = 10**9
GIB = 1 << 30
REPLICAS = 3
COPY_BYTES = 4 * GIB
SECTORS = COPY_BYTES // 256
FEED_BLOCKS = COPY_BYTES // (64 << 10)
ASK = UNIT // 100
RECEIVING = UNIT // 200
REPORT_PRICE = 10**9
SLOTS = 4
AGE = 4
"""Eras since the oldest plan was published."""
REPUTATION = 900_000
PURSE = 10 * UNIT


def made_up(*parts: object, size: int = 32) -> bytes:
    """Return bytes that follow from anything."""
    return hashlib.shake_256("|".join(map(str, parts)).encode()).digest(size)


class Party:
    """An account with an sr25519 key."""

    def __init__(self, kind: str, number: int) -> None:
        self._pair = sr25519.pair_from_seed(made_up(kind, number))
        self.id: bytes = self._pair[0]
        self.free = PURSE
        self.held: dict[Role, int] = {}

    def sign(self, message: bytes) -> bytes:
        """Return a signature."""
        return bytes(sr25519.sign(self._pair, message))


def go_to(state: Overlay, block: int) -> None:
    """Let a block be the last one."""
    system.Number.put(state, block)
    for one in range(block - 256, block):
        system.BlockHash.put(state, one, made_up("block", one))


def table_nodes(depth: int, weights: list[int]) -> dict[int, Node]:
    """Return the nodes of a sum table whose first slots are taken, with these weights."""
    nodes: dict[int, Node] = {}
    level = [(weight, True) for weight in weights]
    for height in range(depth):
        above: list[tuple[int, bool]] = []
        first = sum(64**one for one in range(depth - 1 - height))
        for place in range(-(-len(level) // 64)):
            part = level[64 * place : 64 * place + 64]
            mask = sum(1 << bit for bit, (_, full) in enumerate(part) if full)
            sums = [total for total, _ in part] + [0] * (64 - len(part))
            nodes[first + place] = Node(mask, sums)
            above.append((sum(sums), mask == 2**64 - 1))
        level = above
    return nodes


@dataclass
class Network:
    """A network of `hosters`, which share `copies` evenly, seen after block `at`: near the end of an era, when attesters commit."""

    hosters: int
    copies: int
    era: int = 10

    def __post_init__(self) -> None:
        if self.hosters < REPLICAS or self.copies < REPLICAS:
            raise ValueError(f"a network has {REPLICAS} hosters and copies at least")
        self.state = Overlay(Trie())
        config = json.loads(genesis.preset(None) or b"") | json.loads(genesis.preset("production") or b"")
        genesis.build(self.state, json.dumps(config).encode())
        found = items.Time.get(self.state)
        assert found is not None
        self.times: Times = found
        self.genesis = made_up("genesis")
        #: The first copies, of which the verdict of the last era is still to be settled.
        self.open_verdicts = min(600, self.copies // 2)
        self._write()

    @property
    def at(self) -> int:
        """The last block."""
        return self.era * self.times.era + self.times.probe_blocks + 500

    @property
    def plans(self) -> int:
        """How many there are, of three copies each but for the last."""
        return -(-self.copies // REPLICAS)

    @cached_property
    def hosting(self) -> list[Party]:
        """The hosters."""
        return [Party("hoster", number) for number in range(self.hosters)]

    @cached_property
    def encoding(self) -> list[Party]:
        """The encoders: one for ten hosters."""
        return [Party("encoder", number) for number in range(max(REPLICAS, self.hosters // 10))]

    @cached_property
    def attesting(self) -> list[Party]:
        """The attesters: one for ten hosters, with four slots each."""
        return [Party("attester", number) for number in range(max(12, self.hosters // 10))]

    @cached_property
    def sponsors(self) -> list[Party]:
        """The sponsors: one for a hundred plans."""
        return [Party("sponsor", number) for number in range(-(-self.plans // 100))]

    def hoster_of(self, copy: int) -> Party:
        """Return who stores a copy."""
        return self.hosting[copy % self.hosters]

    def copies_of(self, hoster: int) -> range:
        """Return what a hoster stores."""
        return range(hoster, self.copies, self.hosters)

    def published(self, plan: int) -> int:
        """Return the block of a plan's publication: all are within an era, evenly, so that ticks are spread over it."""
        return self.at - (AGE + 1) * self.times.era + 1 + plan * self.times.era // self.plans

    def confirmed(self, copy: int) -> int:
        """Return the block in which a copy became active."""
        return self.published(copy // REPLICAS) + 500

    def last_pass(self, hoster: int) -> int:
        """Return the block up to which a hoster has been paid: each passes once in MeanGap on average."""
        return self.at - 50 - hoster * self.times.mean_gap // self.hosters

    def acc(self, block: int) -> int:
        """Return what a hoster had earned up to a block, in ppm x blocks."""
        return REPUTATION * (block - (self.at - (AGE + 1) * self.times.era))

    # ---- writing

    def _write(self) -> None:
        self._peers()
        self._hosters()
        self._encoders()
        self._attesters()
        for plan in range(self.plans):
            self._plan(plan)
        self._lists()
        self._frame()
        self._records()
        self._money()

    def _peers(self) -> None:
        for role in (self.hosting, self.encoding, self.attesting):
            for party in role:
                keys = made_up("swarm", party.id.hex()), made_up("statement", party.id.hex())
                items.Peers.put(self.state, party.id, Peer(*keys, 1, REPUTATION, 20, 9_000, 30, 1))
                for key in keys:
                    items.Keys.put(self.state, key, party.id)

    def _hosters(self) -> None:
        amounts = items.Amount.get(self.state)
        assert amounts is not None
        weights = []
        for number, party in enumerate(self.hosting):
            own = self.copies_of(number)
            used, last = len(own) * COPY_BYTES, self.last_pass(number)
            capacity, stored = max(2 * used, GIB), len(own) * SECTORS
            collateral = collateral_due(amounts.collateral, capacity)
            party.held[Role.HOSTING] = collateral
            hoster = Hoster(open=True, capacity=capacity, used=used, stored=stored, copies=len(own), records=len(own))
            hoster.ask_disk, hoster.ask_receiving = ASK, RECEIVING
            hoster.acc, hoster.last, hoster.passed = self.acc(last), last, 20
            hoster.place = number if own else None
            items.Hosters.put(self.state, party.id, hoster)
            draw = HosterDraw(number, True, capacity, used, collateral, REPUTATION, ASK, RECEIVING)
            items.HosterDraws.put(self.state, party.id, draw)
            items.HosterSlots.put(self.state, number, party.id)
            weights.append(hoster_weight(draw, amounts))
            for slot, copy in enumerate(own):
                items.CopySlots.put(self.state, party.id, slot, copy)
            self._table(items.CopyNodes, 2, [SECTORS] * len(own), party.id)
            if own:
                items.Storing.put(self.state, number, party.id)
            items.Ratios.put(self.state, party.id, Ratio(given=self.plans * UNIT // self.hosters))
        items.HosterCount.put(self.state, self.hosters)
        items.StoringCount.put(self.state, min(self.hosters, self.copies))
        self._table(items.HosterNodes, 3, weights)

    def _table(self, nodes: Map[Node, None], depth: int, weights: list[int], *key: Any) -> None:
        for number, node in table_nodes(depth, weights).items():
            nodes.put(self.state, *key, number, node)

    def _encoders(self) -> None:
        amounts = items.Amount.get(self.state)
        assert amounts is not None
        weights = []
        for number, party in enumerate(self.encoding):
            party.held[Role.ENCODING] = amounts.encoder_bond
            items.Encoders.put(self.state, party.id, Encoder(open=True, ask=ASK, confirmed=self.confirmed(number)))
            draw = EncoderDraw(number, True, 0, amounts.encoder_bond, REPUTATION, ASK)
            items.EncoderDraws.put(self.state, party.id, draw)
            items.EncoderSlots.put(self.state, number, party.id)
            weights.append(encoder_weight(draw, amounts))
        items.EncoderCount.put(self.state, len(weights))
        self._table(items.EncoderNodes, 3, weights)

    def link(self, party: Party) -> bytes:
        """Return an attester's link of the last era."""
        return made_up("link", party.id.hex())

    def _attesters(self) -> None:
        amounts = items.Amount.get(self.state)
        assert amounts is not None
        count = len(self.attesting)
        for number, party in enumerate(self.attesting):
            party.held[Role.ATTESTING] = SLOTS * amounts.attester_bond
            slots = [number + count * place for place in range(SLOTS)]
            anchor = made_up("anchor", number)
            items.Attesters.put(self.state, party.id, Attester(anchor, self.era - 1, self.link(party), slots))
            for slot in slots:
                items.Slots.put(self.state, slot, Slot(party.id, REPORT_PRICE, amounts.attester_bond, 1))
        items.SlotCount.put(self.state, count * SLOTS)

    def _plan(self, number: int) -> None:
        """Write a plan with its copies and their segments."""
        sponsor, tree_hash = self.sponsors[number // 100], made_up("head", number)
        head = Head(0, FEED_BLOCKS, COPY_BYTES, tree_hash)
        copies = list(range(REPLICAS * number, min(REPLICAS * (number + 1), self.copies)))
        published = self.published(number)
        terms = Terms(len(copies), 4 * ASK, 4 * ASK, 4 * ASK, REPORT_PRICE, published + 150 * self.times.era)
        plan = Plan(
            sponsor=sponsor.id,
            feed=made_up("feed", number),
            head=head,
            ranges=[Range(0, FEED_BLOCKS, 0, COPY_BYTES)],
            bytes=COPY_BYTES,
            sectors=SECTORS,
            terms=terms,
            state=PlanState.LIVE,
            published=published,
            next_tick=published + (AGE + 1) * self.times.era,
            shares=20 * UNIT,
            donors=1,
            burned=UNIT,
            live=copies,
            records=len(copies),
            queued=False,
            confirmed=True,
            mark=UNIT,
            founded=20 * UNIT,
        )
        for copy in copies:
            plan.reserved += self._copy(copy, number, plan)
        items.Plans.put(self.state, number, plan)
        items.PlanRoots.put(self.state, number, [Root(tree_hash, COPY_BYTES)])
        items.Shares.put(self.state, number, sponsor.id, 20 * UNIT)
        self._account(pot_account(number), ED + dearest(plan.reserved) + 10 * UNIT, 0)

    def _copy(self, number: int, plan_id: int, plan: Plan) -> int:
        """Write a copy of one segment, which has the same number. Return what it reserves."""
        hoster, encoder = self.hoster_of(number), self.encoding[number % len(self.encoding)]
        confirmed, last = self.confirmed(number), self.last_pass(number % self.hosters)
        modulus = made_up("modulus", number, size=256)
        pk_hash, salt = crypto.pk_hash(modulus), made_up("salt", number)
        copy = Copy(
            plan=plan_id,
            hoster=hoster.id,
            encoder=None,
            encoders=[encoder.id],
            state=CopyState.ACTIVE,
            bytes=COPY_BYTES,
            sectors=SECTORS,
            stored_bytes=COPY_BYTES,
            stored=SECTORS,
            ask_disk=ASK,
            ask_receiving=RECEIVING,
            ask_encoding=0,
            fee=0,
            halves=0,
            reserve=0,
            debt=SECTORS * self.acc(min(last, plan.next_tick - self.times.era)),
            frozen=None,
            segments=[CopySegment(number, SECTORS, confirmed)],
            current=None,
            generation=1,
            offered=plan.published + 4,
            first_confirmed=confirmed,
            active_since=confirmed,
            ended=None,
            slot=number // self.hosters,
            tabled=SECTORS,
            strikes=0,
            head=plan.head,
            judged=self.era - (2 if number < self.open_verdicts else 1),
        )
        copy.reserve = reserve_for(self.state, copy, plan, self.times.era)
        segment = Segment(
            number, encoder.id, 1, pk_hash, confirmed - 200, salt, 0, COPY_BYTES, SECTORS, bytes(32), plan.head, 0
        )
        segment.root = made_up("root", number)
        items.Copies.put(self.state, number, copy)
        items.Segments.put(self.state, number, segment)
        items.Moduli.put(self.state, number, modulus)
        items.UsedModuli.put(self.state, crypto.digest(modulus), number)
        return copy.reserve

    def _lists(self) -> None:
        """Write counters, and the queues of needs and of ticks."""
        for counter, count in (
            (items.NextPlan, self.plans),
            (items.NextCopy, self.copies),
            (items.NextSegment, self.copies),
        ):
            counter.put(self.state, count)
        for lane, met in enumerate((self.copies, self.plans)):
            items.NeedQueue.put(self.state, lane, Fifo(met, met))
        ticks = (Deadline(self.published(plan) + (AGE + 1) * self.times.era, plan, 0) for plan in range(self.plans))
        self._queue(Wait.TICK, ticks, AGE * self.plans)

    def _queue(self, wait: Wait, deadlines: Iterable[Deadline], head: int) -> None:
        tail = head
        for deadline in deadlines:
            items.Deadlines.put(self.state, wait, tail, deadline)
            tail += 1
        items.DeadlineQueues.put(self.state, wait, Fifo(head, tail))

    def _frame(self) -> None:
        """Write the block's number, and what is kept of the last blocks and eras."""
        system.BlockHash.put(self.state, 0, self.genesis)
        go_to(self.state, self.at)
        for block in range(self.at - 255, self.at + 1):
            items.Seeds.put(self.state, block, made_up("seed", block))
        for era in range(self.era - 3, self.era + 1):
            items.Eras.put(self.state, era, self._era(era))

    def _era(self, era: int) -> EraInfo:
        return EraInfo(made_up("era", era), SLOTS * len(self.attesting))

    # ---- retrieval

    def committee(self, era: int, copy: int) -> list[Party]:
        """Return who sits in the committee of (era, copy), in the order of the draws."""
        return [self.attesting[slot % len(self.attesting)] for slot in self._seats(era, copy)]

    def _seats(self, era: int, copy: int) -> list[int]:
        info, ids = self._era(era), U64.encode(copy) + U32.encode(era)
        count, found = len(self.attesting), dict[int, int]()
        for ctr in range(128):
            slot = crypto.draw(5, info.seed, ids, ctr) % info.slots
            found.setdefault(slot % count, slot)
            if len(found) == self.times.seats:
                break
        return list(found.values())

    def report(self, party: Party, copy: int) -> Report:
        """Return what an attester said of a copy in the last era."""
        return Report(1, 10 + party.id[0], 4_000 + copy % 1_000)

    def probed(self, party: Party, copy: int) -> int:
        """Return the sector that an attester had to show of a copy in the last era."""
        return crypto.low(crypto.probe(self.link(party), copy, self.era - 1, 0)) % SECTORS

    def _record(self, era: int, copy: int, reported: bool, settled: bool) -> None:
        seats = []
        for slot in self._seats(era, copy):
            party = self.attesting[slot % len(self.attesting)]
            report = self.report(party, copy) if reported else None
            seats.append(Seat(slot, party.id, made_up("commit", era, copy, slot), report))
        items.Retrievals.put(self.state, era, copy, Retrieval([] if settled else seats, settled))

    def _records(self) -> None:
        """Write retrieval records: those of two eras before are settled, of the last nearly all, of this a third has commits."""
        begun = [copy for copy in range(self.open_verdicts, self.copies) if copy % 3 == 0]
        for copy in range(self.copies):
            self._record(self.era - 2, copy, reported=True, settled=True)
            self._record(self.era - 1, copy, reported=True, settled=copy >= self.open_verdicts)
        for copy in begun:
            self._record(self.era, copy, reported=False, settled=False)
        eras = ((self.era - 2, range(self.copies)), (self.era - 1, range(self.copies)), (self.era, begun))
        deadlines = (
            Deadline((era + 1) * self.times.era + self.times.settle_to, copy, era)
            for era, some in eras
            for copy in some
        )
        self._queue(Wait.SETTLE, deadlines, AGE * self.copies)

    # ---- money

    def _account(self, account: bytes, free: int, reserved: int) -> None:
        data = system.AccountData(free=free, reserved=reserved)
        system.Account.put(self.state, account, system.AccountInfo(consumers=int(reserved > 0), providers=1, data=data))
        balances.TotalIssuance.put(self.state, balances.TotalIssuance.get(self.state) + free + reserved)

    def _money(self) -> None:
        for role in (self.hosting, self.encoding, self.attesting, self.sponsors):
            for party in role:
                self._account(party.id, party.free, sum(party.held.values()))
                holds = [balances.Hold(hold_reason(kind), amount) for kind, amount in party.held.items() if amount]
                if holds:
                    balances.Holds.put(self.state, party.id, holds)
        for number, party in enumerate(self.sponsors):
            plans = min(100, self.plans - 100 * number)
            items.Ratios.put(self.state, party.id, Ratio(taken=plans * UNIT))
        items.Minted.put(self.state, self.plans * UNIT)
        items.Burned.put(self.state, self.plans * UNIT)
