"""A disk that is full at any write of a command that pays: it is not sent, or it is sent once; then it is typed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.chain_client.errors import TableError
from service.chain_client.sent import RESERVE, Sent, SentTable
from service.roles.sponsor import plans
from service.roles.sponsor.terms import plan_terms
from tests.support.copy_world import digest
from tests.support.full_disk import full_disk
from tests.support.small_chain import Line, keys_of
from tests.support.small_net import POT, PRICES, Net, author


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("rolls_back", [True, False], ids=["rolled back", "left open"])
async def test_a_plan_is_published_once(net: Net, after: int, rolls_back: bool) -> None:
    _, core = await author(net)
    terms = plan_terms(1, *PRICES, net.chain.number + 2_000)
    directory = net.directory / "command"
    directory.mkdir()

    async def command() -> int:
        line = await Line.open(net.chain, keys_of("One"), directory)
        try:
            return (await plans.publish_plan(line.client, line.signer, core, terms, POT, [(0, core.length)])).plan
        finally:
            await line.close()

    with full_disk(directory) as disk:
        disk.rolls_back = rolls_back
        disk.fill(after)
        sent = len(net.chain.heard)
        try:
            plan = await command()
        except TableError as error:
            assert len(net.chain.heard) == sent, "what is not noted is not sent"
            assert "make room on that disk" in str(error)  # noqa: PT017 - it need not fail
            plan = None
        assert disk.refused
        disk.free()
    again = await command()
    assert plan in (None, again), "typed again, it is the same plan, as its outcome could not be struck out"
    assert await net.chain.client.storage.next_plan() == 1


async def test_the_table_stays_within_the_room_that_it_has_from_the_start(tmp_path: Path) -> None:
    """So that a hoster sends its proofs on a full disk: nothing needs to grow for it."""
    path = tmp_path / "signer.sqlite"
    for _ in range(2):
        table = SentTable(path)

        def sizes() -> list[int]:
            return [path.with_name(path.name + end).stat().st_size for end in ("", "-wal")]

        before = sizes()
        assert min(before) >= RESERVE
        for number in range(60):
            calls = [Sent(digest(number, i), i, 0, 64, bytes(9_000), bytes(9_000), "proof") for i in range(3)]
            for one in calls:
                table.add(bytes(32), one)
            assert len(table.load(bytes(32))) == 3
            for one in calls:
                table.forget(one)
        assert sizes() == before
        assert table.load(bytes(32)) == []
        table.close()
