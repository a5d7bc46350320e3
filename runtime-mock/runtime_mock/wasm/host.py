"""Substrate's host functions over one wasm memory: storage, hashing, signatures, logging. Its allocator is wasm, too.

Pointers are u32, spans u64: `length << 32 | pointer` (sp-io, "host functions").
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import ed25519_zebra
import sr25519
import xxhash
from Crypto.Hash import keccak

from .. import secp256k1
from ..codec import CodecError, Reader, blake2_256, compact
from ..state.overlay import Overlay
from ..state.trie import Trie, ordered_root
from .heap import U32, Heap

MAX_SAID = 100
WARN = 2


class Host:
    """The state of one instance: its heap, and the storage of the current call."""

    def __init__(self, version_of: Callable[[bytes], bytes | None], heap: Heap) -> None:
        self.version_of, self.heap = version_of, heap
        self.said: list[str] = []
        self.warned: list[tuple[str, str]] = []

    def begin(self, state: Overlay) -> None:
        """Begin a call."""
        self.state = state
        self.said, self.warned = [], []

    def span(self, packed: int) -> bytes:
        """Read the bytes of a span."""
        return self.heap.read(packed & U32, packed >> 32)

    def put(self, data: bytes) -> int:
        """Allocate a block with `data` and return its pointer."""
        pointer = self.heap.allocate(len(data))
        self.heap.write(data, pointer)
        return pointer

    def put_span(self, data: bytes) -> int:
        """Allocate a block with `data` and return its span."""
        return len(data) << 32 | self.put(data)

    def put_option(self, data: bytes | None) -> int:
        """Return `Option<Vec<u8>>` as a span."""
        return self.put_span(b"\0" if data is None else b"\1" + compact(len(data)) + data)


HostFunction = Callable[..., "int | None"]
HOST_FUNCTIONS: dict[str, HostFunction] = {}


def _host(name: str) -> Callable[[HostFunction], HostFunction]:
    def register(function: HostFunction) -> HostFunction:
        HOST_FUNCTIONS[f"ext_{name}"] = function
        return function

    return register


@_host("logging_max_level_version_1")
def _max_level(host: Host) -> int:
    return WARN


@_host("logging_log_version_1")
def _log(host: Host, level: int, target: int, message: int) -> None:
    text = host.span(message).decode(errors="replace")
    _say(host, text)
    if level <= WARN and len(host.warned) < MAX_SAID:
        host.warned.append((host.span(target).decode(errors="replace"), text))


def _say(host: Host, text: str) -> None:
    if len(host.said) < MAX_SAID:
        host.said.append(text)


@_host("misc_print_utf8_version_1")
def _print_utf8(host: Host, data: int) -> None:
    _say(host, host.span(data).decode(errors="replace"))


@_host("misc_print_hex_version_1")
def _print_hex(host: Host, data: int) -> None:
    _say(host, host.span(data).hex())


@_host("misc_runtime_version_version_1")
def _runtime_version(host: Host, code: int) -> int:
    return host.put_option(host.version_of(host.span(code)))


@_host("storage_get_version_1")
def _get(host: Host, key: int) -> int:
    return host.put_option(host.state.get(host.span(key)))


@_host("storage_read_version_1")
def _read(host: Host, key: int, out: int, offset: int) -> int:
    """Copy part of a value into the runtime's memory. Return `Option<u32>`: the bytes there are from `offset` on."""
    value = host.state.get(host.span(key))
    if value is None:
        return host.put_span(b"\0")
    rest = value[offset:]
    host.heap.write(rest[: out >> 32], out & U32)
    return host.put_span(b"\1" + len(rest).to_bytes(4, "little"))


@_host("storage_set_version_1")
def _set(host: Host, key: int, value: int) -> None:
    host.state.put(host.span(key), host.span(value))


@_host("storage_clear_version_1")
def _clear(host: Host, key: int) -> None:
    host.state.delete(host.span(key))


@_host("storage_exists_version_1")
def _exists(host: Host, key: int) -> int:
    return int(host.state.get(host.span(key)) is not None)


