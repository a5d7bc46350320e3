"""One end of a cell, with our DHT: `python -m tests.matrix.peer server|client|roamer JSON`, as peer.mjs beside it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import structlog

from service.hypercore.net import Channel, ChannelClosed, Connection, ConnectionClosed
from service.hypercore.swarm import DHT, Address, AddressWatch, DhtError, Swarm, Unreachable

PROTOCOL = "datdot/matrix"
TALK_SECONDS = 0.5
BOOTSTRAP = Address("44.10.0.1", 49737)


def tell(**line: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps(line), flush=True)


async def echo(channel: Channel) -> None:
    """Send back what comes."""
    async for kind, body in channel:
        await channel.send(kind, body)


async def ask(connection: Connection) -> None:
    """Have a message sent back."""
    channel = connection.open(PROTOCOL, None)
    await channel.opened()
    await channel.send(0, b"\1")
    await channel.receive()


def answer(connection: Connection) -> None:
    """Serve the echo."""
    connection.on_protocol(PROTOCOL, lambda one, identifier, handshake: b"", echo)


def raw(options: dict[str, Any], name: str) -> bytes | None:
    """Return an option that is given in hex."""
    return bytes.fromhex(options[name]) if name in options else None


async def serve(dht: DHT, swarm: Swarm, options: dict[str, Any]) -> None:
    """Take connections, until the process is ended."""
    topic = raw(options, "topic")
    if topic is not None:
        if not await swarm.join(topic, client=False).flushed():
            raise DhtError("the topic could not be announced")
        with AddressWatch(swarm.network_changed):
            tell(ready=swarm.pair.public.hex())
            async for connection in swarm:
                answer(connection)
    async with dht.listen(swarm.pair, relay_through=raw(options, "relay")) as server:
        tell(ready=server.pair.public.hex())
        async for connection in server:
            answer(connection)


async def reach(dht: DHT, swarm: Swarm, options: dict[str, Any]) -> Connection:
    """Return a connection with the server: by the topic that both join, or by its key. Raises Unreachable."""
    topic = raw(options, "topic")
    if topic is not None:
        swarm.join(topic, server=False)
        return await anext(aiter(swarm))
    return await dht.connect(bytes.fromhex(options["key"]), pair=swarm.pair, relay_through=raw(options, "relay"))


async def dial(dht: DHT, swarm: Swarm, options: dict[str, Any]) -> None:
    """Reach the server, and tell how it went."""
    began = time.monotonic()

    def since() -> int:
        return round(1000 * (time.monotonic() - began))

    try:
        async with asyncio.timeout(options["seconds"]):
            connection = await reach(dht, swarm, options)
            ms = since()
            await ask(connection)
            tell(ok=True, ms=ms, first=since(), path=connection.path)
    except Unreachable as error:
        tell(ok=False, reason=error.reason.name, ms=since())
    except TimeoutError:
        tell(ok=False, reason=f"no end within {options['seconds']:.0f} s", ms=since())


async def roam(swarm: Swarm, topic: bytes) -> None:
    """Join a topic, watch the machine's addresses, and tell of each connection, and how the one before ended."""
    swarm.join(topic, server=False)
    before: Connection | None = None
    talking: asyncio.Task[None] | None = None
    with AddressWatch(swarm.network_changed):
        async for connection in swarm:
            # a peer of npm's gives up a connection for a new one only if bytes went both ways on it
            await ask(connection)
            tell(met=connection.remote_key.hex(), before=before.reason if before else "")
            before = connection
            if talking is not None:
                talking.cancel()
            talking = asyncio.create_task(talk(connection))


async def talk(connection: Connection) -> None:
    """Say something each half second, until the connection ends."""
    try:
        while True:
            await asyncio.sleep(TALK_SECONDS)
            await ask(connection)
    except (ChannelClosed, ConnectionClosed):
        return


async def main(role: str, options: dict[str, Any]) -> None:
    """Be one end, until stdin ends or the client is done."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with (
        DHT(Address(options.get("host") or "0.0.0.0", 0), [BOOTSTRAP]) as dht,
        Swarm(dht, relay_through=raw(options, "relay")) as swarm,
    ):
        if role == "client":
            await dial(dht, swarm, options)
            return
        topic = raw(options, "topic")
        running = roam(swarm, topic) if role == "roamer" and topic else serve(dht, swarm, options)
        serving = asyncio.create_task(running)
        ended = asyncio.create_task(reader.read())
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
