"""The rules of alerts: facts in, what stands now out. Each is pure and says what it is, why it matters and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from service.chain_client.call import PALLET
from service.chain_client.mandate import how_to_operate
from service.disk import shown_size
from service.roles.common.funding import how_to_get
from service.roles.common.troubles import Trouble, TroubleKind

from ..clocks import OFF_SECONDS
from ..entries import JournalEntry
from ..meaning import explain
from ..objects import ReachKind
from ..standing import ON_CHAIN
from ..words import Level, unit
from .book import Category, Condition, Found, Severity
from .commands import fetching, pasted
from .facts import AlertFacts, SegmentWork

SILENT_BLOCKS, SILENT_SECONDS = 10, 60.0
"""A chain counts as silent after so many times of a block, and never sooner than after so many seconds."""
LEAST_FEES = 100
FALL_PART = 20
"""A reputation that lost its n-th part within a day is told."""
MARGIN_PART = 3
"""A proof that comes in the last n-th part of its window is told."""
DAY = 86_400.0
SHORT = 2
"""Blocks for which most conditions must stand."""
REACH_SECONDS, USUAL_SECONDS = 300.0, 6.0
"""For how long a node must be out of reach: a router that starts again is none; and how long a block takes, if unknown."""
UNFOUND = frozenset({ReachKind.SILENT, ReachKind.HIDDEN})
"""Ways to be out of reach for everybody."""
NEEDED = 2
"""Times the largest copy that is being received that should be free."""

Rule = Callable[[AlertFacts], Iterable[Condition] | None]


def disk_low(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of a disk with less room than twice the largest copy that is being received, or than its reserve."""
    if facts.disk_free is None:
        return None
    receiving = 0 if facts.chain is None else facts.chain.receiving
    needed = max(facts.reserve, NEEDED * receiving)
    if facts.disk_free >= needed:
        return []
    why = f"{shown_size(needed)} should be: " + (
        f"{NEEDED} times the largest copy that is being received" if needed > facts.reserve else "its reserve"
    )
    text = f"{shown_size(facts.disk_free)} are free on the node's disk"
    move = pasted("move", facts, "TARGET")
    remedy = f"make room, or stop the node and move it to a larger disk ({move}); or offer less (--capacity)"
    return [Condition("", Severity.ERROR, Category.DISK, text, why, remedy, SHORT)]


def disk_failed(facts: AlertFacts) -> Iterable[Condition]:
    """Tell of a disk that takes no writes, or cannot be read."""
    found = [one for one in facts.troubles if one.kind is TroubleKind.DISK]
    if not found:
        return []
    verify = pasted("verify", facts)
    remedy = f"make room on that disk or repair it; the node goes on by itself. Then {verify} reads all copies"
    text = f"the disk fails: {found[0].text}"
    why = "new copies are declined and none is received; stored ones are proved and served as far as they can be read"
    return [Condition("", Severity.CRITICAL, Category.DISK, text, why, remedy)]


