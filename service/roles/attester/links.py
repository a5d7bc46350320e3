"""An attester's chains of links on this disk: one secret per anchor ever offered, and the link of each era."""

from __future__ import annotations

import secrets
from pathlib import Path

from service.chain_client.pallet.types import Attester
from service.durable import make_private, write_new

from ..common.database import Database
from .rules import CHAIN_LENGTH, LinkChain


class LinksMissing(Exception):
    """The secret of an anchor is missing on this disk, or is the wrong one. The message names the file."""


class LinkStore:
    """The attester's secrets, in `DIR/keys/<anchor>.link` with mode 0600, durable before their anchor is offered."""

    def __init__(self, directory: Path, database: Database, genesis: bytes, account: bytes) -> None:
        self._keys, self._db = directory / "keys", database
        self._genesis, self._account = genesis, account
        self._ages: dict[bytes, dict[bytes, int]] = {}
        self._chains: dict[bytes, LinkChain] = {}

    def _chain(self, anchor: bytes) -> LinkChain:
        found = self._chains.get(anchor)
        if found is None:
            row = self._db.row("SELECT secret_file FROM anchors WHERE anchor = ?", (anchor,))
            if row is None:
                raise LinksMissing(f"no secret for anchor {anchor.hex()} on this disk")
            path = self._keys / str(row[0])
            try:
                secret = path.read_bytes()
                found = LinkChain(self._genesis, self._account, secret)
            except (FileNotFoundError, ValueError) as error:
                raise LinksMissing(f"{path}: {error}") from error
            if found.anchor != anchor:
                raise LinksMissing(f"{path} is not the secret of anchor {anchor.hex()}")
            self._chains[anchor] = found
            self._ages[anchor] = {found.link(age): age for age in range(CHAIN_LENGTH + 1)}
        return found

    def newest(self) -> bytes | None:
        """Return the anchor created last, or None if there is none."""
        row = self._db.row("SELECT anchor FROM anchors ORDER BY created DESC LIMIT 1")
        return None if row is None else bytes(row[0])

    def unused(self, offered: bytes | None) -> bytes:
        """Return an anchor other than the one on the chain: the newest if it is unused, otherwise a new one."""
        newest = self.newest()
        return newest if newest is not None and newest != offered else self._create()

    def _create(self) -> bytes:
        secret = secrets.token_bytes(32)
        chain = LinkChain(self._genesis, self._account, secret)
        name = f"{chain.anchor.hex()}.link"
        make_private(self._keys)
        write_new(self._keys / name, secret)
        (count,) = self._db.row("SELECT COUNT(*) FROM anchors") or (0,)
        self._db.execute("INSERT INTO anchors VALUES (?, ?, ?)", (chain.anchor, name, count))
        return chain.anchor

    def link(self, offer: Attester, era: int) -> bytes | None:
        """Return the link of an era, counted from the last one shown, or None past the end of the chain of links.

        Raises LinksMissing if the secret is not on this disk, or does not lead to the link shown on the chain, and OSError
        if it cannot be read now: then the anchor stays.
        """
        chain = self._chain(offer.anchor)
        shown = self._ages[offer.anchor].get(offer.link)
        if shown is None:
            raise LinksMissing(
                f"the link {offer.link.hex()} on the chain does not belong to anchor {offer.anchor.hex()}"
            )
        age = shown + era - offer.link_era
        return chain.link(age) if 0 <= age <= CHAIN_LENGTH else None
