"""The chain of a simulated network: the mock's engine with the model, or with the real runtime in wasm, sealed by the virtual
clock, and RPC without sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from random import Random
from typing import Any

import runtime_mock.rpc.system  # noqa: F401 - it adds its methods to the table
from runtime_mock import ss58
from runtime_mock.artifacts import WASM
from runtime_mock.chainspec import ChainSpec, artifacts
from runtime_mock.codec import prefixed
from runtime_mock.model import ModelRuntime
from runtime_mock.model.datdot.check_state import BrokenState, check_money, check_state
from runtime_mock.model.frame import balances, extrinsic, limits, system
from runtime_mock.model.frame.calls import REGISTRY, flat, register
from runtime_mock.model.frame.dispatch import Class, Origin
from runtime_mock.model.genesis import default, preset
from runtime_mock.model.scale import BYTES
from runtime_mock.model.storage import State
from runtime_mock.node.chain import Chain
from runtime_mock.node.engine import Added, Engine, Event
from runtime_mock.node.pool import PoolError
from runtime_mock.rpc.errors import RpcError as MockError
from runtime_mock.rpc.methods import METHODS
from runtime_mock.rpc.methods import Node as MockNode
from runtime_mock.rpc.subscriptions import Subscriptions
from runtime_mock.rpc.watched import WatchedKeys
from runtime_mock.runtime import CODE, Runtime
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie
from runtime_mock.wasm.runtime import WasmRuntime, default_cache
from service.chain_client.client import NEW_RUNTIME, READ_TRIES
from service.chain_client.errors import ConnectionLost, RpcError, StateDiscarded
from service.chain_client.rpc import DISCARDED, REQUEST_SECONDS, Subscription

GIVE_UP_SECONDS = 10.0
RECONNECT_SECONDS = 0.5


class UpgradableRuntime:
    """The model in a version that stands in the state's `:code`, so that it can be upgraded.

    What it changes of the model holds for a call only: other tests of the process use the model as it is.
    """

    def __init__(self) -> None:
        self._model = ModelRuntime(artifacts())

    def call(self, state: Overlay, method: str, data: bytes) -> bytes:
        """See `runtime_mock.runtime.Runtime`."""
        current = state.get(CODE) or b""
        with _version_of(current):
            answer = limits.version() if method == "Core_version" else self._model.call(state, method, data)
        if method == "Metadata_metadata":
            for old, new in _renamed(current):
                assert old in answer, f"{old!r} is not in the metadata"
                answer = answer.replace(old, new)
        return answer


@contextmanager
def _version_of(code: bytes) -> Iterator[None]:
    """Make the model that of a `:code`, with a call that exchanges it: the model itself has no code, and refuses."""
    kept = limits.SPEC_VERSION, REGISTRY[0, 3]
    limits.SPEC_VERSION = extrinsic.SPEC_VERSION = int.from_bytes(code[-4:], "little") or 1
    register(0, 3, "set_code_without_checks", [BYTES], _set_code, flat(limits.SET_CODE, Class.OPERATIONAL))
    try:
        yield
    finally:
        limits.SPEC_VERSION, REGISTRY[0, 3] = kept
        extrinsic.SPEC_VERSION = limits.SPEC_VERSION


def _set_code(state: State, origin: Origin, new: bytes) -> None:
    origin.ensure_root()
    state.put(CODE, new)
    system.deposit_log(state, NEW_RUNTIME)


def code(version: int, renamed: Mapping[str, str] | None = None) -> bytes:
    """The `:code` of a version, in whose metadata some names are others of the same length."""
    names = ",".join(f"{old}={new}" for old, new in (renamed or {}).items())
    assert all(len(old) == len(new) < 64 for old, new in (renamed or {}).items())
    return b"model" + names.encode() + version.to_bytes(4, "little")


def _renamed(code: bytes) -> list[tuple[bytes, bytes]]:
    """The names that a `:code` changes, as they stand in the metadata: with their length before them."""
    pairs = [pair.split(b"=") for pair in code.removeprefix(b"model")[:-4].split(b",") if pair]
    return [(bytes([4 * len(old)]) + old, bytes([4 * len(new)]) + new) for old, new in pairs]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a chain is made of: its runtime, and what its parameters are besides those of the development preset."""

    backend: str = "model"
    """`model` or `wasm`."""
    preset: str = "development"
    times: Mapping[str, int] = field(default_factory=dict)
    amounts: Mapping[str, int] = field(default_factory=dict)

    def runtime(self) -> tuple[Runtime, bytes]:
        """A runtime, and its `:code`."""
        if self.backend == "model":
            return UpgradableRuntime(), code(1)
        found = (artifacts() / WASM).read_bytes()
        return WasmRuntime(found, default_cache()), found


