"""Sudo: one account may dispatch calls as root."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from ..scale import AccountId
from ..storage import State, Value
from . import system
from .calls import Call, dispatch_unfiltered, encode_result
from .dispatch import ROOT, DispatchError, DispatchInfo, ModuleError, Origin, Weight
from .limits import FLAT

PALLET = 4


class Error(IntEnum):
    """Sudo's error."""

    RequireSudo = 0


@dataclass
class KeyChanged:
    INDEX: ClassVar = (PALLET, 1)
    old: AccountId | None
    new: AccountId


@dataclass
class KeyRemoved:
    INDEX: ClassVar = (PALLET, 2)


Key = Value[bytes, None]("Sudo", "Key", AccountId)


def ensure_sudo(s: State, origin: Origin) -> None:
    """Raise BadOrigin or RequireSudo unless the origin is the sudo account or root."""
    if not origin.root and Key.get(s) != origin.signed():
        raise ModuleError(PALLET, Error.RequireSudo)


def _run(s: State, origin: Origin, call: Call) -> bytes:
    try:
        dispatch_unfiltered(s, origin, call)
    except DispatchError as error:
        return encode_result(error)
    return encode_result(None)


def sudo(s: State, origin: Origin, call: Call) -> bool:
    """Run a call as root."""
    ensure_sudo(s, origin)
    system.deposit_raw(s, bytes([PALLET, 0]) + _run(s, ROOT, call))
    return True


def sudo_unchecked_weight(s: State, origin: Origin, call: Call, _weight: Weight) -> bool:
    """Run a call as root with a given weight."""
    return sudo(s, origin, call)


def sudo_as(s: State, who: bytes, call: Call) -> bool:
    """Run a call as another account."""
    system.deposit_raw(s, bytes([PALLET, 3]) + _run(s, Origin(who), call))
    return True


def set_key(s: State, new: bytes) -> bool:
    """Change the sudo account."""
    system.deposit(s, KeyChanged(Key.get(s), new))
    Key.put(s, new)
    return True


def remove_key(s: State, origin: Origin) -> bool:
    """Remove the sudo account."""
    ensure_sudo(s, origin)
    system.deposit(s, KeyRemoved())
    Key.kill(s)
    return True


def sudo_info(call: Call) -> DispatchInfo:
    """Return weight and class of `sudo`."""
    inner = call.info()
    return DispatchInfo(FLAT + inner.weight, inner.kind)


def unchecked_info(call: Call, weight: Weight) -> DispatchInfo:
    """Return weight and class of `sudo_unchecked_weight`."""
    return DispatchInfo(weight, call.info().kind)


def sudo_as_info(_who: object, call: Call) -> DispatchInfo:
    """Return weight and class of `sudo_as`."""
    return sudo_info(call)
