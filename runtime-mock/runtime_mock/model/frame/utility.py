"""Utility: several calls in one, and calls in the name of others, with the events and weights of pallet-utility 50.0.0."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import IntEnum

from ..scale import BYTES32, U8, U16, U32, Codec, ScaleError
from ..storage import State
from . import system
from .calls import Call, dispatch, dispatch_unfiltered, encode_result
from .dispatch import (
    AUTHORIZED,
    NONE,
    ROOT,
    Class,
    DispatchError,
    DispatchInfo,
    ModuleError,
    Origin,
    Post,
    Weight,
    bad_origin,
)
from .limits import BATCHED_CALLS, FLAT, READ_AND_WRITE

PALLET = 6
# What is hashed before an account and a number for a derived account.
_DERIVED = b"modlpy/utilisuba"
_AS_DERIVATIVE = FLAT + READ_AND_WRITE


class Error(IntEnum):
    """Utility's error."""

    TooManyCalls = 0


class Event(IntEnum):
    """Utility's events. What follows the index is encoded where they are deposited."""

    BATCH_INTERRUPTED = 0
    BATCH_COMPLETED = 1
    BATCH_COMPLETED_WITH_ERRORS = 2
    ITEM_COMPLETED = 3
    ITEM_FAILED = 4
    DISPATCHED_AS = 5
    IF_ELSE_MAIN_SUCCESS = 6
    IF_ELSE_FALLBACK_CALLED = 7


class OriginCodec(Codec[Origin]):
    """OriginCaller: only System has origins."""

    def encode(self, value: Origin) -> bytes:
        if value.account is not None:
            return b"\x00\x01" + value.account
        return b"\x00" + (b"\x00" if value.root else b"\x03" if value.authorized else b"\x02")

    def read(self, data: bytes, at: int) -> tuple[Origin, int]:
        pallet, at = U8.read(data, at)
        kind, at = U8.read(data, at)
        if pallet == 0 and kind == 1:
            account, at = BYTES32.read(data, at)
            return Origin(account), at
        if pallet == 0 and kind in (0, 2, 3):
            return {0: ROOT, 2: NONE, 3: AUTHORIZED}[kind], at
        raise ScaleError(f"{pallet}, {kind} is not an origin")


def _deposit(s: State, event: Event, fields: bytes = b"") -> None:
    system.deposit_raw(s, bytes([PALLET, event]) + fields)


def _ensure_somebody(origin: Origin) -> None:
    """Raise BadOrigin for nobody."""
    if not (origin.root or origin.authorized or origin.account is not None):
        raise bad_origin()


def _ensure_few(calls: list[Call]) -> None:
    """Raise TooManyCalls."""
    if len(calls) > BATCHED_CALLS:
        raise ModuleError(PALLET, Error.TooManyCalls)


def _run(s: State, origin: Origin, call: Call) -> tuple[DispatchError | None, Weight]:
    """Run a call. Return its failure, and the weight it used."""
    info = call.info()
    try:
        return None, dispatch(s, origin, call).used(info)
    except DispatchError as error:
        return error, Post(error.weight).used(info)


def _fail(error: DispatchError, weight: Weight) -> DispatchError:
    """Return a failure with the weight that was used up to it."""
    error.weight = weight
    return error


# ---- calls


def batch(s: State, origin: Origin, calls: list[Call]) -> Post:
    """Run calls up to the first that fails."""
    _ensure_somebody(origin)
    _ensure_few(calls)
    weight = FLAT
    for index, call in enumerate(calls):
        failure, used = _run(s, origin, call)
        weight += used
        if failure is not None:
            _deposit(s, Event.BATCH_INTERRUPTED, U32.encode(index) + failure.encoded)
            return Post(weight)
        _deposit(s, Event.ITEM_COMPLETED)
    _deposit(s, Event.BATCH_COMPLETED)
    return Post(weight)


def batch_all(s: State, origin: Origin, calls: list[Call]) -> Post:
    """Run all calls, or none."""
    _ensure_somebody(origin)
    _ensure_few(calls)
    inner = origin if origin.root else Origin(origin.account, authorized=origin.authorized, plain=True)
    weight = FLAT
    for call in calls:
        failure, used = _run(s, inner, call)
        weight += used
        if failure is not None:
            raise _fail(failure, weight)
        _deposit(s, Event.ITEM_COMPLETED)
    _deposit(s, Event.BATCH_COMPLETED)
    return Post(weight)


