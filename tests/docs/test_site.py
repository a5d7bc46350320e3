"""The documents as a site and as manual pages: links lead somewhere, nothing comes from elsewhere, each command has its page."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from service.cli.commands import COMMANDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = "# datdot {name}\n\n{help}\n\n```{{command}} {name}\n```\n"


def built(kind: str, where: Path) -> Path:
    """Build without warnings."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", kind, "-c", "docs", ".", str(where)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return where


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("html", tmp_path_factory.mktemp("docs") / "html")


class Loaded(HTMLParser):
    """What a browser would load for a page, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.leads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids.add(found.get("id", ""))
        if tag in ("script", "img", "iframe", "source"):
            self.loads.append(found.get("src", ""))
        if tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(found.get("href", ""))
        if tag == "a":
            self.leads.append(found.get("href", ""))


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        parsed = Loaded()
        parsed.feed(page.read_text())
        for address in parsed.loads:
            assert not re.match(r"(https?:)?//", address), (page.name, address)
            if address and not address.startswith("data:"):
                assert (page.parent / address.partition("?")[0]).exists(), (page, address)


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    ids: dict[Path, set[str]] = {}
    links: list[tuple[Path, str]] = []
    for page in site.rglob("*.html"):
        parsed = Loaded()
        parsed.feed(page.read_text())
        ids[page.resolve()] = parsed.ids
        links += [(page, address) for address in parsed.leads if not re.match(r"[a-z]+:|//", address)]
    assert len(links) > 500
    for page, address in links:
        path, _, anchor = address.partition("#")
        target = (page.parent / path).resolve() if path else page.resolve()
        assert target.exists(), (page.name, address)
        if anchor and target in ids:
            assert anchor in ids[target], (page.name, address)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_page(site: Path, name: str) -> None:
    source = ROOT / "docs" / "commands" / f"{name}.md"
    wanted = PAGE.format(name=name, help=COMMANDS[name][2])
    assert source.exists(), f"write {source.name}:\n{wanted}"
    assert source.read_text() == wanted
    assert f"datdot {name}" in (site / "docs" / "commands" / f"{name}.html").read_text()
    listed = (ROOT / "docs" / "commands" / "all.md").read_text()
    assert f"- [`datdot {name}`]({name}.md): {COMMANDS[name][2]}\n" in listed
    assert f"\n{name}\n" in listed


def test_manual_pages(tmp_path: Path) -> None:
    pages = built("man", tmp_path / "man")
    assert {page.name for page in pages.glob("*.1")} == {"datdot.1", *(f"datdot-{name}.1" for name in COMMANDS)}
    feed = (pages / "datdot-feed.1").read_text()
    for word in ("datdot feed import", r"\-\-bootstrap", r"\-\-exclude"):
        assert word in feed
