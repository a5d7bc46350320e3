"""An event loop with a clock of its own: time jumps to the next timer, and whose turn it is follows from a seed."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar
from random import Random
from typing import Any

MOST_STEPS = 200_000
"""Within one virtual second: more, and somebody runs in circles."""


class Deadlock(Exception):
    """Nothing can run any more, and no timer is set; or the clock stands still while something runs in circles."""


class Life:
    """One run of a host, from its start to its end or its crash; a dead one never runs again."""

    def __init__(self, host: str, number: int = 0) -> None:
        self.host, self.number = host, number
        self.alive = True
        self.slow = 1.0
        self.ready: deque[_Handle] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        """All that are not done, also those of a dead life: a coroutine that is freed would run its `finally`."""

    def __repr__(self) -> str:
        return f"{self.host}/{self.number}"


LIFE: ContextVar[Life] = ContextVar("life")
"""Whose code it is that runs."""


class _Handle(events.Handle):
    __slots__ = ("life",)
    life: Life


class _Timer(events.TimerHandle):
    __slots__ = ("life",)
    life: Life


class SimTask(asyncio.Task[Any]):
    """A task whose hash is its serial number: sets of tasks have the same order in every run."""

    serial: int

    def __hash__(self) -> int:
        return self.serial


class VirtualLoop(asyncio.BaseEventLoop):
    """No selector, no threads, no sockets but those of `network`."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = Random(f"{seed} loop")
        self.now = 0.0
        self.steps = 0
        self._allowed = MOST_STEPS
        self.network: Any = None
        self.outside = Life("(outside)")
        self._turns: list[Life] = []
        self._heap: list[tuple[float, int, _Timer]] = []
        self._serials = itertools.count()
        self.faults: list[str] = []
        self.set_task_factory(_make_task)
        self.set_exception_handler(_note_fault)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.now

    # ---- what asyncio calls

    def _call_soon(self, callback: Callable[..., Any], args: Any, context: Context | None) -> _Handle:
        handle = _Handle(callback, args, self, context)
        handle.life = _life_of(handle, self)
        self._make_ready(handle)
        return handle

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """There is one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """See asyncio."""
        handle = _Timer(when, callback, args, self, context)
        handle.life = _life_of(handle, self)
        heapq.heappush(self._heap, (when, next(self._serials), handle))
        return handle

    def _timer_handle_cancelled(self, handle: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _make_ready(self, handle: Any) -> None:
        life = handle.life
        if not life.ready:
            self._turns.append(life)
        life.ready.append(handle)

    def _run_once(self) -> None:
        """One callback: of one of the lives that have any, drawn; each life's own come in their order."""
        heap = self._heap
        if not self._turns:
            while heap and (heap[0][2]._cancelled or not heap[0][2].life.alive):
                heapq.heappop(heap)
            if not heap:
                raise Deadlock("nothing can run any more, and no timer is set")
            if int(self.now) < int(heap[0][0]):
                self._allowed = self.steps + MOST_STEPS
            self.now = max(self.now, heap[0][0])
        while heap and heap[0][0] <= self.now:
            handle = heapq.heappop(heap)[2]
            if not handle._cancelled:
                self._make_ready(handle)
        if not self._turns:
            return
        at = int(self.random.random() * len(self._turns))
        life = self._turns[at]
        handle = life.ready.popleft()
        if not life.ready:
            last = self._turns.pop()
            if at < len(self._turns):
                self._turns[at] = last
        if life.alive and not handle._cancelled:
            self.steps += 1
            if self.steps > self._allowed:
                raise Deadlock(f"in circles at {self.now:.3f} s: {life}: {handle!r:.300}")
            handle._run()

    def run_in_executor(self, executor: Any, function: Any, *args: Any) -> Any:
        """As a thread would: at some time soon, whatever becomes meanwhile of the task that waits for it."""
        done = self.create_future()

        def run() -> None:
            try:
                result = function(*args)
            except Exception as error:  # noqa: BLE001 - as an executor, it is raised where the result is awaited
                if not done.cancelled():
                    done.set_exception(error)
            else:
                if not done.cancelled():
                    done.set_result(result)

        self.call_later(self.random.random() * 0.002 * LIFE.get(self.outside).slow, run)
        return done

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:  # type: ignore[override]
        """Listen in the simulated network."""
        return self.network.listen(LIFE.get(self.outside), protocol_factory, host, port)

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:  # type: ignore[override]
        """Connect through the simulated network."""
        return await self.network.connect(LIFE.get(self.outside), protocol_factory, host, port)


def _life_of(handle: Any, loop: VirtualLoop) -> Life:
    found: Life = handle._context.get(LIFE, loop.outside)
    return found


def _make_task(loop: Any, coroutine: Any, **more: Any) -> SimTask:
    task = SimTask.__new__(SimTask)
    task.serial = next(loop._serials)
    life = more["context"].get(LIFE, loop.outside) if more.get("context") is not None else LIFE.get(loop.outside)
    SimTask.__init__(task, coroutine, loop=loop, **more)
    life.tasks.append(task)
    if len(life.tasks) > 512:
        life.tasks[:] = [one for one in life.tasks if not one.done()]
    return task


def _note_fault(loop: Any, context: dict[str, Any]) -> None:
    error = context.get("exception")
    loop.faults.append(f"{context.get('message')}: {type(error).__name__}: {error}")
