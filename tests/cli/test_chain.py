"""`datdot plan` and `datdot chain` against a chain: what they print, and what they refuse."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from service.hypercore import Corestore, default_manifest
from tests.support.cli_process import WAIT, Ran, RunningChain, datdot, done, many

UNIT = 10**12
POT = 100 * UNIT
ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


def best(chain: RunningChain) -> int:
    return int(done("chain", "status", "--chain", chain.url)["best"])


def publishing(
    chain: RunningChain, now: int, feed: str, directory: Path, *more: str, key: str = "//Alice", **given: int
) -> list[object]:
    """A command line."""
    terms = {"replicas": 1, "pot": POT, "until": now + 2000} | given
    options = [item for name, value in terms.items() for item in (f"--{name}", value)]
    command = ["plan", "publish", feed, "--dir", directory, "--unserved", *options, *more]
    return [*command, "--key", key, "--chain", chain.url, "--json"]


def publish(chain: RunningChain, feed: str, directory: Path, *more: str, **given: int) -> Ran:
    return datdot(*publishing(chain, best(chain), feed, directory, *more, **given))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A directory with a feed of five blocks, and its key."""
    base = tmp_path_factory.mktemp("author")
    (base / "source").write_bytes(bytes(300_000))
    return base / "dir", done("feed", "import", base / "source", "--dir", base / "dir")["key"]


@pytest.fixture(scope="module")
def plan(chain: RunningChain, author: tuple[Path, str]) -> dict[str, Any]:
    """A plan that stands on the chain."""
    directory, feed = author
    ran = publish(chain, feed, directory, replicas=3)
    assert ran.code == 0, ran
    return ran.object


def test_status(chain: RunningChain) -> None:
    status = done("chain", "status", "--chain", chain.url)
    assert list(status) == ["genesis", "spec_version", "best", "finalized"]
    assert re.fullmatch(r"[0-9a-f]{64}", status["genesis"])
    assert all(type(status[name]) is int for name in ("spec_version", "best", "finalized"))
    assert 0 <= status["finalized"] <= status["best"]
    by_environment = done("chain", "status", DATDOT_CHAIN=chain.url)
    assert by_environment["genesis"] == status["genesis"]


