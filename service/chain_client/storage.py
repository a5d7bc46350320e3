"""Typed reads of the chain's storage, many entries in one round trip."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from .call import PALLET
from .errors import ConnectionLost, UnknownRuntime
from .pallet.item import Item
from .pallet.items import (
    AMOUNT,
    ATTESTERS,
    BURNED,
    COPIES,
    DEADLINES,
    ENCODERS,
    ERAS,
    FROZEN,
    HOSTER_DRAWS,
    HOSTERS,
    KEYS,
    MINTED,
    MODULI,
    NEXT_COPY,
    NEXT_PLAN,
    NEXT_SEGMENT,
    OPERATORS,
    PEERS,
    PLANS,
    RATIOS,
    REPORTS,
    RETRIEVALS,
    ROOTS,
    SEEDS,
    SEGMENTS,
    SHARES,
    SLOTS,
    STORAGE_CHALLENGES,
    TIME,
)
from .pallet.types import (
    Amounts,
    Attester,
    Copy,
    Deadline,
    Encoder,
    EraInfo,
    Hoster,
    Plan,
    Ratio,
    RegisteredPeer,
    Retrieval,
    Root,
    Segment,
    Slot,
    StorageChallenge,
    Times,
    Wait,
)
from .rpc import NodeRpc
from .runtime.metadata import Runtime

T = TypeVar("T")
PAGE = 500
"""Keys or entries in one request."""
SLICE = 256
"""Entries that are decoded before the event loop gets a turn: some five milliseconds of work."""
WAITS = tuple(Wait)
"""The kinds of expiries, each at its index in the metadata."""
RuntimeAt = Callable[[bytes | None], Awaitable[Runtime]]


def u32(value: int) -> bytes:
    """Encode a SCALE u32."""
    return value.to_bytes(4, "little")


def u64(value: int) -> bytes:
    """Encode a SCALE u64."""
    return value.to_bytes(8, "little")


class Storage:
    """Reads of the chain's storage at a block.

    `at` is the block's hash, or None for the best block. Absent entries are None, or the item's default.
    """

    def __init__(self, rpc: NodeRpc, runtime_at: RuntimeAt) -> None:
        self._rpc, self._runtime_at = rpc, runtime_at

    async def read(self, item: Item[T], keys: Sequence[bytes] = (), at: bytes | None = None) -> T | None:
        """Read one entry."""
        return (await self.read_many(item, [tuple(keys)], at))[0]

    async def read_many(
        self, item: Item[T], keys: Sequence[tuple[bytes, ...]], at: bytes | None = None
    ) -> list[T | None]:
        """Read many entries of one item, in the order of `keys`."""
        if not keys:
            return []
        runtime = await self._runtime_at(at)
        raw = [
            "0x" + runtime.storage_key(PALLET, item.name, *key).hex() async for some in _sliced(keys) for key in some
        ]
        found = await self._values(raw, at)
        return [self._decode(runtime, item, found.get(key)) async for some in _sliced(raw) for key in some]

    async def all_of(self, item: Item[T], key_bytes: int, at: bytes | None = None) -> dict[bytes, T]:
        """Read a whole map with one key of `key_bytes`, in pages. Return it by the key's bytes."""
        return {key: value async for page in self.pages(item, key_bytes, at) for key, value in page.items()}

    async def pages(
        self, item: Item[T], key_bytes: int, at: bytes | None = None, first: bytes = b""
    ) -> AsyncIterator[dict[bytes, T]]:
        """Yield a map, some hundred entries at a time: of several keys, those under the `first` one."""
        runtime = await self._runtime_at(at)
        prefix = "0x" + runtime.storage_key(PALLET, item.name, *([first] if first else [])).hex()
        async for page in self._keys(prefix, at):
            values = await self._values(page, at)
            found: dict[bytes, T] = {}
            async for some in _sliced(page):
                for key in some:
                    value = None if values.get(key) is None else self._decode(runtime, item, values[key])
                    if value is not None:
                        found[bytes.fromhex(key[2:])[-key_bytes:]] = value
            yield found

    async def _keys(self, prefix: str, at: bytes | None) -> AsyncIterator[list[str]]:
        """Yield the keys under a prefix, in pages. Raises ConnectionLost if a node's pages would have no end."""
        start = prefix
        while page := await self._rpc.request("state_getKeysPaged", prefix, PAGE, start, *_at(at)):
            if page[-1] <= start:
                raise ConnectionLost(f"the node's pages have no end: its keys after {start} do not come after it")
            yield page
            start = page[-1]

    async def _values(self, keys: list[str], at: bytes | None) -> dict[str, str | None]:
        pages = [keys[start : start + PAGE] for start in range(0, len(keys), PAGE)]
        answers = await asyncio.gather(*(self._rpc.request("state_queryStorageAt", page, *_at(at)) for page in pages))
        return {key: value for answer in answers for change in answer for key, value in change["changes"]}

    @staticmethod
    def _decode(runtime: Runtime, item: Item[T], value: str | None) -> T | None:
        data = bytes.fromhex(value[2:]) if value is not None else runtime.storage_default(PALLET, item.name)
        if data is None:
            return None
        decoded: T = runtime.decode_storage(PALLET, item.name, data, item.kind)
        return decoded

    async def _count(self, item: Item[int], keys: Sequence[bytes], at: bytes | None) -> int:
        return await self.read(item, keys, at) or 0

    async def times(self, at: bytes | None = None) -> Times:
        """Return the time spans of the chain."""
        times = await self.read(TIME, (), at)
        return _present(times, "Time")

    async def amounts(self, at: bytes | None = None) -> Amounts:
        """Return the amounts in force."""
        amounts = await self.read(AMOUNT, (), at)
        return _present(amounts, "Amount")

    async def minted(self, at: bytes | None = None) -> int:
        """Return the total ever minted, in the smallest unit."""
        return await self._count(MINTED, (), at)

    async def burned(self, at: bytes | None = None) -> int:
        """Return the total ever burned, in the smallest unit."""
        return await self._count(BURNED, (), at)

    async def seed(self, block: int, at: bytes | None = None) -> bytes | None:
        """Return `seed(b)`, which the chain keeps for 256 blocks."""
        return await self.read(SEEDS, (u32(block),), at)

    async def era(self, era: int, at: bytes | None = None) -> EraInfo | None:
        """Return the record `Era(r)`."""
        return await self.read(ERAS, (u32(era),), at)

    async def peer(self, account: bytes, at: bytes | None = None) -> RegisteredPeer | None:
        """Return a registered account."""
        return await self.read(PEERS, (account,), at)

    async def owner_of_key(self, key: bytes, at: bytes | None = None) -> bytes | None:
        """Return the account to which a swarm or statement key is bound, or was; no other account can bind it."""
        return await self.read(KEYS, (key,), at)

    async def operator(self, account: bytes, at: bytes | None = None) -> bytes | None:
        """Return the account that makes a peer's calls for it."""
        return await self.read(OPERATORS, (account,), at)

    async def hoster(self, account: bytes, at: bytes | None = None) -> Hoster | None:
        """Return a hoster's state."""
        return await self.read(HOSTERS, (account,), at)

    async def encoder(self, account: bytes, at: bytes | None = None) -> Encoder | None:
        """Return an encoder's state."""
        return await self.read(ENCODERS, (account,), at)

    async def encoders_among(self, accounts: Iterable[bytes], at: bytes | None = None) -> set[bytes]:
        """Return those of several accounts that ever offered to encode."""
        wanted = list(dict.fromkeys(accounts))
        found = await self.read_many(ENCODERS, [(account,) for account in wanted], at)
        return {account for account, encoder in zip(wanted, found, strict=True) if encoder is not None}

    async def attester(self, account: bytes, at: bytes | None = None) -> Attester | None:
        """Return an attester's state."""
        return await self.read(ATTESTERS, (account,), at)

    async def slot(self, index: int, at: bytes | None = None) -> Slot | None:
        """Return an attester's slot, or None at a hole."""
        return await self.read(SLOTS, (u32(index),), at)

    async def plan(self, plan: int, at: bytes | None = None) -> Plan | None:
        """Return a plan."""
        return await self.read(PLANS, (u64(plan),), at)

    async def roots(self, plan: int, at: bytes | None = None) -> tuple[Root, ...] | None:
        """Return the roots of a plan's head."""
        return await self.read(ROOTS, (u64(plan),), at)

    async def frozen(self, feed: bytes, at: bytes | None = None) -> int | None:
        """Return the block in which it was shown that a feed's owner signed two histories, or None."""
        return await self.read(FROZEN, (feed,), at)

    async def share(self, plan: int, account: bytes, at: bytes | None = None) -> int | None:
        """Return a donor's shares."""
        return await self.read(SHARES, (u64(plan), account), at)

    async def shares_of(self, account: bytes, plans: Iterable[int], at: bytes | None = None) -> dict[int, int]:
        """Return a donor's shares of several plans, as far as it has any."""
        wanted = list(plans)
        found = await self.read_many(SHARES, [(u64(plan), account) for plan in wanted], at)
        return {plan: shares for plan, shares in zip(wanted, found, strict=True) if shares}

    async def copy(self, copy: int, at: bytes | None = None) -> Copy | None:
        """Return a copy."""
        return await self.read(COPIES, (u64(copy),), at)

    async def segment(self, segment: int, at: bytes | None = None) -> Segment | None:
        """Return a segment."""
        return await self.read(SEGMENTS, (u64(segment),), at)

    async def modulus(self, segment: int, at: bytes | None = None) -> bytes | None:
        """Return the modulus N of a segment, big endian."""
        return await self.read(MODULI, (u64(segment),), at)

    async def storage_challenge(self, hoster: bytes, at: bytes | None = None) -> StorageChallenge | None:
        """Return a hoster's open challenge."""
        return await self.read(STORAGE_CHALLENGES, (hoster,), at)

    async def retrieval(self, era: int, copy: int, at: bytes | None = None) -> Retrieval | None:
        """Return the committee of (era, copy), once an attester has committed."""
        return await self.read(RETRIEVALS, (u32(era), u64(copy)), at)

    async def retrievals_of(
        self, challenges: Iterable[tuple[int, int]], at: bytes | None = None
    ) -> dict[tuple[int, int], Retrieval]:
        """Return the committees of several (era, copy), as far as they have a record."""
        wanted = list(dict.fromkeys(challenges))
        found = await self.read_many(RETRIEVALS, [(u32(era), u64(copy)) for era, copy in wanted], at)
        return {one: value for one, value in zip(wanted, found, strict=True) if value is not None}

    async def ratio(self, account: bytes, at: bytes | None = None) -> Ratio:
        """Return what an account gave and took."""
        ratio = await self.read(RATIOS, (account,), at)
        return _present(ratio, "Ratios")

    async def report(self, digest: bytes, at: bytes | None = None) -> int | None:
        """Return the block in which a report of an invalid encoding was committed to, or None."""
        return await self.read(REPORTS, (digest,), at)

    async def hoster_slot(self, account: bytes, at: bytes | None = None) -> int | None:
        """Return a hoster's slot in the draw table."""
        draw = await self.read(HOSTER_DRAWS, (account,), at)
        return None if draw is None else draw.slot

    async def deadlines(self, wait: Wait, at: bytes | None = None) -> list[Deadline]:
        """Return every expiry of a kind that is armed. There may be thousands."""
        kind = WAITS.index(wait).to_bytes(1, "little")
        return [found async for page in self.pages(DEADLINES, 8, at, kind) for found in page.values()]

    async def next_plan(self, at: bytes | None = None) -> int:
        """Return the id of the next plan."""
        return await self._count(NEXT_PLAN, (), at)

    async def next_copy(self, at: bytes | None = None) -> int:
        """Return the id of the next copy."""
        return await self._count(NEXT_COPY, (), at)

    async def next_segment(self, at: bytes | None = None) -> int:
        """Return the id of the next segment."""
        return await self._count(NEXT_SEGMENT, (), at)

    async def plans_of(self, plans: Iterable[int], at: bytes | None = None) -> dict[int, Plan]:
        """Return several plans, as far as they exist."""
        return await self._by_id(PLANS, plans, u64, at)

    async def copies_of(self, copies: Iterable[int], at: bytes | None = None) -> dict[int, Copy]:
        """Return several copies, as far as they exist."""
        return await self._by_id(COPIES, copies, u64, at)

    async def segments_of(self, segments: Iterable[int], at: bytes | None = None) -> dict[int, Segment]:
        """Return several segments, as far as they exist."""
        return await self._by_id(SEGMENTS, segments, u64, at)

    async def moduli_of(self, segments: Iterable[int], at: bytes | None = None) -> dict[int, bytes]:
        """Return the moduli of several segments."""
        return await self._by_id(MODULI, segments, u64, at)

    async def slots_of(self, slots: Iterable[int], at: bytes | None = None) -> dict[int, Slot]:
        """Return several slots, leaving out holes."""
        return await self._by_id(SLOTS, slots, u32, at)

    async def peers_of(self, accounts: Iterable[bytes], at: bytes | None = None) -> dict[bytes, RegisteredPeer]:
        """Return several registered accounts."""
        wanted = list(dict.fromkeys(accounts))
        found = await self.read_many(PEERS, [(account,) for account in wanted], at)
        return {account: peer for account, peer in zip(wanted, found, strict=True) if peer is not None}

    async def all_plans(self, at: bytes | None = None) -> dict[int, Plan]:
        """Return every plan whose records are kept."""
        return _by_number(await self.all_of(PLANS, 8, at))

    async def all_copies(self, at: bytes | None = None) -> dict[int, Copy]:
        """Return every copy whose records are kept."""
        return _by_number(await self.all_of(COPIES, 8, at))

    async def pages_of_plans(self, at: bytes | None = None) -> AsyncIterator[dict[int, Plan]]:
        """Yield every plan whose records are kept, some hundred at a time."""
        async for page in self.pages(PLANS, 8, at):
            yield _by_number(page)

    async def numbers_of_copies(self, at: bytes | None = None) -> AsyncIterator[list[int]]:
        """Yield the numbers of all copies whose records are kept, some hundred at a time, and read none of them."""
        runtime = await self._runtime_at(at)
        async for page in self._keys("0x" + runtime.storage_key(PALLET, COPIES.name).hex(), at):
            yield [int.from_bytes(bytes.fromhex(key[-16:]), "little") for key in page]

    async def _by_id(
        self, item: Item[T], ids: Iterable[int], encode: Callable[[int], bytes], at: bytes | None
    ) -> dict[int, T]:
        wanted = list(dict.fromkeys(ids))
        found = await self.read_many(item, [(encode(one),) for one in wanted], at)
        return {one: value for one, value in zip(wanted, found, strict=True) if value is not None}


async def _sliced(entries: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """Yield entries SLICE at a time. Between two slices the event loop gets a turn."""
    for start in range(0, len(entries), SLICE):
        if start:
            await asyncio.sleep(0)
        yield entries[start : start + SLICE]


def _at(at: bytes | None) -> tuple[str, ...]:
    return () if at is None else ("0x" + at.hex(),)


def _by_number(entries: dict[bytes, T]) -> dict[int, T]:
    return {number: entries[key] for number, key in sorted((int.from_bytes(key, "little"), key) for key in entries)}


def _present(value: T | None, name: str) -> T:
    if value is None:
        raise UnknownRuntime(f"the chain's genesis has no DatDot.{name}: this is not a datdot chain")
    return value
