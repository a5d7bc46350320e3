"""`datdot operator`: a node works for an account whose secret it has not, until it may not any more."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from service.units import UNIT
from tests.support.cli_process import WAIT, Running, RunningChain, datdot, done, running
from tests.support.terminal import Terminal

PASSPHRASE, OTHER = "correct horse", "battery staple"


def file_of(folder: Path, words: str) -> Path:
    path = folder / words.replace(" ", "-")
    path.write_text(words + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def own(tmp_path: Path) -> tuple[Any, ...]:
    """The account's vault, and how it is opened."""
    path = tmp_path / "own.vault"
    known = ("--passphrase-file", file_of(tmp_path, PASSPHRASE))
    done("vault", "create", path, *known)
    return (path, *known)


def nodes_vault(folder: Path, own: tuple[Any, ...], name: str = "node.vault") -> tuple[dict[str, Any], tuple[Any, ...]]:
    """A vault for a node of that account: what it shows, and how it is opened."""
    locked = file_of(folder, OTHER)
    made = done("vault", "operator", *own, "--to", folder / name, "--new-passphrase-file", locked)
    return made, (folder / name, "--passphrase-file", locked)


def other_node(folder: Path) -> Path:
    """The vault of a node of another account, with the same passphrase."""
    known = ("--passphrase-file", file_of(folder, PASSPHRASE))
    done("vault", "create", folder / "other.vault", *known)
    return nodes_vault(folder, (folder / "other.vault", *known), "other-node.vault")[1][0]


def until(node: Running, *words: str) -> None:
    """Wait until a line of the node's log has these words."""
    end = time.monotonic() + WAIT
    while not any(all(word in line for word in words) for line in node.log.read_text().splitlines()):
        assert node.process.poll() is None, node.log.read_text()
        assert time.monotonic() < end, node.log.read_text()
        time.sleep(0.1)


def balance(account: str, chain: RunningChain) -> dict[str, Any]:
    return done("wallet", "balance", account, "--chain", chain.url)


def finding(directory: Path, chain: RunningChain) -> dict[str, Any]:
    """What the doctor says of the operator."""
    told = datdot("doctor", "--dir", directory, "--chain", chain.url, "--json").objects[0]
    (found,) = [one for one in told["findings"] if one["what"] == "operator"]
    return dict(found)


def test_a_node_works_for_an_account_whose_secret_it_has_not(
    tmp_path: Path, own: tuple[Any, ...], chain: RunningChain
) -> None:
    account = done("vault", "show", own[0])["account"]
    made, key = nodes_vault(tmp_path, own)
    operator = made["operator"]
    assert made == done("vault", "show", key[0])
    assert (made["account"], made["operator"] != account) == (account, True)
    signing = ("--key", *own, "--chain", chain.url)
    done("faucet", account, "--amount", "1000UNIT", "--chain", chain.url)
    options = ("node", "--dir", tmp_path / "node", "--chain", chain.url, "--json", "--key", *key)
    with running(tmp_path / "log", *options, "--roles", "hoster,encoder", "--capacity", "1GiB") as node:
        assert node.line()["account"] == account
        until(node, "waiting until the account's own key registers it", f"datdot operator set {operator}")
        shown = done("operator", "set", operator, *signing, "--give", "3UNIT")
        assert (shown["account"], shown["operator"]) == (account, operator)
        until(node, "HostingOffered")
        until(node, "EncodingOffered")
        assert done("operator", "show", account, "--chain", chain.url) == {"account": account, "operator": operator}
        assert int(balance(account, chain)["held"]) > UNIT, "the account's money is held"
        assert 2 * UNIT < int(balance(operator, chain)["total"]) < 3 * UNIT, "its operator paid the fees"
        # the account's own key works meanwhile, and the money that is there already is not given again
        assert done("operator", "set", operator, *signing, "--give", "1UNIT")["operator"] == operator
        assert int(balance(operator, chain)["total"]) < 3 * UNIT
        # revoked while it runs, it says so once, and that it may again
        done("operator", "revoke", *signing)
        until(node, "is not the account's operator any more", f"datdot operator set {operator}")
        assert finding(tmp_path / "node", chain)["level"] == "bad"
        done("operator", "set", operator, *signing, "--give", "1UNIT")
        until(node, "this node's key is the account's operator again")
        assert finding(tmp_path / "node", chain)["level"] == "good"
        assert node.stop() == 0
    assert done("hoster", "pause", "--key", *key, "--chain", chain.url)["block"] > shown["block"]
    done("operator", "revoke", *signing)
    assert done("operator", "show", "--key", own[0], "--chain", chain.url)["operator"] is None
    refused = datdot("hoster", "pause", "--key", *key, "--chain", chain.url, "--json")
    assert refused.code != 0
    lines = done("wallet", "history", "--dir", tmp_path / "node", "--limit", "1000")["lines"]
    paid = [one for one in lines if one["by_operator"] != "0"]
    assert {one["fields"]["operator"] for one in paid} == {operator}
    assert {one["fields"]["event"] for one in paid} >= {"HostingOffered", "EncodingOffered"}
    # the same directory goes on with the account's own vault
    options = (*options[:-3], *own, "--capacity", "2GiB")
    with running(tmp_path / "log2", *options) as node:
        assert node.line()["account"] == account
        until(node, "HostingOffered")
        assert node.stop() == 0


