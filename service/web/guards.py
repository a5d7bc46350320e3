"""Who may ask, and how often. Pure: names of hosts against DNS rebinding, and a bucket of requests for each address."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import urlsplit

RATE = 20.0
"""Requests a second that one address may make for long ..."""
BURST = 60.0
"""... and how many at once."""
MOST_ADDRESSES = 1024
"""Addresses whose requests are counted; the one that was silent longest is forgotten for a new one."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class HostCheck:
    """The names under which the server may be asked: a page of another site cannot make its own name point here."""

    def __init__(self, bound: str, names: Iterable[str] = ()) -> None:
        """Take the address the server listens at, and further names that lead to it."""
        self._names = {*LOOPBACK, *(name.lower() for name in names)}
        try:
            if not ipaddress.ip_address(bound.partition("%")[0]).is_unspecified:
                self._names.add(bound.partition("%")[0])
        except ValueError:
            self._names.add(bound.lower())

    def allows(self, host: str | None) -> bool:
        """Return whether a Host header names this server."""
        return host is not None and _name(f"//{host}") in self._names

    def allows_origin(self, origin: str | None, host: str | None) -> bool:
        """Return whether an Origin header is absent, or that of a page of this server."""
        if origin is None:
            return True
        return host is not None and origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def _name(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no port
        return None if parts.path or parts.username is not None else parts.hostname
    except ValueError:
        return None


class ReaderCheck:
    """The addresses from which reading needs no session: this machine's own, and those of networks that were named."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Take networks as `read_network` returns them."""
        self._networks = [ipaddress.ip_network(one) for one in networks]

    def allows(self, remote: str | None) -> bool:
        """Return whether a request from an address may read. An IPv4 address may be written as one of IPv6."""
        try:
            found = ipaddress.ip_address((remote or "").partition("%")[0])
        except ValueError:
            return False
        address = getattr(found, "ipv4_mapped", None) or found
        return address.is_loopback or any(address in network for network in self._networks)


def read_network(text: str) -> str:
    """Return a network, `HOST` or `HOST/BITS`, in its usual form. Raises ValueError, also for one that is everybody."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no network such as 192.0.2.0/24, and no address: {error}") from None
    if not found.prefixlen:
        raise ValueError(f"{text!r} is everybody: name the networks whose machines may read")
    return str(found)


class RequestLimit:
    """A bucket for each address that fills by `rate` a second up to `burst`."""

    def __init__(self, rate: float = RATE, burst: float = BURST, most: int = MOST_ADDRESSES) -> None:
        self._rate, self._burst, self._most = rate, burst, most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """Take a request of an address at `now`, in seconds. Return 0, or for how many seconds it must wait."""
        left, since = self._buckets.pop(address, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        taken = left >= 1
        self._buckets[address] = (left - 1 if taken else left, now)
        while len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0.0 if taken else (1 - left) / self._rate
