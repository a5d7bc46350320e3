"""What a block costs each role that has nothing to do in it, by what it keeps: 10 copies or 1,000, and beside foreign ones."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from runtime_mock.model.datdot import items
from runtime_mock.model.datdot.records import CopyState
from runtime_mock.state.trie import Trie
from service.chain_client import Block, ChainClient
from service.chain_client.own_copies import own_hosted, own_jobs
from service.roles.attester.decisions import OwnSeat
from service.roles.attester.links import LinkStore
from service.roles.attester.role import AttesterRole
from service.roles.common.context import Context
from service.roles.common.database import Database
from service.roles.common.terms import RolesConfig
from service.roles.common.troubles import Troubles
from service.roles.common.watch import READ_AGAIN, CopyWatch
from service.roles.sponsor.role import AuthorRole

from ._network import REPLICAS, SECTORS, Network, made_up
from .client import AT, a_runtime, by_scalecodec, client_of, processor
from .registry import Figures, Report, measures

OWN, MANY, FOREIGN = 10, 1_000, 2_000
TURNS = 3

Look = Callable[[Block], Awaitable[Any]]
"""What a role reads with a block."""
Kept = Callable[[], int]
"""Returns how many copies, seats or plans the role knows to be its own."""


class Peer:
    """One peer of a network, of which a number of copies are its own, as a role sees it."""

    def __init__(self, role: str, own: int, foreign: int, directory: Path) -> None:
        hosts = role == "hoster"
        network = self.network = Network(
            3 + foreign // own, 3 * own + foreign if hosts else max(own + foreign, REPLICAS)
        )
        party = {"hoster": network.hosting, "encoder": network.encoding, "attester": network.attesting}.get(role)
        self.account = (party or network.sponsors)[0].id
        self.copies = list(network.copies_of(0) if hosts else range(own))
        self.plans = sorted({number // REPLICAS for number in self.copies})
        self.database = Database(directory / "roles.sqlite")
        self._make_foreign(foreign)
        made = {"hoster": self._hoster, "encoder": self._encoder, "author": self._author, "attester": self._attester}
        self.look, self.kept = made[role](directory)
        self.own = self.plans if role == "author" else self.copies

    def _make_foreign(self, foreign: int) -> None:
        """Let the copies of others be in the making."""
        state, mine = self.network.state, set(self.copies)
        for number, copy in items.Copies.entries(state) if foreign else ():
            if number not in mine:
                items.Copies.put(state, number, replace(copy, state=CopyState.ENCODING))

    def _client(self) -> ChainClient:
        return client_of(self.network.state.trie(), self.network)

    def _context(self, directory: Path, **more: Any) -> Context:
        signer = SimpleNamespace(account=self.account)
        given = {"client": self._client(), "signer": signer, "database": self.database, "directory": directory}
        return cast("Context", SimpleNamespace(**given, config=RolesConfig(), troubles=Troubles(), **more))

    def _hoster(self, directory: Path) -> tuple[Look, Kept]:
        client = self._client()
        find = partial(own_hosted, client.storage, self.account, ())
        watch = CopyWatch(client, self.account, lambda copy: copy.hoster == self.account, find)
        return watch.look, lambda: len(watch.copies)

    def _encoder(self, directory: Path) -> tuple[Look, Kept]:
        client, kept = self._client(), set(self.copies)
        find = partial(own_jobs, client.storage, self.account, kept)
        watch = CopyWatch(client, self.account, lambda copy: copy.encoder == self.account, find, lambda: kept)
        return watch.look, lambda: len(watch.copies)

    def _author(self, directory: Path) -> tuple[Look, Kept]:
        state = self.network.state
        for number, plan in list(items.Plans.entries(state)):
            items.Plans.put(state, number, replace(plan, terms=replace(plan.terms, live=True)))
        feeds = {made_up("feed", number) for number in self.plans}
        store = SimpleNamespace(keys=lambda: feeds, known=lambda feed: None)
        role = AuthorRole(self._context(directory, store=store))
        return role._facts, lambda: sum(feed in feeds for feed, _ in role._live.values())

    def _attester(self, directory: Path) -> tuple[Look, Kept]:
        network, genesis = self.network, made_up("genesis")
        anchor = LinkStore(directory, self.database, genesis, self.account).unused(None)
        offer = items.Attesters.get(network.state, self.account)
        assert offer is not None
        offer = replace(offer, anchor=anchor, link=anchor, link_era=network.era - 1)
        items.Attesters.put(network.state, self.account, offer)
        context = self._context(directory)
        cast("Any", context.client).genesis = genesis
        role = AttesterRole(context)
        role._seats = network.era, tuple(OwnSeat(number, SECTORS, bytes(32)) for number in self.copies)
        return role._facts, lambda: len(role._seats[1])


async def looking(peer: Peer) -> float:
    """Return the seconds of the processor that a block takes, after the first one."""
    start = peer.network.at
    await peer.look(Block(start, AT, AT, ()))
    begun = time.process_time()
    for number in range(start + 1, start + 1 + READ_AGAIN):
        await peer.look(Block(number, AT, AT, ()))
    taken = (time.process_time() - begun) / READ_AGAIN
    assert peer.kept() == len(peer.own)
    return taken


def by_peer(state: Trie, item: str, numbers: list[int]) -> float:
    """Return the seconds of the processor in which scalecodec reads these entries."""
    runtime = a_runtime()
    keys = [runtime.storage_key("DatDot", item, number.to_bytes(8, "little")) for number in numbers]
    entries = [found for key in keys if (found := state.get(key)) is not None]
    assert len(entries) == len(keys)
    return processor(lambda: [by_scalecodec(runtime, "DatDot", item, one) for one in entries])


def resting(role: str, own: int, foreign: int) -> Callable[[Report], Figures]:
    """Return the measurement of a role whose copies rest, beside so many copies of others that are being made."""

    def measure(report: Report) -> Figures:
        report(f"{role}: {own} copies")
        with tempfile.TemporaryDirectory() as directory:
            peer = Peer(role, own, foreign, Path(directory))
            ours = min(asyncio.run(looking(peer)) for _ in range(TURNS))
            peer.database.close()
        report("the same entries by scalecodec")
        state = peer.network.state.trie()
        theirs = by_peer(state, "Copies", peer.copies) + by_peer(state, "Plans", peer.plans)
        how = (
            f"{len(peer.copies)} own copies of {len(peer.plans)} plans at rest, {foreign} copies of others in the making; the "
            f"mean of {READ_AGAIN} blocks, the stand-in for a node included; scalecodec reads the own copies and their plans "
            "once, as each block did before."
        )
        return Figures("ms of the processor a block", ours * 1e3, theirs * 1e3, "scalecodec, own copies and plans", how)

    return measure


for _role in ("hoster", "encoder", "attester", "author"):
    measures(f"client/idle-block/{_role}/{OWN}")(resting(_role, OWN, 0))
    measures(f"client/idle-block/{_role}/{MANY}")(resting(_role, MANY, 0))
    measures(f"client/idle-block/{_role}/{OWN}+{FOREIGN}")(resting(_role, OWN, FOREIGN))
