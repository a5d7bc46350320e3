"""Owners of peers whose nodes have no secret of the account: they register it, name the operator, and name another one later."""

from __future__ import annotations

import asyncio
import secrets
from random import Random

from service.chain_client import frame
from service.chain_client.pallet import calls
from service.roles.common.registration import bind
from service.session import Session
from service.units import UNIT
from service.vault import PeerKeys

from .people import Person
from .world import SimPeer, World, account_of

FEES = 5 * UNIT
"""What an operator gets for fees."""


def operators_of(own: PeerKeys) -> PeerKeys:
    """The keys of a new operator; accounts are ed25519 here."""
    secret = secrets.token_bytes(32)
    return PeerKeys(secret, own.swarm_seed, own.statement_seed, account_of(own).public_key, own.storage_key)


class Operators:
    """Each peer of a role on the chain has an operator, which is once replaced by another with the same keys else."""

    def __init__(self, world: World, random: Random) -> None:
        self._world, self._random = world, random
        self.done = 0

    def appoint(self) -> None:
        """Give the nodes that were not started yet their operators' keys."""
        for peer in self._peers():
            self._world.operate(peer, operators_of(peer.keys))

    def _peers(self) -> list[SimPeer]:
        return [peer for peer in self._world.peers if "author" not in peer.roles]

    async def run(self, seconds: float) -> None:
        """Name them, and in the middle of that time others."""
        peers = self._peers()
        drawn = {peer.name: (self._random.uniform(0, 40), self._random.uniform(0.3, 0.7) * seconds) for peer in peers}
        async with asyncio.TaskGroup() as group:
            for peer in peers:
                group.create_task(self._owner(peer, drawn[peer.name]))

    async def _owner(self, peer: SimPeer, times: tuple[float, float]) -> None:
        person = Person(self._world, f"owner of {peer.name}", peer.keys, Random(f"{self._world.seed} {peer.name}"))
        await asyncio.sleep(times[0])
        await self._name(person, peer, peer.operator)
        await asyncio.sleep(times[1])
        other = operators_of(peer.keys)
        # the old operator's calls fail from here on, until the node has the new keys
        await self._name(person, peer, other)
        self._world.operate(peer, other)

    async def _name(self, person: Person, peer: SimPeer, keys: PeerKeys | None) -> None:
        assert keys is not None, "it was appointed"
        operator = account_of(keys).public_key

        async def command(session: Session) -> None:
            client, signer = session.client, session.signer
            await bind(client, signer, peer.keys)

            async def held() -> bool:
                return await client.storage.operator(signer.account) == operator

            await signer.submit(calls.set_operator(operator), held)

            async def has() -> bool:
                return await client.balance(operator) > 0

            await signer.submit(frame.transfer(operator, FEES), has)

        await person.types(command, clumsy=True)
        self.done += 1