@_host("storage_append_version_1")
def _append(host: Host, key: int, value: int) -> None:
    name, item = host.span(key), host.span(value)
    present = host.state.get(name)
    try:
        reader = Reader(present or b"\0")
        count = reader.compact()
        rest = reader.data[reader.offset :]
    except CodecError:
        count, rest = 0, b""
    host.state.put(name, compact(count + 1) + rest + item)


@_host("storage_next_key_version_1")
def _next_key(host: Host, key: int) -> int:
    return host.put_option(host.state.next_key(host.span(key)))


@_host("storage_clear_prefix_version_2")
def _clear_prefix(host: Host, prefix: int, limit: int) -> int:
    wanted = host.span(limit)
    most = int.from_bytes(wanted[1:5], "little") if wanted[0] else None
    seen, more = host.state.clear_prefix(host.span(prefix), most)
    return host.put_span(bytes([more]) + seen.to_bytes(4, "little"))


@_host("storage_root_version_2")
def _root(host: Host, version: int) -> int:
    return host.put_span(host.state.root(version))


@_host("storage_start_transaction_version_1")
def _begin(host: Host) -> None:
    host.state.begin()


@_host("storage_commit_transaction_version_1")
def _commit(host: Host) -> None:
    host.state.commit()


@_host("storage_rollback_transaction_version_1")
def _rollback(host: Host) -> None:
    host.state.rollback()


@_host("trie_blake2_256_ordered_root_version_2")
def _ordered_root(host: Host, data: int, version: int) -> int:
    reader = Reader(host.span(data))
    return host.put(ordered_root([reader.bytes() for _ in range(reader.compact())], version))


@_host("trie_blake2_256_root_version_2")
def _trie_root(host: Host, data: int, version: int) -> int:
    reader = Reader(host.span(data))
    entries = [(reader.bytes(), reader.bytes()) for _ in range(reader.compact())]
    return host.put(Trie.of(entries).root(version))


def _twox(data: bytes, words: int) -> bytes:
    return b"".join(xxhash.xxh64_intdigest(data, seed=seed).to_bytes(8, "little") for seed in range(words))


@_host("hashing_twox_64_version_1")
def _twox_64(host: Host, data: int) -> int:
    return host.put(_twox(host.span(data), 1))


@_host("hashing_twox_128_version_1")
def _twox_128(host: Host, data: int) -> int:
    return host.put(_twox(host.span(data), 2))


@_host("hashing_twox_256_version_1")
def _twox_256(host: Host, data: int) -> int:
    return host.put(_twox(host.span(data), 4))


@_host("hashing_blake2_128_version_1")
def _blake2_128(host: Host, data: int) -> int:
    return host.put(hashlib.blake2b(host.span(data), digest_size=16).digest())


@_host("hashing_blake2_256_version_1")
def _blake2_256(host: Host, data: int) -> int:
    return host.put(blake2_256(host.span(data)))


@_host("hashing_sha2_256_version_1")
def _sha2_256(host: Host, data: int) -> int:
    return host.put(hashlib.sha256(host.span(data)).digest())


@_host("hashing_keccak_256_version_1")
def _keccak_256(host: Host, data: int) -> int:
    return host.put(keccak.new(digest_bits=256, data=host.span(data)).digest())


@_host("crypto_sr25519_verify_version_2")
def _sr25519_verify(host: Host, signature: int, message: int, public: int) -> int:
    try:
        return int(sr25519.verify(host.heap.read(signature, 64), host.span(message), host.heap.read(public, 32)))
    except ValueError:  # the bytes are not a signature, or not a key
        return 0


@_host("crypto_ed25519_verify_version_1")
def _ed25519_verify(host: Host, signature: int, message: int, public: int) -> int:
    # ZIP-215, as in the node: libsodium refuses some signatures that the node accepts
    try:
        return int(
            ed25519_zebra.ed_verify(host.heap.read(signature, 64), host.span(message), host.heap.read(public, 32))
        )
    except ValueError:
        return 0


@_host("crypto_secp256k1_ecdsa_recover_compressed_version_2")
def _ecdsa_recover(host: Host, signature: int, message: int) -> int:
    key = secp256k1.recover(host.heap.read(message, 32), host.heap.read(signature, 65))
    # `Err(EcdsaVerifyError::BadSignature)`; no caller looks at which error it is
    return host.put_span(b"\1\2" if key is None else b"\0" + key)
