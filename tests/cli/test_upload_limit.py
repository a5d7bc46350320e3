"""`datdot feed serve --upload-limit`: what the command hands to its transport, and what it refuses."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import feed
from service.cli.output import Failure
from service.hypercore import Corestore
from tests.support.cli_process import datdot


@pytest.mark.parametrize(("given", "limit"), [((), None), (("--upload-limit", "2MiB/s"), 2 << 20)])
def test_the_limit_reaches_the_transport(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], limit: int | None
) -> None:
    with closing(Corestore(tmp_path)) as store:
        key = store.create().key.hex()

    handed: list[object] = []

    def transport_of(*parts: object) -> object:
        handed.append(parts[-1])
        raise Failure("test", "that is far enough")

    monkeypatch.setattr(feed, "transport_of", transport_of)
    monkeypatch.setattr(feed, "configure_logging", lambda *_: None)  # it would hold for the tests that come after
    CliRunner().invoke(feed.feed_app, ["serve", key, "--dir", str(tmp_path), *given, "--json"])
    assert handed == [limit]


@pytest.mark.parametrize("text", ["0", "fast", "1B/s"])
def test_what_is_no_rate_is_refused(tmp_path: Path, text: str) -> None:
    refused = datdot("feed", "serve", "ab" * 32, "--dir", tmp_path, "--upload-limit", text, "--json")
    assert "no rate" in refused.failure("usage", 2)["message"]
