"""How a hoster's standing, its deadlines and an account's ratio are shown, by the rules alone."""

from __future__ import annotations

from typing import Any

import pytest

from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS, DEVELOPMENT
from service.address import ss58
from service.chain_client.pallet.constants import ALLOWANCE
from service.chain_client.pallet.types import Amounts, Hoster, Ratio, Sample, StorageChallenge, Times
from service.cli.hoster import _text
from service.operating.sayings import SAYINGS
from service.roles.common.ratio import cost, ratio_ppm
from service.roles.hoster.fees import Means
from service.roles.hoster.notices import HosterRefused, check_pause
from service.views.hoster import EVICTED, GOOD, SUSPENDED, WARNED, Facts, deadlines, hoster_view
from service.views.ratio import ratio_view
from service.views.remedies import AFTER

UNIT = 10**12
TIMES = Times(**{name: getattr(DEVELOPMENT, name) for name in Times.__dataclass_fields__})
AMOUNTS = Amounts(**{name: getattr(DEFAULT_AMOUNTS, name) for name in Amounts.__dataclass_fields__})
ISSUED = 1000
OPERATOR = bytes([1]) * 32
ENOUGH = Means(700, 10)


def hoster(**changed: Any) -> Hoster:
    values: dict[str, Any] = dict.fromkeys(Hoster.__dataclass_fields__, 0)
    return Hoster(**values | {"open": True, "place": None, "region": b"", "pause": None} | changed)


def view(
    step: int,
    now: int = ISSUED,
    due: int | None = None,
    own: Means = ENOUGH,
    operators: Means | None = None,
    **changed: Any,
) -> dict[str, Any]:
    asked = tuple(Sample(copy, copy, 0) for copy in (3, 5, 5))
    challenge = None if step == EVICTED else StorageChallenge(ISSUED, asked)
    why = {"block": 990, "before": 500_000, "why": "the storage challenge of block 980 was answered"}
    facts = Facts(
        bytes(32),
        now,
        hoster(step=step, **changed),
        None,
        challenge,
        due,
        0,
        {},
        own,
        None if operators is None else OPERATOR,
        operators,
        why,
    )
    return hoster_view(facts, TIMES, AMOUNTS)


def test_who_pays_a_hosters_proofs_is_the_key_that_its_node_has() -> None:
    """The chain knows who may sign, not which of the two keys the node was started with: both are told."""
    low, enough = Means(10, 10), ENOUGH
    alone = view(GOOD, own=low)
    assert (alone["operator"], alone["operator_fees"]) == (None, None)
    assert alone["fees"]["remedy"] == low.remedy(bytes(32))
    both = view(GOOD, own=enough, operators=enough)
    assert both["fees"]["remedy"] == "nothing is due"
    for own, operators in ((low, enough), (enough, low), (low, low)):
        found = view(GOOD, own=own, operators=operators)
        assert (found["fees"]["proofs"], found["operator_fees"]["proofs"]) == (own.proofs, operators.proofs)
        assert found["fees"]["remedy"] == (
            f"if its node has the operator's key: {operators.remedy(OPERATOR)}; "
            f"if it has the account's own: {own.remedy(bytes(32))}"
        )
        assert f"{operators.spendable} can be spent by its operator {ss58(OPERATOR)}" in _text(found)


def test_deadlines_follow_from_the_challenge() -> None:
    window, era = TIMES.proof_window, TIMES.era
    expected = (ISSUED + window, ISSUED + 2 * window + 1, ISSUED + 2 * window + 2 + era)
    assert deadlines(ISSUED, GOOD, None, TIMES) == expected
    assert deadlines(ISSUED, WARNED, ISSUED + 2 * window + 2, TIMES) == expected
    assert deadlines(ISSUED, SUSPENDED, ISSUED + 2 * window + 3 + era, TIMES) == expected


def test_a_declared_loss_brings_all_deadlines_forward() -> None:
    """It warns at once, in block 1010: the next deadline acts a window and a block later."""
    window, era = TIMES.proof_window, TIMES.era
    recheck = 1010 + window
    assert deadlines(ISSUED, WARNED, recheck + 1, TIMES) == (1009, recheck, recheck + 1 + era)
    assert deadlines(ISSUED, SUSPENDED, recheck + 2 + era, TIMES) == (1009, recheck, recheck + 1 + era)


def test_each_step_says_what_to_do() -> None:
    shown = {step: view(step)["remedy"] for step in (GOOD, WARNED, SUSPENDED, EVICTED)}
    for step, block in ((GOOD, 1030), (WARNED, 1061), (SUSPENDED, 1086)):
        assert shown[step].startswith(f"by block {block}: answer the challenge")
        assert "(3, 5), say so first: datdot hoster lost COPY" in shown[step]
    assert "nothing new is placed" not in shown[GOOD]
    assert "half of their collateral" in shown[SUSPENDED]
    assert "the offer can be renewed" in shown[EVICTED]
    assert "step 3: evicted. Its copies are being ended" in _text(view(EVICTED))
    assert view(EVICTED)["challenge"] is None


