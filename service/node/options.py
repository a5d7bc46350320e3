"""Every setting of a node in one table: its name in the file, its flag, its variable, its default, and how it is read."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from service.chain_client.pallet.constants import MAX_AMOUNT
from service.hypercore.net import PeerAddress
from service.hypercore.swarm.dht.address import bootstrap_nodes
from service.operating.objects import SettingRow
from service.units import TIB, decimal, parse_money, parse_rate, parse_size
from service.web.guards import read_network

from .settings import ROLES, NodeSettings, announced, host_port, relay_key

DEFAULT_CHAIN = "ws://127.0.0.1:9944"
GEOHASH = frozenset("0123456789bcdefghjkmnpqrstuvwxyz")
MOST_BYTES = 1 << 20
"""TiB of capacity at most, which no machine has."""

Read = Callable[[str], Any]
"""Turns a text into a setting's value. Raises ValueError that says what is right."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `key` is its name in the file, with its table; `many`: a list in the file, on the command line repeated."""

    key: str
    flag: str
    default: str
    read: Read
    help: str
    many: bool = False

    @property
    def name(self) -> str:
        """Its name in Python, and in node.json."""
        return self.key.replace(".", "_")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"DATDOT_{self.flag.lstrip('-').replace('-', '_').upper()}"


def chain_url(text: str) -> str:
    """Check an RPC address."""
    try:
        parts = urlsplit(text)
        right = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise ValueError(f"{text!r} is not an RPC address such as {DEFAULT_CHAIN}")
    return text


def role(text: str) -> str:
    """Check a role."""
    if text not in ROLES:
        raise ValueError(f"{text!r} is no role: a node's roles are some of {', '.join(ROLES)}, each once")
    return text


def host_and_port(text: str) -> tuple[str, int]:
    """Parse HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ValueError(f"{text!r} is not of the form HOST:PORT")
    return host.strip("[]"), int(port)


def announce(text: str) -> str:
    """Check an address that others dial."""
    host, port = host_and_port(text)
    if not port or announced(None, host, port) is None:
        raise ValueError(f"{text!r}: nobody can dial that; write the HOST:PORT at which others reach this node")
    return host_port(host, port)


def peer(text: str) -> str:
    """Check KEY@HOST:PORT."""
    PeerAddress.parse(text)
    return text


def dht_node(text: str) -> str:
    """Check a node of the DHT."""
    bootstrap_nodes([text])
    return text


def relay(text: str) -> str:
    """Check the key of a blind relay."""
    relay_key(text)
    return text


def as_path(text: str) -> str:
    """Take a path."""
    if not text:
        raise ValueError("a path is empty: write the file's path, or leave it out")
    return text


def size(text: str) -> int:
    """Parse a size in bytes."""
    found = parse_size(text)
    if found > MOST_BYTES * TIB:
        raise ValueError(f"{text!r} is more than {MOST_BYTES} TiB")
    return found


def price(text: str) -> int:
    """Parse a price."""
    found = parse_money(text)
    if found > MAX_AMOUNT:
        raise ValueError(f"{text!r} is above the chain's highest price, {decimal(MAX_AMOUNT)} UNIT")
    return found


def region(text: str) -> str:
    """Check the beginning of a geohash."""
    if len(text) > 3 or not set(text) <= GEOHASH:
        raise ValueError(f"{text!r} is no region: write the first one to three characters of a geohash, such as u33")
    return text


def number(least: int, most: int) -> Read:
    """Return what parses a whole number within bounds."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
            raise ValueError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return read


def served_at(text: str) -> tuple[str, int]:
    """Parse HOST:PORT of the HTTP server, whose host is an address of this machine."""
    host, port = host_and_port(text)
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if host != "localhost":
            raise ValueError(f"{text!r}: write an address of this machine, such as 127.0.0.1:8080") from None
    return host, port


def host_name(text: str) -> str:
    """Check a name of a host, without a port."""
    if not text or len(text) > 253 or set(text) & set("/:@ ,\"'"):
        raise ValueError(f"{text!r} is no name of a host: write it without scheme and port, such as node.example")
    return text.lower()


def alert_url(text: str) -> str:
    """Check the form of a target of alerts. What apprise makes of it is seen when the node starts."""
    scheme, found, rest = text.partition("://")
    if not found or not rest or not scheme.isascii() or not scheme.isalnum():
        raise ValueError(
            "a target of alerts is no URL: write json://HOST:PORT/PATH for a webhook, mailto://… for e-mail"
        )
    return text


