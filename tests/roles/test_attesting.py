"""Attesters as they run: they probe a hoster under throw-away names, and report what they saw on the model chain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from structlog.testing import capture_logs

from runtime_mock.model.datdot import items
from service.chain_client.pallet import events
from service.chain_client.pallet.types import Report
from service.hypercore import KeyPair
from service.hypercore.net import TcpTransport
from service.roles.attester.committee import TargetMissing, read_target
from service.roles.attester.probe import PROBE_SECONDS, ProbeFailed, probe
from service.roles.attester.role import AttesterRole
from service.roles.attester.rules import links
from service.roles.hoster.sectors import segment_path
from tests.support.copy_world import digest
from tests.support.small_net import LivePeer, Net, copied, is_active

SIZES = [10_000, 45_000, 7, 0, 30_000, 20_001]
COMMIT, REVEAL = "commit_retrievals", "reveal_retrievals"


@dataclass
class World:
    """A copy under test, its hoster and the attesters."""

    net: Net
    hoster: LivePeer
    attesters: list[LivePeer]
    copy: int

    def settled(self) -> dict[int, list[Report]]:
        """The reports of settled challenges by era."""
        chain = self.net.chain
        found: dict[int, list[Report]] = {
            event.era: [] for event in chain.events(events.RetrievalSettled) if event.copy == self.copy
        }
        for event in chain.events(events.RetrievalRevealed):
            if event.copy == self.copy and event.era in found:
                found[event.era].append(event.report)
        return found

    async def verdict(self, after: int = 0) -> list[Report]:
        """The reports of the next challenge that is settled, of an era behind ``after``."""
        await self.net.chain.until(lambda: any(era > after for era in self.settled()))
        return next(reports for era, reports in sorted(self.settled().items()) if era > after)


@asynccontextmanager
async def under_test(
    net: Net, names: tuple[str, ...] = ("One", "Two"), sizes: list[int] = SIZES
) -> AsyncIterator[World]:
    attesters = [await net.start(name, AttesterRole) for name in names]
    async with copied(net, sizes) as (_, _, hoster, _, copy):
        await net.chain.until(is_active(net, copy))
        yield World(net, hoster, attesters, copy)


async def test_a_served_copy_is_reported_as_served_by_strangers(net: Net) -> None:
    async with under_test(net) as world:
        known = len(world.hoster.connections)
        reports = await world.verdict()
        assert [report.served for report in reports] == [1, 1]
        assert all(report.latency_ms >= 0 and report.kib_per_s > 0 for report in reports)
        keys = [connection.remote_key for connection in world.hoster.connections[known:]]
        assert len(keys) >= 2 * 3 * 2, "at least three probes of each attester, over two connections each"
        assert len(set(keys)) == len(keys), "no name is used twice"
        assert not set(keys) & {peer.keys.swarm_key for peer in net.peers.values()}
        assert not net.chain.refused
        for attester in world.attesters:
            told = [event["event"] for event in attester.told]
            assert told.index("probed") < told.index("committed") < told.index("revealed")
            era = min(world.settled())
            await net.chain.until(lambda: not attester.database.rows("SELECT * FROM reports WHERE era <= ?", (era,)))  # noqa: B023
            assert not attester.store.get(net.chain.plan(0).feed).ranges(), "what was read is not kept"


async def test_a_hoster_that_is_gone_is_reported_as_not_served(net: Net) -> None:
    async with under_test(net) as world:
        await net.leave(world.hoster)
        gone = net.chain.era
        assert await world.verdict(gone) == [Report(0, 0, 0)] * 2
        assert not net.chain.refused


@pytest.mark.parametrize("damage", ["last byte of each sector", "file"])
async def test_damaged_sectors_are_not_served(net: Net, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.roles.hoster.losses.patience", lambda times: 1_000)  # it does not say so by itself
    async with under_test(net) as world:
        path = segment_path(world.hoster.directory, world.copy, 0)
        data = bytearray(path.read_bytes())
        data[255::256] = bytes(byte ^ 1 for byte in data[255::256])
        if damage == "file":
            path.unlink()
        else:
            path.write_bytes(data)
        damaged = net.chain.era
        assert {report.served for report in await world.verdict(damaged)} == {0}
        reasons = [str(event["reason"]) for one in world.attesters for event in one.told if "reason" in event]
        assert all(f"probe of copy {world.copy}, segment 0, sector" in reason for reason in reasons)
        assert reasons
        assert not net.chain.refused


async def test_one_report_whatever_dies(net: Net) -> None:
    """Killed after its report is fixed and before anybody has heard of it; killed again before it is revealed."""
    net.chain.deaf.add(COMMIT)
    async with under_test(net, ("One",)) as world:
        (attester,) = world.attesters

        def commits() -> list[tuple[int, bytes]]:
            return [
                (era, said.commit)
                for era, commits in (call.arguments for call in net.chain.heard if call.name == COMMIT)
                for said in commits
            ]

        await net.chain.until(lambda: bool(commits()))
        net.chain.deaf.clear()
        await attester.restart()
        await net.chain.until(lambda: "committed" in {event["event"] for event in attester.told})
        await attester.restart()
        await net.chain.until(lambda: bool(world.settled()))
        by_era: dict[int, set[bytes]] = {}
        for era, commit in commits():
            by_era.setdefault(era, set()).add(commit)
        assert all(len(found) == 1 for found in by_era.values()), "two reports for one seat"
        assert max(len([1 for number, _ in commits() if number == era]) for era in by_era) >= 2, "it was sent again"
        assert len(await world.verdict()) == 1
        assert not net.chain.refused


async def test_what_is_said_of_two_copies_goes_in_one_call(net: Net) -> None:
    attester = await net.start("One", AttesterRole)
    async with copied(net, SIZES) as (_, _, _, core, copy):
        both = {copy, await net.place(core, [(0, 2)])}
        for one in both:
            await net.chain.until(is_active(net, one))
        active = net.chain.era

        def settled() -> set[int]:
            """Eras of which both copies have their verdict, with a report that says that it was served."""
            served = {
                (event.era, event.copy)
                for event in net.chain.events(events.RetrievalRevealed)
                if event.report.served and event.account == attester.account
            }
            judged = {(event.era, event.copy) for event in net.chain.events(events.RetrievalSettled)} & served
            return {era for era, _ in judged if era > active and {(era, one) for one in both} <= judged}

        await net.chain.until(lambda: bool(settled()))
        era = min(settled())
        said = [call.arguments for call in net.chain.heard if call.name == COMMIT and call.arguments[0] == era]
        assert [{one.copy for one in commits} for _, commits in said] == [both]
        shown = [call.arguments for call in net.chain.heard if call.name == REVEAL and call.arguments[0] == era]
        assert [{one.copy for one in reveals} for _, _, reveals in shown] == [both]
        assert not net.chain.refused
        assert not net.chain.events(events.RetrievalRefused)


async def test_links_go_on_over_eras_and_a_lost_secret_begins_anew(net: Net) -> None:
    async with under_test(net, ("One",)) as world:
        (attester,) = world.attesters
        first = await world.verdict()
        await world.verdict(min(world.settled()))
        assert first[0].served == 1
        offer = net.chain.attester(attester.account)
        assert offer.link != offer.anchor
        (secret,) = (attester.directory / "keys").glob("*.link")
        chain = list(links(net.chain.genesis, attester.account, secret.read_bytes()))
        assert offer.anchor == chain[-1]
        assert offer.link in chain
        await attester.stop()
        secret.unlink()
        with capture_logs() as logs:
            await attester.start()
            await net.chain.until(lambda: net.chain.attester(attester.account).anchor != offer.anchor)
        assert any(secret.name in str(line) for line in logs if line["log_level"] == "error")
        renewed = net.chain.era
        assert (await world.verdict(renewed + 1))[0].served == 1
        assert len(list(items.Slots.entries(net.chain.state))) == 3, "the same slots"
        assert not net.chain.refused


@pytest.mark.parametrize("ranges", [None, [(0, 2), (4, 6)]])
async def test_every_sector_can_be_probed(
    net: Net, monkeypatch: pytest.MonkeyPatch, ranges: list[tuple[int, int]] | None
) -> None:
    monkeypatch.setattr("service.roles.common.segment_jobs.longest_segment", lambda *copy: 40_960)
    monkeypatch.setattr("runtime_mock.model.datdot.segments.part_sectors", lambda state: 160)
    async with copied(net, SIZES) as (_, _, hoster, core, copy):
        if ranges is not None:
            copy = await net.place(core, ranges)
        await net.chain.until(is_active(net, copy))
        entry = net.chain.copy(copy)
        assert len(entry.segments) > 1
        await net.chain.wait_for(net.chain.number + 1)  # the hoster has seen that it is active
        latest = net.chain.latest
        peer = net.addresses[hoster.keys.swarm_key]
        async with TcpTransport(KeyPair.generate(), [peer]) as transport:
            for sector in [*range(0, entry.sectors, 29), entry.sectors - 1]:
                target = await read_target(net.chain.client, copy, sector, latest.hash)
                measured = await probe(transport, target, 3_000)
                data = segment_path(hoster.directory, copy, target.segment).read_bytes()
                assert measured.opening.data == data[256 * target.sector :][:256]
            with pytest.raises(TargetMissing, match=f"no sector {entry.sectors}"):
                await read_target(net.chain.client, copy, entry.sectors, latest.hash)


async def test_what_does_not_fit_the_chain_is_no_answer(net: Net) -> None:
    async with copied(net, SIZES) as (_, _, hoster, _, copy):
        await net.chain.until(is_active(net, copy))
        await net.chain.wait_for(net.chain.number + 1)
        target = await read_target(net.chain.client, copy, 5, net.chain.latest.hash)
        peer = net.addresses[hoster.keys.swarm_key]
        async with TcpTransport(KeyPair.generate(), [peer]) as transport:
            for wrong, reason in (
                (replace(target, salt=digest("salt")), "false encoding"),
                (replace(target, root=digest("root")), "root"),
                (replace(target, head=replace(target.head, tree_hash=digest("head"))), "the plan's is"),
                (replace(target, hoster=digest("nobody")), "no address of peer"),
                (replace(target, genesis=digest("chain")), "probe of copy"),
                (replace(target, segment=77), "segment 77 is not stored here"),
            ):
                with pytest.raises(ProbeFailed, match=reason):
                    await probe(transport, wrong, 3_000)


@pytest.mark.parametrize("silent", ["from the start", "when it is asked for a sector"])
async def test_a_silent_hoster_costs_no_more_than_the_time_limit(net: Net, silent: str) -> None:
    async with copied(net, SIZES) as (_, _, hoster, _, copy):
        await net.chain.until(is_active(net, copy))
        await net.chain.wait_for(net.chain.number + 1)
        target = await read_target(net.chain.client, copy, 5, net.chain.latest.hash)
        held: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
        peer, reason = net.addresses[hoster.keys.swarm_key], f"no full answer within {PROBE_SECONDS:.0f} s"
        if silent == "from the start":
            peer, reason = replace(peer, port=server.sockets[0].getsockname()[1]), "no handshake within"
        else:
            hoster.role._probes._open = lambda ask: asyncio.Event().wait()
        async with TcpTransport(KeyPair.generate(), [peer]) as transport, asyncio.timeout(PROBE_SECONDS + 1):
            with pytest.raises(ProbeFailed, match=reason):
                await probe(transport, target, 3_000)
        for writer in held:
            writer.close()
        server.close()
        await server.wait_closed()
