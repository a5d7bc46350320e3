"""Balances: free and held money, transfers, minting and burning, with the events of pallet-balances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from ..scale import AccountId, Bound, u128
from ..storage import Map, State, Value, blake2_128_concat
from . import system
from .balance_events import (
    PALLET,
    BalanceSet,
    Burned,
    BurnedDebt,
    BurnedHeld,
    Deposit,
    DustLost,
    Endowed,
    Held,
    Issued,
    Minted,
    Reason,
    Released,
    Rescinded,
    TotalIssuanceForced,
    Transfer,
    Unreserved,
    Withdraw,
)
from .dispatch import DispatchError, ModuleError, Token, arithmetic_overflow, token_error
from .limits import EXISTENTIAL_DEPOSIT
from .system import AccountData

MAX_BALANCE = 2**128 - 1
MAX_HOLDS = 3


class Preservation(IntEnum):
    """How far an account may be emptied."""

    EXPENDABLE = 0
    PROTECT = 1
    PRESERVE = 2


EXPENDABLE, PROTECT, PRESERVE = Preservation


class Error(IntEnum):
    """Balances' errors, as far as they occur."""

    InsufficientBalance = 2
    TooManyHolds = 8
    IssuanceDeactivated = 10
    DeltaZero = 11


@dataclass(slots=True)
class Hold:
    """An amount on hold for a reason."""

    id: Reason
    amount: u128


TotalIssuance = Value[int, int]("Balances", "TotalIssuance", u128, 0)
InactiveIssuance = Value[int, int]("Balances", "InactiveIssuance", u128, 0)
Holds: Map[list[Hold], list[Hold]] = Map(
    "Balances", "Holds", [(blake2_128_concat, AccountId)], Annotated[list[Hold], Bound(MAX_HOLDS)], list
)

# Called for all dust that is lost. DatDot counts it.
DustHandler = Callable[[State, int], None]
_dust_handlers: list[DustHandler] = []


def on_dust(handler: DustHandler) -> None:
    """Call `handler` for dust before it leaves the issuance."""
    _dust_handlers.append(handler)


# ---- reading


def free(s: State, who: bytes) -> int:
    """Return an account's free balance."""
    return system.Account.get(s, who).data.free


def on_hold(s: State, reason: bytes, who: bytes) -> int:
    """Return how much of an account's money is on hold for a reason."""
    return next((hold.amount for hold in Holds.get(s, who) if hold.id == reason), 0)


def reducible(s: State, who: bytes, preservation: Preservation, force: bool = False) -> int:
    """Return how much can be taken from an account's free balance."""
    account = system.Account.get(s, who)
    data = account.data
    untouchable = 0 if force else max(0, data.frozen - data.reserved)
    if (
        preservation == PRESERVE
        or (preservation == PROTECT and data.free and account.providers == 1)
        or (preservation == EXPENDABLE and data.free and not system.can_dec_provider(s, who))
    ):
        untouchable = max(untouchable, EXISTENTIAL_DEPOSIT)
    return max(0, data.free - untouchable)


# ---- changing one account


def _consumes(data: AccountData) -> bool:
    return bool(data.reserved or data.frozen)


def _count_references(s: State, who: bytes, before: tuple[bool, bool], after: tuple[bool, bool]) -> None:
    """Update the provider and consumer counters to match the account's data. The tuples are (provides, consumes)."""
    (did_provide, did_consume), (provides, consumes) = before, after
    if not did_provide and provides:
        system.inc_providers(s, who)
    if did_consume and not consumes:
        system.dec_consumers(s, who)
    if not did_consume and consumes:
        system.inc_consumers(s, who)
    if consumes and system.Account.get(s, who).consumers == 0:
        system.inc_consumers(s, who)
    if did_provide and not provides:
        system.dec_providers(s, who)


def _mutate(s: State, who: bytes, change: Callable[[AccountData], None]) -> int:
    """Change an account's data and return the dust lost with it.

    Events: NewAccount, KilledAccount, Endowed, DustLost.
    """
    data = system.Account.get(s, who).data
    is_new = data == AccountData()
    before = (data.free >= EXISTENTIAL_DEPOSIT, not is_new and _consumes(data))
    change(data)
    after = (data.free >= EXISTENTIAL_DEPOSIT, _consumes(data))
    _count_references(s, who, before, after)
    kept = any(after)
    account = system.Account.get(s, who)
    if account.providers or account.sufficients:
        account.data = data if kept else AccountData()
        system.Account.put(s, who, account)
    else:
        system.Account.remove(s, who)
    if is_new:
        system.deposit(s, Endowed(who, data.free))
    dust = 0 if kept else data.free
    if dust:
        system.deposit(s, DustLost(who, dust))
    return dust


