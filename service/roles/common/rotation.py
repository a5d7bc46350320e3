"""Rotation of the swarm key: bind another one to the account on the chain, which names it to everybody from then on."""

from __future__ import annotations

from dataclasses import dataclass

from service.address import ss58
from service.chain_client import ChainClient, Signer
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import RegisteredPeer
from service.vault import MOST_ROTATIONS, PeerKeys, Vault

from .registration import bind_statement, named_keys


class RotationRefused(Exception):
    """There is no swarm key to rotate, or none to rotate to. The message says why."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """A swarm key that the chain names, or will: the vault with it, the key before it, and what binding it takes."""

    vault: Vault
    old_key: bytes
    fee: int
    """The peer fee, burned with the call."""
    is_bound: bool = False
    """Whether the chain names the key already, after an earlier run that was cut off: nothing is sent then."""


async def plan_rotation(client: ChainClient, account: bytes, vault: Vault) -> Rotation:
    """Return what a rotation leads to now. Raises RotationRefused and RegistrationError."""
    peer = await _peer(client, account)
    keys = named_keys(vault.keys, peer)
    if keys.swarm_key != vault.keys.swarm_key:
        return Rotation(_with(vault, keys), vault.keys.swarm_key, 0, True)
    fee = (await client.storage.amounts()).peer_fee
    for number in range(vault.swarm_number + 1, MOST_ROTATIONS):
        after = vault.keys.with_swarm_key(number)
        if await client.storage.owner_of_key(after.swarm_key) is None:
            return Rotation(Vault(after, vault.phrase, number), keys.swarm_key, fee)
    raise RotationRefused(
        f"account {keys.address} has used up its {MOST_ROTATIONS} swarm keys: register another account"
    )


async def rotate(client: ChainClient, signer: Signer, rotation: Rotation) -> int | None:
    """Bind the key of a rotation, unless it is; return the block, or None if it was.

    The key follows from the account's secret and the number: nothing is lost if this is cut off. Raises ChainError.
    """
    if rotation.is_bound:
        return None
    keys = rotation.vault.keys

    async def held() -> bool:
        return (await _peer(client, signer.account)).swarm_key == keys.swarm_key

    message = bind_statement(client.genesis, signer.account, keys.swarm_key, keys.statement_key)
    receipt = await signer.submit(calls.rotate_swarm_key(keys.swarm_key, keys.sign_swarm(message)), held)
    return None if receipt is None else receipt.block.number


async def _peer(client: ChainClient, account: bytes) -> RegisteredPeer:
    peer = await client.storage.peer(account)
    if peer is None:
        raise RotationRefused(
            f"account {ss58(account)} is not registered: its first swarm key is bound when its node starts for the first time"
        )
    return peer


def _with(vault: Vault, keys: PeerKeys) -> Vault:
    found = vault.keys.that_have(keys.swarm_key)
    number = None if found is None else found[1]
    return Vault(keys, vault.phrase, vault.swarm_number if number is None else number)
