"""A node's settings: kept from run to run, and refused with a reason when nothing can run with them."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from service.chain_client import ConnectionLost
from service.devnet.network import PORTS, Devnet, DevnetError, free_ports
from service.node import run
from service.node.run import run_node
from service.node.settings import (
    NODE_FILE,
    ROLES_FILE,
    SIGNER_FILE,
    NodeError,
    NodeSettings,
    check_account,
    node_keys,
)
from service.vault import KeyFileError, PeerKeys, create_key_file, load_keys
from tests.support.full_disk import full_disk

SETTINGS = NodeSettings("ws://127.0.0.1:1", ("hoster", "author"), "127.0.0.1", 0, ("ab@c:1",), None, "cd" * 32)


def test_settings_come_back(tmp_path: Path) -> None:
    assert NodeSettings.load(tmp_path) is None
    SETTINGS.save(tmp_path)
    assert NodeSettings.load(tmp_path) == SETTINGS
    assert [path.name for path in tmp_path.iterdir()] == [NODE_FILE]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"roles": [], "peers": [], "color": "red"})])
def test_damaged_settings_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / NODE_FILE).write_text(text)
    with pytest.raises(NodeError, match=NODE_FILE):
        NodeSettings.load(tmp_path)


@pytest.mark.parametrize(
    ("roles", "named"), [((), "(none)"), (("hoster", "king"), "king"), (("",), ""), (("hoster",) * 2, "")]
)
async def test_roles_must_be_known(tmp_path: Path, roles: tuple[str, ...], named: str) -> None:
    settings = NodeSettings("ws://127.0.0.1:1", roles, "127.0.0.1", 0)
    with pytest.raises(
        NodeError, match="a node's roles are some of author, sponsor, hoster, encoder, attester"
    ) as error:
        await run_node(tmp_path, settings, lambda _: None)
    assert named in str(error.value)


async def test_peers_must_be_addresses(tmp_path: Path) -> None:
    settings = NodeSettings("ws://127.0.0.1:1", ("hoster",), "127.0.0.1", 0, ("nonsense",))
    with pytest.raises(NodeError, match="KEY@host:port"):
        await run_node(tmp_path, settings, lambda _: None)


def test_keys_are_made_once(tmp_path: Path) -> None:
    keys, path = node_keys(tmp_path, None)
    assert node_keys(tmp_path, None)[0] == keys
    assert node_keys(tmp_path / "other", path)[0] == keys
    assert node_keys(tmp_path, "//Alice")[0].account == load_keys("//Alice").account
    with pytest.raises(KeyFileError, match="missing"):
        node_keys(tmp_path, str(tmp_path / "missing"))


@pytest.mark.parametrize("key", [None, "first.json"])
async def test_a_directory_is_one_accounts(tmp_path: Path, key: str | None) -> None:
    own = None if key is None else str(tmp_path / key)
    if own is not None:
        create_key_file(Path(own))
    node_keys(tmp_path, own)
    create_key_file(tmp_path / "other.json")
    settings = NodeSettings("ws://127.0.0.1:1", ("author",), "127.0.0.1", 0, (), own)
    settings.save(tmp_path)
    with pytest.raises(ConnectionLost):
        await run_node(tmp_path, settings, lambda _: None)
    with pytest.raises(NodeError, match="cannot be run with the key of"):
        await run_node(tmp_path, replace(settings, key=str(tmp_path / "other.json")), lambda _: None)


@pytest.mark.case("network/lost_key")
@pytest.mark.parametrize("left", [NODE_FILE, ROLES_FILE, SIGNER_FILE])
async def test_a_lost_key_is_not_replaced(tmp_path: Path, left: str) -> None:
    """By whatever of its directory a node can tell that it ran there before."""
    replace(SETTINGS, account="5Owner").save(tmp_path) if left == NODE_FILE else (tmp_path / left).touch()
    owner = "account 5Owner" if left == NODE_FILE else "another account"
    with pytest.raises(NodeError, match=rf"key\.json is missing, and .*{left} is of {owner}: put its key file back"):
        await run_node(tmp_path, SETTINGS, lambda _: None)
    assert os.listdir(tmp_path) == [left], "no other identity takes its place"


@pytest.mark.case("network/lost_key")
async def test_another_key_in_its_place_is_refused(tmp_path: Path) -> None:
    keys, _ = node_keys(tmp_path, None)
    replace(SETTINGS, account=keys.address).save(tmp_path)
    with pytest.raises(NodeError, match="KEY@host:port"):
        await run_node(tmp_path, replace(SETTINGS, peers=("nonsense",)), lambda _: None)
    (tmp_path / "key.json").unlink()
    other = create_key_file(tmp_path / "key.json")
    with pytest.raises(
        NodeError, match=f"belongs to account {keys.address}: .* the key of {other.address}; put its own"
    ):
        await run_node(tmp_path, SETTINGS, lambda _: None)


def test_a_directory_of_an_older_version_adopts_its_key(tmp_path: Path) -> None:
    keys, _ = node_keys(tmp_path, None)
    fields = {name: getattr(SETTINGS, name) for name in SETTINGS.__slots__ if name != "account"}
    (tmp_path / NODE_FILE).write_text(json.dumps(fields))
    before = NodeSettings.load(tmp_path)
    assert before is not None
    assert before.account is None
    check_account(tmp_path, keys)
    run._keep(tmp_path, replace(SETTINGS, account=keys.address))
    with pytest.raises(NodeError, match="belongs to account"):
        check_account(tmp_path, PeerKeys.generate())


def test_settings_that_cannot_be_saved_end_the_first_start_only(tmp_path: Path) -> None:
    first, second = replace(SETTINGS, port=1), replace(SETTINGS, port=2)
    with full_disk(tmp_path) as disk:
        disk.fill()
        with pytest.raises(OSError, match="No space left on device"):
            run._keep(tmp_path, first)
        disk.free()
        run._keep(tmp_path, first)
        disk.fill()
        run._keep(tmp_path, second)
        run._keep(tmp_path, first)
    assert NodeSettings.load(tmp_path) == first


def test_ports_are_free_and_not_for_outgoing_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = free_ports(30)
    assert len(set(ports)) == 30
    assert all(port in PORTS for port in ports)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[0]))
        taken.listen()
        monkeypatch.setattr("service.devnet.network.PORTS", range(ports[0], ports[0] + 1))
        with pytest.raises(DevnetError, match="fewer than 1 ports are free"):
            free_ports(1)


async def test_a_network_needs_a_chain_that_there_is(tmp_path: Path) -> None:
    async with Devnet(tmp_path, "gold") as net:
        with pytest.raises(DevnetError, match="'gold' is neither model nor wasm nor an address"):
            await net.start_chain()
