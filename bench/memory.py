"""Peak resident memory of an encoder and of a hoster while a copy is made, for feeds of 16 and 64 MiB.

All parts are real: the mock chain, an author, one encoder and one hoster, each `datdot node` in separate processes.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from service.chain_client import ChainClient
from service.chain_client.pallet.types import CopyState
from service.devnet.network import Devnet, NetPeer
from service.feeds.imports import import_path
from service.hypercore import Corestore
from service.roles.sponsor import plans as sponsor
from service.roles.sponsor.terms import plan_terms
from service.session import chain_session
from service.units import UNIT

from .extrinsic import mock_chain
from .registry import Figures, Report, Unavailable, measures

SMALL, LARGE = 16, 64  # MiB
BLOCK_MS = "500"
ENCODING_BLOCK_MS = 6_000  # a lease is 240 blocks: enough time for 64 MiB on slow and busy cores
KINDS = (("author,sponsor", 1, 2_000 * UNIT), ("hoster", 1, 20 * UNIT), ("encoder", 1, 250 * UNIT))
SECONDS = 1_500.0
ERAS = 900


@dataclass(frozen=True)
class Peaks:
    """Peaks in MiB, of a node's own process and its workers together."""

    encoder: float
    hoster: float


def peak_of(pid: int) -> int:
    """Return the peak memory, in bytes, of a process and its living children. Raises Unavailable without /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        raise Unavailable("peak memory is read from /proc, which this system does not have")
    found = 0
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM:"):
            found = int(line.split()[1]) * 1024
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return found + sum(peak_of(int(child)) for child in children.read_text().split())


async def _published(net: Devnet, client: ChainClient, size: int, report: Report) -> int:
    source = net.directory / "source"
    source.write_bytes(os.urandom(size << 20))
    store = Corestore(net.peers[0].directory)
    core = await import_path(store, source)
    await net.start()
    await net.wait_for_offers(client)
    report(f"{size} MiB: publishing")
    async with chain_session(net.rpc, net.peers[0].keys) as session:
        until = (await client.best()).number + ERAS * client.times.era
        terms = plan_terms(1, UNIT // 100, UNIT // 10, UNIT // 100, UNIT // 1000, until)
        plan = (await sponsor.publish_plan(client, session.signer, core, terms, 100 * UNIT)).plan
    store.close()
    return plan


async def _copied(net: Devnet, client: ChainClient, plan: int, size: int, report: Report) -> None:
    """Wait until the plan's copy is active."""
    slow = False
    while True:
        net.check_running()
        found = await client.storage.plan(plan)
        live = () if found is None else found.live
        copies = await client.storage.copies_of(live)
        if any(copy.state is CopyState.ENDED or copy.strikes for copy in copies.values()):
            raise RuntimeError(f"the copy of {size} MiB ended or has strikes")
        if any(copy.state is CopyState.ACTIVE for copy in copies.values()):
            return
        if not slow and any(copy.state is CopyState.ENCODING for copy in copies.values()):
            slow = bool(await client.rpc.request("mock_setSealing", ENCODING_BLOCK_MS))
        report(f"{size} MiB: {', '.join(copy.state.value for copy in copies.values()) or 'placing'}")
        await asyncio.sleep(1)


async def _run(size: int, report: Report) -> Peaks:
    with tempfile.TemporaryDirectory(prefix="datdot-bench-") as directory, mock_chain("model", BLOCK_MS) as ready:
        async with Devnet(Path(directory), ready["rpc"], kinds=KINDS) as net:
            report(f"{size} MiB: starting")
            await net.start_chain()
            async with await ChainClient.connect(net.rpc) as client, asyncio.timeout(SECONDS):
                plan = await _published(net, client, size, report)
                await _copied(net, client, plan, size, report)
            return Peaks(_peak(net.peers, "encoder"), _peak(net.peers, "hoster"))


def _peak(peers: list[NetPeer], role: str) -> float:
    (peer,) = (one for one in peers if one.role == role)
    assert peer.child is not None
    return peak_of(peer.child.pid) / (1 << 20)


_KNOWN: dict[int, Peaks] = {}


def peaks(size: int, report: Report) -> Peaks:
    """Return the peaks of one run with a feed of `size` MiB. Both rows come from the same runs."""
    if size not in _KNOWN:
        _KNOWN[size] = asyncio.run(_run(size, report))
    return _KNOWN[size]


def _measure(role: str, report: Report) -> Figures:
    small, large = (getattr(peaks(size, report), role) for size in (SMALL, LARGE))
    how = (
        f"the most that the {role}'s node and its worker processes ever held (VmHWM, summed) while one copy of a feed "
        f"of {LARGE} MiB was made: {large:.1f} MiB, beside {small:.1f} MiB with {SMALL} MiB; a network on the model chain"
    )
    return Figures("MiB", large, small, f"the same with a feed of {SMALL} MiB", how)


@measures("memory/encoder")
def memory_encoder(report: Report) -> Figures:
    """Measure the encoder's node."""
    return _measure("encoder", report)


@measures("memory/hoster")
def memory_hoster(report: Report) -> Figures:
    """Measure the hoster's node."""
    return _measure("hoster", report)
