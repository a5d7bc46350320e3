"""The transaction pool: transactions that wait for a block, in the order in which they may enter one. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..codec import CodecError, Reader, blake2_256
from ..runtime import RuntimeTrap

MAX_READY = 8192
MAX_FUTURE = 512
MAX_BYTES = 20 * 1024 * 1024
MAX_BANNED = 16_384
EXTERNAL = b"\2"
INVALID = (
    "Transaction call is not expected",
    "Inability to pay some fees (e.g. account balance too low)",
    "Transaction will be valid in the future",
    "Transaction is outdated",
    "Transaction has a bad signature",
    "Transaction has an ancient birth block",
    "Transaction would exhaust the block limits",
    "Custom error",
    "A call was labelled as mandatory, but resulted in an Error.",
    "Transaction dispatch is mandatory; transactions must not be validated.",
    "Invalid signing address",
    "The implicit data was unable to be calculated",
    "The transaction extension did not authorize any origin",
)
UNKNOWN = ("Could not lookup information required to validate the transaction", "Could not find an unsigned validator")
FUTURE, STALE, EXHAUSTS = 2, 3, 6
CUSTOM = 7
BANNED, FULL = 1012, 1016

Status = Any  # as author_submitAndWatchExtrinsic shows it: a string or an object of one field
Watcher = Callable[[Status], None]


class PoolError(Exception):
    """The pool refused a transaction, with a node's code, message and data."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(data or message)
        self.code, self.message, self.data = code, message, data


@dataclass(frozen=True, slots=True)
class Validity:
    """`ValidTransaction`."""

    priority: int
    requires: tuple[bytes, ...]
    provides: tuple[bytes, ...]
    longevity: int

    @classmethod
    def decode(cls, answer: bytes) -> Validity:
        """Decode the answer of `validate_transaction`. Raises PoolError if the transaction is invalid."""
        reader = Reader(answer)
        if reader.uint(1):
            raise refusal(reader.uint(1), reader.uint(1), reader.uint(1) if reader.left else 0)
        priority = reader.uint(8)
        requires, provides = (tuple(reader.bytes() for _ in range(reader.compact())) for _ in range(2))
        return cls(priority, requires, provides, reader.uint(8))


def refusal(kind: int, code: int, custom: int = 0) -> PoolError:
    """Return a TransactionValidityError in a node's words."""
    if kind == 0:
        text = INVALID[code] if code < len(INVALID) else f"invalid transaction {code}"
        return PoolError(1010, "Invalid Transaction", f"{text}: {custom}" if code == CUSTOM else text)
    return PoolError(1011, "Unknown Transaction Validity", UNKNOWN[code] if code < len(UNKNOWN) else f"custom {custom}")


@dataclass
class Transaction:
    """A waiting transaction.

    `dies` is the last block that may hold it, `missing` the tags that nothing ready provides (future).
    """

    hash: bytes
    extrinsic: bytes
    validity: Validity
    dies: int
    order: int
    missing: set[bytes] = field(default_factory=set)
    watchers: list[Watcher] = field(default_factory=list)

    def tell(self, status: Status) -> None:
        """Report a status to its watchers."""
        for watcher in list(self.watchers):
            watcher(status)


