"""A runtime upgrade under running roles: they reload and go on, or say what stands still, and storage is proved all the same."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from service.chain_client import Call
from service.chain_client.frame import sudo
from tests.simulation.chain import code
from tests.support.small_chain import Line, keys_of
from tests.support.small_net import LivePeer, Net, blocks, copied, is_active, read_back


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
