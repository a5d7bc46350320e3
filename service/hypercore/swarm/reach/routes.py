"""Ways by which peers were reached, for the next stream to the same peer: no node is asked for it, and no hole is punched again.

hyperdht's name for it is `reusableSocket`. Both sides have to allow it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from ..dht.address import Address
from ..dht.requests import Port

MAX_ROUTES = 512


@dataclass(frozen=True, slots=True)
class Route:
    """From which of the node's sockets, to which address of the peer's. `kind`: "direct" or "punched"."""

    port: Port
    remote: Address
    kind: str


class Routes:
    """The newest route to each peer, by its key. Whoever has the sockets says when one is over."""

    def __init__(self) -> None:
        self._routes: OrderedDict[bytes, Route] = OrderedDict()

    def __len__(self) -> int:
        return len(self._routes)

    def add(self, key: bytes, route: Route) -> None:
        """Note a route. The one that was noted first goes if there are too many."""
        self._routes.pop(key, None)
        self._routes[key] = route
        if len(self._routes) > MAX_ROUTES:
            self._routes.popitem(last=False)

    def get(self, key: bytes) -> Route | None:
        """Return the route to a peer."""
        return self._routes.get(key)

    def drop(self, key: bytes, port: Port, remote: Address) -> None:
        """Forget a route, unless it is another one by now."""
        known = self._routes.get(key)
        if known is not None and (known.port, known.remote) == (port, remote):
            del self._routes[key]
