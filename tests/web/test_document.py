"""A node's server against its own OpenAPI document: every endpoint, every parameter at and beyond its bounds, every answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.chain_client import ConnectionLost
from service.operating import facts
from service.operating.alerts.book import AlertBook, Category, Condition, Severity
from service.operating.entries import Followed, JournalEntry
from service.operating.facts import NodeFacts
from service.web import app
from service.web.app import NodeServer, serving
from service.web.endpoints import ENDPOINTS, document
from service.web.guards import RequestLimit
from tests.support.chain_world import World
from tests.support.followed_node import followed_node, kept_up


@dataclass
class Served:
    """A server of a node of Alice's, and a client of it."""

    url: str
    http: aiohttp.ClientSession
    world: World
    facts: NodeFacts

    async def get(self, path: str, **headers: str) -> tuple[int, Any, Any]:
        """Status, headers and body."""
        async with self.http.get(self.url + path, headers=headers) as answer:
            kind = answer.headers["Content-Type"]
            return answer.status, answer.headers, await (answer.json() if "json" in kind else answer.text())


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(app, "RequestLimit", lambda: RequestLimit(burst=10_000))
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(followed_node(tmp_path))
        world, sources, facts = node.world, node.sources, NodeFacts(node.sources)
        entries = [JournalEntry(n, 0, "DatDot", "CopyStruck", {"copy": n, "strikes": 1}, -n, -n) for n in range(1, 8)]
        with node.database.transaction() as db:
            sources.table.add(db, entries, Followed())
        opened = AlertBook().step({"disk": [Condition("x", Severity.ERROR, Category.DISK, "full", "why", "do")]}, 5, 6)
        sources.alerts.save(opened)
        await stack.enter_async_context(kept_up(facts))
        world.seal()
        await node.peer.caught_up(world)
        host, port = await stack.enter_async_context(serving(facts, "127.0.0.1", 0))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Served(f"http://{host}:{port}", http, world, facts)


def fits(value: Any, schema: dict[str, Any], parts: dict[str, Any], where: str = "$") -> None:
    """Check a value against a schema of the few forms that the document has."""
    if "$ref" in schema:
        return fits(value, parts[schema["$ref"].rpartition("/")[2]], parts, where)
    if "anyOf" in schema:
        if value is None:
            assert {"type": "null"} in schema["anyOf"], where
            return None
        (other,) = [one for one in schema["anyOf"] if one != {"type": "null"}]
        return fits(value, other, parts, where)
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "integer": int,
        "number": (int, float),
    }
    kind = schema.get("type")
    if kind is not None:
        assert isinstance(value, kinds[kind]), (where, value)
        assert kind == "boolean" or not isinstance(value, bool), where
    if "pattern" in schema:
        assert re.search(schema["pattern"], value), (where, value)
    if "enum" in schema:
        assert value in schema["enum"], where
    if kind == "array":
        for place, one in enumerate(value):
            fits(one, schema["items"], parts, f"{where}[{place}]")
    if kind == "object":
        known = schema.get("properties", {})
        assert set(schema.get("required", ())) <= set(value), where
        for name, one in value.items():
            more = schema.get("additionalProperties", {})
            assert name in known or more is not False, f"{where}.{name} is not in the document"
            fits(one, known.get(name, more if isinstance(more, dict) else {}), parts, f"{where}.{name}")
    return None


def test_the_walk_itself_finds_what_does_not_fit() -> None:
    parts = document()["components"]["schemas"]
    right = {"ready": False, "roles": [{"role": "hoster", "ready": False, "why": "x"}]}
    fits(right, {"$ref": "#/components/schemas/Readiness"}, parts)
    refused: tuple[Any, ...] = (
        {"ready": 1, "roles": []},
        {"ready": True},
        right | {"more": 1},
        right | {"roles": [{"role": "x"}]},
        [],
    )
    for wrong in refused:
        with pytest.raises(AssertionError):
            fits(wrong, {"$ref": "#/components/schemas/Readiness"}, parts)
    with pytest.raises(AssertionError):
        fits("1.5", parts["MoneyState"]["properties"]["free"], parts)


