"""Operators' vaults: all that a node needs of an account but the account's secret."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from service.vault import KeyFileError, Locker, Vault, create_key_file, public_keys, unlock
from service.vault.keyfile import write_key_file
from service.vault.phrase import keys_of_phrase
from service.vault.polkadot_js import polkadot_js, read_polkadot_js
from service.vault.vaultfile import Cost

CHEAP = Cost(8192, 1)
PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"
FROZEN = Path(__file__).parents[1] / "fixtures" / "vault_of_version_3.json.xz"
OWN = keys_of_phrase(PHRASE)
ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


def knows(path: Path) -> bytes:
    return b"frozen"


def test_an_operator_has_all_but_the_accounts_secret(tmp_path: Path) -> None:
    keys = OWN.of_operator()
    assert (keys.account, keys.swarm_seed, keys.statement_seed) == (OWN.account, OWN.swarm_seed, OWN.statement_seed)
    assert keys.payer == keys.account_pair.public_key != OWN.account
    assert OWN.payer == OWN.account
    assert OWN.of_operator().payer != keys.payer, "each has an account of its own"
    path = tmp_path / "node.vault"
    Vault(keys).create(path, b"frozen", CHEAP)
    assert unlock(path, knows) == Vault(keys)
    public = public_keys(path)
    assert (public.account, public.operator) == (OWN.account, keys.payer)
    for text in (path.read_bytes(), repr(keys).encode()):
        for secret in (OWN.account_secret, keys.account_secret, OWN.storage_key):
            assert secret.hex().encode() not in text
            assert secret not in text


def test_what_the_accounts_own_keys_locked_is_opened_and_the_other_way_round() -> None:
    keys = OWN.of_operator()
    operators, own = Locker(keys.storage_key), Locker(OWN.storage_key)
    assert operators.open(own.lock(b"a trapdoor"), "here") == b"a trapdoor"
    assert own.open(operators.lock(b"a trapdoor"), "here") == b"a trapdoor"


def test_the_format_is_frozen(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    path.write_bytes(lzma.decompress(FROZEN.read_bytes()))
    path.chmod(0o600)
    found = unlock(path, knows).keys
    assert found.public == public_keys(path)
    assert (found.account, found.storage_key, found.swarm_key) == (OWN.account, OWN.storage_key, OWN.swarm_key)
    assert found.payer.hex() == "3058bf33213601cffa174b06eac89fa9372f1532b13498322cdcfcda56db2906"


def test_a_damaged_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    text = lzma.decompress(FROZEN.read_bytes()).decode()
    other = keys_of_phrase(PHRASE).of_operator().public
    moved = text.replace(OWN.address, ALICE)  # the account that it says it is of, in the open
    for wrong in (text.replace('"operator"', '"other"'), text.replace('"version": 3', '"version": 2'), moved):
        path.write_text(wrong)
        path.chmod(0o600)
        with pytest.raises(KeyFileError, match="damaged"):
            unlock(path, knows)
    assert other.operator is not None


def test_what_needs_the_accounts_secret_says_so(tmp_path: Path) -> None:
    keys = OWN.of_operator()
    for act in (keys.of_operator, lambda: keys.with_swarm_key(1), lambda: write_key_file(tmp_path / "k", keys)):
        with pytest.raises(KeyFileError, match="operator's"):
            act()
    assert not (tmp_path / "k").exists()
    assert keys.that_have(OWN.swarm_key) == (keys, None)
    assert keys.that_have(OWN.with_swarm_key(1).swarm_key) is None, "after a rotation its vault is made anew"


def test_a_wallet_gets_the_operators_own_account(tmp_path: Path) -> None:
    keys = OWN.of_operator()
    fields = polkadot_js(keys, b"p", "node")
    assert read_polkadot_js(tmp_path / "x", fields, b"p").account == keys.payer


def test_an_operator_is_kept_when_its_vault_is_made_anew() -> None:
    before = OWN.of_operator()
    after = OWN.with_swarm_key(1).of_operator(before)
    assert (after.payer, after.swarm_key) == (before.payer, OWN.with_swarm_key(1).swarm_key)
    other = keys_of_phrase("legal winner thank year wave sausage worth useful legal winner thank yellow")
    for wrong in (OWN, other.of_operator()):
        with pytest.raises(KeyFileError, match="not of an operator of"):
            OWN.of_operator(wrong)


def test_the_keys_of_a_key_file_have_an_operator_too(tmp_path: Path) -> None:
    own = create_key_file(tmp_path / "key.json")
    assert own.of_operator().storage_key == own.storage_key
