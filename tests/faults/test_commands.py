"""`datdot feed fetch` as users run it: a limit on the file's size, and a disk that is full; then there is room."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_process import Ran, command, done, environment, running
from tests.support.small_disk import small_disk

SIZE = 5 << 20


@dataclass
class Served:
    """A feed of some MiB that somebody serves."""

    key: str
    peer: str
    data: bytes


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    data = os.urandom(SIZE)
    (folder / "file").write_bytes(data)
    key = done("feed", "import", folder / "file", "--dir", folder / "author")["key"]
    serve = ("feed", "serve", key, "--dir", folder / "author", "--json")
    with running(folder / "log", *serve) as child:
        yield Served(key, child.line()["peer"], data)


def fetch(served: Served, directory: Path, limit_kib: int | None = None) -> Ran:
    def limited() -> None:
        if limit_kib is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_kib << 10, limit_kib << 10))

    line = command("feed", "fetch", served.key, "--dir", directory, "--peer", served.peer, "--json")
    ran = subprocess.run(
        line, capture_output=True, text=True, timeout=300, check=False, env=environment(), preexec_fn=limited
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def check_refused(ran: Ran) -> None:
    """It says what is wrong and what to do, and blames no peer."""
    message = ran.failure("storage")["message"]
    assert "corestore.sqlite" in message
    assert "are free there: make room on that disk, then try again" in message
    assert "peer" not in message
    assert "Traceback" not in ran.err


def check_claims(served: Served, directory: Path) -> None:
    """What it says that it has is there."""
    verified: dict[str, Any] = done("feed", "verify", served.key, "--dir", directory)
    described: dict[str, Any] = done("feed", "info", served.key, "--dir", directory)
    assert json.dumps(verified)
    assert described["length"] >= verified["blocks_verified"]


def check_completed(served: Served, directory: Path) -> None:
    assert fetch(served, directory).code == 0
    out = directory.parent / f"{directory.name}-out"
    done("feed", "export", served.key, out, "--dir", directory)
    assert out.read_bytes() == served.data


@pytest.mark.case("feeds/full-disk")
@pytest.mark.parametrize("limit", [700, 1500, 3000])
def test_a_fetch_beyond_the_largest_file_is_completed_without_the_limit(
    tmp_path: Path, served: Served, limit: int
) -> None:
    ran = fetch(served, tmp_path / "reader", limit)
    if ran.code:
        check_refused(ran)
        check_claims(served, tmp_path / "reader")
    check_completed(served, tmp_path / "reader")
    assert ran.code or limit * 1024 > SIZE // 2, "the limit is that of a file, and SQLite has two"


@pytest.mark.case("feeds/full-disk")
def test_a_fetch_on_a_full_disk_is_completed_with_room(tmp_path: Path, served: Served) -> None:
    with small_disk(tmp_path / "disk", 3) as disk:
        check_refused(fetch(served, disk / "reader"))
        check_claims(served, disk / "reader")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        check_completed(served, disk / "reader")
