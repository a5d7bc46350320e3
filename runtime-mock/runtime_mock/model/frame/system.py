"""System: accounts and their reference counters, events, the block's number, hashes and weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar

from ..scale import COMPACT, H256, U32, AccountId, Codec, CompactInt, codec_of, u32, u128
from ..storage import Map, State, Value, blake2_128_concat, twox64_concat
from .dispatch import COMPACT64, Class, DispatchError, ModuleError, RuntimePanic, Weight
from .limits import MAX_CONSUMERS, MAX_HEADER

PALLET = 0
EXTRINSIC_INDEX = b":extrinsic_index"
INTRABLOCK_ENTROPY = b":intrablock_entropy"
HEAP_PAGES = b":heappages"
NEW_LOGIC = 1 << 127


@dataclass(slots=True)
class AccountData:
    """The balances of an account."""

    free: u128 = 0
    reserved: u128 = 0
    frozen: u128 = 0
    flags: u128 = NEW_LOGIC


@dataclass(slots=True)
class AccountInfo:
    """An account: nonce, reference counters, balances."""

    nonce: u32 = 0
    consumers: u32 = 0
    providers: u32 = 0
    sufficients: u32 = 0
    data: AccountData = field(default_factory=AccountData)


class PerClass(Codec[list[Weight]]):
    """A weight for each dispatch class."""

    def encode(self, value: list[Weight]) -> bytes:
        return b"".join(weight.encode() for weight in value)

    def read(self, data: bytes, at: int) -> tuple[list[Weight], int]:
        out = []
        for _ in Class:
            ref_time, at = COMPACT64.read(data, at)
            proof_size, at = COMPACT64.read(data, at)
            out.append(Weight(ref_time, proof_size))
        return out, at


class Error(IntEnum):
    """System's errors."""

    InvalidSpecName = 0
    SpecVersionNeedsToIncrease = 1
    FailedToExtractRuntimeVersion = 2
    NonDefaultComposite = 3
    NonZeroRefCount = 4
    CallFiltered = 5
    MultiBlockMigrationsOngoing = 6
    NothingAuthorized = 7
    Unauthorized = 8


def error(kind: Error) -> DispatchError:
    """Return one of System's errors."""
    return ModuleError(PALLET, kind)


@dataclass
class NewAccount:
    INDEX: ClassVar = (PALLET, 3)
    account: AccountId


@dataclass
class KilledAccount:
    INDEX: ClassVar = (PALLET, 4)
    account: AccountId


@dataclass
class Remarked:
    INDEX: ClassVar = (PALLET, 5)
    sender: AccountId
    hash: H256


@dataclass
class UpgradeAuthorized:
    INDEX: ClassVar = (PALLET, 6)
    code_hash: H256
    check_version: bool


@dataclass(slots=True)
class CodeUpgradeAuthorization:
    """The hash of the code that may be applied, and whether its version must be checked."""

    code_hash: H256
    check_version: bool


Account: Map[AccountInfo, AccountInfo] = Map(
    "System", "Account", [(blake2_128_concat, AccountId)], AccountInfo, AccountInfo
)
ExtrinsicCount = Value[int, None]("System", "ExtrinsicCount", u32)
InherentsApplied = Value[bool, bool]("System", "InherentsApplied", bool, False)
BlockWeight = Value[bytes, None]("System", "BlockWeight", bool)
BlockSize = Value[int, int]("System", "BlockSize", u32, 0)
BlockHash: Map[bytes, None] = Map("System", "BlockHash", [(twox64_concat, u32)], H256)
ExtrinsicData: Map[bytes, None] = Map("System", "ExtrinsicData", [(twox64_concat, u32)], H256)
Number = Value[int, int]("System", "Number", u32, 0)
ParentHash = Value[bytes, bytes]("System", "ParentHash", H256, bytes(32))
Digest = Value[bytes, None]("System", "Digest", H256)
Events = Value[bytes, None]("System", "Events", H256)
EventCount = Value[int, int]("System", "EventCount", u32, 0)
EventTopics: Map[bytes, None] = Map("System", "EventTopics", [(blake2_128_concat, H256)], H256)
ExecutionPhase = Value[bytes, None]("System", "ExecutionPhase", H256)
AuthorizedUpgrade: Value[CodeUpgradeAuthorization, None] = Value(
    "System", "AuthorizedUpgrade", CodeUpgradeAuthorization
)
LastRuntimeUpgrade = Value[bytes, None]("System", "LastRuntimeUpgrade", H256)
ExtrinsicWeightReclaimed = Value[bytes, None]("System", "ExtrinsicWeightReclaimed", H256)

_WEIGHTS = PerClass()
_DIGEST_COUNT = CompactInt(32)
INITIALIZATION, FINALIZATION = b"\x02", b"\x01"


def apply_phase(index: int) -> bytes:
    """Encode the phase ApplyExtrinsic."""
    return b"\x00" + U32.encode(index)


