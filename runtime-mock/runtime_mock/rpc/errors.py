"""JSON-RPC errors, and the parsing of parameters from strangers."""

from __future__ import annotations

from typing import Any

PARSE, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
SERVER, CLIENT, TOO_MANY_KEYS, NO_RANGE = -32000, 4003, 4002, 4001
TOO_MANY_FOLLOWS = -32800
TOO_MANY_SUBSCRIPTIONS, TOO_BIG_REQUEST, TOO_BIG_RESPONSE, TOO_BIG_BATCH = -32006, -32007, -32008, -32010


class RpcError(Exception):
    """An error as the client receives it."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    def json(self) -> dict[str, Any]:
        """Return the error object."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            found["data"] = self.data
        return found


def invalid(why: str) -> RpcError:
    """Return the error for an invalid parameter."""
    return RpcError(INVALID_PARAMS, "Invalid params", why)


def to_hex(data: bytes) -> str:
    """Encode bytes as clients expect them."""
    return "0x" + data.hex()


def optional_hex(data: bytes | None) -> str | None:
    """Encode bytes that may be absent."""
    return None if data is None else to_hex(data)


def hex_bytes(value: Any, what: str, size: int | None = None) -> bytes:
    """Parse bytes from a parameter. The 0x may be missing, as with a real node. Raises RpcError."""
    if not isinstance(value, str):
        raise invalid(f"{what}: a hex string is needed")
    try:
        data = bytes.fromhex(value.removeprefix("0x"))
    except ValueError:
        raise invalid(f"{what}: invalid hex") from None
    if size is not None and len(data) != size:
        raise invalid(f"{what}: {size} bytes are needed, not {len(data)}")
    return data


def whole_number(value: Any, what: str, most: int) -> int:
    """Parse a number, decimal or 0x, from a parameter. Raises RpcError."""
    if isinstance(value, str) and value.startswith("0x") and len(value) <= 18:
        try:
            value = int(value, 16)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise invalid(f"{what}: a number of 0 to {most} is needed")
    return value


def text(value: Any, what: str) -> str:
    """Parse a string from a parameter. Raises RpcError."""
    if not isinstance(value, str):
        raise invalid(f"{what}: a string is needed")
    return value


def hex_list(value: Any, what: str, most: int) -> list[bytes]:
    """Parse a list of bytes from a parameter. Raises RpcError."""
    if not isinstance(value, list) or len(value) > most:
        raise invalid(f"{what}: a list of at most {most} is needed")
    return [hex_bytes(one, what) for one in value]
