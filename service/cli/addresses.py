"""Addresses on the command line: where to listen, where others dial, peers, and nodes of the DHT."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from service.hypercore.net import PeerAddress
from service.hypercore.swarm.dht.address import Address, bootstrap_nodes
from service.node.settings import announced, host_port, relay_key
from service.units import parse_rate


def parse_listen(text: str) -> tuple[str, int]:
    """Parse `HOST:PORT`. Raises BadParameter."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise typer.BadParameter(f"{text!r} is not of the form HOST:PORT")
    return host.strip("[]"), int(port)


def parse_announce(text: str | None) -> str | None:
    """Check an address that others shall dial. Raises BadParameter."""
    if text is None:
        return None
    host, port = parse_listen(text)
    if not port or announced(None, host, port) is None:
        raise typer.BadParameter(f"--announce {text}: nobody can dial that")
    return host_port(host, port)


def parse_peers(texts: list[str] | None) -> list[PeerAddress]:
    """Parse each `KEY@HOST:PORT`. Raises BadParameter."""
    try:
        return [PeerAddress.parse(text) for text in texts or ()]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def parse_bootstrap(texts: Sequence[str] | None) -> tuple[Address, ...]:
    """Return the nodes of the DHT to begin with. Raises BadParameter."""
    try:
        return bootstrap_nodes(texts or ())
    except ValueError as error:
        raise typer.BadParameter(f"--bootstrap {error}") from error


def parse_relay(text: str | None, bootstrap: Sequence[object]) -> bytes | None:
    """Return the key of a blind relay. Raises BadParameter, also if there is no DHT in which it could be found."""
    if text is None:
        return None
    try:
        found = relay_key(text)
    except ValueError as error:
        raise typer.BadParameter(f"--relay {error}") from error
    if not bootstrap:
        raise typer.BadParameter("--relay: a relay is found in a DHT: add --bootstrap HOST:PORT")
    return found


def parse_upload_limit(text: str | None) -> int | None:
    """Return a limit in bytes a second, None for none. Raises BadParameter."""
    try:
        return None if text is None else parse_rate(text)
    except ValueError as error:
        raise typer.BadParameter(f"--upload-limit: {error}") from error


def ipv4(text: str) -> Address:
    """Parse `HOST:PORT` with an IPv4 host. Raises BadParameter."""
    parse_listen(text)
    try:
        return Address.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
