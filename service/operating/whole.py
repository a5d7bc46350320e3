"""The whole network's state, read once for everybody who looks within some seconds."""

from __future__ import annotations

import asyncio
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
    """What the chain has of everybody at a block."""

    block: BlockRef
    plans: dict[int, Plan]
    copies: dict[int, Copy]
    hosters: dict[bytes, Hoster]
    encoders: dict[bytes, Encoder]
    attesters: dict[bytes, Attester]
    peers: dict[bytes, RegisteredPeer]
    minted: int
    burned: int

    def copies_of(self, plan: int) -> dict[int, Copy]:
        """Return a plan's copies."""
        return {number: copy for number, copy in self.copies.items() if copy.plan == plan}


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

    async def _read(self, block: BlockRef) -> WholeNetwork:
        storage, at = self._client.storage, block.hash
        hosters = await storage.all_of(HOSTERS, ACCOUNT, at)
        return WholeNetwork(
            block,
            await storage.all_plans(at),
            await storage.all_copies(at),
            hosters,
            await storage.all_of(ENCODERS, ACCOUNT, at),
            await storage.all_of(ATTESTERS, ACCOUNT, at),
            await storage.peers_of(hosters, at),
            await storage.minted(at),
            await storage.burned(at),
        )
