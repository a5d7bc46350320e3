"""What `datdot repair` tells a program: the faults in any case, and that nothing is declared which nobody agreed to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.cli import copies
from service.cli.copies import CheckResult, HosterShelf
from service.node.settings import NodeSettings
from service.roles.hoster.verify import CopyFault, FaultKind

SETTINGS = NodeSettings("ws://127.0.0.1:1", ("hoster",), "127.0.0.1", 1)


def repaired(monkeypatch: pytest.MonkeyPatch, home: Path, kind: FaultKind, *, yes: bool) -> None:
    """Run `repair --json` on a copy in which the check finds a fault of a kind."""
    shelf: Any = SimpleNamespace(settings=SETTINGS, segments=lambda copy: [SimpleNamespace(job=None)])

    @asynccontextmanager
    async def opened(directory: Path) -> AsyncIterator[HosterShelf]:
        yield shelf

    async def check(*_: object) -> CheckResult:
        return CheckResult(1, 1, 0, 256, [CopyFault(7, 9, kind, "its sectors do not lead to the root")])

    # else the loggers of the whole process would write to this test's stderr, which is closed when the next one runs
    monkeypatch.setattr(copies, "configure_logging", lambda as_json: None)
    monkeypatch.setattr(copies, "opened_shelf", opened)
    monkeypatch.setattr(copies, "check", check)
    monkeypatch.setattr(copies, "remedy", lambda job, directory: "fetch it")
    copies.repair(home, 7, yes=yes, json=True)


def objects(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_loss_is_told_whole_and_not_declared_without_a_yes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        repaired(monkeypatch, tmp_path, FaultKind.LOST, yes=False)
    found, failed = objects(capsys)
    assert left.value.code == 1
    assert [one["text"] for one in found["faults"]] == ["its sectors do not lead to the root"]
    assert (found["done"], "with --yes" in found["remedy"]) == ("nothing", True)
    assert (failed["error"]["code"], "add --yes" in failed["error"]["message"]) == ("damaged", True)


def test_with_a_yes_it_goes_on_to_the_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        repaired(monkeypatch, tmp_path, FaultKind.LOST, yes=True)
    (failed,) = objects(capsys)
    assert failed["error"]["code"] in ("key_file", "os")
    assert str(tmp_path / "key.json") in failed["error"]["message"] + failed["error"]["where"]


def test_what_a_feed_lacks_is_no_loss(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repaired(monkeypatch, tmp_path, FaultKind.FEED, yes=True)
    (found,) = objects(capsys)
    assert (found["done"], found["remedy"], len(found["faults"])) == ("fetch", "fetch it", 1)
