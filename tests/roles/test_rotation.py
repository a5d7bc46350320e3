"""A peer's next swarm key: bound once and paid for once, whatever is cut off, and nothing that is under way minds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.chain_client.pallet import events
from service.node.rekeying import keys_to_listen_on
from service.roles.common.registration import RegistrationError, SwarmKeyChanged, register
from service.roles.common.rotation import Rotation, RotationRefused, plan_rotation, rotate
from service.vault import PeerKeys, Vault
from tests.support.small_chain import MONEY, Line, SmallChain, account, keys_of, running_chain
from tests.support.small_net import LivePeer, Net, check_copy, copied, is_active, read_back

ALICE = keys_of("Alice")


@pytest.fixture
async def chain() -> AsyncIterator[SmallChain]:
    async with running_chain({account("Alice"): MONEY}) as chain:
        yield chain


@pytest.fixture
async def alice(chain: SmallChain, tmp_path: Path) -> AsyncIterator[Line]:
    line = await Line.open(chain, ALICE, tmp_path)
    yield line
    await line.close()


async def rotated(line: Line, vault: Vault) -> tuple[Rotation, int | None]:
    planned = await plan_rotation(line.client, line.signer.account, vault)
    return planned, await rotate(line.client, line.signer, planned)


def names(chain: SmallChain) -> list[str]:
    return [call.name for call in chain.heard]


async def test_each_rotation_binds_the_next_key(chain: SmallChain, alice: Line) -> None:
    await register(alice.client, alice.signer, alice.follower, ALICE)
    vault = Vault(ALICE, "a phrase")
    for number in (1, 2, 3):
        before = vault.keys.swarm_key
        planned, block = await rotated(alice, vault)
        assert planned.old_key == before
        assert block == chain.number
        vault = planned.vault
        assert vault == Vault(ALICE.with_swarm_key(number), "a phrase", number)
        peer = chain.peer(alice.signer.account)
        assert peer is not None
        assert (peer.swarm_key, peer.statement_key) == (vault.keys.swarm_key, ALICE.statement_key)
    assert names(chain) == ["register_peer", *["rotate_swarm_key"] * 3]
    assert [event.swarm_key for event in chain.events(events.SwarmKeyRotated)] == [
        ALICE.with_swarm_key(number).swarm_key for number in (1, 2, 3)
    ]
    assert not chain.refused


async def test_what_was_cut_off_is_finished_and_not_paid_twice(chain: SmallChain, alice: Line) -> None:
    """The chain has the new key, and the vault's file the old one, or one of long ago: a phrase brings back number 0."""
    await register(alice.client, alice.signer, alice.follower, ALICE)
    first = (await rotated(alice, Vault(ALICE)))[0].vault
    second = (await rotated(alice, first))[0].vault
    for old in (first, Vault(ALICE)):
        planned, block = await rotated(alice, old)
        assert (planned.vault, planned.is_bound, block) == (second, True, None)
    assert names(chain).count("rotate_swarm_key") == 2


async def test_a_key_that_was_bound_once_is_passed_over(chain: SmallChain, alice: Line) -> None:
    await register(alice.client, alice.signer, alice.follower, ALICE)
    for _ in range(2):
        vault = Vault(ALICE if not chain.events(events.SwarmKeyRotated) else ALICE.with_swarm_key(1))
        planned, _block = await rotated(alice, vault)  # a vault that lost count
    assert planned.vault.swarm_number == 2


async def test_a_node_listens_on_the_key_that_the_chain_names(alice: Line) -> None:
    who = alice.signer.account
    assert await keys_to_listen_on(alice.client, who, ALICE) is ALICE, "before it is registered"
    await register(alice.client, alice.signer, alice.follower, ALICE)
    assert await keys_to_listen_on(alice.client, who, ALICE) is ALICE
    new = (await rotated(alice, Vault(ALICE)))[0].vault.keys
    assert await keys_to_listen_on(alice.client, who, ALICE) == new
    assert await keys_to_listen_on(alice.client, who, new) is new
    with pytest.raises(SwarmKeyChanged) as changed:
        await register(alice.client, alice.signer, alice.follower, ALICE)
    assert changed.value.keys == new
    await register(alice.client, alice.signer, alice.follower, new)


async def test_others_keys_are_refused(chain: SmallChain, alice: Line) -> None:
    with pytest.raises(RotationRefused, match="is not registered"):
        await plan_rotation(alice.client, alice.signer.account, Vault(ALICE))
    await register(alice.client, alice.signer, alice.follower, ALICE)
    other = PeerKeys(bytes(32), bytes(31) + b"\2", ALICE.statement_seed)
    with pytest.raises(RegistrationError, match=ALICE.swarm_key.hex()):
        await plan_rotation(alice.client, alice.signer.account, Vault(other))
    assert names(chain) == ["register_peer"]


async def move(peer: LivePeer) -> None:
    """Stop a peer, rotate its swarm key, and start it with the new one."""
    await peer.stop(crash=True)
    directory = peer.net.directory / f"owner of {peer.name}"
    directory.mkdir(exist_ok=True)
    line = await Line.open(peer.net.chain, peer.keys, directory)
    planned, _ = await rotated(line, Vault(peer.keys))
    await line.close()
    peer.keys = planned.vault.keys
    await peer.start()


async def test_a_copy_is_made_while_both_its_parties_rotate(net: Net) -> None:
    """Its segment goes on where it was: the encoder dials the hoster's new key, which knows the encoder by its new one."""
    async with copied(net, [30_000] * 10) as (_, encoder, hoster, core, copy):
        await net.chain.until(lambda: hoster.stored() and hoster.stored()[-1] >= 600)
        await move(encoder)
        seen = hoster.stored()[-1]
        await net.chain.until(lambda: hoster.stored()[-1] > seen)
        await move(hoster)
        await net.chain.until(is_active(net, copy))
        check_copy(net, hoster, core, copy)
    assert not net.chain.refused


async def test_a_hoster_that_rotates_goes_on_proving_and_serving(net: Net) -> None:
    async with copied(net) as (writer, _, hoster, core, copy):
        await net.chain.until(is_active(net, copy))
        await move(hoster)
        before = len(net.chain.proved(hoster.account))
        await net.chain.until(lambda: len(net.chain.proved(hoster.account)) >= before + 2)
        assert net.chain.events(events.StorageMissed) == []
        await net.leave(writer)
        assert len(await read_back(net, "Reader", core, hoster)) == core.length
    assert not net.chain.refused
