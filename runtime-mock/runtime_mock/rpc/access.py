"""Who may talk to the server: the names that it answers to, and the web pages whose requests it takes.

A browser sends the requests of any page to 127.0.0.1, and of a page whose name was made to point there (DNS rebinding).
`Origin` tells the page, `Host` the name. Programs send no `Origin`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
ALL = "all"
MAX_TOLD = 100
"""Characters of a refused header that are repeated to its sender."""


@dataclass(frozen=True, slots=True)
class Access:
    """The hosts and origins that are let in beside those of this machine, and whether `mock_*` methods are there.

    `hosts` are names or addresses without a port, in lower case; `origins` are as browsers send them. The word `all` lets
    in every one.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    control: bool = False

    def refusal(self, host: str | None, origin: str | None) -> str | None:
        """Return why a request with these headers is refused, or None."""
        if not self._is_host(host):
            return (
                f"The Host header {_told(host)} is not allowed: this node answers to localhost, 127.0.0.1 and [::1], and to "
                "what its option --rpc-hosts names.\n"
            )
        if origin is not None and not self.is_origin(origin):
            return (
                f"The Origin {_told(origin)} is not allowed: this node takes requests of web pages of this machine only, and "
                "of those that its option --rpc-cors names.\n"
            )
        return None

    def _is_host(self, host: str | None) -> bool:
        if ALL in self.hosts:
            return True
        found = None if host is None else _split("//" + host)
        return found is not None and found.path == "" and found.hostname in LOCAL | self.hosts

    def is_origin(self, origin: str) -> bool:
        """Return whether the requests of a page of that origin are taken."""
        if ALL in self.origins or origin in self.origins:
            return True
        found = _split(origin)
        return found is not None and found.scheme in ("http", "https") and found.hostname in LOCAL


def named(values: Iterable[str]) -> frozenset[str]:
    """Return the names of options that take several, each option with commas between them."""
    return frozenset(name for value in values for one in value.split(",") if (name := one.strip().lower()))


def _split(address: str) -> SplitResult | None:
    try:
        found = urlsplit(address)
        _ = found.port  # raises for a port that is no number
    except ValueError:
        return None
    return found if found.username is None and found.password is None else None


def _told(value: str | None) -> str:
    return "(none)" if value is None else repr(value[:MAX_TOLD])
