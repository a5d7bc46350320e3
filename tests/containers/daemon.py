"""A dockerd of the tests' own: its images, socket, network and group of processes are apart from those of the machine.

It runs in a network namespace without a way out, in which its bridges and filters are. Only to build images it runs in the
machine's own network, without a bridge and without touching a filter. It ends with the process that started it, however that ends.
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

from .place import CGROUPS, Place

PATIENCE_SECONDS = 60.0
PROGRAMS = {
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "dpkg": "dpkg: images are made of a Debian's own packages",
    "cargo": "Rust",
    "node": "nodejs",
}
CONTROLLERS = ("memory", "pids", "devices", "cpu")


class NoDocker(Exception):
    """A dockerd cannot run here. The message says what is missing."""


def what_is_missing() -> str | None:
    """Return what this machine lacks for a dockerd of the tests' own, or None."""
    if os.geteuid() != 0:
        return "a dockerd of the tests' own needs root"
    lacking = [f"{program} ({package})" for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    v2 = CGROUPS / "cgroup.controllers"
    there = [*v2.read_text().split(), "devices"] if v2.exists() else [path.name for path in CGROUPS.glob("*")]
    absent = [one for one in CONTROLLERS if one not in there]
    if absent:
        return f"the kernel's cgroups lack {', '.join(absent)} (/sys/fs/cgroup)"
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "the kernel has no overlay file system"
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

    def prove(self, image: str) -> None:
        """Run a container with limits as those of docker-compose.yml. Raises NoDocker."""
        limits = [
            "--read-only",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges:true",
            "--memory=64m",
            "--pids-limit=8",
        ]
        try:
            self.run("run", "--rm", "--network=none", *limits, image, "true")
        except AssertionError as error:
            raise NoDocker(f"dockerd runs no container here: {' '.join(str(error).split())}") from error

    def keep(self, images: set[str]) -> None:
        """Remove all images but these and what they are made of."""
        there = set(self.run("images", "--format", "{{.Repository}}:{{.Tag}}").split())
        others = sorted(one for one in there - images if not one.startswith("<none>"))
        if others:
            self.run("rmi", *others)
        self.run("image", "prune", "--force")

    def build(self, folder: str | Path, text: str | None, name: str, target: str = "", **arguments: str) -> None:
        """Build an image of a folder, by its own Dockerfile or by `text`, with the network that the daemon is in.

        With a `target` of one of its stages.
        """
        options = ["--network", "host", "--tag", name, *(f"--build-arg={key}={one}" for key, one in arguments.items())]
        if target:
            options.append(f"--target={target}")
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


def weigh(place: Place, containers: int) -> None:
    """Let all containers together have as much of the processors as so many processes outside of one, and not as a single one.

    Raises NoDocker when the kernel gives no group of processes.
    """
    try:
        if (CGROUPS / "cgroup.controllers").exists():
            (CGROUPS / "cgroup.subtree_control").write_text("+cpu +memory +pids")
            path, value = CGROUPS / place.name / "cpu.weight", min(10_000, 100 * containers)
        else:
            path, value = CGROUPS / "cpu" / place.name / "cpu.shares", 1024 * containers
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(value))
    except OSError as error:
        raise NoDocker(
            f"the kernel gives no group of processes ({error}): in a container it needs --privileged --cgroupns=host"
        ) from error


def make_network(place: Place) -> None:
    """Make the network without a way out. Raises NoDocker."""
    try:
        _run(["ip", "netns", "add", place.name], None, True, 60)
        _run(place.inside("ip", "link", "set", "lo", "up"), None, True, 60)
    except AssertionError as error:
        raise NoDocker(f"the kernel gives no network namespace: {' '.join(str(error).split())}") from error


@contextmanager
def daemon(place: Place, *, builds: bool) -> Iterator[Docker]:
    """Run a dockerd with the images of a place: for builds in the machine's network, else in `make_network`'s. Raises NoDocker.

    What these three leave behind, `place` removes.
    """
    run = place.run
    run.mkdir(mode=0o700, exist_ok=True)
    socket, log = run / "docker.sock", run / f"dockerd-{'builds' if builds else 'runs'}.log"
    command = [
        "dockerd",
        "--data-root",
        str(place.images),
        "--exec-root",
        str(run / "exec"),
        "--host",
        f"unix://{socket}",
    ]
    command += ["--pidfile", str(run / "docker.pid"), "--config-file", str(run / "none.json")]
    command += ["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{place.name}"]
    (run / "none.json").write_text("{}")
    command = (
        [*command, "--bridge", "none", "--iptables=false", "--ip-forward=false"] if builds else place.inside(*command)
    )
    command = ["setpriv", "--pdeathsig", "TERM", *command]
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
            state = "does not run" if process.poll() is not None else f"does not answer within {PATIENCE_SECONDS:.0f} s"
            told = log.read_text(errors="replace").splitlines() or ["it says nothing"]
            raise NoDocker(f"dockerd {state} here: {told[-1]}")
        asked = subprocess.run([docker.program, "version"], env=docker.environment, capture_output=True)
        if asked.returncode == 0:
            return
        time.sleep(0.2)
