"""Calls: their decoding, weights and dispatch, each in its own storage layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..scale import Codec, ScaleError, Tuple
from ..storage import State
from . import system
from .dispatch import LAYERS_REACHED, Class, DispatchError, DispatchInfo, Origin, Post, Weight
from .limits import FLAT

# Calls within calls that an extrinsic may have. Decoding goes on to the depth at which the wasm's stack ends as well.
MAX_DEPTH = 256
MOST_DEPTH = 1_024
# Storage layers within storage layers.
MAX_LAYERS = 255

# Balances.burn, whose burning nobody would count, and Utility.batch_all.
BURN, BATCH_ALL = (2, 10), (6, 2)

# Runs a call and returns what is known then, or only whether its fee is given back (`Pays::No`).
Handler = Callable[..., Post | bool | None]
InfoOf = Callable[..., DispatchInfo]


@dataclass(frozen=True)
class Spec:
    """A call of a pallet: its argument codec, its handler, and its weight as a function of the arguments."""

    name: str
    args: Tuple
    run: Handler
    info: InfoOf


@dataclass(frozen=True)
class Call:
    """A decoded call."""

    pallet: int
    index: int
    spec: Spec
    args: tuple[Any, ...]

    def info(self) -> DispatchInfo:
        """Return the weight and class of the call."""
        return self.spec.info(*self.args)


REGISTRY: dict[tuple[int, int], Spec] = {}
Filter = Callable[[Call], bool]


def flat(weight: Weight = FLAT, kind: Class = Class.NORMAL) -> InfoOf:
    """Return a weight function that does not depend on the arguments."""
    info = DispatchInfo(weight, kind)
    return lambda *_: info


def register(pallet: int, index: int, name: str, args: list[Codec[Any]], run: Handler, info: InfoOf) -> None:
    """Register a call."""
    REGISTRY[pallet, index] = Spec(name, Tuple(*args), run, info)


class CallCodec(Codec[Call]):
    """RuntimeCall: the pallet's index, the call's index, the arguments."""

    def __init__(self) -> None:
        self._depth = -1
        # calls within calls in what was read last
        self.deepest = 0

    def encode(self, value: Call) -> bytes:
        return bytes([value.pallet, value.index]) + value.spec.args.encode(value.args)

    def read(self, data: bytes, at: int) -> tuple[Call, int]:
        if len(data) < at + 2 or (data[at], data[at + 1]) not in REGISTRY:
            raise ScaleError(f"unknown call at {at}")
        spec = REGISTRY[data[at], data[at + 1]]
        if self._depth >= MOST_DEPTH:
            raise ScaleError("calls are nested too deep")
        self._depth += 1
        self.deepest = max(self._depth, self.deepest) if self._depth else 0
        try:
            args, end = spec.args.read(data, at + 2)
        finally:
            self._depth -= 1
        return Call(data[at], data[at + 1], spec, args), end


CALL = CallCodec()


_layers = 0


def dispatch_unfiltered(s: State, origin: Origin, call: Call) -> Post:
    """Run a call and return what is known then. A DispatchError leaves no trace."""
    global _layers
    if _layers >= MAX_LAYERS:
        raise DispatchError(*LAYERS_REACHED)
    s.begin()
    _layers += 1
    try:
        post = call.spec.run(s, origin, *call.args)
    except DispatchError:
        s.rollback()
        raise
    finally:
        _layers -= 1
    s.commit()
    return post if isinstance(post, Post) else Post(free=bool(post))


def dispatch(s: State, origin: Origin, call: Call) -> Post:
    """Run a call as `dispatch_unfiltered` does, but refuse what the origin may not call."""
    refused = (BURN, BATCH_ALL) if origin.plain else (BURN,)
    if not origin.root and (call.pallet, call.index) in refused:
        raise system.error(system.Error.CallFiltered)
    return dispatch_unfiltered(s, origin, call)


def encode_result(error: DispatchError | None) -> bytes:
    """Encode a sp_runtime::DispatchResult."""
    return b"\x00" if error is None else b"\x01" + error.encoded
