"""Why a port cannot be listened at, in words: which setting named it, what holds it, and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LISTENING = {"tcp": "0A", "udp": "07"}
"""State of a socket that waits for others, as Linux writes it."""
MOST_BYTES = 1 << 22
"""Read of a table at most."""


class CannotListen(OSError):
    """A socket cannot be opened where a setting says. The message names the setting, what is wrong, and what to do."""


def cannot_listen(
    setting: str, where: str, error: OSError, protocol: str = "tcp", proc: Path = Path("/proc")
) -> CannotListen:
    """Return an error of the same number that names the setting of an address HOST:PORT, what is wrong, and what to do."""
    return CannotListen(error.errno, f"{setting} {where}: {_reason(setting, where, error, protocol, proc)}", where)


@contextmanager
def listening_at(setting: str, where: str, protocol: str = "tcp") -> Iterator[None]:
    """Let an OSError within, where a socket of `tcp` or `udp` is opened, say what `cannot_listen` says, if it does not yet."""
    try:
        yield
    except CannotListen:
        raise
    except OSError as error:
        raise cannot_listen(setting, where, error, protocol) from error


def _reason(setting: str, where: str, error: OSError, protocol: str, proc: Path) -> str:
    if error.errno == errno.EADDRINUSE:
        port = int(where.rpartition(":")[2])
        held = ", ".join(holders(port, protocol, proc)) or "a process of another user, or of another container"
        return f"the {protocol.upper()} port is taken by {held}: stop that, or name another port with {setting}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"that is no address of this machine: name one that is with {setting}"
    if error.errno == errno.EACCES:
        return f"this user may not listen there: name a port from 1024 on with {setting}"
    return error.strerror or str(error)


def holders(port: int, protocol: str, proc: Path = Path("/proc")) -> list[str]:
    """Return who listens at a port of `tcp` or `udp`, such as `python (process 17)`, as far as this user may see."""
    tables = (proc / "net" / name for name in (protocol, f"{protocol}6"))
    wanted = {f"socket:[{inode}]" for table in tables for inode in _inodes(table, port, LISTENING[protocol])}
    return [_named(one) for one in _processes(proc) if wanted & set(_links(one / "fd"))] if wanted else []


def _inodes(table: Path, port: int, state: str) -> Iterator[str]:
    try:
        with table.open() as opened:
            lines = opened.read(MOST_BYTES).splitlines()[1:]
    except OSError:
        return  # no such table: another system than Linux, or no IPv6
    for line in lines:
        fields = line.split()
        if len(fields) > 9 and int(fields[1].rpartition(":")[2], 16) == port and fields[3] == state:
            yield fields[9]


def _processes(proc: Path) -> list[Path]:
    return sorted((one for one in proc.iterdir() if one.name.isdecimal()), key=lambda one: int(one.name))


def _links(folder: Path) -> Iterator[str]:
    try:
        found = list(folder.iterdir())
    except OSError:
        return  # another user's, or ended meanwhile
    for one in found:
        with suppress(OSError):  # closed meanwhile: of the own process, that is what the folder was listed with
            yield os.readlink(one)


def _named(process: Path) -> str:
    try:
        return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    except OSError:
        return f"process {process.name}"
