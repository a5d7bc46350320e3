"""The dashboard in chromium: no barrier that axe knows, no overflow, no message, no request elsewhere, in any theme or width."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.support.chain_world import BOB
from tests.support.dashboard import ServedDashboard, a_vault, served_dashboard

PAGES = (
    *("/", "/copies", "/copies/0", "/copies/1", "/money", "/plans", "/plans/0", "/network", "/peers", "/feeds"),
    *("/feeds/FEED", "/feeds/FEED?folder=photos", "/alerts", "/settings", "/login", "/copies/77"),
)
BARE = ("/", "/copies", "/money", "/plans", "/network", "/peers", "/feeds", "/alerts")
LOOKS = [
    ("light", 1280),
    ("dark", 360),
    pytest.param("dark", 1280, marks=pytest.mark.slow),
    pytest.param("light", 360, marks=pytest.mark.slow),
]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OVER = "document.documentElement.scrollWidth - innerWidth"
SMALL = """[...document.querySelectorAll('a, button, input, select, summary')].filter(e => {
    const r = e.getBoundingClientRect()
    return r.width && r.height < 24 && getComputedStyle(e).display !== 'inline' && !e.classList.contains('skip')
}).map(e => e.textContent.trim().slice(0, 30))"""


@asynccontextmanager
async def watched(context: BrowserContext, url: str, wrong: list[str]) -> AsyncIterator[Page]:
    """A page whose messages, errors and requests elsewhere are noted."""
    page = await context.new_page()

    def noted(kind: str, text: str) -> None:
        if "status of 404" not in text:  # that of the page itself, where a test asks for one that is not there
            wrong.append(f"{page.url}: {kind}: {text}")

    page.on("console", lambda one: noted(one.type, one.text))
    page.on("pageerror", lambda one: noted("error", str(one)))
    page.on("request", lambda one: None if one.url.startswith(url) else noted("request", one.url))
    yield page
    await page.close()


async def barriers(page: Page, axe: Axe) -> list[str]:
    """What axe finds on a page."""
    found = (await axe.run(page, options=RULES)).response["violations"]
    return [f"{page.url}: {one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


async def looked_at(chromium: Browser, url: str, paths: tuple[str, ...], theme: str, width: int) -> list[str]:
    """Everything that is wrong on pages, in a theme and a width."""
    wrong: list[str] = []
    axe = Axe()
    context = await chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)  # type: ignore[arg-type]
    async with watched(context, url, wrong) as page:
        for path in paths:
            await page.goto(url + path)
            wrong += await barriers(page, axe)
            if (over := await page.evaluate(OVER)) > 0:
                wrong.append(f"{path} at {width}: {over} pixels too wide")
            wrong += [f"{path}: {one!r} is too small to hit" for one in await page.evaluate(SMALL)]
    await context.close()
    return wrong


async def test_the_look_itself_finds_barriers(chromium: Browser) -> None:
    page = await chromium.new_page()
    await page.set_content("<html><body><img src='data:,'><p style='color: #ccc'>pale</p></body></html>")
    found = " ".join(await barriers(page, Axe()))
    assert "image-alt" in found
    assert "color-contrast" in found
    assert "html-has-lang" in found


@pytest.mark.parametrize(("theme", "width"), LOOKS)
async def test_no_page_has_a_barrier_or_a_message(
    chromium: Browser, served: ServedDashboard, theme: str, width: int
) -> None:
    paths = tuple(path.replace("FEED", served.feed) for path in PAGES)
    assert await looked_at(chromium, served.url, paths, theme, width) == []


@pytest.mark.parametrize(("theme", "width"), LOOKS)
async def test_no_page_of_an_empty_account_has_one(
    chromium: Browser, bare: ServedDashboard, theme: str, width: int
) -> None:
    assert await looked_at(chromium, bare.url, BARE, theme, width) == []


async def test_all_is_read_without_scripts(chromium: Browser, served: ServedDashboard) -> None:
    context = await chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(served.url + "/copies/0")
    assert await page.inner_text("h1") == "Copy 0 is whole and served"
    assert not await page.is_visible("[data-theme-button]")
    await page.click("#margin summary")
    assert await page.is_visible("#margin details table")
    await context.close()


async def test_the_theme_is_chosen_and_kept(chromium: Browser, served: ServedDashboard) -> None:
    context = await chromium.new_context(color_scheme="light")
    page = await context.new_page()
    await page.goto(served.url + "/money")

    light = f"{served.url}/charts/pay.svg?theme=light&width=wide"
    await expect(page.locator("picture img")).to_have_js_property("currentSrc", light)
    for _ in range(2):
        await page.click("[data-theme-button]")
    assert await page.inner_text("[data-theme-button]") == "Theme: dark"
    dark = f"{served.url}/charts/pay.svg?theme=dark&width=wide"
    await expect(page.locator("picture img")).to_have_js_property("currentSrc", dark)
    await page.goto(served.url + "/copies/0")
    assert await page.get_attribute("html", "data-theme") == "dark"
    async with served.http.get(served.url + "/", headers={"Cookie": "theme=dark"}) as answer:
        assert 'data-theme="dark"' in await answer.text()
    await context.close()


async def test_the_vault_is_unlocked_and_locked_by_forms(
    chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = a_vault(tmp_path, "//Alice", "bees")
    async with served_dashboard(tmp_path, monkeypatch, made=False, blocks=1, vault=vault) as served:
        page = await chromium.new_page()
        await page.goto(served.url + "/money")
        await page.fill("#to", BOB.ss58_address)
        await page.fill("#amount", "1.5")
        await page.click("text=Review the transfer")
        await expect(page.locator("h1")).to_have_text("Unlock the vault")
        await page.fill("#pass", "bees")
        await page.click("main button[type=submit]")
        await expect(page.locator("h1")).to_have_text("Send this money?")
        assert await barriers(page, Axe()) == []
        await page.click("text=Unlocked. Lock now")
        await expect(page.locator("footer")).not_to_contain_text("Lock now")
        await page.close()


def tokens(css: str, start: str) -> list[str]:
    """The tokens of a block of the stylesheet."""
    inside = css.split(start, 1)[1].split("}", 1)[0]
    return sorted(line.strip() for line in inside.splitlines() if line.strip().startswith("--"))


def test_the_dark_tokens_are_the_same_in_both_places() -> None:
    css = Path("service/ui/static/style.css").read_text()
    by_system = tokens(css, ':root:not([data-theme="light"]) {')
    assert by_system
    assert by_system == tokens(css, ':root[data-theme="dark"] {')


async def test_figures_move_and_nothing_stale_is_green(chromium: Browser, served: ServedDashboard) -> None:
    page = await chromium.new_page()
    await page.goto(served.url + "/")
    assert await page.inner_text("[data-live=block]") == "100"
    await served.seal(3)
    await expect(page.locator("[data-live=block]")).to_have_text("103")
    assert await page.evaluate("document.querySelector('.gone').getAttribute('width')") == "70"
    green = "getComputedStyle(document.querySelector('.checks .mk.good')).color"
    before = await page.evaluate(green)
    served.dashboard.events.close()  # as a node does that ends
    await expect(page.locator("html")).to_have_class("lost")
    assert await page.evaluate(green) != before
    assert "Not live" in await page.inner_text("[data-say]")
    await page.close()


async def test_a_hidden_tab_holds_no_stream(chromium: Browser, served: ServedDashboard) -> None:
    page = await chromium.new_page()
    async with page.expect_request("**/api/events"):
        await page.goto(served.url + "/")
    hide = "Object.defineProperty(document, 'hidden', {get: () => true}); document.dispatchEvent(new Event('visibilitychange'))"
    await page.evaluate(hide)
    async with asyncio.timeout(60):
        while served.dashboard.events.clients:  # noticed with the next message
            await served.seal()
    await page.close()
