"""A node's settings and keys, kept in its directory, which belongs to one account."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service import durable
from service.disk import FSTAB, unmounted_at
from service.hypercore.net import PeerAddress
from service.hypercore.swarm.dht.address import Address, bootstrap_nodes
from service.vault import KeyFileError, Passphrase, PeerKeys, create_key_file, load_keys, public_keys

NODE_FILE = "node.json"
KEY_FILE = "key.json"
ROLES_FILE, SIGNER_FILE = "roles.sqlite", "signer.sqlite"

ROLES = ("author", "sponsor", "hoster", "encoder", "attester")
"""The roles of a node.

An author's node serves its feeds, and an author's or a sponsor's brings their newer heads to live plans. Plans are published
by command.
"""


class NodeError(Exception):
    """Settings with which no node can run. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The settings of a node, kept in its directory so that it can be restarted without options."""

    chain: str
    roles: tuple[str, ...]
    host: str
    port: int
    peers: tuple[str, ...] = ()
    key: str | None = None
    genesis: str | None = None
    account: str | None = None
    """The account that the directory belongs to, in SS58. Settings of older versions lack it."""
    announce: str | None = None
    """Where others reach it, HOST:PORT, if that is not where it listens."""
    bootstrap: tuple[str, ...] = ()
    """Nodes of the DHT to begin with, HOST:PORT or `public`; none: peers are the static ones."""
    passphrase_file: str | None = None
    """The file with the passphrase of its vault, if it has one."""
    relay: str | None = None
    """The key of a blind relay, in hex."""
    upload_limit: int | None = None
    """Bytes of blocks a second that are served to all together at most."""
    terms: dict[str, str] = field(default_factory=dict)
    """What was said of the terms of its roles, by the names of options.py; what is not in it has its default."""

    http: str | None = None
    """Where health, metrics and API are served, HOST:PORT; None: nowhere."""
    http_names: tuple[str, ...] = ()
    """Names under which it is asked beside those of this machine."""
    http_readers: tuple[str, ...] = ()
    """Networks from which it is read without a session, beside this machine."""
    alert_targets: tuple[str, ...] = ()
    """Who is told of alerts, by URLs of apprise. They may hold secrets: node.json is for its owner alone."""

    def remembered(self) -> dict[str, Any]:
        """Return what a later run takes over if it is not told otherwise, by the names of options.py."""
        found: dict[str, Any] = {
            "chain": self.chain,
            "roles": list(self.roles),
            "listen": host_port(self.host, self.port),
            "announce": self.announce,
            "peers": list(self.peers),
            "bootstrap": list(self.bootstrap),
            "relay": self.relay,
            "upload_limit": None if self.upload_limit is None else str(self.upload_limit),
            "key": self.key,
            "passphrase_file": self.passphrase_file,
            "http_listen": self.http,
            "http_names": list(self.http_names),
            "http_readers": list(self.http_readers),
            "alerts_targets": list(self.alert_targets),
            **self.terms,
        }
        return {name: value for name, value in found.items() if value not in (None, [])}

    @property
    def passphrase_path(self) -> Path | None:
        """The same as a path."""
        return None if self.passphrase_file is None else Path(self.passphrase_file)

    def check(self) -> None:
        """Raise NodeError if the roles are unknown, repeated or missing."""
        wrong = [role for role in self.roles if role not in ROLES or self.roles.count(role) > 1]
        if wrong or not self.roles:
            raise NodeError(f"roles {','.join(wrong) or '(none)'}: a node's roles are some of {', '.join(ROLES)}")

    @classmethod
    def load(cls, directory: Path) -> NodeSettings | None:
        """Return the settings of the last run, or None before the first. Raises NodeError if the file is damaged."""
        path = directory / NODE_FILE
        if not path.exists():
            return None
        try:
            fields = json.loads(path.read_text())
            return cls(
                **{
                    **fields,
                    **{name: _from(directory, fields[name]) for name in IN_DIRECTORY if fields.get(name)},
                    "roles": tuple(fields["roles"]),
                    "peers": tuple(fields["peers"]),
                    "bootstrap": tuple(fields.get("bootstrap", ())),
                    "http_names": tuple(fields.get("http_names", ())),
                    "http_readers": tuple(fields.get("http_readers", ())),
                    "alert_targets": tuple(fields.get("alert_targets", ())),
                    "terms": {str(name): str(value) for name, value in fields.get("terms", {}).items()},
                }
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise NodeError(f"{path} is damaged or was not written by a node: {error!r}") from error

    def save(self, directory: Path) -> None:
        """Write the settings. They are durable on return."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields |= {name: _within(directory, fields[name]) for name in IN_DIRECTORY if fields[name]}
        mode = 0o600 if self.alert_targets else 0o644  # their URLs may hold passwords
        durable.replace(directory / NODE_FILE, json.dumps(fields, indent=1).encode(), mode=mode)


