"""Vaults: what is locked comes back with the passphrase and with nothing else, and no secret lies open."""

from __future__ import annotations

import json
import lzma
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from substrateinterface import Keypair

from service import durable
from service.vault import (
    KeyFileError,
    Locker,
    PassphraseError,
    PeerKeys,
    Vault,
    create_key_file,
    is_locked,
    load_keys,
    passphrase_source,
    public_keys,
    unlock,
)
from service.vault.passphrase import passphrase_file, read_passphrase
from service.vault.phrase import keys_of_phrase, new_phrase
from service.vault.vaultfile import Cost

CHEAP = Cost(8192, 1)
PASSPHRASE = "correct horse, naïve".encode()
PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"
FROZEN = Path(__file__).parents[1] / "fixtures" / "vault_of_version_1.json.xz"
"""Compressed: a file that says that it is a vault is refused by imports, and the demo imports this repository."""


def knows(path: Path) -> bytes:
    return PASSPHRASE


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "peer.vault"
    Vault(keys_of_phrase(PHRASE), PHRASE).create(path, PASSPHRASE, CHEAP)
    return path


def test_what_was_locked_comes_back(vault: Path) -> None:
    keys = keys_of_phrase(PHRASE)
    assert unlock(vault, knows) == Vault(keys, PHRASE)
    assert load_keys(vault, knows) == keys
    assert public_keys(vault) == keys.public
    assert is_locked(vault)
    assert not is_locked("//Alice")
    assert stat.S_IMODE(vault.stat().st_mode) == 0o600
    assert [one.name for one in vault.parent.iterdir()] == ["peer.vault"]


def test_the_format_is_frozen(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    path.write_bytes(lzma.decompress(FROZEN.read_bytes()))
    path.chmod(0o600)
    found = unlock(path, lambda _: b"frozen")
    assert found.phrase == PHRASE
    assert found.keys == keys_of_phrase(PHRASE)


def test_no_secret_lies_open(vault: Path) -> None:
    found, text = unlock(vault, knows), vault.read_bytes()
    secrets = [found.keys.account_secret, found.keys.swarm_seed, found.keys.statement_seed]
    for secret in (*secrets, *(one.hex().encode() for one in secrets), PASSPHRASE, *PHRASE.encode().split()):
        assert secret not in text
        assert repr(secret)[2:-1] not in repr(found)


@pytest.mark.parametrize("wrong", [b"correct horse", b"", PASSPHRASE + b" "])
def test_another_passphrase_opens_nothing(vault: Path, wrong: bytes) -> None:
    with pytest.raises(PassphraseError, match=f"the passphrase of {vault} is wrong, or its box is damaged"):
        unlock(vault, lambda _: wrong)


def test_a_vault_is_never_overwritten_and_never_without_a_passphrase(vault: Path, tmp_path: Path) -> None:
    before = vault.read_bytes()
    with pytest.raises(KeyFileError, match="already exists"):
        Vault(PeerKeys.generate()).create(vault, PASSPHRASE, CHEAP)
    assert vault.read_bytes() == before
    with pytest.raises(PassphraseError, match="needs a passphrase of at least one character"):
        Vault(PeerKeys.generate()).create(tmp_path / "other", b"", CHEAP)
    assert not (tmp_path / "other").exists()


def test_a_change_of_the_passphrase_is_whole_or_not_at_all(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, before = unlock(vault, knows), vault.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "sync_file", full)
        with pytest.raises(KeyFileError, match=f"{vault}: No space left on device"):
            found.replace(vault, b"new", CHEAP)
    assert vault.read_bytes() == before
    found.replace(vault, b"new", CHEAP)
    assert unlock(vault, lambda _: b"new") == found
    with pytest.raises(PassphraseError):
        unlock(vault, knows)


def changed(vault: Path, **fields: Any) -> None:
    found = json.loads(vault.read_text())
    for name, value in fields.items():
        where = found["kdf"] if name in found["kdf"] else found
        where[name] = value
    vault.write_text(json.dumps(found))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"version": 4}, "is not a vault of version 1 or 2 or 3"),
        ({"version": None}, "is not a vault of version 1 or 2 or 3"),
        ({"account": "nonsense"}, "its public keys cannot be read"),
        ({"swarm_key": "11"}, "do not have 32 bytes each"),
        ({"statement_key": 7}, "its public keys cannot be read"),
        ({"swarm_key": "11" * 32}, "it says account 5"),
        ({"name": "scrypt"}, "is damaged"),
        ({"salt": "11"}, "is damaged"),
        ({"memory": 1 << 40}, "asks for more than 1024 MiB"),
        ({"memory": 1 << 30, "passes": 5}, "asks for more than 1024 MiB"),
        ({"passes": 0}, "is damaged"),
        ({"passes": True}, "is damaged"),
        ({"passes": "3"}, "is damaged"),
        ({"box": "!"}, "is damaged"),
        ({"box": ""}, "is damaged"),
        ({"box": "AAAA" * 20}, "is wrong, or its box is damaged"),
        ({"kdf": 5}, "is damaged"),
    ],
)
def test_damage_is_named(vault: Path, fields: dict[str, Any], why: str) -> None:
    changed(vault, **fields)
    with pytest.raises(KeyFileError, match=why):
        unlock(vault, knows)


