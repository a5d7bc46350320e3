"""Actions at a served dashboard: nothing without the passphrase, nothing from elsewhere, nothing twice; money that moves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.address import ss58
from service.operating.transfers import TransferRefused
from service.ui import acting
from service.units import UNIT
from service.web.guards import ReaderCheck
from tests.support.chain_world import BOB
from tests.support.dashboard import ServedDashboard, a_vault, served_dashboard, some_feed

PASSPHRASE = "bees like höhe"


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedDashboard]:
    vault = a_vault(tmp_path, "//Alice", PASSPHRASE)
    async with served_dashboard(tmp_path, monkeypatch, made=False, blocks=1, vault=vault) as found:
        yield found


def field(page: str, name: str) -> str:
    """The value of a hidden field of a form."""
    (found,) = re.findall(f'name="{name}" value="([^"]*)"', page)[:1]
    return unescape(found)


async def post(served: ServedDashboard, path: str, fields: dict[str, str], **headers: str) -> tuple[int, str]:
    """Send a form as a page of this server does. Return status and page, or where it leads to."""
    given = {"Origin": served.url} | headers
    async with served.http.post(served.url + path, data=fields, headers=given, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location") or await answer.text()


async def logged_in(served: ServedDashboard) -> None:
    token = field(await served.text("/login"), "token")
    form = {"token": token, "passphrase": PASSPHRASE, "for": "900", "next": "/money"}
    assert await post(served, "/login", form) == (303, "/money")


async def balance(served: ServedDashboard, account: bytes) -> int:
    return await served.peer.client.balance(account)


async def test_money_is_sent_once_after_a_look_at_what_it_costs(served: ServedDashboard) -> None:
    await logged_in(served)
    assert "Unlocked. Lock now" in await served.text("/")
    before = await balance(served, BOB.public_key)
    page = await served.text(f"/do/transfer?to={BOB.ss58_address}&amount=1.5")
    assert "Send this money?" in page
    assert f'value="{UNIT * 3 // 2}"' in page
    form = {"token": field(page, "token"), "to": BOB.ss58_address, "amount": "1.5"}
    status, said = await post(served, "/do/transfer", form | {"amount": "15"})
    assert status == 403
    assert "not the one that was shown" in said
    form["token"] = field(await served.text(f"/do/transfer?to={BOB.ss58_address}&amount=1.5"), "token")
    status, said = await served.peer.until(post(served, "/do/transfer", form), served.world)
    assert (status, "Sent to" in said) == (200, True)
    assert (await post(served, "/do/transfer", form))[0] == 403
    assert await balance(served, BOB.public_key) == before + UNIT * 3 // 2


async def test_what_cannot_be_done_is_told_before_it_is_signed(served: ServedDashboard) -> None:
    await logged_in(served)
    assert served.facts.sources.store is not None
    feed = some_feed(served.facts.sources.store).hex()
    for path, said in (
        ("transfer?to=nobody&amount=1", "nobody"),
        (f"transfer?to={BOB.ss58_address}&amount=x", "is no sum"),
        (f"transfer?to={BOB.ss58_address}&amount=99999999", "are missing"),
        (f"transfer?to={served.facts.address}&amount=1", "is the sender itself"),
        ("pause", "never offered to host"),
        ("test", "nobody is told of alerts".capitalize()),
        ("donate?plan=x&amount=1&fresh=0", "is no whole number"),
        ("donate?plan=7&amount=1&fresh=0", "Plan 7 does not exist"),
        ("donate?plan=0&amount=1", "is no whole number from 0 to 4,294,967,295"),
        ("leave?copy=3", "Copy 3 does not exist"),
        (f"publish?feed={feed}&replicas=2&eras=10&pot=0.000000001", "the first era of 2 copies of"),
        (f"publish?feed={feed}&replicas=2&eras=10&pot=90000000", f"datdot faucet {served.facts.address} --chain ws://"),
        (f"publish?feed={feed}&replicas=2&eras=100000&pot=1", "until block"),
    ):
        assert said in await served.text(f"/do/{path}", 400), path
    await served.text("/do/nosuch", 404)
    assert "Publish this plan?" in await served.text(f"/do/publish?feed={feed}&replicas=2&eras=10&pot=10")


async def test_the_log_says_what_was_wanted_and_what_was_done_and_nothing_else(
    served: ServedDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await logged_in(served)
    path = f"/do/transfer?to={BOB.ss58_address}&amount=1.5"

    async def refuse(*_: object) -> None:
        raise TransferRefused("the chain says no")

    def form(page: str) -> dict[str, str]:
        return {"token": field(page, "token"), "to": BOB.ss58_address, "amount": "1.5"}

    asked = form(await served.text(path))
    with monkeypatch.context() as patched, capture_logs() as logged:
        patched.setattr(acting, "send", refuse)
        status, said = await post(served, "/do/transfer", asked)
    assert (status, "The chain says no" in said) == (400, True)
    assert [one["event"] for one in logged if one.get("action") == "transfer"] == [
        "an action is wanted at the dashboard",
        "an action at the dashboard was not done",
    ]
    asked = form(await served.text(path))
    with capture_logs() as logged:
        assert (await served.peer.until(post(served, "/do/transfer", asked), served.world))[0] == 200
    assert [one["event"] for one in logged if one.get("action") == "transfer"] == [
        "an action is wanted at the dashboard",
        "an action at the dashboard was done",
    ]


async def test_nothing_is_reviewed_or_signed_without_a_session(served: ServedDashboard) -> None:
    path = f"/do/transfer?to={BOB.ss58_address}&amount=1"
    async with served.http.get(served.url + path, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/login?next=/do/transfer")
    status, said = await post(served, "/do/transfer", {"token": "", "to": BOB.ss58_address, "amount": "1"})
    assert status == 403
    assert "Nothing was signed" in said


async def test_a_wrong_passphrase_opens_nothing_and_waits(served: ServedDashboard) -> None:
    token = field(await served.text("/login"), "token")
    status, said = await post(served, "/login", {"token": token, "passphrase": "wrong"})
    assert (status, "That is not this vault’s passphrase" in said) == (403, True)
    status, said = await post(served, "/login", {"token": token, "passphrase": PASSPHRASE})
    assert (status, "before the next try" in said) == (429, True)
    assert (await post(served, "/login", {"token": "ä", "passphrase": PASSPHRASE}))[0] == 403


async def test_the_cookie_is_for_this_server_and_no_script(served: ServedDashboard) -> None:
    token = field(await served.text("/login"), "token")
    form = {"token": token, "passphrase": PASSPHRASE, "next": "//elsewhere.example/"}
    async with served.http.post(
        served.url + "/login", data=form, headers={"Origin": served.url}, allow_redirects=False
    ) as answer:
        assert answer.headers["Location"] == "/"
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert PASSPHRASE not in cookie
    page = await served.text("/")
    await post(served, "/logout", {"token": "wrong"})
    assert "Unlocked. Lock now" in await served.text("/")
    await post(served, "/logout", {"token": field(page, "token")})
    assert "Unlocked. Lock now" not in await served.text("/")


async def test_pages_of_others_change_nothing(served: ServedDashboard) -> None:
    await logged_in(served)
    for headers in (
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "elsewhere.example"},
    ):
        assert (await post(served, "/logout", {}, **headers))[0] == 403
    async with served.http.post(served.url + "/logout", data={}) as answer:
        assert answer.status == 403
    for method in ("POST", "PUT", "DELETE", "TRACE"):
        async with served.http.request(method, served.url + "/api/status") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD"), (
                "the API takes no such request of anybody"
            )
    assert "Unlocked. Lock now" in await served.text("/")


async def test_other_machines_need_a_session_to_read(served: ServedDashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReaderCheck, "allows", lambda self, remote: False)
    assert "Reading from another machine" in await served.text("/login")
    await served.text("/healthz")
    await served.text("/api/status", 401)
    async with served.http.get(served.url + "/money", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/login?next=/money")
    await logged_in(served)
    assert "Balance" in await served.text("/money")
    await served.text("/api/status")


class Hook:
    """A target of alerts that takes what it is sent, or not."""

    def __init__(self, name: str, takes: bool) -> None:
        self.name, self.takes, self.got = name, takes, [""][:0]

    async def send(self, title: str, body: str, kind: str) -> bool:
        self.got.append(body)
        return self.takes


async def test_a_test_message_goes_to_each_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault, hooks = a_vault(tmp_path, "//Alice", PASSPHRASE), (Hook("one", True), Hook("two", False))
    async with served_dashboard(tmp_path, monkeypatch, made=False, blocks=1, vault=vault, targets=hooks) as served:
        await logged_in(served)
        page = await served.text("/do/test")
        assert [hook.got for hook in hooks] == [[], []]
        status, said = await post(served, "/do/test", {"token": field(page, "token")})
        assert (status, "These targets did not take it: two" in said) == (400, True)
        assert all("this is a test" in hook.got[0] for hook in hooks)
        hooks[1].takes = True
        page = await served.text("/do/test")
        status, said = await post(served, "/do/test", {"token": field(page, "token")})
        assert (status, "2 targets took the message" in said) == (200, True)


async def test_a_node_without_a_vault_only_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served_dashboard(tmp_path, monkeypatch, made=False, blocks=1) as served:
        page = await served.text("/login")
        assert "This node has no vault" in page
        assert "datdot vault import" in page


async def test_what_an_operator_does_not_sign_is_not_offered_and_refused_at_once(served: ServedDashboard) -> None:
    await logged_in(served)
    assert 'action="/do/transfer"' in await served.text("/money")
    assert served.facts.sources.store is not None
    feed = some_feed(served.facts.sources.store).hex()
    assert 'action="/do/publish"' in await served.text(f"/feeds/{feed}")
    signer = served.peer.signer
    signer.payer = served.facts.sources.payer = BOB.public_key
    for path, action, command in (
        ("/money", "transfer", "datdot wallet transfer TO AMOUNT --key FILE --chain ws://"),
        (f"/feeds/{feed}", "publish", f"datdot plan publish {feed} --dir "),
    ):
        page = unescape(await served.text(path))
        assert f'action="/do/{action}"' not in page
        assert "signed by the account’s own key" in page
        assert command in page
    for path in (
        f"transfer?to={BOB.ss58_address}&amount=1",
        f"publish?feed={feed}&replicas=1&eras=9&pot=9",
        "donate?plan=0&amount=1&fresh=0",
    ):
        page = unescape(await served.text(f"/do/{path}", 400))
        assert f"use the vault of {served.facts.address}" in page
    signer.mandate.look(1, None)
    page = unescape(await served.text("/do/pause", 400))
    assert "is not the operator of" in page
    assert f"datdot operator set {ss58(signer.mandate._operator)} --key VAULT" in page
    assert "Nobody is told of alerts" in await served.text("/do/test", 400), "which nobody signs"
