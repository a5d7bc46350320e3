"""Prometheus text of a node's facts. Sums are in UNIT: exact in the text, though whoever reads it has floating point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from service.operating.alerts.book import Severity
from service.operating.facts import ChainFigures, Figures
from service.operating.objects import ReachKind, ReachState, ShownAlert
from service.operating.table import EventSum
from service.operating.wallet import Balances
from service.operating.words import Level
from service.units import decimal

CONTENT_TYPE = "text/plain; version=0.0.4"
Sample = tuple[Mapping[str, str], str]


def metrics(figures: Figures) -> str:
    """Return the text."""
    chain = [] if figures.chain is None else [*_of_hosting(figures.chain), *_of_money(figures.chain.balances)]
    return "".join([*_of_node(figures), *chain, *_of_journal(figures.sums), _of_alerts(figures.alerts)])


def _of_alerts(alerts: list[ShownAlert]) -> str:
    counts = Counter(one.severity for one in alerts)
    samples = [({"severity": one.value}, str(counts[one])) for one in Severity]
    return _metric("alerts_open", "gauge", "Alerts that are open.", samples)


def _of_node(figures: Figures) -> list[str]:
    about = {"version": figures.version, "account": figures.account}
    ready = [({"role": one.role}, str(int(one.ready))) for one in figures.roles]
    return [
        _metric("info", "gauge", "The node's version and account.", [(about, "1")]),
        _metric("role_ready", "gauge", "Whether a role does its work.", ready),
        _one("block", "The last finalized block that was seen.", figures.block),
        _one("block_age_seconds", "Seconds since it came.", figures.block_age_seconds),
        _one("journal_block", "The last block that the journal has taken in.", figures.journal_block),
        *_of_reach(figures.reach),
        _one("connections", "Open connections to peers.", figures.connections),
        _one("disk_free_bytes", "Free bytes on the disk of the node.", figures.disk.free),
        _one("disk_reserve_bytes", "Bytes of it that are never offered.", figures.disk.reserve),
    ]


def _of_reach(found: ReachState) -> list[str]:
    kinds = [({"kind": one.value}, str(int(one is found.kind))) for one in ReachKind]
    through = int(found.level is Level.NOTE)
    return [
        _one("reachable", "Whether peers from outside find this node and get through, as far as it knows.", through),
        _metric("reach", "gauge", "What peers from outside find: 1 for the kind that holds.", kinds),
    ]


def _of_hosting(chain: ChainFigures) -> list[str]:
    copies = [({"state": name}, str(count)) for name, count in sorted(chain.copies.items())]
    told = [
        _one("reputation_ppm", "Reputation in millionths.", chain.reputation),
        _one(
            "operator", "Whether the node's key signs for its account: as that, or as its operator.", int(chain.signs)
        ),
        _metric("copies", "gauge", "Copies by state.", copies),
    ]
    hosting = chain.hosting
    if hosting is None:
        return told
    return [
        *told,
        _one("hosting_step", "0 good, 1 warned, 2 suspended, 3 evicted.", hosting.step),
        _one("hosting_capacity_bytes", "Bytes that are offered.", hosting.capacity),
        _one("hosting_used_bytes", "Bytes of them that are used.", hosting.used),
        _one("hosting_challenges_passed", "Storage challenges that were answered.", hosting.passed),
        _one("hosting_challenges_missed", "Storage challenges that were not.", hosting.missed),
    ]


def _of_money(has: Balances) -> list[str]:
    kinds = {"free": has.free, "held": has.held, "pending": has.pending}
    samples = [({"kind": name}, decimal(amount)) for name, amount in kinds.items()]
    return [
        _metric("balance_unit", "gauge", "What the account has, in UNIT.", samples),
        _one("ratio_ppm", "The account's ratio in millionths.", has.ratio_ppm),
    ]


def _of_journal(sums: list[EventSum]) -> list[str]:
    counts = [({"event": one.name}, str(one.count)) for one in sums]
    gained = [({"event": one.name}, decimal(one.gained)) for one in sums]
    lost = [({"event": one.name}, decimal(one.lost)) for one in sums]
    paid = [({"event": one.name}, decimal(one.by_operator)) for one in sums if one.by_operator]
    return [
        _metric("journal_events_total", "counter", "Entries of the journal by event.", counts),
        _metric("gained_unit_total", "counter", "Gained by event, in UNIT.", gained),
        _metric("lost_unit_total", "counter", "Lost by event, in UNIT.", lost),
        _metric("operator_paid_unit_total", "counter", "Paid by the account's operator, in UNIT.", paid),
    ]


def _one(name: str, about: str, value: float | None) -> str:
    return "" if value is None else _metric(name, "gauge", about, [({}, str(value))])


def _metric(name: str, kind: str, about: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP datdot_{name} {about}", f"# TYPE datdot_{name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(one)}"' for key, one in labels.items())
        lines.append(f"datdot_{name}{f'{{{inside}}}' if inside else ''} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
