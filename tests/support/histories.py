"""A feed whose owner signs two histories: two stores with one secret, and what they hold."""

from __future__ import annotations

from pathlib import Path

from service.hypercore import Core, Corestore

NAME = "feed"
OURS, THEIRS = b"ours ", b"theirs "


def blocks(prefix: int, length: int, who: bytes) -> list[bytes]:
    """Blocks of which the first `prefix` are the same, whoever's they are."""
    return [b"%s%d" % (b"same " if index < prefix else who, index) * (index % 5 + 1) for index in range(length)]


def same_owner(*stores: Corestore) -> None:
    """Let the named cores of all stores have the keys of the first one's."""
    for store in stores:
        store._primary = stores[0]._primary


def history(store: Corestore, written: list[bytes], **options: object) -> Core:
    """Return the feed with these blocks, each head signed."""
    core = store.create(NAME, **options)  # type: ignore[arg-type]
    core.append(written)
    return core


def owners(directory: Path | None = None, primary: bytes = bytes(range(32))) -> tuple[Corestore, Corestore]:
    """Return two stores in memory, or in folders of a directory, with one known secret."""
    found = [Corestore(None if directory is None else directory / name) for name in ("one", "two")]
    for store in found:
        store._primary = primary
    return found[0], found[1]
