"""The server of one core to one peer: answers in order, and only as fast as the peer reads."""

from __future__ import annotations

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
ANSWER_COST = 1024
"""Bytes that an answer counts for at least: also one that is small, or that there is none, may be dear to find."""


class Server:
    """The server of one core to one peer.

    `send` puts a message on the core's channel. The number of waiting requests is bounded: more ends the connection.
    """

    def __init__(self, connection: Connection, core: Core, send: Callable[[int, bytes], None]) -> None:
        self._connection, self._core, self._send = connection, core, send
        self._requests: dict[int, tuple[int, Request]] = {}  # by number, in the order in which they came
        self._wants: deque[tuple[int, int]] = deque()
        self._scheduled = self._stopped = False

    def take_request(self, number: int, fork: int, request: Request) -> None:
        """Queue a request for blocks or nodes."""
        if len(self._requests) >= MAX_QUEUED_REQUESTS:
            self._connection.fail(f"more than {MAX_QUEUED_REQUESTS} requests are waiting for an answer")
            return
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

    def stop(self) -> None:
        """Drop everything, because the channel has ended."""
        self._stopped = True
        self._requests.clear()
        self._wants.clear()

    def schedule(self) -> None:
        """Queue a turn to answer, if anything waits for an answer."""
        if not self._scheduled and (self._requests or self._wants):
            self._scheduled = True
            self._connection.take_turn(self._serve)

    def _serve(self) -> None:
        self._scheduled = False
        spent = 0
        while self._wants and spent < SERVE_BYTES and self._may_send():
            spent += max(ANSWER_COST, self.tell_blocks(*self._wants.popleft()))
        while self._requests and spent < SERVE_BYTES and self._may_send():
            number = next(iter(self._requests))
            spent += max(ANSWER_COST, self._answer(number, *self._requests.pop(number)))
        self._connection.count_served(spent)
        if self._connection.writable:
            self.schedule()

    def _may_send(self) -> bool:
        return self._connection.writable and not self._stopped

    def _answer(self, number: int, fork: int, request: Request) -> int:
        """Answer a request. Return the bytes sent."""
        core = self._core
        try:
            if fork != core.fork:
                raise ProofError(f"the request is for fork {fork}, but the core is at fork {core.fork}")
            body = m.encode_data(number, core.prove(request))
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
