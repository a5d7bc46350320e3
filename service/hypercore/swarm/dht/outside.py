"""How a node looks from outside: what the nodes of the DHT that answered say of it."""

from __future__ import annotations

from dataclasses import dataclass

from .address import Address
from .nat import Firewall
from .node import DhtNode


@dataclass(frozen=True, slots=True)
class OutsideView:
    """What others see of a node."""

    firewall: Firewall
    """UNKNOWN: it is not open, and fewer than three nodes answered."""
    address: Address | None
    """Where others reach it if it is open; else their word on its host, with port 0. None: they do not agree."""
    announced: bool = False
    """Whether it is open by its own word: an address was given to it, and nobody was asked."""


def outside_of(node: DhtNode) -> OutsideView:
    """Return what a node has been told of itself so far."""
    if node.open_address is not None:
        return OutsideView(Firewall.OPEN, node.open_address, node.is_given)
    seen = node.own.host
    return OutsideView(node.samples.judge().firewall, None if seen is None else Address(seen, 0))
