"""What an operator signs: its calls are the peer's, its nonces and fees its own, and nothing that moves the peer's money."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.chain_client import DispatchError, NotOperable, PalletError
from service.chain_client.operators import OPERABLE, operated
from service.chain_client.pallet import calls
from tests.support.chain_world import ALICE, BOB, World, following_peer
from tests.support.signing import pay

PEER = ALICE.public_key


async def test_calls_are_the_peers_and_nonces_the_operators(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent", BOB, operates=PEER) as peer:
        assert (peer.signer.account, peer.signer.payer) == (PEER, BOB.public_key)
        # by anyone: sent as it is, by the operator
        with pytest.raises(DispatchError) as refused:
            await peer.until(peer.signer.submit(calls.collect(99)), world)
        assert refused.value.kind is PalletError.NO_SUCH_COPY
        assert len(world.executions(BOB.public_key)) == 1
        assert len(world.executions(PEER)) == 0
        pause = peer.signer.made(calls.pause())
        assert (pause.name, pause.arguments) == ("operate", {"peer": PEER, "call": calls.pause()})
        assert await peer.client.fee(BOB.public_key, pause) > await peer.client.fee(BOB.public_key, calls.pause())


async def test_what_an_operator_does_not_call_is_not_sent(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent", BOB, operates=PEER) as peer:
        for call in (pay(), calls.end_plan(0), calls.donate(0, 1, 0), calls.set_operator(None)):
            with pytest.raises(NotOperable, match="is signed by the account's own key"):
                await peer.signer.submit(call)
        assert world.pooled() == 0
    assert {operated(calls.pause(), PEER).arguments["call"].name} < OPERABLE
