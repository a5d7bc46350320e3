"""`datdot plan publish` and `donate` say what they take and do before they sign; who says no at a terminal signs nothing."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.units import UNIT
from tests.support.chain_world import BOB as BOBS_PAIR
from tests.support.cli_process import RunningChain, command, datdot, done, environment, many, running_chain

BOB = BOBS_PAIR.ss58_address


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    with running_chain("model", tmp_path_factory.mktemp("chain")) as chain:
        yield chain


def typed(answer: str, *arguments: object, meanwhile: Callable[[], object] | None = None) -> tuple[int, str]:
    """Run a command whose user types an answer; exit code and what was shown. `meanwhile` befalls after it was shown."""
    main, other = pty.openpty()
    child = subprocess.Popen(
        command(*arguments), stdin=other, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()
    )
    os.close(other)
    shown = ""
    if meanwhile is not None:
        assert child.stdout is not None
        while "for a fee of up to" not in (line := child.stdout.readline()):
            assert line, shown
            shown += line
        meanwhile()
    os.write(main, answer.encode())
    said, _ = child.communicate(timeout=120)
    os.close(main)
    return child.returncode, shown + said


def pot_of(chain: RunningChain) -> int:
    """What is in the pot of plan 0."""
    return int(done("plan", "show", 0, "--chain", chain.url)["pot"])


def test_what_it_takes_is_said_and_nothing_is_signed_against_a_no(model: RunningChain, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100_000))
    key = done("feed", "import", tmp_path / "file", "--dir", tmp_path / "a")["key"]
    signing = ("--chain", model.url, "--key", "//Alice")
    publish = (
        *("plan", "publish", key, "--dir", tmp_path / "a", "--unserved"),
        *("--replicas", 2, "--pot", "100UNIT", "--until", 2000, *signing),
    )  # fmt: skip
    code, said = typed("n\n", *publish)
    assert (code, "not agreed to: nothing was sent" in said) == (1, True), said
    assert datdot("plan", "show", 0, "--chain", model.url, "--json").failure("no_such_plan")

    before = int(done("wallet", "balance", *signing)["spendable"])
    refused = datdot(*publish)
    assert (refused.code, "add --yes" in refused.err) == (2, True), "without a terminal nobody can be asked"
    assert int(done("wallet", "balance", *signing)["spendable"]) == before
    shown = datdot(*publish, "--yes")
    assert shown.code == 0, shown
    assert "100 UNIT (100000000000000) from 5Grwva" in shown.out
    assert "0.1 UNIT (100000000000) burned for its publication" in shown.out
    assert "2 copies of " in shown.out
    left = int(shown.out.partition("for a fee of up to")[2].partition(";")[2].partition("(")[2].partition(")")[0])
    after = int(done("wallet", "balance", *signing)["spendable"])
    fee = int(shown.out.partition("for a fee of up to")[2].partition("(")[2].partition(")")[0])
    assert left <= after <= left + fee, "the fee is the most that it can be"
    assert before - after >= 10**14

    code, said = typed("y\n", "plan", "donate", 0, "50UNIT", *signing)
    assert code == 0, said
    assert "to the pot of plan 0" in said
    sums = re.search(r"the pot has .*\((\d+)\) now and .*\((\d+)\) then", said)
    assert sums is not None, said
    assert int(sums[2]) - int(sums[1]) == 50 * UNIT
    assert "this account has then 100 % of the plan's shares: so much of what is left" in said
    assert 149 * UNIT < pot_of(model) <= 150 * UNIT, "what its ticks cost is taken meanwhile"
    assert datdot("plan", "donate", 0, UNIT, "--yes", *signing).code == 0

    def amended() -> None:
        done("plan", "amend", 0, "--replicas", 3, *signing)

    code, said = typed("y\n", "plan", "donate", 0, "50UNIT", *signing, meanwhile=amended)
    assert (code, "its terms or its head changed since it was shown" in said) == (1, True), said
    assert 150 * UNIT < pot_of(model) <= 151 * UNIT


def test_what_cannot_be_is_said_before_a_passphrase_is_asked_for(model: RunningChain, tmp_path: Path) -> None:
    key = tmp_path / "poor.json"
    done("key", "create", key)
    refused = datdot("plan", "donate", 77, UNIT, "--chain", model.url, "--key", key)
    assert refused.code == 2
    assert "as things are now: plan 77" in refused.out


def test_the_remedy_for_money_is_enough_when_it_is_pasted(model: RunningChain, tmp_path: Path) -> None:
    """What is missing is told with the fee of the call."""
    key = tmp_path / "poor.json"
    account = done("key", "create", key)["account"]
    done("wallet", "transfer", account, "1UNIT", "--chain", model.url, "--key", "//Alice")
    (tmp_path / "file").write_bytes(bytes(100_000))
    feed = done("feed", "import", tmp_path / "file", "--dir", tmp_path / "a")["key"]
    signing = ("--chain", model.url, "--key", key, "--json")
    told = {"plan": 0}
    for words in (
        ("publish", feed, "--dir", tmp_path / "a", "--unserved", "--replicas", 1, "--pot", "100UNIT", "--until", 2000),
        ("donate", None, "100UNIT"),
    ):
        call = ("plan", *(told["plan"] if word is None else word for word in words), *signing)
        message = datdot(*call).failure("no_funds")["message"]
        found = re.search(r"datdot wallet transfer (\S+) (\S+UNIT)", message)
        assert found is not None, message
        assert found[1] == account
        done("wallet", "transfer", account, found[2], "--chain", model.url, "--key", "//Alice")
        ran = datdot(*call)
        assert ran.code == 0, ran
        told = told | ran.object


SPENDING = {
    "wallet transfer": ("wallet", "transfer", BOB, "1UNIT"),
    "plan donate": ("plan", "donate", 0, "1UNIT"),
    "hoster lost": ("hoster", "lost", 0),
}


@pytest.mark.parametrize("name", SPENDING)
def test_no_command_spends_without_a_yes(model: RunningChain, name: str) -> None:
    """Those that need a feed are above; with --json, which programs use, all others sign."""
    at = ("--chain", model.url, "--key", "//Bob")
    before = done("wallet", "balance", BOB, "--chain", model.url)["total"]
    ran = datdot(*SPENDING[name], *at)
    assert (ran.code, "nobody sits at a terminal to be asked: add --yes" in ran.err) == (2, True), ran
    assert done("wallet", "balance", BOB, "--chain", model.url)["total"] == before


SUMS = ("1.5", "0.0000000000001UNIT", "5 DOT", "")


@pytest.mark.parametrize("before", [("wallet", "transfer", BOB), ("plan", "donate", 0), ("faucet", BOB, "--amount")])
def test_a_sum_is_read_in_the_same_way_everywhere(before: tuple[object, ...]) -> None:
    closed = ("--chain", "ws://127.0.0.1:1", "--json")
    for ran in many([(*before, one, *closed) for one in SUMS]):
        assert "is no sum: write it in the smallest unit" in ran.failure("usage", 2)["message"]


def test_prices_of_a_plan_are_sums_too(model: RunningChain) -> None:
    amend = ("plan", "amend", 77, "--chain", model.url, "--key", "//Bob", "--json")
    names = ("--max-ask-disk", "--max-ask-encoding", "--max-ask-receiving")
    right = [(*amend, name, "0.01UNIT") for name in names]
    for ran in many(right):
        ran.failure("plan_refused")
    for ran in many([(*amend, name, "0.01") for name in names]):
        assert "is no sum" in ran.failure("usage", 2)["message"]
