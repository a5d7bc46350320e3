"""A disk that is full at any write of a command that pays: it is not sent, or it is sent once; then it is typed again."""

from __future__ import annotations

import pytest

from service.chain_client.errors import TableError
from service.chain_client.pallet.types import Terms
from service.roles.sponsor import plans
from tests.support.full_disk import full_disk
from tests.support.small_chain import Line, keys_of
from tests.support.small_net import POT, PRICES, Net, author


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("rolls_back", [True, False], ids=["rolled back", "left open"])
async def test_a_plan_is_published_once(net: Net, after: int, rolls_back: bool) -> None:
    _, core = await author(net)
    terms = Terms(1, *PRICES, net.chain.number + 2_000)
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
