"""A short session with a chain: a client and, for commands that sign, a follower and a signer that run during it."""

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
from service.durable import make_private
from service.vault import PeerKeys

log = structlog.get_logger(__name__)

BUSY_SECONDS = 300.0
"""How long a command waits for another one of the same account: long enough for a finalized transaction."""
BUSY_LOOK_SECONDS = 0.5
"""Interval between two tries to open the table, whose lock cannot be awaited."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a command that signs needs."""

    client: ChainClient
    signer: Signer
    follower: Follower
    keys: PeerKeys


@asynccontextmanager
async def client_session(url: str) -> AsyncIterator[ChainClient]:
    """Open a client for the duration of the context."""
    async with await ChainClient.connect(url) as client:
        yield client


def sent_table(genesis: bytes, account: bytes) -> Path:
    """Return the path where this user's commands record what they send for an account, so that nothing is sent twice."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "datdot" / f"{genesis.hex()[:16]}-{ss58(account)}.sqlite"


async def _when_free(make: Callable[[], Signer]) -> Signer:
    """Return the signer once no other session of its account runs. Raises SignerBusy after `BUSY_SECONDS`."""
    loop = asyncio.get_running_loop()
    end, told = loop.time() + BUSY_SECONDS, False
    while True:
        try:
            return make()
        except SignerBusy as error:
            if loop.time() >= end:
                raise
            if not told:
                log.info("waiting for another command that signs for this account", where=str(error))
            told = True
        await asyncio.sleep(BUSY_LOOK_SECONDS)


@asynccontextmanager
async def chain_session(url: str, keys: PeerKeys, keep_sent: bool = False) -> AsyncIterator[Session]:
    """Open a session of an account for the duration of the context.

    With `keep_sent`, everything sent is recorded in `sent_table` until the context ends without an error, and repeating
    a call that an earlier session was interrupted in returns its receipt: so the caller tells its user within. Only one
    such session of an account runs at a time; the next one waits. Without it the record lasts as long as the session.
    Raises ChainError.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(await ChainClient.connect(url))
        if keep_sent:
            path = sent_table(client.genesis, keys.payer)
            make_private(path.parent)
        else:
            path = Path(stack.enter_context(TemporaryDirectory(prefix="datdot-"))) / "signer.sqlite"
        follower = Follower(client)
        signer = await _when_free(lambda: Signer(client, keys.account_pair, path, follower, keep_sent, keys.peer))
        stack.callback(signer.close)
        tasks = [asyncio.create_task(follower.run()), asyncio.create_task(signer.run())]
        try:
            await follower.wait_for(0)
            yield Session(client, signer, follower, keys)
            signer.told()
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
