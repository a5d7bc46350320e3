"""The events of Balances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ..scale import AccountId, FixedBytes, u128

PALLET = 2
# RuntimeHoldReason: the index of the pallet and that of its reason.
Reason = Annotated[bytes, FixedBytes(2)]


@dataclass
class Endowed:
    INDEX: ClassVar = (PALLET, 0)
    account: AccountId
    free_balance: u128


@dataclass
class DustLost:
    INDEX: ClassVar = (PALLET, 1)
    account: AccountId
    amount: u128


@dataclass
class Transfer:
    INDEX: ClassVar = (PALLET, 2)
    source: AccountId
    to: AccountId
    amount: u128


@dataclass
class BalanceSet:
    INDEX: ClassVar = (PALLET, 3)
    who: AccountId
    free: u128


@dataclass
class Unreserved:
    INDEX: ClassVar = (PALLET, 5)
    who: AccountId
    amount: u128


@dataclass
class Deposit:
    INDEX: ClassVar = (PALLET, 7)
    who: AccountId
    amount: u128


@dataclass
class Withdraw:
    INDEX: ClassVar = (PALLET, 8)
    who: AccountId
    amount: u128


@dataclass
class Minted:
    INDEX: ClassVar = (PALLET, 10)
    who: AccountId
    amount: u128


@dataclass
class Burned:
    INDEX: ClassVar = (PALLET, 12)
    who: AccountId
    amount: u128


@dataclass
class BurnedDebt:
    INDEX: ClassVar = (PALLET, 13)
    amount: u128


@dataclass
class Issued:
    INDEX: ClassVar = (PALLET, 17)
    amount: u128


@dataclass
class Rescinded:
    INDEX: ClassVar = (PALLET, 18)
    amount: u128


@dataclass
class TotalIssuanceForced:
    INDEX: ClassVar = (PALLET, 23)
    old: u128
    new: u128


@dataclass
class Held:
    INDEX: ClassVar = (PALLET, 24)
    reason: Reason
    who: AccountId
    amount: u128


@dataclass
class BurnedHeld:
    INDEX: ClassVar = (PALLET, 25)
    reason: Reason
    who: AccountId
    amount: u128


@dataclass
class Released:
    INDEX: ClassVar = (PALLET, 28)
    reason: Reason
    who: AccountId
    amount: u128