def genesis(setting: Setting, runtime: Runtime, own: bytes, root: bytes, money: dict[bytes, int]) -> Trie:
    """Short times, a root and accounts with money; `own` is the runtime's `:code`."""
    config = default()
    parameters = json.loads(preset(setting.preset) or b"")["datDot"]
    config["datDot"] = {
        "times": parameters["times"] | dict(setting.times),
        "amounts": parameters["amounts"] | dict(setting.amounts),
    }
    config["sudo"]["key"] = ss58.encode(root, 42)
    config["balances"]["balances"] = [[ss58.encode(account, 42), amount] for account, amount in money.items()]
    state = Overlay(Trie())
    answer = runtime.call(state, "GenesisBuilder_build_state", prefixed(json.dumps(config).encode()))
    assert answer == b"\0", answer
    state.put(CODE, own)
    return state.trie()


class SimChain:
    """One node of the chain, to which all peers are connected."""

    def __init__(
        self, seed: int, block_seconds: float, root: bytes, money: dict[bytes, int], setting: Setting | None = None
    ) -> None:
        self.random = Random(f"{seed} chain")
        self.block_seconds = block_seconds
        setting = setting or Setting()
        runtime, own = setting.runtime()
        start = genesis(setting, runtime, own, root, money)
        self.chain = Chain(runtime, start, 4096)
        self.engine = Engine(self.chain, "manual")
        self.node = MockNode(self.engine, ChainSpec("simulation", "simulation", "Development", {}, start))
        self.watched = WatchedKeys(self.node)
        self.at_genesis = balances.TotalIssuance.get(Overlay(start))
        self.stalled = False
        self.broken: str | None = None
        self.engine.listen(self._check)

    @property
    def number(self) -> int:
        """The best block's number."""
        return self.chain.best.number

    def _check(self, event: Event) -> None:
        """What must hold after each block."""
        if not isinstance(event, Added) or self.broken is not None or event.block.state is None:
            return
        state = Overlay(event.block.state)
        try:
            check_state(state)
            check_money(state, self.at_genesis)
        except BrokenState as error:
            self.broken = f"block {event.block.number}: {error}"

    async def run(self) -> None:
        """Seal for ever."""
        while True:
            await asyncio.sleep(self.block_seconds)
            if not self.stalled:
                self.engine.seal()


class Link:
    """A host's way to the chain."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.up = self.answering = True
        self.changed = asyncio.Event()
        self.rpcs: list[SimRpc] = []

    def set(self, up: bool, answering: bool = True) -> None:
        """`up` False: connections are cut, none can be made; `answering` False: they hang."""
        self.up, self.answering = up, answering
        self.changed.set()
        self.changed = asyncio.Event()
        for rpc in list(self.rpcs):
            if not up:
                rpc.drop("the node closed the connection")
            elif answering:
                rpc.catch_up()

    def die(self) -> None:
        """The host's processes are gone, and with them their connections."""
        for rpc in self.rpcs:
            rpc.die()
        self.rpcs.clear()


