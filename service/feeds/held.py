"""How much of a feed is here."""

from __future__ import annotations

from dataclasses import dataclass

from service.hypercore import Core


@dataclass(frozen=True, slots=True)
class Held:
    """The number of a feed's blocks, how many of them are here, and the first that is not (None: all are)."""

    length: int
    here: int
    first_missing: int | None

    def __str__(self) -> str:
        """Say in words what is missing."""
        if self.first_missing is None:
            return f"all {self.length} blocks are here"
        missing = self.length - self.here
        return f"block {self.first_missing}; {missing} of {self.length} are missing"


def held(core: Core) -> Held:
    """Count the blocks of a feed that are here."""
    here, first = 0, 0
    for start, end in core.ranges():
        here += end - start
        if start == first:
            first = end
    return Held(core.length, here, None if here == core.length else first)
