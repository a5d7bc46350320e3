"""The commands `datdot key`: create and show key files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.vault import KeyFileError, PublicKeys, create_key_file, public_keys

from .failures import failure_of
from .options import Json
from .output import Output

key_app = typer.Typer(help="Create and show key files.", no_args_is_help=True)


def _show(out: Output, keys: PublicKeys) -> None:
    out.result({"account": keys.address, "swarm_key": keys.swarm_key.hex(), "statement_key": keys.statement_key.hex()})


@key_app.command()
def create(
    file: Annotated[Path, typer.Argument(help="Path to write to; it must not exist.")], json: Json = False
) -> None:
    """Generate keys and write them to FILE (mode 0600)."""
    out = Output(json)
    try:
        keys = create_key_file(file).public
    except (KeyFileError, OSError) as error:
        out.fail(failure_of(error, str(file)))
    _show(out, keys)


@key_app.command()
def show(file: Annotated[str, typer.Argument(help="A vault or key file, or //Alice.")], json: Json = False) -> None:
    """Show the public keys in a file. No passphrase is needed."""
    out = Output(json)
    try:
        keys = public_keys(file)
    except (KeyFileError, OSError) as error:
        out.fail(failure_of(error, file))
    _show(out, keys)
