"""Audits: a sector that does not decode to the feed is found by an attester, reported once, and costs who made it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime_mock.model.datdot.params import amounts
from service.chain_client.pallet import events
from service.chain_client.pallet.types import ChainBlockProof, ChainOpening, Copy, CopyEnd, Evidence, Root
from service.encoding.profiles import SECTOR
from service.feeds.fetch import fetch_feed
from service.roles.attester.role import AttesterRole
from service.roles.common.audit import MAX_FINDINGS, CommitFinding, Findings, ForgetFinding, ShowFinding, decide
from service.roles.common.context import Context
from service.roles.common.database import Database
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from tests.support.blank import blank
from tests.support.copy_world import digest
from tests.support.small_net import Net, SlowCodec, author, is_active

COPY: Copy = blank(Copy)
BLOCK = ChainBlockProof(7, (Root(digest("root"), 9),), 3, b"block", (Root(digest("sibling"), 4),))
EVIDENCE = Evidence(5, 8, ChainOpening(bytes(range(256)), (digest("a"), digest("b"))), BLOCK)


def test_a_report_is_shown_four_blocks_after_its_commit() -> None:
    def due(block: int | None, now: int = 100, copy: Copy | None = COPY, next_copy: int = 9) -> list[Any]:
        return decide(now, next_copy, {3: block}, {} if copy is None else {3: copy})

    assert due(None) == [CommitFinding(3)]
    assert [block for block in range(90, 101) if due(block) == [ShowFinding(3)]] == list(range(90, 98))
    assert due(98) == due(100) == [], "seen in block 100, it can be in 101"
    for block in (None, 90):
        assert due(block, copy=replace(COPY, invalid=True)) == [ForgetFinding(3)], "somebody was faster, or we were"
        assert due(block, copy=None) == [ForgetFinding(3)]
        assert due(block, copy=None, next_copy=3) == [], "the state is older than the copy"
    assert decide(1, 9, {}, {}) == []


def test_what_was_found_is_kept_and_not_replaced(tmp_path: Path) -> None:
    database = Database(tmp_path / "roles.sqlite")
    findings = Findings(database)
    findings.keep(3, EVIDENCE)
    findings.keep(3, replace(EVIDENCE, sector=9))
    findings.keep(4, replace(EVIDENCE, block=None))
    database.close()
    again = Findings(Database(tmp_path / "roles.sqlite"))
    assert again.all() == {3: EVIDENCE, 4: replace(EVIDENCE, block=None)}
    again.forget(3)
    assert list(again.all()) == [4]
    for copy in range(100, 100 + 2 * MAX_FINDINGS):
        again.keep(copy, EVIDENCE)
    assert len(again.all()) == MAX_FINDINGS, "a network full of rubbish fills no disk, and no block"


class Rubbish(SlowCodec):
    """Encodes another byte than the feed's in each sector, and decodes it back: what a pair agrees on."""

    def encode(self, pieces: Any, **more: Any) -> Any:
        async def spoiled() -> AsyncIterator[bytes]:
            held, place = bytearray(), 0
            async for piece in pieces:
                held = bytearray(piece)
                for at in range(-place % SECTOR, len(held), SECTOR):
                    held[at] ^= 1
                place += len(held)
                yield bytes(held)

        return super().encode(spoiled(), **more)

    async def decode_run(self, first_sector: int, data: bytes, **more: Any) -> bytes:
        plain = bytearray(await super().decode_run(first_sector, data, **more))
        plain[::SECTOR] = bytes(byte ^ 1 for byte in plain[::SECTOR])
        return bytes(plain)


def rubbish(role: Any) -> Any:
    class Pair(role):  # type: ignore[misc]
        def __init__(self, context: Context) -> None:
            super().__init__(replace(context, pool=Rubbish()))

    return Pair


async def rubbish_copy(net: Net) -> int:
    """Return a copy that holds rubbish. Its hoster serves the feed as it is."""
    writer, core = await author(net)
    hoster = await net.start("Hoster", rubbish(HosterRole))
    await net.start("Encoder", rubbish(EncoderRole))
    await fetch_feed(hoster.store.get(core.key), hoster.transport, [writer.keys.swarm_key])
    copy = await net.place(core)
    await net.chain.until(is_active(net, copy))
    return copy


@pytest.mark.parametrize("killed", [False, True])
async def test_rubbish_by_hoster_and_encoder_together_is_reported_once(net: Net, killed: bool) -> None:
    attester = await net.start("One", AttesterRole)
    other = await net.start("Two", AttesterRole)
    copy = await rubbish_copy(net)
    await net.chain.until(lambda: net.chain.events(events.ReportCommitted))
    if killed:
        await attester.restart()
        await other.restart()
    await net.chain.until(lambda: net.chain.events(events.EncodingReported))
    (reported,) = net.chain.events(events.EncodingReported)
    assert reported.copy == copy
    assert reported.account in (attester.account, other.account)
    assert 0 < reported.reward < reported.taken
    assert reported.taken > amounts(net.chain.state).encoder_bond, "the encoder's bond, and the copy's collateral"
    await net.chain.until(lambda: any(event.copy == copy for event in net.chain.events(events.CopyEnded)))
    assert {event.reason for event in net.chain.events(events.CopyEnded) if event.copy == copy} == {CopyEnd.INVALID}
    for one in (attester, other):
        await net.chain.until(lambda: copy not in Findings(one.database).all())  # noqa: B023
    assert [event.copy for event in net.chain.events(events.EncodingReported)].count(copy) == 1
