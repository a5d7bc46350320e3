"""How a node runs, kept in its directory: settings, keys, and whose directory it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from service import durable
from service.vault.keyfile import KeyFile, KeyFileError

NODE_FILE = "node.json"
KEY_FILE = "key.json"


ROLES = ("author", "sponsor", "hoster", "encoder", "attester")
"""An author's node serves its feeds; a sponsor's does nothing by itself: plans are published by command."""


class NodeError(Exception):
    """Settings that no node can run with; names what is wrong."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How a node runs; kept in its directory, so that it can be started again without them."""

    chain: str
    roles: tuple[str, ...]
    host: str
    port: int
    peers: tuple[str, ...] = ()
    key: str | None = None
    genesis: str | None = None

    def check(self) -> None:
        """Raises NodeError."""
        wrong = [role for role in self.roles if role not in ROLES or self.roles.count(role) > 1]
        if wrong or not self.roles:
            raise NodeError(f"roles {','.join(wrong) or '(none)'}: a node's roles are some of {', '.join(ROLES)}")

    @classmethod
    def load(cls, directory: Path) -> NodeSettings | None:
        """The settings of the last run; None before the first. Raises NodeError."""
        path = directory / NODE_FILE
        if not path.exists():
            return None
        try:
            fields = json.loads(path.read_text())
            return cls(**{**fields, "roles": tuple(fields["roles"]), "peers": tuple(fields["peers"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NodeError(f"{path} is not what a node left there: {error!r}") from error

    def save(self, directory: Path) -> None:
        """Durable on return."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        durable.replace(directory / NODE_FILE, json.dumps(fields, indent=1).encode(), mode=0o644)


def node_keys(directory: Path, key: str | None) -> tuple[KeyFile, str]:
    """The keys of a node, made at its first start, and where they are. Raises :class:`KeyFileError`."""
    path = key or str(directory / KEY_FILE)
    if key is None and not Path(path).exists():
        return KeyFile.create(Path(path)), path
    return KeyFile.load(path), path


def check_account(directory: Path, keys: KeyFile) -> None:
    """What lies in the directory belongs to one account. Raises :class:`NodeError` when the last run was another's."""
    before = NodeSettings.load(directory)
    if before is None:
        return
    try:
        owner = KeyFile.load(before.key or directory / KEY_FILE)
    except KeyFileError:
        return  # moved meanwhile
    if owner.account != keys.account:
        raise NodeError(f"{directory} is account {owner.address}'s: it cannot be run with the key of {keys.address}")
