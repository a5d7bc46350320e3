"""`datdot dht` as a process: it says where it is, others begin with it, and it ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import asyncio_dgram
import pytest

from service.hypercore.crypto import KeyPair
from service.hypercore.swarm import DHT
from service.hypercore.swarm.dht.address import Address

ANY = Address("127.0.0.1", 0)
TOPIC = bytes(32)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "service.cli", "dht", *arguments]


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Address]:
    process = subprocess.Popen(
        command("--listen", "127.0.0.1:0", "--json", *arguments),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        host, _, port = ready["address"].rpartition(":")
        assert host == "127.0.0.1"
        assert len(ready["id"]) == 64
        yield Address(host, int(port))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


async def test_two_nodes_keep_what_peers_announce() -> None:
    with running() as first, running("--bootstrap", str(first)) as second:
        pair = KeyPair(bytes(32))
        async with DHT(ANY, [second]) as author:
            assert await author.announce(TOPIC, pair) == 2
        async with DHT(ANY, [first]) as reader:
            assert [peer.key for peer in await reader.lookup(TOPIC)] == [pair.public]


async def test_a_client_that_knows_only_the_protocol_is_told_where_it_is_seen() -> None:
    """Its datagrams are written by hand (service/hypercore/swarm/dht/rpc.py): what is no request is not answered."""

    def address(host: str, port: int) -> bytes:
        return bytes(map(int, host.split("."))) + port.to_bytes(2, "little")

    with running() as node:
        client = await asyncio_dgram.connect((node.host, node.port))
        try:
            internal, ping = b"\x04", b"\x00"
            tid = b"\x39\x30"
            asked = b"\x03" + internal + tid + address(node.host, node.port) + ping
            for bad in (b"", b"\x03", b"\x13" + asked[1:], asked[:-1], bytes(1_400)):
                await client.send(bad)
            await client.send(asked)
            answer, sender = await asyncio.wait_for(client.recv(), 60)
        finally:
            client.close()
        assert sender == (node.host, node.port)
        assert (answer[:1], answer[2:4]) == (b"\x13", tid)
        assert answer[4:10] == address(*client.sockname)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "0.0.0.0:1"], "--announce HOST:PORT says which is"),
        (["--listen", "here:1"], "the DHT takes IPv4 addresses"),
        (["--bootstrap", "[::1]:1"], "the DHT takes IPv4 addresses"),
        (["--listen", "127.0.0.1"], "not of the form HOST:PORT"),
    ],
)
def test_addresses_that_make_no_sense(arguments: list[str], said: str) -> None:
    found = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert said in " ".join((found.stdout + found.stderr).split())


def test_a_node_that_nobody_answers_ends_with_its_reason() -> None:
    with running() as gone:
        pass
    found = subprocess.run(
        command("--listen", "127.0.0.1:0", "--bootstrap", str(gone), "--json"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    error = json.loads(found.stdout.splitlines()[-1])["error"]
    assert (error["code"], error["message"]) == ("dht", f"none of the nodes {gone} answers")
