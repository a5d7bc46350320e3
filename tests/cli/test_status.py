"""`datdot node --http` and `datdot status`: the ready line says where, and what a node tells is what it is."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.node.settings import NodeSettings
from tests.support.cli_process import RunningChain, datdot, done, many, running, running_chain
from tests.support.needs import free_port


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    with running_chain("model", tmp_path_factory.mktemp("chain")) as chain:
        yield chain


def test_a_node_tells_how_it_stands(model: RunningChain, tmp_path: Path) -> None:
    home, file = tmp_path / "node", tmp_path / "node.toml"
    file.write_text(
        f'roles = ["author"]\nchain = "{model.url}"\n\n[http]\nlisten = "127.0.0.1:0"\nnames = ["node.example"]\n'
    )
    with running(tmp_path / "log", "node", "--dir", home, "--config", file, "--json") as node:
        ready = node.line()
        url = ready["http"]
        assert url.startswith("http://127.0.0.1:")
        by_directory = done("status", "--dir", home)
        assert by_directory["account"] == ready["account"]
        assert (by_directory["answer"], by_directory["level"]) == ("All is well", "note")
        assert by_directory["roles"] == [{"role": "author", "ready": True, "why": "it follows the chain"}]
        assert done("status", "--http", url).keys() == by_directory.keys()
        text = datdot("status", "--http", url).out
        assert text.splitlines()[0] == "All is well"
        assert "0 UNIT free, 0 UNIT held" in text
        for name, code in (("node.example", 200), ("other.example", 403)):
            assert asked(f"{url}/readyz", name) == code
        taken = url.removeprefix("http://")
        error = datdot(
            "node", "--dir", tmp_path / "b", "--roles", "author", "--chain", model.url, "--http", taken, "--json"
        )
        assert error.failure("os")["where"] == taken
        assert node.stop() == 0
    assert json.loads((home / "node.json").read_text())["http"] == taken
    gone = datdot("status", "--dir", home, "--json").failure("node")["message"]
    assert f"no node answers at {url}/api/status" in gone


def test_a_running_node_tells_how_it_is_reached(model: RunningChain, tmp_path: Path) -> None:
    home, port = tmp_path / "node", free_port()
    with running(tmp_path / "dht.log", "dht", "--listen", "127.0.0.1:0", "--json") as dht:
        command = (
            "node", "--dir", home, "--roles", "author", "--chain", model.url, "--listen", f"127.0.0.1:{port}",
            "--bootstrap", dht.line()["address"], "--http", "127.0.0.1:0", "--json",
        )  # fmt: skip
        with running(tmp_path / "log", *command) as node:
            url = node.line()["http"]
            for _ in range(60):  # it joins the DHT beside its other work
                told = done("status", "--dir", home)["reach"]
                if told["kind"] != "silent":
                    break
            assert (told["kind"], told["level"], told["remedy"]) == ("open", "note", "")
            assert told["address"] == f"127.0.0.1:{port}"
            assert f"reach      open: peers dial it directly at 127.0.0.1:{port}" in datdot("status", "--http", url).out
            (found,) = [one for one in done("doctor", "--dir", home)["findings"] if one["what"] == "reach"]
            assert found == {"what": "reach", "level": "good", "text": told["text"], "remedy": ""}
            assert node.stop() == 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", port))
            (found,) = [one for one in done("doctor", "--dir", home)["findings"] if one["what"] == "reach"]
            assert (found["level"], "the UDP port is taken by" in found["text"]) == ("warning", True)
            assert f"no node answers at {url}/api/reach" in found["remedy"]
        assert dht.stop() == 0
    (found,) = [
        one for one in datdot("doctor", "--dir", home, "--json").objects[0]["findings"] if one["what"] == "reach"
    ]
    assert (found["level"], "no node of the DHT answers" in found["text"]) == ("bad", True)


def asked(url: str, name: str) -> int:
    request = urllib.request.Request(url, headers={"Host": name})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_what_names_no_node_is_told(tmp_path: Path) -> None:
    datdot("status", "--json").failure("usage", 2)
    assert "is of no node" in datdot("status", "--dir", tmp_path, "--json").failure("node")["message"]
    NodeSettings("ws://127.0.0.1:1", ("author",), "127.0.0.1", 1).save(tmp_path)
    assert "start it once with --http" in datdot("status", "--dir", tmp_path, "--json").failure("node")["message"]
    wrong = ("127.0.0.1:8080", "localhost:8080", "ftp://127.0.0.1:1", "http://", "http://a:b")
    lines = [(name, "--http", one, "--json") for one in wrong for name in ("status", "top")]
    for line, ran in zip(lines, many(lines), strict=True):
        said = ran.failure("usage", 2)["message"]
        assert (
            said
            == f"Invalid value: --http {line[2]!r} is no address: write scheme, host and port, http://127.0.0.1:8080"
        )
