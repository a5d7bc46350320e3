"""The runner of a role's decisions: one task per action, never twice at once; failures are logged and retried later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass

import structlog

from service.chain_client import Call, DispatchError, InvalidTransaction, NotOperator, Signer, UnknownRuntime
from service.disk import DISK_ERRORS

from .troubles import Troubles

log = structlog.get_logger(__name__)

Perform = Callable[[], Awaitable[int | None]]


async def submitted(signer: Signer, call: Call, held: Callable[[], Awaitable[bool]]) -> int | None:
    """Submit a call unless it already took effect. Return the block in which it did, as `Runner` expects it.

    If it failed because the fact was made meanwhile, by another peer or by an earlier call of ours, that is a race and no
    error, also if the pool refused it: the chain does not take calls that give their fee back of those who have no part
    in them. Raises what `Signer.submit` raises.
    """
    try:
        receipt = await signer.submit(call, held)
    except (DispatchError, InvalidTransaction) as error:
        if not await held():
            raise
        log.info("another call was faster", call=str(call), outcome=str(error))
        return None
    return None if receipt is None else receipt.block.number


async def once_it_counts(perform: Perform) -> int | None:
    """Perform an action. If its call counts for nothing, as its signer is no operator any more, end when it is one again.

    It is decided anew then: the facts have changed meanwhile. Who follows the chain tells of it, once for all actions.
    """
    try:
        return await perform()
    except NotOperator as error:
        await error.again.wait()
        return None


@dataclass(slots=True)
class _Entry:
    task: asyncio.Task[None] | None = None
    failures: int = 0
    not_before: int = 0


class Runner:
    """Runs actions by key, block after block.

    An action that fails waits 1, 2, 4 … up to `longest` blocks before it is retried. One that took effect in a block is
    not repeated before a decision that has seen that block. One that ended is not repeated before a decision whose
    facts were read after its end.
    """

    def __init__(self, role: str, longest: int = 32, troubles: Troubles | None = None) -> None:
        self._role, self._log = role, log.bind(role=role)
        self._troubles = Troubles() if troubles is None else troubles
        self._longest = longest
        self._entries: dict[Hashable, _Entry] = {}
        self._now = 0
        self._looked = 0

    def look(self, now: int) -> None:
        """Note that the facts of block `now` are read from here on. They may miss what ends before their decision."""
        self._looked = max(self._looked, now)

    def waits(self, key: Hashable, now: int) -> bool:
        """Return whether an action is under way, or would not be started in block `now`."""
        entry = self._entries.get(key)
        return entry is not None and (entry.task is not None or now < entry.not_before)

    def apply(self, now: int, wanted: Iterable[tuple[Hashable, Perform]]) -> None:
        """Start the wanted actions that are not running, and cancel running ones that are no longer wanted."""
        self._now = max(self._now, now)
        keys = set()
        for key, perform in wanted:
            keys.add(key)
            entry = self._entries.setdefault(key, _Entry())
            if entry.task is None and now >= entry.not_before:
                entry.task = asyncio.create_task(self._perform(key, entry, perform))
        for key, entry in list(self._entries.items()):
            if key in keys:
                continue
            self._troubles.over((self._role, key))
            if entry.task is not None:
                entry.task.cancel()
            elif now >= entry.not_before:
                del self._entries[key]

    async def _perform(self, key: Hashable, entry: _Entry, perform: Perform) -> None:
        try:
            block = await once_it_counts(perform)
        except asyncio.CancelledError:
            self._entries.pop(key, None)
            raise
        except Exception as error:  # noqa: BLE001 - one action's failure must not end the role; it is logged and retried
            entry.failures += 1
            self._troubles.failed((self._role, key), error)
            wait = min(2 ** (entry.failures - 1), self._longest)
            entry.not_before = self._now + wait
            # what a full disk or a newer runtime keeps failing is told once; the other failures differ from try to try
            of_disk = isinstance(error, DISK_ERRORS) and not isinstance(error, ConnectionError | TimeoutError)
            again = entry.failures > 1 and (of_disk or isinstance(error, UnknownRuntime))
            (self._log.debug if again else self._log.error)(
                "failed", action=repr(key), error=f"{type(error).__name__}: {error}", retry_in_blocks=wait
            )
        else:
            entry.failures = 0
            self._troubles.over((self._role, key))
            # `_looked`: facts that are being read right now may predate this action's effect, so their decision is skipped
            entry.not_before = max(block or 0, self._now + 1, self._looked + 1)
        finally:
            entry.task = None

    async def close(self) -> None:
        """Cancel every running action and wait for its end."""
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
