"""Cheats of hosters: what they keep, what they answer, whom they serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

from service.chain_client.pallet import events
from service.chain_client.pallet.constants import REPORT_AGE
from service.chain_client.pallet.types import CopyEnd, Role, Verdict
from service.roles.common.terms import AttesterTerms
from service.units import UNIT

from .catalogue import Cast, act, dear
from .scenarios_hosters import collateral
from .scenarios_hosters import whole as all_bytes
from .stage import Peer, Published, Stage

SIZE = 12_000
POT = 2_000 * UNIT
CONFIG, AMOUNTS = dear()
WATCHED_BLOCKS = 180
"""A hoster that does not answer is evicted within a challenge, two windows and an era."""


def cast(**cheats: str) -> Cast:
    """Four hosters, each with a copy of every plan; some of them cheat."""
    named = {name.replace("_", "-"): what for name, what in cheats.items()}
    return Cast(hosters=4, encoders=4, cheats=named, config=CONFIG, amounts=AMOUNTS)


async def watch(stage: Stage, cheats: Sequence[Peer], challenges: int, plans: int = 1) -> int:
    """Let them cheat for a while; what they have over their twins then.

    Fails unless each loses money within so many challenges, while the honest lose nothing and miss nothing.
    """
    hosters = stage.peers("hoster")
    for _ in range(plans):
        published = await stage.publish(SIZE, len(hosters), pot=POT)
        await stage.active(published.plan, len(hosters))
    since, before = stage.now, await stage.wealth_of(hosters)
    for peer in cheats:
        await stage.event(events.Forfeited, since, account=peer.account)
        (paid, _) = stage.happened(events.Forfeited, since, account=peer.account)[0]
        mine = offered(stage, peer, since)
        whole = max(at for at, event in stage.happened(events.CopyActive) if at <= since and event.copy in mine)
        asked = [at for at, _ in stage.happened(events.StorageChallenged, whole, hoster=peer.account) if at <= paid]
        stage.notes.append(f"{peer.name}: challenged {len(asked)} times until it lost money, {paid - since} blocks")
        assert len(asked) <= challenges, f"{len(asked)} challenges until {peer.name} lost money"
    await stage.until("all have earned for a while", lambda: stage.now >= since + WATCHED_BLOCKS, WATCHED_BLOCKS + 1)
    return await gain(stage, cheats, hosters, before)


def offered(stage: Stage, peer: Peer, until: int) -> set[int]:
    """The copies that a hoster was offered up to a block."""
    return {event.copy for at, event in stage.happened(events.CopyOffered, hoster=peer.account) if at <= until}


async def gain(stage: Stage, cheats: Sequence[Peer], everybody: Sequence[Peer], before: dict[str, int]) -> int:
    """What the cheats have gained over as many honest ones. Fails unless these were not hurt."""
    after = await stage.wealth_of(everybody)
    gained = {name: after[name] - before[name] for name in after}
    honest = [one for one in everybody if one not in cheats]
    twin = mean(gained[one.name] for one in honest)
    for one in honest:
        assert gained[one.name] > 0, f"{one.name} is honest and lost {-gained[one.name]}"
        assert not stage.happened(events.HosterOverdue, hoster=one.account), f"{one.name} is honest and missed"
        assert not stage.happened(events.Forfeited, account=one.account), f"{one.name} is honest and forfeited"
    stage.notes.append(
        f"cheats {sum(gained[one.name] for one in cheats) / len(cheats) / UNIT:+.3f} UNIT each, twins {twin / UNIT:+.3f}"
    )
    found = round(sum(gained[one.name] for one in cheats) - twin * len(cheats))
    assert found < 0, f"cheating gained {found}"
    return found


def named(stage: Stage, *names: str) -> list[Peer]:
    """Hosters by their names."""
    return [one for one in stage.peers("hoster") if one.name in names]


@act("cheats", "plaintext-only", cast(hoster_1="plaintext-only"), real=True, short=True)
async def plaintext_only(stage: Stage) -> int:
    """A hoster that keeps the plaintext and drops the sectors pays at its first challenge."""
    return await watch(stage, named(stage, "hoster-1"), 1)


@act("cheats", "plaintext-only-declared", cast(hoster_1="plaintext-declares"))
async def plaintext_only_declared(stage: Stage) -> int:
    """A hoster that keeps the plaintext, and says that the copy is lost when it is asked, pays for it at its first challenge."""
    return await watch(stage, named(stage, "hoster-1"), 1)


@act("cheats", "one-sector-in-ten", cast(hoster_1="drops-one-in-ten"), real=True)
async def one_sector_in_ten(stage: Stage) -> int:
    """A hoster that drops one sector in ten is found out by one challenge of two, and pays within 12."""
    return await watch(stage, named(stage, "hoster-1"), 12)


@act("cheats", "nine-sectors-in-ten", cast(hoster_1="keeps-one-in-ten"))
async def nine_sectors_in_ten(stage: Stage) -> int:
    """A hoster that drops nine sectors in ten pays at its first challenge."""
    return await watch(stage, named(stage, "hoster-1"), 1)


@act("cheats", "two-hosters-one-disk", cast(hoster_2="shares-a-disk"))
async def two_hosters_one_disk(stage: Stage) -> int:
    """Two hosters with one disk: the second opens the first one's sectors, which are not its own, and pays at once."""
    return await watch(stage, named(stage, "hoster-2"), 1)


