"""The whole network's state, read once for everybody who looks within some seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from service.chain_client import BlockRef, ChainClient, Follower
from service.chain_client.pallet.items import ATTESTERS, ENCODERS, HOSTERS
from service.chain_client.pallet.types import Attester, Copy, Encoder, Hoster, Plan, RegisteredPeer

KEPT_SECONDS = 5.0
"""For how long what was read is shown."""
SECONDS = 30.0
"""For how long a reading may last."""
ACCOUNT = 32


@dataclass(frozen=True, slots=True)
class WholeNetwork:
    """What the chain has of all who offer something, at a block. Plans and copies are looked up when they are shown."""

    block: BlockRef
    published: int
    """Plans that were ever published."""
    hosters: dict[bytes, Hoster]
    encoders: dict[bytes, Encoder]
    attesters: dict[bytes, Attester]
    peers: dict[bytes, RegisteredPeer]
    minted: int
    burned: int


class WholeChain:
    """The reading, and what was read last."""

    def __init__(self, client: ChainClient, follower: Follower) -> None:
        self._client, self._follower = client, follower
        self._found: WholeNetwork | None = None
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    async def read(self) -> WholeNetwork:
        """Return the network at a block that is not older than some seconds. Raises ChainError and TimeoutError."""
        async with asyncio.timeout(SECONDS), self._reading:
            now = asyncio.get_running_loop().time()
            block = (await self._follower.wait_for(0)).ref
            if self._found is None or (self._found.block != block and now - self._read_at >= KEPT_SECONDS):
                self._found, self._read_at = await self._read(block), now
            return self._found

    async def block(self) -> BlockRef:
        """Return the last finalized block. Raises TimeoutError."""
        async with asyncio.timeout(SECONDS):
            return (await self._follower.wait_for(0)).ref

    async def published(self, at: bytes) -> int:
        """Return how many plans were ever published. Raises ChainError and TimeoutError."""
        async with asyncio.timeout(SECONDS):
            return await self._client.storage.next_plan(at)

    async def plans(self, numbers: Iterable[int], at: bytes) -> dict[int, Plan]:
        """Return plans, as far as they exist. Raises ChainError and TimeoutError."""
        async with asyncio.timeout(SECONDS):
            return await self._client.storage.plans_of(numbers, at)

    async def copies(self, plans: Iterable[Plan], at: bytes) -> dict[int, Copy]:
        """Return the copies of plans that have not ended. Raises ChainError and TimeoutError."""
        async with asyncio.timeout(SECONDS):
            return await self._client.storage.copies_of([copy for plan in plans for copy in plan.live], at)

    async def _read(self, block: BlockRef) -> WholeNetwork:
        storage, at = self._client.storage, block.hash
        hosters = await storage.all_of(HOSTERS, ACCOUNT, at)
        return WholeNetwork(
            block,
            await storage.next_plan(at),
            hosters,
            await storage.all_of(ENCODERS, ACCOUNT, at),
            await storage.all_of(ATTESTERS, ACCOUNT, at),
            await storage.peers_of(hosters, at),
            await storage.minted(at),
            await storage.burned(at),
        )
