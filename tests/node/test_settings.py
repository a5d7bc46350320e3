"""A node's settings: kept from run to run, and refused with a reason when nothing can run with them."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from service.chain_client import ConnectionLost
from service.devnet.network import PORTS, Devnet, DevnetError, free_ports
from service.node.run import run_node
from service.node.settings import NODE_FILE, NodeError, NodeSettings, node_keys
from service.vault.keyfile import KeyFile, KeyFileError

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
    assert node_keys(tmp_path, "//Alice")[0].uri == "//Alice"
    with pytest.raises(KeyFileError, match="missing"):
        node_keys(tmp_path, str(tmp_path / "missing"))


@pytest.mark.parametrize("key", [None, "first.json"])
async def test_a_directory_is_one_accounts(tmp_path: Path, key: str | None) -> None:
    own = None if key is None else str(tmp_path / key)
    if own is not None:
        KeyFile.create(Path(own))
    node_keys(tmp_path, own)
    KeyFile.create(tmp_path / "other.json")
    settings = NodeSettings("ws://127.0.0.1:1", ("author",), "127.0.0.1", 0, (), own)
    settings.save(tmp_path)
    with pytest.raises(ConnectionLost):
        await run_node(tmp_path, settings, lambda _: None)
    with pytest.raises(NodeError, match="cannot be run with the key of"):
        await run_node(tmp_path, replace(settings, key=str(tmp_path / "other.json")), lambda _: None)


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
