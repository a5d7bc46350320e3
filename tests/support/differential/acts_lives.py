"""Actions of a plan's whole life: longer heads, other terms, copies that leave or are lost, pauses, second histories, batches;
right, or wrong in a chosen way."""

from __future__ import annotations

from typing import Any

from service.hypercore.tree import flat
from tests.support.differential.acts_plans import TARGETS
from tests.support.differential.driver import UNIT
from tests.support.differential.parties import Base
from tests.support.differential.small_feeds import Feed

# blocks that a feed grows by
GROWTH: list[list[int]] = [[700], [256] * 3, [1, 2], [90_000], [0], [3, 5, 7, 11, 13, 17, 19], [400_000], [12] * 16]


class Lives(Base):
    """Growth, replacement, amendments, second histories."""

    def _feed_of(self, plan: dict[str, Any]) -> Feed | None:
        """The feed of a plan that this world published."""
        return self.feeds.get((plan["feed"], plan["head"]["length"], plan["head"]["fork"]))

    def do_update_head(self, plan: int, growth: int, wrong: int) -> None:
        key, found = self.pick("Plans", plan, lambda one: one["terms"]["live"] and one["state"] == "Live")
        feed = self._feed_of(found) if found else None
        if feed is None:
            head = Feed("nothing", "compat", [5]).head()
            self.call(self.party(plan), "update_head", plan=key, head=head, nodes=[])
            return
        sizes = feed.sizes + GROWTH[growth % len(GROWTH)]
        longer = feed.again(sizes, fork=feed.fork + (wrong % 16 == 7))
        self.remember(longer)
        head, nodes = longer.head(), longer.extension(feed.length)
        spoil = wrong % 16
        if spoil == 1:
            nodes = nodes[:-1] if nodes else [longer.opened_node(1)] * (longer.length > 1)
        elif spoil == 2 and nodes:
            nodes[-1] = nodes[-1] | {"size": nodes[-1]["size"] + 1}
        elif spoil == 3 and nodes:
            nodes[0] = nodes[0] | {"left": nodes[0]["right"]}
        elif spoil == 4:
            head, nodes = feed.head(), []
        elif spoil == 5:
            head["signature"] = bytes(64)
        elif spoil == 6:
            other = Feed(f"other {growth}", feed.kind, sizes)
            head = other.head()
        elif spoil == 8:
            forged = Feed(feed.name, feed.kind, [size + 1 for size in sizes], fork=feed.fork)
            head = forged.head()
        elif spoil == 9:
            nodes = [*nodes, *nodes]
        self.call(self.party(plan), "update_head", plan=key, head=head, nodes=nodes)

    # copies

    def _hosted(self, copy: int, wrong: int, item: str, **more: Any) -> None:
        key, found = self.pick("Copies", copy, lambda one: one["state"] != "Ended" and one["active_since"] is not None)
        hoster = self._by_id[found["hoster"]] if found else None
        self.call(self.party(wrong) if wrong else hoster, item, copy=key, **more)

    def do_declare_lost(self, copy: int, wrong: int, _: int) -> None:
        self._hosted(copy, wrong, "declare_lost")

    def do_leave(self, copy: int, wrong: int, _: int) -> None:
        self._hosted(copy, wrong, "leave_copy")

    def do_decline_job(self, copy: int, wrong: int, _: int) -> None:
        key, found = self.pick("Copies", copy, lambda one: one["state"] == "Assigned")
        encoder = self._by_id[found["encoder"]] if found and found["encoder"] else None
        self.call(self.party(wrong) if wrong else encoder, "decline_job", copy=key)

    def do_pause(self, who: int, _: int, __: int) -> None:
        self.call(self.party(who), "pause")

    # plans

    def do_amend(self, plan: int, variant: int, wrong: int) -> None:
        key, found = self.pick("Plans", plan, lambda one: one["state"] == "Live")
        if found is None:
            terms = {"replicas": 1, "max_ask_disk": 0, "max_ask_encoding": 0, "max_ask_receiving": 0}
            terms |= {"report_price": 0, "until": 9, **TARGETS[1]}
            self.call(self.party(wrong), "amend_plan", plan=key, terms=terms)
            return
        terms = dict(found["terms"])
        kind = variant % 10
        if kind == 0:
            terms["replicas"] = 1 + variant // 10 % 4
        elif kind == 1:
            terms["max_ask_disk"] = (0, UNIT // 2, 2 * UNIT, 5 * UNIT, 10**24 + 1)[variant // 10 % 5]
        elif kind == 2:
            terms["until"] = self.next_block + (1, 5, 300, 2**31)[variant // 10 % 4]
        elif kind == 3:
            terms["live"] = not terms["live"]
        elif kind == 4:
            terms |= {"min_reputation": (0, 100_000, 600_000, 1_000_001)[variant // 10 % 4]}
        elif kind == 5:
            terms["regions"] = ([], [b"u3"], [b"x", b""], [b"a"])[variant // 10 % 4]
        elif kind == 6:
            terms["max_latency_ms"] = (2**32 - 1, 9)[variant // 10 % 2]
        elif kind == 7:
            terms["report_price"] += 1
        elif kind == 8:
            terms |= {"max_ask_encoding": 0, "max_ask_receiving": 4 * UNIT}
        sponsor = self._by_id.get(found["sponsor"])
        self.call(self.party(wrong) if wrong else sponsor, "amend_plan", plan=key, terms=terms)

    # two histories

    def do_equivocate(self, plan: int, shape: int, wrong: int) -> None:
        """Two heads of one feed, of which the longer does not continue the shorter, or does, if wrong."""
        key, found = self.pick("Plans", plan)
        feed = self._feed_of(found) if found else None
        feed = feed or Feed(f"twice {plan}", "v1", [5, 6, 7])
        sizes = [*feed.sizes]
        place = shape % len(sizes)
        if wrong % 8 != 1:
            sizes[place] += 1
        other = feed.again(sizes + GROWTH[shape % len(GROWTH)] * (shape // 8 % 2), fork=feed.fork + (wrong % 8 == 2))
        roots = [(index, flat.left_span(index) // 2, flat.right_span(index) // 2) for index in feed.indices]
        root = next(number for number, (_, first, last) in enumerate(roots) if first <= place <= last)
        nodes = self._down(other, roots[root][0])
        if wrong % 8 == 3:
            root += 1
        elif wrong % 8 == 4:
            nodes = [*nodes, other.opened_node(1)] if other.length > 1 else nodes[1:]
        elif wrong % 8 == 5:
            other, feed = feed, other
        elif wrong % 8 == 6 and nodes:
            nodes[0] = nodes[0] | {"size": nodes[0]["size"] + 1}
        first, second = feed.head(), other.head()
        if wrong % 8 == 7:
            second["signature"] = bytes(64)
        told = {"plan": key, "first": first, "second": second, "root": root, "nodes": nodes}
        self.call(self.party(plan), "report_equivocation", **told)

    @staticmethod
    def _down(feed: Feed, index: int) -> list[dict[str, Any]]:
        """The nodes from the root over `index` down to it."""
        top = index
        while top not in feed.indices:
            top = flat.parent(top)
        return feed.path(top, index)

    # many at once

    def do_batch(self, who: int, how: int, what: int) -> None:
        """Calls of one account in one extrinsic: a remark, a pause, a call that fails, an offer."""
        pause = ("DatDot", ("pause", {}))
        remark = ("System", ("remark", {"remark": bytes(how)}))
        bad = ("DatDot", ("collect", {"copy": 2**63}))
        leave = ("DatDot", ("withdraw_offer", {"role": ("Hosting", "Encoding", "Attesting")[what % 3]}))
        proof = ("DatDot", ("submit_storage_proof", {"issued": 0, "proof": {"sectors": [], "siblings": []}}))
        calls = [(remark, pause, leave), (remark, bad, pause), (leave, pause, bad), (), (proof, remark)][what % 5]
        name = ("batch", "batch_all", "force_batch")[how % 3]
        account = self.party(who).account
        if how // 3 % 4 == 1:
            self.pair.submit(account, "Utility", "as_derivative", {"index": what, "call": calls[0] if calls else bad})
        elif how // 3 % 4 == 2:
            chosen = {"main": calls[-1] if calls else bad, "fallback": remark if what % 2 else bad}
            self.pair.submit(account, "Utility", "if_else", chosen)
        elif how // 3 % 4 == 3 and who % 3 == 0:
            origin = ("system", ("Signed", self.party(who + 1).id))
            wrapper = ("dispatch_as", "dispatch_as_fallible")[what % 2]
            self.pair.sudo("Utility", wrapper, {"as_origin": origin, "call": pause if how % 2 else bad})
        else:
            self.pair.submit(account, "Utility", name, {"calls": list(calls)})
