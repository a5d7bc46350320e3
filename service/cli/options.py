"""The options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

DEFAULT_CHAIN = "ws://127.0.0.1:9944"


def checked_url(url: str | None) -> str | None:
    """Return an RPC address as given. Raises BadParameter if it is invalid."""
    if url is not None:
        try:
            parts = urlsplit(url)
            right = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            right = False
        if not right:
            raise typer.BadParameter(f"{url!r} is not an RPC address such as {DEFAULT_CHAIN}")
    return url


Json = Annotated[bool, typer.Option("--json", help="Print JSON: one object, or one per line for streams.")]
Chain = Annotated[
    str,
    typer.Option(
        "--chain", envvar="DATDOT_CHAIN", metavar="URL", callback=checked_url, help="The chain's RPC address."
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        "--key",
        envvar="DATDOT_KEY",
        metavar="FILE",
        help="Vault or key file to sign with (or //Alice on a test chain).",
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        envvar="DATDOT_PASSPHRASE_FILE",
        metavar="FILE",
        help="File with the vault's passphrase (default: systemd's credential datdot-passphrase, or a question).",
    ),
]
Directory = Annotated[
    Path, typer.Option("--dir", metavar="DIR", help="Directory in which this peer stores everything.")
]
Listen = Annotated[
    str, typer.Option("--listen", metavar="HOST:PORT", help="Address to listen on; port 0 picks a free one.")
]
Peers = Annotated[
    list[str] | None, typer.Option("--peer", metavar="KEY@HOST:PORT", help="Peer to connect to; may be repeated.")
]
Bootstrap = Annotated[
    list[str] | None,
    typer.Option(
        "--bootstrap",
        metavar="HOST:PORT|public",
        help="Node of the DHT by which peers are found; may be repeated. public: those that hyperswarm's peers begin with.",
    ),
]
Relay = Annotated[
    str | None,
    typer.Option(
        "--relay",
        metavar="KEY",
        help="Key of a blind relay in the DHT, for peers to which there is no direct way (see datdot relay).",
    ),
]
UploadLimit = Annotated[
    str | None,
    typer.Option(
        "--upload-limit",
        metavar="RATE",
        help="Most bytes of blocks that are served in a second, to all readers together, such as 2MiB/s.",
    ),
]
Announce = Annotated[
    str | None,
    typer.Option("--announce", metavar="HOST:PORT", help="Where others reach it, if that is not where it listens."),
]
