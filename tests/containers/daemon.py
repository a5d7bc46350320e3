"""A dockerd of the tests' own: its images, its socket and its network are apart from those of the machine.

It runs in a network namespace without a way out, in which its bridges and filters are. Only to build images it runs in the
machine's own network, without a bridge and without touching a filter.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NAMESPACE = "datdot-containers"
PATIENCE_SECONDS = 60.0
PROGRAMS = {
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "dpkg": "dpkg: images are made of a Debian's own packages",
    "cargo": "Rust",
    "node": "nodejs",
}
CGROUPS = ("memory", "pids", "devices", "cpu")


class NoDocker(Exception):
    """A dockerd cannot run here. The message says what is missing."""


def what_is_missing() -> str | None:
    """Return what this machine lacks for a dockerd of the tests' own, or None."""
    if os.geteuid() != 0:
        return "containers: a dockerd of the tests' own needs root"
    lacking = [f"{program} ({package})" for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if lacking:
        return f"containers: not installed: {', '.join(lacking)}"
    v2 = Path("/sys/fs/cgroup/cgroup.controllers")
    there = v2.read_text().split() if v2.exists() else [path.name for path in Path("/sys/fs/cgroup").glob("*")]
    absent = [one for one in CGROUPS if one not in there and not (v2.exists() and one == "devices")]
    if absent:
        return f"containers: the kernel's cgroups lack {', '.join(absent)} (/sys/fs/cgroup)"
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "containers: the kernel has no overlay file system"
    return None


@dataclass(frozen=True, slots=True)
class Docker:
    """What commands are given to a daemon."""

    socket: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which docker and docker-compose find the daemon."""
        return {
            **os.environ,
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_BUILDKIT": "0",
            "DOCKER_CONFIG": str(self.socket.parent),
        }

    def run(self, *arguments: str, check: bool = True, seconds: float = 600) -> str:
        """Run `docker` and return what it prints."""
        return _run([self.program, *arguments], self.environment, check, seconds)

    @property
    def program(self) -> str:
        """Debian's docker, whose version is that of its dockerd, where it is installed."""
        return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else shutil.which("docker") or "docker"

    def sweep(self) -> None:
        """Remove all containers, their volumes and networks."""
        containers = self.run("ps", "--all", "--quiet").split()
        if containers:
            self.run("rm", "--force", "--volumes", *containers)
        self.run("network", "prune", "--force")
        volumes = self.run("volume", "ls", "--quiet").split()
        if volumes:
            self.run("volume", "rm", "--force", *volumes)

    def has(self, image: str) -> bool:
        """Return whether an image is there."""
        return bool(self.run("images", "--quiet", image).strip())

    def load(self, archive: Path, name: str, changes: Sequence[str]) -> None:
        """Make an image of a tar archive."""
        self.run("import", *(f"--change={one}" for one in changes), str(archive), name)

    def build(self, folder: str | Path, text: str | None, name: str, **arguments: str) -> None:
        """Build an image of a folder, by its own Dockerfile or by `text`, with the network that the daemon is in."""
        options = ["--network", "host", "--tag", name, *(f"--build-arg={key}={one}" for key, one in arguments.items())]
        if text is not None:
            (Path(folder) / "Dockerfile").write_text(text)
        self.run("build", *options, str(folder), seconds=1800)


def _run(command: list[str], environment: dict[str, str] | None, check: bool, seconds: float) -> str:
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
    )
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout


def weigh(containers: int) -> None:
    """Let all containers together have as much of the processors as so many processes outside of one, and not as a single one."""
    for path, value in (
        ("cpu/docker/cpu.shares", 1024 * containers),
        ("docker/cpu.weight", min(10_000, 100 * containers)),
    ):
        group = Path("/sys/fs/cgroup") / path
        if (group.parent.parent / group.name).exists() or group.exists():
            group.parent.mkdir(exist_ok=True)
            group.write_text(str(value))


def inside(*command: str) -> list[str]:
    """Return the command that runs another one in the daemon's network."""
    return ["nsenter", f"--net=/run/netns/{NAMESPACE}", *command]


@contextmanager
def namespace() -> Iterator[None]:
    """Make the network without a way out, for the time of the context."""
    _run(["ip", "netns", "delete", NAMESPACE], None, False, 60)
    _run(["ip", "netns", "add", NAMESPACE], None, True, 60)
    try:
        _run(inside("ip", "link", "set", "lo", "up"), None, True, 60)
        yield
    finally:
        _run(["ip", "netns", "delete", NAMESPACE], None, False, 60)


@contextmanager
def daemon(root: Path, run: Path, *, builds: bool) -> Iterator[Docker]:
    """Run a dockerd with its images in `root`: for builds in the machine's network, else within `namespace`. Raises NoDocker."""
    run.mkdir(parents=True, exist_ok=True)
    socket, log = run / "docker.sock", run / f"dockerd-{'builds' if builds else 'runs'}.log"
    command = ["dockerd", "--data-root", str(root), "--exec-root", str(run / "exec"), "--host", f"unix://{socket}"]
    command += ["--pidfile", str(run / "docker.pid"), "--config-file", str(run / "none.json")]
    (run / "none.json").write_text("{}")
    command = [*command, "--bridge", "none", "--iptables=false", "--ip-forward=false"] if builds else inside(*command)
    with log.open("wb") as told:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told, start_new_session=True)
    docker = Docker(socket)
    try:
        _until_it_answers(docker, process, log)
        yield docker
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_it_answers(docker: Docker, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > end:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise NoDocker(f"dockerd does not run here: {last}")
        asked = subprocess.run([docker.program, "version"], env=docker.environment, capture_output=True)
        if asked.returncode == 0:
            return
        time.sleep(0.2)
