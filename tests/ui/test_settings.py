"""Settings changed at a served dashboard: in a session alone, once for each form, with what was wrong beside its field."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect
from structlog.testing import capture_logs

from service.node.config import Resolved, read_file
from service.node.editing import SettingsFile
from tests.support.dashboard import ServedDashboard, a_vault, served_dashboard

from .test_actions import PASSPHRASE, field, logged_in, post
from .test_browser import LOOKS, OVER, SMALL, barriers

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise imports it

TEXT = """# kept
roles = ["hoster", "encoder"]

[hosting]
capacity = "1GiB"  # half of the disk

[alerts]
targets = ["json://ada:geheim@127.0.0.1:1/"]
"""


class Taken(SettingsFile):
    """The file of a node that takes over at once what is written."""

    def __init__(self, path: Path) -> None:
        self.path, self.queue = path, asyncio.Queue[Resolved]()
        super().__init__(path, {"encoding_ask": "5UNIT"}, None, self.queue)

    async def change(self, values: Mapping[str, str]) -> tuple[str, ...]:
        task = asyncio.create_task(super().change(values))
        waiting = asyncio.create_task(self.queue.get())
        waiting.add_done_callback(lambda done: None if done.cancelled() else self.queue.task_done())
        try:
            return await task
        finally:
            waiting.cancel()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture
async def served(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedDashboard]:
    vault = a_vault(tmp_path, "//Alice", PASSPHRASE)
    editor = Taken(file)
    async with served_dashboard(tmp_path, monkeypatch, made=False, blocks=1, vault=vault, editor=editor) as found:
        yield found


def said_in(file: Path) -> str:
    """The text of the file."""
    return file.read_text()


def token_of(page: str, group: str) -> str:
    """The token of a group's form."""
    return field(page.split(f'name="group" value="{group}"', 1)[1], "token")


async def test_a_setting_is_changed_in_a_session_by_a_form_that_is_good_once(
    served: ServedDashboard, file: Path
) -> None:
    await logged_in(served)
    page = await served.text("/settings")
    assert str(file) in page
    form = {"group": "hosting", "token": token_of(page, "hosting"), "hosting.capacity": "2GiB", "hosting.reserve": ""}
    with capture_logs() as logged:
        assert await post(served, "/settings", form) == (303, "/settings?saved=hosting")
    assert {"hosting.capacity"} == {one["settings"] for one in logged if "at the dashboard" in one["event"]}
    assert said_in(file) == TEXT.replace("1GiB", "2GiB")
    assert "Disk and prices: saved" in await served.text("/settings?saved=hosting")
    status, said = await post(served, "/settings", form | {"hosting.capacity": "3GiB"})
    assert (status, "this form was sent before" in said) == (403, True)
    assert read_file(file)["hosting_capacity"] == 2 << 30


