"""Remedies that say how an account gets money: commands that can be pasted, written in one place."""

from __future__ import annotations

import re
from pathlib import Path

import service
from service.roles.common.funding import faucet_command, how_to_get, transfer_command
from service.units import UNIT

ME, URL = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY", "ws://127.0.0.1:9944"


def test_the_commands_name_account_sum_and_chain() -> None:
    assert transfer_command(ME, URL, UNIT * 3 // 2) == f"datdot wallet transfer {ME} 1.5UNIT --key FILE --chain {URL}"
    assert transfer_command(ME, URL) == f"datdot wallet transfer {ME} AMOUNT --key FILE --chain {URL}"
    assert faucet_command(ME, "wss://node/?a=1&b=2") == f"datdot faucet {ME} --chain 'wss://node/?a=1&b=2'"
    assert how_to_get(ME, URL, 1) == (
        f"datdot wallet transfer {ME} 0.000000000001UNIT --key FILE --chain {URL} by who has some; "
        f"on a development chain: datdot faucet {ME} --chain {URL}"
    )


def test_nobody_else_writes_such_a_command() -> None:
    """One that forgot --chain sent newcomers to another chain than their node's."""
    found = [
        path.name
        for path in Path(service.__file__).parent.rglob("*")
        if path.suffix in (".py", ".html") and re.search(r"datdot (faucet|wallet transfer) [^`]", path.read_text())
    ]
    assert found == ["funding.py"]
