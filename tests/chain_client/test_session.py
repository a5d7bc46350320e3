"""Commands that sign, one after another and at the same time: what one of them sent, the next does not send again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest
from structlog.testing import capture_logs

from runtime_mock.chainspec import ChainSpec
from runtime_mock.runtime import Runtime
from service.address import ss58
from service.chain_client import BlockRef, Call, SignerBusy, WrongChain, frame
from service.chain_client.runtime.extrinsic import PERIOD
from service.cli import plan
from service.hypercore import Corestore
from service.roles.sponsor import plans as sponsor
from service.roles.sponsor.terms import plan_terms
from service.session import Session, chain_session, sent_table
from service.vault import load_keys
from tests.support.chain_world import ALICE, CHARLIE, UNIT, World, bounded, eventually

CALL = frame.transfer(CHARLIE.public_key, UNIT)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def sealing(world: World, task: asyncio.Task[object]) -> None:
    """Seal until a session's submission has ended."""
    async with asyncio.timeout(60):
        while not task.done():
            await asyncio.wait({task}, timeout=0.05)
            world.seal()


async def command(world: World, call: Call = CALL) -> int:
    """The block of its call."""
    async with chain_session(world.url, load_keys("//Alice"), keep_sent=True) as session:
        receipt = await session.signer.submit(call)
        assert receipt is not None
        return receipt.block.number


@pytest.mark.parametrize("between", [False, True], ids=["at once", "after another command"])
@pytest.mark.parametrize("included", [False, True], ids=["in the pool", "in a block meanwhile"])
async def test_a_command_that_was_cut_off_and_is_typed_again_pays_once(
    world: World, included: bool, between: bool
) -> None:
    first = asyncio.create_task(command(world))
    await eventually(world.pooled)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    if included:
        world.seal(2)
    if between:
        other = asyncio.create_task(command(world, frame.transfer(CHARLIE.public_key, 2 * UNIT)))
        await sealing(world, other)
    again = asyncio.create_task(command(world))
    await sealing(world, again)
    assert again.result() == 1
    assert len(world.executions(ALICE.public_key)) == 1 + between
    another = asyncio.create_task(command(world))
    await sealing(world, another)
    assert len(world.executions(ALICE.public_key)) == 2 + between, "typed a third time, it is another payment"


class Untold(Exception):
    """The end of a command before it has told anything."""


async def killed_untold(world: World, call: Call = CALL) -> None:
    """A command whose call is final, and that ends before it has told so."""
    async with chain_session(world.url, load_keys("//Alice"), keep_sent=True) as session:
        receipt = await session.signer.submit(call)
        assert receipt is not None
        assert session.signer.under_way() == [str(call)]
        raise Untold(receipt.block.number)


@pytest.mark.parametrize("times", [1, 2])
async def test_an_outcome_that_was_not_told_is_told_by_the_next_command(world: World, times: int) -> None:
    for _ in range(times):  # the second is cut off just as the first: it told nothing either
        cut = asyncio.create_task(block_of(killed_untold(world)))
        await sealing(world, cut)
    with capture_logs() as logs:
        again = asyncio.create_task(command(world))
        await sealing(world, again)
    assert again.result() == cut.result()
    assert len(world.executions(ALICE.public_key)) == 1
    assert any("repeat it once more to send another one" in line["event"] for line in logs)
    another = asyncio.create_task(command(world))
    await sealing(world, another)
    assert len(world.executions(ALICE.public_key)) == 2, "now it was told, so that it is another payment"


async def block_of(what: Coroutine[object, object, None]) -> int:
    """The block of a call whose command ended untold."""
    try:
        await what
    except Untold as error:
        return int(error.args[0])
    raise AssertionError("it was told")


async def test_a_donation_is_told_though_its_plan_has_ended_since(world: World) -> None:
    """What the chain would refuse now is no reason to hide what it did."""
    core = Corestore().create()
    core.append([b"block"] * 3)

    async def act(step: Callable[[Session], Awaitable[object]], cut: bool = False) -> object:
        async with chain_session(world.url, load_keys("//Alice"), keep_sent=True) as session:
            result = await step(session)
            if cut:
                raise Untold
            return result

    async def sealed(step: Callable[[Session], Awaitable[object]], cut: bool = False) -> object:
        task = asyncio.create_task(_result(act(step, cut)))
        await sealing(world, task)
        return task.result()

    terms = plan_terms(1, UNIT, UNIT, UNIT, UNIT, 2000)
    await sealed(lambda s: sponsor.publish_plan(s.client, s.signer, core, terms, 100 * UNIT))
    for step in (
        lambda s: sponsor.donate(s.client, s.signer, 0, UNIT),
        lambda s: sponsor.end_plan(s.client, s.signer, 0),
    ):
        assert isinstance(await sealed(step, cut=True), Untold)
        first = await sealed(step)
        assert isinstance(first, BlockRef)
    assert len(world.executions(ALICE.public_key)) == 3
    assert isinstance(await sealed(lambda s: sponsor.end_plan(s.client, s.signer, 0)), sponsor.PlanRefused)