def _lose_dust(s: State, dust: int) -> None:
    if dust:
        for handler in _dust_handlers:
            handler(s, dust)
        drop_credit(s, dust)


def drop_credit(s: State, amount: int) -> None:
    """Remove withdrawn money that goes nowhere from the issuance."""
    if amount:
        TotalIssuance.put(s, max(0, TotalIssuance.get(s) - amount))
        system.deposit(s, BurnedDebt(amount))


def _write(s: State, who: bytes, amount: int) -> None:
    most = reducible(s, who, EXPENDABLE, force=True)

    def change(data: AccountData) -> None:
        if data.free - amount > most:
            raise ModuleError(PALLET, Error.InsufficientBalance)
        data.free = amount

    _lose_dust(s, _mutate(s, who, change))


def _decrease(
    s: State, who: bytes, amount: int, preservation: Preservation, *, exact: bool, force: bool = False
) -> int:
    old = free(s, who)
    most = reducible(s, who, preservation, force)
    if exact and most < amount:
        token_error(Token.FUNDS_UNAVAILABLE)
    amount = min(amount, most)
    _write(s, who, old - amount)
    return amount


def _increase(s: State, who: bytes, amount: int, *, exact: bool) -> int:
    data = system.Account.get(s, who).data
    new = data.free + amount
    if new + data.reserved > MAX_BALANCE:
        if exact:
            arithmetic_overflow()
        new = MAX_BALANCE - data.reserved
    if new < EXISTENTIAL_DEPOSIT:
        if exact:
            token_error(Token.BELOW_MINIMUM)
        return 0
    if new == data.free:
        return 0
    _write(s, who, new)
    return new - data.free


# ---- money


def mint(s: State, who: bytes, amount: int) -> None:
    """Mint into an account (`mint_into`): event Minted."""
    if TotalIssuance.get(s) + amount > MAX_BALANCE:
        arithmetic_overflow()
    actual = _increase(s, who, amount, exact=True)
    TotalIssuance.put(s, TotalIssuance.get(s) + actual)
    system.deposit(s, Minted(who, amount))


def burn(s: State, who: bytes, amount: int, preservation: Preservation) -> None:
    """Burn from an account (`burn_from`, exact and polite): event Burned."""
    if reducible(s, who, preservation) < amount:
        token_error(Token.FUNDS_UNAVAILABLE)
    if TotalIssuance.get(s) < amount:
        arithmetic_overflow()
    actual = _decrease(s, who, amount, preservation, exact=False)
    TotalIssuance.put(s, TotalIssuance.get(s) - actual)
    system.deposit(s, Burned(who, actual))


def _can_withdraw(s: State, who: bytes, amount: int) -> int | None:
    """Return None if the withdrawal keeps the account alive, or else what would be left of it.

    Raises what forbids it.
    """
    if amount == 0:
        return None
    if TotalIssuance.get(s) < amount:
        raise DispatchError(b"\x08\x00", "Underflow")
    account = system.Account.get(s, who)
    left = account.data.free - amount
    if left < 0:
        token_error(Token.FUNDS_UNAVAILABLE)
    if amount > reducible(s, who, EXPENDABLE):
        token_error(Token.FROZEN)
    if left < EXISTENTIAL_DEPOSIT and not system.can_dec_provider(s, who):
        token_error(Token.ONLY_PROVIDER)
    if left + account.data.reserved < account.data.frozen:
        token_error(Token.FROZEN)
    return left if left < EXISTENTIAL_DEPOSIT else None


def _check_deposit(s: State, who: bytes, amount: int) -> None:
    if amount == 0:
        return
    data = system.Account.get(s, who).data
    if data.free + amount > MAX_BALANCE:
        arithmetic_overflow()
    if data.free + amount < EXISTENTIAL_DEPOSIT:
        token_error(Token.BELOW_MINIMUM)
    if data.free + amount + data.reserved > MAX_BALANCE:
        arithmetic_overflow()


def transfer(s: State, source: bytes, to: bytes, amount: int, preservation: Preservation) -> None:
    """Transfer money. Event Transfer, after the events of accounts that appear or disappear."""
    dies = _can_withdraw(s, source, amount)
    if dies is not None and preservation != EXPENDABLE:
        token_error(Token.NOT_EXPENDABLE)
    _check_deposit(s, to, amount)
    if source == to:
        return
    _decrease(s, source, amount, preservation, exact=False)
    _increase(s, to, amount, exact=False)
    system.deposit(s, Transfer(source, to, amount))


def can_withdraw_fee(s: State, who: bytes, fee: int) -> bool:
    """Return whether a fee can be taken without reaping the account."""
    try:
        return _can_withdraw(s, who, fee) is None
    except DispatchError:
        return False


