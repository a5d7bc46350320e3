"""The demo: the main job, once, on real parts, with checks of its result."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from service.address import ss58
from service.chain_client import Block, BlockStream, ChainClient, ConnectionLost
from service.chain_client.pallet import events
from service.chain_client.pallet.types import CopyState, Verdict
from service.feeds.export import export_feed
from service.feeds.fetch import fetch_feed
from service.feeds.imports import check_apart, import_path
from service.hypercore import Core, Corestore, KeyPair
from service.hypercore.swarm.dht.address import Address, bootstrap_nodes
from service.hypercore.swarm.transport import SwarmTransport
from service.roles.sponsor import plans as sponsor
from service.roles.sponsor.terms import plan_terms
from service.session import Session, chain_session
from service.units import UNIT
from service.views.plan import show_plan

from .forked import Forked
from .network import Devnet, NetPeer
from .processes import uninterrupted
from .view import CopyLife, View

INPUT_BYTES = 4 << 20
PROOFS = 3
"""Storage challenges that each hoster of the plan must have answered."""
PATIENCE_BLOCKS = 1_800
"""Blocks after the publication within which everything must be proved."""
BLOCK_MS = 250
"""Time between blocks of the mock chain: somebody watches, and waits for each of them."""
WATCH_SECONDS = 1.0
"""Interval at which the network's processes and the chain are checked."""
STALL_SECONDS = 120.0
"""Time without a finalized block after which the chain, and with it the demo, counts as stalled."""
SPARE_ERAS = 60
"""Length of the plan in eras, more than the demo needs."""
POT = 100 * UNIT


class DemoFailed(Exception):
    """The job was not done. The message is the reason."""


@dataclass(slots=True)
class Demo:
    """One run: what its peers and the chain have reported so far."""

    net: Devnet
    replicas: int
    view: View
    plan: int | None = None
    published: int = 0
    copies: dict[int, CopyLife] = field(default_factory=dict)
    proofs: dict[bytes, int] = field(default_factory=dict)
    earned: dict[bytes, int] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)

    def life(self, copy: int) -> CopyLife:
        """Return what is known of a copy."""
        return self.copies.setdefault(copy, CopyLife())

    def on_line(self, peer: NetPeer, line: dict[str, Any]) -> None:
        """Handle a line of a peer's output. Only an encoder's progress matters."""
        if line.get("event") == "encoding" and line.get("of"):
            self.view.progress(self.life(int(line["copy"])), line)

    def on_block(self, block: Block) -> None:
        """Handle a finalized block's events. Raises DemoFailed for an event that must not happen."""
        for record in block.events:
            event = record.event
            if isinstance(event, events.CopyOffered) and event.plan == self.plan:
                self.life(event.copy).hoster = event.hoster
                self._state(block, event.copy, f"offered to {ss58(event.hoster)[:8]}")
            elif getattr(event, "copy", None) in self.copies:
                self._on_copy(block, event)
            elif isinstance(event, events.StorageProved | events.StorageMissed):
                self._on_storage(block, event)

    def _on_copy(self, block: Block, event: Any) -> None:
        match event:
            case events.EncoderDrawn():
                self._state(block, event.copy, f"encoder {ss58(event.encoder)[:8]} drawn")
            case events.SegmentBegun():
                self._state(block, event.copy, f"segment {event.segment} begun, its salt comes in {event.salt_block}")
            case events.SegmentConfirmed():
                self._state(block, event.copy, f"segment {event.segment} confirmed, root {event.root.hex()[:16]}")
            case events.CopyActive():
                self._state(block, event.copy, "active")
            case events.CopyEnded():
                self._state(block, event.copy, f"ended: {event.reason.value}")
            case events.RetrievalRevealed():
                self.life(event.copy).reveals += 1
            case events.RetrievalSettled():
                self._settled(block, event)
            case events.Paid():
                self.earned[event.account] = self.earned.get(event.account, 0) + event.amount
            case _:
                pass

    def _on_storage(self, block: Block, event: events.StorageProved | events.StorageMissed) -> None:
        if event.issued <= self.published or event.hoster not in {peer.keys.account for peer in self.net.peers}:
            return  # of an earlier run, or of another user of this chain
        name = ss58(event.hoster)
        if isinstance(event, events.StorageMissed):
            raise DemoFailed(f"hoster {name} left the storage challenge of block {event.issued} unanswered")
        self.proofs[event.hoster] = self.proofs.get(event.hoster, 0) + 1
        self.view.say(f"block {block.number}  hoster {name[:8]} proved its storage")

    def _state(self, block: Block, copy: int, state: str) -> None:
        self.life(copy).state = state
        self.view.say(f"block {block.number}  copy {copy}  {state}")

    def _settled(self, block: Block, event: events.RetrievalSettled) -> None:
        if event.verdict is Verdict.FAILED:
            raise DemoFailed(
                f"copy {event.copy} failed its retrieval challenge of era {event.era}: "
                f"{event.fails} of {event.reports} attesters were not served"
            )
        life = self.life(event.copy)
        figures = ""
        if event.verdict is Verdict.PASSED:
            life.verdicts += 1
            life.latency_ms, life.kib_per_s = event.latency_ms, event.kib_per_s
            figures = f", {event.latency_ms} ms, {event.kib_per_s} KiB/s"
        verdict = event.verdict.value.lower()
        self.view.say(f"block {block.number}  copy {event.copy}  retrieval {verdict}: {event.reports} reports{figures}")

    def figures(self) -> dict[str, Any]:
        """Return the figures counted from the chain's events, for the result."""
        return {
            "storage_proofs_accepted": sum(self.proofs.values()),
            "retrievals_revealed": sum(life.reveals for life in self.copies.values()),
            "minted": str(sum(self.earned.values())),
            "peers": [
                {
                    "role": peer.role,
                    "account": peer.keys.address,
                    "dir": str(peer.directory),
                    "earned": str(self.earned.get(peer.keys.account, 0)),
                }
                for peer in self.net.peers
            ],
        }

    async def done(self, client: ChainClient, block: Block) -> bool:
        """Return whether every replica is active and has answered the challenges that the demo wants to see."""
        found = await client.storage.plan(self.plan, block.hash) if self.plan is not None else None
        if found is None or len(found.live) < self.replicas:
            return False
        copies = await client.storage.copies_of(found.live, block.hash)
        return all(
            copy.state is CopyState.ACTIVE
            and self.proofs.get(copy.hoster, 0) >= PROOFS
            and self.life(number).verdicts > 0
            for number, copy in copies.items()
        )