IN_DIRECTORY = ("key", "passphrase_file")
"""Paths that are kept relative to the node's directory if they lie in it: it may be moved, or restored elsewhere."""


def _within(directory: Path, text: str) -> str:
    path, base = Path(text), directory.absolute()
    return str(path.relative_to(base)) if path.is_absolute() and path.is_relative_to(base) else text


def _from(directory: Path, text: str) -> str:
    path = directory.absolute() / text
    return str(path) if not text.startswith("//") and not Path(text).is_absolute() and path.exists() else text


def check_mounted(path: Path) -> None:
    """Raise NodeError if what is made at `path` would lie on another disk than was meant, because that is not mounted."""
    missing = unmounted_at(path)
    if missing is not None:
        raise NodeError(
            f"{missing} is a mount point in {FSTAB}, and nothing is mounted there: {path} would lie on another disk; "
            f"mount it first (mount {missing}); nothing was made"
        )


def node_keys(directory: Path, key: str | None, passphrase: Passphrase | None = None) -> tuple[PeerKeys, str]:
    """Return a node's keys, created at its first start, and their path.

    A lost key file is not replaced: the copies of its account would be struck, with nobody to prove them. Raises NodeError
    for that, and KeyFileError.
    """
    path = key or str(directory / KEY_FILE)
    if key is None and not Path(path).exists():
        left = next((name for name in (ROLES_FILE, SIGNER_FILE, NODE_FILE) if (directory / name).exists()), None)
        if left is None:
            return create_key_file(Path(path)), path
        before = NodeSettings.load(directory)
        owner = "another account" if before is None or before.account is None else f"account {before.account}"
        raise NodeError(
            f"{path} is missing, and {directory / left} is of {owner}: put its key file back, or start in a new directory; "
            "a new key would be another account, and what the old one hosts would be lost"
        )
    return load_keys(path, passphrase), path


def signer_file(keys: PeerKeys) -> str:
    """Return the name of the table of what these keys sign: nonces are an account's own, so an operator has one of its own."""
    return SIGNER_FILE if keys.peer is None else f"signer-{keys.payer.hex()[:16]}.sqlite"


def check_account(directory: Path, keys: PeerKeys) -> None:
    """Check that the directory belongs to the account of these keys. Raises NodeError if the last run was another's."""
    before = NodeSettings.load(directory)
    if before is None:
        return
    owner = before.account or _owner_of_older_version(directory, before)
    if owner not in (None, keys.address):
        raise NodeError(
            f"{directory} belongs to account {owner}: it cannot be run with the key of {keys.address}; "
            "put its own key file back, or start in a new directory"
        )


def _owner_of_older_version(directory: Path, before: NodeSettings) -> str | None:
    try:
        return public_keys(before.key or directory / KEY_FILE).address
    except KeyFileError:
        return None  # the old key file was moved away: its owner is unknown


def host_port(host: str, port: int) -> str:
    """Return an address as it is typed: IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def announced(announce: str | None, host: str, port: int) -> str | None:
    """Return the address under which others can dial a listener, or None if nobody is told one.

    All addresses of a machine (0.0.0.0, ::) are none that can be dialled.
    """
    if announce is not None:
        return announce
    try:
        everywhere = ipaddress.ip_address(host.partition("%")[0]).is_unspecified
    except ValueError:
        everywhere = False
    return None if everywhere else host_port(host, port)


def relay_key(text: str) -> bytes:
    """Parse the key of a relay, 64 hex digits. Raises ValueError."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32 or len(text) != 64:
        raise ValueError(f"{text!r:.120} is no key of 64 hex digits")
    return found


def public_address(announce: str | None) -> Address | None:
    """Return the address under which others reach this peer by UDP, too, if it was said and is one of IPv4."""
    if announce is None:
        return None
    try:
        return Address.parse(announce)
    except ValueError:
        return None  # a name, or IPv6: the DHT finds out


def bootstrap_of(directory: Path) -> tuple[Address, ...]:
    """Return the nodes of the DHT that the node of a directory begins with. Raises NodeError."""
    settings = NodeSettings.load(directory)
    return () if settings is None else bootstrap_nodes(settings.bootstrap)


def peers_of(directory: Path) -> list[PeerAddress]:
    """Return where the node of a directory listens, and its peers; none if no node ever ran there. Raises NodeError."""
    settings = NodeSettings.load(directory)
    if settings is None:
        return []
    peers = [PeerAddress.parse(peer) for peer in settings.peers]
    path = settings.key or str(directory / KEY_FILE)
    if settings.port and (path.startswith("//") or Path(path).exists()):
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
        peers.append(PeerAddress(public_keys(path).swarm_key, host, settings.port))
    return peers
