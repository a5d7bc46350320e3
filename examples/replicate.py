"""Serve a hypercore over TCP on loopback, and fetch it: any npm hypercore could be on either side.

python examples/replicate.py
"""

import asyncio

from service.hypercore import Corestore, KeyPair
from service.hypercore.net import PeerAddress, Replication, TcpTransport, fetch


async def main() -> None:
    """Serve a feed, fetch it, and print its blocks."""
    ours = Corestore()  # in memory; Corestore(Path("feeds")) keeps it on disk
    feed = ours.create()
    feed.append([b"hello", b"world"])

    keys = KeyPair.generate()
    async with TcpTransport(keys, on_connection=lambda one: Replication.of(one).serve(ours.find)) as server:
        host, port = await server.listen("127.0.0.1", 0)

        theirs = Corestore()
        replica = theirs.get(feed.key)  # the key is all that a reader needs to know
        async with TcpTransport(KeyPair.generate(), [PeerAddress(keys.public, host, port)]) as client:
            await fetch(replica, await client.connect(keys.public))

    print(f"fetched {replica.length} blocks of {replica.key.hex()}")
    print(b" ".join(filter(None, map(replica.get, range(replica.length)))).decode())


asyncio.run(main())