async def _result(what: Coroutine[object, object, object]) -> object:
    try:
        return await what
    except (Untold, sponsor.PlanRefused) as error:
        return error


async def test_a_note_that_is_too_old_is_of_no_more_use(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.chain_client.signer.FATE_BLOCKS", 8)
    first = asyncio.create_task(command(world))
    await eventually(world.pooled)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    world.seal(PERIOD + 8)
    with capture_logs() as logs:
        again = asyncio.create_task(command(world))
        await sealing(world, again)
    assert again.result() > PERIOD
    assert len(world.executions(ALICE.public_key)) == 2
    assert [line["until"] for line in logs if "no command asked for its outcome" in line["event"]] == [PERIOD]


async def test_a_command_waits_for_the_end_of_one_that_signs_for_the_same_account(world: World) -> None:
    first = asyncio.create_task(command(world))
    await eventually(world.pooled)
    with capture_logs() as logs:
        second = asyncio.create_task(command(world))
        await eventually(lambda: any("waiting for another command" in line["event"] for line in logs))
        assert world.pooled() == 1
        await sealing(world, first)
        await sealing(world, second)
    assert first.result() < second.result()
    assert len(world.executions(ALICE.public_key)) == 2


async def test_a_command_does_not_wait_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.session.BUSY_SECONDS", 0.0)
    async with chain_session(world.url, load_keys("//Alice"), keep_sent=True):
        with pytest.raises(SignerBusy, match="another process is signing for this account"):
            await bounded(command(world))
        async with chain_session(world.url, load_keys("//Alice")):
            pass  # nothing is noted, nobody waits


def test_a_plan_is_told_before_the_session_is_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is noted no more: cut off while it closes its connection, and typed again, it would publish another one."""
    told: list[str] = []

    @asynccontextmanager
    async def session(*_: object, **__: object) -> AsyncIterator[Mock]:
        yield Mock()
        told.append(capsys.readouterr().out)

    monkeypatch.setattr(plan, "configure_logging", Mock())
    monkeypatch.setattr(plan, "chain_session", session)
    monkeypatch.setattr(plan, "opened", Mock())
    monkeypatch.setattr(plan, "known", Mock())
    done = sponsor.Published(7, BlockRef(9, bytes(32)), 5)
    monkeypatch.setattr(sponsor, "publish_plan", AsyncMock(return_value=done))
    plan.publish("ab" * 32, Path(), 1, 5, 9, key=Path("//Alice"), json=True)
    assert told == ['{"plan": 7, "block": 9}\n']


@pytest.mark.parametrize("included", [False, True], ids=["in the pool", "in a block that is not final"])
async def test_a_publication_that_was_cut_off_is_told_though_it_took_the_money(world: World, included: bool) -> None:
    core = Corestore().create()
    core.append([b"block"] * 3)
    published: list[sponsor.Published] = []

    async def publish() -> None:
        async with chain_session(world.url, load_keys("//Alice"), keep_sent=True) as session:
            pot = (await session.client.balance(session.signer.account, world.genesis)) * 6 // 10
            terms = plan_terms(1, UNIT, UNIT, UNIT, UNIT, 2000)
            published.append(await sponsor.publish_plan(session.client, session.signer, core, terms, pot))

    first = asyncio.create_task(publish())
    await eventually(lambda: world.pooled() or first.done())
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    if included:
        world.engine.set_finality(None)
        world.seal()
        world.engine.set_finality(1)
    again = asyncio.create_task(publish())
    await sealing(world, again)
    again.result()
    assert [(one.plan, one.block.number) for one in published] == [(0, 1)]
    assert len(world.executions(ALICE.public_key)) == 1


async def test_a_command_ends_when_its_chain_is_begun_anew(
    world: World, mock_runtime: Runtime, spec: ChainSpec
) -> None:
    """The same genesis, other blocks: what was sent will never be seen."""
    done = asyncio.create_task(command(world))
    await sealing(world, done)
    task = asyncio.create_task(command(world))
    await eventually(world.pooled)
    await world.stop()
    anew = World(mock_runtime, spec)
    anew.port = world.port
    await anew.start()
    try:
        anew.seal(world.best.number)
        await sealing(anew, task)
        with pytest.raises(WrongChain):
            await task
    finally:
        await anew.stop()


def test_the_note_of_an_account_on_a_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sent_table(b"\1" * 32, ALICE.public_key)
    assert found == tmp_path / "datdot" / f"{'01' * 8}-{ss58(ALICE.public_key)}.sqlite"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert sent_table(b"\1" * 32, ALICE.public_key) == tmp_path / "home/.local/state/datdot" / found.name
