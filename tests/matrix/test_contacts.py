"""The main job talks to nobody but this machine: nothing leaves a namespace that has a way out."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli_process import environment
from tests.support.needs import missing

from .topology import what_is_missing

ROOT = Path(__file__).parents[2]
SECONDS = 580
ELSEWHERE = "192.0.2.1"
SEND = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('{ELSEWHERE}', 9))"


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def inside() -> Iterator[str]:
    """A namespace with a device that leads to another one, as to the internet: whatever is sent there is counted."""
    lacking = what_is_missing()
    if lacking is not None:
        missing(lacking)
    here, there = (f"datdot-{os.getpid()}-{name}" for name in ("in", "out"))
    with contextlib.ExitStack() as stack:
        for name in (here, there):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "delete", name)
        ip("-n", here, "link", "add", "way", "type", "veth", "peer", "name", "way", "netns", there)
        for name, address in ((here, "44.20.0.1/24"), (there, "44.20.0.2/24")):
            for device in ("lo", "way"):
                subprocess.run(
                    ["ip", "netns", "exec", name, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1"], check=True
                )
                ip("-n", name, "link", "set", device, "up")
            ip("-n", name, "address", "add", address, "dev", "way")
        ip("-n", here, "route", "add", "default", "via", "44.20.0.2")
        yield here


def run(namespace: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ip", "netns", "exec", namespace, sys.executable, *command],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip


def sent(namespace: str) -> int:
    """Packets that left by the way out, those that ask for the neighbour's address included."""
    return int(ip("netns", "exec", namespace, "cat", "/sys/class/net/way/statistics/tx_packets"))


@pytest.mark.slow
def test_the_demo_contacts_nobody(inside: str, tmp_path: Path) -> None:
    before = sent(inside)
    done = run(
        inside,
        "-m",
        "service.cli",
        "demo",
        str(ROOT / "docs"),
        "--dir",
        str(tmp_path / "net"),
        "--replicas",
        "1",
        "--json",
    )
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    assert '"identical": true' in done.stdout
    assert sent(inside) == before, "the demo sent something to somebody else"


def test_what_is_sent_elsewhere_is_counted(inside: str) -> None:
    before = sent(inside)
    assert run(inside, "-c", SEND).returncode == 0
    assert sent(inside) > before


def test_a_test_that_talks_to_others_fails() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        with pytest.raises(AssertionError, match=r"a test talks to 192\.0\.2\.1"):
            opened.sendto(b"x", (ELSEWHERE, 9))
        with pytest.raises(AssertionError, match=r"a test talks to 192\.0\.2\.1"):
            opened.connect((ELSEWHERE, 9))
    with pytest.raises(AssertionError, match=r"a test looks up example\.org"):
        socket.getaddrinfo("example.org", 80)
