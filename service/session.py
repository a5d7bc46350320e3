"""A short visit to the chain: a client, and for those who sign a follower and a signer that run while it lasts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from service.address import ss58
from service.chain_client import ChainClient, Follower, Signer, SignerBusy
from service.vault.keyfile import KeyFile

log = structlog.get_logger(__name__)

BUSY_SECONDS = 300.0
BUSY_LOOK_SECONDS = 0.5


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


def sent_table(genesis: bytes, account: bytes) -> Path:
    """Where the commands of this user note what they send for an account on a chain, so that none is sent twice."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "datdot" / f"{genesis.hex()[:16]}-{ss58(account)}.sqlite"


async def _when_free(make: Callable[[], Signer]) -> Signer:
    """The signer, once no other session of its account runs. Raises :class:`SignerBusy` when that takes too long."""
    loop = asyncio.get_running_loop()
    end, told = loop.time() + BUSY_SECONDS, False
    while True:
        try:
            return make()
        except SignerBusy as error:
            if loop.time() >= end:
                raise
            if not told:
                log.info("another command signs for this account: waiting for its end", where=str(error))
            told = True
        await asyncio.sleep(BUSY_LOOK_SECONDS)


@asynccontextmanager
async def chain_session(url: str, key: str | Path, keep_sent: bool = False) -> AsyncIterator[Session]:
    """A session for the time of the context.

    ``keep_sent``: what is sent is noted in :func:`sent_table`, and the same call of a later session gets the receipt of
    one that was cut off on its way; only one such session of an account runs at a time, the next waits for its end.
    Else the note lasts as long as the session. Raises :class:`KeyFileError`, :class:`ChainError`.
    """
    keys = KeyFile.load(key)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(await ChainClient.connect(url))
        if keep_sent:
            path = sent_table(client.genesis, keys.account)
        else:
            path = Path(stack.enter_context(TemporaryDirectory(prefix="datdot-"))) / "signer.sqlite"
        follower = Follower(client)
        signer = await _when_free(lambda: Signer(client, keys.account_pair, path, follower))
        stack.callback(signer.close)
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
