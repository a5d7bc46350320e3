"""Operators on model and runtime: whose calls count as a peer's, which, and what they cost."""

from __future__ import annotations

from typing import Any

import pytest

from runtime_mock.model.datdot.limits import OPERABLE as OPERABLE_CALLS
from runtime_mock.model.frame.calls import REGISTRY
from service.chain_client.operators import BY_ANYONE, OPERABLE
from tests.support.differential.driver import UNIT
from tests.support.differential.pallet_world import Watched


@pytest.fixture
def world() -> Watched:
    return Watched()


def free(world: Watched, who: int) -> int:
    return int(world.pair.value("System", "Account", world.party(who).id)["data"]["free"])


def test_the_service_knows_which_calls_an_operator_makes(world: Watched) -> None:
    named = {index: spec.name for (pallet, index), spec in REGISTRY.items() if pallet == 5}
    assert {named[index] for index in OPERABLE_CALLS} == OPERABLE
    assert set(named.values()) - OPERABLE >= BY_ANYONE


def test_operators(world: Watched) -> None:
    world.do_operator(1, 5, 0)
    world.refused("NotAPeer")
    world.operators.clear()
    for who in (1, 2):
        world.do_register(who, 0, 0)
    world.live(1)
    world.do_operate(1, 5, 3)
    world.refused("refused")
    world.do_operator(1, 5, 0)
    world.live(1)
    assert world.pair.history[-1].events.count("DatDot.OperatorSet") == 1
    assert world.all("Operators") == {world.party(1).id: world.party(5).id}
    before, own = free(world, 1), free(world, 5)
    world.offer(1, "Hosting")
    world.live(1)
    assert set(world.all("Hosters")) == {world.party(1).id}
    assert free(world, 1) < before - UNIT // 100, "the peer's money is held"
    assert own - UNIT < free(world, 5) < own, "the operator paid the fee"
    for kind in (0, 1, 2):
        world.do_operate(1, 5, kind)
        world.refused("refused")
    # a batch is not looked into before the block, and names what was wrong
    pause: tuple[str, Any] = ("DatDot", ("pause", {}))
    batched = [
        (world.party(5), {"peer": world.party(2).id, "call": pause}, "NotOperator"),
        (world.party(6), {"peer": world.party(1).id, "call": pause}, "NotOperator"),
        (world.party(5), {"peer": world.party(1).id, "call": ("DatDot", ("collect", {"copy": 0}))}, "NotOperable"),
        (world.party(5), {"peer": world.party(1).id, "call": ("System", ("remark", {"remark": b"x"}))}, "NotOperable"),
    ]
    for party, arguments, error in batched:
        world.pair.submit(party.account, "Utility", "batch_all", {"calls": [("DatDot", ("operate", arguments))]})
        world.refused(error)
    world.do_withdraw(1, 1, 0)
    world.refused("NoOffer")
    world.do_withdraw(1, 0, 0)
    world.live(1)
    world.do_operator(1, 6, 1)
    world.live(1)
    assert world.all("Operators") == {}
    world.do_operate(1, 5, 3)
    world.refused("refused")