def test_published_plan(chain: RunningChain, author: tuple[Path, str], plan: dict[str, Any]) -> None:
    assert list(plan) == ["plan", "block"]
    assert all(type(value) is int for value in plan.values())
    shown = done("plan", "show", plan["plan"], "--chain", chain.url)
    assert list(shown) == [
        *("plan", "feed", "state", "pot", "burned", "copies", "ended_copies"),
        *("live", "waiting", "stalls", "until", "replicas", "caps", "ratio"),
        *("burned_per_era", "lasts_eras", "ends_in_eras", "missing", "fitting", "why_not", "outlook", "remedy"),
    ]
    assert (shown["live"], shown["replicas"], shown["ratio"]) == (False, 3, 500_000)
    assert shown["caps"] == {"disk": str(UNIT // 100), "encoding": str(UNIT // 10), "receiving": str(UNIT // 100)}
    assert (shown["plan"], shown["feed"], shown["state"]) == (plan["plan"], author[1], "Live")
    assert all(isinstance(shown[name], str) and shown[name].isdecimal() for name in ("pot", "burned"))
    text = datdot("plan", "show", plan["plan"], "--chain", chain.url)
    assert f"plan {plan['plan']}  Live  feed {author[1]}" in text.out
    assert f" UNIT ({shown['pot']}), burned " in text.out
    assert "3 of its copies have no hoster. No hoster fits that keeps no copy of it." in text.out
    assert "what to do: Other terms would not help" in text.out
    after = done("plan", "show", plan["plan"], "--chain", chain.url)
    if after["lasts_eras"] is None:
        assert "Nothing was paid from its pot yet. The plan ends in " in text.out
    assert (shown["missing"], shown["fitting"], shown["why_not"]) == (3, 0, [])
    # from its first tick on it pays for it, which may have come before this is asked
    assert (shown["burned_per_era"] == "0") == (shown["lasts_eras"] is None)
    assert 0 < shown["ends_in_eras"] < 84


def test_donations(chain: RunningChain, plan: dict[str, Any]) -> None:
    def ever() -> int:
        """All that was ever in the pot: what it burns, its sponsor's fees, is counted."""
        shown = done("plan", "show", plan["plan"], "--chain", chain.url)
        return int(shown["pot"]) + int(shown["burned"])

    before = ever()
    given = done("plan", "donate", plan["plan"], 20 * UNIT, "--chain", chain.url, DATDOT_KEY="//Bob")
    assert given["plan"] == plan["plan"]
    assert ever() == before + 20 * UNIT
    for number, amount, code in ((plan["plan"], 5, "bad_terms"), (10**6, UNIT, "plan_refused")):
        refused = datdot("plan", "donate", number, amount, "--chain", chain.url, "--key", "//Bob", "--json")
        refused.failure(code)


def test_events(chain: RunningChain, author: tuple[Path, str], plan: dict[str, Any]) -> None:
    block = plan["block"]
    ran = datdot("chain", "events", "--from", block, "--to", block, "--chain", chain.url, "--json")
    assert ran.code == 0, ran
    assert all(list(line) == ["block", "pallet", "event", "fields"] for line in ran.objects)
    assert {line["block"] for line in ran.objects} == {block}
    (published,) = (line for line in ran.objects if line["event"] == "PlanPublished")
    assert published["pallet"] == "DatDot"
    assert published["fields"] == {
        "plan": plan["plan"],
        "sponsor": ALICE,
        "feed": author[1],
        "bytes": 300_000 + len("datdot/files\0") + 2 + 4 + len("source") + 8 + 1,
        "pot": str(POT),
    }
    assert not re.search(r'"0x', ran.out)


def test_events_that_are_not_there(chain: RunningChain) -> None:
    error = datdot("chain", "events", "--from", 0, "--to", 10**6, "--chain", chain.url, "--json").failure(
        "no_such_block"
    )
    assert "block 1000000 does not exist yet" in error["message"]


def test_a_plan_that_is_not_there(chain: RunningChain) -> None:
    error = datdot("plan", "show", 10**6, "--chain", chain.url, "--json").failure("no_such_plan")
    assert "plan 1000000 does not exist" in error["message"]


def test_the_end_of_a_plan(chain: RunningChain, author: tuple[Path, str]) -> None:
    """Only its sponsor ends it, and only its donors claim what is left."""
    number = publish(chain, author[1], author[0], "--range", "0:2").object["plan"]
    options = ("--chain", chain.url, "--json", "--key")
    assert "another account" in datdot("plan", "end", number, *options, "//Bob").failure("plan_refused")["message"]
    assert datdot("plan", "end", number, *options, "//Alice").code == 0
    datdot("plan", "end", number, *options, "//Alice").failure("plan_refused")
    until = time.monotonic() + WAIT
    while done("plan", "show", number, "--chain", chain.url)["state"] != "Ended":
        assert time.monotonic() < until
    datdot("plan", "donate", number, UNIT, *options, "//Bob").failure("plan_refused")
    datdot("plan", "claim", number, *options, "//Bob").failure("plan_refused")
    assert datdot("plan", "claim", number, *options, "//Alice").code == 0


# ---- refused before anything is sent, by name

REFUSED: dict[str, tuple[tuple[str, ...], dict[str, int], str, str]] = {
    "outside the feed": (
        ("--range", "0:99"),
        {},
        "bad_ranges",
        "range 0 to 99 is empty or outside the feed of 5 blocks",
    ),
    "far outside": (("--range", f"0:{2**70}"), {}, "bad_ranges", "outside the feed"),
    "empty": (("--range", "2:2"), {}, "bad_ranges", "range 2 to 2 is empty"),
    "overlap": (("--range", "0:2", "--range", "0:4"), {}, "bad_ranges", "range 0 to 4 must start after the end"),
    "odd": (("--range", "0:3"), {}, "bad_ranges", "3 is neither even nor the feed's length 5"),
    "small pot": ((), {"pot": 1000}, "bad_terms", "a pot of 1000: the first era of 1 copies"),
    "large pot": ((), {"pot": 10**25}, "bad_terms", "the maximum is"),
    "no funds": ((), {"pot": 10**23}, "no_funds", "are needed, and "),
    "past": ((), {"until": 1}, "bad_terms", "it must end after block"),
    "far": ((), {"until": 10**9}, "bad_terms", "no later than"),
}


def test_plans_that_cannot_be(chain: RunningChain, author: tuple[Path, str]) -> None:
    now = best(chain)
    lines = [publishing(chain, now, author[1], author[0], *more, **given) for more, given, _, _ in REFUSED.values()]  # type: ignore[arg-type]
    for ran, (_, _, code, reason) in zip(many(lines), REFUSED.values(), strict=True):
        assert reason in ran.failure(code)["message"]


def test_accounts_and_feeds_that_are_not_there(chain: RunningChain, author: tuple[Path, str], tmp_path: Path) -> None:
    now, poor = best(chain), tmp_path / "poor.json"
    done("key", "create", poor)
    empty = done("feed", "create", "--dir", tmp_path / "empty")["key"]
    without_money, unknown, no_store, nothing = many(
        [
            publishing(chain, now, author[1], author[0], key=str(poor)),
            publishing(chain, now, "ab" * 32, author[0]),
            publishing(chain, now, author[1], tmp_path / "nowhere"),
            publishing(chain, now, empty, tmp_path / "empty"),
        ]
    )
    assert "can spend 0 UNIT (0): datdot wallet transfer" in without_money.failure("no_funds")["message"]
    assert "ab" * 32 in unknown.failure("no_such_feed")["message"]
    assert "nowhere" in no_store.failure("no_such_feed")["message"]
    assert "is empty" in nothing.failure("bad_head")["message"]


SMALL_ORDER = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
OTHER = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
TAMPERED = {
    "signature": ("bad_signature", "is not signed by the author"),
    "another key": ("bad_signature", "is not signed by the author"),
    "small-order R": ("small_order_key", "the signature's point R"),
    "small-order key": ("small_order_key", f"the author's key {SMALL_ORDER}"),
    "oversized": ("oversized_block", "block 1 of feed"),
    "tiny": ("tiny_blocks", "2000 blocks of feed"),
}
BLOCKS = {"oversized": [b"one", bytes((1 << 20) + 1), b"two"], "tiny": [b"x"] * 2000}


def tampered(directory: Path, what: str) -> str:
    """A store in which somebody changed a feed's head; the feed's key."""
    store = Corestore(directory)
    core = store.create(compat=True)
    core.append(BLOCKS.get(what, [b"one", b"two"]))
    store.close()
    key, signature = core.key, bytearray(core.head().signature)
    if what == "signature":
        signature[40] ^= 1
    elif what == "small-order R":
        signature[:32] = (1).to_bytes(32, "little")
    elif what.endswith("key"):
        key = bytes.fromhex(SMALL_ORDER if what.startswith("small") else OTHER)
    database = sqlite3.connect(directory / "corestore.sqlite")
    with database:
        manifest = default_manifest(key).encode()
        database.execute("UPDATE core SET key = ?, signature = ?, manifest = ?", (key, bytes(signature), manifest))
    database.close()
    return key.hex()


@pytest.mark.case("network/tiny_blocks")
def test_heads_that_cannot_be(chain: RunningChain, tmp_path: Path) -> None:
    """A store that was tampered with publishes nothing."""
    now = best(chain)
    lines = [publishing(chain, now, tampered(tmp_path / what, what), tmp_path / what) for what in TAMPERED]
    for ran, (code, reason) in zip(many(lines), TAMPERED.values(), strict=True):
        assert reason in ran.failure(code)["message"]
