"""The server of one core to one peer: answers in order, and only as fast as the peer reads."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from ..core import Core
from ..store.bitfield import PAGE_BITS
from ..store.storage import StorageError
from ..stored import CoreError
from ..tree.proof import ProofError, Request
from ..wire import messages as m
from ..wire.peer import WANT_BLOCKS
from .connection import Connection

log = structlog.get_logger(__name__)

MAX_QUEUED_REQUESTS = 1024
"""Unanswered requests of one peer for one core."""
MAX_QUEUED_WANTS = 64
"""Unanswered questions of one peer about which blocks are here."""
SERVE_BYTES = 64 * 1024
"""Bytes sent in one turn, so that other peers get theirs."""
MOST_FETCHED = 8
"""Blocks of one connection that are being found beside the event loop, or wait to be sent."""
LOOKED_AHEAD = 64
"""Requests that wait for a place which are looked at in a turn: what they ask for may have been found for another peer."""
ANSWER_COST = 1024
"""Bytes that an answer counts for at least: also one that is small, or that there is none, may be dear to find."""


class Fetching:
    """The blocks that are being found for one connection, on all its channels: at most MOST_FETCHED."""

    def __init__(self) -> None:
        self._free = MOST_FETCHED
        self._waiting: deque[Callable[[], None]] = deque()

    @classmethod
    def of(cls, connection: Connection) -> Fetching:
        """Return that of a connection, created at the first call."""
        found = connection.context.get(cls.__name__)
        if not isinstance(found, Fetching):
            found = connection.context[cls.__name__] = cls()
        return found

    def take(self, told: Callable[[], None]) -> bool:
        """Take a place if one is free. Otherwise `told` is called when there is one."""
        if self._free:
            self._free -= 1
            return True
        if told not in self._waiting:
            self._waiting.append(told)
        return False

    def give(self) -> None:
        """Give a place back. All who wait look for it in their turns: some may want it no longer."""
        self._free += 1
        waiting, self._waiting = self._waiting, deque()
        for told in waiting:
            told()


class Server:
    """The server of one core to one peer.

    `send` puts a message on the core's channel. The number of waiting requests is bounded: more ends the connection.
    Answers come in the order of the requests, but for blocks that have to be decoded first: those come as they are found.
    """

    def __init__(self, connection: Connection, core: Core, send: Callable[[int, bytes], None]) -> None:
        self._connection, self._core, self._send = connection, core, send
        self._requests: dict[int, tuple[int, Request]] = {}  # by number, in the order in which they came
        self._fetching = Fetching.of(connection)
        self._fetched: dict[int, asyncio.Task[bytes | None]] = {}
        """By number of the request: the block that it asks for, found or being found."""
        self._wants: deque[tuple[int, int]] = deque()
        self._scheduled = self._stopped = False

    def take_request(self, number: int, fork: int, request: Request) -> None:
        """Queue a request for blocks or nodes."""
        if len(self._requests) >= MAX_QUEUED_REQUESTS:
            self._connection.fail(f"more than {MAX_QUEUED_REQUESTS} requests are waiting for an answer")
            return
        self._forget(number)  # what an earlier request of that number asked for is not what this one does
        self._requests[number] = fork, request
        self.schedule()

    def take_want(self, start: int, length: int) -> None:
        """Queue a question about which of these blocks are here."""
        if length > WANT_BLOCKS:
            self._connection.fail(f"a want of {length} blocks, over the limit of {WANT_BLOCKS}")
        elif len(self._wants) >= MAX_QUEUED_WANTS:
            self._connection.fail(f"more than {MAX_QUEUED_WANTS} wants are waiting for an answer")
        else:
            self._wants.append((start, length))
            self.schedule()

    def cancel(self, number: int) -> None:
        """Drop a request that the peer took back."""
        self._requests.pop(number, None)
        self._forget(number)

    def stop(self) -> None:
        """Drop everything, because the channel has ended."""
        self._stopped = True
        for number in list(self._fetched):
            self._forget(number)
        self._requests.clear()
        self._wants.clear()

    def schedule(self) -> None:
        """Queue a turn to answer, if anything waits for an answer."""
        if not self._scheduled and (self._requests or self._wants):
            self._scheduled = True
            self._connection.take_serving_turn(self._serve)

    def _serve(self) -> None:
        self._scheduled = False
        spent, left = 0, LOOKED_AHEAD
        while self._wants and spent < SERVE_BYTES and self._may_send():
            spent += max(ANSWER_COST, self.tell_blocks(*self._wants.popleft()))
        for number in list(self._requests):
            if spent >= SERVE_BYTES or not self._may_send():
                break
            if self._is_ready(number):
                spent += max(ANSWER_COST, self._answer(number, *self._requests.pop(number)))
            elif number not in self._fetched:
                left -= 1  # no place is free to find it: its turn comes when one is
                if not left:
                    break
        self._connection.count_served(spent)
        if spent >= SERVE_BYTES and self._connection.writable:
            self.schedule()

    def _is_ready(self, number: int) -> bool:
        """Return whether a request can be answered now. If not, what it asks for is being found, or waits for a place."""
        fetched = self._fetched.get(number)
        if fetched is not None:
            return fetched.done()
        fork, request = self._requests[number]
        if request.block is None or fork != self._core.fork:
            return True
        if self._core.is_quick(request.block.index):
            return True
        if self._fetching.take(self.schedule):
            task = asyncio.get_running_loop().create_task(self._core.fetch(request.block.index))
            task.add_done_callback(lambda _: self.schedule())
            self._fetched[number] = task
        return False

    def _forget(self, number: int) -> None:
        fetched = self._fetched.pop(number, None)
        if fetched is not None:
            # not cancelled: a thread that reads cannot be, and its place is taken until it has
            fetched.add_done_callback(self._given_up)

    def _given_up(self, fetched: asyncio.Task[bytes | None]) -> None:
        if not fetched.cancelled() and fetched.exception() is not None:
            log.debug("a block was not found", peer=str(self._connection), error=str(fetched.exception()))
        self._fetching.give()

    def _may_send(self) -> bool:
        return self._connection.writable and not self._stopped

    def _answer(self, number: int, fork: int, request: Request) -> int:
        """Answer a request. Return the bytes sent."""
        core, fetched = self._core, self._fetched.get(number)
        try:
            if fork != core.fork:
                raise ProofError(f"the request is for fork {fork}, but the core is at fork {core.fork}")
            value = None if fetched is None else fetched.result()
            if fetched is not None and value is None:
                raise ProofError("the block is not here")
            body = m.encode_data(number, core.prove(request, value))
        except (ProofError, CoreError) as error:
            log.debug("request not answered", peer=str(self._connection), request=number, reason=str(error))
            here = request.block is None or core.has(request.block.index)
            reason = m.INVALID_REQUEST if here and fork == core.fork else m.NOT_AVAILABLE
            self._send(m.NO_DATA, m.encode_no_data(number, reason))
            return 0
        except (StorageError, OSError) as error:
            self._connection.complain("cannot answer a request", request=number, error=str(error))
            self._send(m.NO_DATA, m.encode_no_data(number, m.NOT_AVAILABLE))
            return 0
        finally:
            self._forget(number)
        self._send(m.DATA, body)
        return len(body)

    def tell_blocks(self, start: int, length: int) -> int:
        """Tell the peer which of these blocks are here. Return the bytes sent."""
        core, sent = self._core, 0
        if core.contiguous_length == core.length:
            self._send(m.RANGE, m.encode_range(0, core.length) if core.length else m.encode_bitfield(start, bytes(4)))
            return sent
        for number in range(start // PAGE_BITS, min(start + length, core.length) // PAGE_BITS + 1):
            page = core.page(number)
            if page is not None:
                self._send(m.BITFIELD, m.encode_bitfield(number * PAGE_BITS, page))
                sent += len(page)
        return sent
