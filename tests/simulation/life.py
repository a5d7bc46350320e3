"""One random life of a network, from a seed: what happens in it, and what must hold in it and at its end."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from service.roles.common.terms import RolesConfig
from service.session import Session
from service.vault import PeerKeys
from tests.support.full_disk import full_disk

from .chain import SimChain
from .disk import Disks
from .faults import Faults
from .loop import LIFE, Deadlock, Life, VirtualLoop
from .mutations import MUTATIONS
from .network import Network
from .operators import Operators
from .people import Feeds, Person, Sponsor, upgrade
from .quiet import Quiet
from .rotations import Rotations
from .witness import Witness
from .world import World, account_of

UNIT = 10**12
MONEY = {"author": 20, "hoster": 50, "encoder": 250, "attester": 100}
COMMAND_BLOCKS = 100
"""Longer than the mortality of what a command sends."""
ROOT, SPONSORS = "root", ("sponsor-1", "sponsor-2")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a life is made of."""

    seed: int
    peers: int = 12
    hours: float = 0.25
    block_seconds: float = 6.0
    faults: bool = True
    mutation: str | None = None
    promises: bool = False
    """Every hoster loses its power right after the first run of sectors that it stored."""
    full_disks: bool = False
    """Every peer's disk is full now and then."""
    rotations: bool = False
    """Every peer gets another swarm key, twice."""
    operators: bool = False
    """Nodes have an operator's keys, who is replaced once."""


@dataclass(slots=True)
class Outcome:
    """What became of a life."""

    seed: int
    blocks: int = 0
    hash: str = ""
    failures: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """As the command prints it."""
        end = f"FAILED {self.failures[0]}" if self.failures else "ok"
        return f"seed {self.seed} blocks {self.blocks} hash {self.hash} {end}"


@contextmanager
def drawn_randomness(seed: int) -> Iterator[None]:
    """Let `secrets` draw from the seed, each host from a source of its own."""
    sources: dict[str, Random] = {}

    def source() -> Random:
        life = LIFE.get(None)
        name = life.host if life is not None else ""
        if name not in sources:
            sources[name] = Random(f"{seed} secrets {name}")
        return sources[name]

    kept = secrets.token_bytes, secrets.token_hex, secrets.randbits
    secrets.token_bytes = lambda nbytes=None: source().randbytes(nbytes or 32)
    secrets.token_hex = lambda nbytes=None: source().randbytes(nbytes or 32).hex()
    secrets.randbits = lambda k: source().getrandbits(k)
    try:
        yield
    finally:
        secrets.token_bytes, secrets.token_hex, secrets.randbits = kept


def live(settings: Settings, show: bool = False) -> Outcome:
    """Live one life; `show`: what peers warn of goes to standard error. Not to be called twice in a process."""
    if settings.mutation is not None:
        MUTATIONS[settings.mutation]()
    began = time.process_time()
    loop = VirtualLoop(settings.seed)
    asyncio.set_event_loop(loop)
    disks = Disks()
    witness = Witness(loop, show)
    witness.install()
    outcome = Outcome(settings.seed)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="datdot-life-", dir=memory()))
        stack.enter_context(drawn_randomness(settings.seed))
        disks.install()
        story = _Story(settings, loop, disks, Path(folder), witness)
        stack.enter_context(full_disk(Path(folder), story.world.full))
        try:
            outcome.failures = loop.run_until_complete(story.run())
        except Deadlock as error:
            outcome.failures = [str(error)]
        finally:
            disks.remove()
    _fill(outcome, story, time.process_time() - began)
    return outcome


def _fill(outcome: Outcome, story: _Story, seconds: float) -> None:
    world = story.world
    outcome.blocks, outcome.hash = world.chain.number, world.chain.chain.best.hash.hex()[:16]
    outcome.told = story.faults.told
    outcome.sums = {
        "plans": sum(len(one.published) for one in story.sponsors),
        "copies": story.quiet.copies,
        "crashes": world.crashes,
        "writes refused": world.full.refused,
        "rotations": story.rotations.done,
        "operators": story.operators.done,
        "commands killed": sum(one.killed for one in story.people.values()),
        "blocks for the last plan": story.quiet.fresh_took,
        "steps": world.loop.steps,
        "seconds of processor": round(seconds, 1),
    }