class SimRpc:
    """See :class:`service.chain_client.rpc.NodeRpc`."""

    def __init__(self, chain: SimChain, link: Link, genesis: bytes | None = None) -> None:
        self.genesis = genesis
        self._chain, self._link = chain, link
        self._subscriptions: dict[Subscription, Subscriptions] = {}
        self._late: list[Callable[[], None]] = []
        self._lost: asyncio.Future[None] | None = None
        self._closed = False
        link.rpcs.append(self)

    async def start(self) -> None:
        """Raises ConnectionLost."""
        if not self._link.up:
            await asyncio.sleep(self._link.latency)
            raise ConnectionLost("simulation: cannot connect")
        self.genesis = self._chain.chain.genesis.hash

    async def close(self) -> None:
        """End all."""
        self._closed = True
        self.drop("closed")
        if self in self._link.rpcs:
            self._link.rpcs.remove(self)

    async def reset(self, reason: str) -> None:
        """Give the connection up."""
        self.drop(reason)

    def drop(self, reason: str) -> None:
        """The connection is gone."""
        lost, self._lost = self._lost, None
        if lost is not None and not lost.done():
            lost.set_exception(ConnectionLost(f"simulation: {reason}"))
            lost.exception()
        self._late.clear()
        subscriptions, self._subscriptions = self._subscriptions, {}
        for subscription, there in subscriptions.items():
            there.close()
            subscription.lose()

    def die(self) -> None:
        """The node sees that the connection is gone; nobody here does."""
        for there in self._subscriptions.values():
            there.close()
        self._subscriptions.clear()

    def catch_up(self) -> None:
        """What was held up on the way comes."""
        late, self._late = self._late, []
        for deliver in late:
            deliver()

    async def _connected(self) -> asyncio.Future[None]:
        """The present connection, by a future that fails when it is lost."""
        while not self._link.up:
            await self._link.changed.wait()
            await asyncio.sleep(RECONNECT_SECONDS * self._chain.random.random())
        if self._lost is None:
            self._lost = asyncio.get_running_loop().create_future()
        return self._lost

    async def _pass(self, lost: asyncio.Future[None]) -> None:
        """One way through the link."""
        await asyncio.sleep(self._link.latency * (0.5 + self._chain.random.random()))
        while not self._link.answering and not lost.done():
            await self._link.changed.wait()
        if lost.done():
            lost.result()

    async def request(self, method: str, *parameters: Any) -> Any:
        """Reads are repeated, as by ReadingRpc."""
        tries = 1 if method.startswith("author_") else READ_TRIES
        for attempt in range(tries):
            try:
                return await self._ask(method, parameters)
            except ConnectionLost:
                if self._closed or attempt == tries - 1:
                    raise
        raise AssertionError("unreachable")

    async def _ask(self, method: str, parameters: tuple[Any, ...]) -> Any:
        if self._closed:
            raise ConnectionLost("simulation: closed")
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                lost = await self._connected()
                await self._pass(lost)
                try:
                    answer = await METHODS[method].call(self._chain.node, list(parameters))
                    failure: Exception | None = None
                except (MockError, PoolError) as error:
                    answer, failure = None, error
                await self._pass(lost)
        except TimeoutError:
            self.drop(f"no answer to {method} within {REQUEST_SECONDS:g} s")
            raise ConnectionLost(f"simulation: no answer to {method}") from None
        if failure is not None:
            raise _translated(failure) from None
        return answer

    @asynccontextmanager
    async def subscribe(self, method: str, unsubscribe: str, *parameters: Any) -> AsyncIterator[Subscription]:
        """Notifications take the link's latency, in order."""
        lost = await self._connected()
        await self._pass(lost)
        subscription = Subscription()
        loop, ours = asyncio.get_running_loop(), copy_context()

        def deliver(message: bytes) -> None:
            result = json.loads(message)["params"]["result"]

            def send() -> None:
                loop.call_later(self._link.latency, subscription.put, result, context=ours)

            if self._link.answering:
                send()
            else:
                self._late.append(send)

        there = self._subscriptions[subscription] = Subscriptions(self._chain.node, deliver, self._chain.watched)
        _, flush = there.subscribe(method, list(parameters))
        flush()
        try:
            yield subscription
        finally:
            if self._subscriptions.pop(subscription, None) is not None:
                there.close()


def _translated(error: Exception) -> RpcError:
    code, message, data = error.code, error.message, error.data  # type: ignore[attr-defined]
    kind = StateDiscarded if DISCARDED in f"{message} {data}" else RpcError
    return kind(code, message, data)
