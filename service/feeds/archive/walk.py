"""The files and folders that are packed, in the archive's order, and what is left out or refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from pathspec import GitIgnoreSpec

from .format import ArchiveError
from .names import encoded, shown
from .secrets import HEAD_BYTES, SecretScan

IGNORE_FILE = ".datdotignore"
MAX_TOLD = 100
"""Refused entries that one message names."""
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Selection:
    """What is left out of an archive: patterns in the syntax of .gitignore, and links if `skip_links`."""

    exclude: tuple[str, ...] = ()
    skip_links: bool = False


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of `size` bytes, or an empty folder. `relative` is its path in the archive."""

    relative: bytes
    path: Path
    folder: bool
    size: int


Rules = tuple[tuple[str, GitIgnoreSpec], ...]
"""Patterns, and the folder to which each set of them is relative. The first that says something decides."""


def left_out(rules: Rules, relative: str, folder: bool) -> bool:
    """Return whether the rules leave out this path below the root."""
    for prefix, spec in rules:
        said = None if not len(spec) else spec.check_file(relative[len(prefix) :] + ("/" if folder else "")).include
        if said is not None:
            return said
    return False


def rules_of(selection: Selection) -> Rules:
    """Return the rules of `--exclude`, the first of all. Raises ArchiveError for a pattern that means nothing."""
    return (("", _spec(selection.exclude, "--exclude")),)


def _spec(lines: Sequence[str], where: str) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise ArchiveError(f"{where}: {error}") from error


def _rules_in(folder: Path, prefix: str, rules: Rules) -> Rules:
    """Return the rules for a folder's children: those of --exclude, its own, then those of the folders above."""
    path = folder / IGNORE_FILE
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return rules
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return rules
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{shown(path)}: {error}") from error
    return (rules[0], (prefix, _spec(lines, shown(path))), *rules[1:])


def kind_of(path: Path) -> int:
    """Return the mode of a file or a folder. Raises ArchiveError for anything else."""
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise ArchiveError(f"{shown(path)}: {error.strerror}") from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        what = "a link" if stat.S_ISLNK(mode) else "neither a file nor a folder"
        raise ArchiveError(f"{shown(path)}: {what} (links and special files are not packed)")
    return mode


def walk(root: Path, selection: Selection, refused: list[str]) -> Iterator[Entry]:
    """Yield what is packed below a folder. What cannot be packed is added to `refused`, and the walk goes on."""
    pending = [(root, "", rules_of(selection))]
    while pending:
        here, prefix, above = pending.pop()
        rules = _rules_in(here, prefix, above)
        try:
            children = sorted(os.scandir(here), key=lambda child: os.fsencode(child.name))
        except OSError as error:
            refused.append(f"{shown(here)}: {error.strerror}")
            continue
        if here != root and not children:
            yield from _named(prefix[:-1], here, True, 0, refused)
        folders = []
        for child in children:
            relative, folder = prefix + child.name, child.is_dir(follow_symlinks=False)
            if left_out(rules, relative, folder) or (child.is_symlink() and selection.skip_links):
                continue
            if folder:
                folders.append((here / child.name, relative + "/", rules))
            elif child.is_file(follow_symlinks=False):
                size = child.stat(follow_symlinks=False).st_size
                yield from _named(relative, here / child.name, False, size, refused)
            else:
                what = "a link (--skip-links leaves links out)" if child.is_symlink() else "a special file"
                refused.append(f"{shown(child.path)}: {what}")
        pending.extend(reversed(folders))


def _named(relative: str, path: Path, folder: bool, size: int, refused: list[str]) -> Iterator[Entry]:
    name = encoded(relative)
    if isinstance(name, str):
        refused.append(f"{shown(path)}: {name}")
    else:
        yield Entry(name, path, folder, size)


def entries_of(path: Path, selection: Selection, refused: list[str]) -> Iterator[Entry]:
    """Yield what is packed of a file or a folder."""
    mode = kind_of(path)
    if stat.S_ISDIR(mode):
        yield from walk(path, selection, refused)
    else:
        yield from _named(path.name, path, False, path.stat().st_size, refused)


def check_refused(refused: Sequence[str]) -> None:
    """Raise an ArchiveError that names everything refused, if anything was."""
    if refused:
        more = f"; and {len(refused) - MAX_TOLD} more" if len(refused) > MAX_TOLD else ""
        count = "" if len(refused) == 1 else f"{len(refused)} entries cannot be packed (--exclude leaves them out): "
        raise ArchiveError(count + "; ".join(refused[:MAX_TOLD]) + more)


def secret_in(entry: Entry) -> str | None:
    """Return why a file must not be published, or cannot be read; None if it can."""
    scan = SecretScan(entry.path.name, entry.size)
    try:
        with open_file(entry.path) as file:
            scan.feed(file.read(HEAD_BYTES))
            while scan.wants_all and (data := file.read(_PIECE)):
                scan.feed(data)
    except OSError as error:
        return f"{shown(entry.path)}: {error.strerror}"
    return None if scan.found is None else refusal(entry.path, scan.found)


def refusal(path: Path, what: str) -> str:
    """Return the text that refuses a file with secrets."""
    return f"{shown(path)} is {what}: it would be published, secret keys and all"


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading, never through a link that took its place."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