def test_what_an_operator_cannot_do_says_so(tmp_path: Path, own: tuple[Any, ...], chain: RunningChain) -> None:
    account = done("vault", "show", own[0])["account"]
    made, key = nodes_vault(tmp_path, own)
    done("faucet", account, "--amount", "1000UNIT", "--chain", chain.url)
    done("operator", "set", made["operator"], "--key", *own, "--chain", chain.url)
    signing = ("--key", *key, "--chain", chain.url, "--json")
    told = datdot("wallet", "transfer", made["operator"], "1UNIT", *signing).failure("operators_key")
    assert "the account's own key signs this" in told["message"]
    for command in (("operator", "set", account), ("operator", "revoke")):
        assert "its operator's" in datdot(*command, *signing).failure("operator_refused")["message"]
    rotate = datdot("vault", "rotate", *key, "--chain", chain.url, "--json").failure("key_file")
    assert "these keys are an operator's" in rotate["message"]
    again = datdot("vault", "operator", *key, "--to", tmp_path / "x", "--new-passphrase-file", key[-1], "--json")
    assert "these keys are an operator's" in again.failure("key_file")["message"]
    assert not (tmp_path / "x").exists()
    legacy = ("vault", "export", *key, "--format", "legacy", "--to", tmp_path / "x", "--json")
    assert "these keys are an operator's" in datdot(*legacy).failure("key_file")["message"]
    anew = ("vault", "operator", *own, "--to", tmp_path / "y", "--new-passphrase-file", key[-1])
    assert (
        "not of an operator of"
        in datdot(*anew, "--keep", other_node(tmp_path), "--json").failure("key_file")["message"]
    )
    assert done(*anew, "--keep", key[0])["operator"] == made["operator"], "the same operator, in another vault"
    wallet = tmp_path / "operator.json"
    exported = done("vault", "export", *key, "--format", "polkadot-js", "--to", wallet)
    assert exported["account"] == made["operator"] == json.loads(wallet.read_text())["address"]


def test_the_moneys_key_is_asked_for_before_anything_is_shown_or_asked(tmp_path: Path, own: tuple[Any, ...]) -> None:
    """There is no chain, no feed and no passphrase: none of them was wanted yet."""
    account = done("vault", "show", own[0])["account"]
    _, key = nodes_vault(tmp_path, own)
    nowhere = ("--key", key[0], "--chain", "ws://127.0.0.1:1")
    terms = ("--replicas", "1", "--pot", "9UNIT", "--until", "99999")
    for command in (
        ("wallet", "transfer", account, "1UNIT"),
        ("plan", "donate", "0", "1UNIT"),
        ("plan", "publish", "ab" * 32, "--dir", tmp_path, *terms),
        ("plan", "amend", "0", "--replicas", "2"),
        ("plan", "end", "0"),
    ):
        for options in (("--json",), ()):
            told = datdot(*command, *nowhere, *options)
            assert told.code not in (0, 2), command
            assert f"takes the vault of {account}" in " ".join((told.out + told.err).split()), command
        assert datdot(*command, *nowhere, "--json").failure("operators_key")
    for command in (("operator", "set", account), ("operator", "revoke")):
        assert "its operator's" in datdot(*command, *nowhere, "--json").failure("operator_refused")["message"]
    assert "an operator's" in datdot("vault", "rotate", key[0], "--json").failure("key_file")["message"]


def test_what_naming_one_costs_and_does_is_shown_first(
    tmp_path: Path, own: tuple[Any, ...], chain: RunningChain
) -> None:
    account = done("vault", "show", own[0])["account"]
    made, _ = nodes_vault(tmp_path, own)
    signing = ("--key", *own, "--chain", chain.url)
    poor = datdot("operator", "set", made["operator"], *signing, "--json").failure("no_funds")
    assert "are missing for that on" in poor["message"]
    assert f"datdot faucet {account}" in poor["message"]
    assert (
        "is the account itself"
        in datdot("operator", "set", account, *signing, "--json").failure("operator_refused")["message"]
    )
    done("faucet", account, "--amount", "10UNIT", "--chain", chain.url)
    terminal = Terminal("operator", "set", made["operator"], *signing)
    terminal.until("Sign and send?")
    text = " ".join(terminal.text.split())
    assert "1 UNIT (1000000000000) are burned" in text
    assert "it cannot send it away" in text
    terminal.type("n")
    assert terminal.end() != 0
    assert done("operator", "show", account, "--chain", chain.url)["operator"] is None
    assert (
        "is not registered" in datdot("operator", "revoke", *signing, "--json").failure("operator_refused")["message"]
    )
