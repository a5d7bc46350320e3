"""Which commits, and which reveals, go into one call; one that is under way stays as it is, so that nothing is sent twice.

All that is ready goes at once, up to MAX_RETRIEVALS of an era together: an era's reports are ready when its window opens, but
for those that still wait for a probe. Where a call fails as a whole (the fee that is held meanwhile may be more than the account
has), the next ones are half as long, down to one; with each that is taken they grow again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from service.chain_client.pallet.constants import MAX_RETRIEVALS

from .decisions import CommitReport, RevealReport


@dataclass(frozen=True, slots=True)
class CommitBatch:
    """Reports of one era, to be fixed and committed to in one call."""

    era: int
    link: bytes
    copies: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RevealBatch:
    """Reports of one era, to be revealed in one call."""

    era: int
    copies: tuple[int, ...]


Batch = CommitBatch | RevealBatch


class Batches:
    """The batches that were formed last, and how long the next ones may be."""

    def __init__(self) -> None:
        self.most = MAX_RETRIEVALS
        self._formed: list[Batch] = []

    def form(self, actions: Iterable[CommitReport | RevealReport], waits: Callable[[Batch], bool]) -> list[Batch]:
        """Return the batches of what is to be committed to and revealed.

        `waits` says of a batch that it is under way, or may not be repeated yet. Such a one stays as long as any part of it
        is wanted, and what it holds is in no other.
        """
        wanted: dict[tuple[int, bytes | None], set[int]] = defaultdict(set)
        for action in actions:
            wanted[action.era, action.link if isinstance(action, CommitReport) else None].add(action.copy)
        formed: list[Batch] = []
        for batch in self._formed:
            copies = wanted[batch.era, batch.link if isinstance(batch, CommitBatch) else None]
            if copies & set(batch.copies) and waits(batch):
                formed.append(batch)
                copies.difference_update(batch.copies)
        for (era, link), copies in sorted(wanted.items(), key=lambda item: (item[0][0], item[0][1] or b"")):
            inside = sorted(copies)
            for start in range(0, len(inside), self.most):
                some = tuple(inside[start : start + self.most])
                formed.append(RevealBatch(era, some) if link is None else CommitBatch(era, link, some))
        self._formed = formed
        return formed

    def taken(self) -> None:
        """Note that a batch was taken: the next may be twice as long."""
        self.most = min(MAX_RETRIEVALS, 2 * self.most)

    def failed(self, batch: Batch) -> None:
        """Note that the call of a batch failed: the next are half as long."""
        if len(batch.copies) > 1:  # one that fails alone fails for itself
            self.most = max(1, min(self.most, len(batch.copies) // 2))
