"""Registration of a peer: bind its swarm key and statement key to its account on the chain, once."""

from __future__ import annotations

from collections.abc import Collection

import structlog

from service.address import ss58
from service.chain_client import ChainClient, ChainError, DispatchError, Follower, Signer, WrongChain
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import RegisteredPeer
from service.vault import PeerKeys

from .needs import SPARE, needs_of, waiting_for
from .terms import RolesConfig

log = structlog.get_logger(__name__)

STATEMENT = b"datdot/v1/bind\x00"


class RegistrationError(Exception):
    """The account is bound to other keys than those of the key file."""


class SwarmKeyChanged(Exception):
    """The chain names another of the account's swarm keys than the one that is in use: `keys` have it."""

    def __init__(self, keys: PeerKeys) -> None:
        super().__init__(f"account {keys.address} has another swarm key now: {keys.swarm_key.hex()}")
        self.keys = keys


def named_keys(keys: PeerKeys, peer: RegisteredPeer) -> PeerKeys:
    """Return the account's keys with the swarm key that the chain names. Raises RegistrationError if it has others.

    An operator does not know the keys that the account has rotated to: it goes on with its own, under which nobody reaches it.
    """
    if keys.peer is not None and peer.statement_key == keys.statement_key:
        return keys
    found = keys.that_have(peer.swarm_key)
    if found is None or peer.statement_key != keys.statement_key:
        made = "" if keys.peer is None else "; make the operator's vault anew: datdot vault operator"
        raise RegistrationError(
            f"account {keys.address} is bound to the swarm key {peer.swarm_key.hex()}, not to that of this key file{made}"
        )
    return found[0]


def bind_statement(genesis: bytes, account: bytes, swarm_key: bytes, statement_key: bytes) -> bytes:
    """Return the statement that both keys sign (pallet-spec/README.md section 2)."""
    return STATEMENT + genesis + account + swarm_key + statement_key


async def register(
    client: ChainClient,
    signer: Signer,
    follower: Follower,
    keys: PeerKeys,
    roles: Collection[str] = (),
    config: RolesConfig | None = None,
) -> None:
    """Register the peer unless it already is registered. An operator waits until the peer's own key has done so, and named it.

    Waits until the account can pay the fee, and for as long as the chain cannot be reached; `roles` and their terms say what
    else it will need money for. Raises RegistrationError, SwarmKeyChanged, WrongChain and DispatchError.
    """
    while True:
        try:
            return await _register(client, signer, follower, keys, (roles, config or RolesConfig()))
        except (WrongChain, DispatchError):
            raise
        except ChainError as error:
            log.warning("not registered yet", error=f"{type(error).__name__}: {error}")
            # Retry once per block: the chain is likely to be back as soon as a new block arrives.
            block = await follower.wait_for(0)
            await follower.wait_for(block.number + 1)


async def _register(
    client: ChainClient,
    signer: Signer,
    follower: Follower,
    keys: PeerKeys,
    plans: tuple[Collection[str], RolesConfig],
) -> None:
    asked = False
    while True:
        block = await follower.wait_for(0)
        peer = await client.storage.peer(signer.account, block.hash)
        if peer is not None:
            named = named_keys(keys, peer)
            if named.swarm_key != keys.swarm_key:
                raise SwarmKeyChanged(named)
            if keys.peer is None:
                return
            operator = await client.storage.operator(signer.account, block.hash)
            if operator == signer.payer:
                signer.mandate.look(block.number, operator)
                return
        if keys.peer is not None:
            if not asked:
                asked = True
                log.warning(
                    "waiting until the account's own key registers it and names this one its operator",
                    **signer.mandate.lacking(),
                )
            await follower.wait_for(block.number + 1)
            continue
        amounts = await client.storage.amounts(block.hash)
        has = await client.balance(signer.account, block.hash)
        if has >= amounts.peer_fee + SPARE:
            break
        if not asked:
            asked = True
            told = waiting_for(signer.account, client.url, has, needs_of(*plans, amounts))
            log.warning("waiting for money to pay the registration fee", **told)
        await follower.wait_for(block.number + 1)
    await bind(client, signer, keys)


async def bind(client: ChainClient, signer: Signer, keys: PeerKeys) -> None:
    """Register the account with its own keys, for the peer fee, unless it is registered. Raises ChainError."""

    async def held() -> bool:
        return await client.storage.peer(signer.account) is not None

    message = bind_statement(client.genesis, signer.account, keys.swarm_key, keys.statement_key)
    call = calls.register_peer(
        keys.swarm_key, keys.statement_key, keys.sign_swarm(message), keys.sign_statement(message)
    )
    await signer.submit(call, held)
    log.info("registered", account=ss58(signer.account), swarm_key=keys.swarm_key.hex())
