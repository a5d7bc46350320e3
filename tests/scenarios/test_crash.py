"""kill -9 of a peer at the worst moments: started again in the same directory, it goes on, and nothing is done twice."""

from __future__ import annotations

from typing import Any

import pytest

from service.chain_client.pallet import events
from service.chain_client.pallet.types import Copy
from service.devnet.network import NetPeer
from tests.support.whole_network import Network, Published

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.case("network/kill_loop")]

BIG, SMALL = 1 << 20, 100_000
ROUNDS = 3


@pytest.fixture(scope="module")
def chain() -> str:
    """One backend will do: every step is tried on both elsewhere."""
    return "wasm"


def midway(role: str, event: str, plan_copies: set[int]) -> Any:
    """Progress of a copy that has begun and is far from done."""

    def matches(peer: NetPeer, line: dict[str, Any]) -> bool:
        mine = peer.role == role and line.get("event") == event and line["copy"] in plan_copies
        return mine and 0 < line["sectors"] < line["of"] * 3 // 4

    return matches


async def hosted(net: Network, size: int, seed: int) -> tuple[Published, int, Copy, NetPeer]:
    """A plan whose one copy is active, and the copy's hoster."""
    published = await net.publish(size, seed=seed)
    await net.active(published.plan)
    number, copy = await net.only_copy(published.plan)
    return published, number, copy, net.peer(copy.hoster)


async def offered(net: Network, plan: int) -> int:
    """The copy that a plan gets."""
    event = await net.event(events.CopyOffered, plan=plan)
    found: int = event.copy
    return found


def stored_lines(net: Network, copy: int) -> list[int]:
    """How many sectors the hoster told to be durable, one report after another."""
    return [line["sectors"] for _, line in net.lines if line.get("event") == "stored" and line["copy"] == copy]


async def finished(net: Network, published: Published, number: int) -> None:
    """The plan's first copy is the only one, whole, of one segment, proved and paid once, and can be read."""
    copies = await net.active(published.plan)
    only, copy = await net.only_copy(published.plan)
    assert list(copies) == [only] == [number]
    assert copy.strikes == 0
    assert len(copy.segments) == 1
    told = stored_lines(net, number)
    assert told == sorted(set(told)), "sectors that were durable were received again"
    await net.check_stored(published)
    await net.event(events.StorageProved, after=copy.active_since or 0, hoster=copy.hoster)
    await net.check_books()
    assert await net.read(published.core, [net.peer(copy.hoster)]) == published.data


async def test_an_encoder_killed_while_it_encodes(net: Network) -> None:
    published = await net.publish(BIG, seed=1)
    number = await offered(net, published.plan)
    encoder, line = await net.line("an encoder is midway", midway("encoder", "encoding", {number}))
    await net.kill(encoder)
    await net.restart(encoder)
    await finished(net, published, number)
    copy = (await net.copies(published.plan))[number]
    assert copy.encoders == (encoder.keys.account,)
    assert [part.segment for part in copy.segments] == [line["segment"]]


async def test_a_hoster_killed_while_it_receives(net: Network) -> None:
    published = await net.publish(BIG, seed=2)
    number = await offered(net, published.plan)
    hoster, line = await net.line("a hoster is midway", midway("hoster", "stored", {number}))
    await net.kill(hoster)
    sectors = hoster.directory / "copies" / str(number) / f"{line['segment']}.sectors"
    assert sectors.stat().st_size >= 256 * line["sectors"], "what was told to be durable is on the disk"
    await net.restart(hoster)
    await finished(net, published, number)
    copy = (await net.copies(published.plan))[number]
    assert copy.hoster == hoster.keys.account
    assert [part.segment for part in copy.segments] == [line["segment"]]


async def test_a_hoster_killed_while_a_challenge_is_open(net: Network) -> None:
    published, number, copy, hoster = await hosted(net, SMALL, 3)
    for _ in range(ROUNDS):
        before = net.now
        await net.until_state(
            "a challenge is open", lambda at: net.client.storage.storage_challenge(copy.hoster, at), best=True
        )
        await net.kill(hoster)  # its answer may have been made, sent, or not
        await net.restart(hoster)
        await net.event(events.StorageProved, after=before, hoster=copy.hoster)
    assert not net.happened(events.StorageMissed, hoster=copy.hoster)
    await finished(net, published, number)


async def test_a_hoster_killed_while_it_hosts(net: Network) -> None:
    published, number, copy, hoster = await hosted(net, SMALL, 4)
    await net.kill(hoster)
    # one may have been open before: then no other comes
    challenge = await net.until_state(
        "a challenge is open", lambda at: net.client.storage.storage_challenge(copy.hoster, at)
    )
    await net.restart(hoster)  # in time
    await net.event(events.StorageProved, hoster=copy.hoster, issued=challenge.issued)
    await finished(net, published, number)
    await net.kill(hoster)
    before = net.now
    await net.event(events.StorageMissed, after=before, hoster=copy.hoster)
    await net.event(events.CopyStruck, after=before)  # of the hoster's copies, as far as the challenge asked for them
    await net.restart(hoster)  # too late for that one: the copies live on, with a strike
    before = net.now
    await net.event(events.StorageProved, after=before, hoster=copy.hoster)
    assert not net.happened(events.CopyEnded, copy=number)
    assert await net.read(published.core, [hoster]) == published.data
    await net.check_stored(published)
    await net.check_books()
