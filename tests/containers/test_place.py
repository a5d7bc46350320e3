"""Runs side by side do no harm to each other, and one that was killed leaves nothing that the next one does not remove."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.containers.daemon import NoDocker, daemon, what_is_missing
from tests.containers.place import CGROUPS, SLOTS, NoPlace, Place, place
from tests.containers.stack import ROOT, until
from tests.support.needs import missing

pytestmark = pytest.mark.slow
HELD = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background would be deaf to it
from pathlib import Path
from tests.containers.daemon import daemon, make_network, weigh
from tests.containers.place import place
from tests.containers.stack import ended_by_sigterm
with ended_by_sigterm(), place(Path(sys.argv[1])) as taken:
    weigh(taken, 1)
    make_network(taken)
    with daemon(taken, builds=False):
        print(json.dumps(str(taken.images)), flush=True)
        sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _possible() -> None:
    lacking = what_is_missing()
    if lacking is not None:
        missing(f"containers: {lacking}")


@contextmanager
def waiting(*words: str, within: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that waits, and that shows these words as its command line."""
    command = [*within, "bash", "-c", 'exec -a "$0" bash -c "read never" "$@"', *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        shown = Path(f"/proc/{process.pid}/cmdline")
        until("it shows its words", lambda: shown.read_text().startswith(f"{words[0]}\0") or None)
        try:
            yield process
        finally:
            process.kill()


def traces(of: Place) -> list[object]:
    """Return what there is on this machine that is named after a place."""
    there = [one for one in (of.run, of.network) if one.exists()]
    return [*of.processes(), *of.mounts(), *of.cgroups(), *there]


def test_a_slot_is_one_runs_at_a_time(tmp_path: Path) -> None:
    with ExitStack() as runs:
        taken = [runs.enter_context(place(tmp_path)) for _ in range(SLOTS)]
        assert len({one.images for one in taken}) == len({one.name for one in taken}) == SLOTS
        with pytest.raises(NoPlace, match="wait until one of them ends"), place(tmp_path):
            pass
    with place(tmp_path) as again:
        assert again == taken[0]


def test_what_a_killed_run_left_is_ended_and_removed_and_nothing_else(tmp_path: Path) -> None:
    with place(tmp_path) as taken:
        pass
    (taken.run / "exec").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(taken.run / "exec")], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(taken.images)], check=True)
    subprocess.run(["ip", "netns", "add", taken.name], check=True)
    group = (CGROUPS if (CGROUPS / "cgroup.procs").exists() else CGROUPS / "pids") / taken.name / "container"
    group.mkdir(parents=True)
    own = f"{taken.run}/exec/containerd.sock"
    with (
        waiting("/usr/sbin/dockerd", "--exec-root", own) as left,
        waiting("peer", within=tuple(taken.inside())) as inside,
        waiting("peer") as contained,
        waiting("less", own) as reader,
        waiting("/usr/sbin/dockerd", "--exec-root", f"{taken.run}0/exec") as others,
    ):
        (group / "cgroup.procs").write_text(str(contained.pid))
        with place(tmp_path) as again:
            assert again == taken
            assert not traces(again)
            assert {one.wait() for one in (left, inside, contained)} == {-signal.SIGKILL}
            assert (reader.poll(), others.poll()) == (None, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda one: one.name)
def test_a_daemon_ends_with_the_run_that_started_it(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HELD, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        taken = Place(Path(json.loads(run.stdout.readline())))
        assert taken.processes()
        os.kill(run.pid, number)
        run.wait()
    until("the daemon ends", lambda: True if not taken.processes() else None)
    if number is signal.SIGKILL:
        assert traces(taken), "nobody was there to remove anything"
        with place(tmp_path):
            pass
    assert not traces(taken)


def test_images_of_no_use_are_removed(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one")
    subprocess.run(["tar", "-cf", tmp_path / "one.tar", "-C", tmp_path, "one"], check=True)
    with place(tmp_path) as taken, daemon(taken, builds=True) as docker:
        for name in (
            "datdot-test/one:1",
            "datdot-test/one:2",
            "datdot-test/one:2",
        ):  # the second 2 takes its name from the first
            docker.load(tmp_path / "one.tar", name, [f"LABEL at={name}"])
        docker.keep({"datdot-test/one:2"})
        listed = docker.run("images", "--all", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert listed == ["datdot-test/one:2"]


def test_a_kernel_that_lets_no_daemon_run_is_told_in_one_line(tmp_path: Path) -> None:
    with place(tmp_path) as taken:
        taken.images.rmdir()
        taken.images.write_text("no folder")
        refused = pytest.raises(NoDocker, match=r"^dockerd does not run here: .*points to a file")
        with refused as raised, daemon(taken, builds=True):
            pass
    assert "\n" not in str(raised.value)
