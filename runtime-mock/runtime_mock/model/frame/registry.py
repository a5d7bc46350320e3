"""The calls of the FRAME pallets, with their indices, arguments and weights."""

from __future__ import annotations

import hashlib
from typing import Any

from ..scale import BOOL, BYTES, BYTES32, U8, U16, U32, U64, U128, Codec, CompactInt, ScaleError, Tuple, Vec
from ..storage import State
from . import balances, sudo, system, timestamp, utility
from .balances import EXPENDABLE, PRESERVE
from .calls import CALL, Call, Handler, flat, register
from .dispatch import CANNOT_LOOKUP, COMPACT64, Class, DispatchError, DispatchInfo, Origin, Weight
from .limits import FLAT, SET_CODE

COMPACT128 = CompactInt(128)


class MultiAddress(Codec[bytes | None]):
    """sp_runtime::MultiAddress. Only `Id` names an account; the others read as None."""

    def encode(self, value: bytes | None) -> bytes:
        if value is None:
            raise ScaleError("an address without an account")
        return b"\x00" + value

    def read(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        kind, at = U8.read(data, at)
        if kind == 0:
            return BYTES32.read(data, at)
        if kind == 1:
            return None, at
        if kind == 2:
            return None, BYTES.read(data, at)[1]
        if kind in (3, 4) and len(data) >= at + (size := 32 if kind == 3 else 20):
            return None, at + size
        raise ScaleError(f"{kind} is not a kind of address")


class WeightCodec(Codec[Weight]):
    """sp_weights::Weight."""

    def encode(self, value: Weight) -> bytes:
        return value.encode()

    def read(self, data: bytes, at: int) -> tuple[Weight, int]:
        ref_time, at = COMPACT64.read(data, at)
        proof_size, at = COMPACT64.read(data, at)
        return Weight(ref_time, proof_size), at


ADDRESS = MultiAddress()


def lookup(address: bytes | None) -> bytes:
    """Return the account of an address. Raises CannotLookup."""
    if address is None:
        raise DispatchError(*CANNOT_LOOKUP)
    return address


# ---- System


def _remark(s: State, origin: Origin, remark: bytes) -> None:
    pass


def _remark_with_event(s: State, origin: Origin, remark: bytes) -> None:
    who = origin.signed()
    system.deposit(s, system.Remarked(who, hashlib.blake2b(remark, digest_size=32).digest()))


def _set_heap_pages(s: State, origin: Origin, pages: int) -> None:
    origin.ensure_root()
    s.put(system.HEAP_PAGES, U64.encode(pages))
    system.deposit_log(s, b"\x08")


def _set_code(s: State, origin: Origin, code: bytes) -> None:
    """Refuse new code: the model is one runtime and cannot exchange it."""
    origin.ensure_root()
    raise system.error(system.Error.FailedToExtractRuntimeVersion)


def _authorize(check_version: bool) -> Handler:
    def run(s: State, origin: Origin, code_hash: bytes) -> None:
        origin.ensure_root()
        system.AuthorizedUpgrade.put(s, system.CodeUpgradeAuthorization(code_hash, check_version))
        system.deposit(s, system.UpgradeAuthorized(code_hash, check_version))

    return run


def _apply_authorized_upgrade(s: State, origin: Origin, code: bytes) -> bool:
    """Refuse the code as `_set_code` does, even if its version is not to be checked."""
    allowed = system.AuthorizedUpgrade.get(s)
    if allowed is None:
        raise system.error(system.Error.NothingAuthorized)
    code_hash = hashlib.blake2b(code, digest_size=32).digest()
    if allowed.code_hash != code_hash:
        raise system.error(system.Error.Unauthorized)
    system.AuthorizedUpgrade.kill(s)
    error = system.error(system.Error.FailedToExtractRuntimeVersion)
    system.deposit_raw(s, bytes([system.PALLET, 7]) + code_hash + error.encoded)
    return True


def _set_storage(s: State, origin: Origin, items: list[tuple[bytes, bytes]]) -> None:
    origin.ensure_root()
    for key, value in items:
        s.put(key, value)


def _kill_storage(s: State, origin: Origin, keys: list[bytes]) -> None:
    origin.ensure_root()
    for key in keys:
        s.delete(key)


def _kill_prefix(s: State, origin: Origin, prefix: bytes, limit: int) -> None:
    origin.ensure_root()
    s.clear_prefix(prefix, limit)


def _per_item(items: list[Any]) -> DispatchInfo:
    return DispatchInfo(Weight(FLAT.ref_time * len(items)), Class.OPERATIONAL)


def _upgrade_info(who: list[bytes]) -> DispatchInfo:
    return DispatchInfo(Weight(FLAT.ref_time * len(who)))


def _per_subkey(_prefix: bytes, subkeys: int) -> DispatchInfo:
    return DispatchInfo(Weight(FLAT.ref_time * min(subkeys + 1, 2**32 - 1)), Class.OPERATIONAL)


# ---- Balances


def _transfer_allow_death(s: State, origin: Origin, dest: bytes | None, value: int) -> None:
    balances.transfer(s, origin.signed(), lookup(dest), value, EXPENDABLE)


def _transfer_keep_alive(s: State, origin: Origin, dest: bytes | None, value: int) -> None:
    balances.transfer(s, origin.signed(), lookup(dest), value, PRESERVE)


def _force_transfer(s: State, origin: Origin, source: bytes | None, dest: bytes | None, value: int) -> None:
    origin.ensure_root()
    balances.transfer(s, lookup(source), lookup(dest), value, EXPENDABLE)


def _transfer_all(s: State, origin: Origin, dest: bytes | None, keep_alive: bool) -> None:
    who = origin.signed()
    preservation = PRESERVE if keep_alive else EXPENDABLE
    value = balances.reducible(s, who, preservation)
    balances.transfer(s, who, lookup(dest), value, preservation)


def _force_unreserve(s: State, origin: Origin, who: bytes | None, amount: int) -> None:
    origin.ensure_root()
    balances.unreserve(s, lookup(who), amount)


def _upgrade_accounts(s: State, origin: Origin, who: list[bytes]) -> None:
    """Do nothing: every account has the new logic from its first block."""
    origin.signed()


def _force_set_balance(s: State, origin: Origin, who: bytes | None, new_free: int) -> None:
    origin.ensure_root()
    balances.force_set(s, lookup(who), new_free)


def _force_adjust(s: State, origin: Origin, direction: int, delta: int) -> None:
    origin.ensure_root()
    balances.force_issuance(s, direction == 1, delta)


def _burn(s: State, origin: Origin, value: int, keep_alive: bool) -> None:
    balances.burn(s, origin.signed(), value, PRESERVE if keep_alive else EXPENDABLE)


# ---- Sudo


def _set_key(s: State, origin: Origin, new: bytes | None) -> bool:
    sudo.ensure_sudo(s, origin)
    return sudo.set_key(s, lookup(new))


def _sudo_as(s: State, origin: Origin, who: bytes | None, call: Call) -> bool:
    sudo.ensure_sudo(s, origin)
    return sudo.sudo_as(s, lookup(who), call)


def register_all() -> None:
    """Register the calls of System, Timestamp, Balances, Sudo and Utility."""
    operational = flat(FLAT, Class.OPERATIONAL)
    register(0, 0, "remark", [BYTES], _remark, flat())
    register(0, 1, "set_heap_pages", [U64], _set_heap_pages, operational)
    register(0, 2, "set_code", [BYTES], _set_code, flat(SET_CODE, Class.OPERATIONAL))
    register(0, 3, "set_code_without_checks", [BYTES], _set_code, flat(SET_CODE, Class.OPERATIONAL))
    register(0, 4, "set_storage", [Vec(Tuple(BYTES, BYTES))], _set_storage, _per_item)
    register(0, 5, "kill_storage", [Vec(BYTES)], _kill_storage, _per_item)
    register(0, 6, "kill_prefix", [BYTES, U32], _kill_prefix, _per_subkey)
    register(0, 7, "remark_with_event", [BYTES], _remark_with_event, flat())
    register(0, 9, "authorize_upgrade", [BYTES32], _authorize(True), operational)
    register(0, 10, "authorize_upgrade_without_checks", [BYTES32], _authorize(False), operational)
    register(0, 11, "apply_authorized_upgrade", [BYTES], _apply_authorized_upgrade, flat(SET_CODE, Class.OPERATIONAL))
    register(1, 0, "set", [COMPACT64], timestamp.set_now, flat(FLAT, Class.MANDATORY))
    register(2, 0, "transfer_allow_death", [ADDRESS, COMPACT128], _transfer_allow_death, flat())
    register(2, 2, "force_transfer", [ADDRESS, ADDRESS, COMPACT128], _force_transfer, flat())
    register(2, 3, "transfer_keep_alive", [ADDRESS, COMPACT128], _transfer_keep_alive, flat())
    register(2, 4, "transfer_all", [ADDRESS, BOOL], _transfer_all, flat())
    register(2, 5, "force_unreserve", [ADDRESS, U128], _force_unreserve, flat())
    register(2, 6, "upgrade_accounts", [Vec(BYTES32)], _upgrade_accounts, _upgrade_info)
    register(2, 8, "force_set_balance", [ADDRESS, COMPACT128], _force_set_balance, flat())
    register(2, 9, "force_adjust_total_issuance", [BOOL, COMPACT128], _force_adjust, flat())
    register(2, 10, "burn", [COMPACT128, BOOL], _burn, flat())
    register(4, 0, "sudo", [CALL], sudo.sudo, sudo.sudo_info)
    register(4, 1, "sudo_unchecked_weight", [CALL, WeightCodec()], sudo.sudo_unchecked_weight, sudo.unchecked_info)
    register(4, 2, "set_key", [ADDRESS], _set_key, flat())
    register(4, 3, "sudo_as", [ADDRESS, CALL], _sudo_as, sudo.sudo_as_info)
    register(4, 4, "remove_key", [], sudo.remove_key, flat())
    _register_utility()


def _register_utility() -> None:
    calls, origin = Vec(CALL), utility.OriginCodec()
    register(6, 0, "batch", [calls], utility.batch, utility.batch_info)
    register(6, 1, "as_derivative", [U16, CALL], utility.as_derivative, utility.as_derivative_info)
    register(6, 2, "batch_all", [calls], utility.batch_all, utility.batch_info)
    register(6, 3, "dispatch_as", [origin, CALL], utility.dispatch_as, utility.dispatch_as_info)
    register(6, 4, "force_batch", [calls], utility.force_batch, utility.batch_info)
    register(6, 5, "with_weight", [CALL, WeightCodec()], utility.with_weight, utility.with_weight_info)
    register(6, 6, "if_else", [CALL, CALL], utility.if_else, utility.if_else_info)
    fallible = utility.dispatch_as_fallible
    register(6, 7, "dispatch_as_fallible", [origin, CALL], fallible, utility.dispatch_as_info)
