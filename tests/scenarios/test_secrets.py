"""A whole network whose peers have vaults: no passphrase, phrase, key or trapdoor is in any file, log, answer or error."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from nacl.pwhash import argon2id

from service.chain_client import ChainClient
from service.chain_client.pallet import events
from service.devnet.network import Devnet, NetPeer
from service.encoding import PrivateKey
from service.node.settings import NodeSettings
from service.units import UNIT
from service.vault import Locker, Vault
from service.vault.phrase import keys_of_phrase, new_phrase
from service.vault.vaultfile import Cost
from tests.support.cli_process import Ran, datdot
from tests.support.secrets import Secrets
from tests.support.whole_network import Network

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
KINDS = (
    ("author,sponsor", 1, 2_000 * UNIT),
    ("hoster", 2, 20 * UNIT),
    ("encoder", 2, 250 * UNIT),
    ("attester", 1, 100 * UNIT),
)
PAGES = (
    "/",
    "/copies",
    "/money",
    "/plans",
    "/plans/0",
    "/network",
    "/peers",
    "/feeds",
    "/settings",
    "/alerts",
    "/login",
)


@dataclass(slots=True)
class LockedNet(Devnet):
    """A network whose peers have vaults, made of phrases, and serve their dashboards."""

    given: Path = Path()
    """The folder of the passphrases, as an operator has one: nothing is searched for there."""
    secrets: Secrets = field(default_factory=Secrets)

    def passphrase_of(self, peer: NetPeer) -> Path:
        return self.given / peer.directory.name

    def vault_of(self, peer: NetPeer) -> Path:
        return peer.directory / "locked.json"

    def command_of(self, peer: NetPeer) -> list[str]:
        command = [*Devnet.command_of(self, peer), "--http", "127.0.0.1:0", "--key", str(self.vault_of(peer))]
        return [*command, "--passphrase-file", str(self.passphrase_of(peer))]

    def lock_all(self) -> None:
        """Give each peer a vault instead of its key file."""
        self.given.mkdir()
        for peer in self.peers:
            name, phrase = peer.directory.name, new_phrase(12)
            passphrase = f"the bees of {name} like höhe"
            peer.key_path.unlink()
            peer.keys = keys_of_phrase(phrase)
            cost = Cost(argon2id.MEMLIMIT_MIN, argon2id.OPSLIMIT_MIN)
            Vault(peer.keys, phrase).create(self.vault_of(peer), passphrase.encode(), cost)
            self.passphrase_of(peer).write_text(passphrase)
            self.passphrase_of(peer).chmod(0o600)
            self.secrets.add_text(f"the phrase of {name}", phrase)
            self.secrets.add_text(f"the passphrase of {name}", passphrase)
            self.secrets.add_keys(f"the keys of {name}", peer.keys)

    async def note_trapdoors(self, seen: set[Path]) -> None:
        """Open each encoder's key file as it comes, and note its primes, until cancelled."""
        while True:
            for peer in self.peers:
                for path in set(peer.directory.glob("keys/*.key")) - seen:
                    with suppress(FileNotFoundError):  # erased just now
                        data = Locker(peer.keys.storage_key).open(path.read_bytes(), path)
                        for prime in PrivateKey.from_bytes(data).crt.primes:
                            self.secrets.add_bytes(
                                f"a trapdoor of {path}", int(prime).to_bytes(-(-prime.bit_length() // 8), "big")
                            )
                        seen.add(path)
            await asyncio.sleep(0.02)  # a look: files that come and go tell nobody


@asynccontextmanager
async def locked_network(base: Path) -> AsyncIterator[tuple[Network, LockedNet]]:
    """The network, its offers made."""
    net = LockedNet(base / "net", "model", kinds=KINDS, given=base / "given")
    async with net, AsyncExitStack() as stack:
        await net.start_chain()
        net.lock_all()
        client = await stack.enter_async_context(await ChainClient.connect(net.rpc))
        made = Network(net, client)
        following = asyncio.create_task(made.follow())
        try:
            await net.start()
            await net.wait_for_offers(client)
            yield made, net
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def ran_as(net: LockedNet, peer: NetPeer, *arguments: object) -> Ran:
    """A command that signs with a peer's vault."""
    return datdot(
        *arguments,
        "--chain",
        net.rpc,
        "--key",
        net.vault_of(peer),
        "--passphrase-file",
        net.passphrase_of(peer),
        "--json",
    )


def commands(net: LockedNet, base: Path) -> list[Ran]:
    """Commands of all kinds, right ones and wrong ones. What they said."""
    author, hoster = net.peers[0], net.peers[1]
    wrong = net.given / "wrong"
    wrong.write_text("no bees at all")
    wrong.chmod(0o600)
    vault = net.vault_of(author)
    return [
        ran_as(net, author, "plan", "donate", 0, "15UNIT"),
        ran_as(net, author, "plan", "donate", 77, "15UNIT"),
        ran_as(net, author, "wallet", "transfer", hoster.keys.address, "1UNIT"),
        datdot(
            "wallet", "transfer", hoster.keys.address, "1UNIT", "--key", vault, "--passphrase-file", wrong, "--json"
        ),
        datdot("wallet", "balance", "--key", vault, "--chain", net.rpc),
        datdot("vault", "show", vault),
        datdot("doctor", "--dir", hoster.directory),
        datdot("verify", "--dir", hoster.directory, "--json"),
        datdot("status", "--dir", author.directory, "--json"),
        datdot("backup", base / "backup", "--dir", author.directory, "--copies", "--with-key"),
        datdot("node", "--dir", author.directory, "--passphrase-file", wrong, "--json"),
        datdot("node", "--dir", base / "new", "--roles", "author", "--key", vault, "--json", DATDOT_LOG="debug"),
    ]


async def answers(peer: NetPeer, feed: str, passphrase: str) -> dict[str, bytes]:
    """All that a peer's server answers, before and after a login, with its headers."""
    settings = NodeSettings.load(peer.directory)
    assert settings is not None
    url, found = f"http://{settings.http}", dict[str, bytes]()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:

        async def ask(path: str, form: dict[str, str] | None = None) -> bytes:
            way = http.get(url + path) if form is None else http.post(url + path, data=form, headers={"Origin": url})
            async with way as answer:
                body = await answer.content.read(1 << 22)
                found[f"{peer.directory.name} {path} {len(found)}"] = repr(dict(answer.headers)).encode() + body
                return body

        document: dict[str, Any] = json.loads(await ask("/api/openapi.json"))
        values = {"plan": "0", "copy": "0", "key": feed, "feed": feed}
        paths = [
            path + "?" * bool(needed) + "&".join(f"{name}={values[name]}" for name in needed)
            for path, methods in document["paths"].items()
            for needed in [[one["name"] for one in methods["get"]["parameters"] if one["required"]]]
        ]
        for path in (*paths, *PAGES, f"/feeds/{feed}", "/copies/0", "/nosuch"):
            await ask(path)
        token = re.findall(rb'name="token" value="([^"]*)"', await ask("/login"))[0].decode()
        await ask("/login", {"token": token, "passphrase": passphrase, "for": "900", "next": "/money"})
        assert b"Unlocked. Lock now" in await ask("/")
        for path in (
            *PAGES,
            f"/do/transfer?to={peer.keys.address}&amount=1",
            "/do/donate?plan=0&amount=1&fresh=0",
            "/do/pause",
        ):
            await ask(path)
    return found


async def test_no_secret_is_anywhere(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(os.urandom(60_000))
    async with locked_network(tmp_path) as (network, net):
        author, trapdoors = net.peers[0], set[Path]()
        noting = asyncio.create_task(net.note_trapdoors(trapdoors))
        imported = await asyncio.to_thread(
            datdot, "feed", "import", tmp_path / "source", "--dir", author.directory, "--json"
        )
        feed = imported.object["key"]
        until = network.now + 2_000
        publish = (
            "plan",
            "publish",
            feed,
            "--dir",
            author.directory,
            "--replicas",
            2,
            "--pot",
            "100UNIT",
            "--until",
            until,
        )
        published = await asyncio.to_thread(ran_as, net, author, *publish)
        assert published.object["plan"] == 0
        await network.active(0, 2)
        await network.event(events.StorageProved)
        said = [imported, published, *await asyncio.to_thread(commands, net, tmp_path)]
        told = dict[str, bytes]()
        for peer in net.peers:
            told |= await answers(peer, feed, net.passphrase_of(peer).read_text())
        noting.cancel()
        await asyncio.gather(noting, return_exceptions=True)
        secrets = net.secrets
    assert len(trapdoors) >= 2, "an encoder's key was seen for each copy"
    assert [one.code for one in said[:3]] == [0, 0, 0]
    found = secrets.below([tmp_path / "net", tmp_path / "backup"])
    for where, data in told.items():
        found += secrets.within(where, data)
    for number, ran in enumerate(said):
        found += secrets.within(f"what command {number} said", (ran.out + ran.err).encode())
    assert found == []
    assert (tmp_path / "backup" / "locked.json").exists()
    assert not (tmp_path / "new").exists() or secrets.below([tmp_path / "new"]) == []


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """Else the test above would say nothing."""
    phrase = new_phrase(12)
    keys, secrets = keys_of_phrase(phrase), Secrets()
    secrets.add_text("phrase", phrase)
    secrets.add_text("passphrase", "bees like höhe")
    secrets.add_keys("keys", keys)
    key = PrivateKey.generate()
    for prime in key.crt.primes:
        secrets.add_bytes("trapdoor", int(prime).to_bytes(-(-prime.bit_length() // 8), "big"))
    assert secrets.below([tmp_path]) == []
    (tmp_path / "deep").mkdir()
    planted = {
        "a": f"log line={' '.join(phrase.split()[5:9])}".encode(),
        "b": b'{"passphrase": "bees like h\xc3\xb6he"}',
        "c": keys.account_secret.hex().encode(),
        "d": b"\0" + key.to_bytes(),
        "e": str(int(key.crt.primes[0])).encode(),
        "f": keys.swarm_seed[::-1],
    }
    for name, data in planted.items():
        (tmp_path / "deep" / name).write_bytes(data)
    for name in planted:
        assert [one for one in secrets.below([tmp_path]) if one.endswith(f"deep/{name}")], name