# ---- events


def deposit(s: State, event: Any) -> None:
    """Append an event to this block's events. Genesis keeps none."""
    pallet, variant = event.INDEX
    deposit_raw(s, bytes([pallet, variant]) + codec_of(type(event)).encode(event))


def deposit_raw(s: State, event: bytes) -> None:
    """Append an encoded event, which starts with the indices of pallet and variant."""
    if Number.get(s) == 0:
        return
    record = (s.get(ExecutionPhase.key) or INITIALIZATION) + event + b"\x00"
    count = EventCount.get(s)
    EventCount.put(s, count + 1)
    raw = s.get(Events.key)
    _, at = COMPACT.read(raw, 0) if raw else (0, 0)
    s.put(Events.key, COMPACT.encode(count + 1) + (raw[at:] if raw else b"") + record)


# ---- reference counters


def inc_providers(s: State, who: bytes) -> None:
    """Count a provider more."""
    account = Account.get(s, who)
    if account.providers == 0 and account.sufficients == 0:
        account.providers = 1
        deposit(s, NewAccount(who))
    else:
        account.providers += 1
    Account.put(s, who, account)


def dec_providers(s: State, who: bytes) -> None:
    """Count a provider less. Raises ConsumerRemaining for the last provider of an account with consumers."""
    account = Account.get(s, who)
    last = account.providers <= 1
    if last and account.consumers == 0 and account.sufficients == 0:
        deposit(s, KilledAccount(who))
        Account.remove(s, who)
        return
    if last and account.consumers > 0:
        raise DispatchError(b"\x04", "ConsumerRemaining")
    account.providers -= 1
    Account.put(s, who, account)


def inc_consumers(s: State, who: bytes) -> None:
    """Count a consumer more. Raises NoProviders or TooManyConsumers."""
    account = Account.get(s, who)
    if account.providers == 0:
        raise DispatchError(b"\x05", "NoProviders")
    if account.consumers >= MAX_CONSUMERS:
        raise DispatchError(b"\x06", "TooManyConsumers")
    account.consumers += 1
    Account.put(s, who, account)


def dec_consumers(s: State, who: bytes) -> None:
    """Count a consumer less."""
    account = Account.get(s, who)
    account.consumers = max(0, account.consumers - 1)
    Account.put(s, who, account)


def can_dec_provider(s: State, who: bytes) -> bool:
    """Return whether a provider can be removed."""
    account = Account.get(s, who)
    return account.consumers == 0 or account.providers > 1


# ---- the block


def block_weight(s: State) -> list[Weight]:
    """Return the weights used in this block, by class."""
    raw = s.get(BlockWeight.key)
    return _WEIGHTS.decode(raw) if raw is not None else [Weight()] * 3


def put_block_weight(s: State, weights: list[Weight]) -> None:
    """Set the weights used in this block, by class."""
    s.put(BlockWeight.key, _WEIGHTS.encode(weights))


def register_weight(s: State, weight: Weight, kind: Class) -> None:
    """Add a weight to this block's."""
    weights = block_weight(s)
    weights[kind] = weights[kind] + weight
    put_block_weight(s, weights)


def reset_events(s: State) -> None:
    """Delete the events of the previous block."""
    Events.kill(s)
    EventCount.kill(s)


def initialize(s: State, number: int, parent: bytes, digest: bytes) -> None:
    """Open block `number`. `digest` is a SCALE vector of digest items. Raises RuntimePanic for a wrong number."""
    if number != Number.get(s) + 1:
        raise RuntimePanic(f"block {number} cannot follow block {Number.get(s)}")
    s.put(ExecutionPhase.key, INITIALIZATION)
    s.put(EXTRINSIC_INDEX, U32.encode(0))
    s.put(INTRABLOCK_ENTROPY, hashlib.blake2b(b"frame_system::initialize" + parent, digest_size=32).digest())
    Number.put(s, number)
    s.put(Digest.key, digest)
    ParentHash.put(s, parent)
    BlockHash.put(s, number - 1, parent)
    s.delete(BlockWeight.key)
    overhead = len(digest) + 32 + len(COMPACT.encode(number)) + 32 + 32 + 1
    BlockSize.put(s, overhead)
    if overhead > MAX_HEADER:
        raise RuntimePanic(f"the header takes {overhead} bytes")


def deposit_log(s: State, item: bytes) -> None:
    """Append a digest item to the header."""
    BlockSize.put(s, BlockSize.get(s) + len(item))
    raw = s.get(Digest.key) or b"\x00"
    count, at = _DIGEST_COUNT.read(raw, 0)
    s.put(Digest.key, _DIGEST_COUNT.encode(count + 1) + raw[at:] + item)


def extrinsic_index(s: State) -> int:
    """Return the index of the current extrinsic."""
    raw = s.get(EXTRINSIC_INDEX)
    return U32.decode(raw) if raw is not None else 0
