"""The endpoints of the API in one table: path, parameters with their bounds, what comes back; and the document made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from service.feeds.browse import MOST_FILES
from service.operating.alerts.table import PAGE as MOST_ALERTS
from service.operating.detail import CopyDetail, MoneyTable
from service.operating.facts import MOST_COPIES, MOST_PEERS, NodeFacts
from service.operating.feeds import MOST_FEEDS, read_feed, read_feeds
from service.operating.history import read_copy, read_money_table
from service.operating.network import MOST_PLANS_SHOWN, read_network, read_plan, read_plans
from service.operating.network_objects import FeedDetail, FeedPage, NetworkState, PlanDetail, PlanPage
from service.operating.objects import (
    AlertPage,
    CopyPage,
    Health,
    JournalPage,
    MoneyState,
    NodeStatus,
    PeerPage,
    ReachState,
    Readiness,
    Refusal,
    SettingPage,
)
from service.operating.shapes import Schema, schema
from service.operating.table import LAST, PAGE

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query: a whole number within bounds, or true and false."""

    name: str
    default: int | bool | None
    least: int
    most: int
    about: str
    required: bool = False
    digits: int = 0
    """If not 0, the value is text of so many hex digits."""

    @property
    def is_bool(self) -> bool:
        """Whether it is true or false."""
        return isinstance(self.default, bool)

    def read(self, text: str) -> int | bool | str:
        """Parse a value. Raises ValueError that says what is right."""
        if self.digits:
            if len(text) != self.digits or not set(text) <= set("0123456789abcdef"):
                raise ValueError(f"{self.name}: {text[:80]!r} is not {self.digits} hex digits")
            return text
        if self.is_bool:
            if text not in ("true", "false"):
                raise ValueError(f"{self.name}: {text[:40]!r} is neither true nor false")
            return text == "true"
        if not (text.isascii() and text.isdecimal() and len(text) <= 20 and self.least <= int(text) <= self.most):
            raise ValueError(f"{self.name}: {text[:40]!r} is no whole number from {self.least} to {self.most}")
        return int(text)

    def document(self) -> Schema:
        """Return it as OpenAPI describes it."""
        kind: Schema = (
            {"type": "boolean"} if self.is_bool else {"type": "integer", "minimum": self.least, "maximum": self.most}
        )
        if self.digits:
            kind = {"type": "string", "pattern": f"^[0-9a-f]{{{self.digits}}}$"}
        if self.default is not None:
            kind["default"] = self.default
        return {"name": self.name, "in": "query", "required": self.required, "description": self.about, "schema": kind}


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """An endpoint that is asked by GET. `ask` returns an object of `kind`."""

    path: str
    about: str
    kind: Any
    ask: Callable[[NodeFacts, Values], Awaitable[Any]]
    parameters: tuple[Parameter, ...] = ()
    needs_chain: bool = True
    """Whether it answers 503 while the chain cannot be read."""


async def _status(facts: NodeFacts, values: Values) -> NodeStatus:
    return await facts.status()


async def _money(facts: NodeFacts, values: Values) -> MoneyState:
    return await facts.money()


async def _copies(facts: NodeFacts, values: Values) -> CopyPage:
    return await facts.copies(values["limit"], values.get("after", -1))


async def _peers(facts: NodeFacts, values: Values) -> PeerPage:
    return facts.peers(values["limit"])


async def _reach(facts: NodeFacts, values: Values) -> ReachState:
    return facts.sources.reach()


async def _alerts(facts: NodeFacts, values: Values) -> AlertPage:
    return await facts.alerts(values["limit"], values.get("before"), bool(values["open"]))


async def _journal(facts: NodeFacts, values: Values) -> JournalPage:
    return await facts.journal(values["limit"], values.get("before"), bool(values["money"]))


async def _copy(facts: NodeFacts, values: Values) -> CopyDetail:
    return await read_copy(facts, values["copy"])


async def _eras(facts: NodeFacts, values: Values) -> MoneyTable:
    return await read_money_table(facts)


async def _plans(facts: NodeFacts, values: Values) -> PlanPage:
    return await read_plans(facts, values["limit"], values.get("before"))


async def _plan(facts: NodeFacts, values: Values) -> PlanDetail:
    return await read_plan(facts, values["plan"])


async def _network(facts: NodeFacts, values: Values) -> NetworkState:
    return await read_network(facts)


async def _feeds(facts: NodeFacts, values: Values) -> FeedPage:
    return read_feeds(facts, values["limit"])


async def _feed(facts: NodeFacts, values: Values) -> FeedDetail:
    return await read_feed(facts, values["feed"], values["files"])


async def _settings(facts: NodeFacts, values: Values) -> SettingPage:
    return SettingPage(list(facts.sources.settings()))


