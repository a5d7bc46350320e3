"""A client of one chain: its identity, its runtimes by spec version, blocks, balances and typed storage."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, TypeVar

from .block import Block, BlockRef, Header
from .call import PALLET, Call
from .errors import ConnectionLost, StateDiscarded, UnknownRuntime
from .pallet.constants import PALLET_ID
from .pallet.types import Role, Times
from .rpc import REQUEST_SECONDS, NodeRpc, Rpc
from .runtime.events import EventRecord
from .runtime.extrinsic import Mortality, compact, signed, signed_call
from .runtime.metadata import Runtime, blake2_256
from .storage import Storage

T = TypeVar("T")
READ_TRIES = 3
"""Tries of a read whose connection breaks. The last failure is reported."""
KEPT_HEADERS = 512
"""Headers kept in memory."""
LONG_NONCE = 1 << 30
"""A nonce whose encoding is longer than those of accounts."""
POT_PREFIX = b"modl" + PALLET_ID
"""Start of a pot's account, made from the pallet's id."""
NEW_RUNTIME = b"\x08"
"""The item of a header's digest that announces new code (`DigestItem::RuntimeEnvironmentUpdated`)."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an account has, in the smallest unit: what it can move, what is held, and for what."""

    free: int
    held: int
    reasons: dict[str, int]


class ReadingRpc(Rpc):
    """A connection on which reads are repeated if they are lost with the connection. Submissions are not."""

    async def request(self, method: str, *parameters: Any) -> Any:
        """Return the result of a call, retrying reads. Raises as `Rpc.request` does."""
        if method.startswith("author_"):
            return await super().request(method, *parameters)
        for attempt in range(READ_TRIES):
            try:
                return await super().request(method, *parameters)
            except ConnectionLost:
                if attempt == READ_TRIES - 1:
                    raise
        raise AssertionError("unreachable")


