"""A limit on what is served to all peers together, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.cli.feed import transport_of as command_transport
from service.hypercore import Corestore, KeyPair
from service.hypercore.net import PeerAddress, Replication, TcpTransport, fetch
from service.hypercore.net.serving import SERVE_BYTES
from service.hypercore.net.shared import Shared
from service.hypercore.net.upload import BURST_SECONDS, EARLY_TURNS, UploadLimit
from service.node.run import transport_of as node_transport
from service.node.settings import NodeSettings
from tests.support.replicated import content
from tests.support.wire_peers import side

MB = 1_000_000.0


def test_turns_wait_for_what_was_served_and_the_late_ones_for_some_others() -> None:
    limit, taken = UploadLimit(1000.0, 0.0), list[str]()
    for name, late in (("late", True), ("first", False), ("second", False)):
        limit.wait(lambda name=name: taken.append(name), late)  # type: ignore[misc]
    now = 0.0
    for expected in ("first", "second", "late"):
        step = limit.due(now)
        assert step is not None
        step()
        assert taken[-1] == expected
        assert limit.due(now) is None  # one at a time
        assert limit.wake_at() is None
        limit.spend(750 if expected == "first" else 500)
        limit.served()
        if expected != "late":
            assert limit.due(now) is None
            assert limit.wake_at() == pytest.approx(now + 0.5)
            now += 0.5
    assert limit.wake_at() is None
    with pytest.raises(ValueError, match="lets nothing through"):
        UploadLimit(0.0, 0.0)


@pytest.mark.parametrize("others", [1, 20])
def test_a_late_turn_comes_though_early_ones_always_wait(others: int) -> None:
    limit, taken = UploadLimit(1000.0, 0.0), list[str]()
    for late in (False,) * others + (True,) * others:
        limit.wait(lambda late=late: taken.append("late" if late else "early"), late)  # type: ignore[misc]
    for number in range(10 * EARLY_TURNS):
        step = limit.due(float(number))
        assert step is not None
        step()
        limit.spend(1000)
        limit.served()
        limit.wait(step, taken[-1] == "late")
    for begun in range(0, len(taken), EARLY_TURNS):
        assert taken[begun : begun + EARLY_TURNS].count("late") == 1


async def test_who_had_much_is_served_while_others_never_stop() -> None:
    shared, loop = Shared(0, MB), asyncio.get_running_loop()
    served = {True: 0, False: 0}

    def serve(late: bool) -> None:
        served[late] += SERVE_BYTES
        shared.count_served(SERVE_BYTES)
        shared.take_serving_turn(lambda: serve(late), late)

    for late in (False, False, True):
        shared.take_serving_turn(lambda late=late: serve(late), late)  # type: ignore[misc]
    begun = loop.time()
    await asyncio.sleep(30)
    assert served[False] + served[True] >= 0.97 * MB * (loop.time() - begun)
    assert abs(served[True] * (EARLY_TURNS - 1) - served[False]) <= EARLY_TURNS * SERVE_BYTES


def test_what_was_not_used_is_not_saved_for_long() -> None:
    limit = UploadLimit(1000.0, 0.0)
    served = 0
    while True:
        limit.wait(lambda: None, late=False)
        if limit.due(3600.0) is None:
            break
        limit.spend(100)
        served += 100
        limit.served()
    assert served <= 1000 * BURST_SECONDS + 100


async def test_all_that_serve_share_it_and_none_is_forgotten() -> None:
    shared, loop = Shared(0, MB), asyncio.get_running_loop()
    served = [0] * 20

    def serve(number: int) -> None:
        served[number] += SERVE_BYTES
        shared.count_served(SERVE_BYTES)
        shared.take_serving_turn(lambda: serve(number))

    for number in range(20):
        shared.take_serving_turn(lambda number=number: serve(number))  # type: ignore[misc]
    begun = loop.time()
    await asyncio.sleep(30)
    most = MB * (loop.time() - begun + BURST_SECONDS) + SERVE_BYTES
    assert 0.97 * most <= sum(served) <= most
    assert max(served) - min(served) <= SERVE_BYTES


async def test_a_turn_that_fails_holds_up_no_other() -> None:
    shared, loop = Shared(0, MB), asyncio.get_running_loop()
    told: list[object] = []
    loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
    done = loop.create_future()
    shared.take_serving_turn(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    shared.take_serving_turn(lambda: done.set_result(None))
    await done
    assert [type(one) for one in told] == [ZeroDivisionError]


@pytest.mark.parametrize("limit", [None, 0.5 * MB])
async def test_readers_take_as_long_as_it_says(limit: float | None) -> None:
    blocks = [bytes([number]) * 20_000 for number in range(50)]
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(side(limit))
        core = one.store.create()
        core.append(blocks)
        begun = loop.time()

        async def read() -> None:
            async with side() as reader:
                copy = reader.store.get(core.key)
                await fetch(copy, await reader.connect(one))
                assert content(copy) == blocks

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(read())
        seconds = loop.time() - begun
    if limit is None:
        assert seconds < 1
    else:
        least = (3 * 50 * 20_000 - SERVE_BYTES) / limit - BURST_SECONDS  # the last turn is not paid for
        assert least <= seconds < 1.1 * least + 1


async def test_what_a_program_serves_keeps_the_limit_that_it_was_given() -> None:
    settings = NodeSettings("", ("hoster",), "127.0.0.1", 0, upload_limit=100_000)
    for made in (
        node_transport(settings, KeyPair.generate(), (), lambda _: None),
        command_transport(KeyPair.generate(), (), upload_limit=100_000),
    ):
        accepted = KeyPair.generate()
        store = Corestore()
        core = store.create()
        core.append([bytes(20_000)] * 20)
        made._on_connection = lambda connection, store=store: Replication.of(connection).serve(store.find)  # type: ignore[misc]
        async with made, TcpTransport(accepted) as reader:
            reader.add_peer(PeerAddress(made.public_key, *await made.listen("127.0.0.1", 0)))
            begun = asyncio.get_running_loop().time()
            await fetch(Corestore().get(core.key), await reader.connect(made.public_key))
            assert asyncio.get_running_loop().time() - begun >= 2.5
