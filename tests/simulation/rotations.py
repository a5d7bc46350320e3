"""Owners of peers who give them other swarm keys, whatever their nodes do meanwhile."""

from __future__ import annotations

import asyncio
from random import Random

from service.roles.common.rotation import RotationRefused, plan_rotation, rotate
from service.session import Session
from service.vault import Vault

from .people import Person
from .world import SimPeer, World


class Rotations:
    """Each peer of a role on the chain gets a new key now and then, at most `MOST` times."""

    MOST = 2

    def __init__(self, world: World, random: Random) -> None:
        self._world, self._random = world, random
        self.done = 0

    async def run(self, seconds: float) -> None:
        """Rotate, in that time; the last are done soon after it."""
        peers = [peer for peer in self._world.peers if "author" not in peer.roles]
        drawn = {peer.name: sorted(self._random.uniform(0.1, 0.9) for _ in range(self.MOST)) for peer in peers}
        async with asyncio.TaskGroup() as group:
            for peer in peers:
                group.create_task(self._owner(peer, [part * seconds for part in drawn[peer.name]]))

    async def _owner(self, peer: SimPeer, times: list[float]) -> None:
        loop, vault = self._world.loop, Vault(peer.keys)
        person = Person(self._world, f"owner of {peer.name}", peer.keys, Random(f"{self._world.seed} {peer.name}"))
        began = loop.time()
        for due in times:
            await asyncio.sleep(max(0.0, began + due - loop.time()))

            async def command(session: Session, vault: Vault = vault) -> Vault:
                try:
                    planned = await plan_rotation(session.client, session.signer.account, vault)
                except RotationRefused:  # it has not registered yet
                    return vault
                await rotate(session.client, session.signer, planned)
                return planned.vault

            after = await person.types(command, clumsy=True)
            self.done += after.swarm_number > vault.swarm_number
            vault = after
