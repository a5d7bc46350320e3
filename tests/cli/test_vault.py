"""The commands `datdot vault`, and a node whose keys are locked."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from service.vault import load_keys, unlock
from service.vault.phrase import keys_of_phrase
from tests.support.cli_process import RunningChain, datdot, done, many, running
from tests.support.terminal import Terminal, words_of

WAIT = 60
PASSPHRASE = "correct horse"


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def vault(tmp_path: Path, passphrase: Path) -> Path:
    path = tmp_path / "peer.vault"
    done("vault", "create", path, "--passphrase-file", passphrase)
    return path


def knows(path: Path) -> bytes:
    return PASSPHRASE.encode()


def test_create_prints_the_phrase_once(tmp_path: Path, passphrase: Path) -> None:
    file = tmp_path / "new" / "peer.vault"
    made = done("vault", "create", file, "--words", 24, "--passphrase-file", passphrase)
    assert list(made) == ["account", "swarm_key", "statement_key", "phrase"]
    assert len(made["phrase"].split()) == 24
    shown = {name: made[name] for name in ("account", "swarm_key", "statement_key")}
    assert done("vault", "show", file) == done("key", "show", file) == shown
    keys = keys_of_phrase(made["phrase"])
    assert (keys.address, unlock(file, knows).phrase) == (made["account"], made["phrase"])
    (tmp_path / "phrase").write_text(made["phrase"].upper() + "\n")
    (tmp_path / "phrase").chmod(0o600)
    restored = done(
        "vault", "restore", tmp_path / "again", "--phrase-file", tmp_path / "phrase", "--passphrase-file", passphrase
    )
    assert restored == shown
    assert unlock(tmp_path / "again", knows).phrase == made["phrase"]


def test_nothing_is_overwritten_and_no_passphrase_is_asked_for_then(
    tmp_path: Path, vault: Path, passphrase: Path
) -> None:
    before = vault.read_bytes()
    for arguments in (
        ("create", vault),
        ("restore", vault),
        ("import", vault, "--format", "legacy", "--from", tmp_path / "none"),
    ):
        error = datdot("vault", *arguments, "--json").failure("key_file")
        assert error["message"] == f"{vault} already exists: vaults are never overwritten; choose another path"
    to = ("--to", passphrase, "--passphrase-file", passphrase, "--json")
    datdot("vault", "export", vault, "--format", "polkadot-js", *to).failure("key_file")
    assert (vault.read_bytes(), passphrase.read_text()) == (before, PASSPHRASE + "\n")


def test_without_a_passphrase_it_says_how_one_is_given(tmp_path: Path) -> None:
    error = datdot("vault", "create", tmp_path / "peer.vault", "--json").failure("passphrase")
    assert (
        "--passphrase-file or DATDOT_PASSPHRASE_FILE, or give systemd's credential datdot-passphrase"
        in error["message"]
    )
    assert not (tmp_path / "peer.vault").exists()
    assert datdot("vault", "create", tmp_path / "peer.vault", "--words", 13, "--json").code == 2


def test_a_wrong_passphrase_is_told_by_every_command(tmp_path: Path, vault: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong\n")
    wrong.chmod(0o600)
    feed = "11" * 32
    commands = (
        ("vault", "export", vault, "--format", "legacy", "--to", tmp_path / "out"),
        ("vault", "passphrase", vault, "--new-passphrase-file", wrong),
        ("node", "--dir", tmp_path / "node", "--roles", "hoster", "--key", vault),
        ("plan", "donate", 0, 1, "--key", vault),
        ("plan", "end", 0, "--key", vault),
        ("hoster", "pause", "--key", vault),
        ("feed", "fetch", feed, "--dir", tmp_path / "feeds", "--peer", f"{feed}@127.0.0.1:1", "--key", vault),
    )
    for ran in many([(*one, "--passphrase-file", wrong, "--json") for one in commands]):
        assert ran.failure("passphrase")["message"] == f"the passphrase of {vault} is wrong, or its box is damaged"
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "node" / "node.json").exists()


def test_the_passphrase_changes(tmp_path: Path, vault: Path, passphrase: Path) -> None:
    new = tmp_path / "new"
    new.write_text("battery staple")
    new.chmod(0o600)
    before = unlock(vault, knows)
    done("vault", "passphrase", vault, "--new-passphrase-file", new, DATDOT_PASSPHRASE_FILE=str(passphrase))
    assert unlock(vault, lambda path: b"battery staple") == before
    datdot(
        "vault", "passphrase", vault, "--passphrase-file", new, "--json", "--new-passphrase-file", tmp_path / "no"
    ).failure("passphrase")


def test_key_files_and_accounts_come_and_go(tmp_path: Path, vault: Path, passphrase: Path) -> None:
    key, legacy, account, back = (
        tmp_path / name for name in ("key.json", "legacy.vault", "account.json", "back.vault")
    )
    done("key", "create", key)
    known = ("--passphrase-file", passphrase)
    imported = done("vault", "import", legacy, "--format", "legacy", "--from", key, *known)
    assert imported == done("key", "show", key)
    assert load_keys(legacy, knows) == load_keys(key)
    done("vault", "export", legacy, "--format", "legacy", "--to", tmp_path / "out.json", *known)
    assert load_keys(tmp_path / "out.json") == load_keys(key)
    done("vault", "export", vault, "--format", "polkadot-js", "--to", account, *known)
    assert account.stat().st_mode & 0o777 == 0o600
    assert done("vault", "import", back, "--format", "polkadot-js", "--from", account, *known) == done(
        "vault", "show", vault
    )
    # its seed is not in what polkadot-js exports, so a key file cannot be made of it
    out = ("--to", tmp_path / "x.json", *known, "--json")
    assert (
        "the seed of this account is not known"
        in datdot("vault", "export", back, "--format", "legacy", *out).failure("key_file")["message"]
    )


# ---- at a terminal


def test_who_makes_a_vault_types_the_passphrase_twice_and_some_words_again(tmp_path: Path) -> None:
    file = tmp_path / "peer.vault"
    terminal = Terminal("vault", "create", file)
    terminal.until("New passphrase of")
    terminal.type(PASSPHRASE)
    terminal.until("The same once more: ")
    terminal.type(PASSPHRASE)
    for _ in range(3):
        terminal.until("Word ")
        terminal.until(": ")
        words, place = words_of(terminal.text), int(terminal.text.rsplit("Word ", 1)[1].split(":")[0])
        assert not file.exists()
        terminal.type(words[place - 1])
    assert terminal.end() == 0, terminal.text
    assert PASSPHRASE not in terminal.text, "what is typed is not shown"
    assert unlock(file, knows).phrase == " ".join(words)


def test_a_wrong_word_and_two_passphrases_write_nothing(tmp_path: Path) -> None:
    file = tmp_path / "peer.vault"
    terminal = Terminal("vault", "create", file)
    terminal.until("New passphrase of")
    terminal.type("one")
    terminal.until("The same once more: ")
    terminal.type("two")
    assert terminal.end() == 1
    assert "the two passphrases differ; nothing was written" in terminal.text
    terminal = Terminal("vault", "create", file)
    for _ in range(2):
        terminal.until(": ")
        terminal.type(PASSPHRASE)
    terminal.until("Word ")
    terminal.type("nonsense")
    assert terminal.end() == 1
    assert "nothing was written; write the phrase down, and begin anew" in " ".join(terminal.text.split())
    assert not file.exists()


def test_a_new_passphrase_is_asked_for_though_a_file_has_the_old_one(vault: Path, passphrase: Path) -> None:
    terminal = Terminal("vault", "passphrase", vault, DATDOT_PASSPHRASE_FILE=str(passphrase))
    for _ in range(2):
        terminal.until(": ")
        terminal.type("battery staple")
    assert terminal.end() == 0, terminal.text
    assert unlock(vault, lambda path: b"battery staple").phrase is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_at_the_question_ends_it(tmp_path: Path, vault: Path, number: int) -> None:
    terminal = Terminal("vault", "export", vault, "--format", "legacy", "--to", tmp_path / "out")
    terminal.until("Passphrase of")
    os.kill(terminal.pid, number)
    assert terminal.end() == 1
    assert "error: interrupted" in terminal.text
    assert "Traceback" not in terminal.text


# ---- a node


def test_a_node_runs_from_a_vault_and_keeps_no_secret_elsewhere(
    tmp_path: Path, vault: Path, passphrase: Path, chain: RunningChain
) -> None:
    directory, log = tmp_path / "node", tmp_path / "log"
    options = ("node", "--dir", directory, "--chain", chain.url, "--json")
    with running(log, *options, "--roles", "author", "--key", vault, "--passphrase-file", passphrase) as node:
        ready = node.line()
        assert ready["account"] == done("vault", "show", vault)["account"]
        assert node.stop() == 0
    with running(log, *options) as node:
        assert node.line()["account"] == ready["account"], "the passphrase's file is kept with the settings"
        assert node.stop() == 0
    found = unlock(vault, knows)
    secrets = [PASSPHRASE.encode(), str(found.phrase).encode()]
    for seed in (found.keys.account_secret, found.keys.swarm_seed, found.keys.statement_seed):
        secrets += [seed, seed.hex().encode()]
    for path in (*directory.rglob("*"), log, vault):
        if path.is_file():
            assert not [one for one in secrets if one in path.read_bytes()], path
    assert not (directory / "key.json").exists()
    assert json.loads((directory / "node.json").read_text())["passphrase_file"] == str(passphrase)
