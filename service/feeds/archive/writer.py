"""Write the unpacked files of an archive to disk: all of them, or none, and never in the place of anything."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from pathlib import Path

from service import durable

from .format import ArchiveError, ArchiveHeader, Directory, Event, FileData, FileStart
from .names import shown

STAGING = ".partial"
MAX_NAME = 255
"""Bytes of a file's name."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class TreeWriter:
    """A writer of unpacked events below `target`, which must not exist yet. `commit` puts the whole in place.

    Folders are opened one from another, so that the depth of a path is not limited by the length of its name, and none
    of it leads through a link.
    """

    def __init__(self, target: Path) -> None:
        if len(os.fsencode(target.name)) > MAX_NAME:
            raise ArchiveError(f"{shown(target)}: the name is longer than {MAX_NAME} bytes")
        if os.path.lexists(target):
            raise ArchiveError(f"{shown(target)} already exists")
        self._target = target
        self._staging = target.with_name(_staging_name(target.name))
        self._folder = False
        self._parent: int | None = None
        self._here: int | None = None
        self._parts: tuple[str, ...] = ()
        self._file: int | None = None
        if os.path.lexists(self._staging):
            raise ArchiveError(f"{shown(self._staging)} is left from an earlier export; remove it first")

    def write(self, event: Event) -> None:
        """Carry out one event. Raises ArchiveError if a path occurs twice, or is more than this system can have."""
        try:
            self._write(event)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise ArchiveError(f"archive: {_path(event)} occurs twice, or as both file and folder") from error
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
                raise
            raise ArchiveError(f"archive: {_path(event)}: {error.strerror} for {shown(self._target.parent)}") from error

    def _write(self, event: Event) -> None:
        if isinstance(event, ArchiveHeader):
            self._begin(event.folder)
        elif isinstance(event, Directory):
            *above, name = event.path.split("/")
            os.mkdir(name, dir_fd=self._enter(tuple(above)))
        elif isinstance(event, FileStart):
            *above, name = event.path.split("/") if self._folder else (self._staging.name,)
            where = self._enter(tuple(above)) if self._folder else self._parent
            mode = 0o777 if event.executable else 0o666
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(name, flags, mode, dir_fd=where)
        else:
            self._append(event)

    def _begin(self, folder: bool) -> None:
        self._folder = folder
        durable.make_directories(self._target.parent)
        self._parent = os.open(self._target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if folder:
            os.mkdir(self._staging.name, dir_fd=self._parent)
            self._restart()

    def _restart(self) -> None:
        self._leave()
        self._here, self._parts = os.open(self._staging.name, _FOLDER, dir_fd=self._parent), ()

    def _leave(self) -> None:
        if self._here is not None:
            os.close(self._here)
            self._here = None

    def _enter(self, parts: tuple[str, ...]) -> int:
        """Return a folder below the staging folder, open, made if it is missing."""
        if self._parts != parts[: len(self._parts)]:
            self._restart()
        for part in parts[len(self._parts) :]:
            assert self._here is not None
            try:
                os.mkdir(part, dir_fd=self._here)
            except FileExistsError:
                pass  # a folder with other files; if it is a file, it cannot be opened as a folder
            below = os.open(part, _FOLDER, dir_fd=self._here)
            self._leave()
            self._here, self._parts = below, (*self._parts, part)
        assert self._here is not None, "an archive begins with its header"
        return self._here

    def _append(self, event: FileData) -> None:
        if self._file is None:
            raise ArchiveError("archive: data outside a file")
        view = memoryview(event.data)
        while view:
            view = view[os.write(self._file, view) :]
        if event.last:
            if not self._folder:
                durable.sync_file(self._file)
            os.close(self._file)
            self._file = None

    def commit(self) -> None:
        """Rename the finished file or folder to its final name. It is durable on return.

        Raises ArchiveError if something has that name by now.
        """
        assert self._parent is not None, "an archive begins with its header"
        self._leave()
        if self._folder:
            durable.sync_filesystem(self._parent)  # once: a sync for each file takes a minute for 20,000 of them
        try:
            durable.put_new(self._parent, self._staging.name, self._target.name)
        except FileExistsError:
            raise ArchiveError(
                f"{shown(self._target)} was made by another program meanwhile: it was not replaced; export to another path"
            ) from None
        self._close()

    def abort(self) -> None:
        """Remove everything written so far."""
        if self._parent is not None:
            self._leave()
            remove_tree(self._parent, self._staging.name)
        self._close()

    def _close(self) -> None:
        self._leave()
        for descriptor in (self._file, self._parent):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._parent = None


def _staging_name(name: str) -> str:
    """Return the name of what is not finished: the target's with an ending, or one of its hash if that is too long."""
    if len(os.fsencode(name + STAGING)) <= MAX_NAME:
        return name + STAGING
    return f".datdot-{hashlib.blake2b(os.fsencode(name), digest_size=16).hexdigest()}{STAGING}"


def _path(event: Event) -> str:
    path = getattr(event, "path", "")
    return f"{path[:200]!r} …" if len(path) > 200 else repr(path)


def remove_tree(parent: int, name: str) -> None:
    """Remove a file, or a folder of any depth, from an open folder; nothing happens if there is none."""
    try:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        os.unlink(name, dir_fd=parent)
        return
    top = os.open(name, _FOLDER, dir_fd=parent)
    try:
        _empty(top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _empty(top: int) -> None:
    """Remove what is in a folder. Folders of folders are first moved up here: no path gets long, no stack deep."""
    token, moved = secrets.token_hex(8), 0
    pending = [entry for entry in os.listdir(top) if not _unlinked(entry, top)]
    while pending:
        name = pending.pop()
        here = os.open(name, _FOLDER, dir_fd=top)
        try:
            for entry in os.listdir(here):
                if not _unlinked(entry, here):
                    moved += 1
                    os.rename(entry, f"{token}.{moved}", src_dir_fd=here, dst_dir_fd=top)
                    pending.append(f"{token}.{moved}")
        finally:
            os.close(here)
        os.rmdir(name, dir_fd=top)


def _unlinked(name: str, folder: int) -> bool:
    """Remove a file. Return False if it is a folder."""
    if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        return False
    os.unlink(name, dir_fd=folder)
    return True
