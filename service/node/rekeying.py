"""Keys that change on the chain while nodes run: our swarm key and operator, and static peers that are known by older keys."""

from __future__ import annotations

import structlog

from service.chain_client import (
    Block,
    ChainClient,
    ConnectionLost,
    Follower,
    RpcError,
    Signer,
    StateDiscarded,
    UnknownRuntime,
)
from service.chain_client.mandate import Mandate
from service.chain_client.pallet.events import OperatorSet, SwarmKeyRotated
from service.hypercore.net import TcpTransport
from service.roles.common.registration import SwarmKeyChanged
from service.vault import PeerKeys

log = structlog.get_logger(__name__)

UNREAD = (ConnectionLost, RpcError, StateDiscarded, UnknownRuntime)
"""Why the chain's state cannot be read now."""


async def keys_to_listen_on(client: ChainClient, account: bytes, keys: PeerKeys) -> PeerKeys:
    """Return the keys with the swarm key that the chain names, if it names one of the account's. Raises ChainError."""
    peer = await client.storage.peer(account)
    found = None if peer is None else keys.that_have(peer.swarm_key)
    if found is None or found[0].swarm_key == keys.swarm_key:
        return keys
    log.warning(
        "the chain names another swarm key of this account than the vault: it is used",
        swarm_key=found[0].swarm_key.hex(),
        remedy="run datdot vault rotate once more: it brings the vault up to date, and costs nothing",
    )
    return found[0]


class SwarmKeys:
    """Follow rotations on the chain: ours ends the node's run, and static peers are known by their new keys."""

    def __init__(self, client: ChainClient, signer: Signer, keys: PeerKeys, transport: TcpTransport) -> None:
        self._client, self._account, self._keys, self._transport = client, signer.account, keys, transport
        self._mandate = None if keys.peer is None else signer.mandate
        self._told = False
        """Whether it was said that the operator is none any more, and not yet that it is one again."""
        self._unread = True
        """Whether rotations may have happened whose events were not seen: the state has what they led to."""

    async def run(self, follower: Follower) -> None:
        """Follow until cancelled. Raises SwarmKeyChanged when ours is another one."""
        blocks = follower.blocks()
        while True:
            try:
                block = await anext(blocks)
            except UnknownRuntime:
                blocks.skip_to(await follower.wait_for(0))
                self._unread = True
                continue
            self._unread |= block.discarded
            if not block.discarded:
                await self._look(block)

    async def _look(self, block: Block) -> None:
        if self._unread:
            try:
                await self._read(block)
            except UNREAD as error:
                log.warning("cannot read whose swarm keys changed; trying again", error=str(error))
        elif self._mandate is not None and not self._mandate.given:
            await self._read_operator(block, self._mandate)
        for record in block.events:
            if isinstance(record.event, SwarmKeyRotated):
                self._rotated(record.event)
            elif isinstance(record.event, OperatorSet) and record.event.account == self._account:
                self._operated(block.number, record.event.operator)

    async def _read_operator(self, block: Block, mandate: Mandate) -> None:
        """Look whether the operator is one again, in each block until it is: a revocation may be undone by a fork."""
        try:
            self._operated(block.number, await self._client.storage.operator(self._account, block.hash))
        except UNREAD as error:
            log.debug("cannot read who the operator is; trying again", error=str(error))

    def _operated(self, number: int, operator: bytes | None) -> None:
        """Tell once that nothing that this node signs counts any more, or that it does again."""
        mandate = self._mandate
        if mandate is None:
            return
        mandate.look(number, operator)
        if mandate.given and self._told:
            log.info("this node's key is the account's operator again")
        elif not mandate.given and mandate.was_given and not self._told:
            text = "this node's key is not the account's operator any more: nothing that it signs counts"
            log.error(text, **mandate.lacking())
        self._told = not mandate.given and mandate.was_given

    def _rotated(self, event: SwarmKeyRotated) -> None:
        if event.account == self._account:
            self._ours(event.swarm_key)
        else:
            self._rename(event.old_key, event.swarm_key)

    def _ours(self, swarm_key: bytes) -> None:
        if swarm_key == self._keys.swarm_key:
            return
        found = self._keys.that_have(swarm_key)
        if found is not None:
            raise SwarmKeyChanged(found[0])
        if self._mandate is not None:
            log.error(
                "the account's swarm key was rotated, and this node has the one before: it goes on proving, and nobody reaches it",
                swarm_key=swarm_key.hex(),
                remedy="where the account's vault is: datdot vault operator VAULT --keep THIS --to NEW; start the node with that",
            )
            return
        log.error(
            "the chain names a swarm key for this account that does not follow from its secret: nobody reaches this node",
            swarm_key=swarm_key.hex(),
            remedy="run datdot vault rotate: it binds one that does; if nobody here bound the other, the account's key was stolen",
        )

    def _rename(self, old_key: bytes, swarm_key: bytes) -> None:
        if self._transport.rename_peer(old_key, swarm_key):
            log.info("a peer has another swarm key", old_key=old_key.hex(), swarm_key=swarm_key.hex())

    async def _read(self, block: Block) -> None:
        """Look up on the chain whether we, or static peers, have another swarm key than the one in use."""
        storage = self._client.storage
        peer = await storage.peer(self._account)
        if peer is not None:
            self._ours(peer.swarm_key)
        if self._mandate is not None:
            self._operated(block.number, await storage.operator(self._account, block.hash))
        for known in self._transport.known:
            account = await storage.owner_of_key(known.key)
            peer = None if account is None else await storage.peer(account)
            if peer is not None and known.key not in (peer.swarm_key, peer.statement_key):
                self._rename(known.key, peer.swarm_key)
        self._unread = False
