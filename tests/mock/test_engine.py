"""The running chain: sealing, finality, forks, jumps, and what those who listen and watch are told."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from runtime_mock.codec import blake2_256, compact, prefixed
from runtime_mock.node.chain import Block, Chain, ExecutionError, Header, UnknownBlock
from runtime_mock.node.engine import INSTANT, MANUAL, Added, BestChanged, Engine, Event, Finalized
from runtime_mock.node.pool import PoolError
from runtime_mock.rpc.control import MAX_SEALED
from runtime_mock.runtime import CODE
from runtime_mock.state.overlay import Overlay
from tests.support.differential.driver import Account
from tests.support.runtime_version import VERSIONS

REMARK = b"\0\0\0"
RICH = Account.of("rich")
NOW = bytes.fromhex("f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb")


@pytest.fixture
def chain(chain: Chain) -> Chain:
    """With money for somebody whose signatures are always the same."""
    from runtime_mock.model.frame import system

    state = Overlay(chain.genesis.state)  # type: ignore[arg-type]
    data = system.AccountData(free=10**18)
    system.Account.put(state, RICH.id, system.AccountInfo(providers=1, data=data))
    return Chain(chain.runtime, state.trie())


def remark(chain: Chain, nonce: int, *, tip: int = 0, era: bytes = b"\0", birth: int = 0) -> bytes:
    extra = era + compact(nonce) + compact(tip)
    at = chain.at(birth)
    assert at is not None
    payload = REMARK + extra + VERSIONS + chain.genesis.hash + at.hash
    return prefixed(b"\x84\0" + RICH.id + b"\0" + RICH.sign(payload) + extra + REMARK)


def watched(engine: Engine, extrinsic: bytes) -> list[Any]:
    seen: list[Any] = []
    engine.submit(extrinsic, seen.append)
    return seen


def heard(engine: Engine) -> list[Event]:
    seen: list[Event] = []
    engine.listen(seen.append)
    return seen


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


class Running:
    """An engine's own task while it is wanted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __aenter__(self) -> Engine:
        self._task = asyncio.create_task(self._engine.run())
        return self._engine

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_instant_sealing_makes_a_block_of_each_extrinsic(chain: Chain) -> None:
    async with Running(Engine(chain, INSTANT)) as engine:
        seen = [watched(engine, remark(chain, nonce)) for nonce in (0, 1)]
        await until(lambda: chain.best.number >= 1)
        name = "0x" + chain.best.hash.hex()
        assert all(one == ["ready", {"inBlock": name}, {"finalized": name}] for one in seen)
        gap = watched(engine, remark(chain, 3))
        await asyncio.sleep(0.05)
        assert (gap, chain.best.number) == (["future"], 1)


async def test_interval_sealing_goes_on_without_extrinsics(chain: Chain) -> None:
    async with Running(Engine(chain, 5)) as engine:
        await until(lambda: chain.best.number >= 5)
        seen = watched(engine, remark(chain, 0))
        await until(lambda: len(seen) == 3)
        engine.set_sealing(MANUAL)
        await asyncio.sleep(0.05)
        number = chain.best.number
        await asyncio.sleep(0.1)
        assert chain.best.number == number
        engine.set_sealing(INSTANT)
        engine.submit(remark(chain, 1))
        await until(lambda: chain.best.number == number + 1)


async def test_chain_time_counts_blocks(chain: Chain) -> None:
    engine = Engine(chain, MANUAL)
    times = []
    for _ in range(3):
        block = engine.seal()
        assert block.state is not None
        times.append(int.from_bytes(block.state.get(NOW) or b"", "little"))
    assert times == [6_000, 12_000, 18_000]


async def test_finality_lags_and_halts_as_told(chain: Chain) -> None:
    engine = Engine(chain, MANUAL)
    engine.set_finality(2)
    seen, events = watched(engine, remark(chain, 0)), heard(engine)
    for _ in range(2):
        engine.seal()
    assert chain.finalized_number == 0
    assert "finalized" not in str(seen)
    engine.seal()
    assert chain.finalized_number == 1
    assert list(seen[-1]) == ["finalized"]
    assert [event.block.number for event in events if isinstance(event, Finalized)] == [1]
    engine.set_finality(None)
    for _ in range(4):
        engine.seal()
    assert chain.finalized_number == 1
    engine.finalize(6)
    assert chain.finalized_number == 6
    engine.set_finality(0)
    assert chain.finalized_number == chain.best.number == 7


