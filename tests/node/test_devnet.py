"""A development network's own affairs: the ports of its last run, and the end of its chain."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from service.devnet.network import Devnet, DevnetError, kept_ports


def test_ports_are_those_of_the_last_run(tmp_path: Path) -> None:
    path = tmp_path / "devnet.json"
    first = kept_ports(path, 12)
    assert len(set(first)) == 12
    assert kept_ports(path, 12) == first
    assert [one.name for one in tmp_path.iterdir()] == ["devnet.json"]


@pytest.mark.parametrize(
    "text",
    ["", '{"ports": [2000', "[]", '{"ports": 5}', '{"ports": [1]}', '{"ports": ["a", "b"]}', '{"ports": [0, 70000]}'],
)
def test_a_file_without_the_ports_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "devnet.json"
    path.write_text(text)
    with pytest.raises(DevnetError, match=r"devnet\.json does not hold the ports of 2 peers: remove it"):
        kept_ports(path, 2)
    assert path.read_text() == text


async def test_a_devnet_ends_with_its_chain(tmp_path: Path) -> None:
    async with Devnet(tmp_path, "model", kinds=()) as net:
        await net.start_chain()
        ending = asyncio.create_task(net.chain_ended())
        await asyncio.sleep(0)
        assert not ending.done()
        assert net._chain_child is not None
        os.kill(net._chain_child.pid, signal.SIGKILL)
        with pytest.raises(DevnetError, match="the mock chain ended"):
            await asyncio.wait_for(ending, 60)
    assert json.loads((tmp_path / "devnet.json").read_text()) == {"ports": []}
