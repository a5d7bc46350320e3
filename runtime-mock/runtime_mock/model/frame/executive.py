"""A block's life: initialise, apply extrinsics, finalise; and the validation of transactions for the pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...state.trie import ordered_root
from ..scale import BYTES32, COMPACT, U8, U32, U64
from ..storage import State
from . import balances, payment, system, timestamp
from .calls import Call, dispatch, encode_result
from .dispatch import (
    NONE,
    Class,
    DispatchError,
    DispatchInfo,
    Invalid,
    Origin,
    Post,
    RuntimePanic,
    ValidityError,
    Weight,
    invalid,
    no_unsigned_validator,
)
from .extrinsic import Extensions, Extrinsic, check, decode, implicit
from .limits import (
    BASE_BLOCK,
    BASE_EXTRINSIC,
    BLOCK_HASH_COUNT,
    EXTRINSICS_ROOT_VERSION,
    FLAT,
    MAX_BLOCK,
    MAX_EXTRINSIC,
    MAX_LENGTH,
    MAX_TOTAL,
    RESERVED,
    STATE_VERSION,
)

# A pallet's `on_initialize`, which returns its weight.
Hook = Callable[[State], Weight]
# Whether an account may make a call for which it would get its fee back.
Check = Callable[[State, bytes, Call], bool]
MAX_U64 = 2**64 - 1


@dataclass(frozen=True)
class Header:
    """A block's header. `digest` is a SCALE vector."""

    parent: bytes
    number: int
    state_root: bytes
    extrinsics_root: bytes
    digest: bytes

    def encode(self) -> bytes:
        """Encode the header as SCALE."""
        return self.parent + COMPACT.encode(self.number) + self.state_root + self.extrinsics_root + self.digest


@dataclass(frozen=True)
class Validity:
    """What the pool learns about a valid transaction."""

    priority: int = 0
    requires: tuple[bytes, ...] = ()
    provides: tuple[bytes, ...] = ()
    longevity: int = MAX_U64

    def encode(self) -> bytes:
        """Encode the validity as SCALE."""

        def tags(of: tuple[bytes, ...]) -> bytes:
            return COMPACT.encode(len(of)) + b"".join(COMPACT.encode(len(tag)) + tag for tag in of)

        fields = U64.encode(self.priority) + tags(self.requires) + tags(self.provides) + U64.encode(self.longevity)
        return fields + b"\x01"


def _read_items(data: bytes, at: int) -> tuple[list[bytes], int]:
    """Read digest items: `kind | engine (4, except kinds 0 and 8) | bytes`."""
    count, at = COMPACT.read(data, at)
    items = []
    for _ in range(count):
        start = at
        kind, at = U8.read(data, at)
        if kind != 8:
            at += 4 if kind in (4, 5, 6) else 0
            size, at = COMPACT.read(data, at)
            at += size
        items.append(data[start:at])
    return items, at


def read_header(data: bytes, at: int = 0) -> tuple[Header, int]:
    """Read a header. Raises ScaleError."""
    parent, at = BYTES32.read(data, at)
    number, at = COMPACT.read(data, at)
    state_root, at = BYTES32.read(data, at)
    extrinsics_root, at = BYTES32.read(data, at)
    start = at
    _, at = _read_items(data, at)
    return Header(parent, number, state_root, extrinsics_root, data[start:at]), at


