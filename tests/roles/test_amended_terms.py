"""Which changes of terms ask for more: by the service exactly those that the runtime refuses to a sponsor with few shares."""

from __future__ import annotations

import random
from dataclasses import asdict, replace

import pytest

from runtime_mock.model.datdot import amend as model
from runtime_mock.model.datdot.records import Terms as ModelTerms
from service.chain_client.pallet.types import Terms
from service.roles.sponsor.amend import Changes, check_change, check_narrower, check_until
from service.roles.sponsor.checks import BadTerms
from service.roles.sponsor.refusals import AmendTooWide
from service.roles.sponsor.terms import plan_terms

OLD = plan_terms(3, 100, 100, 100, 10, 5000, live=True, min_reputation=500_000, regions=(b"u3", b"u33"))
VALUES = {
    "replicas": (1, 3, 5),
    "max_ask_disk": (99, 100, 101),
    "max_ask_encoding": (0, 100, 10**9),
    "max_ask_receiving": (99, 100, 101),
    "until": (4999, 5000, 5001),
    "min_reputation": (0, 500_000, 500_001),
    "regions": ((), (b"u3", b"u33"), (b"u33", b"u3"), (b"u3",)),
    "max_latency_ms": (OLD.max_latency_ms, OLD.max_latency_ms - 1),
    "min_kib_per_s": (0, 1),
}


def is_narrower(terms: Terms) -> bool:
    try:
        check_narrower(OLD, terms)
    except AmendTooWide:
        return False
    return True


def of_model(terms: Terms) -> ModelTerms:
    return ModelTerms(**asdict(terms) | {"regions": list(terms.regions)})


def test_each_term_alone_and_many_together() -> None:
    source = random.Random(7)
    cases = [replace(OLD, **{name: value}) for name, values in VALUES.items() for value in values]  # type: ignore[arg-type]
    cases += [replace(OLD, **{name: source.choice(values) for name, values in VALUES.items()}) for _ in range(500)]  # type: ignore[arg-type]
    found = [is_narrower(terms) for terms in cases]
    assert found == [model._is_narrower(of_model(OLD), of_model(terms)) for terms in cases]
    assert {True, False} == set(found)


def test_no_plan_ends_sooner_than_with_notice() -> None:
    for old, new in ((200, 110), (200, 300), (105, 105), (105, 106)):
        check_until(old, new, 110)
    with pytest.raises(BadTerms, match="until 109: a plan ends no sooner than with notice, at block 110"):
        check_until(200, 109, 110)
    with pytest.raises(BadTerms, match="at block 105"):
        check_until(105, 104, 110)


def test_what_is_too_wide_is_named() -> None:
    wider = replace(OLD, replicas=4, regions=(b"9",), min_kib_per_s=8)
    with pytest.raises(AmendTooWide, match=r"replicas 4, above 3; other regions; throughput 8, not 0.*at most 1/20"):
        check_narrower(OLD, wider)


def test_what_nobody_can_change() -> None:
    with pytest.raises(BadTerms, match="the price of a report stays 10"):
        check_change(OLD, replace(OLD, report_price=9))
    with pytest.raises(BadTerms, match="cannot become so"):
        check_change(replace(OLD, live=False), OLD)
    check_change(OLD, replace(OLD, live=False))


def test_what_is_not_named_stays() -> None:
    assert Changes().of(OLD) == OLD
    assert not Changes()
    changed = Changes(replicas=1, min_reputation=0, regions=()).of(OLD)
    assert changed == replace(OLD, replicas=1, min_reputation=0, regions=())
    assert Changes(min_reputation=0), "zero is a change"
