# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: tables."""

from __future__ import annotations

from dataclasses import dataclass

from .aliases import AccountId, Bytes


@dataclass(frozen=True, slots=True)
class HosterDraw:
    """The draw table's own copies of what a hoster's weight follows from."""

    slot: int | None
    """Slot in the tree, from the first time it was in."""
    open: bool
    capacity: int
    used: int
    collateral: int
    reputation: int
    ask_disk: int
    ask_receiving: int
    region: Bytes


@dataclass(frozen=True, slots=True)
class SumNode:
    """A node of a sum table: fan-out 64."""

    mask: int
    """Bit i: slot i is taken, or child i is full."""
    sums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EncoderDraw:
    """The draw table's own copies of what an encoder's weight follows from."""

    slot: int | None
    open: bool
    jobs: int
    bond: int
    reputation: int
    ask: int


@dataclass(frozen=True, slots=True)
class HosterOffered:
    """`offer_hosting`."""

    account: AccountId
    capacity: int
    collateral: int
    ask_disk: int
    ask_receiving: int
    region: Bytes


@dataclass(frozen=True, slots=True)
class HosterWithdrawn:
    """`withdraw_offer(Hosting)`."""

    account: AccountId


@dataclass(frozen=True, slots=True)
class HosterReleased:
    """`release(Hosting)`."""

    account: AccountId


@dataclass(frozen=True, slots=True)
class EncoderOffered:
    """`offer_encoding`."""

    account: AccountId
    bond: int
    ask: int


@dataclass(frozen=True, slots=True)
class EncoderWithdrawn:
    """`withdraw_offer(Encoding)`."""

    account: AccountId


@dataclass(frozen=True, slots=True)
class EncoderReleased:
    """`release(Encoding)`."""

    account: AccountId


@dataclass(frozen=True, slots=True)
class Reputation:
    """A proof or a verdict."""

    account: AccountId
    reputation: int


@dataclass(frozen=True, slots=True)
class Declined:
    """`decline_copy`: the hoster's used bytes fall, and the plan needs a hoster."""

    account: AccountId
    bytes: int
    plan: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """`confirm_segment`: sectors enter the copies table; `encoder` is set when its job ended with it."""

    copy: int
    sectors: int
    encoder: AccountId | None


@dataclass(frozen=True, slots=True)
class JobLeft:
    """`decline_job`: the encoder's job ended."""

    account: AccountId


Change = (
    HosterOffered
    | HosterWithdrawn
    | HosterReleased
    | EncoderOffered
    | EncoderWithdrawn
    | EncoderReleased
    | Reputation
    | Declined
    | Confirmed
    | JobLeft
)
"""A change of the draw tables that waits; variants by what a call changed."""