def repository_files(target: Path) -> Path:
    """Copy the first 4 MiB of the repository's tracked files into a folder. Raises DemoFailed outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    try:
        listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise DemoFailed(f"{root} is not a git checkout: name a file or folder to import ({error})") from error
    left = INPUT_BYTES
    for name in listed.decode().split("\0"):
        path = root / name
        if not name or left == 0 or path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()[:left]
        left -= len(data)
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data)
    return target


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's names and bytes."""
    hasher = hashlib.sha256()
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for one in files:
        data = one.read_bytes()
        name = "" if one == path else one.relative_to(path).as_posix()
        hasher.update(f"{name}\0{len(data)}\0".encode() + data)
    return hasher.hexdigest()


async def run_demo(
    path: Path | None,
    chain: str,
    directory: Path | None,
    replicas: int,
    console: Console | None,
    forked: Sequence[Forked] = (),
) -> dict[str, Any]:
    """Do the job, check it, and return the object of `datdot demo --json`.

    `directory` is kept; with None a temporary one is used and removed. `forked` become its peers.
    """
    where = Path(tempfile.mkdtemp(prefix="datdot-demo-")) if directory is None else directory
    net = Devnet(where, chain, block_ms=BLOCK_MS, forked=list(forked))
    demo = Demo(net, replicas, View(console))
    net.on_line = demo.on_line
    demo.result = {
        "ok": False, "reason": "", "chain": chain, "genesis": "", "feed": "", "bytes": 0, "copies": 0, "active": 0,
        "storage_proofs_accepted": 0, "retrievals_revealed": 0, "minted": "0", "burned": "0", "bytes_read_back": 0,
        "identical": False, "peers": [], "plan": None,
    }  # fmt: skip
    try:
        await _job(demo, path, where)
        demo.result["ok"] = True
    except Exception as error:  # noqa: BLE001 - whatever fails, the demo says why and cleans up
        demo.result["reason"] = _reason(error)
        demo.result.update(demo.figures())
    finally:
        await uninterrupted(_clean_up(net, where, directory is not None))
    if demo.result["ok"]:
        demo.view.tables(demo.result, demo.copies, {ss58(account): number for account, number in demo.proofs.items()})
        demo.view.say("done")
    return demo.result


def _reason(error: Exception) -> str:
    """Return what went wrong, unwrapping the groups in which task errors come."""
    if isinstance(error, ExceptionGroup):
        return "; ".join(_reason(one) for one in error.exceptions)
    return str(error) or type(error).__name__


async def _clean_up(net: Devnet, where: Path, keep: bool) -> None:
    await net.stop(kill=not keep)
    if not keep:
        await asyncio.to_thread(shutil.rmtree, where)


async def _job(demo: Demo, path: Path | None, where: Path) -> None:
    net, result = demo.net, demo.result
    if path is not None:
        check_apart(path, where)
    async with AsyncExitStack() as stack:
        demo.view.say(f"starting the chain ({net.chain}) in {where}")
        await net.start_chain()
        client = await stack.enter_async_context(await ChainClient.connect(net.rpc))
        result["genesis"] = client.genesis.hex()
        await _beside(_watch(net, client), _work(demo, client, path, where))


