"""Why a peer could not be reached."""

from __future__ import annotations

from enum import StrEnum

from ...wire.errors import ConnectError


class Reason(StrEnum):
    """Why there is no connection. Names and texts are for people; programs compare members."""

    NOT_FOUND = "no node knows the peer: it does not listen, or not in this DHT"
    NO_ANSWER = "nodes know the peer, but it does not answer through them"
    INCOMPATIBLE = "the peer speaks another version of the protocol"
    REFUSED = "the peer refused"
    NOT_PUNCHABLE = "the peer is behind a NAT and names no node through which a hole could be punched"
    PROBE_FAILED = "the peer did not answer while holes were to be agreed on, or one side does not know its NAT"
    BOTH_RANDOM = "both peers are behind NATs that use random ports"
    TRY_LATER = "other holes are being punched: one at a time, with 20 s between, where ports are random"
    PUNCH_REFUSED = "the peer gave up while a hole was punched"
    PUNCH_FAILED = "no hole could be punched"
    NOT_OPENED = "a way was found, but the encrypted stream did not open"
    TIMED_OUT = "it took too long"
    CLOSED = "this node was closed"


class Unreachable(ConnectError):
    """A peer could not be reached. `reason` says why."""

    def __init__(self, key: bytes, reason: Reason, detail: str = "") -> None:
        super().__init__(f"peer {key.hex()}: {reason}" + (f" ({detail})" if detail else ""))
        self.key, self.reason = key, reason