@pytest.mark.parametrize(("step", "by", "after"), [(GOOD, 1030, False), (WARNED, 1061, False), (SUSPENDED, 1086, True)])
def test_the_remedy_of_a_challenge_stands_beside_its_deadlines(step: int, by: int, after: bool) -> None:
    challenge, text = view(step)["challenge"], _text(view(step)).splitlines()
    assert challenge["deadlines"] == {"proof": 1030, "recheck": 1061, "last_call": 1086}
    assert challenge["remedy"].startswith(f"by block {by}: answer the challenge")
    deadlines_at = text.index(
        "challenge of block 1000: answer by block 1030, else warned; by 1061, else suspended; by 1086, else evicted"
    )
    assert text[deadlines_at + 1] == f"  B{challenge['remedy'][1:]}"
    assert challenge["remedy"].endswith(AFTER) is after


def test_the_journal_and_the_status_say_the_same() -> None:
    """Words of the remedy for a warned and a suspended hoster have one source."""
    for step in (WARNED, SUSPENDED):
        event = {"hoster": "me", "issued": ISSUED, "step": step, "due": 1061 if step == WARNED else 1086}
        told = SAYINGS["HosterOverdue"](event, "me").remedy
        status = view(step)["challenge"]["remedy"]
        assert told.replace("lost a copy,", "lost a copy that it asks for (3, 5),").split(". ") == [
            status.split("; until then")[0],
            *([AFTER] if step == SUSPENDED else []),
        ]


def test_why_reputation_changed_and_what_proofs_take_is_said_in_words() -> None:
    shown = view(GOOD)
    text = _text(shown)
    assert (
        "reputation last changed in block 990, from 500000 ppm: the storage challenge of block 980 was answered" in text
    )
    assert (
        "700 can be spent, a storage proof takes up to 10 until it is in a block: enough for 70. Nothing is due" in text
    )
    first = shown | {"reputation_change": {"block": 3, "before": None, "why": "registered"}}
    assert "reputation last changed in block 3, from none: registered" in _text(first)
    pruned = shown | {"reputation_change": {"block": None, "before": None, "why": "not since block 3"}}
    assert "reputation changed not since block 3" in _text(pruned)
    fees = {"spendable": "7", "proof": "10", "proofs": 0, "remedy": "send at least 73 to 5Ab"}
    assert "enough for 0. Send at least 73 to 5Ab" in _text(shown | {"fees": fees})


def test_a_pause_is_shown_until_it_is_over() -> None:
    last = 900 + TIMES.proof_window + TIMES.pause
    away = {"announced": 900, "from": 900 + TIMES.proof_window + 1, "until": last}
    assert view(GOOD, now=last, pause=900)["pause"] == away
    over = view(GOOD, now=last + 1, pause=900)
    assert (over["pause"], over["next_pause"]) == (None, 900 + 14 * TIMES.era)


def test_a_pause_comes_once_in_fourteen_eras() -> None:
    again = 900 + 14 * TIMES.era
    check_pause(bytes(32), hoster(pause=900), TIMES.era, again)
    with pytest.raises(HosterRefused, match=f"from block {again} on"):
        check_pause(bytes(32), hoster(pause=900), TIMES.era, again - 1)


@pytest.mark.parametrize(
    ("given", "taken", "is_peer", "ppm"),
    [
        (4 * UNIT, 12 * UNIT, True, 500_000),
        (100 * UNIT, 100 * UNIT, True, 10**6),
        (0, 0, True, 10**6),
        (0, 1, True, 10**6 - 1),
        (10**30, 0, True, 10**6),
        (0, 10**30, True, 500_000),
        (100 * UNIT, 0, False, 500_000),
        (0, ALLOWANCE // 4, True, 800_000),
    ],
)
def test_ratios(given: int, taken: int, is_peer: bool, ppm: int) -> None:
    assert ratio_ppm(Ratio(given, taken), is_peer) == ppm
    shown = ratio_view(bytes(32), Ratio(given, taken), is_peer)
    assert (shown["ratio"], shown["cost"]) == (ppm, str(cost(UNIT, ppm)))


def test_a_ratio_is_explained() -> None:
    why = ratio_view(bytes(32), Ratio(4 * UNIT, 12 * UNIT), True)["why"]
    assert "(given 4 + 4 UNIT) / (taken 12 + 4 UNIT)" in why
    assert "at least 0.5 and at most 1: 0.5;" in why
    assert "1.05 / 0.5 = 2.1 UNIT" in why
    assert cost(1000, 500_000) == 2100
    assert cost(1, 10**6) == 2, "rounded up"
