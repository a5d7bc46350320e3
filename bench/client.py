"""What reading the chain costs the service: an event, and an attester's look for its seats at the beginning of an era."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from scalecodec.base import ScaleBytes

from runtime_mock.chainspec import artifacts
from runtime_mock.codec import compact
from runtime_mock.state.trie import Trie
from service.chain_client import ChainClient, Runtime
from service.chain_client.rpc import NodeRpc
from service.chain_client.storage import Storage
from service.roles.attester.seats import SeatSearch

from ._network import Network
from .registry import Figures, Report, measures

EVENTS = 1_000
COPIES_A_HOSTER = 10
SAMPLED = 500
"""Copies that scalecodec reads: the figure for all of them follows."""
AT = bytes(32)


def a_runtime() -> Runtime:
    """Return the committed runtime's metadata."""
    return Runtime((artifacts() / "metadata.scale").read_bytes(), 1, 1)


def events_of(runtime: Runtime, pallet: str, name: str, count: int = EVENTS) -> bytes:
    """Return the bytes of many events of a kind, all of whose fields have a fixed size."""
    owner = runtime._pallets[pallet]
    event = next(one for one in owner.events if one.name == name).value
    skip = runtime._types.skip_fields(event["fields"])
    fields = bytes(skip(bytes(1024), 0))
    head = b"\0" + (1).to_bytes(4, "little") + bytes([owner.value["index"], event["index"]])
    return compact(count) + (head + fields + b"\0") * count


def processor(work: Callable[[], Any]) -> float:
    """Return the seconds of the processor that the best of three runs takes."""
    found = []
    for _ in range(3):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def by_scalecodec(runtime: Runtime, pallet: str, item: str, data: bytes) -> Any:
    """Read a storage value as scalecodec does."""
    name = runtime._item(pallet, item).get_value_type_string()
    return runtime._config.create_scale_object(name, data=ScaleBytes(data), metadata=runtime._metadata).decode()


def _event(pallet: str, name: str, what: str) -> Figures:
    runtime = a_runtime()
    data = events_of(runtime, pallet, name)
    ours = processor(lambda: runtime._event_reader.read(data)) / EVENTS
    theirs = processor(lambda: by_scalecodec(runtime, "System", "Events", data)) / EVENTS
    how = f"{EVENTS} events {pallet}.{name} in one block, the best of three runs, by process time: {what}."
    return Figures("us of the processor", ours * 1e6, theirs * 1e6, "scalecodec, which reads all", how)


@measures("client/event/skip")
def skip(report: Report) -> Figures:
    """Measure an event of another pallet."""
    return _event("Balances", "Transfer", "passed over, as nobody asks for their fields")


@measures("client/event/read")
def read(report: Report) -> Figures:
    """Measure an event of ours."""
    return _event("DatDot", "StorageProved", "each becomes a typed one")


class StateRpc:
    """The requests by which storage is read, answered from a state at hand: what is measured is the client alone."""

    def __init__(self, state: Trie) -> None:
        self.state = state
        self.requests = 0
        self.asked: list[tuple[Any, ...]] = []

    async def request(self, method: str, *parameters: Any) -> Any:
        """Answer a request for storage."""
        self.requests += 1
        self.asked.append((method, *parameters))
        if method == "state_queryStorageAt":
            found = ((key, self.state.get(bytes.fromhex(key[2:]))) for key in parameters[0])
            return [{"changes": [[key, None if value is None else "0x" + value.hex()] for key, value in found]}]
        assert method == "state_getKeysPaged", method
        prefix, count, after = (bytes.fromhex(parameters[0][2:]), parameters[1], bytes.fromhex(parameters[2][2:]))
        page = []
        for key, _ in self.state.items(prefix, after if after != prefix else None):
            page.append("0x" + key.hex())
            if len(page) == count:
                break
        return page


def client_of(state: Trie, network: Network) -> ChainClient:
    """Return a client that reads a state at hand."""
    runtime = a_runtime()

    async def runtime_at(_: bytes | None) -> Runtime:
        return runtime

    storage = Storage(cast("NodeRpc", StateRpc(state)), runtime_at)
    return cast("ChainClient", SimpleNamespace(storage=storage, times=network.times))


async def _look(client: ChainClient, account: bytes, number: int) -> int:
    """Search an account's seats of an era as at the first start, and return how many there are."""
    return len(await SeatSearch(client, account).find(number, AT))


async def _asked_again(rpc: StateRpc, asked: list[tuple[Any, ...]]) -> None:
    """Ask a node for the same again, and read nothing of the answers."""
    for one in asked:
        await rpc.request(*one)


def attester_era(copies: int) -> Callable[[Report], Figures]:
    """Return the measurement of how an attester finds its seats among so many copies, at its first start."""

    def measure(report: Report) -> Figures:
        report(f"a network of {copies // COPIES_A_HOSTER} hosters and {copies} copies")
        network = Network(copies // COPIES_A_HOSTER, copies)
        state = network.state.trie()
        client = client_of(state, network)
        rpc = cast("StateRpc", client.storage._rpc)
        account = network.attesting[0].id
        seats = asyncio.run(_look(client, account, network.era))
        # answering from the trie takes as long as reading does: it is taken off
        asked = list(rpc.asked)
        answering = processor(lambda: asyncio.run(_asked_again(StateRpc(state), asked)))
        whole = processor(lambda: asyncio.run(_look(client, account, network.era)))
        runtime = a_runtime()
        report("the same entries by scalecodec")
        prefix = runtime.storage_key("DatDot", "Copies")
        sample = [value for _, (_, value) in zip(range(SAMPLED), state.items(prefix), strict=False)]
        theirs = processor(lambda: [by_scalecodec(runtime, "DatDot", "Copies", value) for value in sample])
        how = (
            f"{copies} copies of {network.plans} plans, from the first request to the list of {seats} own seats, at the first "
            "start, without what the stand-in for a node takes; scalecodec: "
            f"{SAMPLED} copies read, times {copies // SAMPLED}."
        )
        return Figures(
            "s of the processor",
            max(whole - answering, 0.0),
            theirs * copies / SAMPLED,
            "scalecodec, copies alone",
            how,
        )

    return measure


measures("attester/era/10000")(attester_era(10_000))
measures("attester/era/100000")(attester_era(100_000))
