"""The measurements over TCP: one small download of ours is whole, and what fails is said."""

from __future__ import annotations

import pytest

from bench import _sides, tcp
from bench.registry import Unavailable


def test_a_small_download_between_two_processes_of_ours() -> None:
    assert tcp.megabytes_per_second(tcp.PYTHON, tcp.PYTHON, tcp.Feed(40, 1024)) > 0


def test_a_process_that_fails_is_named() -> None:
    with (
        pytest.raises(RuntimeError, match="StorageError"),
        _sides.running(_sides.command(tcp.PYTHON, tcp.PROGRAM, "serve", "/dev/null/x", "1", "1")) as side,
    ):
        side.line()


def test_without_node_there_is_no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sides.shutil, "which", lambda name: None)
    with pytest.raises(Unavailable, match=r"Node\.js is not installed"):
        _sides.command(tcp.NODE, tcp.PROGRAM, "serve")
