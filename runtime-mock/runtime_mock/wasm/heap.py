"""A runtime's memory as the host sees it, and the allocator in it, `allocator.wat`, which both sides use."""

from __future__ import annotations

import ctypes
from pathlib import Path

import wasmtime

U32 = 0xFFFF_FFFF
LISTS, END, HEADER, MARK = 32, 31, 16, 0x5EED00
MAX_ALLOCATION = 32 * 1024 * 1024
"""What allocator.wat says of its lists and of its blocks."""
FUNCTIONS = {"ext_allocator_malloc_version_1": "malloc", "ext_allocator_free_version_1": "free"}
"""Substrate's host functions that it has, by their names there."""


class Heap:
    """The memory that a runtime imports. Its address must not change when it grows (`memory_may_move`)."""

    def __init__(self, engine: wasmtime.Engine, store: wasmtime.Store, memory: wasmtime.Memory) -> None:
        module = wasmtime.Module(engine, (Path(__file__).parent / "allocator.wat").read_text())
        self.exports = wasmtime.Instance(store, module, [memory]).exports(store)
        self._memory, self._store = memory, store
        self._base, self._length = ctypes.addressof(memory.data_ptr(store).contents), memory.data_len(store)

    def _call(self, name: str, argument: int) -> int:
        function = self.exports[name]
        assert isinstance(function, wasmtime.Func)
        return int(function(self._store, argument)) & U32

    def begin(self, base: int) -> None:
        """Begin a call of the runtime: nothing is allocated from `base` on."""
        lists = self._call("reset", base)
        self._check(lists, LISTS * 4)
        self._lists = (ctypes.c_uint32 * LISTS).from_address(self._base + lists)

    def _check(self, pointer: int, size: int) -> None:
        """Raise IndexError unless the memory has these bytes. It grows, and never shrinks."""
        if pointer < 0 or size < 0 or pointer + size > self._length:
            self._length = self._memory.data_len(self._store)
            if pointer < 0 or size < 0 or pointer + size > self._length:
                raise IndexError(f"the runtime named {size} bytes at {pointer:#x}, and its memory has {self._length}")

    def read(self, pointer: int, size: int) -> bytes:
        """Read bytes. Raises IndexError."""
        self._check(pointer, size)
        return ctypes.string_at(self._base + pointer, size)

    def write(self, data: bytes, pointer: int) -> None:
        """Write bytes. Raises IndexError."""
        self._check(pointer, len(data))
        ctypes.memmove(self._base + pointer, data, len(data))

    def allocate(self, size: int) -> int:
        """Allocate as `malloc` does, which is called where the memory has to grow only: a call into wasm takes long.

        Raises MemoryError and, if the runtime wrote over the lists, IndexError.
        """
        if size > MAX_ALLOCATION:
            raise MemoryError(f"a value of {size} bytes is more than a runtime takes at once")
        k = max(3, (size - 1).bit_length())
        block, end = self._lists[k], self._lists[END] + HEADER + (1 << k)
        if block:
            if block < HEADER:
                raise IndexError(f"the runtime's heap is corrupt: no block is at {block:#x}")
            self._check(block, 1 << k)
            self._lists[k] = int.from_bytes(self.read(block, 4), "little")
        elif end <= self._length:
            block = end - (1 << k)
            self._lists[END] = end
        else:
            return self._call("malloc", size)
        self.write((MARK | k).to_bytes(HEADER, "little"), block - HEADER)
        return block
