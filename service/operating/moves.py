"""Movements of one account's money in a block: every event of Balances that changes what it has or what of it is held.

They are complete: over any run of blocks they add up to the change of the account's balance, free and held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from service.chain_client.runtime.events import EventRecord

BALANCES = "Balances"
TRANSFER = "Transfer"
WITHDRAW, DEPOSIT = "Withdraw", "Deposit"
BURNED, BURNED_HELD, HELD, RELEASED = "Burned", "BurnedHeld", "Held", "Released"

_ONE_ACCOUNT: dict[str, tuple[int, int]] = {
    WITHDRAW: (-1, 0),
    DEPOSIT: (1, 0),
    "Minted": (1, 0),
    "Restored": (1, 0),
    BURNED: (-1, 0),
    "Suspended": (-1, 0),
    "Slashed": (-1, 0),
    BURNED_HELD: (-1, -1),
    HELD: (0, 1),
    "Reserved": (0, 1),
    RELEASED: (0, -1),
    "Unreserved": (0, -1),
}
"""By event with `who` and `amount`: the signs of the change of all that the account has, and of what of it is held."""


@dataclass(frozen=True, slots=True)
class Move:
    """One movement. `place` is its event's place in the block, `extrinsic` the index of the extrinsic that made it."""

    place: int
    extrinsic: int | None
    name: str
    change: int
    held: int
    fields: dict[str, Any]


def moves_of(records: Sequence[EventRecord], account: bytes) -> list[Move]:
    """Return an account's movements of a block, in their order."""
    address = "0x" + account.hex()
    found = []
    for place, record in enumerate(records):
        if record.pallet == BALANCES and isinstance(record.fields, dict):
            change, held = _effect(record.name, record.fields, address)
            if change or held:
                found.append(Move(place, record.extrinsic, record.name, change, held, dict(record.fields)))
    return found


def _effect(name: str, fields: dict[str, Any], address: str) -> tuple[int, int]:
    if name == TRANSFER:
        amount = int(fields["amount"])
        return amount * ((fields["to"] == address) - (fields["from"] == address)), 0
    if name == "DustLost" and fields["account"] == address:
        return -int(fields["amount"]), 0
    signs = _ONE_ACCOUNT.get(name)
    if signs is None or fields.get("who") != address:
        return 0, 0
    amount = int(fields["amount"])
    return signs[0] * amount, signs[1] * amount


class Unclaimed:
    """The movements of a block, each of which one event claims as its own, so that nothing is counted twice."""

    def __init__(self, moves: Sequence[Move]) -> None:
        self._left = list(moves)

    def take(self, fits: Callable[[Move], bool]) -> list[Move]:
        """Take out all that fit."""
        taken = [one for one in self._left if fits(one)]
        self._left = [one for one in self._left if not fits(one)]
        return taken

    def take_last(self, fits: Callable[[Move], bool]) -> list[Move]:
        """Take out the last one that fits, if any."""
        for at in range(len(self._left) - 1, -1, -1):
            if fits(self._left[at]):
                return [self._left.pop(at)]
        return []

    @property
    def left(self) -> list[Move]:
        """The movements that nothing claimed."""
        return list(self._left)
