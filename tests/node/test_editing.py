"""A node's file of settings, changed while it runs: what stays as it was, what is refused and in which words."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from service.node.config import BadOption, Resolved, read_file, resolve
from service.node.editing import SettingsFile
from service.node.options import SETTINGS, is_live
from service.node.reloading import change_of
from service.operating.editing import WHOLE, SettingsRefused

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise imports it

TEXT = """# Of the node in the attic. Ask Ada before you change the chain.
roles = ["hoster", "attester"]
chain = "ws://127.0.0.1:9944"   # its own

[hosting]
capacity = "1GiB"  # half of the disk
ask_disk = "0.001UNIT"

# who is called at night
[alerts]
targets = ["json://ada:geheim@127.0.0.1:1/"]
"""


class Kept:
    """A file, its editor, and a node that takes over what comes."""

    def __init__(self, path: Path, **given: Any) -> None:
        self.path, self.taken = path, list[Resolved]()
        self.changes: asyncio.Queue[Resolved] = asyncio.Queue()
        self.editor = SettingsFile(path, given, None, self.changes)

    async def change(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Change, as a node does that runs."""

        async def take() -> None:
            while True:
                self.taken.append(await self.changes.get())
                self.changes.task_done()

        taking = asyncio.create_task(take())
        try:
            return await self.editor.change(values)
        finally:
            taking.cancel()

    async def refused(self, values: Mapping[str, str]) -> dict[str, str]:
        """Why a change is refused, after which all is as it was."""
        before = self.path.read_bytes()
        with pytest.raises(SettingsRefused) as caught:
            await self.change(values)
        assert self.path.read_bytes() == before
        assert self.taken == []
        return caught.value.reasons


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    path = tmp_path / "node.toml"
    path.write_text(TEXT)
    return Kept(path)


async def test_a_change_is_in_the_file_and_taken_over_and_all_else_stays(kept: Kept) -> None:
    assert await kept.change({"hosting.capacity": "2GiB", "hosting.ask_disk": "0.001UNIT"}) == ("hosting.capacity",)
    assert kept.path.read_text() == TEXT.replace("1GiB", "2GiB")
    assert kept.taken[-1].config.hosting.capacity == 2 << 30
    assert kept.taken[-1].settings.alert_targets == ("json://ada:geheim@127.0.0.1:1/",)


async def test_a_new_setting_a_new_table_and_the_default_again(kept: Kept) -> None:
    assert set(await kept.change({"hosting.reserve": "1GiB", "attesting.slots": "5"})) == {
        "hosting.reserve", "attesting.slots",
    }  # fmt: skip
    found = read_file(kept.path)
    assert (found["hosting_reserve"], found["attesting_slots"]) == (1 << 30, 5)
    assert "# half of the disk" in kept.path.read_text()
    await kept.change({"hosting.reserve": " ", "attesting.slots": "", "hosting.region": ""})
    assert {"hosting_reserve", "attesting_slots"}.isdisjoint(read_file(kept.path))
    assert kept.taken[-1].config.reserve is None


async def test_nothing_is_written_where_nothing_differs(kept: Kept) -> None:
    before = kept.path.stat().st_ino
    assert await kept.change({"hosting.capacity": "1GiB"}) == ()
    assert kept.path.stat().st_ino == before
    assert kept.taken == []


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("hosting.capacity", "lots"), ("hosting.ask_disk", "free"), ("hosting.region", "home"), ("attesting.slots", "17"),
        ("alerts.targets", "ada"), ("encoding.ask", "99999999999999999999999999999UNIT"),
    ],
)  # fmt: skip
async def test_a_bad_value_is_refused_in_the_words_of_the_command_line(kept: Kept, key: str, text: str) -> None:
    reasons = await kept.refused({key: text, "hosting.reserve": "1GiB"})
    with pytest.raises(BadOption) as said:
        resolve({key.replace(".", "_"): text}, kept.path, None)
    assert reasons == {key: str(said.value).partition(": ")[2]}


async def test_what_waits_for_a_restart_is_not_changed_here(kept: Kept) -> None:
    assert set(await kept.refused({"chain": "ws://127.0.0.1:1", "http.readers": "0.0.0.0/0"})) == {
        "chain",
        "http.readers",
    }


