"""Swarm keys by number: they follow from the account, and a vault keeps which one it has."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from service import durable
from service.vault import MOST_ROTATIONS, KeyFileError, PeerKeys, Vault, public_keys, unlock
from service.vault.phrase import keys_of_phrase
from service.vault.vaultfile import Cost

CHEAP = Cost(8192, 1)
PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"
FIXTURES = Path(__file__).parents[1] / "fixtures"


def knows(path: Path) -> bytes:
    return b"frozen"


@pytest.mark.parametrize(("version", "number"), [(1, 0), (2, 3)])
def test_frozen_vaults_say_which_swarm_key_they_have(tmp_path: Path, version: int, number: int) -> None:
    path = tmp_path / "vault"
    path.write_bytes(lzma.decompress((FIXTURES / f"vault_of_version_{version}.json.xz").read_bytes()))
    path.chmod(0o600)
    keys = keys_of_phrase(PHRASE).with_swarm_key(number)
    assert unlock(path, knows) == Vault(keys, PHRASE, number)
    assert public_keys(path) == keys.public


def test_the_numbered_keys_are_frozen() -> None:
    keys = keys_of_phrase(PHRASE)
    assert keys.with_swarm_key(0) == keys
    one = keys.with_swarm_key(1)
    assert one.swarm_seed.hex() == "c5a680bbd31f530f5c2664e4629ea42bcaeff674898ac628f29819df7c4d033f"
    assert (one.account_secret, one.statement_seed) == (keys.account_secret, keys.statement_seed)
    assert one.with_swarm_key(0) == keys, "whichever the keys have"
    expanded = PeerKeys.of_account(keys.account_pair._private_key)
    assert expanded.with_swarm_key(1).swarm_key == one.swarm_key, "an account of a wallet has the same ones"


def test_the_key_that_the_chain_names_is_found_by_its_number() -> None:
    keys = keys_of_phrase(PHRASE)
    assert keys.that_have(keys.swarm_key) == (keys, None)
    assert keys.that_have(keys.with_swarm_key(7).swarm_key) == (keys.with_swarm_key(7), 7)
    assert keys.with_swarm_key(7).that_have(keys.swarm_key) == (keys, 0)
    assert keys.that_have(keys.with_swarm_key(MOST_ROTATIONS - 1).swarm_key) is not None
    assert keys.that_have(keys.with_swarm_key(MOST_ROTATIONS).swarm_key) is None, "the search has an end"
    assert keys.that_have(keys.statement_key) is None
    imported = PeerKeys(keys.account_secret, bytes(32), bytes(31) + b"\1")
    found = imported.that_have(keys.with_swarm_key(1).swarm_key)
    assert found is not None
    assert found == (imported.with_swarm_key(1), 1), "the keys of a key file have the account's next ones, too"


def test_a_vault_gets_another_swarm_key_or_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, keys = tmp_path / "vault", keys_of_phrase(PHRASE)
    Vault(keys, PHRASE).create(path, b"frozen", CHEAP)
    after, before = Vault(keys.with_swarm_key(1), PHRASE, 1), path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "sync_file", full)
        with pytest.raises(KeyFileError, match="No space left on device"):
            after.replace(path, b"frozen", CHEAP)
    assert path.read_bytes() == before
    after.replace(path, b"frozen", CHEAP)
    assert unlock(path, knows) == after


@pytest.mark.parametrize("number", [-1, MOST_ROTATIONS, True])
def test_a_number_out_of_range_is_damage(tmp_path: Path, number: int) -> None:
    path = tmp_path / "vault"
    Vault(keys_of_phrase(PHRASE), PHRASE, number).create(path, b"frozen", CHEAP)
    with pytest.raises(KeyFileError, match="is no number of a swarm key"):
        unlock(path, knows)
