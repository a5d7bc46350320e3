"""The ports of a node: protocols for what it is given from outside, so that a test can put another world in its place.

Clock, threads and sockets already have a port, the event loop. The code above reads time only by `loop.time()`, blocks
only in `asyncio.to_thread`, and opens sockets only by `loop.create_server` and `loop.create_connection`. Keys and salts
come from the standard library's `secrets` and nowhere else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from service.chain_client.client import ReadingRpc
from service.chain_client.rpc import REQUEST_SECONDS, NodeRpc
from service.chain_client.signer import SigningPair
from service.encoding import P1, PrivateKey, Profile
from service.encoding.pool import CodecPool, Digest, Pieces, Read, Run
from service.encoding.progress import Progress
from service.vault import PeerKeys


class SectorStream(Protocol):
    """Runs of encoded sectors, in order. `aclose` stops the stream early."""

    @property
    def progress(self) -> Progress:
        """Sectors done and their rate."""
        ...

    def __aiter__(self) -> AsyncIterator[Run]: ...

    async def __anext__(self) -> Run: ...

    async def aclose(self) -> None:
        """Stop, and drop the key."""
        ...


class Codec(Protocol):
    """An encoder and decoder of sectors, used as an async context manager for the life of a node."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def encode(
        self,
        pieces: Pieces,
        *,
        salt: bytes,
        key: PrivateKey,
        ctx: bytes = b"",
        first_sector: int = 0,
        sectors: int | None = None,
    ) -> SectorStream:
        """Encode a stream of plaintext, starting at byte 256·first_sector of the segment.

        With the context of the segment's tree, `ctx`, each run brings its leaf hashes.
        """
        ...

    async def decode_run(
        self, first_sector: int, data: bytes, *, salt: bytes, modulus: bytes, profile: Profile = P1
    ) -> bytes:
        """Decode one run of sectors. Raises SectorError and ModulusError."""
        ...

    async def decode_read(
        self, read: Read, start: int, end: int, *, salt: bytes, modulus: bytes, digest: Digest, profile: Profile = P1
    ) -> tuple[bytes, bytes]:
        """Decode bytes [start, end) of a segment, read beside the event loop. Return them, and what `digest` makes of them.

        Raises what `decode_run` and `read` raise.
        """
        ...


def _websocket(url: str, genesis: bytes | None) -> NodeRpc:
    return ReadingRpc(url, REQUEST_SECONDS, genesis)


def _sr25519(keys: PeerKeys) -> SigningPair:
    return keys.account_pair


@dataclass(frozen=True, slots=True)
class Ports:
    """The world of a node, by default the real one."""

    rpc: Callable[[str, bytes | None], NodeRpc] = _websocket
    """Returns a connection to the chain at an address, which must have the given genesis (None: any)."""
    codec: Callable[[], Codec] = CodecPool
    account: Callable[[PeerKeys], SigningPair] = _sr25519
    """Returns the key pair that signs for the account of a key file."""
