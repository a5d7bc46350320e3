"""`datdot hoster` against a chain: a hoster that pauses, is late, leaves a copy and says that it lost one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.chain_client import ChainClient
from service.chain_client.pallet import calls
from service.chain_client.pallet.events import CopyLeaving, HosterOverdue, HosterPaused
from service.chain_client.pallet.types import Times
from service.cli.hoster import _text
from service.encoding import PrivateKey
from service.session import Session
from tests.support.cli_process import (
    WAIT,
    RunningChain,
    command,
    datdot,
    done,
    environment,
    full_pipe,
    many,
    running_chain,
)
from tests.support.contract import shape
from tests.support.copy_by_hand import UNIT, assigned, encoded, enrolled, head_of, parties, published, until
from tests.support.mock_process import Mock, running_mock

BLOCK_SECONDS = 0.1
CONTRACT: dict[str, Any] = json.loads((Path(__file__).parent / "contract.json").read_text())


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[RunningChain]:
    """One that makes blocks by the clock."""
    (tmp_path / "chain").mkdir()
    with running_chain("model", tmp_path / "chain") as running:
        yield running


async def on_the_side(work: Callable[[], Any]) -> Any:
    """Run commands while the sessions here go on."""
    return await asyncio.to_thread(work)


async def whole(alice: Session, hoster: Session, encoder: Session, compat: bool = False) -> int:
    """A copy of another feed on the hoster, whole."""
    copy, _ = await assigned(alice.client, await published(alice, head_of(compat)))
    key = PrivateKey.generate()
    await encoder.signer.submit(calls.begin_segment(copy, key.modulus, 1))
    await encoded(encoder, hoster, copy, key)
    return copy


async def told(client: ChainClient, kind: type, first: int) -> Any:
    """The first event of a kind, from a block on."""
    number = first
    while True:
        block = await client.block_hash(number)
        if block is None:
            await asyncio.sleep(0.1)
            continue
        for record in await client.events(block):
            if isinstance(record.event, kind):
                return record.event
        number += 1


def killed_before_it_told(arguments: tuple[object, ...], happened: Callable[[], bool], **state: str) -> None:
    """Kill a command once the chain shows what it did, while it cannot print."""
    source, sink = full_pipe()
    first = subprocess.Popen(command(*arguments, "--json"), stdout=sink, env=environment(**state))
    while not happened():
        assert first.poll() is None
    first.send_signal(signal.SIGKILL)
    first.wait(WAIT)
    for descriptor in (source, sink):
        os.close(descriptor)


async def test_a_pause_is_told_to_whom_asks_again(chain: RunningChain, tmp_path: Path) -> None:
    """The command is killed before its line is on the screen."""
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    pausing = ("hoster", "pause", "--chain", chain.url, "--key", "//Charlie")

    def status() -> dict[str, Any]:
        return done("hoster", "status", "--chain", chain.url, "--key", "//Charlie")

    async with parties(chain, "//Charlie") as (hoster,):
        await enrolled(hoster, calls.offer_hosting(1 << 30, UNIT // 1000, 0, b"u33"))
        client, times = hoster.client, hoster.client.times
        await on_the_side(lambda: killed_before_it_told(pausing, lambda: status()["next_pause"] > 0, **state))
        paused = await on_the_side(lambda: done(*pausing, **state))
        assert list(paused) == list(CONTRACT["hoster"]["hoster pause"])
        event = await told(client, HosterPaused, paused["block"])
        assert paused == {"block": paused["block"], "from": event.start + 1, "until": event.end}
        assert (event.start, event.end) == (
            paused["block"] + times.proof_window,
            paused["block"] + times.proof_window + times.pause,
        )
        again = await on_the_side(lambda: datdot(*pausing, "--json", **state))
        assert f"from block {paused['block'] + 14 * times.era} on" in again.failure("hoster_refused")["message"]
        assert (await on_the_side(status))["next_pause"] == paused["block"] + 14 * times.era


class Ticks:
    """Blocks while no command runs, of a chain that makes one for each extrinsic: deadlines do not come for a slow machine."""

    def __init__(self, mock: Mock) -> None:
        self._mock, self._going = mock, asyncio.Event()
        self._going.set()

    async def run(self) -> None:
        """Seal block after block, until cancelled."""
        while True:
            await self._going.wait()
            await asyncio.to_thread(self._mock.raw, b'{"jsonrpc":"2.0","id":1,"method":"mock_seal","params":[1]}')
            await asyncio.sleep(BLOCK_SECONDS)

    async def aside(self, work: Callable[[], Any]) -> Any:
        """Run commands while the chain stands, but for the blocks of what they send."""
        self._going.clear()
        try:
            return await on_the_side(work)
        finally:
            self._going.set()


@pytest.mark.slow
async def test_a_hoster_that_is_late_leaves_and_loses() -> None:
    with running_mock("--seal", "instant") as mock:
        chain, ticks = RunningChain("model", mock.url), Ticks(mock)
        sealing = asyncio.create_task(ticks.run())
        try:
            await is_late_leaves_and_loses(chain, ticks.aside)
        finally:
            sealing.cancel()
            await asyncio.gather(sealing, return_exceptions=True)


async def is_late_leaves_and_loses(chain: RunningChain, aside: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
    on_chain = ("--chain", chain.url)
    mine = (*on_chain, "--key", "//Charlie")

    def status() -> dict[str, Any]:
        return done("hoster", "status", *mine)

    async with parties(chain, "//Alice", "//Charlie", "//Dave") as (alice, hoster, encoder):
        client, times, account = alice.client, alice.client.times, hoster.signer.account
        await asyncio.gather(
            enrolled(hoster, calls.offer_hosting(1 << 30, UNIT // 1000, 0, b"u33")),
            enrolled(encoder, calls.offer_encoding(UNIT // 1000)),
        )
        left = await whole(alice, hoster, encoder)
        challenge = await until(client, lambda: client.storage.storage_challenge(account))
        good = await aside(status)
        check_good(good, left, challenge.issued, times)
        assert f"hoster {good['account']}  open in region u33" in await aside(
            lambda: datdot("hoster", "status", *mine).out
        )
        check_shown(await aside(lambda: done("plan", "show", good["copies"][0]["plan"], *on_chain)), left)
        gone = await whole(alice, hoster, encoder, compat=True)

        late = await told(client, HosterOverdue, challenge.issued)
        warned = await aside(status)
        assert (late.step, late.issued, warned["step"], warned["standing"]) == (1, challenge.issued, 1, "warned")
        assert warned["challenge"]["deadlines"] == good["challenge"]["deadlines"]
        assert warned["challenge"]["deadlines"]["recheck"] == late.due
        assert (warned["missed"], warned["reputation"]) == (1, good["reputation"] - good["reputation"] // 8)
        check_changed(warned["reputation_change"], good["reputation"], challenge.issued, times)
        assert f"else evicted\n  By block {late.due}: answer the challenge" in _text(warned)
        await check_refusals(mine, on_chain, left, aside)

        leaving = await aside(lambda: done("hoster", "leave", left, *mine))
        assert list(leaving) == list(CONTRACT["hoster"]["hoster leave"])
        notice = await told(client, CopyLeaving, leaving["block"])
        assert leaving == {"copy": left, "block": leaving["block"], "until": notice.block}
        assert notice.block == leaving["block"] + times.end_notice
        lost = await aside(lambda: done("hoster", "lost", gone, *mine))
        assert list(lost) == list(CONTRACT["hoster"]["hoster lost"])

        await until(client, lambda: ended(client, left, gone))
        over = await aside(status)
        assert (over["step"], over["challenge"], over["remedy"]) == (0, None, "nothing is due")
        assert {left, gone}.isdisjoint(copy["copy"] for copy in over["copies"])
        assert int(over["collateral"]["held"]) < int(over["collateral"]["due"]), "a tenth of the copies' collateral"
        for what in ("leave", "lost"):
            ran = await aside(lambda what=what: datdot("hoster", what, gone, *mine, "--json"))
            assert f"copy {gone} ended in block" in ran.failure("hoster_refused")["message"]


def check_good(good: dict[str, Any], copy: int, issued: int, times: Times) -> None:
    """What is shown of a hoster that owes an answer and has time for it."""
    assert {"hoster status": shape(good)} == {"hoster status": CONTRACT["hoster"]["hoster status"]}
    assert list(good) == list(CONTRACT["hoster"]["hoster status"])
    assert (good["step"], good["standing"], good["region"], good["open"]) == (0, "good", "u33", True)
    assert good["collateral"] == {"held": str(UNIT // 20), "due": str(UNIT // 20)}
    assert [(one["copy"], one["state"], one["leaving"], one["dropping"]) for one in good["copies"]] == [
        (copy, "Active", 0, False)
    ]
    assert (good["challenge"]["issued"], good["challenge"]["copies"]) == (issued, [copy])
    assert good["reputation_change"]["why"] == "registered: everybody begins with it"
    assert (good["fees"]["remedy"], good["fees"]["proofs"] > 100) == ("nothing is due", True)
    suspended = issued + 2 * times.proof_window + 1
    assert good["challenge"]["deadlines"] == {
        "proof": issued + times.proof_window,
        "recheck": suspended,
        "last_call": suspended + 1 + times.era,
    }
    assert f"by block {issued + times.proof_window}: answer the challenge" in good["challenge"]["remedy"]
    assert good["remedy"] == good["challenge"]["remedy"]


def check_shown(plan: dict[str, Any], number: int) -> None:
    """What `plan show` says of a whole copy."""
    (copy,) = (one for one in plan["copies"] if one["copy"] == number)
    assert json.dumps(shape(copy)) == json.dumps(CONTRACT["copy of plan show"]), "keys come in this order"
    assert (copy["fails"], copy["slow"], copy["leaving"]) == (0, 0, 0)
    assert copy["sectors"] == copy["confirmed_sectors"] > 0


def check_changed(change: dict[str, Any], before: int, issued: int, times: Times) -> None:
    """Why the reputation of a hoster changed that did not answer in time."""
    assert (change["before"], change["block"]) == (before, issued + times.proof_window + 1)
    assert f"challenge of block {issued} was not answered in time" in change["why"]


async def check_refusals(
    mine: tuple[str, ...], on_chain: tuple[str, ...], copy: int, aside: Callable[[Callable[[], Any]], Awaitable[Any]]
) -> None:
    """What cannot be said by a hoster that is late, or by who is none; each by its reason."""
    cases = (
        (("hoster", "pause", *mine), "hoster_refused", "not answered in time"),
        (("hoster", "pause", *on_chain, "--key", "//Bob"), "hoster_refused", "never offered to host"),
        (("hoster", "leave", copy, *on_chain, "--key", "//Bob"), "hoster_refused", "hosted by another account"),
        (("hoster", "lost", 10**6, *mine), "hoster_refused", "does not exist"),
        (("hoster", "status", *on_chain, "--key", "//Bob"), "no_such_hoster", "never offered to host"),
    )
    lines = [(*line, "--json") for line, _, _ in cases]
    for ran, (_, code, reason) in zip(await aside(lambda: many(lines)), cases, strict=True):
        assert reason in ran.failure(code)["message"]


async def ended(client: ChainClient, *copies: int) -> list[Any] | None:
    """The copies, once all have ended."""
    found = [await client.storage.copy(copy) for copy in copies]
    return found if all(one is not None and one.ended is not None for one in found) else None


def test_accounts_that_are_none() -> None:
    for arguments in (("hoster", "status"), ("hoster", "pause"), ("ratio",)):
        assert "--key FILE" in datdot(*arguments, "--json").failure("usage", 2)["message"]
    for name in ("5Grwva", "nobody"):
        assert "is not an account in SS58" in datdot("ratio", name, "--json").failure("usage", 2)["message"]
