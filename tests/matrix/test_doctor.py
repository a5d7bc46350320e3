"""`datdot doctor` behind each kind of gateway: what it says peers from outside will find."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.needs import missing

from .test_datdot import NODES, PORT, Place
from .topology import Topology, sweep, what_is_missing

LISTEN = 4000
CHAIN = "ws://127.0.0.1:9"
"""Nothing answers there: of the chain nothing is asked here."""


@pytest.fixture
def root() -> Iterator[None]:
    lacking = what_is_missing()
    if lacking is not None:
        missing(lacking)
    yield
    assert not [name for name in sweep(own=True) if f"-{os.getpid()}-" in name], "nothing is left"


def write(directory: Path, host: str, nodes: int, *more: str) -> None:
    """Write a node's file of settings."""
    named = [f"{one}:{PORT}" for one in NODES[:nodes]]
    said = ('roles = ["author"]', f'chain = "{CHAIN}"', f'listen = "{host}:{LISTEN}"', f"bootstrap = {named}", *more)
    directory.mkdir(exist_ok=True)
    (directory / "node.toml").write_text("\n".join(said))


async def found(directory: Path, kind: str, nodes: int, *more: str) -> dict[str, Any]:
    """What the doctor says of a node behind a gateway that names so many of the three nodes of the DHT."""
    with Topology(8, kind, "pub") as topology:
        role, host = ("ha", "0.0.0.0") if kind != "pub" else ("pub", "44.10.0.10")
        async with AsyncExitStack() as stack:
            place = Place(topology, stack)
            by = ("--bootstrap", f"{NODES[0]}:{PORT}")
            for one in NODES if nodes else ():
                await place.told("pub", "dht", "--listen", f"{one}:{PORT}", *(() if one == NODES[0] else by))
            write(directory, host, nodes, *more)
            told = await place.told(role, "doctor", "--dir", directory)
    (reach,) = [one for one in told["findings"] if one["what"] == "reach"]
    return dict(reach)


@pytest.mark.parametrize(
    ("kind", "level", "said"),
    [
        ("pub", "good", f"open: peers dial it directly at 44.10.0.10:{LISTEN}"),
        ("cone", "good", f"open: peers dial it directly at 44.10.1.2:{LISTEN}"),
        ("cons", "good", "behind a NAT or firewall that keeps its port (seen as 44.10.1.2)"),
        ("none", "good", "behind a NAT or firewall that keeps its port (seen as 44.10.1.6)"),
        ("rand", "warning", "behind a NAT that takes another port for each peer (seen as 44.10.1.2)"),
    ],
)
async def test_each_gateway_has_its_sentence(root: None, tmp_path: Path, kind: str, level: str, said: str) -> None:
    told = await found(tmp_path / "node", kind, 3)
    assert told["text"].startswith(said), told
    assert told["level"] == level
    assert (f"forward UDP port {LISTEN}" in told["remedy"]) == (kind == "rand")


async def test_with_a_relay_a_random_nat_is_no_warning(root: None, tmp_path: Path) -> None:
    told = await found(tmp_path / "node", "rand", 3, f'relay = "{"ab" * 32}"')
    assert (told["level"], "by the relay only" in told["text"]) == ("good", True)


async def test_one_node_tells_whether_it_is_open_and_else_too_little(root: None, tmp_path: Path) -> None:
    opened, closed = await found(tmp_path / "node", "cone", 1), await found(tmp_path / "node", "cons", 1)
    assert opened["text"].startswith("open: ")
    assert closed["level"] == "warning"
    assert closed["text"].startswith("not open (seen as 44.10.1.2); too few nodes of the DHT answered")


async def test_without_a_dht_the_announced_address_is_dialled(root: None, tmp_path: Path) -> None:
    reached = await found(tmp_path / "node", "pub", 0)
    assert reached["text"].startswith(f"44.10.0.10:{LISTEN} answers when it is dialled from here")
    told = await found(tmp_path / "node", "cons", 0, f'announce = "44.10.1.2:{LISTEN}"')
    assert told["level"] == "warning"
    assert told["text"].startswith(f"44.10.1.2:{LISTEN}, which others are told, does not answer")
    assert f"forward TCP port {LISTEN}" in told["remedy"]
