"""A short visit to the chain: a client, and for those who sign a follower and a signer that run while it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from service.chain_client import ChainClient, Follower, Signer
from service.keys import KeyFile

SIGNER_FILE = "signer.sqlite"


@dataclass(frozen=True, slots=True)
class Session:
    """What a command that signs needs."""

    client: ChainClient
    signer: Signer
    follower: Follower
    keys: KeyFile


@asynccontextmanager
async def client_session(url: str) -> AsyncIterator[ChainClient]:
    """A client for the time of the context."""
    async with await ChainClient.connect(url) as client:
        yield client


@asynccontextmanager
async def chain_session(url: str, key: str | Path) -> AsyncIterator[Session]:
    """A session for the time of the context; what is sent is recorded for the time of the command only.

    An extrinsic that was cut off on its way is found in the chain by the next run's checks, not repeated from a table.
    Raises :class:`KeyFileError`, :class:`ChainError`.
    """
    keys = KeyFile.load(key)
    with TemporaryDirectory(prefix="datdot-") as scratch:
        async with await ChainClient.connect(url) as client:
            follower = Follower(client)
            signer = Signer(client, keys.account_pair, Path(scratch) / SIGNER_FILE, follower)
            tasks = [asyncio.create_task(follower.run()), asyncio.create_task(signer.run())]
            try:
                await follower.wait_for(0)
                yield Session(client, signer, follower, keys)
            finally:
                for task in tasks:
                    task.cancel()
                for task in tasks:
                    with suppress(asyncio.CancelledError):
                        await task
                signer.close()
