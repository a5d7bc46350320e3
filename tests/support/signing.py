"""Payments that the tests of the signer sign, and what must come of them."""

from __future__ import annotations

from service.chain_client import Call, Receipt, frame
from service.chain_client.runtime.extrinsic import extrinsic_hash
from tests.support.chain_world import BOB, UNIT, Peer, World

AMOUNT = 3 * UNIT


def pay(amount: int = AMOUNT) -> Call:
    return frame.transfer(BOB.public_key, amount)


async def check_once(world: World, peer: Peer, receipt: Receipt | None) -> None:
    """One execution, of which the receipt tells."""
    assert receipt is not None
    assert world.hashes(peer.signer.account) == [receipt.hash]
    block = world.engine.chain.at(receipt.block.number)
    assert block is not None
    assert block.hash == receipt.block.hash
    assert extrinsic_hash(block.body[receipt.index]) == receipt.hash
    assert [one.name for one in receipt.events if one.pallet == "Balances"].count("Transfer") == 1
    assert receipt.events[-1].name == "ExtrinsicSuccess"
    assert all(one.extrinsic == receipt.index for one in receipt.events)
    assert not peer.signer._sent
