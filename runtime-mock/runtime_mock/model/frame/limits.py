"""The runtime's constants: weights and lengths of a block, deposits, fees, version."""

from __future__ import annotations

import hashlib

from ..scale import COMPACT, U32
from .dispatch import Class, Weight

SPEC_NAME = b"datdot"
SPEC_VERSION = 10
TRANSACTION_VERSION = 4
SYSTEM_VERSION = 1
STATE_VERSION = 1
EXTRINSICS_ROOT_VERSION = 0

EXISTENTIAL_DEPOSIT = 10**9
MAX_CONSUMERS = 16
BLOCK_HASH_COUNT = 4_096

MAX_U64 = 2**64 - 1
BASE_BLOCK = Weight(431_614_000)
BASE_EXTRINSIC = Weight(108_157_000)
MAX_BLOCK = Weight(2 * 10**12, MAX_U64)
_INIT = 2 * 10**11
_NORMAL_PROOF = 13_835_058_055_282_163_711
MAX_TOTAL = {Class.NORMAL: Weight(15 * 10**11, _NORMAL_PROOF), Class.OPERATIONAL: MAX_BLOCK}
MAX_EXTRINSIC = {
    Class.NORMAL: Weight(15 * 10**11 - _INIT - BASE_EXTRINSIC.ref_time, _NORMAL_PROOF - MAX_U64 // 10),
    Class.OPERATIONAL: Weight(2 * 10**12 - _INIT - BASE_EXTRINSIC.ref_time, MAX_U64 - MAX_U64 // 10),
}
RESERVED = {Class.NORMAL: Weight(), Class.OPERATIONAL: Weight(5 * 10**11, MAX_U64 - _NORMAL_PROOF)}
MAX_LENGTH = {
    Class.NORMAL: 5 * 1024 * 1024 * 3 // 4,
    Class.OPERATIONAL: 5 * 1024 * 1024,
    Class.MANDATORY: 5 * 1024 * 1024,
}
MAX_HEADER = 1024 * 1024

# The weight of every call outside DatDot.
FLAT = Weight(200_000_000)
SET_CODE = Weight(10**12)
# One read and one write of the database.
READ_AND_WRITE = Weight(125_000_000)
# Calls in a batch: a third of the largest allocation, in calls of 1 KiB.
BATCHED_CALLS = 32 * 1024 * 1024 // 3 // 1024
FEE_PER_BYTE = 10**6

APIS = {
    "Core": 5,
    "Metadata": 2,
    "BlockBuilder": 6,
    "TaggedTransactionQueue": 3,
    "OffchainWorkerApi": 2,
    "SessionKeys": 2,
    "AuraApi": 1,
    "AccountNonceApi": 1,
    "TransactionPaymentApi": 4,
    "TransactionPaymentCallApi": 3,
    "GenesisBuilder": 1,
}


def version() -> bytes:
    """Return the SCALE encoding of the RuntimeVersion."""
    name = COMPACT.encode(len(SPEC_NAME)) + SPEC_NAME
    apis = b"".join(hashlib.blake2b(api.encode(), digest_size=8).digest() + U32.encode(v) for api, v in APIS.items())
    return (
        name
        + name
        + U32.encode(1)
        + U32.encode(SPEC_VERSION)
        + U32.encode(1)
        + COMPACT.encode(len(APIS))
        + apis
        + U32.encode(TRANSACTION_VERSION)
        + bytes([SYSTEM_VERSION])
    )