async def _beside(watch: Coroutine[Any, Any, None], work: Coroutine[Any, Any, None]) -> None:
    """Do the work to its end, or until the watch raises."""
    tasks = [asyncio.create_task(watch), asyncio.create_task(work)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await uninterrupted(_ended(tasks))


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


async def _watch(net: Devnet, client: ChainClient) -> None:
    """Watch the network. Raises DevnetError if a process ends by itself, and DemoFailed if the chain stalls."""
    last, since = -1, time.monotonic()
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        net.check_running()
        with suppress(ConnectionLost):
            number = (await client.finalized()).number
            if number != last:
                last, since = number, time.monotonic()
        if time.monotonic() > since + STALL_SECONDS:
            raise DemoFailed(f"the chain has finalized no block for {STALL_SECONDS:.0f} s, the last one is {last}")


async def _work(demo: Demo, client: ChainClient, path: Path | None, where: Path) -> None:
    net, result = demo.net, demo.result
    async with AsyncExitStack() as stack:
        starting = asyncio.create_task(_start(demo, client))
        stack.push_async_callback(_end, starting)
        source = path if path is not None else await uninterrupted(asyncio.to_thread(repository_files, where / "input"))
        store = Corestore(net.peers[0].directory)
        stack.callback(store.close)
        core = await import_path(store, source)
        result["feed"], result["bytes"] = core.key.hex(), core.byte_length
        demo.view.say(f"imported {source}: feed {core.key.hex()}, {core.length} blocks, {core.byte_length} bytes")
        await starting
        session = await stack.enter_async_context(chain_session(net.rpc, net.peers[0].keys))
        blocks = session.follower.blocks()
        await _follow_plan(demo, session, core, blocks)
        await _stop_author(demo)
        await _read_back(demo, core.key, source, where)
        await _sum_up(demo, session, blocks)


async def _start(demo: Demo, client: ChainClient) -> None:
    """Start the peers, and wait until their offers stand."""
    await demo.net.start()
    demo.view.say(f"{len(demo.net.peers)} peers run and have money")
    await demo.net.wait_for_offers(client)
    demo.view.say("all offers stand on the chain")


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


async def _follow_plan(demo: Demo, session: Session, core: Core, blocks: BlockStream) -> None:
    """Publish the plan, and follow the chain until everything is proved."""
    client = session.client
    best = await client.best()
    until = best.number + SPARE_ERAS * client.times.era
    terms = plan_terms(demo.replicas, UNIT // 100, UNIT // 10, UNIT // 100, UNIT // 1000, until)
    published = await sponsor.publish_plan(client, session.signer, core, terms, POT)
    demo.plan, demo.published = published.plan, published.block.number
    demo.view.say(f"block {published.block.number}  plan {published.plan} published with {demo.replicas} replicas")
    async for block in blocks:
        demo.net.check_running()
        demo.on_block(block)
        if await demo.done(client, block):
            return
        if block.number > published.block.number + PATIENCE_BLOCKS:
            states = "; ".join(f"copy {n}: {life.state}" for n, life in sorted(demo.copies.items()))
            lease = f"a segment has {client.times.lease} blocks to be made in"
            raise DemoFailed(f"not all was proved within {PATIENCE_BLOCKS} blocks ({lease}): {states or 'no copy'}")


async def _stop_author(demo: Demo) -> None:
    child = demo.net.peers[0].child
    assert child is not None
    await child.stop()
    demo.view.say("the author is gone")


async def _read_back(demo: Demo, key: bytes, source: Path, where: Path) -> None:
    """Fetch everything with a fresh reader, who knows nothing but the feed's key, and compare it with the import."""
    target = where / "read-back"
    store = Corestore(None)
    try:
        core = store.get(key)
        start = time.monotonic()
        async with SwarmTransport(KeyPair.generate(), bootstrap_nodes(demo.net.bootstrap)) as transport:
            await transport.join(Address("127.0.0.1", 0))
            await fetch_feed(core, transport)
        seconds = time.monotonic() - start
        demo.result["bytes_read_back"] = core.byte_length
        if target.exists():
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        await export_feed(core, target)
    finally:
        store.close()
    same = await asyncio.to_thread(lambda: digest(source) == digest(target))
    demo.result["identical"] = same
    verdict = "identical" if same else "WRONG"
    demo.view.say(f"a fresh reader got {core.byte_length} bytes from the hosters in {seconds:.1f} s: {verdict}")
    if not same:
        raise DemoFailed("the data read back from the hosters differs from what was imported")


async def _sum_up(demo: Demo, session: Session, blocks: BlockStream) -> None:
    """Complete the result as of one block, counting all events up to it. Raises DemoFailed."""
    result, last = demo.result, await session.client.finalized()
    async for block in blocks:
        demo.on_block(block)
        if block.number >= last.number:
            break
    assert demo.plan is not None
    shown = await show_plan(session.client, demo.plan, block.ref)
    assert shown is not None
    live = [copy for copy in shown["copies"] if copy["state"] == CopyState.ACTIVE.value]
    result.update(demo.figures(), copies=len(shown["copies"]), active=len(live), burned=shown["burned"], plan=shown)
    if len(live) < demo.replicas:
        raise DemoFailed(f"{len(live)} of {demo.replicas} copies are active at the end")
