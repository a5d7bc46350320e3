"""The network of docker-compose.yml, without Grafana: what is asked of it, and done to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from .daemon import Docker, daemon, make_network, weigh
from .images import make_all
from .place import Place, place

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
PROJECT = "datdot"
BLOCK_MS = "500"
PROMETHEUS = "http://127.0.0.1:9090/api/v1"
PATIENCE_SECONDS = 240.0
CONTAINERS = 16
UNRUN = {"grafana"}
"""Services of which no program is at hand: their files are checked in another way."""
PASSING = {"gate", "faucet"}
"""Services that end when they have done their work."""
GET = "import json, sys, urllib.request as u; print(json.dumps([json.load(u.urlopen(one, timeout=20)) for one in sys.argv[1:]]))"
STATUS = """import sys, urllib.request as u, urllib.error as e
try: print(u.urlopen(sys.argv[1], timeout=20).status)
except e.HTTPError as error: print(error.code)"""


def until(what: str, look: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T:
    """Return what `look` finds, as soon as it finds anything; fail when it does not for long."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)


@dataclass(frozen=True, slots=True)
class Stack:
    """The containers, and the daemon that runs them."""

    place: Place
    docker: Docker
    images: dict[str, str]
    _services: list[str] = field(default_factory=list)

    def compose(self, *arguments: str, seconds: float = 600) -> str:
        """Run docker-compose and return what it prints."""
        environment = {
            **self.docker.environment,
            **self.images,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "DATDOT_BLOCK_MS": BLOCK_MS,
        }
        done = subprocess.run(
            ["docker-compose", "--ansi", "never", *arguments],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
        )  # fmt: skip
        assert done.returncode == 0, (
            f"docker-compose {' '.join(arguments)}\n{done.stdout}\n{done.stderr}\n{self.story()}"
        )
        return done.stdout

    def services(self) -> list[str]:
        """Return the services that are run."""
        if not self._services:
            self._services.extend(one for one in self.compose("config", "--services").split() if one not in UNRUN)
        return self._services

    def up(self) -> None:
        """Start everything, and wait until all is healthy."""
        self.compose("up", "--detach", "--no-build", *self.services())
        try:
            until("all are healthy", lambda: True if self.healthy() else None)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the daemon knows of a container."""
        return self.inspect_all(service)[0]

    def inspect_all(self, *services: str) -> list[dict[str, Any]]:
        """Return what the daemon knows of containers."""
        return list(json.loads(self.docker.run("inspect", *(f"{PROJECT}_{service}_1" for service in services))))

    def healthy(self) -> bool:
        """Return whether all containers are, and those that pass have ended well."""
        services = self.services()
        for service, found in zip(services, self.inspect_all(*services), strict=True):
            state = found["State"]
            if service in PASSING:
                if state["Status"] != "exited" or state["ExitCode"] != 0:
                    return False
            elif state.get("Health", {}).get("Status") != "healthy":
                return False
        return True

    def run(self, service: str, *command: str) -> str:
        """Run a command in a container."""
        return self.docker.run("exec", f"{PROJECT}_{service}_1", *command)

    def datdot(self, *arguments: str) -> dict[str, Any]:
        """Run datdot beside the author's node, and return its result."""
        return dict(json.loads(self.run("author-1", "datdot", *arguments, "--json")))

    def get(self, *urls: str) -> list[Any]:
        """Ask published ports, as a program of this machine does: one for all, as an interpreter takes long to start."""
        command = self.place.inside(sys.executable, "-c", GET, *urls)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{urls}: {done.stderr[-500:]}"
        return list(json.loads(done.stdout))

    def prometheus(self, path: str) -> Any:
        """Return what Prometheus has at a path of its API."""
        return self.get(f"{PROMETHEUS}/{path}")[0]["data"]

    def promql(self, *expressions: str) -> list[Any]:
        """Return what Prometheus answers to each expression."""
        answers = self.get(*(f"{PROMETHEUS}/query?{urlencode({'query': one})}" for one in expressions))
        assert all(one["status"] == "success" for one in answers), answers
        return [one["data"]["result"] for one in answers]

    def address(self, service: str) -> str:
        """Return a container's address in the peers' network."""
        return str(self.inspect(service)["NetworkSettings"]["Networks"][f"{PROJECT}_peers"]["IPAddress"])

    def story(self) -> str:
        """Return what the containers said last, for a failure's message."""
        listed = self.docker.run("ps", "--all", "--format", "{{.Names}} {{.Status}}", check=False)
        told = [listed]
        for name in [line.split()[0] for line in listed.splitlines() if line.startswith(PROJECT)]:
            done = subprocess.run(
                [self.docker.program, "logs", "--tail", "8", name],
                env=self.docker.environment,
                capture_output=True,
                text=True,
            )
            told.append(f"--- {name}\n{done.stdout}{done.stderr}")
        return "\n".join(told)[-30_000:]


def images_root() -> Path:
    """Return where the images are kept from run to run."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datdot-containers"


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end what runs within the context as Ctrl-C does: with all that is to be done at the end."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def build_images(taken: Place, node: Path) -> dict[str, str]:
    """Build all images, as a user does but from other base images, and return docker-compose.yml's variables. Raises NoDocker."""
    weigh(taken, CONTAINERS)
    with daemon(taken, builds=True) as docker:
        docker.sweep()
        return make_all(docker, ROOT, node)


@contextmanager
def stack(node: Path) -> Iterator[Stack]:
    """Build all images and run the network. Everything ends with the context.

    Raises NoDocker where none runs, NoPlace when too many runs go on.
    """
    with ended_by_sigterm(), place(images_root()) as taken:
        images = build_images(taken, node)
        make_network(taken)
        with daemon(taken, builds=False) as docker:
            made = Stack(taken, docker, images)
            try:
                made.up()
                yield made
            finally:
                docker.sweep()