def memory() -> str | None:
    """A folder in memory, where there is one: what a loss of power takes is decided here, not by a real disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _kinds(peers: int) -> list[tuple[str, int]]:
    """How many of each role: an author, three attesters at least, the rest hosters and encoders."""
    attesters = max(3, peers // 5)
    hosters = (peers - 1 - attesters + 1) // 2
    return [("author", 1), ("hoster", hosters), ("encoder", peers - 1 - attesters - hosters), ("attester", attesters)]


class _Story:
    def __init__(self, settings: Settings, loop: VirtualLoop, disks: Disks, top: Path, witness: Witness) -> None:
        self.settings, self.loop, self.witness = settings, loop, witness
        self.random = Random(f"{settings.seed} story")
        keys = {name: self._keys() for name in (ROOT, *SPONSORS)}
        roles = [(f"{kind}-{i}", kind) for kind, count in _kinds(settings.peers) for i in range(1, count + 1)]
        keys |= {name: self._keys() for name, _ in roles}
        money = {account_of(one).public_key: 2_000 * UNIT for one in keys.values()}
        money |= {account_of(keys[name]).public_key: MONEY[kind] * UNIT for name, kind in roles}
        chain = SimChain(settings.seed, settings.block_seconds, account_of(keys[ROOT]).public_key, money)
        config = RolesConfig(checkpoint_sectors=self.random.choice((16, 64, 1 << 18)))
        speed = self.random.choice((4.0, 20.0, 1_400.0))
        network = Network(loop, settings.seed)
        self.world = World(settings.seed, loop, network, chain, disks, top, config, speed)
        for name, kind in roles:
            self.world.add_peer(name, ("author", "sponsor") if kind == "author" else (kind,), keys[name])
        self.people = {name: self._person(name, keys[name]) for name in (ROOT, *SPONSORS)}
        self.feeds = Feeds(Random(f"{settings.seed} feeds"))
        self.sponsors = [Sponsor(self.people[name], self.feeds, most_plans=2) for name in SPONSORS]
        self.faults = Faults(self.world, Random(f"{settings.seed} faults"), [one.link for one in self.people.values()])
        self.rotations = Rotations(self.world, Random(f"{settings.seed} rotations"))
        self.operators = Operators(self.world, Random(f"{settings.seed} operators"))
        self.quiet = Quiet(self.world, witness, self.feeds, self.sponsors[0])

    def _keys(self) -> PeerKeys:
        return PeerKeys(*(self.random.randbytes(32) for _ in range(3)))

    def _person(self, name: str, keys: PeerKeys) -> Person:
        return Person(self.world, name, keys, Random(f"{self.settings.seed} {name}"))

    async def run(self) -> list[str]:
        """Live; what went wrong."""
        world = self.world
        sealing = world.spawn(Life("chain"), world.chain.run())
        try:
            await self._live()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in the story is its failure
            world.fail(f"{type(error).__name__}: {error}")
        sealing.cancel()
        await world.stop()
        if world.chain.broken is not None:
            world.failures.insert(0, world.chain.broken)
        for fault in self.loop.faults:
            world.fail(f"nobody was told: {fault}")
        for left in world.leftovers():
            world.fail(f"left over: {left}")
        return world.failures

    async def _live(self) -> None:
        world, author = self.world, self.world.peers[0]
        for _ in range(self.random.randint(1, 3)):
            self.feeds.create(author.directory)
        seconds = self.settings.hours * 3600
        works = []
        if self.settings.operators:
            self.operators.appoint()
            works.append(world.spawn(Life("employers"), self.operators.run(seconds)))
        for peer in world.peers:
            self.loop.call_later(self.random.random() * 20, world.start, peer)
        await self.people[ROOT].types(self._offers, clumsy=False)
        works += [world.spawn(Life(one.person.name), one.run(seconds)) for one in self.sponsors]
        works.append(world.spawn(Life("writer"), self._write(seconds)))
        if self.settings.rotations:
            works.append(world.spawn(Life("owners"), self.rotations.run(seconds)))
        if self.settings.faults:
            world.spawn(Life("fate"), self.faults.run(self.loop.time() + seconds))
            if self.settings.promises:
                self.faults.break_promises()
            if self.settings.full_disks:
                self.faults.fill_disks(Random(f"{self.settings.seed} disks"))
            if self.random.random() < 0.4:
                works.append(world.spawn(Life("government"), self._upgrade(seconds)))
        await asyncio.sleep(seconds)
        self.faults.stop()
        await self._finish(works)
        await self.people[ROOT].types(lambda session: self.quiet.observe(session, self.sponsors), clumsy=False)

    async def _finish(self, works: list[asyncio.Task[Any]]) -> None:
        """Commands that were under way are done soon after the last fault."""
        done, late = await asyncio.wait(works, timeout=COMMAND_BLOCKS * self.world.chain.block_seconds)
        for work in done:
            work.result()
        if late:
            said = {one.name: one.complaint for one in self.people.values() if one.complaint}
            raise TimeoutError(f"commands are not done {COMMAND_BLOCKS} blocks after the faults: {said}")

    async def _write(self, seconds: float) -> None:
        """The author appends now and then, if its machine runs."""
        end = self.loop.time() + seconds
        while self.loop.time() < end:
            await asyncio.sleep(min(self.random.expovariate(1 / 200), end - self.loop.time()))
            author = self.world.peers[0]
            if author.life is not None and author.folder not in self.world.full.full:
                self.feeds.append(author.directory, self.random.choice(self.feeds.keys))

    async def _upgrade(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.random.random())
        await upgrade(self.people[ROOT], 2)
        self.faults.tell("the runtime was exchanged")

    async def _offers(self, session: Session) -> None:
        """Wait until there is whom a plan can draw."""
        storage, peers = session.client.storage, self.world.peers
        async for _ in session.follower.blocks():
            hosters = [await storage.hoster(one.account) for one in peers if "hoster" in one.roles]
            encoders = [await storage.encoder(one.account) for one in peers if "encoder" in one.roles]
            if all(sum(map(bool, found)) >= min(3, len(found)) for found in (hosters, encoders)):
                return
            if self.world.chain.number > 200:
                raise TimeoutError("there are not enough offers after 200 blocks")
