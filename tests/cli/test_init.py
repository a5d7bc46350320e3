"""`datdot init` writes a file with which a node starts, and `datdot doctor` says what is wrong before it hurts."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.chain_client.pallet.types import Hoster
from service.node.config import read_file
from service.node.doctor import clock
from service.node.findings import Grade
from service.node.prices import earnings
from service.node.setup import toml_of, usual_offer
from service.roles.common.terms import RolesConfig
from service.units import GIB, MIB, UNIT
from service.vault import unlock
from tests.support.blank import blank
from tests.support.cli_process import RunningChain, command, datdot, done, environment, running, running_chain
from tests.support.terminal import Terminal, words_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    with running_chain("model", tmp_path_factory.mktemp("chain")) as chain:
        yield chain


def test_from_nothing_to_a_node_by_its_file(model: RunningChain, tmp_path: Path) -> None:
    home = tmp_path / "node"
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    passphrase.chmod(0o600)
    made = done(
        "init", home, "--yes", "--roles", "hoster,author", "--capacity", "1GiB", "--chain", model.url,
        "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--vault", "--passphrase-file", passphrase,
    )  # fmt: skip
    assert made["next"] == f"datdot node --dir {home} --config {home / 'node.toml'}"
    assert (len(made["phrase"].split()), (home / "node.toml").stat().st_mode & 0o777) == (12, 0o600)
    assert made["phrase"].split()[0] not in (home / "node.toml").read_text()
    poor = datdot("doctor", "--dir", home, "--json")
    levels = {one["what"]: (one["level"], one["remedy"]) for one in poor.objects[0]["findings"]}
    assert {"disk", "disk speed", "codec", "reach", "chain", "clock", "money", "asks", "earnings"} == set(levels)
    assert levels["money"][0] == "bad"
    assert "datdot faucet" in levels["money"][1]
    assert (poor.code, poor.objects[1]["error"]["code"]) == (1, "unfit")
    done("faucet", made["account"], "--chain", model.url)
    rich = datdot("doctor", "--dir", home)
    assert rich.code == 0, rich.out
    assert "good     money" in rich.out
    with running(tmp_path / "log", *made["next"].split()[1:], "--json") as node:
        assert node.line()["account"] == made["account"]
        assert node.stop() == 0
    assert "exists: change it by hand" in datdot("init", home, "--yes", "--json").failure("node")["message"]


def test_a_chain_that_is_away_a_wrong_peer_and_a_full_disk_are_named(tmp_path: Path) -> None:
    home = tmp_path / "node"
    done("init", home, "--yes", "--role", "hoster", "--capacity", "1GiB", "--chain", "ws://127.0.0.1:9")
    file = home / "node.toml"
    file.write_text(
        file.read_text().replace(
            "[hosting]\n", f'peers = ["{"ab" * 32}@127.0.0.1:9"]\n\n[hosting]\nreserve = "9000TiB"\n'
        )
    )
    found = datdot("doctor", "--dir", home, "--json").objects[0]["findings"]
    levels = {one["what"]: one["level"] for one in found}
    assert (levels["disk"], levels["peer"], levels["chain"]) == ("bad", "warning", "bad")
    assert all(one["remedy"] for one in found if one["level"] != "good")


def test_a_question_is_asked_again_until_the_answer_is_right(tmp_path: Path) -> None:
    home = tmp_path / "node"
    main, other = pty.openpty()
    child = subprocess.Popen(
        command("init", home),
        stdin=other,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    os.close(other)
    answers = ["juggler", "encoder", "", "cheap", "0.02UNIT", "127.0.0.1:0", "", "", "", ""]
    os.write(main, "".join(f"{one}\n" for one in answers).encode())
    said, _ = child.communicate(timeout=120)
    os.close(main)
    assert child.returncode == 0, said
    assert "'juggler' is no role" in said
    assert "'cheap' is no sum" in said
    found = read_file(home / "node.toml")
    assert (found["roles"], found["encoding_ask"], found["listen"]) == (["encoder"], UNIT // 50, ("127.0.0.1", 0))
    assert "hosting_capacity" not in found


def vault_of_init(home: Path, *, right: bool) -> Terminal:
    """`datdot init --vault`, its questions answered with what it proposes, and the phrase's words typed again, or not."""
    terminal = Terminal("init", home, "--vault", "--roles", "author", "--chain", "ws://127.0.0.1:9")
    for part in ("listen", "others reach", "DHT", "health", "told of alerts"):
        terminal.until(part)
        terminal.until("] ")
        terminal.type("")
    for part in ("New passphrase of", "The same once more"):
        terminal.until(part)
        terminal.until(": ")
        terminal.type("correct horse")
    for _ in range(3 if right else 1):
        terminal.until("Word ")
        terminal.until(": ")
        place = int(terminal.text.rsplit("Word ", 1)[1].split(":")[0])
        assert not (home / "node.vault").exists()
        terminal.type(words_of(terminal.text)[place - 1] if right else "nonsense")
    return terminal


def test_a_vault_is_made_for_who_has_written_its_phrase_down(tmp_path: Path) -> None:
    home = tmp_path / "node"
    terminal = vault_of_init(home, right=False)
    assert terminal.end() == 1
    assert "nothing was written" in terminal.text
    assert not (home / "node.vault").exists()
    assert not (home / "node.toml").exists()
    terminal = vault_of_init(home, right=True)
    assert terminal.end() == 0, terminal.text
    phrase = " ".join(words_of(terminal.text))
    assert terminal.text.count(phrase) == 1, "it is shown once"
    assert unlock(home / "node.vault", lambda path: b"correct horse").phrase == phrase


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    assert "add --yes" in datdot("init", tmp_path / "x", "--json").failure("usage", 2)["message"]
    wrong = datdot("init", tmp_path / "x", "--yes", "--capacity", "lots", "--json").failure("usage", 2)
    assert "'lots' is no size" in wrong["message"]
    assert not (tmp_path / "x").exists()


def test_what_is_written_is_read_as_it_was_said(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(toml_of({"roles": ["hoster"], "passphrase_file": '/a "b" \\ c\n', "hosting_capacity": "5GiB"}))
    found = read_file(file)
    assert (found["passphrase_file"], found["hosting_capacity"]) == ('/a "b" \\ c\n', 5 * GIB)


def test_half_of_the_disk_is_proposed_and_none_of_a_small_one() -> None:
    assert usual_offer(101 * GIB, GIB) == "50GiB"
    assert usual_offer(300 * MIB, 100 * MIB) == "100MiB"
    assert usual_offer(200 * MIB, 100 * MIB) is None
    assert usual_offer(None, 0) is None


def test_a_clock_is_compared_with_one_that_is_real() -> None:
    now = 1_800_000_000.0
    for chains, level in (
        (now - 5, Grade.GOOD),
        (now - 31, Grade.WARNING),
        (now + 31, Grade.WARNING),
        (600.0, Grade.GOOD),
    ):
        assert clock(chains, now).level is level


def test_earnings_stand_beside_what_others_ask() -> None:
    config = RolesConfig()
    alone = earnings(config, [], 3600.0)
    assert "10240 MiB at 0.001 UNIT earn 0.01 UNIT an era, 0.24 a day" in alone.text
    cheap = [blank(Hoster, open=True, capacity=GIB, used=GIB // 4, ask_disk=UNIT // 10_000) for _ in range(3)]
    dear = earnings(config, cheap, None)
    assert (dear.level, "25 % of that is used" in dear.text) == (Grade.WARNING, True)
    assert json.dumps(dear.remedy)
