"""The pages that rest on this node's own facts: home, copies, one copy, money, peers; and their charts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from aiohttp import web

from service.operating.copy_history import bins_of, median
from service.operating.detail import CopyDetail, MoneyTable, NodeCheck, Pulse
from service.operating.history import read_checks, read_copy, read_money_table
from service.operating.lines import csv_rows, line_of
from service.operating.objects import CopyPage, NodeStatus
from service.operating.standing import ON_CHAIN
from service.operating.table import LAST
from service.operating.transfers import DEVELOPMENT
from service.operating.words import Level
from service.roles.common.funding import faucet_command, transfer_command
from service.units import EXISTENTIAL_DEPOSIT

from . import charts
from .alert_pages import worst_first
from .bars import COLOURS, WIDTHS, BarSeries, bars
from .shown import copy_state, count, number, percent
from .site import CHART_HEADERS, Site

LINES = 8
"""Lines of the journal on the home page."""
PAGE = 100
"""Rows of a table before there is a next page."""
SPARK = 10
"""Eras on the home page."""
STATE_OF = {Level.NOTE: "good", Level.WARNING: "warn", Level.PENALTY: "bad"}
SCALES = ((10**12, "UNIT"), (10**9, "thousandths of a UNIT (0.001)"), (10**6, "millionths of a UNIT (0.000 001)"))
LATENCIES = (0, 10, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000, 2000, 5000)
"""Edges of the bins of the latency histogram, in milliseconds."""


class Pages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site, self._facts = site, site.facts

    def mount(self, app: web.Application) -> None:
        """Serve the pages."""
        for path, handler in (
            ("/", self.home),
            ("/copies", self.copies),
            (r"/copies/{copy:\d{1,18}}", self.copy),
            ("/money", self.money),
            ("/peers", self.peers),
            ("/charts/pay.svg", self.pay_chart),
            ("/charts/latency.svg", self.latency_chart),
            ("/api/money.csv", self.money_csv),
        ):
            app.router.add_get(path, handler)

    async def home(self, request: web.Request) -> web.StreamResponse:
        """Show how the node stands."""
        await self._site.pulse()
        status, pulse, checks = await read_checks(self._facts)
        if status.reputation is None and not ON_CHAIN.isdisjoint(self._facts.sources.roles):
            return await self._no_money(request, status, pulse, checks)
        eras, money = await read_money_table(self._facts), await self._facts.money()
        journal = await self._facts.journal(LINES, None, False)
        alerts = worst_first(await self._facts.open_alerts())
        answer, _, rest = status.answer.partition(": ")
        values = [one.storage + one.work for one in eras.eras[-SPARK:]]
        told = f"{len(values)} eras, the last is not over. All figures are on the page Money."
        data = {
            "answer": answer,
            "answer_state": "bad" if pulse.stale else STATE_OF[status.level],
            "lead": f"{rest[:1].upper()}{rest[1:]}" if rest else _lead(status),
            "status": status,
            "checks": checks,
            "served": status.copies.get("Active", 0),
            "held": sum(count for state, count in status.copies.items() if state != "Ended"),
            "earned": money.earned,
            "eras": eras.eras[-SPARK:],
            "spark": charts.spark(values, "Earned per era", told),
            "lines": journal.lines,
            "alerts": alerts,
            "now": int(time.time()),
        }
        return self._site.render(request, "home.html", pulse, data)

    async def _no_money(
        self, request: web.Request, status: NodeStatus, pulse: Pulse, checks: list[NodeCheck]
    ) -> web.StreamResponse:
        """Say what an account that cannot register yet needs, and how to get it."""
        source = self._facts.sources
        amounts = await source.client.storage.amounts()
        rows = [("Registration", amounts.peer_fee, "no, it is burned")]
        bonds = {
            "hoster": ("Collateral for each GiB that is offered", amounts.collateral, "yes, when the offer has ended"),
            "encoder": ("Bond of an encoder", amounts.encoder_bond, "yes, when the offer has ended"),
            "attester": ("Bond for each slot of an attester", amounts.attester_bond, "yes, when the slot is free"),
        }
        rows += [row for role, row in bonds.items() if role in source.roles]
        data = {
            "status": status,
            "checks": checks,
            "rows": rows,
            "need": amounts.peer_fee + EXISTENTIAL_DEPOSIT,
            "development": await source.client.chain_type() in DEVELOPMENT,
            "faucet": faucet_command(status.account, source.client.url),
            "transfer": transfer_command(status.account, source.client.url),
        }
        return self._site.render(request, "no_money.html", pulse, data)

    async def copies(self, request: web.Request) -> web.StreamResponse:
        """List the copies."""
        pulse = await self._site.pulse()
        page = await self._facts.copies(PAGE, whole(request, "after", -1))
        data = {
            "answer": _copies_answer(page),
            "copies": page.copies,
            "next": page.next,
            "empty": "The chain draws a hoster when a plan needs one, and an encoder for each copy: nothing is wrong.",
        }
        return self._site.render(request, "copies.html", pulse, data)

    async def copy(self, request: web.Request) -> web.StreamResponse:
        """Show one copy with its history."""
        pulse = await self._site.pulse()
        detail = await read_copy(self._facts, int(request.match_info["copy"]))
        state, answer, lead = _copy_answer(detail)
        latencies = [one.latency_ms for one in detail.reports if one.served]
        data = {
            "detail": detail,
            "answer": answer,
            "answer_state": "bad" if pulse.stale else state,
            "lead": lead,
            "grid": None if detail.grid is None else charts.sectors(detail.grid, _sectors(detail)),
            "margins": charts.margins(detail.challenges, detail.window),
            "proved_words": _proved_words(detail),
            "served": len(latencies),
            "latency_words": _latency_words(latencies),
        }
        return self._site.render(request, "copy.html", pulse, data)

    async def money(self, request: web.Request) -> web.StreamResponse:
        """Show what the account has, earned and lost."""
        pulse = await self._site.pulse()
        money, table = await self._facts.money(), await read_money_table(self._facts)
        history = await self._facts.journal(PAGE, whole(request, "before", LAST), True)
        penalties, (_, words) = sum(one.penalties for one in table.eras), _scale(table)
        eras = f"Stacked bars of pay per era, {table.eras[0].era} to {table.eras[-1].era}, in {words}."
        data = {
            "answer": "Nothing was earned yet" if not money.earned else "What was earned, and what for",
            "money": money,
            "eras": table,
            "penalties": penalties,
            "history": history.lines,
            "next": history.next,
            "scale_words": words,
            "alt": f"{eras} All figures are in the table below.",
        }
        return self._site.render(request, "money.html", pulse, data)

    async def peers(self, request: web.Request) -> web.StreamResponse:
        """List open connections. It needs no chain."""
        found = self._facts.peers(PAGE)
        inward = sum(1 for one in found.peers if not one.dialled)
        data = {
            "peers": found,
            "answer": f"{count(found.total, 'connection')} open" if found.total else "No connection is open",
            "answer_state": "good" if inward else "wait",
            "lead": f"{count(inward, 'of them was', 'of them were')} dialled by others: they reach this node."
            if inward
            else "None was dialled by others. Whether they reach this node shows when one does.",
        }
        return self._site.render(request, "peers.html", self._site.last_pulse(), data)

    async def pay_chart(self, request: web.Request) -> web.StreamResponse:
        """Draw pay per era."""
        table = await read_money_table(self._facts)
        scale, _ = _scale(table)
        series = (
            BarSeries("Storage", tuple(one.storage / scale for one in table.eras)),
            BarSeries("Other work", tuple(one.work / scale for one in table.eras)),
        )
        return await chart(request, tuple(str(one.era) for one in table.eras), series)

    async def latency_chart(self, request: web.Request) -> web.StreamResponse:
        """Draw how soon a copy's first block came, by the reports."""
        detail = await read_copy(self._facts, whole(request, "copy", 0))
        values = [one.latency_ms for one in detail.reports if one.served]
        edges = [edge for edge in LATENCIES if edge <= max(values, default=0)] or [0]
        series = (BarSeries("Reports", tuple(bins_of(values, edges))),)
        return await chart(request, tuple(str(edge) for edge in edges), series)

    async def money_csv(self, request: web.Request) -> web.StreamResponse:
        """Send all rows of the history of money as a file, read page after page."""
        answer = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": 'attachment; filename="datdot-money.csv"',
            }
        )
        await answer.prepare(request)
        account = self._facts.address
        lines = (line_of(one.entry, account, one.id) for one in self._facts.sources.table.all(True))
        rows = iter(csv_rows(lines))
        while part := await asyncio.to_thread(_some, rows):
            await answer.write(part.encode())
        await answer.write_eof()
        return answer


