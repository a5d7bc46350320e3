"""What other keys of a node's account sent from its directory may still take effect: that is waited for before anything is sent."""

from __future__ import annotations

from pathlib import Path

import structlog

from service.chain_client import ChainClient, Follower
from service.chain_client.sent import SentTable
from service.vault import PeerKeys

from .settings import SIGNER_FILE, signer_file

log = structlog.get_logger(__name__)


class OtherKeys:
    """The tables of the account's own key and its operators, but for that of the key in use. They are locked meanwhile."""

    def __init__(self, directory: Path, keys: PeerKeys) -> None:
        """Open them; the own key's is made if it is missing, for it is the lock of the directory. Raises SignerBusy."""
        names = {SIGNER_FILE, *(path.name for path in directory.glob("signer-*.sqlite"))} - {signer_file(keys)}
        self._tables: list[SentTable] = []
        try:
            for name in sorted(names):
                self._tables.append(SentTable(directory / name))
        except BaseException:
            self.close()
            raise

    async def settled(self, client: ChainClient, follower: Follower) -> None:
        """Wait until nothing that they sent can still get into a block. Raises WrongChain and ChainError."""
        for table in self._tables:
            rows = table.load(client.genesis)
            last, now = max((one.death for one in rows), default=0), (await follower.wait_for(0)).number
            if now < last:
                names = sorted({one.name for one in rows})
                log.info("another key of this account sent calls: their end is waited for", calls=names, until=last)
                await follower.wait_for(last)
            for one in rows:
                table.forget(one)

    def close(self) -> None:
        """Close them."""
        for table in self._tables:
            table.close()
