"""What `datdot doctor` looks at: disk, codec, reach, peers, chain, clock, account and prices, each with what to do about it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from pathlib import Path

from service.address import ss58
from service.chain_client import BlockRef, ChainClient, ChainError, CursorStore
from service.chain_client.mandate import how_to_operate
from service.chain_client.operators import operated
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import Role
from service.disk import DISK_ERRORS, explained, room_at, shown_size
from service.encoding.profiles import SECTOR
from service.hypercore.net import PeerAddress
from service.operating.alerts.rules import LEAST_FEES
from service.operating.clocks import OFF_SECONDS, clock_off
from service.operating.standing import ON_CHAIN
from service.roles.common.funding import how_to_get
from service.roles.common.needs import dear_receiving, dear_report, needs_of
from service.roles.common.pace import EXPECTED_RATE
from service.roles.common.terms import RolesConfig
from service.roles.hoster.fees import read_means, spendable
from service.roles.hoster.room import Room
from service.units import EXISTENTIAL_DEPOSIT, KIB, MIB, decimal
from service.vault import PublicKeys

from .findings import Finding, Grade, bad, good, warning_of
from .measures import codec_rates, disk_rate
from .prices import block_seconds, earnings, read_hosters
from .reaching import AskNode, dial, reach
from .settings import ROLES_FILE, NodeSettings

TRIAL_BYTES = 16 * MIB
SLOW_DISK = 10 * MIB
"""Bytes a second of durable writes that a disk should take."""
BEHIND_BLOCKS = 20
"""Blocks that finality may be behind."""
MOST_PEERS = 16


async def examine(
    directory: Path, settings: NodeSettings, config: RolesConfig, keys: PublicKeys | None, ask: AskNode
) -> AsyncIterator[Finding]:
    """Yield what is found, one thing after the other. `keys` are None if the node has none yet."""
    yield disk_room(directory, settings.roles, config)
    yield await asyncio.to_thread(disk_speed, directory)
    yield await asyncio.to_thread(codec_speed, settings.roles)
    yield await reach(settings, ask)
    for peer in settings.peers[:MOST_PEERS]:
        yield await dialled(peer)
    try:
        async with await ChainClient.connect(settings.chain) as client:
            async for one in _of_chain(client, directory, settings, config, keys):
                yield one
    except (ChainError, TimeoutError, *DISK_ERRORS) as error:
        yield bad("chain", str(error), "see that the chain's node runs, and that --chain is its address")


# ---- this machine


def disk_room(directory: Path, roles: Collection[str], config: RolesConfig) -> Finding:
    """Look at the room on the node's disk, against what it offers."""
    room = Room(directory, config.reserve)
    free = room_at(directory)
    if free is None:
        return warning_of("disk", f"how much is free at {directory} is not known", "see that the disk is mounted")
    text = f"{shown_size(free)} are free, {shown_size(room.reserve)} of them are kept as a reserve"
    if free < room.reserve:
        return bad("disk", text, "make room: no copy is taken")
    capacity = config.hosting.capacity
    if "hoster" in roles and free - room.reserve < capacity:
        told = f"{text}; {shown_size(capacity)} are to be offered"
        return warning_of(
            "disk", told, "less is offered than is said, unless it is filled by copies already: see --capacity"
        )
    return good("disk", text)


def disk_speed(directory: Path) -> Finding:
    """Write a file durably, read how long that took, and remove it."""
    try:
        rate = disk_rate(directory, TRIAL_BYTES)
    except OSError as error:
        return bad("disk speed", explained(directory, error), "repair the disk, or make room on it")
    text = f"{shown_size(int(rate))}/s of durable writes"
    if rate < SLOW_DISK:
        return warning_of("disk speed", text, "other work on the disk, or a slow disk: copies are received no faster")
    return good("disk speed", text)


def codec_speed(roles: Collection[str]) -> Finding:
    """Encode and decode some sectors on one core."""
    found = codec_rates(0)
    sectors = found.encode / SECTOR
    text = (
        f"{found.backend}: one core encodes {sectors:.0f} sectors ({found.encode / KIB:.0f} KiB) a second, "
        f"and decodes {found.decode / KIB:.0f} KiB"
    )
    if "encoder" in roles and sectors * (os.cpu_count() or 1) < EXPECTED_RATE:
        return warning_of(
            "codec", text, "install the codec in Rust (make setup, with cargo); or leave out the role encoder"
        )
    return good("codec", text)


async def dialled(peer: str) -> Finding:
    """Open a connection to a peer at an address that stays, and close it."""
    found = PeerAddress.parse(peer)
    where = f"{found.host}:{found.port}"
    why = await dial(found.host, found.port)
    if why is not None:
        return warning_of("peer", f"{where} {why}", "see that it runs and that its port is open")
    return good("peer", f"{where} answers")


# ---- the chain


ANOTHER = "name that one with --chain; if it is gone for good, as a development chain that began anew, start in a new directory"


def _known(directory: Path) -> tuple[bytes, BlockRef] | None:
    """Return the chain's genesis and the block that the node has in its database, None before it has any."""
    path = directory / ROLES_FILE
    return CursorStore.peek(path) if path.exists() else None