def test_what_is_no_vault_is_not_unlocked(tmp_path: Path) -> None:
    create_key_file(tmp_path / "key.json")
    with pytest.raises(KeyFileError, match="datdot vault import --format legacy"):
        unlock(tmp_path / "key.json", knows)
    with pytest.raises(KeyFileError, match="none: No such file"):
        unlock(tmp_path / "none", knows)
    (tmp_path / "long").write_bytes(b"[" + b"0," * (1 << 20) + b"0]")
    with pytest.raises(KeyFileError, match="it has more than 1048576 bytes"):
        unlock(tmp_path / "long", knows)
    (tmp_path / "deep").write_bytes(b"[" * 100_000)
    with pytest.raises(KeyFileError, match="it is not JSON"):
        unlock(tmp_path / "deep", knows)


def test_a_vault_that_others_may_open_is_refused(vault: Path) -> None:
    vault.chmod(0o640)
    with pytest.raises(KeyFileError, match="is open to others"):
        unlock(vault, knows)
    assert public_keys(vault) == keys_of_phrase(PHRASE).public


# ---- the phrase


def test_the_account_of_a_phrase_is_that_of_other_wallets() -> None:
    for words in (12, 24):
        phrase = new_phrase(words)
        assert len(phrase.split()) == words
        assert keys_of_phrase(phrase).account == Keypair.create_from_mnemonic(phrase).public_key
    assert keys_of_phrase(f"  {PHRASE.upper()}\n").address == "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV"


def test_the_other_keys_of_a_phrase_are_frozen() -> None:
    keys = keys_of_phrase(PHRASE)
    assert keys.swarm_seed.hex() == "c3ceafabaa51ccedda665c6ba0f462483b97015d8c9b92114d08ae8f7fae8994"
    assert keys.statement_seed.hex() == "9cdb28a688f8ad1e78011e2a70e799c67172f03fae1b4cab7189fb35ead30519"
    assert PeerKeys.of_account(keys.account_pair._private_key).public == keys.public


@pytest.mark.parametrize(
    ("phrase", "why"),
    [
        ("", "these are 0"),
        (PHRASE.replace("walk", ""), "these are 11"),
        (PHRASE.replace("walk", "wallk"), "misspelt"),
        (PHRASE.replace("fit walk", "walk fit"), "in another place"),
    ],
)
def test_what_is_no_phrase(phrase: str, why: str) -> None:
    with pytest.raises(KeyFileError, match=why):
        keys_of_phrase(phrase)
    with pytest.raises(ValueError, match="has 12 or 24 words, not 13"):
        new_phrase(13)


# ---- where the passphrase comes from


def secret_file(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_files_with_a_passphrase(tmp_path: Path) -> None:
    for content in (b"two words", b"two words\n", b"two words\r\n"):
        assert read_passphrase(secret_file(tmp_path / "p", content)) == b"two words"
    for wrong in (b"", b"\n", b"two\nlines", b"x" * 1025):
        with pytest.raises(PassphraseError, match="one line of 1 to 1024 bytes"):
            read_passphrase(secret_file(tmp_path / "p", wrong))
    with pytest.raises(KeyFileError, match="is open to others"):
        read_passphrase(secret_file(tmp_path / "p", b"x", 0o644))
    with pytest.raises(PassphraseError, match="none: No such file"):
        read_passphrase(tmp_path / "none")


def test_the_option_comes_before_the_environment_and_that_before_systemd(tmp_path: Path) -> None:
    secret_file(tmp_path / "datdot-passphrase", b"x")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert passphrase_file(None, {}) is None
    assert passphrase_file(None, {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}) is None
    assert passphrase_file(None, environment) == tmp_path / "datdot-passphrase"
    environment["DATDOT_PASSPHRASE_FILE"] = "there"
    assert passphrase_file(None, environment) == Path("there")
    assert passphrase_file(Path("here"), environment) == Path("here")


def test_who_sits_at_the_terminal_is_asked_last(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATDOT_PASSPHRASE_FILE", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return PASSPHRASE.decode()

    assert unlock(vault, passphrase_source(None, ask)).phrase == PHRASE
    assert questions == [f"Passphrase of {vault}: "]
    with pytest.raises(
        PassphraseError, match="nobody is here to type it: name a file that holds it with --passphrase-file"
    ):
        load_keys(vault)


def test_an_unlocked_vault_leaves_no_core_dump(vault: Path) -> None:
    # in a process of its own: the limit stays
    child = os.fork()
    if child == 0:
        import resource

        unlock(vault, knows)
        os._exit(0 if resource.getrlimit(resource.RLIMIT_CORE)[0] == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_is_locked_opens_for_its_account_only() -> None:
    keys, other = PeerKeys.generate(), PeerKeys.generate()
    expanded = PeerKeys.of_account(keys.account_pair._private_key)
    locked = Locker(keys.storage_key).lock(b"secret")
    assert b"secret" not in locked
    assert locked != Locker(keys.storage_key).lock(b"secret")
    assert Locker(expanded.storage_key).open(locked, "here") == b"secret"
    for key, data in ((other.storage_key, locked), (keys.storage_key, locked[:-1]), (keys.storage_key, b"")):
        with pytest.raises(KeyFileError, match="here is damaged, or was locked by another account"):
            Locker(key).open(data, "here")
