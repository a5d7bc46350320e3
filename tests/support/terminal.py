"""A command at a terminal of its own, typed into by a test that reads what it shows."""

from __future__ import annotations

import os
import pty
import select

from tests.support.cli_process import command, environment

WAIT = 60


class Terminal:
    """A command at a pseudo-terminal, and all that was read from there."""

    def __init__(self, *arguments: object, **env: str) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            line = command(*arguments)
            os.execve(line[0], line, environment(**env))
        self.text = ""

    def until(self, words: str) -> None:
        """Read until it has written these words, after what was read before."""
        begin = len(self.text)
        while words not in self.text[begin:]:
            ready, _, _ = select.select([self._terminal], [], [], WAIT)
            assert ready, f"it did not write {words!r}, but {self.text[begin:]!r}"
            data = self._read(1)
            assert data, f"it ended with {self.text[begin:]!r}"

    def _read(self, most: int) -> str:
        try:
            data = os.read(self._terminal, most).decode()
        except OSError:
            data = ""
        self.text += data
        return data

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._terminal, text.encode() + b"\n")

    def end(self) -> int:
        """Read to the end. Its exit code."""
        while self._read(1):
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def words_of(text: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if len(line.split()) == 12 and line.islower())
