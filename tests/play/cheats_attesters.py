"""Cheats of attesters: those that do not fetch, and those that lie."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from service.chain_client.pallet import events
from service.chain_client.pallet.types import Payment, Verdict
from service.roles.common.terms import AttesterTerms
from service.units import UNIT

from .catalogue import Cast, act, dear
from .cheats_hosters import POT, SIZE
from .stage import Stage

TERMS, AMOUNTS = dear()
CONFIG = replace(TERMS, attesting=AttesterTerms(UNIT, 2))
AMOUNTS |= {"report_price": UNIT}
ERAS = 6
HOSTERS = 3


def cast(attesters: int, what: str, *liars: int) -> Cast:
    """Two hosters, and attesters of which some are modified."""
    cheats = {f"attester-{i}": what for i in liars}
    return Cast(
        hosters=HOSTERS,
        encoders=3,
        attesters=attesters,
        cheats=cheats,
        config=CONFIG,
        amounts=AMOUNTS,
        money=20_000 * UNIT,
    )


async def attest(stage: Stage, liars: int, challenges: int) -> int:
    """Let them report for some eras; what the liars have over their twins then.

    Fails unless they earn nothing within so many retrieval challenges of theirs, and unless no hoster is hurt.
    """
    published = await stage.publish(SIZE, HOSTERS, pot=POT)
    await stage.active(published.plan, HOSTERS)
    attesters, hosters = stage.peers("attester"), stage.peers("hoster")
    since, before = stage.now, await stage.wealth_of(attesters)
    await stage.until("some eras are settled", lambda: len(_settled(stage)) >= ERAS * HOSTERS)
    await stage.passed(2)
    after = await stage.wealth_of(attesters)
    gained = {name: after[name] - before[name] for name in after}
    false, honest = attesters[:liars], attesters[liars:]
    paid: Counter[bytes] = Counter()
    for _, event in stage.happened(events.Paid, what=Payment.REPORT):
        paid[event.account] += event.amount
    for one in false:
        reports = stage.happened(events.RetrievalCommitted, since, account=one.account)
        assert len(reports) >= challenges, f"{one.name} sat only {len(reports)} times"
        assert paid[one.account] == 0, f"{one.name} was paid"
    assert all(paid[one.account] > 0 for one in honest), "the honest are paid"
    verdicts = Counter(verdict for _, verdict in _settled(stage))
    assert set(verdicts) <= {Verdict.PASSED, Verdict.VOID}, verdicts
    assert not stage.happened(events.CopyEnded), "no copy ended"
    assert not stage.happened(events.Forfeited), "no hoster lost money"
    twin = sum(gained[one.name] for one in honest) / len(honest)
    cheat = sum(gained[one.name] for one in false) / len(false)
    burned = sum(e.burned for one in false for _, e in stage.happened(events.SeatEmptyHanded, account=one.account))
    stage.notes.append(
        f"liars {cheat / UNIT:+.3f} UNIT each ({burned / UNIT:.1f} burned of bonds), honest {twin / UNIT:+.3f}; "
        f"{verdicts[Verdict.PASSED]} verdicts passed, {verdicts[Verdict.VOID]} void, for {len(hosters)} hosters"
    )
    found = round((cheat - twin) * len(false))
    assert cheat <= 0, f"lying gained {cheat}"
    assert found < 0, f"lying gained {found} over honesty"
    return found


def _settled(stage: Stage) -> list[tuple[int, Verdict]]:
    return [(event.copy, event.verdict) for _, event in stage.happened(events.RetrievalSettled)]


@act("cheats", "attester-never-fetches", cast(5, "never-fetches", 1), short=True)
async def attester_never_fetches(stage: Stage) -> int:
    """An attester that never fetches reports "not served" and is never paid: its slots' fee is lost to it."""
    return await attest(stage, 1, 3)


@act("cheats", "attester-lies-up", cast(5, "lies-up", 1))
async def attester_lies_up(stage: Stage) -> int:
    """An attester that reports "served, and fast" without fetching cannot open the sector, and loses of its bond each time."""
    gain = await attest(stage, 1, 3)
    lost = stage.happened(events.SeatEmptyHanded, account=stage.peers("attester")[0].account)
    assert lost, "its bond was not touched"
    return gain


@act("cheats", "attester-lies-down", cast(5, "lies-down", 1))
async def attester_lies_down(stage: Stage) -> int:
    """An attester that fetches and reports "not served" is not paid for it, and hurts no hoster."""
    return await attest(stage, 1, 3)


@act("cheats", "one-in-three-liars", cast(9, "lies-down", 1, 2, 3))
async def one_in_three_liars(stage: Stage) -> int:
    """A third of the attesters report "not served": no verdict falls, no copy ends, and the liars earn nothing."""
    return await attest(stage, 3, 3)
