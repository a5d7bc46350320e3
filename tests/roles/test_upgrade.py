"""A runtime upgrade under running roles: they reload and go on, or say what stands still, and storage is proved all the same."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from runtime_mock.model.datdot.records import CopyState
from service.chain_client import Call
from service.chain_client.frame import sudo
from service.chain_client.pallet import events
from tests.simulation.chain import code
from tests.support.small_chain import Line, keys_of
from tests.support.small_net import LivePeer, Net, blocks, check_copy, copied, is_active, read_back


async def upgrade(net: Net, version: int, renamed: dict[str, str] | None = None) -> None:
    """Exchange the runtime by another, in which some names are others."""
    directory = net.directory / f"Root {version}"
    directory.mkdir()
    root = await Line.open(net.chain, keys_of("Root"), directory)
    change = Call("System", "set_code_without_checks", {"code": code(version, renamed)})
    await root.signer.submit(sudo(change))
    await root.close()


async def proves_twice(net: Net, hoster: LivePeer) -> None:
    """Wait until the hoster has answered two challenges that are issued from now on."""
    before, now = len(net.chain.proved(hoster.account)), net.chain.number
    await net.chain.until(lambda: len([one for one in net.chain.proved(hoster.account) if one > now]) > 1)
    assert len(net.chain.proved(hoster.account)) >= before + 2


async def test_roles_go_on_with_a_new_runtime_that_says_the_same(net: Net) -> None:
    async with copied(net) as (_, _, hoster, core, copy):
        with capture_logs() as logs:
            await upgrade(net, 2)
            await net.chain.until(is_active(net, copy))
            await proves_twice(net, hoster)
            assert await read_back(net, "Reader", core, hoster) == blocks(core)
    assert not [line for line in logs if line["log_level"] in ("warning", "error")]
    assert not net.chain.refused


async def test_a_copy_is_seen_whose_event_has_another_name_in_a_new_runtime(net: Net) -> None:
    """Which copies are one's own is told by events alone between two starts."""
    await upgrade(net, 2, {"CopyOffered": "CopyHanding"})
    with capture_logs() as logs:
        async with copied(net) as (_, _, _, _, copy):
            await net.chain.until(is_active(net, copy))
    assert {line["event_name"] for line in logs if "event_name" in line} <= {"DatDot.CopyHanding"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("renamed", "named"),
    [
        ({"fresh": "stale"}, "DatDot.Plans"),  # a field of a plan
        ({"Active": "Lively"}, "DatDot.Copies"),  # a state of a copy
        ({"NextCopy": "LastCopy"}, "DatDot.NextCopy"),
    ],
    ids=["field", "variant", "item"],
)
async def test_storage_is_proved_under_a_runtime_that_is_not_known(
    net: Net, renamed: dict[str, str], named: str
) -> None:
    async with copied(net) as (_, _, hoster, core, copy):
        await net.chain.until(is_active(net, copy))
        with capture_logs() as logs:
            await upgrade(net, 2, renamed)
            await proves_twice(net, hoster)
            assert await read_back(net, "Reader", core, hoster) == blocks(core), "who reads notices nothing"
        told = [line for line in logs if line["log_level"] == "error"]
        assert [line["event"] for line in told] == [
            "this role stands still, but for storage proofs: it cannot read the chain's new runtime"
        ] * len(told)
        assert 1 <= len(told) <= 2, "once a role"
        assert all(named in line["error"] and line["remedy"] == "update datdot" for line in told)
        with capture_logs() as logs:
            await upgrade(net, 3)
            await proves_twice(net, hoster)
            (second,) = {await net.place(core)}
            await net.chain.until(is_active(net, second))
        assert [line["event"] for line in logs if "this role goes on" in line["event"]]
    assert not net.chain.refused


async def test_an_event_of_ours_that_is_not_known_ends_nothing(net: Net) -> None:
    async with copied(net) as (_, _, hoster, _, copy):
        await net.chain.until(is_active(net, copy))
        with capture_logs() as logs:
            await upgrade(net, 2, {"StorageProved": "StorageTested"})
            await proves_twice(net, hoster)
        told = [line for line in logs if line["log_level"] in ("warning", "error")]
        assert [line["event_name"] for line in told] == ["DatDot.StorageTested"], "once"
        assert told[0]["remedy"] == "update datdot"


LONG = [65_536] * 64
"""Blocks of a feed whose copy, of one segment, takes two dozen blocks of the chain to make."""
PENALTIES = (events.CopyStruck, events.BeginMissed, events.HosterOverdue, events.Stalled, events.StorageMissed)


def half_made(net: Net, hoster: LivePeer, copy: int) -> bool:
    """Whether between a quarter and three quarters of a copy's sectors are durable, and none confirmed."""
    found = net.chain.copy(copy)
    stored = hoster.stored()[-1] if hoster.stored() else 0
    return found.state == CopyState.ENCODING and found.sectors < 4 * stored < 3 * found.sectors


@pytest.mark.parametrize("unknown", [False, True], ids=["known", "first unknown"])
async def test_a_copy_that_is_being_made_is_finished_after_an_upgrade(net: Net, unknown: bool) -> None:
    """By the same services, in the same segment, at nobody's cost; also if the first new runtime cannot be read."""
    async with copied(net, LONG if unknown else LONG[:24]) as (_, encoder, hoster, core, copy):
        await net.chain.until(lambda: half_made(net, hoster, copy))
        segment = net.chain.copy(copy).current
        assert segment is not None
        await upgrade(net, 2, {"fresh": "stale"} if unknown else None)
        assert net.chain.copy(copy).state == CopyState.ENCODING, "it was exchanged before the copy was whole"
        if unknown:
            await net.chain.wait_for(net.chain.number + 20)
            assert not is_active(net, copy)(), "who cannot read the chain confirms nothing"
            await upgrade(net, 3)
        await net.chain.until(is_active(net, copy))
        made = net.chain.copy(copy)
        assert [part.segment for part in made.segments] == [segment]
        assert (net.chain.segment(segment).encoder, made.hoster) == (encoder.account, hoster.account)
        check_copy(net, hoster, core, copy)
        await proves_twice(net, hoster)
        assert net.chain.copy(copy).strikes == 0
    assert [event for kind in PENALTIES for event in net.chain.events(kind)] == []
    assert not net.chain.refused