async def _other_block(client: ChainClient, known: BlockRef, final: int) -> Finding | None:
    """Compare a block that the node has taken in with the chain's. Return None if the chain has it. Raises ChainError."""
    if known.number > final:
        text = f"the node has seen block {known.number} already"
        return warning_of(
            "chain", text, f"wait if the chain's node is catching up; else this is another chain: {ANOTHER}"
        )
    if await client.block_hash(known.number) == known.hash:
        return None
    text = f"its block {known.number} is another one than the node has seen: the chain began anew"
    return bad("chain", text, f"what the node stores belongs to the chain of before: {ANOTHER}")


async def _of_chain(
    client: ChainClient, directory: Path, settings: NodeSettings, config: RolesConfig, keys: PublicKeys | None
) -> AsyncIterator[Finding]:
    best, final = await client.best(), await client.finalized()
    text = f"{client.url}: best block {best.number}, final {final.number}, genesis {client.genesis.hex()[:16]}…"
    known = await asyncio.to_thread(_known, directory)
    for genesis in (settings.genesis, None if known is None else known[0].hex()):
        if genesis not in (None, client.genesis.hex()):
            yield bad("chain", text, f"the node's directory is of the chain {genesis}: {ANOTHER}")
            return
    other = None if known is None else await _other_block(client, known[1], final.number)
    if other is not None:
        yield replace(other, text=f"{text}; {other.text}")
        if other.level is Grade.BAD:
            return
    elif best.number - final.number > BEHIND_BLOCKS:
        yield warning_of("chain", text, "finality is behind: look at the chain's node and its validators")
    else:
        yield good("chain", text)
    moment = await client.timestamp(best.hash)
    yield clock(None if moment is None else moment / 1000, time.time())
    if keys is not None:
        yield await money(client, keys.account, settings.roles, config)
        if keys.operator is not None:
            yield await operates(client, keys.account, keys.operator, settings.roles)
        yield await asks(client, settings.roles, config)
    if "hoster" in settings.roles:
        hosters = await read_hosters(client, final.hash)
        seconds = await block_seconds(client, best.number)
        yield earnings(config, hosters, None if seconds is None else client.times.era * seconds)


def clock(chains: float | None, ours: float) -> Finding:
    """Compare the chain's time with this machine's, both in seconds since 1970."""
    off = clock_off(ours, chains)
    if off is None:
        return good("clock", "this chain's time is simulated: there is nothing to compare with")
    text = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the chain's newest block"
    if abs(off) > OFF_SECONDS:
        return warning_of(
            "clock", text, "set the clock (NTP keeps it right), or wait until the chain's node has caught up"
        )
    return good("clock", text)


async def asks(client: ChainClient, roles: Collection[str], config: RolesConfig) -> Finding:
    """Compare the asks with the most that the chain takes. Raises ChainError."""
    amounts = await client.storage.amounts()
    found = [
        dear_receiving(config.hosting.ask_receiving, amounts) if "hoster" in roles else None,
        dear_report(config.attesting.ask, amounts) if "attester" in roles else None,
    ]
    for text in filter(None, found):
        return bad("asks", text, "set it in the node's file, or give the flag")
    return good("asks", "the chain takes offers at these asks")


async def operates(client: ChainClient, account: bytes, operator: bytes, roles: Collection[str]) -> Finding:
    """Look whether the node's key may sign for its account, and can pay what its roles send. Raises ChainError."""
    if ON_CHAIN & set(roles) and await client.storage.operator(account) != operator:
        text = f"{ss58(operator)} is not the operator of {ss58(account)}: nothing that it signs counts"
        return bad("operator", text, how_to_operate(ss58(account), ss58(operator), client.url))
    has = await spendable(client, operator)
    text = f"{ss58(operator)} signs for {ss58(account)}, and has {decimal(has)} UNIT for fees"
    if "hoster" in roles:
        hoster = await client.storage.hoster(account)
        means = await read_means(client, account, 0 if hoster is None else hoster.stored, payer=operator)
        return bad("operator", text, means.remedy(operator)) if means.low else good("operator", text)
    fee = await client.fee(operator, operated(calls.withdraw_offer(Role.ENCODING), account))
    if has >= LEAST_FEES * fee:
        return good("operator", text)
    missing = LEAST_FEES * fee - has
    told = f"send it money, so that it can pay {LEAST_FEES} calls: {how_to_get(ss58(operator), client.url, missing)}"
    return bad("operator", text, told)


async def money(client: ChainClient, account: bytes, roles: Collection[str], config: RolesConfig) -> Finding:
    """Compare what the account has with what its roles need. Raises ChainError."""
    has = await client.balance(account)
    if await client.storage.peer(account) is not None or not {"hoster", "encoder", "attester"} & set(roles):
        return good("money", f"{decimal(has)} UNIT are free")
    needed = sum(one.amount for one in needs_of(roles, config, await client.storage.amounts()))
    text = f"{decimal(has)} UNIT are free; registration and offers take {decimal(needed)} UNIT"
    if has < needed + EXISTENTIAL_DEPOSIT:
        missing = needed + EXISTENTIAL_DEPOSIT - has
        return bad("money", text, f"send the account money: {how_to_get(ss58(account), client.url, missing)}")
    return good("money", text)
