"""One random life of a network, from a seed: what happens in it, and what must hold in it and at its end."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from service.chain_client import calls
from service.chain_client.pallet.types import CopyState, PlanState, Terms
from service.hypercore import Corestore
from service.hypercore.core import Core
from service.roles.common.terms import RolesConfig
from service.roles.sponsor import plans
from service.vault.keyfile import KeyFile

from .chain import Link, SimChain
from .disk import Disks
from .ends import check_copies
from .faults import Faults
from .ledger import Ledger
from .loop import LIFE, Deadlock, Life, VirtualLoop
from .mutations import MUTATIONS
from .network import Network
from .witness import Witness
from .world import World, account_of

UNIT = 10**12
MONEY = {"author": 20, "hoster": 50, "encoder": 250, "attester": 100}
TERMS = (10**10, 10**11, 10**10, 10**9)
QUIET_BLOCKS = 420
"""Within so many blocks after the last fault every copy is active: a lease, its waits, and the encoding."""
WATCHED_ERAS = 2
GRACE_BLOCKS = 40
"""After so many blocks without a fault nothing may fail any more."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a life is made of."""

    seed: int
    peers: int = 12
    hours: float = 0.25
    block_seconds: float = 6.0
    faults: bool = True
    mutation: str | None = None


@dataclass(slots=True)
class Outcome:
    """What became of a life."""

    seed: int
    blocks: int = 0
    hash: str = ""
    failures: list[str] = field(default_factory=list)
    copies: int = 0
    crashes: int = 0
    seconds: float = 0.0
    steps: int = 0
    told: list[str] = field(default_factory=list)

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
    with tempfile.TemporaryDirectory(prefix="datdot-life-", dir=_memory()) as folder, drawn_randomness(settings.seed):
        disks.install()
        try:
            loop.run_until_complete(_Story(settings, loop, disks, Path(folder), outcome, witness).run())
        except Deadlock as error:
            outcome.failures.append(str(error))
        finally:
            disks.remove()
    outcome.seconds = time.process_time() - began
    outcome.steps = loop.steps
    return outcome


