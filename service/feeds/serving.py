"""Serve the feeds of a corestore to any reader."""

from __future__ import annotations

from service.hypercore.core import Core
from service.hypercore.corestore import Corestore
from service.hypercore.net.connection import Connection
from service.hypercore.net.replication import Replication


class FeedServer:
    """A server of feeds, found by discovery key. `attach` it to every connection."""

    def __init__(self, store: Corestore) -> None:
        self._store = store

    def find(self, discovery: bytes) -> Core | None:
        """Return the feed of that discovery key if it is stored here and has a head."""
        core = self._store.find(discovery)
        return core if core is not None and core.length else None

    def attach(self, connection: Connection) -> None:
        """Serve the stored feeds on this connection."""
        Replication.of(connection).serve(self.find)
