"""A look at this machine's clock beside the chain's: a wrong one harms nothing here, but every date in the log lies."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from service.chain_client import ChainClient, ConnectionLost, Follower, RpcError, StateDiscarded, UnknownRuntime
from service.operating.clocks import OFF_SECONDS, ClockPace

log = structlog.get_logger(__name__)

EVERY_BLOCKS = 20


class ClockWatch:
    """Says once that the clocks differ, and again only after they agreed."""

    def __init__(self) -> None:
        self._off = False

    def look(self, off: float | None) -> str | None:
        """Return what to tell of a difference in seconds, if anything; None: it is not known."""
        before, self._off = self._off, off is not None and abs(off) > OFF_SECONDS
        if off is None or before or not self._off:
            return None
        return (
            f"this machine's clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the chain's: "
            "set it (NTP does), or wait if the chain's node is still catching up; the dates in this log are this machine's"
        )


async def watch_clock(client: ChainClient, follower: Follower, wall: Callable[[], float] = time.time) -> None:
    """Compare the clocks at every `EVERY_BLOCKS`th new block, until cancelled. A difference is logged."""
    watch, pace = ClockWatch(), ClockPace()
    number = (await follower.wait_for(0)).number + 1  # not at a block of before a stop of the chain
    while True:
        number = (await follower.wait_for(number)).number + EVERY_BLOCKS
        try:
            moment = await client.timestamp((await client.best()).hash)
        except (ConnectionLost, RpcError, StateDiscarded, UnknownRuntime) as error:
            log.debug("the chain's time cannot be read", error=str(error))
            continue
        told = watch.look(pace.off(wall(), None if moment is None else moment / 1000))
        if told is not None:
            log.warning(told)