class ChainClient:
    """A client of one chain. Create it with `connect`, and close it with `async with` or `close`."""

    def __init__(
        self,
        url: str,
        genesis: bytes | None = None,
        request_seconds: float = REQUEST_SECONDS,
        rpc: NodeRpc | None = None,
    ) -> None:
        """Prepare a client. `rpc` replaces the WebSocket connection to `url` by another kind."""
        self.url = url
        self.rpc: NodeRpc = ReadingRpc(url, request_seconds, genesis) if rpc is None else rpc
        self.storage = Storage(self.rpc, self.runtime_at)
        self._times: Times | None = None
        self._runtimes: dict[tuple[int, int], Runtime] = {}
        self._headers: dict[bytes, Header] = {}
        self._versions: dict[bytes, tuple[int, int]] = {}
        """By block: spec and transaction version of the runtime that executed it."""
        self._loading = asyncio.Lock()

    @classmethod
    async def connect(
        cls,
        url: str,
        genesis: bytes | None = None,
        request_seconds: float = REQUEST_SECONDS,
        rpc: NodeRpc | None = None,
    ) -> ChainClient:
        """Connect to a node. Raises ConnectionLost, and WrongChain if the node's genesis is not `genesis`."""
        client = cls(url, genesis, request_seconds, rpc)
        await client.rpc.start()
        try:
            client._times = await client.storage.times()
        except BaseException:
            await client.close()
            raise
        return client

    async def __aenter__(self) -> ChainClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self.rpc.close()

    @property
    def genesis(self) -> bytes:
        """The hash of the genesis block, which identifies the chain across reconnections."""
        assert self.rpc.genesis is not None, "not connected"
        return self.rpc.genesis

    @property
    def times(self) -> Times:
        """The chain's time spans, which never change."""
        assert self._times is not None, "not connected"
        return self._times

    @staticmethod
    def pot_account(plan: int) -> bytes:
        """Return the account of a plan's pot."""
        return (POT_PREFIX + plan.to_bytes(8, "little")).ljust(32, b"\0")

    async def runtime_at(self, at: bytes | None = None) -> Runtime:
        """Return the runtime that wrote the state of a block.

        None stands for the best block, whose runtime takes new calls.
        """
        version, origin = await self._version(at)
        if version not in self._runtimes:
            async with self._loading:
                if origin is None:
                    # Pin one block for version and metadata: the best block may change the code between two requests.
                    origin = (await self.best()).hash
                    version = await self._code_version(origin)
                if version not in self._runtimes:
                    raw = await self.rpc.request("state_getMetadata", *_at(origin))
                    self._runtimes[version] = await asyncio.to_thread(_runtime, bytes.fromhex(raw[2:]), *version)
        return self._runtimes[version]

    async def _version(self, at: bytes | None) -> tuple[tuple[int, int], bytes | None]:
        """Return spec and transaction version of the runtime that wrote a block's state, and a block that holds its code.

        A block that changes the code is still executed by its parent's code, and its header announces the change. So a
        block's version follows from its parent's.
        """
        if at is None:
            return await self._code_version(None), None
        header = await self.header(at)
        if header is None:
            raise ConnectionLost(f"{self.url} does not know block {at.hex()}")
        origin = header.parent if header.number else at
        version = self._versions.get(at)
        if version is None:
            parent, inherited = self._headers.get(origin), self._versions.get(origin)
            if parent is None or parent.new_runtime or inherited is None:
                inherited = await self._code_version(origin)
            version = inherited
            _keep(self._versions, at, version)
        return version, origin

    async def _code_version(self, at: bytes | None) -> tuple[int, int]:
        answer = await self.rpc.request("state_getRuntimeVersion", *_at(at))
        return int(answer["specVersion"]), int(answer["transactionVersion"])

    async def spec_version(self) -> int:
        """Return the spec version of the best block's runtime."""
        return (await self._code_version(None))[0]

    async def block_hash(self, number: int) -> bytes | None:
        """Return the hash of the best chain's block of that number, or None."""
        answer = await self.rpc.request("chain_getBlockHash", number)
        return None if answer is None else bytes.fromhex(answer[2:])

    async def header(self, block: bytes | None = None) -> Header | None:
        """Return a block's header (None: the best block's), or None if the node does not know the block."""
        if block is not None and block in self._headers:
            return self._headers[block]
        answer = await self.rpc.request("chain_getHeader", *_at(block))
        if answer is None:
            return None
        header = self.read_header(answer)
        if block is not None and header.hash != block:
            raise ConnectionLost(f"{self.url} returned header {header.hash.hex()} for block {block.hex()}")
        return header

    def read_header(self, answer: Any) -> Header:
        """Parse a header as the node shows it, and keep it. Raises ConnectionLost if it is invalid."""
        try:
            header = parse_header(answer)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ConnectionLost(f"{self.url} returned an invalid header: {error!r}") from error
        _keep(self._headers, header.hash, header)
        return header

    async def finalized(self) -> BlockRef:
        """Return the last finalized block."""
        answer = await self.rpc.request("chain_getFinalizedHead")
        header = await self.header(bytes.fromhex(answer[2:]))
        if header is None:
            raise ConnectionLost(f"{self.url} does not know its finalized head {answer}")
        return header.ref

    async def best(self) -> BlockRef:
        """Return the best block."""
        header = await self.header()
        if header is None:
            raise ConnectionLost(f"{self.url} does not know its best block")
        return header.ref

    async def extrinsics(self, block: bytes) -> list[bytes]:
        """Return the extrinsics of a block, with their length prefixes."""
        answer = await self.rpc.request("chain_getBlock", "0x" + block.hex())
        if answer is None:
            raise ConnectionLost(f"{self.url} does not know block {block.hex()}")
        return [bytes.fromhex(one[2:]) for one in answer["block"]["extrinsics"]]

    async def call(self, block: bytes, index: int, name: str, kinds: dict[str, type[Any]]) -> dict[str, Any] | None:
        """Return the arguments of a block's extrinsic if an account signed it and it is a call of ours of that name.

        Raises UnknownRuntime and ConnectionLost.
        """
        encoded = signed_call((await self.extrinsics(block))[index])
        if encoded is None:
            return None
        return (await self.runtime_at(block)).decode_call(encoded, name, kinds)

    async def events(self, block: bytes) -> tuple[EventRecord, ...]:
        """Return the events of a block."""
        runtime = await self.runtime_at(block)
        raw = await self.rpc.request(
            "state_getStorage", "0x" + runtime.storage_key("System", "Events").hex(), "0x" + block.hex()
        )
        return () if raw is None else runtime.decode_events(bytes.fromhex(raw[2:]))

    async def block(self, block: bytes) -> Block:
        """Return a block with its events, marked if the node has pruned its state. Raises ConnectionLost."""
        header = await self.header(block)
        if header is None:
            raise ConnectionLost(f"{self.url} does not know block {block.hex()}")
        try:
            events = await self.events(block)
        except StateDiscarded:
            return Block(header.number, block, header.parent, (), discarded=True)
        return Block(header.number, block, header.parent, events)

    async def balance(self, account: bytes, at: bytes | None = None) -> int:
        """Return an account's free balance, in the smallest unit."""
        return int((await self._account(account, at))["data"]["free"])

    async def holdings(self, account: bytes, at: bytes | None = None) -> Holdings:
        """Return all that an account has, and what of it is held for what."""
        data = (await self._account(account, at))["data"]
        runtime = await self.runtime_at(at)
        key = "0x" + runtime.storage_key("Balances", "Holds", account).hex()
        raw = await self.rpc.request("state_getStorage", key, *_at(at))
        holds = () if raw is None else runtime.decode_storage_value("Balances", "Holds", bytes.fromhex(raw[2:]))
        return Holdings(
            int(data["free"]), int(data["reserved"]), {_reason(one["id"]): int(one["amount"]) for one in holds}
        )

    async def chain_type(self) -> str:
        """Return what the node calls its chain: Development, Local, Live, or a name of its own."""
        answer = await self.rpc.request("system_chainType")
        return answer if isinstance(answer, str) else str(next(iter(answer), ""))

    async def held(self, account: bytes, role: Role, at: bytes | None = None) -> int:
        """Return what of an account's money is on hold for a role."""
        runtime = await self.runtime_at(at)
        key = "0x" + runtime.storage_key("Balances", "Holds", account).hex()
        raw = await self.rpc.request("state_getStorage", key, *_at(at))
        if raw is None:
            return 0
        holds = runtime.decode_storage_value("Balances", "Holds", bytes.fromhex(raw[2:]))
        return sum(int(hold["amount"]) for hold in holds if hold["id"] == {PALLET: role.value})

    async def fee(self, account: bytes, call: Call, at: bytes | None = None) -> int:
        """Return the fee of a call of an account by the runtime of a block, in the smallest unit. Nothing is signed or sent.

        Raises UnknownRuntime, RpcError and ConnectionLost.
        """
        encoded = (await self.runtime_at(at)).encode_call(call)
        unsigned = signed(account, bytes(64), encoded, Mortality(0, bytes(32)), LONG_NONCE)
        data = unsigned + len(unsigned).to_bytes(4, "little")
        answer = await self.rpc.request("state_call", "TransactionPaymentApi_query_info", "0x" + data.hex(), *_at(at))
        return int.from_bytes(bytes.fromhex(answer[2:])[-16:], "little")  # the last field of RuntimeDispatchInfo

    async def nonce(self, account: bytes, at: bytes | None = None) -> int:
        """Return the nonce of an account's next extrinsic, by a block's state."""
        return int((await self._account(account, at))["nonce"])

    async def timestamp(self, at: bytes) -> int | None:
        """Return the time that a block's author gave it, in milliseconds since 1970, or None if the chain has none."""
        runtime = await self.runtime_at(at)
        raw = await self.rpc.request("state_getStorage", "0x" + runtime.storage_key("Timestamp", "Now").hex(), *_at(at))
        return None if raw is None else int.from_bytes(bytes.fromhex(raw[2:]), "little")

    async def issuance(self, at: bytes | None = None) -> int:
        """Return the sum of all balances, in the smallest unit."""
        runtime = await self.runtime_at(at)
        raw = await self.rpc.request(
            "state_getStorage", "0x" + runtime.storage_key("Balances", "TotalIssuance").hex(), *_at(at)
        )
        return 0 if raw is None else int.from_bytes(bytes.fromhex(raw[2:]), "little")

    async def _account(self, account: bytes, at: bytes | None) -> Any:
        runtime = await self.runtime_at(at)
        key = "0x" + runtime.storage_key("System", "Account", account).hex()
        raw = await self.rpc.request("state_getStorage", key, *_at(at))
        data = bytes.fromhex(raw[2:]) if raw is not None else runtime.storage_default("System", "Account")
        if data is None:
            raise UnknownRuntime(f"runtime {runtime.spec_version} has no default for System.Account")
        return runtime.decode_storage_value("System", "Account", data)


