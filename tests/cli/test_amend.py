"""Plans that live, are amended, are claimed for others or not taken; and what a ratio makes of an ask."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.chain_client.pallet import calls
from service.hypercore import Corestore
from service.roles.sponsor.checks import check_head
from service.session import chain_session
from service.vault import load_keys
from tests.support.cli_process import WAIT, RunningChain, datdot, done, many

UNIT = 10**12
POT = 100 * UNIT
ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A directory with a feed of five blocks, and its key."""
    base = tmp_path_factory.mktemp("author")
    (base / "source").write_bytes(bytes(300_000))
    return base / "dir", done("feed", "import", base / "source", "--dir", base / "dir")["key"]


def best(chain: RunningChain) -> int:
    return int(done("chain", "status", "--chain", chain.url)["best"])


def publishing(chain: RunningChain, author: tuple[Path, str], *more: str) -> list[object]:
    """A command line that publishes a plan of three copies."""
    terms = ("--replicas", 3, "--pot", POT, "--until", best(chain) + 2000, "--unserved")
    command: list[object] = ["plan", "publish", author[1], "--dir", author[0], *terms, *more]
    return [*command, "--key", "//Alice", "--chain", chain.url, "--json"]


def shown(chain: RunningChain, plan: int) -> dict[str, Any]:
    return done("plan", "show", plan, "--chain", chain.url)


def test_a_plan_is_amended_by_its_sponsor(chain: RunningChain, author: tuple[Path, str]) -> None:
    plan = datdot(*publishing(chain, author, "--region", "u3")).object["plan"]
    before = shown(chain, plan)

    def amending(*terms: object, key: str = "//Alice") -> list[object]:
        return ["plan", "amend", plan, *terms, "--key", key, "--chain", chain.url, "--json"]

    ran = datdot(*amending("--replicas", 5, "--max-ask-disk", UNIT, "--anywhere", "--max-latency", 900))
    assert ran.code == 0, ran
    assert ran.object == {"plan": plan, "block": ran.object["block"], "leaving": []}
    after = shown(chain, plan)
    assert after["replicas"] == 5
    assert after["caps"] == before["caps"] | {"disk": str(UNIT)}
    assert after["until"] == before["until"], "what is not named stays"

    done("plan", "donate", plan, POT, "--chain", chain.url, "--key", "//Bob")
    cases = (
        (amending("--replicas", 5), "plan_refused", "has these terms already"),
        (amending("--replicas", 2, key="//Bob"), "plan_refused", f"by another account, {ALICE}"),
        (amending("--until", 1), "bad_terms", "it must end after block"),
        (amending("--max-ask-disk", 10**25), "bad_terms", "cap for disk"),
        (amending("--min-reputation", 10**7), "bad_terms", "least reputation of 10000000"),
        (amending("--region", "a"), "bad_terms", "region 'a'"),
        (amending("--max-latency", 2**32), "bad_terms", "latency: 4294967296"),
        (amending("--replicas", 6), "amend_too_wide", "replicas 6, above 5"),
        (amending("--min-throughput", 1), "amend_too_wide", "throughput 1, not 0"),
        (amending("--region", "u3"), "amend_too_wide", "other regions"),
        (["plan", "amend", 10**6, *amending("--replicas", 1)[3:]], "plan_refused", "plan 1000000 does not exist"),
    )
    for ran, (_, code, reason) in zip(many([line for line, _, _ in cases]), cases, strict=True):
        assert reason in ran.failure(code)["message"]
    for line in (amending(), amending("--anywhere", "--region", "u3")):
        datdot(*line).failure("usage", 2)
    later = datdot(*amending("--until", before["until"] + 1))
    assert later.code == 0, "the same for longer"
    narrower = datdot(*amending("--replicas", 1, "--max-ask-disk", 1, "--until", before["until"] - 1))
    assert narrower.code == 0, narrower
    assert (shown(chain, plan)["replicas"], shown(chain, plan)["until"]) == (1, before["until"] - 1)


def test_a_live_plan_reaches_the_end_of_its_feed(chain: RunningChain, author: tuple[Path, str]) -> None:
    short = datdot(*publishing(chain, author, "--live", "--range", "0:2")).failure("bad_ranges")
    assert "the last range of a live plan must end at the feed's length 5, not at block 2" in short["message"]
    for more, live in (("--live",), True), (("--live", "--range", "0:2", "--range", "4:5"), True), ((), False):
        assert shown(chain, datdot(*publishing(chain, author, *more)).object["plan"])["live"] is live


@pytest.mark.slow
def test_who_claims_for_a_donor_gets_nothing(chain: RunningChain, author: tuple[Path, str]) -> None:
    plan = datdot(*publishing(chain, author)).object["plan"]
    by_bob = ("--key", "//Bob", "--chain", chain.url, "--json")
    early = datdot("plan", "claim", plan, "--donor", ALICE, *by_bob).failure("plan_refused")
    assert "nothing can be claimed before" in early["message"]
    done("plan", "end", plan, "--key", "//Alice", "--chain", chain.url)
    end = time.monotonic() + WAIT
    while shown(chain, plan)["state"] != "Ended":
        assert time.monotonic() < end
    assert "has no share" in datdot("plan", "claim", plan, *by_bob).failure("plan_refused")["message"]
    datdot("plan", "claim", plan, "--donor", "nobody", *by_bob).failure("usage", 2)
    claimed = datdot("plan", "claim", plan, "--donor", ALICE, *by_bob)
    assert claimed.code == 0, claimed
    block = claimed.object["block"]
    events = datdot("chain", "events", "--from", block, "--to", block, "--chain", chain.url, "--json").objects
    (paid,) = (line["fields"] for line in events if line["event"] == "Refunded")
    assert (paid["plan"], paid["account"]) == (plan, ALICE)


async def test_a_feed_with_two_histories_gets_no_plan(chain: RunningChain, tmp_path: Path) -> None:
    with closing(Corestore(tmp_path / "one")) as store:
        store.create("feed")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    heads = []
    for name in ("one", "two"):
        with closing(Corestore(tmp_path / name)) as store:
            core = store.named("feed")
            core.append([name.encode(), b"same"])
            heads.append(check_head(core.head()))
    line = publishing(chain, (tmp_path / "one", heads[0].key.hex()))
    plan = (await asyncio.to_thread(datdot, *line)).object["plan"]
    async with chain_session(chain.url, load_keys("//Bob")) as bob:
        receipt = await bob.signer.submit(calls.report_equivocation(plan, heads[0], heads[1], 0, ()))
    assert receipt is not None
    line = publishing(chain, (tmp_path / "two", heads[1].key.hex()))
    message = (await asyncio.to_thread(datdot, *line)).failure("plan_refused")["message"]
    assert f"signed two histories, as was shown in block {receipt.block.number}" in message


def test_a_stranger_has_the_least_ratio(chain: RunningChain) -> None:
    found = done("ratio", ALICE, "--chain", chain.url)
    assert list(found) == ["account", "peer", "given", "taken", "ratio", "cost", "why"]
    assert (found["account"], found["peer"], found["ratio"]) == (ALICE, False, 500_000)
    assert found["cost"] == str(21 * UNIT // 10)
    assert "no registered peer" in found["why"]
    assert "costs this account's plans 1.05 / 0.5 = 2.1 UNIT" in found["why"]
    by_key = datdot("ratio", "--key", "//Alice", "--chain", chain.url)
    assert found["why"] in by_key.out
