"""The short form of `make scenarios` and `make cheats`: those that are marked so, on the model, and one on wasm."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .__main__ import main
from .catalogue import acts

ON_WASM = "fork"


def played(kind: str, name: str, chain: str = "model") -> dict[str, object]:
    command = [sys.executable, "-m", "tests.play", kind, name, "--one", "--chain", chain]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


SHORT = [(kind, name) for kind in ("scenarios", "cheats") for name, act in acts(kind).items() if act.short]


@pytest.mark.parametrize(("kind", "name"), SHORT)
def test_it_is_as_it_must(kind: str, name: str) -> None:
    found = played(kind, name)
    assert found["ok"], found["why"]


def test_the_real_runtime_is_the_chain_of_a_simulated_network() -> None:
    found = played("scenarios", ON_WASM, "wasm")
    assert found["ok"], found["why"]


def test_a_process_is_of_its_peers_terms_and_modified_if_it_cheats() -> None:
    program = (
        "from tests.play.modified import prepare\n"
        "from tests.play.catalogue import acts\n"
        "from service.node.config import resolve\n"
        "from service.node.run import ON_CHAIN\n"
        "before = ON_CHAIN['hoster']\n"
        "prepare('cheats', 'plaintext-only', 'hoster-1')\n"
        "found = resolve({'roles': ['hoster']}, None, None)\n"
        "assert found.config == acts('cheats')['plaintext-only'].cast.config, found.config\n"
        "assert ON_CHAIN['hoster'] is not before\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["scenarios", "nobody-wrote-this"])
    assert "there is no scenario nobody-wrote-this" in capsys.readouterr().err


def hear_interrupts() -> None:
    """Undo what a shell does to what it runs in the background: interrupts are ignored there, and by all children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_ends_all_plays(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.play", "scenarios", "away-27-hours", "--jobs", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "… away-27-hours\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err == "stopped\n"
    assert out == ""