async def test_the_command_line_wins_and_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(TEXT)
    kept = Kept(path, hosting_capacity="3GiB", peers=[])
    reasons = await kept.refused({"hosting.capacity": "2GiB"})
    assert "--capacity or DATDOT_CAPACITY says it" in reasons["hosting.capacity"]
    offered = {one.key: one for one in (await kept.editor.offered()).settings}
    assert offered["hosting.capacity"].fixed
    assert not offered["hosting.ask_disk"].fixed


async def test_a_node_without_a_file_says_why_it_cannot() -> None:
    editor = SettingsFile(None, {}, None, asyncio.Queue())
    assert "--config FILE" in (await editor.offered()).why_not
    with pytest.raises(SettingsRefused, match="without a file of settings"):
        await editor.change({"hosting.capacity": "2GiB"})


async def test_a_file_that_is_wrong_by_now_is_mended_by_hand_first(kept: Kept) -> None:
    kept.path.write_text(TEXT + "[hosting\n")
    assert "not TOML" in (await kept.editor.offered()).why_not
    assert "not TOML" in (await kept.refused({"hosting.capacity": "2GiB"}))[WHOLE]


async def test_what_is_typed_is_offered_but_no_secret(kept: Kept) -> None:
    offered = await kept.editor.offered()
    rows = {one.key: one for one in offered.settings}
    assert offered.file == str(kept.path)
    assert rows["hosting.capacity"].typed == "1GiB"
    assert rows["alerts.targets"].typed == "1"
    assert "geheim" not in repr(offered)
    assert set(rows) == {one.key for one in SETTINGS if is_live(one)}


async def test_targets_may_hold_passwords_so_the_file_is_for_its_owner_alone(kept: Kept) -> None:
    kept.path.chmod(0o644)
    await kept.change({"alerts.targets": "json://bo:geheim@127.0.0.1:1/\njson://127.0.0.1:2/"})
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert kept.taken[-1].settings.alert_targets == ("json://bo:geheim@127.0.0.1:1/", "json://127.0.0.1:2/")
    assert "# who is called at night" in kept.path.read_text()
    await kept.change({"alerts.targets": ""})
    assert kept.taken[-1].settings.alert_targets == ()


async def test_a_target_that_apprise_does_not_know_is_refused(kept: Kept) -> None:
    assert "nosuchthing" in (await kept.refused({"alerts.targets": "nosuchthing://x"}))[WHOLE]


async def test_a_link_to_the_file_stays_a_link(kept: Kept, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(kept.path)
    await Kept(link).change({"hosting.capacity": "2GiB"})
    assert link.is_symlink()
    assert read_file(kept.path)["hosting_capacity"] == 2 << 30


async def test_a_file_that_cannot_be_written_says_so(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(kept.path))

    with monkeypatch.context() as patched:
        patched.setattr("service.durable.replace", refuse)
        reasons = await kept.refused({"hosting.capacity": "2GiB"})
    assert f"({os.geteuid()})" in reasons[WHOLE]
    assert "Permission denied" in reasons[WHOLE]


async def test_two_changes_at_once_are_both_kept(kept: Kept) -> None:
    await asyncio.gather(kept.change({"hosting.capacity": "2GiB"}), kept.change({"hosting.ask_disk": "7UNIT"}))
    found = read_file(kept.path)
    assert (found["hosting_capacity"], found["hosting_ask_disk"]) == (2 << 30, 7 * 10**12)


@pytest.mark.parametrize("key", [one.key for one in SETTINGS if is_live(one)])
def test_what_is_called_live_is_taken_over_at_once(tmp_path: Path, key: str) -> None:
    values = {"hosting.region": "u33", "attesting.slots": "4", "alerts.targets": "json://x"}
    path, one = tmp_path / "node.toml", next(one for one in SETTINGS if one.key == key)
    path.write_text(TEXT)
    text = values.get(key, "2GiB" if "capacity" in key or "reserve" in key else "5UNIT")
    change = change_of(resolve({}, path, None), resolve({one.name: [text] if one.many else text}, path, None))
    assert change.now == (key,)
    assert change.later == ()
