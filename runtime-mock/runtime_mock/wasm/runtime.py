"""The real runtime, executed in this process by wasmtime, with Substrate's host functions in Python."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cramjam
import structlog
import wasmtime

from ..runtime import CODE, NoSuchMethod, RuntimeFault, RuntimeTrap
from ..state.overlay import Overlay
from ..state.trie import Trie
from .heap import FUNCTIONS, Heap
from .host import HOST_FUNCTIONS, Host

log = structlog.get_logger(__name__)

COMPRESSED = bytes([82, 188, 83, 118, 70, 219, 142, 5])
MAX_CODE_BYTES = 50 * 1024 * 1024
SETTINGS = 2
"""Counts changes of the compiler's settings, for which a module that was compiled before is no good."""
MASK = {"i32": 0xFFFF_FFFF, "i64": 0xFFFF_FFFF_FFFF_FFFF}


def decompress(code: bytes) -> bytes:
    """Return the wasm in a code blob, which may be compressed. Raises ValueError."""
    if not code.startswith(COMPRESSED):
        return code
    try:
        return bytes(cramjam.zstd.decompress(code[len(COMPRESSED) :]))
    except cramjam.DecompressionError as error:
        raise ValueError(f"the runtime's code is damaged: {error}") from error


def compile_module(engine: wasmtime.Engine, wasm: bytes, cache: Path | None) -> wasmtime.Module:
    """Compile the wasm, or load what an earlier run with the same code and compiler left in `cache`."""
    if cache is None:
        return wasmtime.Module(engine, wasm)
    name = f"{hashlib.blake2b(wasm, digest_size=16).hexdigest()}-{version('wasmtime')}-{SETTINGS}.cwasm"
    stored = cache / name
    if stored.exists():
        try:
            return wasmtime.Module.deserialize_file(engine, str(stored))
        except wasmtime.WasmtimeError as error:
            log.warning(
                "cannot use the cached compiled runtime; compiling it again", file=str(stored), error=str(error)
            )
    module = wasmtime.Module(engine, wasm)
    cache.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=cache)
    with os.fdopen(descriptor, "wb") as file:
        file.write(module.serialize())
        file.flush()
        os.fsync(file.fileno())  # before the rename: half a module under the right name would be executed
    os.replace(temporary, stored)
    return module


def default_cache() -> Path:
    """Return the folder for compiled runtimes."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datdot" / "wasm"


class _Instance:
    """One instantiated runtime. Before each call its memory is reset to its state after instantiation."""

    def __init__(
        self, engine: wasmtime.Engine, module: wasmtime.Module, version_of: Callable[[bytes], bytes | None]
    ) -> None:
        self.store = wasmtime.Store(engine)
        memories = [one.type for one in module.imports if isinstance(one.type, wasmtime.MemoryType)]
        if len(memories) != 1:
            raise ValueError(f"the code is not a Substrate runtime: it imports {len(memories)} memories, not one")
        memory = wasmtime.Memory(self.store, memories[0])
        self._heap = Heap(engine, self.store, memory)
        self.host = Host(version_of, self._heap)
        linker = wasmtime.Linker(engine)
        for wanted in module.imports:
            name, kind = wanted.name or "", wanted.type
            if isinstance(kind, wasmtime.MemoryType):
                linker.define(self.store, wanted.module, name, memory)
            elif name in FUNCTIONS:
                linker.define(self.store, wanted.module, name, self._heap.exports[FUNCTIONS[name]])
            elif isinstance(kind, wasmtime.FuncType):
                linker.define(self.store, wanted.module, name, wasmtime.Func(self.store, kind, self._bind(name, kind)))
        self._exports = linker.instantiate(self.store, module).exports(self.store)
        base = self._exports["__heap_base"]
        if not isinstance(base, wasmtime.Global):
            raise ValueError("the code is not a Substrate runtime: it has no __heap_base")
        self._base = int(base.value(self.store))
        self._initial = self._heap.read(0, self._base)

    def _bind(self, name: str, kind: wasmtime.FuncType) -> Callable[..., Any]:
        masks = [MASK[str(parameter)] for parameter in kind.params]
        function = HOST_FUNCTIONS.get(name)
        wide = [str(result) for result in kind.results] == ["i64"]

        def bound(*arguments: int) -> int | None:
            if function is None:
                raise RuntimeError(f"the runtime called {name}, which this host does not have")
            result = function(self.host, *(value & mask for value, mask in zip(arguments, masks, strict=True)))
            if result is None:
                return None
            limit = 64 if wide else 32
            return result - (1 << limit) if result >> (limit - 1) else result

        return bound

    def close(self) -> None:
        """Release the memory. The host functions form a cycle through wasmtime that no collector can see."""
        self.store.close()

    def call(self, state: Overlay, method: str, data: bytes) -> bytes:
        function = self._exports.get(method)
        if not isinstance(function, wasmtime.Func):
            raise NoSuchMethod(f"the runtime has no method {method}")
        self._heap.write(self._initial, 0)
        self._heap.begin(self._base)
        self.host.begin(state)
        pointer = self.host.put(data)
        packed = int(function(self.store, pointer, len(data))) & MASK["i64"]
        # of a call that trapped its error tells: strangers can make such calls without end
        for target, message in self.host.warned:
            log.warning("runtime", target=target, message=message)
        return self.host.span(packed)


class WasmRuntime:
    """An executor of the code in the state, or of `code` if the state holds none. It is not thread-safe."""

    def __init__(self, code: bytes, cache: Path | None = None) -> None:
        config = wasmtime.Config()
        config.cranelift_opt_level = "speed"
        config.memory_reservation, config.memory_may_move = 1 << 32, False  # the host keeps its address
        self._engine = wasmtime.Engine(config)
        self._cache, self._default = cache, code
        self._module = compile_module(self._engine, decompress(code), cache)
        self._loaded = code
        self._instance: _Instance | None = None

    def _load(self, code: bytes) -> _Instance:
        if code is not self._loaded:
            if code != self._loaded:
                self._module = compile_module(self._engine, decompress(code), self._cache)
                self._discard()
            self._loaded = code
        if self._instance is None:
            self._instance = _Instance(self._engine, self._module, self._version_of)
        return self._instance

    def _discard(self) -> None:
        if self._instance is not None:
            self._instance.close()
            self._instance = None

    def _version_of(self, code: bytes) -> bytes | None:
        """Return the version that another code reports, before it takes over."""
        try:
            module = compile_module(self._engine, decompress(code), self._cache)
            with closing(_Instance(self._engine, module, lambda _: None)) as instance:
                return instance.call(Overlay(Trie()), "Core_version", b"")
        except (ValueError, LookupError, RuntimeFault, wasmtime.WasmtimeError, wasmtime.Trap) as error:
            log.warning("the code is not a runtime", bytes=len(code), error=str(error)[:200])
            return None

    def call(self, state: Overlay, method: str, data: bytes) -> bytes:
        """Call a runtime API over `state`. Raises RuntimeTrap and NoSuchMethod."""
        instance = self._load(state.get(CODE) or self._default)
        depth = state.depth
        try:
            return instance.call(state, method, data)
        except NoSuchMethod:
            raise
        except Exception as error:
            # after a trap the instance's globals are in an unknown state
            self._discard()
            while state.depth > depth:
                state.rollback()
            said = "; ".join(instance.host.said[-3:])
            raise RuntimeTrap(f"{method} trapped: {said or error}") from error
