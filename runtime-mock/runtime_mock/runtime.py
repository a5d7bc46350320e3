"""The interface between a chain and its runtime, wasm or model: one call by name, SCALE in, SCALE out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .codec import Reader
from .state.overlay import Overlay

CODE = b":code"
"""The storage key of the runtime's code."""


class RuntimeFault(Exception):
    """A runtime call did not return. The message names the method."""


class RuntimeTrap(RuntimeFault):
    """The runtime panicked. The state's changes must be dropped."""


class NoSuchMethod(RuntimeFault):
    """The runtime exports no such method."""


class Runtime(Protocol):
    """An executor of a runtime over a state."""

    def call(self, state: Overlay, method: str, data: bytes) -> bytes:
        """Call a runtime API, e.g. `Core_version`. Raises RuntimeTrap and NoSuchMethod."""
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """`RuntimeVersion`."""

    spec_name: str
    impl_name: str
    authoring_version: int
    spec_version: int
    impl_version: int
    apis: tuple[tuple[bytes, int], ...]
    transaction_version: int
    system_version: int

    @classmethod
    def decode(cls, data: bytes) -> Version:
        """Decode the SCALE bytes of `Core_version`."""
        reader = Reader(data)
        spec_name, impl_name = reader.bytes().decode(), reader.bytes().decode()
        authoring, spec, impl = reader.uint(4), reader.uint(4), reader.uint(4)
        apis = tuple((reader.take(8), reader.uint(4)) for _ in range(reader.compact()))
        return cls(spec_name, impl_name, authoring, spec, impl, apis, reader.uint(4), reader.uint(1))

    @property
    def state_version(self) -> int:
        """The layout of the state trie."""
        return min(self.system_version, 1)

    @property
    def extrinsics_version(self) -> int:
        """The layout of the trie under a header's extrinsics root."""
        return 1 if self.system_version >= 2 else 0
