"""What `datdot doctor` says of the way to a node from outside, and what it says to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.hypercore.swarm import DHT
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.nat import Firewall
from service.hypercore.swarm.dht.outside import OutsideView
from service.node.findings import Finding, Grade
from service.node.reaching import dialled_from_here, reach
from service.node.settings import NodeError, NodeSettings
from service.operating.checks import _reach as check_of
from service.operating.objects import ReachKind
from service.operating.reaching import by_address, in_dht, silent
from service.operating.shapes import as_json
from service.operating.words import Level
from tests.support.needs import free_port

ANY = Address("127.0.0.1", 0)
HOST = Address("44.10.1.2", 0)
HERE = Address("44.10.1.2", 4000)


@pytest.fixture
async def first() -> AsyncIterator[Address]:
    """A node of the DHT."""
    async with DHT(ANY, (), ANY) as one:
        yield one.address


def settings(host: str = "127.0.0.1", port: int = 0, **more: Any) -> NodeSettings:
    return NodeSettings("ws://127.0.0.1:1", ("hoster",), host, port, **more)


async def nobody() -> dict[str, Any]:
    raise AssertionError("the node's port is free: it does not run, and is not asked")


# ---- the sentences


@pytest.mark.parametrize(
    ("view", "relayed", "kind", "said", "todo"),
    [
        (OutsideView(Firewall.OPEN, HERE), False, "open", "directly at 44.10.1.2:4000", ""),
        (OutsideView(Firewall.OPEN, HERE, announced=True), False, "announced", "has had nobody try", ""),
        (OutsideView(Firewall.CONSISTENT, HOST), False, "consistent", "(seen as 44.10.1.2): peers punch a hole", ""),
        (OutsideView(Firewall.CONSISTENT, None), False, "consistent", "keeps its port: peers punch", ""),
        (OutsideView(Firewall.RANDOM, HOST), False, "random", "and none is named", "or name a blind relay: --relay KEY"),
        (OutsideView(Firewall.RANDOM, HOST), False, "random", "(seen as 44.10.1.2)", "forward UDP port 4000 to this machine"),
        (OutsideView(Firewall.RANDOM, HOST), True, "random", "by the relay only", ""),
        (OutsideView(Firewall.UNKNOWN, HOST), True, "closed", "too few nodes of the DHT", "or name three nodes of the DHT"),
    ],
)  # fmt: skip
def test_each_kind_of_nat_has_its_sentence(view: OutsideView, relayed: bool, kind: str, said: str, todo: str) -> None:
    found = in_dht(view, 4000, relayed)
    assert found.kind is ReachKind(kind)
    assert said in found.text
    assert todo in found.remedy
    assert (found.level is Level.WARNING) == bool(todo) == bool(found.remedy), (
        "what is to be done is said, and else nothing"
    )


def test_nodes_in_the_own_network_say_nothing_of_what_is_outside() -> None:
    told = in_dht(OutsideView(Firewall.OPEN, Address("192.168.1.2", 4000)), 4000, False)
    assert "what is outside of that was not asked" in told.text
    assert "not asked" not in in_dht(OutsideView(Firewall.OPEN, HERE), 4000, False).text


def test_a_port_that_is_any_cannot_be_forwarded() -> None:
    assert (
        "forward a fixed UDP port (--listen HOST:PORT)" in in_dht(OutsideView(Firewall.RANDOM, HOST), 0, False).remedy
    )


def test_the_home_page_says_it_too() -> None:
    well, ill = (
        check_of(in_dht(OutsideView(Firewall.OPEN, HERE), 4000, False)),
        check_of(silent(["44.10.0.1:1"], "0.0.0.0:4000")),
    )
    assert (well.state, ill.state) == ("good", "warn")
    assert well.text.startswith("Open: peers dial it directly")
    assert ill.text.startswith("No node of the DHT answers (44.10.0.1:1): ")
    assert "What to do: see that these nodes run" in ill.text


# ---- by the DHT


async def test_who_is_open_is_told_so(first: Address) -> None:
    port = free_port()
    found = await reach(settings(port=port, bootstrap=(str(first),)), nobody)
    assert found.level is Grade.GOOD
    assert f"open: peers dial it directly at 127.0.0.1:{port}," in found.text
    assert "in its own network" in found.text


async def test_what_is_announced_is_compared_with_what_is_seen(first: Address) -> None:
    port, other = free_port(), free_port()
    right = await reach(settings(port=port, announce=f"127.0.0.1:{port}", bootstrap=(str(first),)), nobody)
    assert right.level is Grade.GOOD
    host = await reach(settings(port=port, announce=f"44.10.1.2:{port}", bootstrap=(str(first),)), nobody)
    assert (host.level, host.remedy) == (Grade.WARNING, f"correct --announce: 127.0.0.1:{port}")
    closed = await reach(settings(port=port, announce=f"127.0.0.1:{other}", bootstrap=(str(first),)), nobody)
    assert closed.level is Grade.WARNING
    assert f"but 127.0.0.1:{other} is announced, as if it were open there" in closed.text
    assert (
        closed.remedy
        == f"forward UDP port {other} to this machine in the router, or open it in the firewall; or leave --announce out"
    )


async def test_no_node_answers() -> None:
    nodes = (f"127.0.0.1:{free_port()}",)
    alone = await reach(settings(bootstrap=nodes), nobody)
    told = silent(nodes, "127.0.0.1:0")
    assert alone == Finding("reach", Grade.BAD, told.text, told.remedy)
    assert "name others: --bootstrap HOST:PORT" in alone.remedy
    with_peers = await reach(settings(bootstrap=nodes, peers=("x@127.0.0.1:1",)), nobody)
    assert with_peers.level is Grade.WARNING


def test_who_listens_on_this_machine_only_asks_nobody_elsewhere() -> None:
    here = silent(["127.0.0.1:1", "44.10.0.1:1"], "127.0.0.1:0")
    assert (here.kind, here.remedy) == (ReachKind.SILENT, "--listen 0.0.0.0:PORT")
    assert "on this machine only" in here.text
    assert "on this machine only" not in silent(["127.0.0.1:1"], "127.0.0.1:0").text
    assert "on this machine only" not in silent(["44.10.0.1:1"], "0.0.0.0:0").text


async def test_a_setting_that_is_wrong() -> None:
    wrong = await reach(settings(bootstrap=("node.example:1",)), nobody)
    assert (wrong.level, wrong.remedy) == (Grade.BAD, "correct --bootstrap")
    elsewhere = await reach(settings("44.10.1.2", 4000, bootstrap=("127.0.0.1:1",)), nobody)
    assert (elsewhere.level, elsewhere.remedy) == (Grade.BAD, "correct --listen")
    assert elsewhere.text.startswith("--listen 44.10.1.2:4000: that is no address of this machine")


# ---- by the node that runs


async def test_the_node_that_has_the_port_is_asked(first: Address) -> None:
    told = in_dht(OutsideView(Firewall.RANDOM, HOST), 4000, False)

    async def ask() -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(json.dumps(as_json(told)))
        return answer

    async with DHT(ANY, [first]) as running:
        found = await reach(settings(port=running.address.port, bootstrap=(str(first),)), ask)
    assert found == Finding("reach", Grade.WARNING, told.text, told.remedy)


async def test_a_port_that_something_else_has(first: Address) -> None:
    async def away() -> dict[str, Any]:
        raise NodeError("the node of x has no HTTP server: start it once with --http 127.0.0.1:8080")

    async with DHT(ANY, [first]) as running:
        found = await reach(settings(port=running.address.port, bootstrap=(str(first),)), away)
    assert found.level is Grade.WARNING
    assert found.text.startswith(f"not looked at from outside: --listen {running.address}: the UDP port is taken by ")
    assert "start it once with --http" in found.remedy
    assert found.remedy.endswith("; or stop it, and look again")


@pytest.mark.parametrize("answer", [{}, {"address": None, "kind": "odd", "level": "note", "text": "", "remedy": ""}])
async def test_something_else_answers_at_its_http(first: Address, answer: dict[str, Any]) -> None:
    async def ask() -> dict[str, Any]:
        return answer

    async with DHT(ANY, [first]) as running:
        found = await reach(settings(port=running.address.port, bootstrap=(str(first),)), ask)
    assert found.level is Grade.WARNING
    assert "says something else than a node of this version" in found.text


# ---- without a DHT


async def test_who_listens_here_only_and_is_in_no_dht_is_dialled_by_nobody() -> None:
    here, nowhere = await reach(settings(port=4000), nobody), await reach(settings("0.0.0.0", 4000), nobody)
    assert (here.level, nowhere.level) == (Grade.WARNING, Grade.WARNING)
    assert "on this machine only" in here.text
    assert "no address is announced" in nowhere.text
    assert by_address("node.example:4000").kind is ReachKind.STATIC
    changing = await reach(settings("44.10.1.2", 0), nobody)
    assert (changing.level, changing.remedy) == (Grade.WARNING, "--listen HOST:PORT, with a port")


async def test_a_dial_of_the_address_that_is_told() -> None:
    port = free_port()
    found = await dialled_from_here(settings(port=port), "127.0.0.1", port)
    assert (found.level, f"127.0.0.1:{port} answers" in found.text) == (Grade.GOOD, True)
    refused = await dialled_from_here(settings(port=port), "127.0.0.1", free_port())
    assert refused.level is Grade.WARNING
    assert "does not answer: " in refused.text
    assert f"forward TCP port {port} to this machine" in refused.remedy


async def test_a_node_that_runs_answers_itself_and_another_machine_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.node.reaching.DIAL_SECONDS", 0.2)
    other = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with other:
        taken = other.sockets[0].getsockname()[1]
        assert (await dialled_from_here(settings(port=taken), "127.0.0.1", taken)).level is Grade.GOOD
        port = free_port()
        found = await dialled_from_here(settings(port=port), "127.0.0.1", taken)
    assert found.level is Grade.WARNING
    assert "is answered by something else than this machine" in found.text


async def test_an_address_that_this_machine_has_not() -> None:
    found = await dialled_from_here(settings("44.10.1.2", 4000), "44.10.1.2", 4000)
    assert (found.level, found.remedy) == (Grade.BAD, "correct --listen")
