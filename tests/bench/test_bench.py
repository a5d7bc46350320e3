"""The frame of the measurements: which are run, what is printed and written, and reading `openssl speed`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench import __main__ as program
from bench import registry
from bench.encoding import parse_speed
from bench.registry import Figures, Report, Unavailable
from bench.scale import BACKENDS, KINDS


def fine(report: Report) -> Figures:
    report("turn 1 of 1")
    return Figures("MB/s", 3.0, 2.0, "the [peer]", "by hand")


def missing(report: Report) -> Figures:
    raise Unavailable("[node] is not installed")


def broken(report: Report) -> Figures:
    raise ZeroDivisionError("no [time] passed")


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(registry, "_REGISTERED", [])
    monkeypatch.setattr(registry, "load", lambda: None)
    for name, function in (("a/fine", fine), ("a/finer", fine), ("b/missing", missing), ("c/broken", broken)):
        registry.measures(name)(function)
    monkeypatch.setattr(program, "RESULTS", tmp_path / "results.json")
    return tmp_path / "results.json"


def test_results_and_table(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["a/"]) == 0
    written = json.loads(results.read_text())
    assert [entry["name"] for entry in written] == ["a/fine", "a/finer"]
    row = {"unit": "MB/s", "ours": 3.0, "peer": 2.0, "peer_name": "the [peer]", "ratio": 1.5, "how": "by hand"}
    assert written[0] == {"name": "a/fine", **row}
    out = capsys.readouterr().out
    assert "a/finer" in out
    assert "1.50" in out


@pytest.mark.parametrize(("prefix", "reason"), [("b", "[node] is not installed"), ("c", "no [time] passed")])
def test_what_could_not_be_measured_is_said(
    results: Path, capsys: pytest.CaptureFixture[str], prefix: str, reason: str
) -> None:
    assert program.main([prefix, "a/finer"]) == 1
    assert [entry["name"] for entry in json.loads(results.read_text())] == ["a/finer"]
    assert reason in capsys.readouterr().err


def test_a_name_that_nothing_has(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["x", "y"]) == 2
    assert "no measurement begins with x or y" in capsys.readouterr().err
    assert not results.exists()


def test_names_are_unique(results: Path) -> None:
    with pytest.raises(ValueError, match="two measurements are called a/fine"):
        registry.measures("a/fine")(fine)


def test_the_promised_measurements_are_there() -> None:
    registry.load()
    names = {measurement.name for measurement in registry.chosen([])}
    assert {"encode/core", "encode/all-cores", "decode/core"} <= names
    assert {"mock/model/extrinsic", "mock/wasm/extrinsic", "proof/verify", "memory/encoder", "memory/hoster"} <= names
    assert {"scale/state"} | {f"scale/{backend}/{kind}" for backend in BACKENDS for kind in KINDS} <= names
    pairings = "node-python", "python-node", "python-python"
    assert {f"tcp/{size}/{sides}" for size in ("64KiB", "1KiB") for sides in pairings} <= names
    assert "udx/packet" in names


def test_each_row_of_the_readme_is_a_measurement() -> None:
    registry.load()
    names = {measurement.name for measurement in registry.chosen([])}
    text = (Path(__file__).parents[2] / "README.md").read_text()
    rows = re.findall(r"^\| `([\w/+-]+)` \| [\d.,]+ ", text, re.MULTILINE)
    assert len(rows) == len(set(rows)) > 50
    assert set(rows) <= names
    left_out = {name for name in names - set(rows) if not name.startswith("scale/")}
    assert not left_out, "measured, and in no table"


def test_speed_of_openssl_old_and_new() -> None:
    old = "                  sign    verify    sign/s verify/s\nrsa 2048 bits 0.000732s 0.000023s   1366.3  44121.1\n"
    new = (
        "                   sign    verify    encrypt   decrypt   sign/s verify/s  encr./s  decr./s\n"
        "rsa  2048 bits 0.000480s 0.000014s 0.000016s 0.000494s   2083.5  71428.6  62500.0   2024.3\n"
    )
    assert parse_speed(old) == (1366.3, 44121.1)
    assert parse_speed(new) == (2083.5, 71428.6)
    with pytest.raises(Unavailable, match="no figures"):
        parse_speed("rsa 2048 bits")
