"""The unit for systemd: systemd takes it, and the operator's manual brings everything there that it names."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

from tests.support.cli_process import datdot, running, running_chain
from tests.support.needs import missing

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "datdot-node.service"
SYSTEM_UNITS = Path("/usr/lib/systemd/system")


def service() -> dict[str, str]:
    """The unit's section Service; of a key that is there twice, the last."""
    unit = RawConfigParser(strict=False, comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return dict(unit["Service"])


def manual() -> list[list[str]]:
    """The commands of the manual's section, each as its words."""
    (section,) = re.findall(
        r"\*\*As a service\.\*\*.*?\n\n((?:    [^\n]*\n)+)", (ROOT / "docs" / "operator.md").read_text(), re.DOTALL
    )
    return [shlex.split(line, comments=True) for line in section.splitlines()]


def command_of(name: str) -> list[str]:
    (found,) = (words for words in manual() if words[0] == name)
    return found


def verified(folder: Path, unit: str) -> str:
    """What systemd says of the unit, in a system that has the program and systemd's own units."""
    program = shutil.which("systemd-analyze") or missing("systemd-analyze is not installed: apt-get install systemd")
    folder.mkdir()
    for path in (folder / "bin/kill", folder / "usr/local/bin/datdot"):
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    shutil.copytree(SYSTEM_UNITS, folder / "usr/lib/systemd/system", symlinks=True)
    own = folder / "etc/systemd/system" / UNIT.name
    own.parent.mkdir(parents=True)
    own.write_text(unit)
    ran = subprocess.run(
        [program, "verify", f"--root={folder}", UNIT.name], capture_output=True, text=True, timeout=120, check=False
    )
    return ran.stdout + ran.stderr + "failed" * (ran.returncode != 0)


def test_systemd_takes_the_unit_and_says_what_is_wrong_with_another(tmp_path: Path) -> None:
    text = UNIT.read_text()
    assert verified(tmp_path / "right", text) == ""
    assert "'Restrat'" in verified(tmp_path / "key", text.replace("\nRestart=", "\nRestrat="))
    assert "/usr/bin/datdot" in verified(tmp_path / "path", text.replace("/usr/local/bin/", "/usr/bin/"))


def test_the_manual_brings_everything_there_that_the_unit_names() -> None:
    named = service()
    program, *words = shlex.split(named["ExecStart"])
    directory, config = (words[words.index(option) + 1] for option in ("--dir", "--config"))
    credential, _, encrypted = named["LoadCredentialEncrypted"].partition(":")
    assert command_of("ln")[-1] == program
    assert command_of("ln")[-2] == f"{command_of('python3')[-1]}/bin/datdot"
    assert command_of("datdot")[:3] == ["datdot", "init", directory]
    assert command_of("sed")[-1] == config == f"{directory}/node.toml"
    assert command_of("chown")[-2:] == [f"{named['User']}:", directory]
    assert command_of("useradd")[-1] == named["User"] == named["Group"]
    assert f"/var/lib/{named['StateDirectory']}" == directory
    encrypting = command_of("systemd-creds")
    assert (encrypting[2], encrypting[-1]) == (f"--name={credential}", encrypted)
    made = [words[-1] for words in manual() if words[0] == "install"]
    assert str(Path(encrypted).parent) in made
    assert f"/etc/systemd/system/{UNIT.name}" in made
    assert command_of("shred")[-1] == encrypting[-2] == command_of("datdot")[-1]


def test_what_the_manual_makes_is_what_the_unit_starts(tmp_path: Path) -> None:
    """Its own commands, with other paths, for a user who is not root; and systemd's part: the credential."""
    home, given = tmp_path / "home", tmp_path / "credentials" / "datdot-passphrase"
    given.parent.mkdir()
    given.write_text("correct horse\n")
    given.chmod(0o600)
    (tmp_path / "chain").mkdir()
    with running_chain("model", tmp_path / "chain") as chain:
        other = {
            "/var/lib/datdot": str(home),
            "/root/datdot-passphrase": str(given),
            "200GiB": "1GiB",
            "URL": chain.url,
        }

        def here(words: list[str]) -> list[str]:
            return [other.get(word, word.replace("/var/lib/datdot", str(home))) for word in words]

        made = datdot(*here(command_of("datdot"))[1:])
        assert made.code == 0, made
        subprocess.run(here(command_of("sed")), check=True)
        assert str(given) not in (home / "node.toml").read_text()
        start = [*here(shlex.split(service()["ExecStart"]))[1:], "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        with running(tmp_path / "log", *start, "--json", CREDENTIALS_DIRECTORY=str(given.parent)) as node:
            assert node.line()["dir"] == str(home)
            assert node.stop() == 0
