"""`datdot bench`: figures of this machine, and what they would earn; doctor measures with the same code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.chain_client.pallet.types import Encoder
from service.node import doctor, measures
from service.node.findings import Grade
from service.node.measures import BATCH, LEAF, codec_rates, disk_rate, hash_rate
from service.node.prices import encoding_earnings
from service.roles.hoster.room import Room
from service.units import GIB, MIB, UNIT
from tests.support.blank import blank
from tests.support.cli_process import datdot, done, running_chain


class Clock:
    """A clock on which each look is a second later."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(measures, "time", found)
    return found


def test_rates_are_work_by_time(clock: Clock, tmp_path: Path) -> None:
    steps: list[int] = []
    assert disk_rate(tmp_path, 40 * MIB, lambda: steps.append(1)) == 40 * MIB / 3, "in three files"
    assert hash_rate(5, lambda: steps.append(2)) == BATCH * LEAF
    rates = codec_rates(2, lambda: steps.append(3))
    assert (rates.encode, rates.decode) == (BATCH * 256, BATCH * 256)
    assert steps == [1] * 3 + [2] * 5 + [3] * 4
    assert list(tmp_path.iterdir()) == [], "nothing is left"


def test_a_disk_that_takes_nothing_is_told_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("service.durable.replace", full)
    with pytest.raises(OSError, match="No space left"):
        disk_rate(tmp_path, MIB)
    found = doctor.disk_speed(tmp_path)
    assert (found.level, "make room" in found.text) == (Grade.BAD, True)
    assert list(tmp_path.iterdir()) == []


def a_folder_of_somebody(tmp_path: Path) -> Path:
    """Make a folder that others may look into, with files of all the names that a trial once had."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    for name in ("trial", ".datdot-trial", "holiday.txt"):
        (folder / name).write_text(f"my own {name}")
    return folder


def content(folder: Path) -> tuple[str, dict[str, str]]:
    return oct(folder.stat().st_mode), {path.name: path.read_text() for path in folder.iterdir()}


def test_what_is_in_the_directory_stays_as_it_is(tmp_path: Path) -> None:
    folder = a_folder_of_somebody(tmp_path)
    before = content(folder)
    done("bench", "--dir", folder, "--seconds", 0)
    datdot("doctor", "--dir", folder, "--chain", "ws://127.0.0.1:9", "--json")
    assert doctor.disk_speed(folder).level is not Grade.BAD
    room = Room(folder, 0)
    room.failed(OSError(28, "No space left on device"))
    room.look()
    assert not room.paused, "it tried the disk"
    assert content(folder) == before


def test_a_trial_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    def break_off() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        disk_rate(tmp_path, 40 * MIB, break_off)
    assert list(tmp_path.iterdir()) == []


def test_what_a_day_of_encoding_earns() -> None:
    def offer(ask: int, is_open: bool = True) -> Encoder:
        return blank(Encoder, open=is_open, ask=ask)

    alone = encoding_earnings(UNIT // 100, [offer(1, is_open=False)], GIB / 86_400)
    assert alone.text == (
        "1.0 GiB can be encoded a day, for 0.01 UNIT at 0.01 UNIT per GiB, when there is always a job; nobody else offers now"
    )
    dear = encoding_earnings(UNIT, [offer(UNIT // 4), offer(UNIT // 4), offer(UNIT)], GIB / 86_400)
    assert (dear.level, "3 encoders offer, in the middle for 0.25 UNIT" in dear.text) == (Grade.WARNING, True)
    assert "--ask-encoding" in dear.remedy


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "chain").mkdir()
    with running_chain("model", tmp_path / "chain") as chain:
        found: dict[str, Any] = done("bench", "--dir", tmp_path / "node", "--seconds", 0, "--chain", chain.url)
    assert list(found) == ["cores", "disk_write", "codec", "encode", "decode", "hash", "earnings"]
    assert all(
        type(found[name]) is int and found[name] > 0 for name in ("cores", "disk_write", "encode", "decode", "hash")
    )
    assert [one["what"] for one in found["earnings"]] == ["earnings", "encoding"]
    text = datdot("bench", "--dir", tmp_path / "node", "--seconds", 0)
    assert text.code == 0
    assert [line.split()[0] for line in text.out.splitlines()] == ["disk", "codec", "hash", "cores"]
    assert [f"step={number}" in text.err for number in (1, 2, 3)] == [True] * 3, "it says what it does"
    away = datdot("bench", "--dir", tmp_path / "node", "--seconds", 0, "--chain", "ws://127.0.0.1:9", "--json")
    away.failure("chain_unreachable")
