"""The runtime APIs, by name: SCALE in, SCALE out, as the wasm exports them.

As in the wasm, bytes after the arguments are ignored, except for APIs without arguments.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import structlog

from ..runtime import NoSuchMethod, RuntimeTrap
from ..state.overlay import Overlay
from . import genesis, pallet
from .frame import payment, registry, system, timestamp
from .frame.calls import CALL
from .frame.dispatch import COMPACT64, DispatchInfo, RuntimePanic
from .frame.executive import Executive, read_header
from .frame.extrinsic import decode
from .frame.limits import version
from .scale import BYTES, BYTES32, COMPACT, U8, U32, U64, U128, FixedBytes, Option, ScaleError, Tuple, Vec

log = structlog.get_logger(__name__)

Api = Callable[[Overlay, bytes], bytes]
METADATA = {14: "metadata.scale", 15: "metadata-v15.scale", 16: "metadata-v16.scale"}
SLOT_MS = 6_000
# Calls nest up to 256 deep, several Python frames each.
STACK = 20_000
_INHERENTS = Vec(Tuple(FixedBytes(8), BYTES))
_TOO_EARLY, _TOO_FAR = b"\x00", b"\x01"


def _prefixed(data: bytes) -> bytes:
    return COMPACT.encode(len(data)) + data


def _no_arguments(data: bytes) -> None:
    if data:
        raise ScaleError(f"{len(data)} bytes given to an API without arguments")


def _constant(answer: bytes) -> Api:
    """Return an API without arguments and with one answer."""

    def api(_: Overlay, data: bytes) -> bytes:
        _no_arguments(data)
        return answer

    return api


@cache
def _register_once() -> None:
    registry.register_all()
    pallet.register_all()


class ModelRuntime:
    """An executor of blocks and runtime APIs. `artifacts` is the folder with the runtime's metadata."""

    def __init__(self, artifacts: Path) -> None:
        _register_once()
        self._metadata = {number: (artifacts / name).read_bytes() for number, name in METADATA.items()}
        self._executive = Executive(pallet.on_initialize, pallet.may_call)
        self._apis: dict[str, Api] = {
            "Core_version": _constant(version()),
            "Core_execute_block": self._execute_block,
            "Core_initialize_block": self._initialize_block,
            "Metadata_metadata": _constant(_prefixed(self._metadata[14])),
            "Metadata_metadata_at_version": self._metadata_at_version,
            "Metadata_metadata_versions": _constant(Vec(U32).encode(list(METADATA))),
            "BlockBuilder_apply_extrinsic": self._executive.apply_extrinsic,
            "BlockBuilder_finalize_block": self._finalize_block,
            "BlockBuilder_inherent_extrinsics": _inherent_extrinsics,
            "BlockBuilder_check_inherents": _check_inherents,
            "TaggedTransactionQueue_validate_transaction": self._validate,
            "OffchainWorkerApi_offchain_worker": _offchain_worker,
            "SessionKeys_generate_session_keys": _generate_session_keys,
            "SessionKeys_decode_session_keys": _decode_session_keys,
            "AuraApi_slot_duration": _constant(U64.encode(SLOT_MS)),
            "AuraApi_authorities": _constant(b"\x00"),
            "AccountNonceApi_account_nonce": _account_nonce,
            "TransactionPaymentApi_query_info": _query_info,
            "TransactionPaymentApi_query_fee_details": _query_fee_details,
            "TransactionPaymentApi_query_weight_to_fee": _weight_to_fee,
            "TransactionPaymentApi_query_length_to_fee": _length_to_fee,
            "TransactionPaymentCallApi_query_call_info": _query_call_info,
            "TransactionPaymentCallApi_query_call_fee_details": _query_call_fee_details,
            "TransactionPaymentCallApi_query_weight_to_fee": _weight_to_fee,
            "TransactionPaymentCallApi_query_length_to_fee": _length_to_fee,
            "GenesisBuilder_build_state": _build_state,
            "GenesisBuilder_get_preset": _get_preset,
            "GenesisBuilder_preset_names": _constant(Vec(BYTES).encode([n.encode() for n in genesis.presets()])),
        }

    def call(self, state: Overlay, method: str, data: bytes) -> bytes:
        """Call a runtime API over `state`. Raises RuntimeTrap and NoSuchMethod."""
        api = self._apis.get(method)
        if api is None:
            raise NoSuchMethod(f"the runtime has no method {method}")
        depth, limit = state.depth, sys.getrecursionlimit()
        sys.setrecursionlimit(max(STACK, limit))
        try:
            return api(state, data)
        except (RuntimePanic, ScaleError) as error:
            failure: Exception = error
        except Exception as error:  # like a panic of the wasm, it ends the call, not the node
            log.error("the model failed in a call that the runtime answers", method=method, exc_info=True)
            failure = error
        finally:
            sys.setrecursionlimit(limit)
        while state.depth > depth:
            state.rollback()
        raise RuntimeTrap(f"{method} trapped: {failure or repr(failure)}") from failure

    # Core

    def _execute_block(self, s: Overlay, data: bytes) -> bytes:
        header, at = read_header(data)
        extrinsics, _ = _read_body(data, at)
        self._executive.execute_block(s, header, extrinsics)
        return b""

    def _initialize_block(self, s: Overlay, data: bytes) -> bytes:
        header, _ = read_header(data)
        self._executive.initialize_block(s, header)
        return b"\x00"  # AllExtrinsics

    def _finalize_block(self, s: Overlay, data: bytes) -> bytes:
        _no_arguments(data)
        return self._executive.finalize_block(s).encode()

    def _metadata_at_version(self, _: Overlay, data: bytes) -> bytes:
        found = self._metadata.get(U32.read(data, 0)[0])
        return b"\x00" if found is None else b"\x01" + _prefixed(found)

    def _validate(self, s: Overlay, data: bytes) -> bytes:
        source, at = U8.read(data, 0)
        if source > 2:
            raise ScaleError(f"{source} is not a source of a transaction")
        extrinsic, at = decode(data, at)
        block_hash, _ = BYTES32.read(data, at)
        return self._executive.validate_transaction(s, extrinsic, block_hash)


