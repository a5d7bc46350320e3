"""hyperswarm's secret stream: frames `u24le length | bytes`, a Noise handshake, then libsodium's secretstream.

Sans-IO.
"""

from __future__ import annotations

from nacl import bindings
from nacl.exceptions import CryptoError as SodiumError

from ..crypto import KeyPair, blake2b, equal, namespace
from .errors import ProtocolError
from .noise import Noise

NS_INITIATOR, NS_RESPONDER = namespace("hyperswarm/secret-stream", 2)
MAX_HANDSHAKE = 256
HEADER_BYTES = 56
STREAM_ID_BYTES = 32
OVERHEAD = 17
MAX_MESSAGE = (1 << 24) - 1 - OVERHEAD

_state = bindings.crypto_secretstream_xchacha20poly1305_state
_push = bindings.crypto_secretstream_xchacha20poly1305_push
_pull = bindings.crypto_secretstream_xchacha20poly1305_pull


def frame(data: bytes) -> bytes:
    """Return bytes with their length."""
    return len(data).to_bytes(3, "little") + data


def stream_id(handshake_hash: bytes, of_initiator: bool) -> bytes:
    """Return what each side shows first."""
    return blake2b(NS_INITIATOR if of_initiator else NS_RESPONDER, key=handshake_hash)


class SecretStream:
    """One side of a stream. Feed it the bytes from the peer, and send what it returns.

    With `noise`, a handshake that was made elsewhere (through a DHT) and is done, the stream begins with its header.
    """

    def __init__(
        self, initiator: bool, key_pair: KeyPair, remote_key: bytes | None = None, *, noise: Noise | None = None
    ) -> None:
        self.initiator = initiator
        self._expected = remote_key
        self._noise = noise or Noise("XX", initiator, key_pair)
        self._incoming = bytearray()
        self._sending, self._receiving = _state(), _state()
        self.remote_key = b""
        self.handshake_hash = b""
        self.opened = False
        self.frames = 0
        """Number of complete frames so far."""

    @property
    def held(self) -> int:
        """Bytes of an incomplete frame."""
        return len(self._incoming)

    def start(self) -> bytes:
        """Return what must be sent at once."""
        if self._noise.done:
            return self._begin()
        return frame(self._noise.write()) if self.initiator else b""

    def receive_bytes(self, data: bytes | memoryview) -> tuple[list[bytes], bytes]:
        """Return the messages that are now complete, and what must be sent in answer (handshake only).

        Raises ProtocolError, after which the connection must end.
        """
        self._incoming += data
        messages: list[bytes] = []
        answer = b""
        offset, buffered = 0, self._incoming
        while len(buffered) - offset >= 3:
            size = int.from_bytes(buffered[offset : offset + 3], "little")
            if not self.opened and size > MAX_HANDSHAKE:
                raise ProtocolError(f"a handshake frame of {size} bytes: the peer speaks another protocol")
            if len(buffered) - offset - 3 < size:
                break
            sealed = bytes(memoryview(buffered)[offset + 3 : offset + 3 + size])
            offset += 3 + size
            self.frames += 1
            if self.opened:
                message = self._open(sealed)
                if message:
                    messages.append(message)
            else:
                answer += self._shake_hands(sealed)
        if offset:
            del buffered[:offset]
        return messages, answer

    def send(self, message: bytes) -> bytes:
        """Encrypt a message. Raises ValueError if it is too large for a frame."""
        if len(message) > MAX_MESSAGE:
            raise ValueError(f"a message of {len(message)} bytes, over the limit of {MAX_MESSAGE} for a frame")
        return frame(_push(self._sending, message))

    def keep_alive(self) -> bytes:
        """Return an empty message, which the peer ignores."""
        return self.send(b"")

    def _open(self, sealed: bytes) -> bytes:
        if len(sealed) < OVERHEAD:
            raise ProtocolError(f"a frame of {len(sealed)} bytes is too short")
        try:
            message, _ = _pull(self._receiving, sealed)
        except (SodiumError, RuntimeError, ValueError) as error:
            raise ProtocolError("a frame does not decrypt") from error
        return bytes(message)

    def _shake_hands(self, message: bytes) -> bytes:
        if self._noise.done:
            return self._take_header(message)
        self._noise.read(message)
        remote = self._noise.remote_static
        if self._expected is not None and remote is not None and not equal(remote, self._expected):
            raise ProtocolError(f"the peer's key is {remote.hex()}, not {self._expected.hex()}")
        out = b""
        if not self._noise.done:
            out = frame(self._noise.write())
        return out + self._begin() if self._noise.done else out

    def _begin(self) -> bytes:
        self.handshake_hash = self._noise.hash
        self.remote_key = self._noise.remote_static or b""
        header = bindings.crypto_secretstream_xchacha20poly1305_init_push(self._sending, self._noise.sending_key)
        return frame(stream_id(self.handshake_hash, self.initiator) + header)

    def _take_header(self, message: bytes) -> bytes:
        if len(message) != HEADER_BYTES:
            raise ProtocolError(f"a stream header of {len(message)} bytes, not {HEADER_BYTES}")
        if not equal(message[:STREAM_ID_BYTES], stream_id(self.handshake_hash, not self.initiator)):
            raise ProtocolError("the stream's id is wrong: another version of the protocol")
        bindings.crypto_secretstream_xchacha20poly1305_init_pull(
            self._receiving, message[STREAM_ID_BYTES:], self._noise.receiving_key
        )
        self.opened = True
        return b""
