"""Actions of peers, of offers and of plans: right, or wrong in a chosen way."""

from __future__ import annotations

from typing import Any

from tests.support.differential.driver import UNIT
from tests.support.differential.parties import GIB, Base
from tests.support.differential.small_feeds import KINDS, Feed

ROLES = ("Hosting", "Encoding", "Attesting")
# what a feed's blocks claim to hold
SHAPES: list[list[int]] = [
    [5_000, 3_000, 1_200],
    [1],
    [256] * 8,
    [300, 200, 1, 0, 70_000, 5, 6, 7, 256, 9, 10],
    [100_000] * 5,
    [5 * GIB, GIB // 2],
    [0, 0],
    [400] * 33,
]

# what a plan asks beyond a price, mostly nothing
TARGETS: list[dict[str, Any]] = [
    {"live": True, "min_reputation": 0, "regions": [], "max_latency_ms": 2**32 - 1, "min_kib_per_s": 0},
    {"live": False, "min_reputation": 0, "regions": [], "max_latency_ms": 2**32 - 1, "min_kib_per_s": 0},
    {"live": True, "min_reputation": 0, "regions": [], "max_latency_ms": 100, "min_kib_per_s": 0},
    {"live": False, "min_reputation": 400_000, "regions": [], "max_latency_ms": 9, "min_kib_per_s": 90_000},
    {"live": True, "min_reputation": 500_001, "regions": [], "max_latency_ms": 2**32 - 1, "min_kib_per_s": 0},
    {"live": False, "min_reputation": 0, "regions": [b"u3", b"e"], "max_latency_ms": 500, "min_kib_per_s": 1},
]


class Plans(Base):
    """Peers, offers, plans."""

    def do_register(self, who: int, wrong: int, _: int) -> None:
        party, other = self.party(who), self.party(who + 1)
        arguments = party.bind()
        if wrong % 8 == 1:
            arguments["swarm_signature"] = other.bind()["swarm_signature"]
        elif wrong % 8 == 2:
            arguments["statement_key"] = arguments["swarm_key"]
        elif wrong % 8 == 3:
            arguments |= {"swarm_key": bytes(32), "swarm_signature": bytes(64)}
        elif wrong % 8 == 4:
            # the identity as key and as R: the host's ed25519 takes it for any message
            small = b"\1" + bytes(31)
            arguments |= {"statement_key": small, "statement_signature": small + bytes(32)}
        elif wrong % 8 == 5:
            arguments = other.bind()
        self.call(party, "register_peer", **arguments)

    def do_rotate(self, who: int, number: int, wrong: int) -> None:
        party, other = self.party(who), self.party(who + 1)
        arguments = party.rotate(1 + number)
        if wrong % 8 == 1:
            arguments["signature"] = party.rotate(2 + number)["signature"]
        elif wrong % 8 == 2:
            arguments = party.rotate(0)
        elif wrong % 8 == 3:
            # the identity as key and as R
            small = b"\1" + bytes(31)
            arguments = {"swarm_key": small, "signature": small + bytes(32)}
        elif wrong % 8 == 4:
            arguments = party.rotate(1 + number, bytes(other.statement.verify_key))
        elif wrong % 8 == 5:
            arguments = other.rotate(1 + number)
        elif wrong % 8 == 6:
            arguments["swarm_key"] = bytes(party.statement.verify_key)
        self.call(party, "rotate_swarm_key", **arguments)

    def do_operator(self, who: int, whom: int, wrong: int) -> None:
        """Another makes the party's calls from now on; or nobody any more; or nobody, and still somebody tries."""
        party, operator = self.party(who), self.party(whom)
        self.operators.pop(party.id, None)
        named = operator.id if wrong % 4 == 0 else None
        self.call(party, "set_operator", operator=named)
        if wrong % 4 != 1:
            self.operators[party.id] = operator

    def do_operate(self, who: int, whom: int, kind: int) -> None:
        """A call for a party that no operator makes, or that only a peer's operator may."""
        party, operator = self.party(who), self.party(whom)
        if kind % 4 == 0:
            self.operate(operator, party.id, "collect", {"copy": 0})
        elif kind % 4 == 1:
            self.operate(operator, party.id, "remark", {"remark": b"x"}, "System")
        elif kind % 4 == 2:
            self.operate(operator, party.id, "operate", {"peer": party.id, "call": ("DatDot", ("pause", {}))})
        else:
            self.operate(operator, party.id, "withdraw_offer", {"role": ROLES[kind // 4 % 3]})

    def do_offer(self, who: int, role: int, variant: int) -> None:
        party = self.party(who)
        if role % 3 == 0:
            capacity = (10 * GIB, GIB, 1 << 20, 0, 2**63, 1_300)[variant % 6]
            asks = ((UNIT, UNIT // 200), (2 * UNIT, 0), (0, 0), (10**24 + 1, UNIT // 200 + 1), (10**24, 1))[
                variant // 6 % 5
            ]
            region = (b"", b"u33", b"u", b"ezs", b"a")[variant // 30 % 5]
            offer = {"capacity": capacity, "ask_disk": asks[0], "ask_receiving": asks[1], "region": region}
            self.call(party, "offer_hosting", **offer)
        elif role % 3 == 1:
            self.call(party, "offer_encoding", ask=(UNIT, 2 * UNIT, 0, 10**24, 10**24 + 1)[variant % 5])
        else:
            chain = party.chain(variant % 4)
            ask, slots = (10**9, 0, 10**9 + 1)[variant // 4 % 3], (2, 0, 1, 5, 17)[variant // 12 % 5]
            self.call(party, "offer_attesting", ask=ask, anchor=chain.anchor, slots=slots)

    def do_withdraw(self, who: int, role: int, _: int) -> None:
        self.call(self.party(who), "withdraw_offer", role=ROLES[role % 3])

    def do_release(self, who: int, role: int, _: int) -> None:
        self.call(self.party(who), "release", role=ROLES[role % 3])

    # plans

    def do_publish(self, shape: int, variant: int, wrong: int) -> None:
        sizes = SHAPES[shape % len(SHAPES)]
        feed = Feed(f"feed {shape} {variant % 5}", KINDS[variant % 3], sizes, fork=variant // 3 % 2)
        self.remember(feed)
        ranges = [(0, feed.length)]
        if variant // 6 % 3 == 1 and feed.length > 2:
            ranges = [(2, feed.length)]
        elif variant // 6 % 3 == 2 and feed.length > 5:
            ranges = [(0, 2), (4, feed.length)]
        head, nodes = feed.head(), feed.open(ranges)
        far = 2_000 if variant // 18 % 2 else 90
        terms = {
            "replicas": (3, 1, 2, 4)[variant // 9 % 4],
            "max_ask_disk": 3 * UNIT,
            "max_ask_encoding": 3 * UNIT,
            "max_ask_receiving": 3 * UNIT,
            "report_price": (10**9, 2 * 10**9, 10**9 - 1)[variant // 7 % 3],
            "until": self.next_block + far,
            **TARGETS[variant // 5 % len(TARGETS)],
        }
        pot = (20 * UNIT, UNIT // 5, 1_000 * UNIT)[variant // 11 % 3]
        if max(sizes) > GIB:
            pot = 1_000 * UNIT
        plan = {"head": head, "ranges": ranges, "nodes": nodes, "terms": terms, "pot": pot}
        spoil = self._spoil(plan, feed.length, wrong)
        plan["ranges"] = [{"start": start, "end": end} for start, end in plan["ranges"]]
        sponsor = self.party(wrong // 16 if spoil == 15 else 0)
        self.call(sponsor, "publish_plan", **plan)

    def _spoil(self, plan: dict[str, Any], length: int, wrong: int) -> int:
        """Make a plan's publication wrong in one of 14 ways, or leave it right."""
        spoil = wrong % 16
        if spoil == 1:
            plan["head"]["signature"] = bytes(64)
        elif spoil == 2:
            plan["head"]["length"] += 1
        elif spoil == 3:
            plan["head"]["key"] = self.party(wrong).id
        elif spoil == 4:
            plan["ranges"] = [(1, length)]
        elif spoil == 5:
            plan["ranges"] = [*plan["ranges"], (length, length + 2)]
        elif spoil == 6:
            plan["nodes"] = plan["nodes"][1:] or [{"index": 1, "size": 3, "left": bytes(32), "right": bytes(32)}]
        elif spoil == 7:
            plan["pot"] = 0
        elif spoil == 8:
            plan["pot"] = 10**25
        elif spoil == 9:
            plan["terms"]["replicas"] = (0, 17)[wrong // 16 % 2]
        elif spoil == 10:
            plan["terms"]["until"] = (0, self.next_block, 2**32 - 1)[wrong // 16 % 3]
        elif spoil == 11:
            plan["terms"]["max_ask_disk"] = 10**24 + 1
        elif spoil == 12:
            plan["head"]["manifest"] = plan["head"]["manifest"][:-1] or bytes(70)
        elif spoil == 13:
            plan["head"]["roots"] = plan["head"]["roots"][::-1]
        elif spoil == 14:
            plan["head"]["fork"] = 2**53
        return spoil

    def do_donate(self, who: int, plan: int, amount: int) -> None:
        key, found = self.pick("Plans", plan)
        fresh = found["fresh"] if found else 0
        amounts = (UNIT, UNIT // 100, 1, 10**25)
        self.call(self.party(who), "donate", plan=key, amount=amounts[amount % 4], fresh=fresh + amount // 4)

    def do_end_plan(self, plan: int, wrong: int, _: int) -> None:
        key, found = self.pick("Plans", plan, lambda one: one["state"] == "Live")
        sponsor = self._by_id.get(found["sponsor"]) if found else None
        self.call(self.party(wrong) if wrong else sponsor, "end_plan", plan=key)

    def do_claim(self, who: int, plan: int, _: int) -> None:
        key, _ = self.pick("Plans", plan)
        self.call(self.party(who), "claim_refund", plan=key, donor=self.party(who // 2).id)

    def do_collect(self, who: int, copy: int, _: int) -> None:
        self.call(self.party(who), "collect", copy=self.pick("Copies", copy)[0])

    def do_decline(self, copy: int, wrong: int, _: int) -> None:
        key, found = self.pick("Copies", copy, lambda one: one["state"] == "Offered")
        hoster = self._by_id[found["hoster"]] if found else None
        self.call(self.party(wrong) if wrong else hoster, "decline_copy", copy=key)