def values_of(parameter: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Values that a parameter takes, and values that it refuses."""
    schema = parameter["schema"]
    if schema["type"] == "boolean":
        return ["true", "false"], ["1", "", "True", "yes", "%00"]
    if schema["type"] == "string":
        return ["ab" * 32], ["", "ab" * 31, "AB" * 32, "zz" * 32, "ab" * 400]
    least, most = schema["minimum"], schema["maximum"]
    wrong = [str(least - 1), str(most + 1), "", "x", "1.5", "1e3", "-0", "+1", "%D9%A3", "9" * 400, "%00", "0x10"]
    return [str(least), str(most), f"0{least}"], wrong


def query(values: dict[str, str]) -> str:
    """A query, its values as they stand there."""
    return "?" + "&".join(f"{name}={value}" for name, value in values.items()) if values else ""


async def test_every_path_answers_as_the_document_says(served: Served) -> None:
    status, _, told = await served.get("/api/openapi.json")
    assert (status, told) == (200, document())
    parts, seen = told["components"]["schemas"], 0
    for path, methods in told["paths"].items():
        operation = methods["get"]
        needed = {one["name"]: values_of(one)[0][0] for one in operation["parameters"] if one["required"]}
        found = "404" if needed else "200"  # what is named is not on this chain
        queries = [(query(needed), found)] + [("", "400")] * bool(needed)
        for parameter in operation["parameters"]:
            right, wrong = values_of(parameter)
            name = parameter["name"]
            queries += [(query(needed | {name: value}), found) for value in right]
            queries += [(query(needed | {name: value}), "400") for value in wrong]
            queries.append((f"{query(needed | {name: right[0]})}&{name}={right[0]}", "400"))
        if path in {one.path for one in ENDPOINTS}:
            queries.append((query(needed | {"nosuch": "1"}), "400"))
        for asked, expected in queries:
            code, headers, body = await served.get(path + asked)
            assert str(code) == expected or (path == "/readyz" and code == 503), (path, asked, code, body)
            assert headers["X-Content-Type-Options"] == "nosniff"
            content = operation["responses"][str(code)]["content"]
            (kind,) = content
            assert headers["Content-Type"].startswith(kind)
            fits(body, content[kind]["schema"], parts, path + asked)
            seen += 1
    assert seen > 60


async def test_no_other_path_or_method_is_answered(served: Served) -> None:
    parts = document()["components"]["schemas"]
    for method, path in (
        ("GET", "/"),
        ("GET", "/api"),
        ("POST", "/api/status"),
        ("DELETE", "/api/journal"),
        ("GET", "/api/../etc"),
    ):
        async with served.http.request(method, served.url + path) as answer:
            assert answer.status in (404, 405)
            fits(await answer.json(), {"$ref": "#/components/schemas/Refusal"}, parts)


async def test_pages_meet_and_say_what_comes_next(served: Served) -> None:
    seen, query = [], "?limit=3"
    while True:
        _, _, page = await served.get(f"/api/journal{query}")
        seen += [line["block"] for line in page["lines"]]
        if page["next"] is None:
            break
        query = f"?limit=3&before={page['next']}"
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    line = page["lines"][-1]
    assert (line["change"], line["held"], line["level"]) == ("-1", "-1", "penalty")
    assert line["why"]
    assert "datdot hoster lost 1" in line["remedy"]
    assert line["cost"] == "lost 0.000000000001 UNIT"


async def test_alerts_are_told_with_what_to_do(served: Served) -> None:
    _, _, page = await served.get("/api/alerts?open=true")
    (alert,) = page["alerts"]
    assert (alert["severity"], alert["category"], alert["text"], alert["remedy"]) == ("error", "disk", "full", "do")
    assert (alert["block"], alert["opened"], alert["closed"], page["next"]) == (5, 6, None, None)
    _, _, status = await served.get("/api/status")
    assert status["alerts"] == 1


async def test_another_name_or_another_sites_page_gets_nothing(served: Served) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for path in ("/api/money", "/healthz", "/metrics", "/nosuch"):
            code, _, body = await served.get(path, **headers)
            assert code == 403
            assert set(body) == {"code", "message"}


async def test_metrics_are_the_figures_of_the_pages(served: Served) -> None:
    _, _, text = await served.get("/metrics")
    _, _, money = await served.get("/api/money")
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    whole = samples['datdot_balance_unit{kind="free"}']
    assert int(whole.replace(".", "")) * 10 ** (12 - len(whole.partition(".")[2])) == int(money["free"]) > 0
    assert samples['datdot_journal_events_total{event="DatDot.CopyStruck"}'] == "7"
    assert samples['datdot_lost_unit_total{event="DatDot.CopyStruck"}'] == "0.000000000028"
    assert money["lost"] == "28"
    assert samples['datdot_alerts_open{severity="error"}'] == "1"
    assert samples['datdot_alerts_open{severity="critical"}'] == "0"
    _, _, reach = await served.get("/api/reach")
    assert samples["datdot_reachable"] == str(int(reach["level"] == "note")) == "0"
    assert samples[f'datdot_reach{{kind="{reach["kind"]}"}}'] == "1"
    assert sum(value == "1" for name, value in samples.items() if name.startswith("datdot_reach{")) == 1
    assert samples['datdot_role_ready{role="author"}'] == "1"
    assert samples['datdot_role_ready{role="hoster"}'] == "0"
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) datdot_\w+ .+|datdot_\w+(\{(\w+="[^"]*",?)+\})? -?[0-9.]+', line), line


async def test_readiness_is_each_roles_own_and_says_why(served: Served) -> None:
    code, _, found = await served.get("/readyz")
    assert code == 503
    assert [(one["role"], one["ready"]) for one in found["roles"]] == [("author", True), ("hoster", False)]
    assert "the account is not registered: send it money" in found["roles"][1]["why"]
    assert (await served.get("/healthz"))[0] == 200
    _, _, status = await served.get("/api/status")
    assert status["answer"].startswith("Not all is well: hoster: the account is not registered")


async def test_a_chain_that_is_away_is_said_and_ends_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(*_: object, **__: object) -> Any:
        raise ConnectionLost("the chain's node is gone")

    served.world.seal()
    await served.facts._from.follower.wait_for(2)
    monkeypatch.setattr(served.facts, "_read", gone)
    for path in ("/api/status", "/api/money", "/api/copies"):
        code, _, body = await served.get(path)
        assert code == 503
        assert "the chain's node is gone" in body["message"]
    code, _, found = await served.get("/readyz")
    assert code == 503
    assert all("the chain cannot be read" in one["why"] for one in found["roles"])
    assert (await served.get("/healthz"))[0] == 200
    assert (await served.get("/api/journal"))[0] == 200, "what is on the disk is shown"
    monkeypatch.undo()
    assert (await served.get("/api/status"))[0] == 200


def samples_of(text: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("before", [True, False], ids=["a block was read before", "none was"])
@pytest.mark.parametrize("way", ["lost", "silent"])
async def test_metrics_are_told_while_the_chain_is_away(
    served: Served, before: bool, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For Prometheus a peer that answers 503 is dead: then nobody sees that it is the chain, nor the peer's own alerts."""
    well = samples_of((await served.get("/metrics"))[2]) if before else {}
    monkeypatch.setattr(facts, "SOON_SECONDS", 0.05)

    async def gone(*_: object, **__: object) -> Any:
        if way == "silent":
            await asyncio.Event().wait()
        raise ConnectionLost("the chain's node is gone")

    served.world.seal()
    await served.facts._from.follower.wait_for(2)
    monkeypatch.setattr(served.facts, "_read", gone)
    code, headers, text = await served.get("/metrics")
    assert (code, headers["Content-Type"]) == (200, "text/plain; version=0.0.4")
    told = samples_of(text)
    assert told["datdot_block"] == "2", "the last that came, read or not"
    assert {told[f'datdot_role_ready{{role="{role}"}}'] for role in ("author", "hoster")} == {"0"}
    assert told['datdot_alerts_open{severity="error"}'] == "1"
    assert told['datdot_journal_events_total{event="DatDot.CopyStruck"}'] == "7"
    assert {"datdot_block_age_seconds", "datdot_journal_block", "datdot_connections", "datdot_disk_free_bytes"} <= set(
        told
    )
    changing = {name for name in well if "block" in name or "role_ready" in name or "disk_free" in name}
    assert {name: value for name, value in well.items() if name not in changing}.items() <= told.items()
    assert ('datdot_balance_unit{kind="free"}' in told) is before
    monkeypatch.undo()
    assert samples_of((await served.get("/metrics"))[2])['datdot_role_ready{role="author"}'] == "1"


async def test_a_block_is_read_once_however_many_ask(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    read, seen = served.facts._read, []

    async def counted(block: Any) -> Any:
        seen.append(block.number)
        return await read(block)

    monkeypatch.setattr(served.facts, "_read", counted)
    served.facts._snapshot = None
    answers = await asyncio.gather(*(served.get("/api/money") for _ in range(20)))
    assert {code for code, _, _ in answers} == {200}
    assert len(seen) == 1


async def test_who_asks_too_often_must_wait(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    async with serving(served.facts, "127.0.0.1", 0) as (host, port):
        answers = [await _status(served, f"http://{host}:{port}/healthz") for _ in range(90)]
    assert answers[:60] == [(200, None)] * 60
    assert (429, "1") in answers


async def _status(served: Served, url: str) -> tuple[int, str | None]:
    async with served.http.get(url) as answer:
        return answer.status, answer.headers.get("Retry-After")


def test_every_answer_has_a_type_and_no_answer_names_a_secret() -> None:
    told = str(document()).lower()
    assert not any(word in told for word in ("secret", "mnemonic", "passphrase", "trapdoor", "seed"))
    assert NodeServer.__doc__
