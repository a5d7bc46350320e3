"""The programs of docs/swarm.md run as they stand there."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from service.hypercore import Corestore, KeyPair
from service.hypercore.net import Connection, Replication
from service.hypercore.swarm import DHT, Address, Swarm

PAGE = Path(__file__).parents[2] / "docs" / "swarm.md"
ANY = Address("127.0.0.1", 0)
MOST_SECONDS = 60


def programs() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)


async def run(program: str, names: dict[str, Any]) -> None:
    code = compile(program, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert code.co_flags & inspect.CO_COROUTINE, "each of them awaits something"
    async with asyncio.timeout(MOST_SECONDS):
        await eval(code, names)


def test_there_are_three() -> None:
    assert len(programs()) == 3


@pytest.mark.parametrize("number", range(3))
async def test_a_program_of_the_page(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Another peer is there already, under the topic and with its key."""
    topic, store = bytes(range(32)), Corestore()
    feed = store.create()
    feed.append([b"block"])
    async with (
        DHT(ANY, announce=ANY) as first,
        DHT(ANY, [first.address]) as dht,
        DHT(ANY, [first.address]) as there,
        Swarm(there) as other,
    ):
        await other.join(topic).flushed()
        names: dict[str, Any] = {
            "DHT": DHT, "Address": Address, "Swarm": Swarm, "KeyPair": KeyPair, "Replication": Replication,
            "bootstrap": [first.address], "dht": dht, "topic": topic, "key": other.pair.public,
            "store": store, "feed": feed,
        }  # fmt: skip
        await run(programs()[number], names)
        if number == 0:
            assert capsys.readouterr().out == f"{other.pair.public.hex()} True direct\n"
        elif number == 1:
            assert await first.lookup(feed.discovery_key) == [], "it was withdrawn"
        else:
            assert isinstance(names["connection"], Connection)
    store.close()
