"""Recovery of ECDSA public keys on secp256k1 from signatures, for accounts that sign with `MultiSignature::Ecdsa`."""

from __future__ import annotations

_P = 2**256 - 2**32 - 977
_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)

Point = tuple[int, int] | None


def _add(a: Point, b: Point) -> Point:
    if a is None:
        return b
    if b is None:
        return a
    if a[0] == b[0]:
        if (a[1] + b[1]) % _P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, _P) % _P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, _P) % _P
    x = (slope * slope - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _multiply(point: Point, scalar: int) -> Point:
    total: Point = None
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def recover(digest: bytes, signature: bytes) -> bytes | None:
    """Return the compressed key that made `signature` (r, s, recovery id: 65 bytes) over a 32-byte digest, or None."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    parity = signature[64] - 27 if signature[64] > 26 else signature[64]
    if not (0 < r < _N and 0 < s < _N) or parity > 3:
        return None
    x = r + _N * (parity >> 1)
    if x >= _P:
        return None
    y = pow(x**3 + 7, (_P + 1) // 4, _P)
    if y * y % _P != (x**3 + 7) % _P:
        return None
    if y & 1 != parity & 1:
        y = _P - y
    inverse = pow(r, -1, _N)
    u1 = -int.from_bytes(digest, "big") * inverse % _N
    u2 = s * inverse % _N
    key = _add(_multiply(_G, u1), _multiply((x, y), u2))
    if key is None:
        return None
    return bytes([2 + (key[1] & 1)]) + key[0].to_bytes(32, "big")
