"""The short form of `make churn`: an hour in which each place is taken anew thrice, and what the run would complain of."""

from __future__ import annotations

from dataclasses import replace

from service.hypercore.swarm.dht.limits import BURST, PER_SECOND, HostLimit
from tests.swarm.churn import BOUNDS, MINUTE, Churn, Sample, faults, tables, theory

FINE = Sample(1.0, dict.fromkeys(BOUNDS, 0), 1000, 0, 30, 30, 30.0)


def test_while_nodes_come_and_go_nothing_piles_up_and_what_was_announced_is_found() -> None:
    churn = Churn(40, life=20 * MINUTE)
    samples = list(churn.run(1.0, 1 / 8))
    assert churn.died > 60
    assert faults(samples) == []
    assert sum(one.lookups for one in samples) > 20
    asked = max(one.asked for one in samples)
    assert theory(40) <= asked < 3 * theory(40)
    assert tables(next(iter(churn.net.nodes.values()))).keys() == BOUNDS.keys()


def test_growth_a_table_beyond_its_bound_and_lost_lookups_are_told() -> None:
    day = [FINE] * 8
    assert faults(day) == []
    assert faults([*day[:-1], replace(FINE, objects=1101)]) == [
        "objects: 1,000 in the second quarter, 1,101 in the last"
    ]
    full = replace(FINE, tables=FINE.tables | {"timers": 21})
    assert faults([*day, full]) == ["timers: 21 of at most 20 after 1.0 h"]
    assert faults([replace(FINE, found=28)] * 8) == ["224 of 240 lookups found what was announced"]
    assert faults([replace(FINE, lookups=0, found=0)]) == ["0 of 0 lookups found what was announced"]


def test_a_host_is_forgotten_once_it_may_ask_as_much_as_one_that_never_asked() -> None:
    limit = HostLimit()
    for _ in range(100):
        assert limit.allow("6.6.6.6", 0.0)
    assert limit.allow("7.7.7.7", 1.0)
    assert len(limit) == 2
    assert limit.allow("8.8.8.8", 100 / PER_SECOND)
    assert len(limit) == 1  # the first two have all that a stranger has
    for _ in range(int(BURST) - 1):
        assert limit.allow("8.8.8.8", 100 / PER_SECOND)
    assert not limit.allow("8.8.8.8", 100 / PER_SECOND)
