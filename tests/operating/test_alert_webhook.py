"""Every alert there is fires at a webhook, once, and is told to be over, once: through rules, book, table, sender and apprise."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from service.operating.alerts.book import AlertBook
from service.operating.alerts.rules import RULES, apply_rules
from service.operating.alerts.sending import AlertSender
from service.operating.alerts.table import AlertTable
from service.operating.alerts.targets import TargetError, open_targets
from service.roles.common.database import Database
from tests.operating.test_alert_rules import ME, PROVOKED, WELL
from tests.support.webhook import webhook

pytestmark = pytest.mark.filterwarnings(
    "ignore:'imghdr' is deprecated:DeprecationWarning"
)  # apprise on Python 3.11 and 3.12


async def test_every_alert_fires_once_and_closes(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "roles.sqlite")) as database, webhook() as hook:
        table, book = AlertTable(database), AlertBook()
        told: asyncio.Queue[int] = asyncio.Queue()

        def on_told(alert: object) -> None:
            told.put_nowait(1)

        sender = AlertSender(open_targets([hook.url]), ME, on_told)
        task = asyncio.create_task(sender.run())
        for rule in RULES:
            changed = PROVOKED[rule][0]
            for block in [*range(1000, 1040), *range(1040, 1080)]:
                facts = replace(WELL, block=block, **(changed if block < 1040 else {}))
                found = book.step(apply_rules(facts), block, block)
                table.save(found)
                sender.tell(found)
        async with asyncio.timeout(120):
            for _ in range(2 * len(RULES)):
                await told.get()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        came = [hook.next(1) for _ in range(2 * len(RULES))]
        assert hook.came.empty()
    for rule, opened, over in zip(RULES, came[::2], came[1::2], strict=True):
        _, severity, category, text = PROVOKED[rule]
        assert opened["title"] == f"datdot: {severity.value}: {category.value}"
        assert text in opened["message"]
        assert "what to do: " in opened["message"]
        assert opened["type"] == ("warning" if severity.value == "warning" else "failure")
        assert over["title"] == f"datdot: over: {category.value}"
        assert over["type"] == "success"
        assert over["message"].startswith("It is over: ")
        assert text in over["message"]


async def test_one_that_refuses_is_not_taken_and_no_secret_is_in_its_name() -> None:
    with webhook() as hook:
        (target,) = open_targets([hook.url])
        hook.refuses = True
        assert not await target.send("a", "b", "failure")
        hook.refuses = False
        assert await target.send("a", "b", "failure")
        assert "SECRETWORD" not in target.name
        assert "127.0.0.1" in target.name
    assert not await target.send("a", "b", "failure"), "nobody is there"
    (mail,) = open_targets(["mailto://me:hunter22@example.org?smtp=127.0.0.1"])
    assert "hunter22" not in mail.name


def test_a_target_that_is_none_is_named_without_its_secrets() -> None:
    with pytest.raises(TargetError, match=r"alert target 2 \(nosuch://…\) is none that apprise") as failed:
        open_targets(["json://127.0.0.1/", "nosuch://me:secret@x"])
    assert "secret" not in str(failed.value)


def test_without_apprise_a_target_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.operating.alerts.targets.find_spec", lambda _: None)
    assert open_targets([]) == []
    with pytest.raises(TargetError, match=r"pip install 'datdot-service\[alerts\]'"):
        open_targets(["json://127.0.0.1/"])
