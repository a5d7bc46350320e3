"""The dashboard's pages: what they say, by the same objects as the API, and what they keep from others."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from html import unescape
from urllib.parse import quote

import aiohttp
import pytest

from service.operating.checks import checks_of
from service.operating.entries import Followed, JournalEntry
from service.operating.history import pulse_of
from service.units import UNIT
from tests.support.chain_world import BOB
from tests.support.dashboard import FILES, SECTORS, ServedDashboard

PAGES = (
    "/",
    "/copies",
    "/copies/0",
    "/copies/1",
    "/copies/2",
    "/money",
    "/plans",
    "/plans/0",
    "/network",
    "/peers",
    "/feeds",
    "/settings",
)


def answer_of(page: str) -> str:
    """The page's headline, as text."""
    (found,) = re.findall(r"<h1>(.*?)</h1>", page, re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", found)).strip()


async def test_each_page_answers_first_and_holds_no_code(served: ServedDashboard) -> None:
    for path in PAGES:
        async with served.http.get(served.url + path) as answer:
            page = await answer.text()
            assert answer.status == 200, (path, page[-500:])
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'")
            assert "unsafe" not in policy
            assert answer.headers["Cache-Control"] == "no-store"
        assert answer_of(page), path
        assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=|https?://", page), path
        assert len(re.findall(r'\sid="', page)) == len(set(re.findall(r'\sid="([^"]+)"', page))), path


async def test_a_copy_shows_what_was_proved_of_it(served: ServedDashboard) -> None:
    page = await served.text("/copies/0")
    assert answer_of(page) == "Copy 0 is whole and served"
    assert "14 challenges, 13 proofs. The slowest took 4 blocks." in page
    assert f"of {SECTORS:,}</small>" in page
    # 26 sectors were opened: 1 - 0.99 ** 26
    assert "23.0 %" in page
    assert "13 reports: median" in page
    assert answer_of(await served.text("/copies/1")) == "Copy 1: being made"
    assert answer_of(await served.text("/copies/2")) == "Copy 2 is served, with 1 strike"


async def test_sums_on_pages_are_those_of_the_journal(served: ServedDashboard) -> None:
    page = await served.text("/money")
    rows = [int(one) for one in re.findall(r'<td class="num" data-v="(-?\d+)">', page)][::2]
    lines = list(csv.DictReader(io.StringIO(await served.text("/api/money.csv"))))
    assert len(rows) == len(lines) == 16
    assert rows == [int(line["change"]) for line in reversed(lines)]
    async with served.http.get(served.url + "/api/money") as answer:
        money = await answer.json()
    assert int(money["earned"]) - int(money["lost"]) == sum(rows)
    by_era = re.findall(r'<tr><th scope="row">\d+</th>(.*?)</tr>', page)
    figures = [[int(one) for one in re.findall(r'value="(-?\d+)"', row)] for row in by_era]
    assert sum(sum(one) for one in figures) == sum(abs(one) for one in rows)


async def test_what_the_operator_paid_stands_beside_what_the_account_paid(served: ServedDashboard) -> None:
    fee = {"failed": False, "event": "Paused", "operator": BOB.ss58_address}
    paid = JournalEntry(90, 0, "TransactionPayment", "OperatorFeePaid", fee, by_operator=20_300_000)
    sources = served.facts.sources
    sources.payer = BOB.public_key
    with sources.table._db.transaction() as db:
        sources.table.add(db, [paid], Followed({0, 1, 2}))
    await served.seal()
    page = unescape(await served.text("/money"))
    assert f'<span class="id">{BOB.ss58_address}</span> signs for this account and pays the fees: it can spend' in page
    assert "A call of this account cost its operator a fee of 0.0000203 UNIT" in page
    assert '<th scope="col" class="num">Paid by its operator, UNIT</th>' in page
    assert page.count('value="20300000"') == 3, "of all time, of its era, and by reason"
    lines = list(csv.DictReader(io.StringIO(await served.text("/api/money.csv"))))
    assert [
        (one["change"], one["by_operator"], one["by_operator_unit"]) for one in lines if one["by_operator"] != "0"
    ] == [("0", "20300000", "0.0000203")]
    async with served.http.get(served.url + "/api/money") as answer:
        money = await answer.json()
    assert (money["operator"], money["operator_paid"]) == (BOB.ss58_address, "20300000")
    assert int(money["operator_spendable"]) > 0
    name = 'datdot_operator_paid_unit_total{event="TransactionPayment.OperatorFeePaid"} 0.0000203'
    assert name in await served.text("/metrics")


async def test_the_money_that_is_looked_at_is_that_of_who_pays_the_fees(served: ServedDashboard) -> None:
    status = await served.facts.status()
    pulse, operator = pulse_of(served.facts, status.block), BOB.ss58_address
    for free, paid_by, spendable, word in (
        (0, None, 0, "Too little"),
        (0, operator, UNIT, "Enough"),
        (UNIT, operator, 0, "Too little"),
    ):
        found = replace(status, free=free, operator=paid_by, operator_spendable=spendable)
        (money,) = [one for one in checks_of(found, pulse, 10) if one.name == "Money"]
        assert money.word == word
        assert (f"Send some to {operator}" in money.text) == (paid_by is not None and word != "Enough")
    assert (status.operator, status.operator_spendable) == (None, 0)
    served.facts.sources.payer = BOB.public_key
    await served.seal()
    status = await served.facts.status()
    assert (status.operator, status.operator_spendable > 0) == (operator, True)


async def test_charts_come_in_both_themes_and_widths(served: ServedDashboard) -> None:
    seen = set()
    for chart in ("/charts/pay.svg?", "/charts/latency.svg?copy=0&"):
        for theme in ("light", "dark"):
            for width in ("wide", "narrow"):
                svg = await served.text(f"{chart}theme={theme}&width={width}")
                assert svg.startswith("<svg")
                assert "<script" not in svg
                assert "http" not in svg.replace("http://www.w3.org/", "")
                seen.add(svg)
    assert len(seen) == 8
    await served.text("/charts/pay.svg?theme=pink", 400)


async def test_what_is_not_there_is_told_on_a_page(served: ServedDashboard) -> None:
    page = await served.text("/copies/77", 404)
    assert "There is no copy 77 on this node" in page
    assert answer_of(await served.text("/nosuch", 404)) == "There is no such page"
    assert "is no whole number" in await served.text("/money?before=x", 400)


async def test_an_account_with_nothing_has_all_pages(bare: ServedDashboard) -> None:
    page = await bare.text("/")
    assert answer_of(page) == "One step is left: money"
    assert f"datdot faucet {bare.facts.address}" in page
    assert answer_of(await bare.text("/copies")) == "No copy yet"
    assert answer_of(await bare.text("/money")) == "Nothing was earned yet"
    assert (await bare.text("/charts/pay.svg")).startswith("<svg")
    await bare.text("/copies/0", 404)
    assert answer_of(await bare.text("/plans")) == "No plan yet"
    assert answer_of(await bare.text("/feeds")) == "No feed is kept here"
    assert answer_of(await bare.text("/network")) == "0 offers, 0 plans, 0 live copies"
    assert "There is no plan 0" in await bare.text("/plans/0", 404)
    await bare.text(f"/feeds/{'ab' * 32}", 404)


async def test_static_files_are_kept_by_browsers_as_long_as_they_are_the_same(served: ServedDashboard) -> None:
    page = await served.text("/")
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        async with served.http.get(served.url + address.replace("&amp;", "&")) as answer:
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
        async with served.http.get(served.url + address.partition("?")[0] + "?v=old") as answer:
            assert answer.headers["Cache-Control"] == "no-store"


async def test_a_plan_says_why_a_copy_is_missing(served: ServedDashboard) -> None:
    page = await served.text("/plans/0")
    assert answer_of(page) == "2 of 4 copies are served"
    assert "1 copy has no hoster" in page
    assert "No hoster fits that keeps no copy of it." in page
    assert "1 keep a copy of it already, or gave one up." in page
    assert "1 ask for more than the plan pays (disk 0.01, receiving 0.01 UNIT per GiB)." in page
    async with served.http.get(served.url + "/api/plan?plan=0") as answer:
        told = await answer.json()
    assert (told["missing"], told["fitting"], told["plan"]["served"]) == (1, 0, 2)
    assert f'<data class="amt" value="{told["plan"]["burned"]}">' in page


async def test_files_of_a_feed_are_listed_and_read_in_parts(served: ServedDashboard) -> None:
    page = await served.text(f"/feeds/{served.feed}")
    assert answer_of(page) == "All 11 blocks are here"
    assert "photos/</a>" in page
    assert "a b.jpg" not in page
    assert "a b.jpg" in await served.text(f"/feeds/{served.feed}?folder=photos")
    for path, data in FILES.items():
        address = f"{served.url}/feeds/{served.feed}/files/{quote(path)}"
        async with served.http.get(address) as answer:
            assert (answer.status, await answer.read()) == (200, data)
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Content-Disposition"].startswith("attachment")
            assert answer.headers["Content-Type"] == "application/octet-stream"
        if not data:
            continue
        for first, last in ((0, 0), (65_530, 65_545), (1, 131_072), (len(data) - 1, len(data) + 50)):
            async with served.http.get(address, headers={"Range": f"bytes={first}-{last}"}) as answer:
                assert (answer.status, await answer.read()) == (206, data[first : last + 1])
                end = min(last, len(data) - 1)
                assert answer.headers["Content-Range"] == f"bytes {first}-{end}/{len(data)}"
        async with served.http.get(address, headers={"Range": "bytes=-7"}) as answer:
            assert (answer.status, await answer.read()) == (206, data[-7:])
        async with served.http.get(address, headers={"Range": f"bytes={len(data)}-"}) as answer:
            assert answer.status == 416
        async with served.http.get(address, headers={"Range": "lines=1-2"}) as answer:
            assert (answer.status, await answer.read()) == (200, data)
    assert "There is no file" in await served.text(f"/feeds/{served.feed}/files/nosuch", 404)


async def test_a_block_that_is_not_here_is_told(served: ServedDashboard) -> None:
    store = served.facts.sources.store
    assert store is not None
    core = store.named("made")
    core.clear(3, 4)
    core.flush()
    assert answer_of(await served.text(f"/feeds/{served.feed}")) == "10 of 11 blocks are here"
    async with served.http.get(f"{served.url}/feeds/{served.feed}/files/photos/a%20b.jpg") as answer:
        assert answer.status == 200
    part = {"Range": "bytes=200000-200010"}
    async with served.http.get(f"{served.url}/feeds/{served.feed}/files/notes.txt", headers=part) as answer:
        assert answer.status == 404
        assert "Block 3 of feed" in await answer.text()
    with pytest.raises(aiohttp.ClientPayloadError):  # the whole file begins well, and is never taken for whole
        await served.text(f"/feeds/{served.feed}/files/notes.txt")


async def test_a_chain_that_does_not_answer_is_told_soon(
    bare: ServedDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.ui.site.PATIENCE", 0.2)
    bare.world.hang()
    page = await bare.text("/", 503)
    assert answer_of(page) == "The chain is away"
    assert 'class="mk good"' not in page.partition("<main")[2]
    for path in ("/peers", "/feeds", "/settings", "/login"):
        await bare.text(path)  # these need none
    bare.world.go_on()
    await bare.text("/")


async def test_alerts_stand_where_they_are_seen_worst_first(served: ServedDashboard) -> None:
    open_now = ["The disk is full", "Nobody dials"]
    page = await served.text("/alerts")
    assert answer_of(page) == "2 alerts are open"
    found = [re.sub(r"<[^>]+>", "", one).strip() for one in re.findall(r'<h3 id="alert.*?</h3>', page, re.DOTALL)]
    assert [one.split(" ", 1)[1] for one in found] == open_now
    assert "The clock is wrong" in page.partition("Over</h2>")[2]
    home = await served.text("/")
    assert "Make room" in home
    assert '2<span class="vh"> open</span>' in home


async def test_what_programs_ask_is_answered_while_the_chain_is_away(
    bare: ServedDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.web.app.PATIENCE", 0.4)
    bare.world.hang()
    for path in ("/api/status", "/api/copies", "/metrics"):
        assert "cannot be read now" in await bare.text(path, 503)
    assert '"ready": false' in await bare.text("/readyz", 503)
    await bare.text("/healthz")
    bare.world.go_on()
    await bare.text("/api/status")


async def test_who_has_an_operators_key_is_told_where_to_donate(served: ServedDashboard) -> None:
    assert 'action="/do/donate"' in await served.text("/plans/0")
    served.facts.sources.payer = BOB.public_key
    page = await served.text("/plans/0")
    assert 'action="/do/donate"' not in page
    assert "datdot plan donate 0 AMOUNT --key VAULT --chain ws://" in page
