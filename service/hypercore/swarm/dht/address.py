"""Addresses as the DHT has them: an IPv4 host and a port, and the ids that they make."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import NamedTuple

from ...codec import CodecError, Reader, encode_uint
from ...crypto import blake2b

ADDRESS_BYTES, ADDRESS6_BYTES = 6, 18
ID_BYTES = 32
PORT, MAX_PORT = 49_737, 0xFFFF
"""The port of DHT nodes that are told to others."""


class Address(NamedTuple):
    """A host in dotted decimal (or, in `addresses6`, an IPv6 host), and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address in `HOST:PORT` with an IPv4 host. Raises ValueError."""
        host, _, port = text.rpartition(":")
        try:
            found = cls(str(ipaddress.IPv4Address(host)), int(port) if port.isdecimal() else -1)
        except ValueError:
            found = cls(host, -1)
        if not 0 <= found.port <= MAX_PORT:
            raise ValueError(f"{text!r}: the DHT takes IPv4 addresses, as 192.0.2.1:{PORT}")
        return found

    @classmethod
    def beside(cls, host: str, port: int) -> Address:
        """Return where the DHT's node listens beside a TCP listener. The DHT has IPv4 only: beside IPv6, on all of it."""
        try:
            return cls(str(ipaddress.IPv4Address(host)), port)
        except ValueError:
            return cls("0.0.0.0", port)


PUBLIC = "public"
PUBLIC_NODES = (Address("88.99.3.86", PORT), Address("142.93.90.113", PORT), Address("138.68.147.8", PORT))
"""The nodes that npm's peers begin with (node1, node2 and node3.hyperdht.org). They are asked by who names `public` only."""


def bootstrap_nodes(texts: Iterable[str]) -> tuple[Address, ...]:
    """Return the nodes that `HOST:PORT` and `public` stand for, each once. Raises ValueError."""
    found: dict[Address, None] = {}
    for text in texts:
        found.update(dict.fromkeys(PUBLIC_NODES if text == PUBLIC else (Address.parse(text),)))
    return tuple(found)


_BOGONS = tuple(
    ipaddress.ip_network(one)
    for one in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )
)  # fmt: skip


def is_bogon(host: str) -> bool:
    """Return whether an IPv4 host cannot be reached over the internet. Raises ValueError if it is none."""
    address = ipaddress.IPv4Address(host)
    return any(address in network for network in _BOGONS)


def encode_address(address: Address) -> bytes:
    """Return the 6 bytes of an IPv4 address. Raises ValueError if it is none."""
    return _packed(socket.AF_INET, address.host) + address.port.to_bytes(2, "little")


def encode_address6(address: Address) -> bytes:
    """Return the 18 bytes of an IPv6 address. Raises ValueError if it is none."""
    return _packed(socket.AF_INET6, address.host) + address.port.to_bytes(2, "little")


def _packed(family: socket.AddressFamily, host: str) -> bytes:
    try:
        return socket.inet_pton(family, host)
    except OSError as error:
        raise ValueError(f"{host} is no address of this kind") from error


def decode_address(reader: Reader) -> Address:
    """Read an IPv4 address. Raises CodecError."""
    raw = reader.fixed(ADDRESS_BYTES, "an address")
    return Address(socket.inet_ntop(socket.AF_INET, raw[:4]), int.from_bytes(raw[4:], "little"))


def decode_address6(reader: Reader) -> Address:
    """Read an IPv6 address. Raises CodecError."""
    raw = reader.fixed(ADDRESS6_BYTES, "an IPv6 address")
    return Address(socket.inet_ntop(socket.AF_INET6, raw[:16]), int.from_bytes(raw[16:], "little"))


def encode_addresses(addresses: tuple[Address, ...]) -> bytes:
    """Return IPv4 addresses with their number in front."""
    return encode_uint(len(addresses)) + b"".join(map(encode_address, addresses))


def decode_addresses(reader: Reader, most: int) -> tuple[Address, ...]:
    """Read IPv4 addresses, at most `most`. Raises CodecError."""
    count = reader.uint("number of addresses", most)
    if count * ADDRESS_BYTES > reader.left:
        raise CodecError(f"{count} addresses do not fit {reader.left} bytes")
    return tuple(decode_address(reader) for _ in range(count))


def node_id(address: Address) -> bytes:
    """Return the id of the node at an address: nobody chooses where in the table he stands."""
    return blake2b(encode_address(address))
