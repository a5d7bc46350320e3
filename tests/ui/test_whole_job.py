"""The whole job in a browser, on a network of processes: publish, donate, copies come up, a hoster dies and is replaced, read."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from nacl.pwhash import argon2id
from playwright.async_api import Browser, Page, expect

from service.chain_client import ChainClient
from service.chain_client.pallet import events
from service.devnet.network import Devnet, NetPeer
from service.devnet.processes import Child, module
from service.hypercore import Corestore
from service.node.settings import NodeSettings
from service.units import UNIT
from service.vault import Vault
from service.vault.vaultfile import Cost
from tests.support.dashboard import FILES, some_feed
from tests.support.whole_network import Network

pytestmark = pytest.mark.slow
KINDS = (("author,sponsor", 1, 2_000 * UNIT), ("hoster", 3, 20 * UNIT), ("encoder", 2, 250 * UNIT))
PASSPHRASE = "a passphrase of bees"
PATIENCE = 120_000
"""Milliseconds that a page may take to show what the chain has."""
SHOTS = "DATDOT_SCREENSHOTS"
"""Names the folder in which pictures are kept."""


@dataclass(slots=True)
class ShownNet(Devnet):
    """A network whose peers serve their dashboards, the author with a vault."""

    locked: list[str] = field(default_factory=list)

    def command_of(self, peer: NetPeer) -> list[str]:
        command = [*Devnet.command_of(self, peer), "--http", "127.0.0.1:0"]
        return command + self.locked if peer is self.peers[0] else command

    def lock_author(self) -> None:
        """Put the author's keys into a vault."""
        author = self.peers[0]
        secret, vault = author.directory / "passphrase", author.directory / "locked.json"
        secret.write_text(PASSPHRASE)
        secret.chmod(0o600)
        cost = Cost(argon2id.MEMLIMIT_MIN, argon2id.OPSLIMIT_MIN)
        Vault(author.keys).create(vault, PASSPHRASE.encode(), cost)
        self.locked = ["--key", str(vault), "--passphrase-file", str(secret)]

    async def restart_chain(self, while_away: float) -> None:
        """End the chain, and start it again at the same address with what it has stored."""
        assert self._chain_child is not None
        await self._chain_child.kill()
        await asyncio.sleep(while_away)  # what is tested is that it was away
        command = module("runtime_mock", "--backend", self.chain, "--port", self.rpc.rpartition(":")[2].strip("/"))
        command += ["--control", "--seal", "500", "--state", str(self.directory / "chain.sqlite")]
        self._chain_child = Child("the mock chain", command, self.directory / "chain2.log")
        await self._chain_child.start()


@asynccontextmanager
async def shown_network(directory: Path) -> AsyncIterator[Network]:
    """The network, its offers made."""
    async with ShownNet(directory, "model", kinds=KINDS) as net, AsyncExitStack() as stack:
        await net.start_chain()
        net.lock_author()
        client = await stack.enter_async_context(await ChainClient.connect(net.rpc))
        made = Network(net, client)
        following = asyncio.create_task(made.follow())
        try:
            await net.start()
            await net.wait_for_offers(client)
            yield made
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def dashboard_of(peer: NetPeer) -> str:
    """Where a peer's dashboard is."""
    settings = NodeSettings.load(peer.directory)
    assert settings is not None
    return f"http://{settings.http}"


async def open_alerts(net: Network) -> dict[str, list[str]]:
    """The alerts that are open at the peers that run, by peer: what each is."""
    found = {}
    async with aiohttp.ClientSession() as http:
        for peer in net.net.peers:
            if peer.child is not None and peer.child.running:
                async with http.get(f"{dashboard_of(peer)}/api/alerts?open=true") as answer:
                    alerts = (await answer.json())["alerts"]
                if alerts:
                    found[peer.directory.name] = [one["text"] for one in alerts]
    return found


async def shot(page: Page, name: str) -> None:
    """Keep a picture, if a folder is named for them."""
    folder = os.environ.get(SHOTS)
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def unlock_at(page: Page) -> None:
    """Give the passphrase at the login to which a page led."""
    await expect(page.locator("h1")).to_have_text("Unlock the vault")
    await page.fill("#pass", PASSPHRASE)
    await page.click("main button[type=submit]")


