"""Modified peers: roles of the product with one duty each that they do not do, or do otherwise."""

from __future__ import annotations

from collections.abc import Callable

from service.node.run import NodeRole
from service.roles.common.context import Context

CHEATERS: dict[str, Callable[[Context], NodeRole]] = {}