class Pool:
    """Transactions by hash. One is ready if all tags it requires are provided by ready ones or by the chain.

    A transaction that was in a block, or found invalid, is banned, as with a real node.
    """

    def __init__(self, validate: Callable[[bytes], bytes]) -> None:
        self._validate = validate
        self._transactions: dict[bytes, Transaction] = {}
        self._provided: dict[bytes, bytes] = {}
        self._banned: dict[bytes, None] = {}
        self._orders = self._bytes = self._futures = 0

    def __len__(self) -> int:
        return len(self._transactions)

    def all(self) -> list[Transaction]:
        """Return all waiting transactions."""
        return list(self._transactions.values())

    def get(self, transaction_hash: bytes) -> Transaction | None:
        """Return a transaction by its hash, or None."""
        return self._transactions.get(transaction_hash)

    def submit(self, extrinsic: bytes, number: int, watchers: Iterable[Watcher] = ()) -> Transaction:
        """Add a transaction. `number` is the best block's. Raises PoolError."""
        name = blake2_256(extrinsic)
        if name in self._banned:
            raise PoolError(BANNED, "Transaction is temporarily banned")
        if name in self._transactions:
            raise PoolError(1013, "Transaction Already Imported", "0x" + name.hex())
        validity = self.check(extrinsic)
        missing = self._missing(validity)
        full = self._futures >= MAX_FUTURE if missing else len(self._transactions) - self._futures >= MAX_READY
        if full or self._bytes + len(extrinsic) > MAX_BYTES:
            raise PoolError(FULL, "Immediately Dropped", "The transaction couldn't enter the pool because of the limit")
        if not missing:
            self._usurp(validity, name)
        self._orders += 1
        taken = Transaction(name, extrinsic, validity, number + validity.longevity, self._orders, missing)
        taken.watchers.extend(watchers)
        self._transactions[name] = taken
        self._bytes += len(extrinsic)
        if missing:
            self._futures += 1
            taken.tell("future")
        else:
            self._list(taken)
        return taken

    def check(self, extrinsic: bytes) -> Validity:
        """Ask the runtime about an extrinsic. Raises PoolError."""
        try:
            return Validity.decode(self._validate(extrinsic))
        except RuntimeTrap as error:
            raise PoolError(
                1002, f"Verification Error: Runtime error: Execution failed: {error}", str(error)
            ) from error
        except CodecError as error:
            raise PoolError(1002, f"Verification Error: the runtime's answer: {error}", str(error)) from error

    def ready(self) -> list[Transaction]:
        """Return what may enter the next block, each after those it requires, the highest priority first."""
        held: dict[bytes, int] = {}
        unlocks: dict[bytes, list[Transaction]] = {}
        heap: list[tuple[int, int, bytes]] = []
        for one in self._transactions.values():
            if one.missing:
                continue
            before = {self._provided[tag] for tag in one.validity.requires if tag in self._provided}
            held[one.hash] = len(before)
            for name in before:
                unlocks.setdefault(name, []).append(one)
            if not before:
                heapq.heappush(heap, (-one.validity.priority, one.order, one.hash))
        chosen: list[Transaction] = []
        while heap:
            one = self._transactions[heapq.heappop(heap)[2]]
            chosen.append(one)
            for other in unlocks.get(one.hash, ()):
                held[other.hash] -= 1
                if not held[other.hash]:
                    heapq.heappush(heap, (-other.validity.priority, other.order, other.hash))
        return chosen

    def included(self, transaction_hash: bytes) -> Transaction | None:
        """Remove a transaction that is in a block. The tags it provides are now provided by the chain."""
        self._ban(transaction_hash)
        found = self._drop(transaction_hash)
        if found is not None:
            self._promote(found.validity.provides)
        return found

    def unban(self, transaction_hash: bytes) -> None:
        """Allow a transaction again whose block left the best chain."""
        self._banned.pop(transaction_hash, None)

    def prune(self, number: int) -> None:
        """Drop what no block after `number` may hold."""
        for one in [one for one in self._transactions.values() if one.dies <= number]:
            self.remove(one.hash, "invalid")

    def revalidate(self, number: int, only_future: bool = False) -> None:
        """Revalidate after a reorganisation, or after a block brought transactions the pool had not seen."""
        again = [one for one in self._transactions.values() if one.missing or not only_future]
        for one in again:
            self._drop(one.hash)
        for one in sorted(again, key=lambda one: one.order):
            try:
                taken = self.submit(one.extrinsic, number)
            except PoolError:
                one.tell("invalid")
                continue
            taken.watchers.extend(one.watchers)
            if bool(taken.missing) != bool(one.missing):
                taken.tell("future" if taken.missing else "ready")

    def refuse(self, transaction_hash: bytes, answer: bytes) -> None:
        """Handle a transaction that the runtime refused during block building.

        It stays only if a later block may take it.
        """
        if answer[1:3] not in (bytes([0, FUTURE]), bytes([0, EXHAUSTS])):
            self._ban(transaction_hash)
            self.remove(transaction_hash, "invalid")

    def remove(self, transaction_hash: bytes, status: Status) -> None:
        """Drop a transaction and those that need it."""
        gone = self._drop(transaction_hash)
        if gone is None:
            return
        gone.tell(status)
        if not gone.missing:
            self._orphan(set(gone.validity.provides).difference(self._provided))

    def _orphan(self, lost: set[bytes]) -> None:
        """Handle tags that nothing provides any longer: what needs them is dropped, or waits for them."""
        for other in list(self._transactions.values()):
            needed = lost.intersection(other.validity.requires)
            if needed and other.missing:
                other.missing |= needed
            elif needed:
                self.remove(other.hash, "invalid")

    def _missing(self, validity: Validity) -> set[bytes]:
        return {tag for tag in validity.requires if tag not in self._provided}

    def _usurp(self, validity: Validity, name: bytes) -> None:
        """Replace transactions that provide the same tags. Raises PoolError if they have at least the same priority."""
        rivals = {self._provided[tag] for tag in validity.provides if tag in self._provided}
        worth = sum(self._transactions[rival].validity.priority for rival in rivals)
        if rivals and worth >= validity.priority:
            raise PoolError(
                1014,
                f"Priority is too low: ({worth} vs {validity.priority})",
                "The transaction has too low priority to replace another transaction already in the pool.",
            )
        for rival in rivals:
            gone = self._drop(rival)
            assert gone is not None
            gone.tell({"usurped": "0x" + name.hex()})
            self._orphan(set(gone.validity.provides).difference(self._provided, validity.provides))

    def _list(self, taken: Transaction) -> None:
        for tag in taken.validity.provides:
            self._provided[tag] = taken.hash
        taken.tell("ready")
        self._promote(taken.validity.provides)

    def _promote(self, tags: Iterable[bytes]) -> None:
        """Make future transactions ready that waited only for `tags`."""
        if not self._futures:
            return
        for one in list(self._transactions.values()):
            if one.missing and one.hash in self._transactions:
                one.missing.difference_update(tags)
                if not one.missing:
                    self._futures -= 1
                    try:
                        self._usurp(one.validity, one.hash)
                    except PoolError:
                        self._drop(one.hash)
                        one.tell("dropped")
                    else:
                        self._list(one)

    def _drop(self, transaction_hash: bytes) -> Transaction | None:
        gone = self._transactions.pop(transaction_hash, None)
        if gone is not None:
            self._bytes -= len(gone.extrinsic)
            self._futures -= bool(gone.missing)
            for tag in gone.validity.provides:
                if self._provided.get(tag) == gone.hash:
                    del self._provided[tag]
        return gone

    def _ban(self, transaction_hash: bytes) -> None:
        self._banned[transaction_hash] = None
        if len(self._banned) > MAX_BANNED:
            del self._banned[next(iter(self._banned))]
