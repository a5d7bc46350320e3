"""The vocabulary of a dispatch: origins, weights, classes and errors, with FRAME's encodings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NoReturn

from ..scale import CompactInt

COMPACT64 = CompactInt(64)


class RuntimePanic(Exception):
    """The runtime would trap here: the call has no result and no effect."""


class DispatchError(Exception):
    """A call failed. `encoded` is its sp_runtime::DispatchError, `weight` the weight it used, if it says so."""

    def __init__(self, encoded: bytes, name: str) -> None:
        super().__init__(name)
        self.encoded = encoded
        self.name = name
        self.weight: Weight | None = None


class ModuleError(DispatchError):
    """A pallet's own error."""

    def __init__(self, pallet: int, error: IntEnum) -> None:
        super().__init__(bytes([3, pallet, error, 0, 0, 0]), error.name)


BAD_ORIGIN = (b"\x02", "BadOrigin")
CANNOT_LOOKUP = (b"\x01", "CannotLookup")
LAYERS_REACHED = (b"\x09\x00", "Transactional: LimitReached")


def bad_origin() -> DispatchError:
    """Return the error BadOrigin."""
    return DispatchError(*BAD_ORIGIN)


class Token(IntEnum):
    """sp_runtime::TokenError."""

    FUNDS_UNAVAILABLE = 0
    ONLY_PROVIDER = 1
    BELOW_MINIMUM = 2
    CANNOT_CREATE = 3
    UNKNOWN_ASSET = 4
    FROZEN = 5
    UNSUPPORTED = 6
    CANNOT_CREATE_HOLD = 7
    NOT_EXPENDABLE = 8
    BLOCKED = 9


def token_error(error: Token) -> NoReturn:
    """Raise a token error."""
    raise DispatchError(bytes([7, error]), error.name)


def arithmetic_overflow() -> NoReturn:
    """Raise the error Overflow."""
    raise DispatchError(b"\x08\x01", "Overflow")


class Invalid(IntEnum):
    """sp_runtime::InvalidTransaction, as far as it occurs."""

    CALL = 0
    PAYMENT = 1
    FUTURE = 2
    STALE = 3
    BAD_PROOF = 4
    ANCIENT_BIRTH_BLOCK = 5
    EXHAUSTS_RESOURCES = 6
    BAD_MANDATORY = 8
    MANDATORY_VALIDATION = 9
    BAD_SIGNER = 10
    UNKNOWN_ORIGIN = 12


class ValidityError(Exception):
    """A transaction cannot be included. `encoded` is its TransactionValidityError."""

    def __init__(self, encoded: bytes, name: str) -> None:
        super().__init__(name)
        self.encoded = encoded


def invalid(kind: Invalid) -> ValidityError:
    """Return the error of an invalid transaction."""
    return ValidityError(bytes([0, kind]), kind.name)


def cannot_lookup() -> ValidityError:
    """Return the error of an address that cannot be looked up."""
    return ValidityError(b"\x01\x00", "CannotLookup")


def no_unsigned_validator() -> ValidityError:
    """Return the error of an unsigned transaction that nothing validates."""
    return ValidityError(b"\x01\x01", "NoUnsignedValidator")


class Class(IntEnum):
    """A call's dispatch class."""

    NORMAL = 0
    OPERATIONAL = 1
    MANDATORY = 2


@dataclass(frozen=True)
class Weight:
    """Reference time in picoseconds, and proof size in bytes."""

    ref_time: int = 0
    proof_size: int = 0

    def __add__(self, other: Weight) -> Weight:
        return Weight(
            min(self.ref_time + other.ref_time, 2**64 - 1), min(self.proof_size + other.proof_size, 2**64 - 1)
        )

    def __sub__(self, other: Weight) -> Weight:
        return Weight(max(0, self.ref_time - other.ref_time), max(0, self.proof_size - other.proof_size))

    def at_most(self, other: Weight) -> Weight:
        """Return the weight with no component greater than the other weight's."""
        return Weight(min(self.ref_time, other.ref_time), min(self.proof_size, other.proof_size))

    def any_gt(self, other: Weight) -> bool:
        """Return whether either component is greater than the other weight's."""
        return self.ref_time > other.ref_time or self.proof_size > other.proof_size

    def encode(self) -> bytes:
        """Encode the weight as SCALE."""
        return COMPACT64.encode(self.ref_time) + COMPACT64.encode(self.proof_size)


@dataclass(frozen=True)
class DispatchInfo:
    """The largest weight of a call, and its class."""

    weight: Weight
    kind: Class = Class.NORMAL


@dataclass(frozen=True)
class Post:
    """What is known after a call: the weight it used, if that is not all of its own, and whether its fee is given back."""

    weight: Weight | None = None
    free: bool = False

    def used(self, info: DispatchInfo) -> Weight:
        """Return the weight that a call with this info used."""
        return info.weight if self.weight is None else self.weight.at_most(info.weight)


@dataclass(frozen=True)
class Origin:
    """Root, a signed account, the runtime's own authorization, or nobody (inherents).

    `plain` origins may not call `batch_all`, because a `batch_all` calls for them.
    """

    account: bytes | None = None
    root: bool = False
    authorized: bool = False
    plain: bool = False

    def signed(self) -> bytes:
        """Return the signer. Raises BadOrigin."""
        if self.root or self.account is None:
            raise bad_origin()
        return self.account

    def ensure_root(self) -> None:
        """Raise BadOrigin unless the origin is root."""
        if not self.root:
            raise bad_origin()

    def ensure_none(self) -> None:
        """Raise BadOrigin unless the origin is nobody."""
        if self.root or self.authorized or self.account is not None:
            raise bad_origin()


ROOT = Origin(root=True)
NONE = Origin()
AUTHORIZED = Origin(authorized=True)