def _read_body(data: bytes, at: int) -> tuple[list[bytes], int]:
    """Read extrinsics, each with its length prefix."""
    count, at = COMPACT.read(data, at)
    body = []
    for _ in range(count):
        size, inner = COMPACT.read(data, at)
        if inner + size > len(data):
            raise ScaleError(f"an extrinsic of {size} bytes at {at}, but {len(data) - inner} are left")
        body.append(data[at : inner + size])
        at = inner + size
    return body, at


# ---- inherents


def _moment(given: list[tuple[bytes, ...]]) -> int:
    for identifier, data in given:
        if identifier == timestamp.IDENTIFIER:
            return U64.decode(data)
    raise RuntimePanic("Timestamp inherent data is not provided.")


def _inherent_extrinsics(s: Overlay, data: bytes) -> bytes:
    now = max(_moment(_INHERENTS.read(data, 0)[0]), timestamp.Now.get(s))
    return COMPACT.encode(1) + _prefixed(b"\x05\x01\x00" + COMPACT64.encode(now))


def _check_inherents(s: Overlay, data: bytes) -> bytes:
    """Return the CheckInherentsResult: okay, fatal error, errors by identifier."""
    _, at = read_header(data)
    body, at = _read_body(data, at)
    given, _ = _INHERENTS.read(data, at)
    for encoded in body:
        extrinsic, _ = decode(encoded)
        if not extrinsic.inherent:
            break
        (now,), moment = extrinsic.call.args, _moment(given)
        wrong = _TOO_FAR if now > moment + timestamp.MAX_DRIFT else _TOO_EARLY if now < timestamp.Now.get(s) else None
        if wrong is not None:
            return b"\x00\x01" + _INHERENTS.encode([(timestamp.IDENTIFIER, wrong)])
    return b"\x01\x00\x00"


# ---- APIs that a node calls at its start


def _offchain_worker(_: Overlay, data: bytes) -> bytes:
    read_header(data)
    return b""


def _generate_session_keys(_: Overlay, data: bytes) -> bytes:
    Tuple(BYTES, Option(BYTES)).read(data, 0)
    return b"\x00\x00"


def _decode_session_keys(_: Overlay, data: bytes) -> bytes:
    BYTES.read(data, 0)
    return b"\x01\x00"


# ---- accounts and fees


def _account_nonce(s: Overlay, data: bytes) -> bytes:
    return U32.encode(system.Account.get(s, BYTES32.read(data, 0)[0]).nonce)


def _dispatch_info(info: DispatchInfo, fee: int) -> bytes:
    return info.weight.encode() + bytes([info.kind]) + U128.encode(fee)


def _fee_details(fee: payment.InclusionFee | None) -> bytes:
    parts = b"\x00" if fee is None else b"\x01" + b"".join(map(U128.encode, (fee.base, fee.length, fee.weight)))
    return parts + U128.encode(0)


def _read_extrinsic(data: bytes) -> tuple[bool, DispatchInfo, int]:
    extrinsic, at = decode(data)
    length, _ = U32.read(data, at)
    return extrinsic.bare, extrinsic.call.info(), length


def _query_info(s: Overlay, data: bytes) -> bytes:
    bare, info, length = _read_extrinsic(data)
    return _dispatch_info(info, 0 if bare else payment.inclusion_fee(s, length, info.weight).total)


def _query_fee_details(s: Overlay, data: bytes) -> bytes:
    bare, info, length = _read_extrinsic(data)
    return _fee_details(None if bare else payment.inclusion_fee(s, length, info.weight))


def _read_call(data: bytes) -> tuple[DispatchInfo, int]:
    call, at = CALL.read(data, 0)
    length, _ = U32.read(data, at)
    return call.info(), length


def _query_call_info(s: Overlay, data: bytes) -> bytes:
    info, length = _read_call(data)
    return _dispatch_info(info, payment.inclusion_fee(s, length, info.weight).total)


def _query_call_fee_details(s: Overlay, data: bytes) -> bytes:
    info, length = _read_call(data)
    return _fee_details(payment.inclusion_fee(s, length, info.weight))


def _weight_to_fee(_: Overlay, data: bytes) -> bytes:
    return U128.encode(payment.weight_to_fee(registry.WeightCodec().read(data, 0)[0]))


def _length_to_fee(_: Overlay, data: bytes) -> bytes:
    return U128.encode(payment.length_to_fee(U32.read(data, 0)[0]))


# ---- genesis


def _build_state(s: Overlay, data: bytes) -> bytes:
    try:
        genesis.build(s, BYTES.read(data, 0)[0])
    except genesis.GenesisError as error:
        return b"\x01" + _prefixed(str(error).encode())
    return b"\x00"


def _get_preset(_: Overlay, data: bytes) -> bytes:
    name = Option(BYTES).read(data, 0)[0]
    found = genesis.preset(None if name is None else name.decode(errors="replace"))
    return b"\x00" if found is None else b"\x01" + _prefixed(found)