async def test_a_block_that_never_gets_final_is_told(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime_mock.node.engine.MAX_FINALITY_WAIT", 3)
    engine = Engine(chain, MANUAL)
    engine.set_finality(None)
    seen = watched(engine, remark(chain, 0))
    first = engine.seal()
    for _ in range(5):
        engine.seal()
    assert seen == ["ready", {"inBlock": "0x" + first.hash.hex()}, {"finalityTimeout": "0x" + first.hash.hex()}]


async def test_a_reorganisation_gives_extrinsics_back(chain: Chain) -> None:
    engine = Engine(chain, MANUAL)
    engine.set_finality(None)
    kept = engine.seal()
    seen = watched(engine, remark(chain, 0))
    lost = engine.seal()
    engine.seal()
    events = heard(engine)
    tip = engine.reorganise(2)
    assert (tip, tip.number) == (chain.best, 4)
    changed = [event for event in events if isinstance(event, BestChanged)]
    assert [block.number for block in changed[0].retracted] == [3, 2]
    assert changed[0].retracted[-1].hash == lost.hash
    assert [event.block.number for event in events if isinstance(event, Added)] == [2, 3, 4]
    assert chain.is_best(kept)
    assert not chain.is_best(lost)
    assert seen == ["ready", {"inBlock": "0x" + lost.hash.hex()}, {"retracted": "0x" + lost.hash.hex()}, "ready"]
    again = engine.seal()
    assert seen[-1] == {"inBlock": "0x" + again.hash.hex()}
    assert blake2_256(remark(chain, 0)) in again.extrinsic_index


async def test_a_mortal_of_the_lost_branch_is_invalid_on_the_new_one(chain: Chain) -> None:
    engine = Engine(chain, MANUAL)
    engine.set_finality(None)
    engine.seal()
    engine.seal()
    seen = watched(engine, remark(chain, 0, era=b"\x25\x00", birth=2))
    engine.seal()
    engine.reorganise(2)
    assert seen[-1] == "invalid"
    assert seen[-2] == {"retracted": seen[1]["inBlock"]}


async def test_what_is_final_stays(chain: Chain) -> None:
    engine = Engine(chain, MANUAL)
    for _ in range(3):
        engine.seal()
    with pytest.raises(ValueError, match="0 blocks are not finalized"):
        engine.reorganise(1)
    engine.set_finality(None)
    engine.seal()
    with pytest.raises(ValueError, match="cannot undo 2 blocks"):
        engine.reorganise(2)
    engine.reorganise(1, 3)
    assert chain.best.number == 7


async def test_a_jump_is_heard_once(chain: Chain) -> None:
    engine = Engine(chain, MANUAL)
    seen, events = watched(engine, remark(chain, 0)), heard(engine)
    await engine.jump(300)
    assert chain.best.number == chain.finalized_number == 300
    assert {type(event).__name__: event.block.number for event in events} == {
        "Added": 300,
        "BestChanged": 300,
        "Finalized": 300,
    }
    assert len(events) == 3
    assert len(seen) == 3
    assert MAX_SEALED >= 1_000


async def test_two_jumps_at_once_are_two_jumps(chain: Chain) -> None:
    engine = Engine(chain, MANUAL)
    events = heard(engine)
    await asyncio.gather(engine.jump(3), engine.jump(5))
    assert [event.block.number for event in events if isinstance(event, BestChanged)] == [3, 8]


async def test_a_nonce_refused_by_hand(chain: Chain) -> None:
    engine = Engine(chain, MANUAL)
    engine.refuse_nonce(RICH.id, 0, 2)
    for _ in range(2):
        with pytest.raises(PoolError) as raised:
            engine.submit(remark(chain, 0))
        assert (raised.value.code, raised.value.data) == (1010, "Transaction is outdated")
    engine.submit(remark(chain, 0))
    assert len(engine.seal().body) == 2


@pytest.mark.parametrize("extrinsic", [b"", b"\x04", b"\x08\x00", b"\x00\x00", b"\xff\xff\xff\xff\xff"], ids=bytes.hex)
async def test_what_is_no_extrinsic(chain: Chain, extrinsic: bytes) -> None:
    with pytest.raises(PoolError) as raised:
        Engine(chain, MANUAL).submit(extrinsic)
    assert raised.value.code == 1040


async def test_unwatching(chain: Chain) -> None:
    engine, seen, other = Engine(chain, MANUAL), [], []
    engine.set_finality(None)
    early, late = seen.append, other.append
    engine.submit(remark(chain, 0), early)
    engine.submit(remark(chain, 1), late)
    engine.unwatch(early)
    engine.seal()
    engine.unwatch(late)
    engine.set_finality(0)
    assert seen == ["ready"]
    assert [one if isinstance(one, str) else next(iter(one)) for one in other] == ["ready", "inBlock"]


async def test_only_some_states_are_kept(chain: Chain) -> None:
    short = Chain(chain.runtime, chain.genesis.state, keep_states=5)  # type: ignore[arg-type]
    engine = Engine(short, MANUAL)
    for _ in range(10):
        engine.seal()
    held = [number for number in range(11) if short.at(number).state is not None]  # type: ignore[union-attr]
    assert held == [0, 6, 7, 8, 9, 10]
    assert not any(short.at(number).changes for number in range(11)), "what the states hold is not kept twice"  # type: ignore[union-attr]


async def test_foreign_blocks_are_checked(chain: Chain) -> None:
    engine = Engine(chain, MANUAL)
    engine.set_finality(None)
    engine.submit(remark(chain, 0))
    block = engine.seal()
    copy = Chain(chain.runtime, chain.genesis.state)  # type: ignore[arg-type]
    wrong = Header(block.header.parent, 1, bytes(32), block.header.extrinsics_root, block.header.digest)
    with pytest.raises(ExecutionError):
        copy.execute(wrong, block.body)
    made = copy.execute(block.header, block.body)
    assert made.hash == block.hash
    assert copy.genesis.state is not None
    assert copy.genesis.state.get(CODE) == chain.genesis.state.get(CODE)  # type: ignore[union-attr]


@pytest.mark.slow
def test_memory_stays_flat(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and states that are out of reach go, also those of forks, whoever asked for them."""
    monkeypatch.setattr("runtime_mock.node.chain.LEAST_BLOCKS", 64)
    engine = Engine(Chain(chain.runtime, chain.state(chain.genesis), keep_states=32), MANUAL)
    chain = engine.chain
    kept: list[int] = []

    def live() -> Counter[str]:
        gc.collect()
        return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, Block | Header))

    before = live()
    for number in range(4_000):
        if number % 100 == 99:  # a fork that the next finalized block rules out, with what is on it
            engine.set_finality(None)
            fork = chain.best
            for _ in range(3):
                engine.seal()
            engine.reorganise(2, 1)
            engine.set_finality(0)
            assert chain.children(fork)
        else:
            engine.seal()
        if number % 1_000 == 999:
            kept.append((live() - before).total())
    assert chain.best.number > 4_000
    assert max(kept) <= 2 * (64 + 10)
    assert max(kept) - min(kept) <= 10
    assert len(chain._best) <= 64 + 5
    assert chain.at(1) is None
    assert chain.at(0) is chain.genesis
    states = [number for number in range(1, chain.best.number + 1) if (one := chain.at(number)) and one.state]
    assert len(states) <= 33


def test_a_fork_that_is_ruled_out_is_gone(chain: Chain) -> None:
    engine = Engine(chain, MANUAL)
    engine.set_finality(None)
    engine.seal()
    old = [engine.seal() for _ in range(3)]
    engine.reorganise(3)
    kept = engine.chain.at(2)
    assert kept is not None
    assert chain.block(old[2].hash) is old[2]
    engine.finalize(1)
    assert chain.block(old[0].hash) is old[0]
    engine.finalize(2)
    for block in old:
        with pytest.raises(UnknownBlock):
            chain.block(block.hash)
    assert chain.children(kept)
