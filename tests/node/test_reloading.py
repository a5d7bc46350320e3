"""Settings that change while a node runs: what is taken over at once, what waits for a restart, and the unit that asks for it."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Iterator
from configparser import RawConfigParser
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from service.node.config import Resolved, resolve
from service.node.reloading import change_of
from service.units import GIB
from tests.support.cli_process import Running, RunningChain, datdot, done, running, running_chain
from tests.support.dashboard import a_vault
from tests.support.webhook import webhook


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    with running_chain("model", tmp_path_factory.mktemp("chain")) as chain:
        yield chain


def test_what_changes_is_sorted_by_when_it_takes_effect(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"

    def resolved(more: str) -> Resolved:
        file.write_text(f'roles = ["hoster"]\n{more}')
        return resolve({}, file, None)

    before = resolved('listen = "127.0.0.1:5"\n[hosting]\ncapacity = "1GiB"\n')
    assert change_of(before, before) == change_of(
        before, resolved('listen = "127.0.0.1:5"\n[hosting]\ncapacity = "1GiB"\n')
    )
    after = resolved(
        'listen = "127.0.0.1:6"\n[hosting]\ncapacity = "2GiB"\nreserve = "1GiB"\n[alerts]\ntargets = ["json://x"]\n'
    )
    change = change_of(before, after)
    assert change.now == ("hosting.capacity", "hosting.reserve", "alerts.targets")
    assert change.later == ("port",)


def line_with(node: Running, event: str) -> dict[str, object]:
    """Wait for a line of the log."""
    for _ in range(6000):
        found = [one for one in node.logged() if event in one["event"]]
        if found:
            return found[-1]
        with suppress(subprocess.TimeoutExpired):
            node.process.wait(0.02)
            raise AssertionError(f"the node ended: {node.log.read_text()}")
    raise AssertionError(f"not told: {event}")


def test_a_node_reads_its_file_again_when_it_is_told_to(model: RunningChain, tmp_path: Path) -> None:
    home, file = tmp_path / "node", tmp_path / "node.toml"
    text = f'roles = ["hoster"]\nchain = "{model.url}"\n\n[http]\nlisten = "127.0.0.1:0"\n\n[hosting]\ncapacity = "64MiB"\n'
    file.write_text(text)
    with webhook() as hook, running(tmp_path / "log", "node", "--dir", home, "--config", file, "--json") as node:
        account = node.line()["account"]
        done("faucet", account, "--chain", model.url)
        line_with(node, "HostingOffered")

        file.write_text(text.replace("64MiB", "lots"))
        node.process.send_signal(signal.SIGHUP)
        assert "'lots' is no size" in str(line_with(node, "the settings stay as they are")["error"])

        more = f'reserve = "9000TiB"\n\n[alerts]\ntargets = ["{hook.url}"]\n'
        file.write_text(text.replace("[hosting]", 'names = ["x.example"]\n\n[hosting]') + more)
        node.process.send_signal(signal.SIGHUP)
        assert line_with(node, "settings changed")["settings"] == "hosting.reserve, alerts.targets"
        assert line_with(node, "wait for a restart")["settings"] == "http_names"
        # the new reserve is what the disk lacks, and the new target hears; on a slow machine the faucet's money came late
        titles = set(iter(lambda: hook.next()["title"], "datdot: error: disk"))
        assert titles <= {"datdot: over: money"}
        assert done("status", "--dir", home)["disk"]["reserve"] == 9000 * 1024 * GIB
        assert node.stop() == 0


async def saved(url: str, passphrase: str, fields: dict[str, str]) -> str:
    """Log in at a node's dashboard, send the form of settings, and return the page that follows."""
    origin = {"Origin": url}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:

        async def page(path: str) -> str:
            async with http.get(url + path) as answer:
                return await answer.text()

        def token(text: str) -> str:
            return re.findall('name="token" value="([^"]*)"', text)[0]

        login = {"token": token(await page("/login")), "passphrase": passphrase, "next": "/settings"}
        async with http.post(url + "/login", data=login, headers=origin) as answer:
            form = fields | {"token": token((await answer.text()).split(f'value="{fields["group"]}"', 1)[1])}
        async with http.post(url + "/settings", data=form, headers=origin) as answer:
            return await answer.text()


def test_a_setting_that_is_changed_at_the_dashboard_is_in_force_and_in_the_file(
    model: RunningChain, tmp_path: Path
) -> None:
    home, file, vault = tmp_path / "node", tmp_path / "node.toml", a_vault(tmp_path, "//Dave", "bees")
    (tmp_path / "word").write_text("bees\n")
    (tmp_path / "word").chmod(0o600)
    file.write_text(
        f'roles = ["hoster"]\nchain = "{model.url}"\nkey = "{vault}"\npassphrase_file = "{tmp_path / "word"}"\n'
        '\n[http]\nlisten = "127.0.0.1:0"\n\n[hosting]\ncapacity = "64MiB"  # of the attic\n'
    )
    with running(tmp_path / "log", "node", "--dir", home, "--config", file, "--json") as node:
        url = str(node.line()["http"])
        form = {"group": "hosting", "hosting.capacity": "64MiB", "hosting.reserve": "9000TiB"}
        assert "Disk and prices: saved" in asyncio.run(saved(url, "bees", form))
        assert line_with(node, "settings changed")["settings"] == "hosting.reserve"
        assert done("status", "--dir", home)["disk"]["reserve"] == 9000 * 1024 * GIB
        assert node.stop() == 0
    assert 'capacity = "64MiB"  # of the attic\nreserve = "9000TiB"' in file.read_text()
    assert "bees" not in (tmp_path / "log").read_text()


def test_without_a_file_there_is_nothing_to_read(model: RunningChain, tmp_path: Path) -> None:
    with running(
        tmp_path / "log", "node", "--dir", tmp_path / "n", "--roles", "author", "--chain", model.url, "--json"
    ) as node:
        node.line()
        node.process.send_signal(signal.SIGHUP)
        line_with(node, "there is no file of settings to read again")
        assert node.stop() == 0


def test_the_unit_starts_what_there_is() -> None:
    unit = RawConfigParser(strict=False, comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(Path(__file__).parents[2] / "deploy" / "datdot-node.service")
    service = dict(unit["Service"])
    program, *words = service["ExecStart"].split()
    assert program.endswith("/datdot")
    helped = datdot(*[one for one in words if one not in ("--dir", "--config") and "/" not in one], "--help")
    assert helped.code == 0
    assert all(option in helped.out for option in ("--dir", "--config"))
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["LoadCredentialEncrypted"].startswith("datdot-passphrase:")
