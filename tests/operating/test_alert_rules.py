"""The rules of alerts: each of the seventeen is provoked, says what to do, and is over when its cause is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.chain_client import UnknownRuntime
from service.chain_client.pallet.types import Times
from service.disk import DiskError
from service.operating.alerts.book import AlertBook, Category, Severity
from service.operating.alerts.commands import NEEDED
from service.operating.alerts.facts import AlertFacts, ChainFacts, SegmentWork
from service.operating.alerts.rules import RULES, apply_rules, peers_gone
from service.operating.entries import JournalEntry
from service.operating.objects import ReachKind, ReachState
from service.operating.words import Level
from service.roles.common.feed_window import FeedUnreachable
from service.roles.common.troubles import TooPoor, Troubles
from service.units import MIB, UNIT

ME = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
OTHER = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"


def spans(**some: int) -> Times:
    usual = dict.fromkeys(Times.__slots__, 100) | {"era": 600, "lease": 240, "begin_window": 40, "proof_window": 30}
    return Times(**usual | some)


OPEN = ReachState(ReachKind.OPEN, Level.NOTE, "open: peers dial it directly", "", "192.0.2.1:5")
RANDOM = ReachState(ReachKind.RANDOM, Level.WARNING, "another port for each peer", "forward UDP port 5", "192.0.2.1")
SILENT = ReachState(ReachKind.SILENT, Level.WARNING, "no node of the DHT answers", "--bootstrap HOST:PORT", None)
FEED = "ab" * 32
CHAIN = ChainFacts(True, 100 * UNIT, UNIT // 1000, 500_000, 500_000, 0, None, 0, signs=True)
WELL = AlertFacts(
    block=1000, age=2.0, block_seconds=6.0, times=spans(), account=ME, payer=ME, url="ws://chain:1", directory="/a b",
    roles=("hoster", "encoder"),
    clock_off=1.0, disk_free=1000 * MIB, reserve=100 * MIB, chain=CHAIN, silent=60.0, reach=OPEN,
    ways=("--bootstrap 192.0.2.9:49737", "--peer k@h:1"),
)  # fmt: skip


def troubles(error: Exception) -> Any:
    found = Troubles()
    found.failed(("encoder", ("head", 7, 0)), error)
    return found.now


def entry(name: str, block: int, /, **fields: Any) -> JournalEntry:
    return JournalEntry(block, 0, "DatDot", name, fields)


STRUCK = entry("CopyStruck", 990, copy=7, strikes=1)
PROVED = entry("StorageProved", 995, hoster=ME, issued=970, reputation=500_000)
LOW = entry("PotLow", 990, plan=3, block=1100)

PROVOKED: dict[str, tuple[dict[str, Any], Severity, Category, str]] = {
    "disk_low": ({"disk_free": 50 * MIB}, Severity.ERROR, Category.DISK, "50 MiB are free"),
    "disk_failed": (
        {"troubles": troubles(DiskError("/x/copies: No space left on device"))},
        Severity.CRITICAL, Category.DISK, "No space left",
    ),
    "feed_unreachable": (
        {"troubles": troubles(FeedUnreachable("nobody serves block 3"))},
        Severity.ERROR, Category.FEED, "nobody serves block 3",
    ),
    "lease_short": (
        {"chain": replace(CHAIN, work=(SegmentWork(7, 9, 10_000, 10.0, 100),))},
        Severity.ERROR, Category.COPY, "copy 7: a segment will not be made in time",
    ),
    "proof_late": ({"entries": (PROVED,)}, Severity.WARNING, Category.PROOF, "a storage proof took 25 of 30 blocks"),
    "penalties": ({"entries": (STRUCK,)}, Severity.ERROR, Category.PENALTY, "(block 990)"),
    "overdue": ({"chain": replace(CHAIN, step=2)}, Severity.CRITICAL, Category.PENALTY, "step 2 of 3"),
    "reputation_fell": (
        {"chain": replace(CHAIN, best_reputation=530_000)}, Severity.WARNING, Category.REPUTATION, "from 530000 to 500000",
    ),
    "chain_silent": ({"age": 61.0}, Severity.CRITICAL, Category.CHAIN, "no finalized block came for more than 60 s"),
    "chain_behind": ({"waits_for": 1200}, Severity.CRITICAL, Category.CHAIN, "has seen block 1200"),
    "clock_wrong": ({"clock_off": -31.0}, Severity.ERROR, Category.CLOCK, "31 s behind"),
    "money_short": ({"chain": replace(CHAIN, spendable=UNIT // 100)}, Severity.ERROR, Category.MONEY, "can spend 0.01"),
    "operator": (
        {"payer": OTHER, "chain": replace(CHAIN, signs=False)}, Severity.CRITICAL, Category.OPERATOR, f"key, {OTHER}, is not",
    ),
    "pot_low": ({"entries": (LOW,)}, Severity.WARNING, Category.PLAN, "pot of plan 3"),
    "runtime_unknown": (
        {"troubles": troubles(UnknownRuntime("Copies is of another form"))},
        Severity.CRITICAL, Category.PROGRAM, "Copies is of another form",
    ),
    "unreachable": ({"reach": RANDOM, "block_seconds": 60.0}, Severity.WARNING, Category.NETWORK, "another port for each"),
    "not_dialled": ({"silent": 86_401.0}, Severity.WARNING, Category.NETWORK, "no peer dialled"),
}  # fmt: skip


def test_each_rule_is_provoked_here() -> None:
    assert set(PROVOKED) == set(RULES)


@pytest.mark.parametrize("rule", PROVOKED)
def test_it_is_told_once_with_what_to_do_and_is_over_by_itself(rule: str) -> None:
    changed, severity, category, text = PROVOKED[rule]
    book = AlertBook()
    opened = [one for block in range(1000, 1040) for one in book.step(stands(block, **changed), block, block)]
    (alert,) = opened
    assert alert.cause.startswith(f"{rule}/")
    assert (alert.severity, alert.category, alert.closed) == (severity, category, None)
    assert text in alert.text
    assert alert.why
    assert alert.remedy
    assert alert.block == 1000
    closed = [one for block in range(1040, 1080) for one in book.step(stands(block), block, block)]
    assert [(one.id, one.closed is not None) for one in closed] == [(alert.id, True)]
    assert book.open == []


def stands(block: int, **changed: Any) -> Any:
    return apply_rules(replace(WELL, block=block, **changed))


def test_a_node_that_is_well_has_none() -> None:
    assert {rule for rule, found in stands(1000).items() if found} == set()


UNKNOWN = {
    "disk_low": {"disk_free": None},
    "lease_short": {"block_seconds": None},
    "clock_wrong": {"clock_off": None},
    "reputation_fell": {"chain": None},
    "overdue": {"chain": None},
    "money_short": {"chain": None},
    "operator": {"chain": None},
    "penalties": {"entries": None},
    "pot_low": {"entries": None},
    "proof_late": {"entries": None},
    "unreachable": {"reach": None},
}


@pytest.mark.parametrize("rule", UNKNOWN)
def test_what_nobody_can_tell_opens_and_closes_nothing(rule: str) -> None:
    book = AlertBook()
    opened = [one for block in range(1000, 1040) for one in book.step(stands(block, **PROVOKED[rule][0]), block, 0)]
    assert len(opened) == 1
    silent = [one for block in range(1040, 1300) for one in book.step(stands(block, **UNKNOWN[rule]), block, 0)]
    assert silent == []
    assert book.open == opened


def test_the_two_largest_disks_are_beside_a_copy_that_is_received() -> None:
    receiving = replace(CHAIN, receiving=600 * MIB)
    (found,) = stands(1000, chain=receiving)["disk_low"]
    assert "1200 MiB should be: 2 times the largest copy" in found.why


def test_a_lease_is_measured_at_the_chains_pace_and_a_rate_that_is_not_known_is_no_reason() -> None:
    for rate, blocks, late in (
        (17.0, 100, False),
        (16.0, 100, True),
        (None, 100, False),
        (0.0, 100, True),
        (50.0, 0, True),
    ):
        facts = {"chain": replace(CHAIN, work=(SegmentWork(7, 9, 10_000, rate, blocks),))}
        assert bool(stands(1000, **facts)["lease_short"]) == late, (rate, blocks)


def test_one_alert_for_each_copy_and_kind_of_penalty() -> None:
    again = entry("CopyStruck", 995, copy=7, strikes=2)
    other = entry("CopyStruck", 996, copy=8, strikes=1)
    found = stands(1000, entries=(STRUCK, again, other))["penalties"]
    assert [one.about for one in found] == ["CopyStruck:7", "CopyStruck:8"]
    assert "(block 995)" in found[0].text


def test_an_open_challenge_is_told_before_it_is_missed() -> None:
    for challenged, told in ((None, False), (980, False), (979, True)):
        assert bool(stands(1000, chain=replace(CHAIN, challenged=challenged))["proof_late"]) == told


def test_a_pot_that_was_filled_or_a_plan_that_ended_is_over() -> None:
    for name in ("Donated", "PlanEnded"):
        more = entry(name, 995, plan=3, account=ME, amount="5", reason="Until")
        assert stands(1000, entries=(LOW, more))["pot_low"] == []
        assert stands(1000, entries=(more, LOW))["pot_low"] != []
    assert stands(1101, entries=(LOW,))["pot_low"] == []


def test_an_author_needs_no_money_and_who_serves_nobody_is_dialled_by_nobody() -> None:
    poor = replace(CHAIN, spendable=0)
    assert stands(1000, roles=("author",), chain=poor)["money_short"] == []
    assert stands(1000, silent=None)["not_dialled"] is not None


def test_a_key_that_is_no_operators_is_told_with_the_command_for_it_and_an_author_needs_none() -> None:
    revoked = {"payer": OTHER, "chain": replace(CHAIN, signs=False)}
    (found,) = stands(1000, **revoked)["operator"]
    assert found.remedy == f"where the vault of {ME} is: datdot operator set {OTHER} --key VAULT --chain ws://chain:1"
    assert stands(1000, roles=("author",), **revoked)["operator"] == []


def test_who_is_found_by_nobody_is_told_harder_and_who_serves_nobody_needs_no_reach() -> None:
    (found,) = stands(1000, reach=SILENT)["unreachable"]
    assert found.severity is Severity.ERROR
    assert found.remedy == "--bootstrap HOST:PORT; then datdot doctor --dir '/a b' tells what others find"
    assert stands(1000, reach=SILENT, silent=None)["unreachable"] == []


def test_a_router_that_starts_again_is_no_alert() -> None:
    """It is told after five minutes, whatever a block takes, and over after as long."""
    for seconds, blocks in ((6.0, 50), (None, 50), (0.5, 600), (200.0, 2)):
        book = AlertBook()
        changed = {"reach": SILENT, "block_seconds": seconds}
        for block in range(1000, 1000 + blocks):
            assert book.step(stands(block, **changed), block, 0) == [], (seconds, block)
        assert len(book.step(stands(1000 + blocks, **changed), 1000 + blocks, 0)) == 1


def test_that_nobody_dials_is_no_second_alert_where_it_is_known_why() -> None:
    assert stands(1000, silent=90_000.0, reach=SILENT)["not_dialled"] == []
    assert stands(1000, silent=90_000.0, reach=None)["not_dialled"] != []


def test_a_feed_that_is_not_to_be_had_can_be_tried_by_a_command() -> None:
    error = FeedUnreachable(f"block 3 of feed {FEED} is missing")
    (found,) = stands(1000, troubles=troubles(error))["feed_unreachable"]
    command = f"datdot feed fetch {FEED} --dir reader --bootstrap 192.0.2.9:49737 --peer k@h:1"
    assert found.remedy.endswith(f"{command} tries it")
    (found,) = stands(1000, troubles=troubles(error), ways=())["feed_unreachable"]
    assert "datdot" not in found.remedy


def test_a_slow_chain_is_not_silent_before_ten_of_its_blocks() -> None:
    assert stands(1000, block_seconds=12.0, age=119.0)["chain_silent"] == []
    assert stands(1000, block_seconds=12.0, age=121.0)["chain_silent"] != []


def test_an_offer_that_cannot_be_paid_is_told_with_its_own_words() -> None:
    (found,) = stands(1000, troubles=troubles(TooPoor("hosting takes 5 UNIT")))["money_short"]
    assert (found.about, found.text) == ("offer", "hosting takes 5 UNIT")
    assert f"datdot faucet {ME}" in found.remedy


def test_money_that_an_operator_lacks_is_sent_to_it() -> None:
    short = stands(1000, payer=OTHER, chain=replace(CHAIN, spendable=0))["money_short"]
    poor = stands(1000, payer=OTHER, troubles=troubles(TooPoor(f"send at least 1 to {OTHER}")))["money_short"]
    for found in (*(short or ()), *(poor or ())):
        assert f"datdot faucet {OTHER}" in found.remedy
    assert [one.text for one in short or ()] == ["its operator can spend 0 UNIT, less than 100 fees"]
    (found,) = stands(1000, payer=OTHER, troubles=troubles(TooPoor("hosting takes 5 UNIT")))["money_short"]
    assert f"datdot faucet {ME}" in found.remedy


def test_a_peer_of_a_network_on_one_machine_that_ended_is_told() -> None:
    (found,) = peers_gone([("hoster-1", "killed")])
    assert (found.severity, found.about) == (Severity.CRITICAL, "hoster-1")
    assert "hoster-1 ended: killed" in found.text


def test_commands_of_remedies_can_be_pasted() -> None:
    """Each names this node's account, chain or directory; none stands there bare."""
    told = {"account": ME, "chain": "--chain ws://chain:1", "dir": "--dir '/a b'"}
    seen = set()
    for name, (change, *_) in PROVOKED.items():
        if name in ("penalties", "pot_low"):
            continue  # the journal's own words
        for one in apply_rules(replace(WELL, **change))[name] or []:
            for command, needed in NEEDED.items():
                if f"datdot {command}" in one.remedy:
                    whole = " ".join([f"datdot {command}", *(told[part] for part in needed)])
                    assert whole in one.remedy, one.remedy
                    seen.add(command)
    assert seen == set(NEEDED)
