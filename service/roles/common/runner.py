"""Carries out what a machine decides: one task per action, failures logged and tried again later, never twice at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass

import structlog

from service.chain_client import Call, Signer

log = structlog.get_logger(__name__)

Perform = Callable[[], Awaitable[int | None]]


async def submitted(signer: Signer, call: Call, held: Callable[[], Awaitable[bool]]) -> int | None:
    """Submit unless it is done already; the block in which it took effect, as :class:`Runner` wants it."""
    receipt = await signer.submit(call, held)
    return None if receipt is None else receipt.block.number


@dataclass(slots=True)
class _Entry:
    task: asyncio.Task[None] | None = None
    failures: int = 0
    not_before: int = 0


class Runner:
    """Runs actions by their key, block after block.

    An action that fails waits 1, 2, 4 … up to `longest` blocks before it is tried again. One that took effect in a block
    is not repeated before a decision that has seen that block, nor one that ended at any time before a decision whose facts
    were read afterwards.
    """

    def __init__(self, role: str, longest: int = 32) -> None:
        self._log = log.bind(role=role)
        self._longest = longest
        self._entries: dict[Hashable, _Entry] = {}
        self._now = 0
        self._looked = 0

    def look(self, now: int) -> None:
        """The facts of a block are read from here on: what ends before their decision may not be among them."""
        self._looked = max(self._looked, now)

    def apply(self, now: int, wanted: Iterable[tuple[Hashable, Perform]]) -> None:
        """Start what is wanted and not running; end what runs and is wanted no more."""
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
            if entry.task is not None:
                entry.task.cancel()
            elif now >= entry.not_before:
                del self._entries[key]

    async def _perform(self, key: Hashable, entry: _Entry, perform: Perform) -> None:
        try:
            block = await perform()
        except asyncio.CancelledError:
            self._entries.pop(key, None)
            raise
        except Exception as error:  # noqa: BLE001 - one action's failure must not end the role; it is logged and retried
            entry.failures += 1
            wait = min(2 ** (entry.failures - 1), self._longest)
            entry.not_before = self._now + wait
            self._log.error("failed", action=repr(key), error=f"{type(error).__name__}: {error}", retry_in_blocks=wait)
        else:
            entry.failures = 0
            entry.not_before = max(block or 0, self._now + 1, self._looked + 1)
        finally:
            entry.task = None

    async def close(self) -> None:
        """End everything that runs."""
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