async def test_nothing_is_changed_without_a_session_by_another_form_or_from_elsewhere(
    served: ServedDashboard, file: Path
) -> None:
    page = await served.text("/settings")
    assert "Unlock to change settings" in page
    assert 'name="group"' not in page
    form = {"group": "hosting", "token": "", "hosting.capacity": "2GiB"}
    assert (await post(served, "/settings", form))[0] == 403
    await logged_in(served)
    page = await served.text("/settings")
    assert (await post(served, "/settings", form | {"token": token_of(page, "alerts")}))[0] == 403
    right = form | {"token": token_of(page, "hosting")}
    for headers in ({"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "elsewhere"}):
        assert (await post(served, "/settings", right, **headers))[0] == 403
    async with served.http.post(served.url + "/settings", data=right) as answer:
        assert answer.status == 403, "a request without Origin comes from no page of ours"
    assert said_in(file) == TEXT
    assert (await post(served, "/settings", right))[0] == 303, "the form itself was good"


async def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(
    served: ServedDashboard, file: Path
) -> None:
    await logged_in(served)
    page = await served.text("/settings")
    form = {"group": "hosting", "token": token_of(page, "hosting"), "hosting.capacity": "lots", "hosting.region": "u3"}
    status, said = await post(served, "/settings", form)
    assert status == 400
    assert "is no size" in said
    assert 'value="lots"' in said
    assert 'value="u3"' in said
    assert said.count('aria-invalid="true"') == 1
    assert said_in(file) == TEXT
    again = form | {"token": token_of(said, "hosting"), "hosting.capacity": "2GiB"}
    assert (await post(served, "/settings", again))[0] == 303
    assert read_file(file)["hosting_region"] == "u3"


async def test_only_what_a_form_is_for_is_changed(served: ServedDashboard, file: Path) -> None:
    await logged_in(served)
    page = await served.text("/settings")
    form = {"group": "hosting", "token": token_of(page, "hosting"), "chain": "ws://x", "alerts.targets": "json://x"}
    assert (await post(served, "/settings", form))[0] == 303
    assert said_in(file) == TEXT


async def test_targets_are_never_shown_and_an_empty_field_leaves_them(served: ServedDashboard, file: Path) -> None:
    await logged_in(served)
    page = await served.text("/settings")
    assert "geheim" not in page
    form = {"group": "alerts", "token": token_of(page, "alerts"), "alerts.targets": ""}
    assert (await post(served, "/settings", form))[0] == 303
    assert said_in(file) == TEXT
    page = await served.text("/settings")
    form = {"group": "alerts", "token": token_of(page, "alerts"), "alerts.targets": "nosuch://bo:geheim@x"}
    with capture_logs() as logged:
        status, said = await post(served, "/settings", form)
    assert status == 400
    assert "geheim" not in said.replace("bo:geheim", "") + repr(logged)
    page = await served.text("/settings")
    form = {"group": "alerts", "token": token_of(page, "alerts"), "alerts.targets": "", "clear": "1"}
    assert (await post(served, "/settings", form))[0] == 303
    assert "alerts_targets" not in read_file(file)


async def test_a_node_without_a_file_and_one_without_a_vault_say_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor, vault = SettingsFile(None, {}, None, asyncio.Queue()), a_vault(tmp_path, "//Alice", PASSPHRASE)
    async with served_dashboard(
        tmp_path / "a", monkeypatch, made=False, blocks=1, vault=vault, editor=editor
    ) as served:
        await logged_in(served)
        page = await served.text("/settings")
        assert "Nothing can be changed here" in page
        assert "--config FILE" in page
        assert 'name="group"' not in page
    async with served_dashboard(tmp_path / "b", monkeypatch, made=False, blocks=1, editor=editor) as served:
        assert "datdot vault import" in await served.text("/settings")


async def test_the_api_says_what_waits_for_a_restart(served: ServedDashboard) -> None:
    async with served.http.get(served.url + "/api/settings") as answer:
        rows = (await answer.json())["settings"]
    assert [row["live"] for row in rows] == [True]


@pytest.mark.parametrize(("theme", "width"), LOOKS)
async def test_a_person_changes_a_setting_in_a_browser(
    chromium: Browser, served: ServedDashboard, file: Path, theme: str, width: int
) -> None:
    context = await chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)  # type: ignore[arg-type]
    page, axe = await context.new_page(), Axe()

    async def looked_at() -> None:
        assert await barriers(page, axe) == []
        assert await page.evaluate(OVER) <= 0
        assert await page.evaluate(SMALL) == []

    await page.goto(served.url + "/settings")
    await looked_at()
    await page.click("text=Unlock to change settings")
    await page.fill("#pass", PASSPHRASE)
    await page.click("main button[type=submit]")
    await expect(page.locator("h1")).to_have_text("Settings")
    await looked_at()
    await page.get_by_label("Capacity offered").fill("plenty")
    await page.click("text=Save hosting")
    await expect(page.locator("#set-hosting .err")).to_contain_text("is no size")
    await expect(page.get_by_label("Capacity offered")).to_have_attribute("aria-invalid", "true")
    await looked_at()
    await page.get_by_label("Capacity offered").fill("2GiB")
    await page.click("text=Save hosting")
    await expect(page.locator(".answer [role=status]")).to_contain_text("saved")
    await looked_at()
    assert said_in(file) == TEXT.replace("1GiB", "2GiB")
    await context.close()
