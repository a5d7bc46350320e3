"""What must lie on the hosters' disks at the end of a life: the sectors of each active copy, under the chain's roots."""

from __future__ import annotations

from service.chain_client import ChainClient
from service.chain_client.pallet.types import Copy, CopyState, Plan
from service.encoding import Frontier, SectorDecoder, SectorError, contract_id, derive_ctx
from service.encoding.profiles import SECTOR

from .people import Feeds
from .world import World


async def check_copies(world: World, client: ChainClient, feeds: Feeds) -> int:
    """Fail for each active copy that is not on disk as the chain has it; how many there are."""
    count = 0
    plans = await client.storage.all_plans()
    for number, copy in sorted((await client.storage.all_copies()).items()):
        if copy.state is CopyState.ACTIVE:
            count += 1
            try:
                await _check_copy(world, client, feeds, number, copy, plans[copy.plan])
            except (OSError, SectorError, ValueError) as error:
                world.fail(f"copy {number}: {error}")
    return count


async def _check_copy(world: World, client: ChainClient, feeds: Feeds, number: int, copy: Copy, plan: Plan) -> None:
    peer = next(one for one in world.peers if one.account == copy.hoster)
    core, plain = feeds.get(plan.feed), b""
    wanted = b"".join(core.get(block) or b"" for span in plan.ranges for block in range(span.start, span.end))
    for part in copy.segments:
        segment = await client.storage.segment(part.segment)
        modulus = await client.storage.modulus(part.segment)
        assert segment is not None
        assert modulus is not None
        assert segment.salt is not None
        path = peer.directory / "copies" / str(number) / f"{part.segment}.sectors"
        data = path.read_bytes()
        if len(data) != part.sectors * SECTOR:
            raise ValueError(f"{path.name} has {len(data)} bytes, {part.sectors} sectors are on the chain")
        ctx = derive_ctx(
            contract_id=contract_id(client.genesis, number),
            encoder=segment.encoder,
            hoster=copy.hoster,
            pk_hash=segment.pk_hash,
            salt=segment.salt,
        )
        frontier = Frontier(ctx)
        frontier.append(data)
        if frontier.root() != segment.root:
            raise ValueError(f"the sectors of segment {part.segment} on disk have not the root on the chain")
        plain += SectorDecoder(segment.salt, modulus).decode(0, data)[: segment.bytes]
    if plain != wanted:
        raise ValueError("its sectors do not decode to the feed")
