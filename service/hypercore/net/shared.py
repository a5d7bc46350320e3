"""What all connections of a transport share: a read buffer, a budget for unfinished frames, turns, a limit, room in the log."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from .upload import EARLY_TURNS, UploadLimit

log = structlog.get_logger(__name__)

READ_BUFFER = 256 * 1024
COMPLAINTS, COMPLAINTS_PER_SECOND = 128, 1.0
"""Log lines about peers that may be written at once, and each second: strangers must not fill the disk."""

Step = Callable[[], None]


class Complaints:
    """A limit on what the log tells of peers."""

    def __init__(self) -> None:
        self._left, self._at, self._dropped = float(COMPLAINTS), 0.0, 0

    def tell(self, now: float, event: str, **fields: object) -> None:
        """Log a warning, or count it as dropped. The next one that is logged says how many were."""
        self._left = min(float(COMPLAINTS), self._left + max(0.0, now - self._at) * COMPLAINTS_PER_SECOND)
        self._at = now
        if self._left < 1:
            self._dropped += 1
            return
        self._left -= 1
        if self._dropped:
            fields["dropped_lines"], self._dropped = self._dropped, 0
        log.warning(event, **fields)


class Shared:
    """State shared by all connections of a transport, which keeps many connections cheap and fair.

    It holds one read buffer, which asyncio fills and hands over in one step, connection by connection; a budget for
    incomplete frames; and turns: one step for each iteration of the event loop, because a step may involve decoding.
    Who has had little comes first, so that whoever asks for a few blocks does not wait behind those who take whole
    feeds. With `upload_limit`, in bytes a second, turns to serve wait until there is room for what they send.
    """

    def __init__(self, limit: int, upload_limit: float | None = None) -> None:
        self.limit, self.used = limit, 0
        self._upload = None
        if upload_limit is not None:
            self._upload = UploadLimit(upload_limit, asyncio.get_running_loop().time())
        self._waking: asyncio.TimerHandle | None = None
        self.buffer = bytearray(READ_BUFFER)
        self.complaints = Complaints()
        self._early: deque[Step] = deque()
        self._late: deque[Step] = deque()
        self._turns = 0
        self._turning = False

    def change(self, by: int) -> bool:
        """Change the count of held bytes. Return whether it is within the limit."""
        self.used += by
        return by <= 0 or self.used <= self.limit

    def take_turn(self, step: Step, late: bool = False) -> None:
        """Call `step` after all steps that were queued before. The `late` ones get one turn in EARLY_TURNS at least."""
        (self._late if late else self._early).append(step)
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def take_serving_turn(self, step: Step, late: bool = False) -> None:
        """Call `step` as `take_turn` does, once the limit on uploads lets it serve something."""
        if self._upload is None:
            self.take_turn(step, late)
        else:
            self._upload.wait(step, late)
            self._serve_next()

    def count_served(self, size: int) -> None:
        """Count bytes that were served."""
        if self._upload is not None:
            self._upload.spend(size)

    def _serve_next(self) -> None:
        upload, loop = self._upload, asyncio.get_running_loop()
        assert upload is not None
        step = upload.due(loop.time())
        if step is not None:
            self.take_turn(lambda: self._serve(upload, step))
        at = upload.wake_at()
        if self._waking is not None:
            self._waking.cancel()
        self._waking = None if at is None else loop.call_at(at, self._serve_next)

    def _serve(self, upload: UploadLimit, step: Step) -> None:
        try:
            step()
        finally:
            upload.served()
            self._serve_next()

    def _turn(self) -> None:
        self._turns += 1
        late = not self._early or (bool(self._late) and self._turns % EARLY_TURNS == 0)
        step = (self._late if late else self._early).popleft()
        try:
            step()
        finally:
            self._turning = bool(self._early or self._late)
            if self._turning:
                asyncio.get_running_loop().call_soon(self._turn)