SETTINGS: tuple[Setting, ...] = (
    Setting("chain", "--chain", DEFAULT_CHAIN, chain_url, "the chain's RPC address"),
    Setting("roles", "--roles", "none: must be given", role, f"some of {', '.join(ROLES)}", many=True),
    Setting("listen", "--listen", "127.0.0.1:0", host_and_port, "HOST:PORT for peers; port 0 picks a free one"),
    Setting("announce", "--announce", "where it listens", announce, "HOST:PORT at which others reach it"),
    Setting("peers", "--peer", "none", peer, "KEY@HOST:PORT of peers at addresses that stay", many=True),
    Setting("bootstrap", "--bootstrap", "none", dht_node, "HOST:PORT of nodes of the DHT, or public", many=True),
    Setting(
        "relay", "--relay", "none", relay, "key of a blind relay in the DHT, for peers to which there is no direct way"
    ),
    Setting(
        "upload_limit",
        "--upload-limit",
        "none",
        parse_rate,
        "most bytes of blocks served in a second, to all readers together",
    ),
    Setting("key", "--key", "DIR/key.json", as_path, "vault or key file"),
    Setting(
        "passphrase_file", "--passphrase-file", "systemd's credential, or a question", as_path, "the vault's passphrase"
    ),
    Setting(
        "hosting.capacity", "--capacity", "10GiB", size, "the most that is offered; never more than the disk has free"
    ),
    Setting(
        "hosting.reserve", "--reserve", "a hundredth of the disk, 16 MiB to 4 GiB", size, "of the disk, what stays free"
    ),
    Setting("hosting.ask_disk", "--ask-disk", "0.001UNIT", price, "price per GiB and era"),
    Setting("hosting.ask_receiving", "--ask-receiving", "0.001UNIT", price, "price per GiB received"),
    Setting("hosting.region", "--region", "nowhere", region, "up to three characters of a geohash: where it is"),
    Setting("encoding.ask", "--ask-encoding", "0.01UNIT", price, "price per GiB encoded"),
    Setting(
        "attesting.ask", "--ask-report", "0.001UNIT", price, "price of a report; of slots that are taken from now on"
    ),
    Setting("attesting.slots", "--slots", "3", number(1, 16), "attester slots; more can be taken, none are given back"),
    Setting("http.listen", "--http", "none: not served", served_at, "HOST:PORT of health, metrics and API"),
    Setting("http.names", "--http-name", "this machine's", host_name, "names under which it is asked", many=True),
    Setting(
        "http.readers",
        "--http-reader",
        "this machine",
        read_network,
        "addresses and networks from which dashboard and API are read without a session",
        many=True,
    ),
    Setting(
        "alerts.targets", "--alert-target", "none", alert_url, "URLs of apprise that are told of alerts", many=True
    ),
)
"""All of them, in the order of the manual's table."""
SECRET = frozenset({"alerts_targets"})
"""Lists whose values may hold passwords: they are never shown."""
LIVE_TABLES = ("hosting.", "encoding.", "attesting.", "alerts.")
"""Tables of the file whose settings change while a node runs; all else waits for the next start."""
BY_NAME = {one.name: one for one in SETTINGS}


def is_live(setting: Setting) -> bool:
    """Return whether a setting changes while a node runs."""
    return setting.key.startswith(LIVE_TABLES)


def shown_settings(settings: NodeSettings) -> tuple[SettingRow, ...]:
    """Return what a node runs with, as it is shown: what was said, or nothing where the default holds."""
    found = settings.remembered()
    rows = []
    for one in SETTINGS:
        value = found.get(one.name, "")
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        if one.name in SECRET and value:
            text = f"{len(value)} that may hold passwords, and are not shown"
        rows.append(SettingRow(one.key, one.flag, one.variable, text, one.default, one.help, is_live(one)))
    return tuple(rows)


def markdown_table() -> str:
    """Return the table of docs/operator.md."""
    lines = ["| in the file | flag | variable | default | what |", "| --- | --- | --- | --- | --- |"]
    for one in SETTINGS:
        key = f"`{one.key}`{' (a list)' if one.many else ''}"
        lines.append(f"| {key} | `{one.flag}` | `{one.variable}` | {one.default} | {one.help} |")
    return "\n".join(lines) + "\n"