def feed_unreachable(facts: AlertFacts) -> Iterable[Condition]:
    """Tell of a feed that nobody serves, for a quarter of the time that an encoder has for a begin."""
    why = "an encoder that cannot get a feed declines the job, and a copy of it is not made"
    patience = max(1, facts.times.begin_window // 4)
    return [
        Condition(
            one.about, Severity.ERROR, Category.FEED, f"{one.about}: {one.text}", why, _fetch(facts, one), patience
        )
        for one in facts.troubles
        if one.kind is TroubleKind.FEED
    ]


def _fetch(facts: AlertFacts, trouble: Trouble) -> str:
    remedy = "see that the author's node runs and is reached (--bootstrap, --peer)"
    command = fetching(facts, trouble.text)
    return remedy if command is None else f"{remedy}: {command} tries it"


def lease_short(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of a segment that will not be done when its lease is over, if it goes on as it goes."""
    if facts.chain is None or facts.block_seconds is None:
        return None
    seconds = facts.block_seconds
    return [_late(one, seconds, facts) for one in facts.chain.work if _is_late(one, seconds)]


def _is_late(one: SegmentWork, block_seconds: float) -> bool:
    return one.rate is not None and one.left > one.rate * max(0, one.blocks_left) * block_seconds


def _late(one: SegmentWork, block_seconds: float, facts: AlertFacts) -> Condition:
    rate, left = one.rate or 0.0, max(0, one.blocks_left) * block_seconds
    takes = f"at {rate:.0f} a second they take {one.left / rate:.0f} s" if rate else "none is made now"
    return Condition(
        f"{one.copy}/{one.segment}",
        Severity.ERROR,
        Category.COPY,
        f"copy {one.copy}: a segment will not be made in time: {one.left} sectors are left, {takes}",
        f"its lease is over in {one.blocks_left} blocks, some {left:.0f} s; a stall costs hoster and encoder a fine",
        "stop what else uses this machine, see that the other side is reached, and install the codec in Rust "
        f"({pasted('doctor', facts)})",
        max(SHORT, facts.times.lease // 24),
    )


def proof_late(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of storage proofs that come in the last third of their window."""
    if facts.entries is None:
        return None
    window, found = facts.times.proof_window, list[Condition]()
    late = window - window // MARGIN_PART
    why = f"a proof is due {window} blocks after its challenge; later ones cost reputation, a strike, and in the end the copies"
    remedy = f"see what slows this machine, its disk or its way to the chain: {pasted('doctor', facts)} measures them"
    open_since = None if facts.chain is None else facts.chain.challenged
    if open_since is not None and facts.block - open_since > late:
        text = f"the challenge of block {open_since} is still open in block {facts.block}"
        found.append(Condition("open", Severity.WARNING, Category.PROOF, text, why, remedy))
    took = [one.block - int(one.fields["issued"]) for one in facts.entries if one.name == "StorageProved"]
    if any(late < blocks <= window for blocks in took):
        text = f"a storage proof took {max(blocks for blocks in took if blocks <= window)} of {window} blocks"
        found.append(Condition("proved", Severity.WARNING, Category.PROOF, text, why, remedy))
    return found


def penalties(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of each penalty of the last era, once for each copy, with the journal's own words."""
    if facts.entries is None:
        return None
    found: dict[str, Condition] = {}
    for one in facts.entries:
        words = explain(one, facts.account) if one.pallet == PALLET else None
        if words is not None and words.level is Level.PENALTY:
            about = ":".join([one.name, *(str(one.fields[key]) for key in ("copy", "plan") if key in one.fields)])
            text = f"{words.text} (block {one.block})"
            found[about] = Condition(about, Severity.ERROR, Category.PENALTY, text, words.why, words.remedy)
    return found.values()


def overdue(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of a storage challenge that was not answered in time, until it is."""
    if facts.chain is None:
        return None
    if not facts.chain.step:
        return []
    text = f"a storage challenge is overdue: step {facts.chain.step} of 3"
    why = "copies earn nothing meanwhile, and after the last deadline all of them end"
    remedy = f"{pasted('hoster status', facts)} says until when it must be answered; the node's log says why it was not"
    return [Condition("", Severity.CRITICAL, Category.PENALTY, text, why, remedy)]


def reputation_fell(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of a reputation that fell by a twentieth within a day."""
    if facts.chain is None or facts.chain.reputation is None or facts.chain.best_reputation is None:
        return None
    now, best = facts.chain.reputation, facts.chain.best_reputation
    if best - now < best / FALL_PART:
        return []
    text = f"the reputation fell from {best} to {now} ppm within a day"
    why = "proofs that were not given, or copies that were not served: plans that ask for more do not come here any longer"
    remedy = f"{pasted('hoster status', facts)} says why it last changed"
    return [Condition("", Severity.WARNING, Category.REPUTATION, text, why, remedy)]


def chain_silent(facts: AlertFacts) -> Iterable[Condition]:
    """Tell of a chain of which no final block came for ten times as long as a block takes."""
    longest = max(SILENT_SECONDS, SILENT_BLOCKS * (facts.block_seconds or 0.0))
    if facts.age <= longest:
        return []
    text = f"no finalized block came for more than {longest:.0f} s; the last one is {facts.block}"
    why = "storage challenges cannot be answered by who does not see them"
    remedy = f"look whether the chain's node runs, is reached and finalizes: {pasted('chain status', facts)}"
    return [Condition("", Severity.CRITICAL, Category.CHAIN, text, why, remedy)]


def chain_behind(facts: AlertFacts) -> Iterable[Condition]:
    """Tell of a chain's node that has not reached what this node has seen."""
    if facts.waits_for is None or facts.waits_for <= facts.block:
        return []
    text = f"the chain's node is behind: this node has seen block {facts.waits_for}, and it has not"
    why = "it synchronises, or is another chain, or a development chain that was emptied"
    remedy = "wait until it has caught up; else see that --chain is the right one"
    return [Condition("", Severity.CRITICAL, Category.CHAIN, text, why, remedy, SHORT)]


def clock_wrong(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of a clock that differs from the chain's by more than blocks and their way explain."""
    if facts.clock_off is None:
        return None
    if abs(facts.clock_off) <= OFF_SECONDS:
        return []
    way = "ahead of" if facts.clock_off > 0 else "behind"
    text = f"this machine's clock is {abs(facts.clock_off):.0f} s {way} the chain's"
    why = "no date in the log is right then; or the chain's node is still catching up"
    return [Condition("", Severity.ERROR, Category.CLOCK, text, why, "set the clock: NTP keeps it right", SHORT)]


def money_short(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of an account that can hardly pay fees, or not what its offer holds."""
    if not set(ON_CHAIN) & set(facts.roles):
        return []
    remedy = f"send it money: {how_to_get(facts.account, facts.url)}"
    poor = [one for one in facts.troubles if one.kind is TroubleKind.MONEY]
    if poor:
        why = "an offer holds collateral or bond; without it nothing is drawn for this node"
        if facts.payer in poor[0].text:
            remedy = f"send it money: {how_to_get(facts.payer, facts.url)}"
        return [Condition("offer", Severity.ERROR, Category.MONEY, poor[0].text, why, remedy, SHORT)]
    if facts.chain is None:
        return None
    if facts.chain.spendable >= LEAST_FEES * facts.chain.fee:
        return []
    who = "the account" if facts.payer == facts.account else "its operator"
    text = f"{who} can spend {unit(facts.chain.spendable)}, less than {LEAST_FEES} fees"
    remedy = f"send it money: {how_to_get(facts.payer, facts.url)}"
    why = "a call that cannot be paid is not sent: no registration, no confirmation, and in the end no proof"
    return [Condition("fees", Severity.ERROR, Category.MONEY, text, why, remedy, SHORT)]


def operator(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of a node whose key is not its account's operator, or not any more."""
    if facts.chain is None:
        return None
    if facts.chain.signs or not set(ON_CHAIN) & set(facts.roles):
        return []
    text = f"this node's key, {facts.payer}, is not the operator of its account: nothing that it signs counts"
    why = (
        "no offer, confirmation or proof of it is taken: open challenges are missed, and in the end its copies are lost"
    )
    remedy = how_to_operate(facts.account, facts.payer, facts.url)
    return [Condition("", Severity.CRITICAL, Category.OPERATOR, text, why, remedy, SHORT)]


HELPS = ("Donated", "PlanEnded", "PlanEnding", "PlanAmended", "PlanClosed")
"""Events of a plan after which its pot is not low any longer, or that does not matter any longer."""


def pot_low(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of a plan whose pot may not pay its next tick."""
    if facts.entries is None:
        return None
    low: dict[int, JournalEntry] = {}
    for one in facts.entries:
        if one.name == "PotLow" and int(one.fields["block"]) >= facts.block:
            low[one.fields["plan"]] = one
        elif one.name in HELPS:
            low.pop(one.fields["plan"], None)
    found = []
    for plan, one in low.items():
        words = explain(one, facts.account)
        found.append(
            Condition(str(plan), Severity.WARNING, Category.PLAN, words.text, words.why, words.remedy),
        )
    return found


def runtime_unknown(facts: AlertFacts) -> Iterable[Condition]:
    """Tell of a runtime that this version cannot read."""
    found = [one for one in facts.troubles if one.kind is TroubleKind.RUNTIME]
    if not found:
        return []
    text = f"the chain's runtime is not known to this version: {found[0].text}"
    why = "the roles that read what changed stand still; storage is proved as long as challenges are what they were"
    return [Condition("", Severity.CRITICAL, Category.PROGRAM, text, why, "update datdot, then start the node again")]


def unreachable(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of a node that serves, and that peers from outside do not find or do not get through to, for some minutes."""
    if facts.silent is None:
        return []
    found = facts.reach
    if found is None:
        return None
    if found.level is Level.NOTE:
        return []
    severity = Severity.ERROR if found.kind in UNFOUND else Severity.WARNING
    why = "readers and attesters that do not get through count as not served: a copy that is not served ends"
    remedy = f"{found.remedy}; then {pasted('doctor', facts)} tells what others find"
    text = f"peers from outside do not reach this node: {found.text}"
    patience = max(SHORT, round(REACH_SECONDS / (facts.block_seconds or USUAL_SECONDS)))
    return [Condition("", severity, Category.NETWORK, text, why, remedy, patience)]


def not_dialled(facts: AlertFacts) -> Iterable[Condition] | None:
    """Tell of a node that serves, and that nobody dialled for a day, if it is not known why."""
    if facts.silent is None or facts.silent < DAY or unreachable(facts):
        return []
    text = "no peer dialled this node for a day"
    why = "readers and attesters may not reach it; a copy that is not served ends"
    doctor = pasted("doctor", facts)
    remedy = (
        f"see that its port is open and --announce is right: {doctor} tells what others see; --relay helps behind a NAT"
    )
    return [Condition("", Severity.WARNING, Category.NETWORK, text, why, remedy)]


def peers_gone(ended: Iterable[tuple[str, str]]) -> list[Condition]:
    """Return what to tell of peers of a development network whose processes ended: name, and the end of its log."""
    why = "it was killed, or failed: a network on one machine does not start it again by itself"
    return [
        Condition(
            name,
            Severity.CRITICAL,
            Category.NETWORK,
            f"the peer {name} ended: {tail}",
            why,
            "stop the network and start it again: what the peer stored is used again",
        )
        for name, tail in ended
    ]


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        disk_low,
        disk_failed,
        feed_unreachable,
        lease_short,
        proof_late,
        penalties,
        overdue,
        reputation_fell,
        chain_silent,
        chain_behind,
        clock_wrong,
        money_short,
        operator,
        pot_low,
        runtime_unknown,
        unreachable,
        not_dialled,
    )
}
"""All rules of a node, by name."""


def apply_rules(facts: AlertFacts) -> Found:
    """Return what stands by each rule, or None for one whose facts are not known."""
    found: dict[str, list[Condition] | None] = {}
    for name, rule in RULES.items():
        stands = rule(facts)
        found[name] = None if stands is None else list(stands)
    return found