def _reason(found: Any) -> str:
    """Return the name of a reason for which money is held, with its pallet's if that is not ours."""
    ((pallet, reason),) = found.items() if isinstance(found, dict) else ((str(found), ""),)
    return str(reason) if pallet == PALLET else f"{pallet}.{reason}"


@lru_cache(maxsize=8)
def _runtime(metadata: bytes, spec_version: int, transaction_version: int) -> Runtime:
    """Decode a runtime's metadata. All clients of a process share the result, as decoding takes a third of a second."""
    return Runtime(metadata, spec_version, transaction_version)


def _keep(kept: dict[bytes, T], key: bytes, value: T) -> None:
    kept.pop(key, None)
    while len(kept) >= KEPT_HEADERS:
        del kept[next(iter(kept))]
    kept[key] = value


def parse_header(answer: dict[str, Any]) -> Header:
    """Parse a header's JSON. Its hash is BLAKE2b-256 of its SCALE bytes."""
    parent, state, extrinsics = (
        bytes.fromhex(answer[key][2:]) for key in ("parentHash", "stateRoot", "extrinsicsRoot")
    )
    logs = [bytes.fromhex(one[2:]) for one in answer["digest"]["logs"]]
    number = int(answer["number"], 16)
    encoded = parent + compact(number) + state + extrinsics + compact(len(logs)) + b"".join(logs)
    return Header(number, blake2_256(encoded), parent, NEW_RUNTIME in logs)


def _at(at: bytes | None) -> tuple[str, ...]:
    return () if at is None else ("0x" + at.hex(),)
