"""Meet peers under a topic through a private DHT, and replicate a hypercore with them: npm hyperswarm could be on either side.

python examples/swarm.py
"""

import asyncio

from service.hypercore import Corestore
from service.hypercore.net import Connection, Replication, fetch
from service.hypercore.swarm import DHT, Address, Swarm

ANY = Address("127.0.0.1", 0)  # a port that is free


async def main() -> None:
    """Announce a feed, find it by its key alone, fetch it, and print its blocks."""
    ours, theirs = Corestore(), Corestore()  # in memory
    feed = ours.create()
    feed.append([b"hello", b"swarm"])

    def serve(connection: Connection) -> None:
        Replication.of(connection).serve(ours.find)

    async with (
        DHT(ANY, announce=ANY) as first,  # `datdot dht` runs such a node; others need its address to begin with
        DHT(ANY, [first.address]) as here,
        DHT(ANY, [first.address]) as there,
        Swarm(here, on_connection=serve) as server,
        Swarm(there) as client,
    ):
        await server.join(feed.discovery_key, client=False).flushed()

        replica = theirs.get(feed.key)  # the key is all that a reader needs to know
        client.join(replica.discovery_key, server=False)
        async for connection in client:
            await fetch(replica, connection)
            break

    print(f"fetched {replica.length} blocks of {replica.key.hex()}")
    print(b" ".join(filter(None, map(replica.get, range(replica.length)))).decode())


asyncio.run(main())