def force_batch(s: State, origin: Origin, calls: list[Call]) -> Post:
    """Run all calls, whichever of them fail."""
    _ensure_somebody(origin)
    _ensure_few(calls)
    weight, whole = FLAT, True
    for call in calls:
        failure, used = _run(s, origin, call)
        weight += used
        if failure is None:
            _deposit(s, Event.ITEM_COMPLETED)
        else:
            whole = False
            _deposit(s, Event.ITEM_FAILED, failure.encoded)
    _deposit(s, Event.BATCH_COMPLETED if whole else Event.BATCH_COMPLETED_WITH_ERRORS)
    return Post(weight)


def derivative_account(who: bytes, index: int) -> bytes:
    """Return an account's derived account number `index`."""
    return hashlib.blake2b(_DERIVED + who + U16.encode(index), digest_size=32).digest()


def as_derivative(s: State, origin: Origin, index: int, call: Call) -> Post:
    """Run a call as one of the signer's derived accounts."""
    derived = Origin(derivative_account(origin.signed(), index), plain=origin.plain)
    failure, used = _run(s, derived, call)
    if failure is not None:
        raise _fail(failure, _AS_DERIVATIVE + used)
    return Post(_AS_DERIVATIVE + used)


def dispatch_as(s: State, origin: Origin, as_origin: Origin, call: Call) -> None:
    """Run a call with any origin, by root, whether it fails or not."""
    origin.ensure_root()
    failure = None
    try:
        dispatch_unfiltered(s, as_origin, call)
    except DispatchError as error:
        failure = error
    _deposit(s, Event.DISPATCHED_AS, encode_result(failure))


def dispatch_as_fallible(s: State, origin: Origin, as_origin: Origin, call: Call) -> None:
    """Run a call with any origin, by root. It fails if the call does."""
    origin.ensure_root()
    _run_as(s, as_origin, call)
    _deposit(s, Event.DISPATCHED_AS, encode_result(None))


def with_weight(s: State, origin: Origin, call: Call, _weight: Weight) -> None:
    """Run a call as root with a given weight."""
    origin.ensure_root()
    _run_as(s, ROOT, call)


def _run_as(s: State, origin: Origin, call: Call) -> None:
    """Run a call. Its failure says nothing of its weight."""
    try:
        dispatch_unfiltered(s, origin, call)
    except DispatchError as error:
        error.weight = None
        raise


def if_else(s: State, origin: Origin, main: Call, fallback: Call) -> Post:
    """Run a call, and another if that fails."""
    _ensure_somebody(origin)
    main_failure, used = _run(s, origin, main)
    weight = FLAT + used
    if main_failure is None:
        _deposit(s, Event.IF_ELSE_MAIN_SUCCESS)
        return Post(weight)
    failure, used = _run(s, origin, fallback)
    weight += used
    if failure is not None:
        raise _fail(failure, weight)
    _deposit(s, Event.IF_ELSE_FALLBACK_CALLED, main_failure.encoded)
    return Post(weight)


# ---- weights and classes


def batch_info(calls: list[Call]) -> DispatchInfo:
    """Return weight and class of the batches: operational if no call is normal."""
    infos = [call.info() for call in calls]
    normal = not infos or any(info.kind == Class.NORMAL for info in infos)
    return DispatchInfo(_sum(infos) + FLAT, Class.NORMAL if normal else Class.OPERATIONAL)


def _sum(infos: Iterable[DispatchInfo]) -> Weight:
    total = Weight()
    for info in infos:
        total += info.weight
    return total


def as_derivative_info(_index: int, call: Call) -> DispatchInfo:
    """Return weight and class of `as_derivative`."""
    inner = call.info()
    return DispatchInfo(_AS_DERIVATIVE + inner.weight, inner.kind)


def dispatch_as_info(_origin: Origin, call: Call) -> DispatchInfo:
    """Return weight and class of `dispatch_as` and `dispatch_as_fallible`."""
    inner = call.info()
    return DispatchInfo(FLAT + inner.weight, inner.kind)


def with_weight_info(call: Call, weight: Weight) -> DispatchInfo:
    """Return weight and class of `with_weight`."""
    return DispatchInfo(weight, call.info().kind)


def if_else_info(main: Call, fallback: Call) -> DispatchInfo:
    """Return weight and class of `if_else`: operational if both calls are."""
    infos = (main.info(), fallback.info())
    operational = all(info.kind == Class.OPERATIONAL for info in infos)
    return DispatchInfo(FLAT + _sum(infos), Class.OPERATIONAL if operational else Class.NORMAL)
