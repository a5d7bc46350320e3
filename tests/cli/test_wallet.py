"""`datdot wallet` and `datdot faucet` as users run them: sums agree with the chain, and nothing is signed unasked."""

from __future__ import annotations

import csv
import io
import os
import pty
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.operating.lines import CSV_HEAD
from service.operating.transfers import TransferRefused, check_development
from service.units import UNIT, decimal
from tests.support.cli_process import (
    Running,
    RunningChain,
    command,
    datdot,
    done,
    environment,
    many,
    running,
    running_chain,
)

ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


@dataclass
class Person:
    """An account with a key file."""

    key: Path
    account: str


@pytest.fixture
def person(tmp_path: Path) -> Person:
    key = tmp_path / "me.json"
    return Person(key, done("key", "create", key)["account"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    with running_chain("model", tmp_path_factory.mktemp("chain")) as chain:
        yield chain


def history(chain: RunningChain, account: str) -> dict[str, Any]:
    return done("wallet", "history", account, "--chain", chain.url, "--blocks", 10_000)


def test_money_is_got_shown_sent_and_remembered(chain: RunningChain, person: Person, tmp_path: Path) -> None:
    at = ("--chain", chain.url)
    nothing = done("wallet", "balance", person.account, *at)
    assert (nothing["total"], nothing["held_for"], nothing["pending"]) == ("0", {}, "0")
    given = done("faucet", person.account, "--amount", "5UNIT", *at)
    assert (given["from"], given["to"], given["amount"]) == (ALICE, person.account, str(5 * UNIT))
    other = done("key", "create", tmp_path / "other.json")["account"]
    sent = done("wallet", "transfer", other, "1.25UNIT", "--key", person.key, *at)
    has = done("wallet", "balance", "--key", person.key, *at)
    left = int(has["free"])
    paid = 5 * UNIT - 5 * UNIT // 4 - left
    assert 0 <= int(sent["fee"]) - paid <= 4 * 10**6, "what was said, but for the bytes of a longer nonce"
    assert int(has["spendable"]) == int(sent["left"]) == left - 10**9
    assert has["ratio_why"].startswith("this account is no registered peer")

    told = history(chain, person.account)
    assert told["limit"] == "this is all since the chain began"
    assert [one["event"] for one in told["lines"]] == ["TransactionFeePaid", "Transfer", "Transfer"]
    assert sum(int(one["change"]) - int(one["held"]) for one in told["lines"]) == left
    assert told["lines"][1]["text"] == f"sent 1.25 UNIT to {other}"

    printed = datdot("wallet", "history", person.account, "--csv", *at, "--blocks", 10_000)
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert printed.out.splitlines()[0] == ",".join(CSV_HEAD)
    assert [(row["event"], row["change"]) for row in rows] == [
        (one["event"], one["change"]) for one in reversed(told["lines"])
    ]
    assert all(row["change_unit"] == decimal(int(row["change"])) for row in rows)
    assert "this is all since the chain began" in printed.err


def test_what_cannot_be_sent_is_told_with_what_to_do(model: RunningChain, person: Person) -> None:
    at = ("--key", person.key, "--chain", model.url, "--json")
    missing = datdot("wallet", "transfer", ALICE, "1UNIT", *at).failure("no_funds")["message"]
    assert "1 UNIT (1000000000000)" in missing
    assert f"datdot faucet {person.account}" in missing
    done("faucet", person.account, "--chain", model.url)
    lines = [("wallet", "transfer", person.account, 5, *at), ("wallet", "transfer", "//Bob", 5, *at)]
    lines += [("wallet", "transfer", ALICE, wrong, *at) for wrong in ("1.5", "0.0000000000001UNIT", "5 DOT", "")]
    to_itself, *wrong_usage = many(lines)
    assert "is the sender itself" in to_itself.failure("transfer_refused")["message"]
    for ran in wrong_usage:
        ran.failure("usage", 2)
    nobody = done("key", "create", person.key.with_name("nobody.json"))["account"]
    too_little = datdot("wallet", "transfer", nobody, 10**9 - 1, *at).failure("transfer_refused")["message"]
    assert "less than 0.001 UNIT (1000000000) does not exist" in too_little
    assert "above 0" in datdot("wallet", "transfer", nobody, 0, *at).failure("transfer_refused")["message"]


def test_without_a_terminal_nobody_is_asked_and_nothing_is_signed(model: RunningChain, person: Person) -> None:
    done("faucet", person.account, "--chain", model.url)
    ran = subprocess.run(
        command("wallet", "transfer", ALICE, "1UNIT", "--key", person.key, "--chain", model.url),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False, env=environment(),
    )  # fmt: skip
    assert ran.returncode == 2
    assert "add --yes" in ran.stderr
    assert done("wallet", "balance", person.account, "--chain", model.url)["total"] == str(1000 * UNIT)


@pytest.mark.parametrize(("answer", "sends"), [(b"y\n", True), (b"\n", False), (b"no\n", False), (b"\x03", False)])
def test_at_a_terminal_fee_and_effect_are_shown_and_asked_about(
    model: RunningChain, person: Person, answer: bytes, sends: bool
) -> None:
    done("faucet", person.account, "--chain", model.url)
    code, shown = typed(answer, "wallet", "transfer", ALICE, "1.5UNIT", "--key", person.key, "--chain", model.url)
    assert f"1.5 UNIT (1500000000000) from {person.account}" in shown
    assert "for a fee of up to 0." in shown
    assert "can be spent afterwards" in shown
    assert code == (0 if sends else 1), shown
    assert ("sent in block" in shown) == sends
    assert ("nothing was sent" in shown) != sends
    total = int(done("wallet", "balance", person.account, "--chain", model.url)["total"])
    assert (total < 1000 * UNIT) == sends


def typed(answer: bytes, *arguments: object) -> tuple[int, str]:
    """Run a command at a terminal of its own; type the answer once it asks. Its code, and all that it showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command()[0], command(*arguments), environment(COLUMNS="400"))
    timer = threading.Timer(300, os.kill, (pid, 9))
    timer.start()
    shown, asked = b"", False
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # its other end is closed
            break
        if not read:
            break
        shown += read
        if not asked and b"[y/N]" in shown:
            asked = True
            os.write(terminal, answer)
    timer.cancel()
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), " ".join(shown.decode().split())


def test_a_node_without_money_says_what_it_has_what_for_and_how_to_get_it(model: RunningChain, tmp_path: Path) -> None:
    log, home = tmp_path / "log", tmp_path / "node"
    roles = ("--roles", "hoster,encoder", "--chain", model.url)
    with running(log, "node", "--dir", home, *roles, "--json") as node:
        account = node.line()["account"]
        line = logged(node, "waiting for money to pay the registration fee")
        assert line["has"] == "0 UNIT (0)"
        assert line["needed"] == "101.51 UNIT (101510000000000)"
        assert "the registration, burned: 1 UNIT; the collateral of 10737418240 bytes: 0.5 UNIT" in line["needed_for"]
        assert "an encoder's bond: 100 UNIT" in line["needed_for"]
        assert f"datdot faucet {account}" in line["remedy"]
        done("faucet", account, "--chain", model.url)
        logged(node, "EncodingOffered")
        logged(node, "HostingOffered")
        assert node.stop() == 0
    kept = done("wallet", "history", "--dir", home)
    names = [one["event"] for one in kept["lines"]]
    assert {"Transfer", "PeerRegistered", "HostingOffered", "EncodingOffered"} <= set(names)
    has = done("wallet", "balance", account, "--chain", model.url)
    money = done("wallet", "history", "--dir", home, "--money")["lines"]
    assert sum(int(one["held"]) for one in money) == int(has["held"])
    assert sum(int(one["change"]) for one in money) == int(has["total"])
    assert [one["id"] for one in done("wallet", "history", "--dir", home, "--limit", 2)["lines"]] == [
        one["id"] for one in kept["lines"][:2]
    ]


def logged(node: Running, event: str) -> dict[str, Any]:
    """Wait for a line of the log, which tells no event when it comes."""
    while True:
        found = [line for line in node.logged() if line["event"] == event]
        if found:
            return found[0]
        assert node.process.poll() is None
        time.sleep(0.1)


def test_a_directory_of_no_node_has_no_history(tmp_path: Path) -> None:
    assert "is of no node" in datdot("wallet", "history", "--dir", tmp_path / "x", "--json").failure("node")["message"]
    assert not (tmp_path / "x").exists()
    datdot("wallet", "history", ALICE, "--dir", tmp_path, "--json").failure("usage", 2)
    datdot("wallet", "history", ALICE, "--csv", "--json").failure("usage", 2)


@pytest.mark.parametrize(
    ("kind", "gives"), [("Development", True), ("Local", True), ("Live", False), ({"Custom": "x"}, False)]
)
async def test_there_is_a_faucet_on_development_chains_only(kind: object, gives: bool) -> None:
    from service.chain_client import ChainClient

    class Answers:
        async def request(self, method: str, *parameters: object) -> object:
            assert method == "system_chainType"
            return kind

    client = ChainClient("ws://127.0.0.1:1", rpc=Answers())  # type: ignore[arg-type]
    if gives:
        await check_development(client)
    else:
        with pytest.raises(TransferRefused, match="there is a faucet on development chains only"):
            await check_development(client)
