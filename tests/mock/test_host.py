"""The host functions of the wasm backend: heap, storage, hashes and signatures, over a memory made of bytes."""

from __future__ import annotations

import gc
import hashlib
import itertools
import weakref
from collections.abc import Callable
from typing import Any

import ed25519_zebra
import pytest
import sr25519
import structlog
import wasmtime

from runtime_mock.codec import compact, prefixed
from runtime_mock.runtime import CODE, NoSuchMethod, RuntimeTrap
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie, ordered_root
from runtime_mock.wasm.heap import END, HEADER, MAX_ALLOCATION, Heap
from runtime_mock.wasm.host import HOST_FUNCTIONS, Host
from runtime_mock.wasm.runtime import COMPRESSED, WasmRuntime, decompress, default_cache
from tests.support.differential.driver import Account
from tests.support.rpc_client import Secp256k1


@pytest.fixture
def host() -> Host:
    config = wasmtime.Config()
    config.memory_may_move = False
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)
    heap = Heap(engine, store, wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(1, None))))
    heap.begin(1_001)
    made = Host(lambda code: code or None, heap)
    made.begin(Overlay(Trie()))
    return made


def by_wasm(host: Host, name: str, argument: int) -> int:
    """What the runtime calls of the allocator."""
    function = host.heap.exports[name]
    assert isinstance(function, wasmtime.Func)
    return int(function(host.heap._store, argument) or 0)


def call(host: Host, name: str, *arguments: Any) -> Any:
    """Bytes go in as spans."""
    given = [host.put_span(one) if isinstance(one, bytes) else one for one in arguments]
    return HOST_FUNCTIONS[f"ext_{name}"](host, *given)


def asked(host: Host, name: str, *arguments: Any) -> bytes:
    """A call whose answer is a span."""
    return host.span(call(host, name, *arguments))


SIZES = (0, 1, 8, 9, 100, 70_000, 65_536, 2_000_000)
ROOM = (8, 8, 8, 16, 128, 131_072, 65_536, 1 << 21)


def test_runtime_and_host_allocate_alike(host: Host) -> None:
    both: list[Callable[[int], int]] = [lambda size: by_wasm(host, "malloc", size), host.heap.allocate]
    pointers = [both[number % 2](size) for number, size in enumerate(SIZES * 3)]
    assert all(pointer % 8 == 0 for pointer in pointers)
    assert all(host.heap.read(pointer - 8, 8) == bytes(8) for pointer in pointers)
    spans = sorted(zip(pointers, ROOM * 3, strict=True))
    assert all(start + size + HEADER <= after for (start, size), (after, _) in itertools.pairwise(spans))
    for allocate in both:
        for size, pointer in zip(SIZES, pointers, strict=False):
            host.heap.write(b"\xff" * 8, pointer - 8)  # the runtime keeps its alignment offset there
            by_wasm(host, "free", pointer)
            assert allocate(size) == pointer
            assert host.heap.read(pointer - 8, 8) == bytes(8)
    host.heap.begin(1_001)
    assert host.heap.allocate(5) == min(pointers), "a call of the runtime begins anew"


def test_what_would_corrupt_the_heap_is_an_error(host: Host) -> None:
    pointer = by_wasm(host, "malloc", 10)
    by_wasm(host, "free", pointer)
    for wrong in (pointer, pointer + 1, 0, 2**31 - 64):
        with pytest.raises(wasmtime.Trap):
            by_wasm(host, "free", wrong)
    with pytest.raises(wasmtime.Trap):
        by_wasm(host, "malloc", MAX_ALLOCATION + 1)
    with pytest.raises(MemoryError):
        host.put(bytes(MAX_ALLOCATION + 1))
    for packed in (4 << 32 | 2**32 - 2, 2**32 - 1 << 32):
        with pytest.raises(IndexError, match="its memory has"):
            host.span(packed)
    for rubbish in (3, 2**32 - 4):
        host.heap._lists[4] = rubbish
        with pytest.raises(IndexError):
            host.put(bytes(16))


