"""Registration of a peer: bind its swarm key and statement key to its account on the chain, once."""

from __future__ import annotations

import structlog

from service.address import ss58
from service.chain_client import ChainClient, ChainError, DispatchError, Follower, Signer, WrongChain
from service.chain_client.pallet import calls
from service.units import EXISTENTIAL_DEPOSIT
from service.vault import PeerKeys

log = structlog.get_logger(__name__)

STATEMENT = b"datdot/v1/bind\x00"
SPARE = 10 * EXISTENTIAL_DEPOSIT
"""Needed beside the fee, which is burned: the deposit that must stay on the account, and the transaction's own fee."""


class RegistrationError(Exception):
    """The account is bound to other keys than those of the key file."""


def bind_statement(genesis: bytes, account: bytes, swarm_key: bytes, statement_key: bytes) -> bytes:
    """Return the statement that both keys sign (pallet-spec/README.md section 2)."""
    return STATEMENT + genesis + account + swarm_key + statement_key


async def register(client: ChainClient, signer: Signer, follower: Follower, keys: PeerKeys) -> None:
    """Register the peer unless it already is registered.

    Waits until the account can pay the fee, and for as long as the chain cannot be reached. Raises RegistrationError,
    WrongChain and DispatchError.
    """
    while True:
        try:
            return await _register(client, signer, follower, keys)
        except (WrongChain, DispatchError):
            raise
        except ChainError as error:
            log.warning("not registered yet", error=f"{type(error).__name__}: {error}")
            # Retry once per block: the chain is likely to be back as soon as a new block arrives.
            block = await follower.wait_for(0)
            await follower.wait_for(block.number + 1)


async def _register(client: ChainClient, signer: Signer, follower: Follower, keys: PeerKeys) -> None:
    asked = False
    while True:
        block = await follower.wait_for(0)
        peer = await client.storage.peer(signer.account, block.hash)
        if peer is not None:
            if (peer.swarm_key, peer.statement_key) != (keys.swarm_key, keys.statement_key):
                raise RegistrationError(
                    f"account {keys.address} is bound to the swarm key {peer.swarm_key.hex()}, not to that of this key file"
                )
            return
        needed = (await client.storage.amounts(block.hash)).peer_fee + SPARE
        if await client.balance(signer.account, block.hash) >= needed:
            break
        if not asked:
            asked = True
            log.warning("waiting for money to pay the registration fee", account=ss58(signer.account), needed=needed)
        await follower.wait_for(block.number + 1)

    async def held() -> bool:
        return await client.storage.peer(signer.account) is not None

    message = bind_statement(client.genesis, signer.account, keys.swarm_key, keys.statement_key)
    call = calls.register_peer(
        keys.swarm_key, keys.statement_key, keys.sign_swarm(message), keys.sign_statement(message)
    )
    await signer.submit(call, held)
    log.info("registered", account=ss58(signer.account), swarm_key=keys.swarm_key.hex())
