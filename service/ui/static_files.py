"""The dashboard's own files, read once: each under an address that changes with its content, so that browsers keep it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file and the first signs of its hash."""

    name: str
    kind: str
    content: bytes
    tag: str

    @property
    def address(self) -> str:
        """Where it is asked for."""
        return f"/static/{self.name}?v={self.tag}"


def static_files() -> dict[str, StaticFile]:
    """Return the files by name."""
    found = {}
    for one in files(__package__).joinpath("static").iterdir():
        kind = KINDS.get(one.name.rpartition(".")[2])
        if kind is not None:
            content = one.read_bytes()
            found[one.name] = StaticFile(one.name, kind, content, hashlib.sha256(content).hexdigest()[:12])
    return found
