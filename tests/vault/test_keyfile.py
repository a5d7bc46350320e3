"""Key files: what is written is what is read, nothing is overwritten or left open, damage is named."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from nacl.signing import VerifyKey
from substrateinterface import Keypair

from service.address import account_id, ss58
from service.vault import KeyFileError, PeerKeys, create_key_file, load_keys

ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
FROZEN = {"version": 1, "account": "11" * 32, "swarm": "22" * 32, "statement": "33" * 32}


def write(path: Path, content: object, mode: int = 0o600) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def test_a_new_key_file_is_read_back_and_open_to_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.json"
    before = os.umask(0)
    try:
        made = create_key_file(path)
    finally:
        os.umask(before)
    assert load_keys(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["key.json"]
    assert len({made.account_secret, made.swarm_seed, made.statement_seed, made.account, made.swarm_key}) == 5
    assert create_key_file(tmp_path / "other") != made


def test_the_format_of_the_file_is_frozen(tmp_path: Path) -> None:
    keys = load_keys(write(tmp_path / "key", FROZEN))
    assert (keys.account_secret, keys.swarm_seed, keys.statement_seed) == (b"\x11" * 32, b"\x22" * 32, b"\x33" * 32)
    assert keys.address == "5DtDLm5rQHShDqojQpsvcN8tRXHVFaecfDoRet1SU6BFD9Fi"
    assert keys.swarm_key.hex() == "a09aa5f47a6759802ff955f8dc2d2a14a5c99d23be97f864127ff9383455a4f0"
    assert keys.statement_key.hex() == "17cb79fb2b4120f2b1ec65e4198d6e08b28e813feb01e4a400839b85e18080ce"
    written = create_key_file(tmp_path / "new")
    found = json.loads((tmp_path / "new").read_text())
    assert set(found) == set(FROZEN)
    assert (found["version"], found["swarm"]) == (1, written.swarm_seed.hex())


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "key", "precious")
    with pytest.raises(KeyFileError, match=f"{path} already exists: key files are never overwritten"):
        create_key_file(path)
    assert path.read_text() == "precious"
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match="key: No space left on device"):
        create_key_file(tmp_path / "key")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o601, 0o660])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "key", FROZEN, mode)
    with pytest.raises(KeyFileError, match=f"{path} is open to others .mode {mode:04o}.: run chmod 600 on it"):
        load_keys(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[]", "is not a key file of version 1"),
        ({}, "is not a key file of version 1"),
        ({**FROZEN, "version": 2}, "is not a key file of version 1"),
        ({**FROZEN, "swarm": "22" * 31}, "`swarm` is not a seed of 32 bytes in hex"),
        ({**FROZEN, "account": "zz" * 32}, "`account` is not a seed"),
        ({**FROZEN, "statement": 7}, "`statement` is not a seed"),
        ({name: FROZEN[name] for name in ("version", "account", "swarm")}, "`statement` is not a seed"),
    ],
)
def test_damage_is_named(tmp_path: Path, content: object, why: str) -> None:
    path = write(tmp_path / "key", content)
    with pytest.raises(KeyFileError, match=f"{path}.*{why}"):
        load_keys(path)


def test_other_files_are_no_key_files(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="none: No such file"):
        load_keys(tmp_path / "none")
    with pytest.raises(KeyFileError, match="Is a directory"):
        load_keys(tmp_path)
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00")
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="is not a key file"):
        load_keys(path)


def test_a_secret_is_in_no_representation(tmp_path: Path) -> None:
    keys = load_keys(write(tmp_path / "key", FROZEN))
    for seed in (keys.account_secret, keys.swarm_seed, keys.statement_seed):
        assert seed.hex() not in repr(keys)
        assert repr(seed) not in repr(keys)


def test_development_accounts() -> None:
    alice, bob = load_keys("//Alice"), load_keys("//Bob")
    assert alice.address == ALICE
    assert alice.account == Keypair.create_from_uri("//Alice").public_key
    assert len({key for keys in (alice, bob) for key in (keys.account, keys.swarm_key, keys.statement_key)}) == 6
    for wrong in ("//", "//Alice//stash", "//Alice/x", "///p"):
        with pytest.raises(KeyFileError, match="only development accounts"):
            load_keys(wrong)


def test_signatures() -> None:
    keys = PeerKeys.generate()
    VerifyKey(keys.swarm_key).verify(b"statement", keys.sign_swarm(b"statement"))
    VerifyKey(keys.statement_key).verify(b"statement", keys.sign_statement(b"statement"))
    assert keys.account_pair.verify(b"extrinsic", keys.account_pair.sign(b"extrinsic"))


def test_addresses() -> None:
    account = load_keys("//Alice").account
    assert ss58(account) == ALICE
    assert account_id(ALICE) == account
    assert account_id("15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5") == account  # the same, prefix 0
    for wrong in ("", "5Grwva", ALICE[:-1] + "Z", "0OIl", "x" * 60):
        with pytest.raises(ValueError, match=r"."):
            account_id(wrong)
