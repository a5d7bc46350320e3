"""Copies that a hoster may have lost: found damaged once, looked through again later, and then told to the chain or not.

A declaration cannot be taken back and costs a tenth of the copy's collateral. So it rests on two things: sectors that are
missing or do not lead to the root on the chain, and the same found once more after a time in which an operator puts back a
disk that was not mounted. An error of reading proves nothing, and is no loss.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from service.chain_client.pallet.types import Copy, CopyState, Segment, Times
from service.encoding import DamagedSectors, DamagedTree

from .sectors import SectorsMissing

log = structlog.get_logger(__name__)


def shows_loss(error: BaseException) -> bool:
    """Return whether an error says that sectors are not what they were, and not only that they cannot be read now."""
    return isinstance(error, SectorsMissing | DamagedSectors | DamagedTree)


def patience(times: Times) -> int:
    """Return how many blocks after it was found damaged a copy is looked through, and declared lost if it is."""
    return max(1, times.proof_window // 2)


class Losses:
    """The copies that were found damaged, each with the block in which it first was.

    Nothing of it is kept on disk, so a restart begins the wait anew. That is meant: who restarts a node may just have put the
    files back, and a declaration made on what an earlier run saw could not be taken back. Each run looks for missing files
    at its start, and what a challenge asks for is found by it, so nothing that is lost stays unseen for long. A node that is
    restarted ever again within half a proof window declares nothing, and is overdue as one that is away is.
    """

    def __init__(self, times: Times) -> None:
        self._times = times
        self._since: dict[int, int] = {}
        self._whole: dict[int, int] = {}

    def suspect(self, copy: int, now: int, why: str, by_root: bool = True) -> None:
        """Note that sectors of a copy seem to be lost.

        What a reader found (`by_root` False) may be the fault of the feed's tree: for an era after a copy was found whole
        that is no reason to read it all again.
        """
        if not by_root and now < self._whole.get(copy, -self._times.era) + self._times.era:
            return
        if copy not in self._since:
            self._since[copy] = now
            log.error(
                "a copy is damaged on this disk: put its files back, or it is declared lost",
                copy=copy,
                error=why,
                at_block=now + patience(self._times),
            )

    def whole(self, copy: int, now: int) -> None:
        """Note that a copy was looked through and is whole."""
        self._since.pop(copy, None)
        self._whole[copy] = now

    def keep(self, copies: Mapping[int, Copy]) -> None:
        """Forget all but these copies."""
        for found in (self._since, self._whole):
            for copy in found.keys() - copies.keys():
                del found[copy]

    @property
    def suspected(self) -> dict[int, int]:
        """The block in which each was found damaged."""
        return dict(self._since)


def may_declare(now: int, times: Times, copy: Copy, since: int) -> bool:
    """Return whether a copy that was found damaged in block `since` is to be looked through, and declared lost, now."""
    stands = copy.active_since is not None and copy.state is not CopyState.ENDED and not copy.dropping
    return stands and now >= since + patience(times)


def confirmed_of(copy: Copy, segments: Mapping[int, Segment]) -> dict[int, Segment]:
    """Return the confirmed segments of a copy, as far as they are known."""
    return {part.segment: segments[part.segment] for part in copy.segments if part.segment in segments}
