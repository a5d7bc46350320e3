"""The handshake that datdot's protocols share: `uint version | genesis[32]`, both ways."""

from __future__ import annotations

from service.hypercore import codec


class HandshakeError(Exception):
    """The other side speaks another version, or is on another chain. The message says what it sent."""


def encode_handshake(version: int, genesis: bytes) -> bytes:
    """Return the handshake of a version of a protocol on a chain."""
    return codec.encode_uint(version) + genesis


def check_handshake(data: bytes, version: int, genesis: bytes, protocol: str) -> None:
    """Raise HandshakeError unless the other side speaks this version on this chain.

    `protocol` is the name that error messages use.
    """
    try:
        reader = codec.Reader(data)
        theirs = reader.uint()
        if theirs != version:
            raise HandshakeError(
                f"the peer speaks version {theirs} of the {protocol} protocol, but we speak version {version}"
            )
        chain = reader.fixed(32)
        reader.end()
    except codec.CodecError as error:
        raise HandshakeError(f"handshake: {error}") from error
    if chain != genesis:
        raise HandshakeError(f"the peer is on chain {chain.hex()}, but we are on chain {genesis.hex()}")