@act("cheats", "answers-for-another-copy", cast(hoster_1="answers-for-another"))
async def answers_for_another_copy(stage: Stage) -> int:
    """A hoster that stores one of its two copies and opens it for the other pays within 4 challenges."""
    return await watch(stage, named(stage, "hoster-1"), 4, plans=2)


@act("cheats", "replayed-proofs", cast(hoster_1="replays"))
async def replayed_proofs(stage: Stage) -> int:
    """A hoster that sends the proof of an earlier challenge once more is refused, and pays within 3."""
    return await watch(stage, named(stage, "hoster-1"), 3)


@act("cheats", "replayed-statements", replace(cast(hoster_1="replays-statements"), sectors_per_second=20.0))
async def replayed_statements(stage: Stage) -> int:
    """A hoster that confirms a new segment with the statement of an earlier one is refused, and has paid the fee."""
    hosters = stage.peers("hoster")
    first = await stage.publish(SIZE, len(hosters), pot=POT)
    await stage.active(first.plan, len(hosters))
    since = stage.now
    second = await stage.publish(SIZE, len(hosters), pot=POT)
    await stage.active(second.plan, len(hosters))
    segments = await stage.client.storage.segments_of(
        [part.segment for copy in (await stage.copies(second.plan)).values() for part in copy.segments]
    )
    assert len({one.root for one in segments.values()}) == len(hosters), "each was confirmed with its own root"
    confirmed = {event.segment: at for at, event in stage.happened(events.SegmentConfirmed, since)}
    assert len(confirmed) == len(hosters), "each once"
    refused = {one.name: refused_fees(stage, one.account, since) for one in hosters}
    assert {name for name, fees in refused.items() if fees} == {"hoster-1"}, refused
    return -sum(refused["hoster-1"])


def refused_fees(stage: Stage, account: bytes, since: int) -> list[int]:
    """The fees that an account paid for calls that failed after a block."""
    found = []
    for block in stage.blocks:
        if block.number > since:
            failed = {one.extrinsic for one in block.events if one.name == "ExtrinsicFailed"}
            paid = [one for one in block.events if one.name == "TransactionFeePaid" and one.extrinsic in failed]
            found += [
                one.fields["actual_fee"] for one in paid if one.fields["who"] in (account.hex(), f"0x{account.hex()}")
            ]
    return found


ATTESTED = replace(CONFIG, attesting=AttesterTerms(UNIT, 3))


async def unserved(stage: Stage, peer: Peer) -> int:
    """Let a hoster serve nobody until its copy ends for it."""
    hosters = stage.peers("hoster")
    published = await stage.publish(SIZE, len(hosters), pot=POT)
    await stage.active(published.plan, len(hosters))
    since, before = stage.now, await stage.wealth_of(hosters)
    forfeited = await stage.event(events.Forfeited, since, account=peer.account)
    ended = await stage.event(events.CopyEnded, since, copy=forfeited.copy)
    assert ended.reason is CopyEnd.UNSERVED, ended
    failed = stage.happened(events.RetrievalSettled, since, verdict=Verdict.FAILED)
    assert {event.copy for _, event in failed} == {forfeited.copy}, "nobody else failed"
    stage.notes.append(f"{len(failed)} verdicts until its copy ended")
    return await gain(stage, [peer], hosters, before)


def attested(**cheats: str) -> Cast:
    """The same with six attesters."""
    amounts = AMOUNTS | {"report_price": UNIT}
    return replace(cast(**cheats), hosters=3, encoders=4, attesters=6, config=ATTESTED, amounts=amounts)


@act("cheats", "serves-nobody", attested(hoster_1="serves-nobody"))
async def serves_nobody(stage: Stage) -> int:
    """A hoster that proves its storage and serves nobody loses its copy at the fourth failed verdict."""
    return await unserved(stage, named(stage, "hoster-1")[0])


@act("cheats", "serves-only-attesters", attested(hoster_1="serves-two-attesters"))
async def serves_only_attesters(stage: Stage) -> int:
    """A hoster that serves only attesters whose addresses it knows fails as soon as most seats are others'."""
    stage.notes.append(
        "bound: who knows the addresses of most attesters is not found out; throw-away keys hide who asks, not from where"
    )
    return await unserved(stage, named(stage, "hoster-1")[0])


PAIRS = 24
"""Plans until an encoder of four was drawn for its own hoster: 97 times of 100 it is within twelve."""
AUDITED_ERAS = 3


