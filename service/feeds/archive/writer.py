"""Write the unpacked files of an archive to disk: all of them, or none."""

from __future__ import annotations

import os
from pathlib import Path

from service.durable import sync_directory, sync_file

from .format import ArchiveError, ArchiveHeader, Directory, Event, FileData, FileStart


class TreeWriter:
    """A writer of unpacked events below `target`, which must not exist yet. `commit` puts the whole in place."""

    def __init__(self, target: Path) -> None:
        if os.path.lexists(target):
            raise ArchiveError(f"{target} already exists")
        self._target = target
        self._staging = target.with_name(target.name + ".partial")
        self._folder = False
        self._fd: int | None = None
        if os.path.lexists(self._staging):
            raise ArchiveError(f"{self._staging} is left from an earlier export; remove it first")

    def write(self, event: Event) -> None:
        """Carry out one event. Raises ArchiveError if a path occurs twice, or as both file and folder."""
        try:
            self._write(event)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise ArchiveError(f"archive: {error.filename!r} occurs twice, or as both file and folder") from error

    def _write(self, event: Event) -> None:
        if isinstance(event, ArchiveHeader):
            self._folder = event.folder
            if event.folder:
                self._staging.mkdir(parents=True)
            else:
                self._staging.parent.mkdir(parents=True, exist_ok=True)
        elif isinstance(event, Directory):
            self._place(event.path).mkdir(parents=True)
        elif isinstance(event, FileStart):
            place = self._place(event.path) if self._folder else self._staging
            place.parent.mkdir(parents=True, exist_ok=True)
            mode = 0o777 if event.executable else 0o666
            self._fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        else:
            self._append(event)

    def _append(self, event: FileData) -> None:
        if self._fd is None:
            raise ArchiveError("archive: data outside a file")
        view = memoryview(event.data)
        while view:
            view = view[os.write(self._fd, view) :]
        if event.last:
            sync_file(self._fd)
            os.close(self._fd)
            self._fd = None

    def _place(self, path: str) -> Path:
        return self._staging.joinpath(*path.split("/"))

    def commit(self) -> None:
        """Rename the finished file or folder to its final name. It is durable on return."""
        if self._folder:
            for here, _, _ in os.walk(self._staging):
                sync_directory(Path(here))
        os.rename(self._staging, self._target)
        sync_directory(self._target.parent)

    def abort(self) -> None:
        """Remove everything written so far."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        if self._staging.is_dir() and not self._staging.is_symlink():
            for here, folders, files in os.walk(self._staging, topdown=False):
                for name in files:
                    os.unlink(os.path.join(here, name))
                for name in folders:
                    os.rmdir(os.path.join(here, name))
            self._staging.rmdir()
        else:
            self._staging.unlink(missing_ok=True)
