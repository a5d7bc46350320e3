"""The place of a run: a slot of the cache of images, and what on this machine is named after it.

Only one run at a time has a slot, by a lock that ends with its process. So whoever takes a slot may end and remove all that is
named after it: a run that was killed left it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LAYOUT = "v1"
"""Raised when what lies in a slot means something else: slots of another layout are removed."""
SLOTS = 3
"""How many runs may go on side by side. The images of each take two to three gigabytes."""
PATIENCE_SECONDS = 60.0
CGROUPS = Path("/sys/fs/cgroup")
DAEMONS = ("dockerd", "containerd", "containerd-shim-runc-v2", "containerd-shim", "runc")


class NoPlace(Exception):
    """No slot is free."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run's daemon keeps its images, and the name of its network, its folder in /run and its group of processes."""

    images: Path

    @property
    def name(self) -> str:
        """The name of all that is not a file, one for each slot of the machine."""
        return f"datdot-containers-{hashlib.sha256(str(self.images).encode()).hexdigest()[:8]}"

    @property
    def run(self) -> Path:
        """The daemon's folder of sockets, logs and mounts: in none of pytest's, which must be able to remove those."""
        return Path("/run") / self.name

    @property
    def network(self) -> Path:
        """The network namespace."""
        return Path("/run/netns") / self.name

    def inside(self, *command: str) -> list[str]:
        """Return the command that runs another one in the daemon's network."""
        return ["nsenter", f"--net={self.network}", *command]

    def cgroups(self) -> list[Path]:
        """Return the folders of the group of processes: one with cgroups of version 2, one for each controller with version 1."""
        return [one for one in (CGROUPS / self.name, *CGROUPS.glob(f"*/{self.name}")) if one.is_dir()]

    def processes(self) -> set[int]:
        """Return what runs in the group or in the network, and the daemons whose folder is this one's."""
        found = {int(one) for group in self.cgroups() for path in group.rglob("cgroup.procs") for one in _lines(path)}
        if self.network.exists():
            told = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
            found |= {int(one) for one in told.stdout.split()}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            words = "".join(_lines(path)).split("\0")
            if os.path.basename(words[0]) in DAEMONS and any(one.startswith(f"{self.run}/") for one in words):
                found.add(int(path.parent.name))
        return found - {os.getpid()}

    def mounts(self) -> list[str]:
        """Return what is mounted in the folder and among the images, the newest first."""
        within = (f"{self.run}/", f"{self.images}/")
        paths = [line.split()[4] for line in _lines(Path("/proc/self/mountinfo"))]
        spelt = [re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), one) for one in paths]
        return [one for one in reversed(spelt) if f"{one}/".startswith(within)]

    def clear(self) -> None:
        """End and remove all that is named after this place, but for the images. Raises AssertionError when it does not end."""
        _until(f"the processes of {self.name} end", lambda: not _end(self.processes()))
        for path in self.mounts():
            subprocess.run(["umount", "--lazy", path], check=True, capture_output=True)
        if self.network.exists():
            subprocess.run(["ip", "netns", "delete", self.name], check=True, capture_output=True)
        _until(f"the group {self.name} is empty", lambda: all(_remove(one) for one in self.cgroups()))
        if self.run.exists():
            shutil.rmtree(self.run)


@contextmanager
def place(cache: Path) -> Iterator[Place]:
    """Take a slot of a cache of images for the time of the context. Raises NoPlace when all are taken."""
    cache.mkdir(parents=True, exist_ok=True)
    for number in range(SLOTS):
        images = cache / f"{LAYOUT}-{number}"
        with images.with_suffix(".lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            taken = Place(images)
            taken.clear()
            images.mkdir(exist_ok=True)
            try:
                yield taken
            finally:
                taken.clear()
            return
    raise NoPlace(f"{SLOTS} runs have all slots of {cache}: wait until one of them ends")


def _lines(path: Path) -> list[str]:
    """Return the lines of a file of the kernel's; none when its process or group is gone."""
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH, errno.ENODEV):
            return []
        raise


def _end(processes: set[int]) -> set[int]:
    """Kill processes and return them."""
    for one in processes:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    return processes


def _remove(group: Path) -> bool:
    """Remove a group with all groups in it; return whether the kernel did so."""
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            os.rmdir(folder)
    except OSError as error:
        if error.errno != errno.EBUSY:  # processes that just ended are still in it
            raise
        return False
    return True


def _until(what: str, look: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < end, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
        time.sleep(0.1)