def whole(request: web.Request, name: str, default: int) -> int:
    """Return a whole number of the query. Raises ValueError that names what is wrong."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ValueError(f"{name}: {text[:40]!r} is no whole number")
    return int(text)


async def chart(request: web.Request, labels: tuple[str, ...], series: tuple[BarSeries, ...]) -> web.Response:
    """Return a chart in the theme and the width that are asked for. Raises ValueError of others."""
    theme, width = request.query.get("theme", "light"), request.query.get("width", "wide")
    if theme not in COLOURS or width not in WIDTHS:
        raise ValueError(f"a chart's theme is one of {', '.join(COLOURS)}, its width one of {', '.join(WIDTHS)}")
    svg = await asyncio.to_thread(bars, labels, series, theme, width)
    return web.Response(text=svg, content_type="image/svg+xml", headers=CHART_HEADERS)


def _some(rows: Iterator[str]) -> str:
    """Return the next rows as one text, none at the end."""
    return "".join(row for _, row in zip(range(500), rows, strict=False))


def _lead(status: NodeStatus) -> str:
    hosting, active = status.hosting, status.copies.get("Active", 0)
    if hosting is None:
        return (
            f"Block {status.block} is final, and {count(status.connections, 'connection is', 'connections are')} open."
        )
    if not hosting.passed:
        return f"{count(active, 'copy is', 'copies are')} served. No proof of storage was asked for yet."
    asked = f"It was asked {count(hosting.passed + hosting.missed, 'time')} to prove what it keeps"
    proved = "and proved it every time" if not hosting.missed else f"and missed {number(hosting.missed)} of them"
    return f"{count(active, 'copy is', 'copies are')} served. {asked}, {proved}."


def _copies_answer(page: CopyPage) -> str:
    many = len(page.copies)
    if not many:
        return "No copy yet"
    served = sum(1 for one in page.copies if one.state == "Active")
    return f"{count(many, 'copy', 'copies')}{' or more' if page.next is not None else ''}, {number(served)} served"


def _sectors(detail: CopyDetail) -> int:
    return 0 if detail.copy is None else detail.copy.confirmed_sectors


def _copy_answer(detail: CopyDetail) -> tuple[str, str, str]:
    """Return mark, sentence and paragraph."""
    copy, name = detail.copy, f"Copy {detail.number}"
    if copy is None or copy.state == "Ended":
        return "wait", f"{name} has ended", "What this node’s journal has of it is below."
    state, word = copy_state(copy)
    if copy.state != "Active":
        have = f"{number(copy.confirmed_sectors)} of {number(copy.sectors)} sectors are confirmed by both sides."
        return state, f"{name}: {word.lower()}", have
    lead = "No sector of it was asked for yet."
    if detail.grid is not None and detail.grid.opened:
        chance = percent(detail.grid.one_percent)
        lead = f"If 1 % of it were missing, the sectors opened so far would have shown it with a chance of {chance}."
    if copy.strikes:
        return state, f"{name} is served, with {count(copy.strikes, 'strike')}", lead
    return state, f"{name} is whole and served", lead


def _proved_words(detail: CopyDetail) -> str:
    took = [one.proved - one.issued for one in detail.challenges if one.proved is not None]
    asked = count(len(detail.challenges), "challenge")
    slowest = f" The slowest took {count(max(took), 'block')}." if took else ""
    return f"{asked}, {count(len(took), 'proof')}.{slowest}"


def _latency_words(values: list[int]) -> str:
    if not values:
        return ""
    middle = median(values)
    return (
        f"Milliseconds until the first block came, in {count(len(values), 'report')}: median {middle} ms, "
        f"slowest {max(values)} ms."
    )


def _scale(table: MoneyTable) -> tuple[int, str]:
    """Return the largest scale in which the largest bar is not below 1, and its words."""
    most = max((max(one.storage, one.work) for one in table.eras), default=0)
    return next((one for one in SCALES if most >= one[0]), SCALES[-1])
