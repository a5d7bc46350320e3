"""A search for secrets in whatever a network leaves or says, in each form in which one could get there."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import sr25519

from service.vault import PeerKeys


@dataclass
class Secrets:
    """Byte strings that must be nowhere, each with what it is."""

    forms: dict[bytes, str] = field(default_factory=dict)

    def add_text(self, what: str, text: str) -> None:
        """A passphrase or phrase: as it is, in UTF-16, in base64; of a phrase each run of four words, too."""
        words = text.split()
        runs = [" ".join(words[at : at + 4]) for at in range(len(words) - 3)] if len(words) >= 12 else []
        for one in (text, *runs):
            for form in (one.encode(), one.encode("utf-16-le"), base64.b64encode(one.encode()).rstrip(b"=")[:-1]):
                self.forms[form] = what

    def add_bytes(self, what: str, data: bytes) -> None:
        """A key or a number: as it is, backwards, in hex, in base64, in decimal digits."""
        for one in (data, data[::-1]):
            plain = base64.b64encode(one).rstrip(b"=")[:-1]
            for form in (one, one.hex().encode(), one.hex().upper().encode(), plain, plain.translate(URL_SAFE)):
                self.forms[form] = what
        self.forms[str(int.from_bytes(data, "big")).encode()] = what

    def add_keys(self, what: str, keys: PeerKeys) -> None:
        """All that a peer's keys hold."""
        for name in ("account_secret", "swarm_seed", "statement_seed", "storage_key"):
            self.add_bytes(f"{what}: {name}", getattr(keys, name))
        self.add_bytes(f"{what}: the expanded secret", bytes(sr25519.pair_from_seed(keys.account_secret)[1]))

    def within(self, where: object, data: bytes) -> list[str]:
        """What of it is in some bytes."""
        return sorted({f"{what} is in {where}" for form, what in self.forms.items() if form in data})

    def below(self, folders: Iterable[Path]) -> list[str]:
        """What of it is in files, or in their names."""
        found = []
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                found += self.within(f"the name of {path}", str(path).encode())
                if path.is_file():
                    found += self.within(path, path.read_bytes())
        return found


URL_SAFE = bytes.maketrans(b"+/", b"-_")