def _memory() -> str | None:
    """A folder in memory, where there is one: what a loss of power takes is decided here, not by a real disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _kinds(peers: int) -> list[tuple[str, int]]:
    """How many of each role: an author, three attesters at least, the rest hosters and encoders."""
    attesters = max(3, peers // 5)
    hosters = (peers - 1 - attesters + 1) // 2
    return [("author", 1), ("hoster", hosters), ("encoder", peers - 1 - attesters - hosters), ("attester", attesters)]


class _Story:
    def __init__(
        self, settings: Settings, loop: VirtualLoop, disks: Disks, top: Path, outcome: Outcome, witness: Witness
    ) -> None:
        self.witness = witness
        self.settings, self.loop, self.outcome = settings, loop, outcome
        self.random = Random(f"{settings.seed} story")
        keys = {name: self._keys() for name in ("root", "sponsor-1", "sponsor-2")}
        roles = [(f"{kind}-{i}", kind) for kind, count in _kinds(settings.peers) for i in range(1, count + 1)]
        keys |= {name: self._keys() for name, _ in roles}
        money = {account_of(one).public_key: 2_000 * UNIT for one in keys.values()}
        money |= {account_of(keys[name]).public_key: MONEY[kind] * UNIT for name, kind in roles}
        self.keys = keys
        network = Network(loop, settings.seed)
        chain = SimChain(settings.seed, settings.block_seconds, account_of(keys["root"]).public_key, money)
        config = RolesConfig(checkpoint_sectors=self.random.choice((16, 64, 1 << 18)))
        self.world = World(
            settings.seed, loop, network, chain, disks, top, config, speed=self.random.choice((4.0, 20.0, 1_400.0))
        )
        for name, kind in roles:
            self.world.add_peer(name, ("author", "sponsor") if kind == "author" else (kind,), keys[name])
        self.feeds: list[bytes] = []
        self.ledger = Ledger()
        self.faults = Faults(self.world, Random(f"{settings.seed} faults"))

    def _keys(self) -> KeyFile:
        return KeyFile(*(self.random.randbytes(32) for _ in range(3)))

    async def run(self) -> None:
        world, outcome = self.world, self.outcome
        chain = Life("chain")
        sealing = world.spawn(chain, world.chain.run())
        helpers = [sealing]
        try:
            await self._live()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in the story is its failure
            world.fail(f"{type(error).__name__}: {error}")
        for task in helpers:
            task.cancel()
        await world.stop()
        if world.chain.broken is not None:
            world.failures.insert(0, world.chain.broken)
        for fault in self.loop.faults:
            world.fail(f"unheard of: {fault}")
        for left in world.leftovers():
            world.fail(f"left over: {left}")
        outcome.failures += world.failures
        outcome.blocks = world.chain.number
        outcome.hash = world.chain.chain.best.hash.hex()[:16]
        outcome.crashes = world.crashes
        outcome.told = self.faults.told

    async def _live(self) -> None:
        world = self.world
        self._write_feeds(world.peers[0].directory)
        for peer in world.peers:
            self.loop.call_later(self.random.random() * 20, world.start, peer)
        for name in ("sponsor-1", "sponsor-2"):
            (world.top / name).mkdir()
        life = Life("sponsor-1")
        work = world.spawn(life, self._sponsor())
        end = self.loop.time() + self.settings.hours * 3600
        if self.settings.faults:
            world.spawn(Life("fate"), self.faults.run(end))
        await asyncio.sleep(end - self.loop.time())
        await work
        self.faults.stop()
        await self._settle()

    def _write_feeds(self, directory: Path) -> None:
        """The author's feeds, and a copy of them for the sponsor."""
        store = Corestore(directory)
        for number in range(self.random.randint(1, 2)):
            core = store.create(f"feed-{number}")
            blocks = [self.random.randbytes(self.random.randint(1, 3000)) for _ in range(self.random.randint(2, 24))]
            core.append(blocks)
            core.flush()
            self.feeds.append(core.key)
        store.close()
        self.store = Corestore(None)
        source = Corestore(directory)
        for key in self.feeds:
            self._copy(source.get(key), self.store.get(key))
        source.close()

    def _copy(self, source: Core, target: Core) -> None:
        from service.hypercore.tree.proof import BlockRequest, Request, UpgradeRequest

        upgrade = UpgradeRequest(0, source.length)
        target.apply(source.prove(Request(upgrade=upgrade, manifest=True)))
        for block in range(source.length):
            target.apply(source.prove(Request(block=BlockRequest(block, target.missing_nodes(2 * block)))))
        target.flush()

    async def _sponsor(self) -> None:
        world = self.world
        link, life = Link(0.01), LIFE.get()
        async with world.session(life, link, self.keys["sponsor-1"], world.top / "sponsor-1") as session:
            await self._offers(session.client)
            for key in self.feeds:
                await asyncio.sleep(self.random.random() * 200)
                core = self.store.get(key)
                hosters = sum(peer.roles == ("hoster",) for peer in world.peers)
                best = await session.client.best()
                until = best.number + 100 * session.client.times.era
                terms = Terms(self.random.randint(1, min(3, hosters)), *TERMS, until)
                await plans.publish_plan(session.client, session.signer, core, terms, 100 * UNIT)
                if self.random.random() < 0.5:
                    number = len(await session.client.storage.all_plans()) - 1
                    await plans.donate(session.client, session.signer, number, UNIT)

    async def _offers(self, client: object) -> None:
        """Wait until there is whom a plan can draw."""
        from service.chain_client import ChainClient

        assert isinstance(client, ChainClient)
        storage = client.storage
        for _ in range(200):
            hosters = [await storage.hoster(p.account) for p in self.world.peers if p.roles == ("hoster",)]
            encoders = [await storage.encoder(p.account) for p in self.world.peers if p.roles == ("encoder",)]
            if sum(map(bool, hosters)) >= 3 and sum(map(bool, encoders)) >= 3:
                return
            await asyncio.sleep(self.settings.block_seconds)
        raise TimeoutError("no offers within 200 blocks")

    async def _settle(self) -> None:
        """Faults have stopped: all becomes well, within a bound, and stays well."""
        world = self.world
        life = Life("observer")
        await world.spawn(life, self._observe())

    async def _observe(self) -> None:
        world = self.world
        quiet = world.chain.number
        self.witness.quiet_from = self.loop.time() + GRACE_BLOCKS * world.chain.block_seconds
        link = Link(0.0)
        (world.top / "observer").mkdir()
        async with world.session(LIFE.get(), link, self.keys["root"], world.top / "observer") as session:
            client = session.client
            blocks = session.follower.blocks()
            while world.chain.broken is None and not world.failures:
                copies = await client.storage.all_copies()
                found = await client.storage.all_plans()
                wanted = sum(plan.terms.replicas for plan in found.values() if plan.state is PlanState.LIVE)
                active = sum(copy.state is CopyState.ACTIVE for copy in copies.values())
                if active >= wanted:
                    break
                if world.chain.number > quiet + QUIET_BLOCKS:
                    states = {number: copy.state.name for number, copy in copies.items()}
                    world.fail(
                        f"{active} of {wanted} copies are active {QUIET_BLOCKS} blocks after the faults: {states}"
                    )
                    return
                await anext(blocks)
            active_at = world.chain.number
            while world.chain.number < active_at + WATCHED_ERAS * client.times.era and not world.failures:
                await anext(blocks)
            await self.ledger.read(client, world.chain, quiet + GRACE_BLOCKS)
            world.failures += self.ledger.failures + self.witness.failed
            self.outcome.copies = active
            await check_copies(world, client, {key: self.store.get(key) for key in self.feeds})


__all__ = ["Outcome", "Settings", "calls", "live"]
