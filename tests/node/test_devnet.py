"""A development network's own affairs: the ports of its last run, and the end of its chain."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.devnet import network
from service.devnet.network import Devnet, DevnetError, NetPeer, kept_ports
from service.devnet.processes import Child
from service.vault import create_key_file


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


async def test_a_peer_that_dies_is_told_once_and_told_to_be_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "WATCH_SECONDS", 0.02)
    net = Devnet(tmp_path)
    script = "import sys, time; print('{}', flush=True); time.sleep(1000)"

    async def started() -> Child:
        child = Child("hoster-1", [sys.executable, "-c", script], tmp_path / "log")
        await child.start()
        return child

    peer = NetPeer("hoster", tmp_path / "hoster-1", create_key_file(tmp_path / "key.json"), 1, await started())
    net.peers.append(peer)
    with capture_logs() as logs:
        task = asyncio.create_task(network.watch_peers(net))
        assert peer.child is not None
        os.kill(peer.child.pid, signal.SIGKILL)
        await said(logs, "alert")
        peer.child = await started()
        await said(logs, "alert is over")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await peer.child.stop()
    (alert,) = [line for line in logs if line["event"] == "alert"]
    assert "the peer hoster-1 ended" in alert["about"]
    assert "start it again" in alert["remedy"]
    assert len([line for line in logs if line["event"] == "alert is over"]) == 1


async def test_few_peers_start_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starting: list[NetPeer] = []
    most: list[int] = []

    async def start_peer(self: Devnet, peer: NetPeer) -> None:
        starting.append(peer)
        most.append(len(starting))
        for _ in range(3):
            await asyncio.sleep(0)
        starting.remove(peer)

    monkeypatch.setattr(Devnet, "start_peer", start_peer)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    net = Devnet(tmp_path)
    keys = create_key_file(tmp_path / "key.json")
    net.peers += [NetPeer("hoster", tmp_path, keys, number) for number in range(12)]
    await net._start_peers()
    assert (len(most), max(most)) == (12, network.STARTING)


async def said(logs: Any, event: str) -> None:
    async with asyncio.timeout(60):
        while not any(line["event"] == event for line in logs):  # noqa: ASYNC110 - a log tells no event
            await asyncio.sleep(0.02)