@act(
    "cheats", "rubbish-together", replace(attested(hoster_1="confirms-rubbish", encoder_1="encodes-rubbish"), hosters=4)
)
async def rubbish_together(stage: Stage) -> int:
    """A hoster and its encoder that store rubbish, prove it and serve the feed pay at the first audit by a stranger."""
    hosters, encoders = stage.peers("hoster"), stage.peers("encoder")
    (pair_hoster, *_), (pair_encoder, *others) = hosters, encoders
    published, number, sectors, since, rich = await pair_drawn(stage)
    whole = stage.now
    assert await stage.read(published.core, [pair_hoster]) == all_bytes(published.core), "it serves the feed"
    reported = await stage.event(events.EncodingReported, since)
    await check_report(stage, reported, number, sectors)
    stage.notes.append(f"plan {published.plan} was theirs; reported {stage.now - whole} blocks after it was whole")
    assert stage.now <= whole + AUDITED_ERAS * stage.client.times.era
    ended = await stage.event(events.CopyEnded, since, copy=number)
    assert ended.reason is CopyEnd.INVALID, ended
    proved = stage.happened(events.StorageProved, whole, hoster=pair_hoster.account)
    stage.notes.append(f"{len(proved)} proofs of its storage until the copy ended")
    assert not stage.happened(events.HosterOverdue, since, hoster=pair_hoster.account), "it proved all it was asked for"
    await stage.until("all have earned for a while", lambda: stage.now >= since + WATCHED_BLOCKS, WATCHED_BLOCKS + 1)
    for _, event in stage.happened(events.EncodingReported):  # the pair may offer again, and cheat again
        assert {pair_hoster.account, pair_encoder.account} <= makers(stage, event.copy), f"copy {event.copy} is honest"
    made = await stage.wealth_of(encoders)
    honest = [made[one.name] - rich[one.name] for one in others]
    assert all([await stage.client.held(one.account, Role.ENCODING) for one in others]), "the others' bonds stand"
    theirs = made[pair_encoder.name] - rich[pair_encoder.name]
    stage.notes.append(f"their encoder {theirs / UNIT:+.3f} UNIT, its twins {mean(honest) / UNIT:+.3f}")
    found = await gain(stage, [pair_hoster], hosters, rich)
    return found + round(theirs - mean(honest))


async def pair_drawn(stage: Stage) -> tuple[Published, int, int, int, dict[str, int]]:
    """Publish until the first encoder made a copy of the first hoster's.

    Return plan, copy, its sectors, the block before the plan, and what everybody had then.
    """
    hosters, encoders = stage.peers("hoster"), stage.peers("encoder")
    for _ in range(PAIRS):
        rich, since = await stage.wealth_of([*hosters, *encoders]), stage.now
        published = await stage.publish(SIZE, len(hosters), pot=POT)
        copies = await stage.active(published.plan, len(hosters))
        for _, event in stage.happened(events.EncodingReported, since):  # while others of the plan were still made
            found = await stage.client.storage.copy(event.copy)
            assert found is not None
            return published, event.copy, found.sectors, since, rich
        ((number, copy),) = [one for one in copies.items() if one[1].hoster == hosters[0].account]
        segments = await stage.client.storage.segments_of([part.segment for part in copy.segments])
        if {one.encoder for one in segments.values()} == {encoders[0].account}:
            return published, number, copy.sectors, since, rich
    raise AssertionError(f"the pair was not drawn for one copy in {PAIRS} plans")


def makers(stage: Stage, copy: int) -> set[bytes]:
    """Those to whom a copy was offered, and those drawn to encode it."""
    offered_to = {event.hoster for _, event in stage.happened(events.CopyOffered, copy=copy)}
    return offered_to | {event.encoder for _, event in stage.happened(events.EncoderDrawn, copy=copy)}


async def check_report(stage: Stage, reported: events.EncodingReported, copy: int, sectors: int) -> None:
    """Fail unless a stranger committed first, and got a quarter of the collateral and the bond that were taken."""
    amounts = await stage.client.storage.amounts()
    assert reported.copy == copy, f"copy {reported.copy} was reported, and {copy} is the rubbish"
    strangers = [*stage.peers("attester"), *stage.peers("hoster")[1:]]
    assert reported.account in {one.account for one in strangers}
    (shown, _), *_ = stage.happened(events.EncodingReported)
    committed = [at for at, _ in stage.happened(events.ReportCommitted, account=reported.account)]
    assert committed, "nobody committed"
    assert committed[0] + REPORT_AGE <= shown, f"committed in block {committed[0]}, shown in {shown}"
    assert reported.taken == await collateral(stage, sectors) + amounts.encoder_bond, reported
    assert reported.reward == reported.taken // 4, reported
    stage.notes.append(f"{reported.taken / UNIT:.3f} UNIT taken, {reported.reward / UNIT:.3f} for the reporter")
