"""Audits: a sector that does not decode to the feed is found by an attester, reported once, and costs who made it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime_mock.model.datdot.params import amounts
from service.chain_client.pallet import events
from service.chain_client.pallet.constants import MAX_BLOCK
from service.chain_client.pallet.types import ChainBlockProof, ChainOpening, Copy, CopyEnd, Evidence, Root
from service.encoding import SectorDecoder
from service.encoding.profiles import SECTOR
from service.feeds.fetch import fetch_feed
from service.roles.attester.role import AttesterRole
from service.roles.common.audit import CommitFinding, ForgetFinding, ShowFinding, decide, unshowable
from service.roles.common.context import Context
from service.roles.common.database import Database
from service.roles.common.findings import MAX_FINDINGS, MOST_REFUSED, Findings
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from tests.support.blank import blank
from tests.support.copy_world import digest
from tests.support.small_net import Net, SlowCodec, author, copied, is_active

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


def test_what_was_refused_is_remembered_with_its_reason(tmp_path: Path) -> None:
    database = Database(tmp_path / "roles.sqlite")
    findings = Findings(database)
    findings.keep(3, EVIDENCE)
    findings.refuse(3, 5, 8, "it is not proven")
    assert findings.all() == {}
    database.close()
    again = Findings(Database(tmp_path / "roles.sqlite"))
    assert again.refusal(3, 5, 8) == "it is not proven"
    assert again.refusal(3, 5, 9) == again.refusal(4, 5, 8) is None, "other sectors may still show it"
    for sector in range(MOST_REFUSED):
        again.refuse(3, 5, sector, "no")
    assert again.refusal(3, 5, 8) == "it is not proven"
    reason = again.refusal(3, 6, 0)
    assert reason is not None
    assert reason.startswith("5 reports of it were refused"), "each costs two fees"
    again.forget(3)
    assert again.refusal(3, 5, 8) is None


def test_refusals_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.roles.common.findings.MAX_REFUSALS", 8)
    findings = Findings(Database(tmp_path / "roles.sqlite"))
    for copy in range(50):
        for sector in range(2):
            findings.refuse(copy, 5, sector, "no")
    kept = [copy for copy in range(50) if findings.refusal(copy, 5, 0)]
    assert kept == [45, 46, 47, 48, 49]


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
            super().__init__(replace(context, pool=Rubbish()))  # type: ignore[arg-type]

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


class Mistaken(SectorDecoder):
    """A decoder that is wrong about one byte of each sector."""

    def decode(self, first_sector: int, data: bytes) -> bytes:
        plain = bytearray(super().decode(first_sector, data))
        plain[7] ^= 1
        return bytes(plain)


async def test_what_the_chain_does_not_take_for_proven_is_not_paid_for_each_era(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.roles.attester.probe.SectorDecoder", Mistaken)

    def shown() -> list[tuple[int, int]]:
        heard = [one.arguments[1] for one in net.chain.heard if one.name == "report_invalid_encoding"]
        return [(evidence.segment, evidence.sector) for evidence in heard]

    with capture_logs() as lines:
        async with copied(net) as (_, _, _, _, copy):
            attester = await net.start("One", AttesterRole)
            await net.chain.until(shown)
            await net.chain.until(lambda: any("NotProven" in str(line.get("reason")) for line in lines))
            await attester.restart()
            until = net.chain.number + 8 * net.chain.client.times.era
            await net.chain.until(lambda: net.chain.number >= until)
            assert not net.chain.copy(copy).invalid
    assert 1 < len(shown()) == len(set(shown())) <= MOST_REFUSED, "each sector once, and few of a copy"
    refused = [line for line in lines if line["log_level"] == "error" and "NotProven" in str(line.get("reason"))]
    assert [(line["segment"], line["sector"]) for line in refused] == shown()
    assert len(net.chain.events(events.ReportCommitted)) == len(shown())
    later = [line for line in lines if line["event"].startswith("a copy does not decode to its feed, and no report")]
    assert len(later) > len(shown()), "it is still found"


async def test_a_block_that_no_report_can_show_is_told_once(net: Net) -> None:
    large = replace(EVIDENCE, block=replace(BLOCK, data=bytes(MAX_BLOCK + 1)))
    assert unshowable(EVIDENCE) is unshowable(replace(EVIDENCE, block=None)) is None
    assert unshowable(replace(EVIDENCE, block=replace(BLOCK, data=bytes(MAX_BLOCK)))) is None
    async with copied(net) as (_, _, _, _, copy):
        await net.chain.until(is_active(net, copy))
        attester = await net.start("One", AttesterRole)
        findings = Findings(attester.database)
        with capture_logs() as lines:
            for _ in range(3):
                await attester.role._auditor.found(copy, large)
            assert findings.all() == {}
            # one that was kept by an earlier version
            findings.forget(copy)
            findings.keep(copy, large)
            await net.chain.until(lambda: findings.all() == {})
        told = [line["reason"] for line in lines if line["log_level"] == "error"]
        assert told == [f"block 3 of the feed has {MAX_BLOCK + 1} bytes, and a report shows {MAX_BLOCK} at most"] * 2
        assert findings.refusal(copy, large.segment, large.sector) == told[0]
        assert not net.chain.events(events.ReportCommitted)
