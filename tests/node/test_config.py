"""Settings: one table, three names each, read from flags, environment, file and last run, and refused where they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.cli.node_options import setting as option
from service.node.config import BadSetting, Resolved, read_file, resolve
from service.node.options import BY_NAME, SETTINGS, markdown_table
from service.node.settings import NodeSettings
from service.roles.common.terms import RolesConfig
from service.units import GIB, UNIT
from tests.support.contract import commands

MANUAL = Path(__file__).parents[2] / "docs" / "operator.md"
GOOD = """
roles = ["hoster", "encoder"]
chain = "ws://127.0.0.1:1"
listen = "[::1]:4000"
bootstrap = ["127.0.0.1:49737"]
key = "me.vault"

[hosting]
capacity = "20GiB"
ask_disk = "0.002UNIT"
region = "u33"
reserve = 1073741824

[attesting]
slots = 5
"""


def resolved(file: Path | None = None, before: NodeSettings | None = None, **given: Any) -> Resolved:
    return resolve({"roles": "hoster"} | given if file is None and before is None else given, file, before)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(text)
    return path


def test_the_manual_has_the_table_that_the_code_has() -> None:
    assert markdown_table() in MANUAL.read_text(), (
        "docs/operator.md: put in what service.node.options.markdown_table() returns"
    )


def test_every_setting_has_three_names_of_its_own_and_the_command_has_them() -> None:
    for names in ([one.key for one in SETTINGS], [one.flag for one in SETTINGS], [one.variable for one in SETTINGS]):
        assert len(set(names)) == len(SETTINGS)
    shown = {one["names"][0]: one["environment"] for one in commands()["datdot node"].values()}
    assert {one.flag: one.variable for one in SETTINGS}.items() <= shown.items()
    assert option("hosting_capacity", "SIZE").help.endswith("(default: 10GiB).")


def test_defaults_are_what_the_table_says() -> None:
    usual = resolved()
    assert usual.config == RolesConfig()
    said = {
        one.name: one.read(one.default)
        for one in SETTINGS
        if one.key.startswith(("hosting.ask", "hosting.cap", "enc", "att"))
    }
    assert said == {
        "hosting_capacity": RolesConfig().hosting.capacity,
        "hosting_ask_disk": RolesConfig().hosting.ask_disk,
        "hosting_ask_receiving": RolesConfig().hosting.ask_receiving,
        "encoding_ask": RolesConfig().encoding.ask,
        "attesting_ask": RolesConfig().attesting.ask,
        "attesting_slots": RolesConfig().attesting.slots,
    }
    assert (usual.settings.chain, usual.settings.host, usual.settings.port) == (
        BY_NAME["chain"].default,
        "127.0.0.1",
        0,
    )


def test_a_file_says_it_all(tmp_path: Path) -> None:
    found = resolved(written(tmp_path, GOOD))
    assert found.settings.roles == ("hoster", "encoder")
    assert (found.settings.host, found.settings.port) == ("::1", 4000)
    assert found.settings.key == str(tmp_path / "me.vault"), "paths begin at the file's folder"
    assert (found.config.hosting.capacity, found.config.hosting.ask_disk) == (20 * GIB, UNIT // 500)
    assert (found.config.hosting.region, found.config.reserve) == (b"u33", GIB)
    assert found.config.attesting.slots == 5
    assert found.config.encoding == RolesConfig().encoding


def test_what_is_nearer_wins(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD)
    before = resolved(roles="attester", hosting_capacity="1GiB", encoding_ask="7", chain="ws://127.0.0.1:9").settings
    both = resolved(file, before, hosting_capacity="2GiB")
    assert both.config.hosting.capacity == 2 * GIB, "a flag over the file"
    assert both.settings.chain == "ws://127.0.0.1:1", "the file over the last run"
    assert both.config.encoding == RolesConfig().encoding, "with a file, the last run says nothing"
    again = resolved(before=before, hosting_capacity="3GiB")
    assert (again.config.hosting.capacity, again.config.encoding.ask) == (3 * GIB, 7)
    assert again.settings.roles == ("attester",)


def test_what_was_said_is_remembered_on_the_disk(tmp_path: Path) -> None:
    first = resolved(hosting_capacity="1GiB", hosting_region="u3", attesting_slots="4", bootstrap=["127.0.0.1:1"])
    first.settings.save(tmp_path)
    second = resolved(before=NodeSettings.load(tmp_path))
    assert second == first
    assert json.loads((tmp_path / "node.json").read_text())["terms"] == {
        "hosting_capacity": str(GIB), "hosting_region": "u3", "attesting_slots": "4"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('roles = ["hoster"]\n[hosting]\n\ncapacity = "20GB"\n', r", line 4: hosting\.capacity: '20GB' is no size: write a whole"),
        ('roles = ["hoster"]\n[hosting]\nask_disk = 1.5\n', r", line 3: hosting\.ask_disk: 1\.5 is neither a text in quotes nor"),
        ('roles = ["hoster", "king"]\n', r", line 1: roles: 'king' is no role: a node's roles are some of author"),
        ("roles = 5\n", r", line 1: roles: 5 is no list of texts"),
        ('[hosting]\ncapasity = 1\n', r", line 2: hosting\.capasity: there is no such setting; perhaps hosting\.capacity"),
        ('hosting.region = "paris"\n', r", line 1: hosting\.region: 'paris' is no region: write the first one to three"),
        ("[attesting]\nslots = 17\n", r", line 2: attesting\.slots: '17' is no whole number from 1 to 16"),
        ("[attesting]\nslots = true\n", r"slots: True is neither"),
        ('chain = "http://x"\n', r", line 1: chain: 'http://x' is not an RPC address such as ws://"),
        ('listen = "4000"\n', r", line 1: listen: '4000' is not of the form HOST:PORT"),
        ('announce = "0.0.0.0:5"\n', r", line 1: announce: '0\.0\.0\.0:5': nobody can dial that"),
        ('peers = ["x"]\n', r", line 1: peers: "),
        ("hosting = 5\n", r", line 1: hosting: there is no such setting"),
        ("roles = [\n", r"not TOML: Invalid value"),
        ("[encoding]\nask = '10000000000001UNIT'\n", r", line 2: encoding\.ask: .* above the chain's highest price"),
        ("\n[hostings]\ncapacity = 5\n", r", line 2: hostings: there is no such setting; perhaps hosting is meant"),
        ("[hosting]\n[hosting.disk]\nsize = 5\n", r", line 2: hosting\.disk: there is no such setting"),
        ("[relay.swarm]\nkey = 5\n", r", line 1: relay: .* is neither a text in quotes nor"),
        ("\n[[hosting]]\ncapacity = 5\n", r", line 2: hosting: there is no such setting"),
        ("\nhosting = { capasity = 5 }\n", r", line 2: hosting\.capasity: there is no such setting; perhaps hosting\.capacity"),
        ("zzz = 5\n", r", line 1: zzz: there is no such setting: there are chain, roles"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_named_with_its_line_and_what_is_right(tmp_path: Path, text: str, told: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(BadSetting, match=rf"^{file}.*{told}"):
        resolved(file)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="No such file"):
        read_file(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match="not UTF-8"):
        read_file(tmp_path / "bytes")
    (tmp_path / "long").write_bytes(b"#" * (1 << 21))
    with pytest.raises(BadSetting, match="this is no file of settings"):
        read_file(tmp_path / "long")


def test_what_is_wrong_on_the_command_line_is_named_by_both_its_names() -> None:
    with pytest.raises(BadSetting, match=r"^--capacity or DATDOT_CAPACITY: 'lots' is no size"):
        resolved(hosting_capacity="lots")
    with pytest.raises(BadSetting, match="each named once"):
        resolved(roles="hoster,hoster")
    with pytest.raises(BadSetting, match="the roles are missing"):
        resolve({}, None, None)
    with pytest.raises(BadSetting, match=r"node\.json: sparkle: this version has no such setting"):
        resolve({}, None, NodeSettings("ws://127.0.0.1:1", ("hoster",), "127.0.0.1", 0, terms={"sparkle": "1"}))


def test_the_limit_on_uploads_is_read_from_each_place_and_remembered(tmp_path: Path) -> None:
    given = resolved(upload_limit="2MiB/s").settings
    assert given.upload_limit == 2 << 20
    assert resolved(before=given).settings.upload_limit == 2 << 20
    assert (
        resolved(file=written(tmp_path, 'roles = ["hoster"]\nupload_limit = "64KiB"\n')).settings.upload_limit
        == 1 << 16
    )
    assert resolved().settings.upload_limit is None
    with pytest.raises(BadSetting, match=r"--upload-limit or DATDOT_UPLOAD_LIMIT: '1' is no rate"):
        resolved(upload_limit="1")