@pytest.mark.parametrize(("pointer", "size"), [(0, -1), (64, -8), (-1, 1), (-64, 32), (-64, 64), (-(2**40), 1)])
def test_nothing_before_the_memory_is_read_or_written(host: Host, pointer: int, size: int) -> None:
    """A runtime's __heap_base is an i32 of its choice."""
    with pytest.raises(IndexError, match="its memory has"):
        host.heap.read(pointer, size)
    if size > 0:
        with pytest.raises(IndexError, match="its memory has"):
            host.heap.write(bytes(size), pointer)


@pytest.mark.parametrize("base", [-1, -8, -(2**31), 2**31 - 1, 65_537])
def test_a_runtime_whose_heap_begins_outside_its_memory_is_none(host: Host, base: int) -> None:
    code = f"""(module (import "env" "memory" (memory 1))
        (global (export "__heap_base") i32 (i32.const {base}))
        (func (export "Core_version") (param i32 i32) (result i64) (i64.const 0)))"""
    runtime = WasmRuntime(wasmtime.wat2wasm(code))  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="its memory has 65536"):
        runtime._load(runtime._default)


def test_of_a_free_block_only_the_next_ones_place_is_read(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    pointer = host.heap.allocate(MAX_ALLOCATION)
    by_wasm(host, "free", pointer)
    read, sizes = host.heap.read, list[int]()

    def reading(pointer: int, size: int) -> bytes:
        sizes.append(size)
        return read(pointer, size)

    monkeypatch.setattr(host.heap, "read", reading)
    assert host.heap.allocate(MAX_ALLOCATION) == pointer
    assert sizes == [4]
    by_wasm(host, "free", pointer)
    host.heap._lists[25] = host.heap._length - MAX_ALLOCATION + 8  # the block would end behind the memory
    with pytest.raises(IndexError, match=f"named {MAX_ALLOCATION} bytes"):
        host.heap.allocate(MAX_ALLOCATION)


@pytest.mark.parametrize("end", [2**32 - 8, 2**32 - 16, 2**32 - 24])
@pytest.mark.parametrize("size", [1, 8, MAX_ALLOCATION])
def test_when_all_is_given_out_malloc_traps(host: Host, end: int, size: int) -> None:
    host.heap._lists[END] = end
    with pytest.raises(wasmtime.Trap, match="unreachable"):
        by_wasm(host, "malloc", size)
    with pytest.raises(wasmtime.Trap, match="unreachable"):
        host.heap.allocate(size)
    assert host.heap._lists[END] == end


def test_storage(host: Host) -> None:
    assert asked(host, "storage_get_version_1", b"a") == b"\0"
    call(host, "storage_set_version_1", b"a", b"")
    assert asked(host, "storage_get_version_1", b"a") == b"\1\0"
    call(host, "storage_set_version_1", b"ab", b"12345")
    assert asked(host, "storage_get_version_1", b"ab") == b"\1" + prefixed(b"12345")
    assert call(host, "storage_exists_version_1", b"ab") == 1
    assert asked(host, "storage_next_key_version_1", b"a") == b"\1" + prefixed(b"ab")
    assert asked(host, "storage_next_key_version_1", b"ab") == b"\0"
    call(host, "storage_clear_version_1", b"ab")
    assert call(host, "storage_exists_version_1", b"ab") == 0
    assert asked(host, "storage_root_version_2", 1) == host.state.root(1)


@pytest.mark.parametrize(
    ("offset", "size", "left", "seen"), [(0, 3, 5, b"123"), (2, 9, 3, b"345"), (5, 4, 0, b""), (9, 4, 0, b"")]
)
def test_reading_a_part(host: Host, offset: int, size: int, left: int, seen: bytes) -> None:
    call(host, "storage_set_version_1", b"k", b"12345")
    out = host.put(b"." * 16)
    assert asked(host, "storage_read_version_1", b"k", size << 32 | out, offset) == b"\1" + left.to_bytes(4, "little")
    assert host.heap.read(out, 16) == seen + b"." * (16 - len(seen))
    assert asked(host, "storage_read_version_1", b"none", size << 32 | out, 0) == b"\0"


def test_appending(host: Host) -> None:
    for number in range(70):
        call(host, "storage_append_version_1", b"list", bytes([number]))
    assert host.state.get(b"list") == compact(70) + bytes(range(70))
    call(host, "storage_set_version_1", b"rubbish", b"\x03\x01")  # a compact number that is cut off
    call(host, "storage_append_version_1", b"rubbish", b"x")
    assert host.state.get(b"rubbish") == b"\4x"


@pytest.mark.parametrize(
    ("limit", "answer", "left"),
    [(None, b"\0\3\0\0\0", []), (2, b"\1\2\0\0\0", [b"p3"]), (3, b"\0\3\0\0\0", []), (0, b"\1\0\0\0\0", [b"p", b"p3"])],
)
def test_clearing_a_prefix(host: Host, limit: int | None, answer: bytes, left: list[bytes]) -> None:
    # the limit counts what was there before the block; what the block changed goes anyway
    host.begin(Overlay(Trie.of((key, b"v") for key in (b"p", b"p2", b"p3", b"q"))))
    for key in (b"p2", b"p4"):
        call(host, "storage_set_version_1", key, b"w")
    encoded = b"\0" if limit is None else b"\1" + limit.to_bytes(4, "little")
    assert asked(host, "storage_clear_prefix_version_2", b"p", encoded) == answer
    assert list(host.state.keys(b"p")) == left
    assert host.state.get(b"q") == b"v"


def test_transactions_of_storage(host: Host) -> None:
    call(host, "storage_start_transaction_version_1")
    call(host, "storage_set_version_1", b"a", b"1")
    call(host, "storage_start_transaction_version_1")
    call(host, "storage_set_version_1", b"a", b"2")
    call(host, "storage_rollback_transaction_version_1")
    call(host, "storage_commit_transaction_version_1")
    assert host.state.get(b"a") == b"1"
    assert host.state.depth == 0


def test_hashes(host: Host) -> None:
    # of the empty string, as anybody finds them
    known = {
        "hashing_twox_64_version_1": "99e9d85137db46ef",
        "hashing_twox_128_version_1": "99e9d85137db46ef4bbea33613baafd5",
        "hashing_blake2_128_version_1": "cae66941d9efbd404e4d88758ea67670",
        "hashing_blake2_256_version_1": "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8",
        "hashing_sha2_256_version_1": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "hashing_keccak_256_version_1": "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
    }
    for name, expected in known.items():
        assert host.heap.read(call(host, name, b""), len(expected) // 2).hex() == expected, name
    assert len(host.heap.read(call(host, "hashing_twox_256_version_1", b""), 32)) == 32


def test_roots_of_lists(host: Host) -> None:
    items = [b"one", b"two" * 20]
    data = compact(2) + b"".join(map(prefixed, items))
    for version in (0, 1):
        found = host.heap.read(call(host, "trie_blake2_256_ordered_root_version_2", data, version), 32)
        assert found == ordered_root(items, version)
    pairs = compact(1) + prefixed(b"k") + prefixed(b"v")
    assert host.heap.read(call(host, "trie_blake2_256_root_version_2", pairs, 1), 32) == Trie.of([(b"k", b"v")]).root(1)


def verify(host: Host, scheme: str, signature: bytes, message: bytes, public: bytes) -> int:
    name = {"ed25519": "crypto_ed25519_verify_version_1", "sr25519": "crypto_sr25519_verify_version_2"}[scheme]
    found: int = HOST_FUNCTIONS[f"ext_{name}"](host, host.put(signature), host.put_span(message), host.put(public))
    return found


def test_signatures(host: Host) -> None:
    account, message = Account.of("signer"), b"message"
    signature = account.sign(message)
    assert verify(host, "ed25519", signature, message, account.id) == 1
    assert verify(host, "ed25519", signature, message + b"!", account.id) == 0
    assert verify(host, "ed25519", signature, message, bytes([255]) * 32) == 0
    public, secret = sr25519.pair_from_seed(hashlib.sha256(b"seed").digest())
    signed = sr25519.sign((public, secret), message)
    assert verify(host, "sr25519", signed, message, public) == 1
    assert verify(host, "sr25519", signed, message + b"!", public) == 0
    assert verify(host, "sr25519", signed, message, bytes([255]) * 32) == 0


def test_ed25519_follows_zip_215(host: Host) -> None:
    # key and R are the identity, s = 0: the chain's host takes it for any message, and the pallet must refuse it
    identity = b"\1" + bytes(31)
    assert ed25519_zebra.ed_verify(identity + bytes(32), b"anything", identity)
    assert verify(host, "ed25519", identity + bytes(32), b"anything", identity) == 1


def test_ecdsa_recovery(host: Host) -> None:
    key, message = Secp256k1(0xABCDEF), b"message"
    signature, digest = key.sign(message), hashlib.blake2b(message, digest_size=32).digest()

    def recover(of: bytes) -> bytes:
        name = "ext_crypto_secp256k1_ecdsa_recover_compressed_version_2"
        packed = HOST_FUNCTIONS[name](host, host.put(of), host.put(digest))
        assert packed is not None
        return host.span(packed)

    found = recover(signature)
    assert found[0] == 0
    assert hashlib.blake2b(found[1:], digest_size=32).digest() == key.id
    assert recover(signature[:64] + bytes([signature[64] + 27])) == found
    for wrong in (bytes(65), signature[:64] + b"\4", b"\xff" * 65):
        assert recover(wrong)[0] == 1


def test_code_that_is_none() -> None:
    with pytest.raises(ValueError, match="damaged"):
        decompress(COMPRESSED + b"rubbish")
    assert decompress(b"\0asm") == b"\0asm"
    with pytest.raises(Exception, match=r"(?i)wasm|magic|unexpected"):
        WasmRuntime(b"no wasm")


def test_versions_of_other_code(host: Host) -> None:
    assert asked(host, "misc_runtime_version_version_1", b"version") == b"\1" + prefixed(b"version")
    assert asked(host, "misc_runtime_version_version_1", b"") == b"\0"


def test_a_trap_leaves_nothing_behind(spec: Any) -> None:
    runtime = WasmRuntime(spec.genesis.get(CODE), default_cache())
    state = Overlay(spec.genesis)
    root = state.root(1)
    for _ in range(2):
        with pytest.raises(RuntimeTrap, match="AccountNonceApi_account_nonce trapped"):
            runtime.call(state, "AccountNonceApi_account_nonce", b"short")
        with pytest.raises(NoSuchMethod):
            runtime.call(state, "No_method", b"")
        assert runtime.call(state, "AccountNonceApi_account_nonce", bytes(32)) == bytes(4)
    assert (state.depth, state.root(1)) == (0, root)


def test_of_a_trap_only_its_error_tells(spec: Any) -> None:
    """Whoever sends bytes that are no extrinsic makes the runtime trap, and must not fill the log with it."""
    runtime = WasmRuntime(spec.genesis.get(CODE), default_cache())
    with structlog.testing.capture_logs() as logs:
        with pytest.raises(RuntimeTrap, match="Bad input data provided to account_nonce"):
            runtime.call(Overlay(spec.genesis), "AccountNonceApi_account_nonce", b"short")
        assert logs == []
        assert runtime._instance is None
        runtime.call(Overlay(spec.genesis), "AccountNonceApi_account_nonce", bytes(32))
        assert runtime._instance is not None
        host = runtime._instance.host
        message = host.put(b"beware")
        HOST_FUNCTIONS["ext_logging_log_version_1"](host, 1, message | 6 << 32, message | 6 << 32)
        assert host.warned == [("beware", "beware")]


def test_what_trapped_gives_its_memory_back(spec: Any) -> None:
    runtime = WasmRuntime(spec.genesis.get(CODE), default_cache())
    state = Overlay(spec.genesis)
    assert runtime.call(state, "AccountNonceApi_account_nonce", bytes(32)) == bytes(4)
    assert runtime._instance is not None
    host = weakref.ref(runtime._instance.host)
    with pytest.raises(RuntimeTrap):
        runtime.call(state, "AccountNonceApi_account_nonce", b"short")
    gc.collect()
    assert host() is None