async def publish_and_donate(page: Page, url: str, feed: str) -> None:
    """Publish a plan of two copies at the feed's page, and give to it at its own."""
    await page.goto(f"{url}/feeds/{feed}")
    await page.fill("#replicas", "2")
    await page.fill("#pot", "100")
    await page.click("text=Review the plan")
    await unlock_at(page)
    await expect(page.locator("h1")).to_have_text("Publish this plan?")
    await shot(page, "publish")
    await page.click("text=Sign and publish")
    await expect(page.locator("h1")).to_contain_text("Plan 0 was published", timeout=PATIENCE)
    await until_answer(page, f"{url}/plans/0", "0 of 2 copies are served")
    await page.fill("#amount", "15")
    await page.click("text=Review the donation")
    await expect(page.locator("h1")).to_have_text("Give to plan 0?")
    await shot(page, "donate")
    await page.click("text=Sign and give")
    await expect(page.locator("h1")).to_contain_text("Given to plan 0", timeout=PATIENCE)


async def until_answer(page: Page, url: str, answer: str) -> None:
    """Look at a page again and again until it answers so."""
    async with asyncio.timeout(PATIENCE / 1000):
        while True:
            await page.goto(url)
            if (await page.inner_text("h1")).strip() == answer:
                return
            await asyncio.sleep(1)  # the network is read once in some seconds


async def read_a_file(page: Page, url: str, feed: str, folder: Path) -> None:
    """Fetch a file of the feed by a click."""
    await page.goto(f"{url}/feeds/{feed}")
    await shot(page, "feed")
    async with page.expect_download() as waiting:
        await page.click("text=notes.txt")
    await (await waiting.value).save_as(folder / "notes.txt")
    assert (folder / "notes.txt").read_bytes() == FILES["notes.txt"]


@pytest.mark.timeout(1800)
async def test_the_whole_job_in_a_browser(chromium: Browser, tmp_path: Path) -> None:
    async with shown_network(tmp_path / "net") as net:
        author = net.net.peers[0]
        store = Corestore(author.directory)
        feed = some_feed(store).hex()
        store.close()
        url = dashboard_of(author)
        page = await chromium.new_page(viewport={"width": 1280, "height": 800})
        assert await open_alerts(net) == {}, "a network that has just begun alarms nobody"
        await publish_and_donate(page, url, feed)
        copies = await net.active(0, 2)
        await until_answer(page, f"{url}/plans/0", "All 2 copies are served")
        await shot(page, "plan")
        assert "sponsor" in await page.inner_text("#supporters")
        # a hoster shows its copy, proved and live
        copy = next(iter(copies.values()))
        kept = next(one for one in copies.values() if one.hoster != copy.hoster)
        await net.event(events.StorageProved, hoster=kept.hoster)
        hoster = dashboard_of(net.peer(kept.hoster))
        kept_number = next(n for n, one in copies.items() if one is kept)
        live = await chromium.new_page(viewport={"width": 1280, "height": 800})
        await live.goto(f"{hoster}/copies/{kept_number}")
        await expect(live.locator("h1")).to_have_text(f"Copy {kept_number} is whole and served")
        await shot(live, "copy")
        await live.goto(f"{hoster}/")
        await shot(live, "home")
        # the other one dies, and is replaced
        await net.kill(net.peer(copy.hoster))
        await net.event(events.HosterEvicted, hoster=copy.hoster)
        await net.active(0, 3)
        await until_answer(page, f"{url}/plans/0", "All 2 copies are served")
        replacement = max(event.copy for _, event in net.happened(events.CopyActive))
        assert replacement not in copies
        assert f"Copy {replacement}\t" in await page.inner_text("#plan-copies")
        await shot(page, "replaced")
        await read_a_file(page, url, feed, tmp_path)
        # the chain goes away and comes back: the open page moves on by itself
        before = int(await live.inner_text("[data-live=block]"))
        assert isinstance(net.net, ShownNet)
        await net.net.restart_chain(3)
        later = re.compile(f"^({'|'.join(str(before + more) for more in range(10, 500))})$")
        await expect(live.locator("[data-live=block]")).to_have_text(later, timeout=PATIENCE)
        assert await live.get_attribute("html", "class") in (None, "")
        assert await open_alerts(net) == {}, "the dead hoster is replaced, and the chain is back: nobody needs to act"
