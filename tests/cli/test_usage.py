"""What every command has in common: exit codes, errors as objects, key files, where options come from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.address import account_id
from service.vault import load_keys
from tests.support.cli_process import WAIT, Ran, datdot, done, environment, many

SEED = "ab" * 32

USAGE = {
    "an unknown option": ("feed", "info", "ab" * 32, "--dir", "x", "--bogus"),
    "an unknown option of the whole": ("--bogus",),
    "an unknown command": ("feed", "bogus"),
    "an unknown group": ("bogus",),
    "no command": ("feed",),
    "not even a group": (),
    "no KEY": ("feed", "info", "--dir", "x"),
    "no --dir": ("feed", "info", "ab" * 32),
    "a KEY that is none": ("feed", "info", "abc", "--dir", "x"),
    "a KEY that is no hex": ("feed", "verify", "zz" * 32, "--dir", "x"),
    "a path that is not there": ("feed", "import", "/nowhere/at/all", "--dir", "x"),
    "an address that is none": ("feed", "serve", "ab" * 32, "--dir", "x", "--listen", "here"),
    "a port that is none": ("feed", "serve", "ab" * 32, "--dir", "x", "--listen", "127.0.0.1:65536"),
    "a peer that is none": ("feed", "fetch", "ab" * 32, "--dir", "x", "--peer", "abc@127.0.0.1:1"),
    "no peer": ("feed", "fetch", "ab" * 32, "--dir", "x"),
    "no replicas": ("plan", "publish", "ab" * 32, "--dir", "x", "--replicas", "0", "--pot", "1", "--until", "9"),
    "a pot that is no number": ("plan", "publish", "ab" * 32, "--dir", "x", "--replicas", "1", "--pot", "1.5"),
    "a negative amount": ("plan", "donate", "0", "--", "-5"),
    "a role that is none": ("node", "--dir", "x", "--roles", "hoster,bogus"),
    "a role twice": ("node", "--dir", "x", "--roles", "hoster,hoster"),
    "no role": ("node", "--dir", "x", "--roles", ""),
    "a network's chain that is none": ("devnet", "--dir", "x", "--chain", "gold"),
    "a demo's chain that is none": ("demo", ".", "--chain", "ws://"),
    "a node's chain that is none": ("node", "--dir", "x", "--roles", "author", "--chain", "rubbish"),
    "a node's address that is none": ("node", "--dir", "x", "--roles", "author", "--listen", "here"),
    "no key to sign with": ("plan", "donate", "0", "5"),
    "a plan that is no number": ("plan", "show", "first"),
    "a plan that is too large a number": ("plan", "show", str(2**64)),
    "events backwards": ("chain", "events", "--from", "5", "--to", "4"),
    "half of events": ("chain", "events", "--from", "5"),
}


def with_json(arguments: tuple[str, ...]) -> list[str]:
    """--json behind the command, in front of what may end the options."""
    place = 0 if arguments == () or arguments[0].startswith("--") else min(2, len(arguments))
    return [*arguments[:place], "--json", *arguments[place:]]


@pytest.fixture(scope="module")
def usage() -> dict[str, tuple[Ran, Ran]]:
    """How each of the wrong command lines ends, with --json and without; starting a process for each takes a minute."""
    lines = [line for arguments in USAGE.values() for line in (with_json(arguments), list(arguments))]
    found = many(lines)
    return dict(zip(USAGE, zip(found[::2], found[1::2], strict=True), strict=True))


@pytest.mark.parametrize("name", USAGE)
def test_usage(usage: dict[str, tuple[Ran, Ran]], name: str) -> None:
    as_json, for_people = usage[name]
    assert as_json.failure("usage", exit_code=2)["where"].startswith("datdot")
    assert as_json.err == ""
    assert for_people.code == 2
    assert "Usage: datdot" in for_people.err + for_people.out


def test_help_and_version() -> None:
    for arguments in (("--help",), ("feed", "--help"), ("plan", "publish", "--help")):
        ran = datdot(*arguments)
        assert ran.code == 0
        assert "Usage" in ran.out
    assert datdot("--version").out.startswith("datdot ")


def test_errors_for_people_go_to_stderr(tmp_path: Path) -> None:
    ran = datdot("feed", "info", "ab" * 32, "--dir", tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"error: there are no feeds in {tmp_path}\n", "the place is said once"


def test_the_installed_command() -> None:
    command = Path(sys.executable).parent / "datdot"
    ran = subprocess.run([command, "--help"], capture_output=True, text=True, timeout=WAIT, check=True)
    assert "devnet" in ran.stdout


# ---- key files


def test_key_create(tmp_path: Path) -> None:
    file = tmp_path / "new" / "key.json"
    made = done("key", "create", file)
    assert list(made) == ["account", "swarm_key", "statement_key"]
    assert made["account"].startswith("5")  # SS58, prefix 42
    assert len(account_id(made["account"])) == 32
    assert all(len(bytes.fromhex(made[name])) == 32 and made[name].islower() for name in ("swarm_key", "statement_key"))
    assert file.stat().st_mode & 0o777 == 0o600
    keys = load_keys(file)
    assert (keys.address, keys.swarm_key.hex()) == (made["account"], made["swarm_key"])
    assert done("key", "show", file) == made
    assert done("key", "create", tmp_path / "other")["account"] != made["account"]


def test_key_create_never_overwrites(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    done("key", "create", file)
    before = file.read_bytes()
    error = datdot("key", "create", file, "--json").failure("key_file")
    assert str(file) in error["message"]
    assert file.read_bytes() == before
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    datdot("key", "create", tmp_path / "link", "--json").failure("key_file")
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "file").write_text("")
    datdot("key", "create", tmp_path / "file" / "key.json", "--json").failure("key_file")


def test_key_create_under_any_umask(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    script = f"import os; os.umask(0); from service.cli import main; main(['key', 'create', {str(file)!r}])"
    subprocess.run([sys.executable, "-c", script], timeout=WAIT, check=True, capture_output=True, env=environment())
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        (None, 0, "No such file"),
        ("{}", 0o600, "not a key file of version 1"),
        ("no json", 0o600, "not a key file"),
        ('{"version": 1, "account": "00", "swarm": "00", "statement": "00"}', 0o600, "`account` is not a seed"),
        ("{}", 0o644, "not a key file"),
        (json.dumps({"version": 1, "account": SEED, "swarm": SEED, "statement": SEED}), 0o644, "run chmod 600 on it"),
    ],
)
def test_key_files_that_are_none(tmp_path: Path, text: str | None, mode: int, reason: str) -> None:
    file = tmp_path / "key.json"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    for arguments in (("key", "show", file), ("plan", "donate", 0, 5, "--key", file, "--chain", "ws://127.0.0.1:1")):
        error = datdot(*arguments, "--json").failure("key_file")
        assert reason in error["message"]
        assert str(file) in error["message"]


def test_a_nodes_key_file_is_kept_as_what_it_is_in_any_folder(tmp_path: Path) -> None:
    ran = datdot("node", "--dir", tmp_path, "--roles", "author", "--key", "missing.json", "--json")
    error = ran.failure("key_file")
    assert str(Path("missing.json").absolute()) in error["message"]
    assert error["where"] == str(tmp_path)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    ran = datdot("key", "create", file, "--json")
    secrets = [value for value in json.loads(file.read_text()).values() if isinstance(value, str)]
    assert len(secrets) == 3
    assert not any(secret in ran.out + ran.err for secret in secrets)


# ---- the chain's address


def test_no_chain_there() -> None:
    error = datdot("chain", "status", "--chain", "ws://127.0.0.1:1", "--json").failure("chain_unreachable")
    assert "ws://127.0.0.1:1" in error["message"]
    assert "; see that the chain's node runs, and that --chain" in error["message"]
    assert error["where"] == "ws://127.0.0.1:1"
    error = datdot("chain", "status", "--json", DATDOT_CHAIN="ws://127.0.0.1:2").failure("chain_unreachable")
    assert error["where"] == "ws://127.0.0.1:2"


@pytest.mark.parametrize("url", ["rubbish", "http://127.0.0.1:1", "ws://"])
def test_an_address_that_is_none(url: str) -> None:
    error = datdot("chain", "status", "--chain", url, "--json").failure("usage", exit_code=2)
    assert url in error["message"]
