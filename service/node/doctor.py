"""What `datdot doctor` looks at: disk, codec, chain, clock, account, peers and prices, each with what to do about it."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from statistics import median

from service import durable
from service.address import ss58
from service.chain_client import BlockRef, ChainClient, ChainError, CursorStore
from service.chain_client.pallet.items import HOSTERS
from service.chain_client.pallet.types import Hoster
from service.disk import DISK_ERRORS, explained, room_at, shown_size
from service.encoding import PrivateKey, SectorDecoder, SectorEncoder
from service.encoding.profiles import SECTOR
from service.hypercore.net import PeerAddress
from service.operating.clocks import OFF_SECONDS, clock_off
from service.roles.common.funding import how_to_get
from service.roles.common.needs import needs_of
from service.roles.common.pace import EXPECTED_RATE
from service.roles.common.terms import RolesConfig
from service.roles.hoster.room import Room
from service.units import EXISTENTIAL_DEPOSIT, GIB, KIB, MIB, decimal

from .settings import ROLES_FILE, NodeSettings, announced

TRIAL_BYTES, TRIAL_FILE = 16 * MIB, "trial"
SLOW_DISK = 10 * MIB
"""Bytes a second of durable writes that a disk should take."""
TRIAL_SECTORS = 64
BEHIND_BLOCKS = 20
"""Blocks that finality may be behind."""
DIAL_SECONDS = 5.0
MOST_PEERS = 16
MOST_HOSTERS = 2_000
"""Hosters whose prices are looked at."""
DAY = 86_400.0


class Grade(Enum):
    """How a thing is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing; what to do stands in `remedy` if it is not good."""

    what: str
    level: Grade
    text: str
    remedy: str = ""


def good(what: str, text: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(what, Grade.GOOD, text)


def warning_of(what: str, text: str, remedy: str) -> Finding:
    """Return one that is to be looked at."""
    return Finding(what, Grade.WARNING, text, remedy)


def bad(what: str, text: str, remedy: str) -> Finding:
    """Return one with which the node does not do its work."""
    return Finding(what, Grade.BAD, text, remedy)


async def examine(
    directory: Path, settings: NodeSettings, config: RolesConfig, account: bytes | None
) -> AsyncIterator[Finding]:
    """Yield what is found, one thing after the other. `account` is None if the node has no keys yet."""
    yield disk_room(directory, settings.roles, config)
    yield await asyncio.to_thread(disk_speed, directory)
    yield await asyncio.to_thread(codec_speed, settings.roles)
    yield reach(settings)
    for peer in settings.peers[:MOST_PEERS]:
        yield await dialled(peer)
    try:
        async with await ChainClient.connect(settings.chain) as client:
            async for one in _of_chain(client, directory, settings, config, account):
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
    path = directory / TRIAL_FILE
    start = time.monotonic()
    try:
        durable.replace(path, os.urandom(MIB) * (TRIAL_BYTES // MIB))
        seconds = max(time.monotonic() - start, 1e-6)
        durable.remove(path)
    except OSError as error:
        return bad("disk speed", explained(path, error), "repair the disk, or make room on it")
    rate = TRIAL_BYTES / seconds
    text = f"{shown_size(int(rate))}/s of durable writes"
    if rate < SLOW_DISK:
        return warning_of("disk speed", text, "other work on the disk, or a slow disk: copies are received no faster")
    return good("disk speed", text)


def codec_speed(roles: Collection[str]) -> Finding:
    """Encode and decode some sectors on one core."""
    key, salt = PrivateKey.generate(), bytes(32)
    encoder = SectorEncoder(salt, key)
    start = time.monotonic()
    encoded = encoder.encode(0, bytes(TRIAL_SECTORS * SECTOR))
    middle = time.monotonic()
    SectorDecoder(salt, key.modulus).decode(0, encoded)
    rate = TRIAL_SECTORS / max(middle - start, 1e-6)
    read = TRIAL_SECTORS / max(time.monotonic() - middle, 1e-6)
    text = (
        f"{encoder.backend}: one core encodes {rate:.0f} sectors ({rate * SECTOR / KIB:.0f} KiB) a second, "
        f"and decodes {read * SECTOR / KIB:.0f} KiB"
    )
    encoder.close()
    cores = os.cpu_count() or 1
    if "encoder" in roles and rate * cores < EXPECTED_RATE:
        return warning_of(
            "codec", text, "install the codec in Rust (make setup, with cargo); or leave out the role encoder"
        )
    return good("codec", text)


def reach(settings: NodeSettings) -> Finding:
    """Look whether others can know an address of the node, or its key in a DHT. Nobody is asked from outside."""
    where = announced(settings.announce, settings.host, settings.port)
    if where is not None and not _is_loopback(where):
        return good("reach", f"others dial {where}, if that port is open")
    if settings.bootstrap:
        return good("reach", "others dial its key, which they find in the DHT")
    text = "nobody elsewhere can dial it: " + (
        "it listens on this machine only" if where else "no address is announced"
    )
    return warning_of(
        "reach", text, "--listen 0.0.0.0:PORT with --announce HOST:PORT; or --bootstrap HOST:PORT, for a DHT"
    )


def _is_loopback(where: str) -> bool:
    host = where.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


async def dialled(peer: str) -> Finding:
    """Open a connection to a peer at an address that stays, and close it."""
    found = PeerAddress.parse(peer)
    where = f"{found.host}:{found.port}"
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            _, writer = await asyncio.open_connection(found.host, found.port)
    except (OSError, TimeoutError) as error:
        text = f"{where} does not answer: {error or 'no answer in time'}"
        return warning_of("peer", text, "see that it runs and that its port is open")
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
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
    client: ChainClient, directory: Path, settings: NodeSettings, config: RolesConfig, account: bytes | None
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
    if account is not None:
        yield await money(client, account, settings.roles, config)
    if "hoster" in settings.roles:
        hosters = await _hosters(client, final.hash)
        seconds = await _block_seconds(client, best.number)
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


def earnings(config: RolesConfig, hosters: Collection[Hoster], era_seconds: float | None) -> Finding:
    """Return what the disk can earn at its ask, and how that stands beside what others ask."""
    ask, size = config.hosting.ask_disk, config.hosting.capacity
    an_era = ask * size // GIB
    a_day = "" if not era_seconds else f", {decimal(int(an_era * DAY / era_seconds))} a day"
    text = (
        f"{shown_size(size)} at {decimal(ask)} UNIT earn {decimal(an_era)} UNIT an era{a_day}, when all of it is used"
    )
    others = [one for one in hosters if one.open]
    if not others:
        return good("earnings", f"{text}; nobody else offers now")
    middle = int(median(one.ask_disk for one in others))
    capacity, used = sum(one.capacity for one in others), sum(one.used for one in others)
    share = 100 * used // max(1, capacity)
    text += f"; {len(others)} hosters offer, in the middle for {decimal(middle)} UNIT, and {share} % of that is used"
    if ask > 2 * middle:
        return warning_of("earnings", text, "plans with a lower highest price pass this node by: see --ask-disk")
    return good("earnings", text)


async def _hosters(client: ChainClient, at: bytes) -> list[Hoster]:
    """Return hosters of a block, `MOST_HOSTERS` or some more of them. Raises ChainError."""
    found: list[Hoster] = []
    async for page in client.storage.pages(HOSTERS, 32, at):
        found += page.values()
        if len(found) >= MOST_HOSTERS:
            break
    return found


async def _block_seconds(client: ChainClient, best: int, blocks: int = 20) -> float | None:
    """Return the time of a block by the chain's own clock, None if that is not known."""
    first = max(1, best - blocks)
    if best <= first:
        return None
    moments = []
    for number in (first, best):
        found = await client.block_hash(number)
        try:
            moments.append(None if found is None else await client.timestamp(found))
        except ChainError:
            return None  # its state is gone: what follows needs no exact figure
    start, end = moments
    return None if start is None or end is None else (end - start) / 1000 / (best - first)