ENDPOINTS: tuple[ApiEndpoint, ...] = (
    ApiEndpoint("/api/status", "How the node stands, in a sentence and in figures.", NodeStatus, _status),
    ApiEndpoint("/api/money", "What the account has, and what it earned and lost.", MoneyState, _money),
    ApiEndpoint(
        "/api/copies",
        "Copies that the account hosts or encodes, by number.",
        CopyPage,
        _copies,
        (
            Parameter("limit", 100, 1, MOST_COPIES, "copies of a page"),
            Parameter("after", None, 0, LAST, "the number after which the page begins"),
        ),
    ),
    ApiEndpoint(
        "/api/copy",
        "One copy: its sectors proved, its challenges, what readers measured, its life.",
        CopyDetail,
        _copy,
        (Parameter("copy", None, 0, LAST, "the copy's number", required=True),),
    ),
    ApiEndpoint("/api/eras", "Money by era and by reason.", MoneyTable, _eras),
    ApiEndpoint(
        "/api/plans",
        "Plans of the chain, the newest first.",
        PlanPage,
        _plans,
        (
            Parameter("limit", 100, 1, MOST_PLANS_SHOWN, "plans of a page"),
            Parameter("before", None, 0, LAST, "only plans with a smaller number: the `next` of the page before"),
        ),
    ),
    ApiEndpoint(
        "/api/plan",
        "One plan: its copies, its money, its donors, and why hosters do not fit if a copy is missing.",
        PlanDetail,
        _plan,
        (Parameter("plan", None, 0, LAST, "the plan's number", required=True),),
    ),
    ApiEndpoint(
        "/api/network", "What everybody on the chain sees: hosters, encoders, attesters.", NetworkState, _network
    ),
    ApiEndpoint(
        "/api/feeds",
        "Feeds of which there are blocks here.",
        FeedPage,
        _feeds,
        (Parameter("limit", 100, 1, MOST_FEEDS, "feeds that are listed"),),
        needs_chain=False,
    ),
    ApiEndpoint(
        "/api/feed",
        "One feed, and the files in it.",
        FeedDetail,
        _feed,
        (
            Parameter("feed", None, 0, 0, "the feed's key in hex", required=True, digits=64),
            Parameter("files", 1000, 1, MOST_FILES, "files that are listed"),
        ),
        needs_chain=False,
    ),
    ApiEndpoint("/api/settings", "What the node runs with.", SettingPage, _settings, needs_chain=False),
    ApiEndpoint(
        "/api/peers",
        "Open connections to peers.",
        PeerPage,
        _peers,
        (Parameter("limit", 100, 1, MOST_PEERS, "connections that are listed"),),
        needs_chain=False,
    ),
    ApiEndpoint("/api/reach", "What peers from outside find.", ReachState, _reach, needs_chain=False),
    ApiEndpoint(
        "/api/alerts",
        "What needs the operator, newest first, with severity, reason and remedy; closed ones, too.",
        AlertPage,
        _alerts,
        (
            Parameter("limit", 100, 1, MOST_ALERTS, "alerts of a page"),
            Parameter("before", None, 0, LAST, "only alerts with a smaller id: the `next` of the page before"),
            Parameter("open", False, 0, 1, "only those that are open"),
        ),
        needs_chain=False,
    ),
    ApiEndpoint(
        "/api/journal",
        "What the chain did to the account, newest first, with reason, cost and remedy.",
        JournalPage,
        _journal,
        (
            Parameter("limit", 100, 1, PAGE, "lines of a page"),
            Parameter("before", None, 0, LAST, "only lines with a smaller id: the `next` of the page before"),
            Parameter("money", False, 0, 1, "only lines that moved money"),
        ),
        needs_chain=False,
    ),
)

BY_PATH = {one.path: one for one in ENDPOINTS}


def read_query(endpoint: ApiEndpoint, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters of a query, with defaults. Raises ValueError that names what is wrong."""
    known = {one.name: one for one in endpoint.parameters}
    for name in query:
        if name not in known:
            raise ValueError(f"{name[:40]!r} is no parameter here: there are {', '.join(known) or 'none'}")
    for one in endpoint.parameters:
        if one.required and one.name not in query:
            raise ValueError(f"{one.name} is missing: {one.about}")
    found = {one.name: one.default for one in endpoint.parameters if one.default is not None}
    return found | {name: known[name].read(text) for name, text in query.items()}


def document() -> Schema:
    """Return the OpenAPI document of the whole server."""
    parts: dict[str, Schema] = {}

    def answer(kind: Any, about: str) -> Schema:
        return {"description": about, "content": {"application/json": {"schema": schema(kind, parts)}}}

    refused = {code: answer(Refusal, about) for code, about in REFUSALS.items()}
    paths: dict[str, Schema] = {
        one.path: {
            "get": {
                "operationId": one.path.rpartition("/")[2],
                "summary": one.about,
                "parameters": [parameter.document() for parameter in one.parameters],
                "responses": {"200": answer(one.kind, "the answer")} | refused,
            }
        }
        for one in ENDPOINTS
    }
    paths["/healthz"] = _plain("health", "That the process answers.", {"200": answer(Health, "it does")} | refused)
    ready = {"200": answer(Readiness, "all roles do their work"), "503": answer(Readiness, "one does not; it says why")}
    paths["/readyz"] = _plain("ready", "Whether all roles do their work.", refused | ready)
    text = {"200": {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    paths["/metrics"] = _plain("metrics", "The same figures for Prometheus.", refused | text)
    own = {"200": {"description": "this document", "content": {"application/json": {"schema": {"type": "object"}}}}}
    paths["/api/openapi.json"] = _plain("openapi", "This document.", refused | own)
    return {
        "openapi": "3.1.0",
        "info": {"title": "datdot node", "version": version("datdot-service")},
        "paths": paths,
        "components": {"schemas": parts},
    }


REFUSALS = {
    "400": "a parameter is wrong",
    "403": "asked under another name, or by a page of another site",
    "404": "there is no such thing, or not on this node",
    "429": "asked too often; Retry-After says for how long to wait",
    "503": "chain or disk cannot be read now",
}


def _plain(name: str, about: str, responses: Schema) -> Schema:
    return {"get": {"operationId": name, "summary": about, "parameters": [], "responses": responses}}
