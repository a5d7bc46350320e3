"""The pallet's events about who a peer is: its keys, and who signs for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..scale import AccountId
from .limits import PALLET
from .types import Key


@dataclass(slots=True)
class PeerRegistered:
    INDEX: ClassVar = (PALLET, 0)
    account: AccountId
    swarm_key: Key
    statement_key: Key


@dataclass(slots=True)
class SwarmKeyRotated:
    INDEX: ClassVar = (PALLET, 57)
    account: AccountId
    old_key: Key
    swarm_key: Key


@dataclass(slots=True)
class OperatorSet:
    INDEX: ClassVar = (PALLET, 58)
    account: AccountId
    operator: AccountId | None
