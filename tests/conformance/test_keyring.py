"""Accounts go to polkadot-js and come from it: it opens and signs with ours, and ours are those that it made."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sr25519

from service.vault import KeyFileError, PassphraseError, PeerKeys
from service.vault.files import read_json
from service.vault.phrase import keys_of_phrase, new_phrase
from service.vault.polkadot_js import polkadot_js, read_polkadot_js
from tests.support.needs import missing

HERE = Path(__file__).parent
SECONDS = 60

pytestmark = pytest.mark.node


def keyring(what: str, file: Path, passphrase: str, text: str) -> dict[str, str]:
    node = shutil.which("node")
    if node is None:
        missing("Node.js is not installed")
    if not (HERE / "node_modules" / "@polkadot" / "keyring").exists():
        missing("the packages of tests/conformance are not installed: npm ci")
    done = subprocess.run(
        [str(node), "keyring.mjs", what, str(file), passphrase, text],
        capture_output=True, text=True, timeout=SECONDS, cwd=HERE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("keys", [PeerKeys.generate(), PeerKeys.development("//Bob")], ids=["seed", "expanded"])
def test_polkadot_js_opens_our_account_and_signs_with_it(keys: PeerKeys, tmp_path: Path) -> None:
    (tmp_path / "ours.json").write_text(json.dumps(polkadot_js(keys, b"correct horse", "hoster")))
    found = keyring("open", tmp_path / "ours.json", "correct horse", "hello datdot")
    assert (found["address"], found["name"]) == (keys.address, "hoster")
    assert found["wrong"]
    assert sr25519.verify(bytes.fromhex(found["signature"][2:]), b"hello datdot", keys.account)


def test_an_account_that_polkadot_js_made_is_the_one_of_its_phrase(tmp_path: Path) -> None:
    phrase, file = new_phrase(12), tmp_path / "theirs.json"
    made = keyring("make", file, "correct horse", phrase)
    keys = read_polkadot_js(file, read_json(file), b"correct horse")
    assert keys.address == made["address"]
    assert keys.public == keys_of_phrase(phrase).public, "the swarm and statement keys follow, too"
    assert keys.account_pair.verify(b"extrinsic", keys.account_pair.sign(b"extrinsic"))
    with pytest.raises(PassphraseError, match=f"the passphrase of {file} is wrong"):
        read_polkadot_js(file, read_json(file), b"wrong")


def test_what_is_no_account_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    right = polkadot_js(PeerKeys.generate(), b"x", "peer")
    for change, why in (
        ({"encoded": "!"}, "is not an account exported by polkadot-js"),
        ({"encoded": "AAAA"}, "is not an account exported by polkadot-js"),
        ({"encoding": {**right["encoding"], "content": ["pkcs8", "ed25519"]}}, "an account of pkcs8/sr25519"),
        ({"encoding": {**right["encoding"], "type": ["none"]}}, "locked by scrypt/xsalsa20-poly1305"),
        ({"encoding": {}}, "is not an account"),
    ):
        with pytest.raises(KeyFileError, match=why):
            read_polkadot_js(file, {**right, **change}, b"x")
    nonsense: tuple[Any, ...] = (None, [], "text", {})
    for fields in nonsense:
        with pytest.raises(KeyFileError, match="is not an account"):
            read_polkadot_js(file, fields, b"x")
