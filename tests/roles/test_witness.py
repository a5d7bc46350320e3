"""Hosters audit each other: what one opens to the chain another compares with the feed that it hosts, and reports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.chain_client.pallet import calls, events
from service.chain_client.pallet.types import CopyEnd, StorageProof
from service.chain_client.runtime.events import EventRecord
from service.chain_client.runtime.extrinsic import Mortality, signed, signed_call
from service.encoding import Opening
from service.feeds.fetch import fetch_feed
from service.hypercore import Core
from service.roles.common.findings import Findings
from service.roles.common.terms import HosterTerms, RolesConfig
from service.roles.encoder.role import EncoderRole
from service.roles.hoster import witness
from service.roles.hoster.role import HosterRole
from service.roles.hoster.witness import Opened, judge, proofs_of_others
from tests.roles.test_audits import rubbish
from tests.support.copy_world import digest
from tests.support.small_net import LivePeer, Net, author, copied, is_active

CONFIG = RolesConfig(confirm_grace=1000, checkpoint_sectors=128)


def full_with(core: Core) -> RolesConfig:
    """Return the terms of a hoster that has room for one copy of a feed."""
    return replace(CONFIG, hosting=HosterTerms(core.byte_length + 1024, 10**9, 10**9))


async def rubbish_and_honest(net: Net) -> tuple[int, int, LivePeer]:
    """A copy of rubbish, and one of the same feed on a hoster that is honest."""
    writer, core = await author(net)
    cheat = await net.start("Hoster", rubbish(HosterRole), full_with(core))
    encoder = await net.start("Encoder", rubbish(EncoderRole))
    await fetch_feed(cheat.store.get(core.key), cheat.transport, [writer.keys.swarm_key])
    spoiled = await net.place(core)
    await net.chain.until(is_active(net, spoiled))
    await net.leave(encoder)
    honest = await net.start("One", HosterRole)
    await net.start("Two", EncoderRole)
    plan = await net.publish(core)
    await net.chain.until(lambda: any(is_active(net, copy)() for copy in net.chain.plan(plan).live))
    (copy,) = net.chain.plan(plan).live
    assert (net.chain.copy(copy).hoster, net.chain.copy(spoiled).hoster) == (honest.account, cheat.account)
    return spoiled, copy, honest


async def test_a_hoster_reports_the_rubbish_of_another(net: Net) -> None:
    spoiled, copy, honest = await rubbish_and_honest(net)
    await net.chain.until(lambda: net.chain.events(events.EncodingReported))
    (reported,) = net.chain.events(events.EncodingReported)
    assert (reported.copy, reported.account) == (spoiled, honest.account)
    assert reported.reward > 0
    await net.chain.until(lambda: any(event.copy == spoiled for event in net.chain.events(events.CopyEnded)))
    assert [event.reason for event in net.chain.events(events.CopyEnded)] == [CopyEnd.INVALID]
    await net.chain.until(lambda: not Findings(honest.database).all())
    assert is_active(net, copy)()


async def test_honest_hosters_find_nothing_in_each_others_proofs(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[tuple[int, int, bool]] = []

    def noted(core: Core, opened: Opened) -> Any:
        found = judge(core, opened)
        judged.append((opened.copy, opened.opening.sector, found is None))
        return found

    monkeypatch.setattr(witness, "judge", noted)
    _, core = await author(net)
    hoster = await net.start("Hoster", HosterRole, full_with(core))
    await net.start("Encoder", EncoderRole)
    copy = await net.place(core)
    await net.chain.until(is_active(net, copy))
    other = await net.start("One", HosterRole)
    # a plan of other ranges, whose stream begins elsewhere
    second = await net.place(core, [(0, 2), (4, core.length)])
    await net.chain.until(is_active(net, second))
    assert [net.chain.copy(one).hoster for one in (copy, second)] == [hoster.account, other.account]

    def compared(number: int) -> set[int]:
        return {sector for one, sector, _ in judged if one == number}

    await net.chain.until(lambda: len(compared(copy)) > 20 and len(compared(second)) > 20)
    assert all(right for _, _, right in judged)
    assert not net.chain.events(events.ReportCommitted)


async def test_what_is_looked_into_is_bounded_and_comes_after_the_duties(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "MOST_SECTORS", 3)
    _, _, honest = await rubbish_and_honest(net)
    looks, found = [], []
    look, opened = honest.role._witness.look, witness.Witness._opened

    def noted(block: Any) -> None:
        looks.append(block)
        look(block)

    async def counted(self: Any, *arguments: Any) -> list[Opened]:
        found.append(await opened(self, *arguments))
        return found[-1]

    honest.role._witness.look = noted
    monkeypatch.setattr(witness.Witness, "_opened", counted)
    await net.chain.until(lambda: net.chain.events(events.EncodingReported))
    assert {len(one) for one in found if one} == {3}
    for block in looks:
        assert await net.chain.client.storage.storage_challenge(honest.account, block.hash) is None


async def test_a_proof_that_is_not_ours_to_judge_is_passed_over(net: Net) -> None:
    """Of a fork, of a longer head, of another history, or of blocks that are not here: nobody can tell."""
    async with copied(net) as (_, _, hoster, core, copy):
        await net.chain.until(is_active(net, copy))
        held = hoster.store.get(core.key)
        (part,) = net.chain.copy(copy).segments
        storage, at = net.chain.client.storage, net.chain.latest.hash
        segment, plan = await storage.segment(part.segment, at), await storage.plan(net.chain.copy(copy).plan, at)
        assert segment is not None
        assert plan is not None
        modulus = net.chain.modulus(part.segment)
        root_opening = Opening(0, bytes(256), ())
        wrong = Opened(copy, hoster.account, part.segment, segment, modulus, plan, root_opening)
        evidence = judge(held, wrong)
        assert evidence is not None
        assert evidence.block is not None
        assert evidence.block.data == held.raw(evidence.block.index)

        def other(**head: Any) -> Opened:
            return replace(wrong, segment=replace(segment, head=replace(segment.head, **head)))

        assert judge(held, other(fork=1)) is None
        assert judge(held, other(length=core.length + 1)) is None
        assert judge(held, replace(wrong, segment=replace(segment, salt=None))) is None
        with pytest.raises(witness.StreamError, match="do not hash"):
            judge(held, other(tree_hash=digest("another history")))
        empty = net.peers["Encoder"].store.get(core.key)
        assert empty.length == core.length
        assert judge(empty, wrong) is None, "an encoder keeps no blocks"


def test_whose_proofs_are_looked_into() -> None:
    me, other = digest("me"), digest("other")

    def record(event: events.Event | None, extrinsic: int | None) -> EventRecord:
        return EventRecord("DatDot", "name", {}, event, extrinsic)

    found = proofs_of_others(
        [
            record(None, 0),
            record(events.StorageProved(other, 7, 9), 2),
            record(events.HosterCleared(other), None),  # by the chain itself
            record(events.StorageProved(me, 7, 9), 3),
            record(events.HosterCleared(other), 4),
        ],
        me,
    )
    assert found == [(other, 2), (other, 4)]


@pytest.mark.parametrize("nonce", [0, 63, 64, 1 << 14, 1 << 30])
@pytest.mark.parametrize("size", [1, 100, 1 << 14, 1 << 16])
def test_the_call_of_an_extrinsic(nonce: int, size: int) -> None:
    call = bytes([5, 12]) + bytes(size)
    for kind, signature in ((0, 64), (1, 64), (2, 65)):
        made = signed(digest("account"), bytes([7]) * signature, call, Mortality(77, digest("hash")), nonce, kind)
        assert signed_call(made) == call
    assert signed_call(bytes([5 << 2, 4, 1, 0, 3, 9])) is None, "an inherent"


async def test_a_call_is_read_out_of_a_block(net: Net) -> None:
    client = net.chain.client
    runtime = await client.runtime_at()
    proof = StorageProof((bytes(range(256)), bytes(256)), (digest("sibling"),))
    data = runtime.encode_call(calls.submit_storage_proof(7, proof))
    assert runtime.decode_call(data, witness.PROOF, witness.ARGUMENTS) == {"issued": 7, "proof": proof}
    assert runtime.decode_call(runtime.encode_call(calls.pause()), witness.PROOF, witness.ARGUMENTS) is None
    await net.chain.wait_for(1)
    block = net.chain.latest.hash
    assert await client.call(block, 0, witness.PROOF, witness.ARGUMENTS) is None, "the inherent of the time"