class Executive:
    """The executor of blocks. `hook` is DatDot's `on_initialize`, `may_call` its check of signed transactions."""

    def __init__(self, hook: Hook, may_call: Check) -> None:
        self._hook = hook
        self._may_call = may_call

    def initialize_block(self, s: State, header: Header) -> None:
        """Open a block: reset its events, and run the pallets' `on_initialize`."""
        system.reset_events(s)
        items = [item for item in _read_items(header.digest, 0)[0] if item[0] == 6]
        system.initialize(s, header.number, header.parent, COMPACT.encode(len(items)) + b"".join(items))
        for weight in (BASE_BLOCK, Weight(), FLAT, Weight(), Weight(), Weight(), self._hook):
            system.register_weight(s, weight(s) if callable(weight) else weight, Class.MANDATORY)
        s.put(system.ExecutionPhase.key, system.apply_phase(0))

    def apply_extrinsic(self, s: State, data: bytes) -> bytes:
        """Apply an extrinsic and return its ApplyExtrinsicResult. Raises RuntimePanic if it does not decode."""
        extrinsic, _ = decode(data)
        try:
            return b"\x00" + encode_result(self._apply(s, extrinsic))
        except ValidityError as error:
            return b"\x01" + error.encoded

    def _apply(self, s: State, extrinsic: Extrinsic) -> DispatchError | None:
        check(s, extrinsic)
        info = extrinsic.call.info()
        if not extrinsic.inherent and not system.InherentsApplied.get(s):
            self._inherents_applied(s)
        index = system.extrinsic_index(s)
        s.put(system.ExtrinsicData.key(index), COMPACT.encode(len(extrinsic.encoded)) + extrinsic.encoded)
        failure, post = self._run(s, extrinsic, info)
        if failure is not None and info.kind == Class.MANDATORY:
            raise invalid(Invalid.BAD_MANDATORY)
        outcome = b"\x00" if failure is None else b"\x01" + failure.encoded
        weight = (post.used(info) + BASE_EXTRINSIC).encode()
        event = bytes([system.PALLET]) + outcome + weight + bytes([info.kind, post.free])
        system.deposit_raw(s, event)
        s.put(system.EXTRINSIC_INDEX, U32.encode(index + 1))
        s.put(system.ExecutionPhase.key, system.apply_phase(index + 1))
        return failure

    def _run(self, s: State, extrinsic: Extrinsic, info: DispatchInfo) -> tuple[DispatchError | None, Post]:
        """Run extensions and call. Return the call's failure, and what is known after it."""
        length = len(extrinsic.encoded)
        if extrinsic.bare:
            self._pre_dispatch_bare(extrinsic)
            self._take_weight(s, info, length)
            return self._dispatch(s, NONE, extrinsic)
        who, extensions, fee = self._validate(s, extrinsic, info)
        account = system.Account.get(s, who)
        if extensions.nonce > account.nonce:
            raise invalid(Invalid.FUTURE)
        account.nonce = (extensions.nonce + 1) % 2**32
        system.Account.put(s, who, account)
        self._take_weight(s, info, length)
        payment.withdraw(s, who, fee)
        failure, post = self._dispatch(s, Origin(who), extrinsic)
        self._reclaim(s, info, post)
        due = 0 if post.free else payment.inclusion_fee(s, length, post.used(info)).total
        payment.settle(s, who, fee, extensions.tip, due)
        return failure, post

    @staticmethod
    def _dispatch(s: State, origin: Origin, extrinsic: Extrinsic) -> tuple[DispatchError | None, Post]:
        try:
            return None, dispatch(s, origin, extrinsic.call)
        except DispatchError as error:
            return error, Post(error.weight)

    @staticmethod
    def _reclaim(s: State, info: DispatchInfo, post: Post) -> None:
        """Take from the block's weight what the call did not use of its own."""
        unspent = info.weight - post.used(info)
        if unspent != Weight():
            weights = system.block_weight(s)
            weights[info.kind] = weights[info.kind] - unspent
            system.put_block_weight(s, weights)

    @staticmethod
    def _pre_dispatch_bare(extrinsic: Extrinsic) -> None:
        if extrinsic.call.pallet == system.PALLET:
            raise invalid(Invalid.CALL)

    @staticmethod
    def _check_size(s: State, info: DispatchInfo, length: int) -> int:
        """Return the block's length with the extrinsic. Raises ValidityError(EXHAUSTS_RESOURCES)."""
        total = system.BlockSize.get(s) + length
        if total > MAX_LENGTH[info.kind]:
            raise invalid(Invalid.EXHAUSTS_RESOURCES)
        most = MAX_EXTRINSIC.get(info.kind)
        if most and (info.weight + Weight(0, length)).any_gt(most):
            raise invalid(Invalid.EXHAUSTS_RESOURCES)
        return total

    def _take_weight(self, s: State, info: DispatchInfo, length: int) -> None:
        total = self._check_size(s, info, length)
        weights = system.block_weight(s)
        weights[info.kind] = weights[info.kind] + info.weight + BASE_EXTRINSIC + Weight(0, length)
        if info.kind != Class.MANDATORY:
            block = weights[0] + weights[1] + weights[2]
            if weights[info.kind].any_gt(MAX_TOTAL[info.kind]):
                raise invalid(Invalid.EXHAUSTS_RESOURCES)
            if block.any_gt(MAX_BLOCK) and weights[info.kind].any_gt(RESERVED[info.kind]):
                raise invalid(Invalid.EXHAUSTS_RESOURCES)
        system.BlockSize.put(s, total)
        system.put_block_weight(s, weights)

    def _validate(self, s: State, extrinsic: Extrinsic, info: DispatchInfo) -> tuple[bytes, Extensions, int]:
        """Run the extensions' `validate` in their order. Return signer, extensions, and fee with tip."""
        length, who, extensions = len(extrinsic.encoded), extrinsic.address, extrinsic.extensions
        assert extensions is not None
        implicit(s, extensions)
        if who is None:
            self._check_size(s, info, length)
            raise invalid(Invalid.UNKNOWN_ORIGIN)
        if not any(who):
            raise invalid(Invalid.BAD_SIGNER)
        account = system.Account.get(s, who)
        if account.providers == 0 and account.sufficients == 0:
            raise invalid(Invalid.PAYMENT)
        if extensions.nonce < account.nonce:
            raise invalid(Invalid.STALE)
        self._check_size(s, info, length)
        fee = payment.inclusion_fee(s, length, info.weight).total + extensions.tip
        if not balances.can_withdraw_fee(s, who, fee):
            raise invalid(Invalid.PAYMENT)
        if not self._may_call(s, who, extrinsic.call):
            raise invalid(Invalid.CALL)
        return who, extensions, fee

    def validate_transaction(self, s: State, extrinsic: Extrinsic, block_hash: bytes) -> bytes:
        """Return the TransactionValidity. All changes of the state are undone."""
        s.begin()
        try:
            system.initialize(s, system.Number.get(s) + 1, block_hash, b"\x00")
            return b"\x00" + self._validity(s, extrinsic).encode()
        except ValidityError as error:
            return b"\x01" + error.encoded
        finally:
            s.rollback()

    def _validity(self, s: State, extrinsic: Extrinsic) -> Validity:
        check(s, extrinsic)
        info = extrinsic.call.info()
        if info.kind == Class.MANDATORY:
            raise invalid(Invalid.MANDATORY_VALIDATION)
        if extrinsic.bare:
            self._pre_dispatch_bare(extrinsic)
            raise no_unsigned_validator()
        who, extensions, fee = self._validate(s, extrinsic, info)
        length, current = len(extrinsic.encoded), system.Number.get(s)
        account = system.Account.get(s, who)
        before = (who + U32.encode(max(0, extensions.nonce - 1)),) if account.nonce < extensions.nonce else ()
        return Validity(
            payment.priority(info, length, extensions.tip, fee),
            before,
            (who + U32.encode(extensions.nonce),),
            max(0, extensions.era.death(current) - current),
        )

    @staticmethod
    def _inherents_applied(s: State) -> None:
        system.InherentsApplied.put(s, True)
        system.register_weight(s, Weight(), Class.MANDATORY)

    def finalize_block(self, s: State) -> Header:
        """Close the block and return its header."""
        if not system.InherentsApplied.get(s):
            self._inherents_applied(s)
        count = system.extrinsic_index(s)
        s.delete(system.EXTRINSIC_INDEX)
        s.put(system.ExecutionPhase.key, system.FINALIZATION)
        timestamp.on_finalize(s)
        payment.NextFeeMultiplier.put(s, payment.ONE)
        s.delete(system.ExecutionPhase.key)
        system.BlockSize.kill(s)
        s.delete(system.INTRABLOCK_ENTROPY)
        system.InherentsApplied.kill(s)
        extrinsics = []
        for index in range(count):
            key = system.ExtrinsicData.key(index)
            raw = s.get(key) or b"\x00"
            extrinsics.append(raw[COMPACT.read(raw, 0)[1] :])
            s.delete(key)
        number = system.Number.get(s)
        if number > BLOCK_HASH_COUNT + 1:
            system.BlockHash.remove(s, number - BLOCK_HASH_COUNT - 1)
        extrinsics_root = ordered_root(extrinsics, EXTRINSICS_ROOT_VERSION)
        digest = s.get(system.Digest.key) or b"\x00"
        return Header(system.ParentHash.get(s), number, s.root(STATE_VERSION), extrinsics_root, digest)

    def execute_block(self, s: State, header: Header, extrinsics: list[bytes]) -> None:
        """Run a whole block. Raises RuntimePanic unless it leads to its header."""
        self.initialize_block(s, header)
        if header.number == 0 or system.BlockHash.get(s, header.number - 1) != header.parent:
            raise RuntimePanic("Parent hash should be valid.")
        inherents = True
        for data in extrinsics:
            extrinsic, _ = decode(data)
            if extrinsic.inherent and not inherents:
                raise RuntimePanic("an inherent comes after a transaction")
            inherents = extrinsic.inherent
            result = self.apply_extrinsic(s, data)
            if result[0]:
                raise RuntimePanic("a transaction of the block is not valid")
        if self.finalize_block(s) != header:
            raise RuntimePanic("Storage root must match that calculated.")