def withdraw(s: State, who: bytes, amount: int) -> None:
    """Take a fee, exact and preserving: event Withdraw.

    The money stays in the issuance until it is dropped or deposited.
    """
    _decrease(s, who, amount, PRESERVE, exact=True)
    system.deposit(s, Withdraw(who, amount))


def deposit_back(s: State, who: bytes, amount: int) -> None:
    """Give withdrawn money back: event Deposit."""
    actual = _increase(s, who, amount, exact=True)
    system.deposit(s, Deposit(who, actual))


# ---- holds


def _set_hold(s: State, reason: bytes, who: bytes, amount: int) -> None:
    holds = Holds.get(s, who)
    item = next((hold for hold in holds if hold.id == reason), None)
    delta = amount - (item.amount if item else 0)
    if item:
        item.amount = amount
        holds = [hold for hold in holds if hold.amount]
    elif amount:
        if len(holds) >= MAX_HOLDS:
            raise ModuleError(PALLET, Error.TooManyHolds)
        holds.append(Hold(reason, amount))

    reserved = system.Account.get(s, who).data.reserved + delta
    if reserved < 0:
        raise DispatchError(b"\x08\x00", "Underflow")
    if reserved > MAX_BALANCE:
        arithmetic_overflow()

    def change(data: AccountData) -> None:
        data.reserved = reserved

    dust = _mutate(s, who, change)
    if holds:
        Holds.put(s, who, holds)
    else:
        Holds.remove(s, who)
    _lose_dust(s, dust)


def hold(s: State, reason: bytes, who: bytes, amount: int) -> None:
    """Put free money on hold: event Held."""
    if amount > reducible(s, who, PROTECT, force=True):
        token_error(Token.FUNDS_UNAVAILABLE)
    if system.Account.get(s, who).providers == 0:
        token_error(Token.CANNOT_CREATE_HOLD)
    _decrease(s, who, amount, PROTECT, exact=True, force=True)
    if amount:
        _set_hold(s, reason, who, on_hold(s, reason, who) + amount)
    system.deposit(s, Held(reason, who, amount))


def release(s: State, reason: bytes, who: bytes, amount: int) -> None:
    """Free held money, up to `amount`: event Released."""
    _check_deposit(s, who, amount)
    held = on_hold(s, reason, who)
    amount = min(amount, held)
    _set_hold(s, reason, who, held - amount)
    actual = _increase(s, who, amount, exact=False)
    system.deposit(s, Released(reason, who, actual))


def burn_held(s: State, reason: bytes, who: bytes, amount: int) -> int:
    """Burn held money, up to `amount`, and return what was burned: event BurnedHeld."""
    held = on_hold(s, reason, who)
    amount = min(amount, held)
    _set_hold(s, reason, who, held - amount)
    TotalIssuance.put(s, max(0, TotalIssuance.get(s) - amount))
    system.deposit(s, BurnedHeld(reason, who, amount))
    return amount


def force_set(s: State, who: bytes, amount: int) -> None:
    """Set a free balance by root (`force_set_balance`): events Issued or Rescinded, then BalanceSet."""
    new = 0 if amount < EXISTENTIAL_DEPOSIT else amount
    old = free(s, who)

    def change(data: AccountData) -> None:
        data.free = new

    _lose_dust(s, _mutate(s, who, change))
    if new > old:
        TotalIssuance.put(s, min(MAX_BALANCE, TotalIssuance.get(s) + new - old))
        system.deposit(s, Issued(new - old))
    elif new < old:
        TotalIssuance.put(s, max(0, TotalIssuance.get(s) - (old - new)))
        system.deposit(s, Rescinded(old - new))
    system.deposit(s, BalanceSet(who, new))


def unreserve(s: State, who: bytes, amount: int) -> None:
    """Free reserved money by root (`force_unreserve`), whatever it was reserved for: event Unreserved."""
    data = system.Account.get(s, who).data
    if amount == 0 or data.free + data.reserved == 0:
        return
    actual = min(data.reserved, amount)

    def change(data: AccountData) -> None:
        data.reserved -= actual
        data.free += actual

    _lose_dust(s, _mutate(s, who, change))
    system.deposit(s, Unreserved(who, actual))


def force_issuance(s: State, decrease: bool, delta: int) -> None:
    """Adjust the issuance by root (`force_adjust_total_issuance`): event TotalIssuanceForced."""
    if delta == 0:
        raise ModuleError(PALLET, Error.DeltaZero)
    old = TotalIssuance.get(s)
    new = max(0, old - delta) if decrease else min(MAX_BALANCE, old + delta)
    if InactiveIssuance.get(s) > new:
        raise ModuleError(PALLET, Error.IssuanceDeactivated)
    TotalIssuance.put(s, new)
    system.deposit(s, TotalIssuanceForced(old, new))
