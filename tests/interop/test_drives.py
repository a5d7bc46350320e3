"""What people keep in hypercores of npm: drives, trees of keys and logs of several writers, fetched and checked whole."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.feeds.fetch import fetch_feed
from service.feeds.verify import verify_feed
from service.hypercore import CoreError, Corestore, KeyPair
from service.hypercore.net import PeerAddress, TcpTransport
from service.roles.sponsor.checks import check_head
from tests.support.npm_peer import HERE, SECONDS, node_command

pytestmark = pytest.mark.node
NAMES = ("drive", "blobs", "bee", "writer", "system")


@pytest.fixture
async def drives(tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """An npm process that serves a Hyperdrive, a Hyperbee and an Autobase; what it tells of them."""
    process = await asyncio.create_subprocess_exec(
        node_command(), str(HERE / "drive_peer.mjs"), str(tmp_path / "npm"),
        stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            told: dict[str, Any] = json.loads(await process.stdout.readline())
        yield told
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.case("feeds/drive")
async def test_drives_trees_and_logs_of_npm_come_whole(drives: dict[str, Any]) -> None:
    peer = PeerAddress(bytes.fromhex(drives["key"]), "127.0.0.1", drives["port"])
    assert sorted(drives["cores"]) == sorted(NAMES)
    store = Corestore()
    async with TcpTransport(KeyPair.generate(), [peer]) as transport:
        for told in drives["cores"].values():
            core = store.get(bytes.fromhex(told["key"]))
            async with asyncio.timeout(SECONDS):
                await fetch_feed(core, transport)
            blocks = [core.get(index) or b"" for index in range(core.length)]
            assert (core.length, core.byte_length) == (told["length"], told["byte_length"])
            assert hashlib.sha256(b"".join(blocks)).hexdigest() == told["sha256"]
            assert (await verify_feed(core)).blocks == core.length
            if told["signers"] == 1:
                check_head(core.head())
            else:
                with pytest.raises(CoreError, match="not signed by one signer"):
                    core.head()
    store.close()
