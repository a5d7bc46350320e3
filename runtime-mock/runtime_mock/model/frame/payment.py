"""TransactionPayment: fees are withdrawn before a call, given back if it pays none, or else burned and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ..scale import AccountId, u128
from ..storage import State, Value
from . import balances, system
from .dispatch import Class, DispatchError, DispatchInfo, Invalid, Weight, invalid
from .limits import BASE_EXTRINSIC, FEE_PER_BYTE, MAX_BLOCK, MAX_LENGTH

PALLET = 3
ONE = 10**18

NextFeeMultiplier = Value[int, int]("TransactionPayment", "NextFeeMultiplier", u128, ONE)

FeeHandler = Callable[[State, int], None]
_fee_handlers: list[FeeHandler] = []


def on_fee(handler: FeeHandler) -> None:
    """Call `handler` for each fee that is burned."""
    _fee_handlers.append(handler)


@dataclass
class TransactionFeePaid:
    INDEX: ClassVar = (PALLET, 0)
    who: AccountId
    actual_fee: u128
    tip: u128


@dataclass(frozen=True)
class InclusionFee:
    """The parts of a fee, without the tip."""

    base: int
    length: int
    weight: int

    @property
    def total(self) -> int:
        """The sum of the parts."""
        return self.base + self.length + self.weight


def weight_to_fee(weight: Weight) -> int:
    """Return the fee of a weight."""
    return min(weight.ref_time, MAX_BLOCK.ref_time)


def length_to_fee(length: int) -> int:
    """Return the fee of an extrinsic's length in bytes."""
    return length * FEE_PER_BYTE


def inclusion_fee(s: State, length: int, weight: Weight) -> InclusionFee:
    """Return the fee of an extrinsic with this length and weight."""
    by_weight = NextFeeMultiplier.get(s) * weight_to_fee(weight) // ONE
    return InclusionFee(weight_to_fee(BASE_EXTRINSIC), length_to_fee(length), by_weight)


def priority(info: DispatchInfo, length: int, tip: int, fee: int) -> int:
    """Return the transaction's priority in the pool."""
    per_time = MAX_BLOCK.ref_time // min(max(1, info.weight.ref_time), MAX_BLOCK.ref_time)
    per_weight = min(per_time, MAX_BLOCK.proof_size // max(1, info.weight.proof_size))
    limit = MAX_LENGTH[info.kind]
    per_block = min(per_weight, limit // min(max(1, length), limit))
    scaled = (tip + 1) * per_block
    if info.kind == Class.OPERATIONAL:
        scaled += fee * per_block
    return min(scaled, 2**64 - 1)


def withdraw(s: State, who: bytes, fee: int) -> None:
    """Take fee and tip. Raises ValidityError(PAYMENT)."""
    if fee == 0:
        return
    if balances.reducible(s, who, balances.PRESERVE) < fee:
        raise invalid(Invalid.PAYMENT)
    balances.withdraw(s, who, fee)


def settle(s: State, who: bytes, withdrawn: int, tip: int, due: int) -> None:
    """Settle the fee after the call: give back what is not due and burn the rest. `withdrawn` includes the tip."""
    inclusion = withdrawn - tip
    fee, refund = due, inclusion - due
    account = system.Account.get(s, who)
    if not refund or not (account.providers or account.sufficients):
        fee = inclusion
    else:
        try:
            balances.deposit_back(s, who, refund)
        except DispatchError:
            # An account with the largest balance, or one that exists only by its held money, gets nothing back.
            fee = inclusion
    burned = fee + tip
    if burned:
        for handler in _fee_handlers:
            handler(s, burned)
        balances.drop_credit(s, burned)
    system.deposit(s, TransactionFeePaid(who, due + tip, tip))
