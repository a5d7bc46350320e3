"""Retrieval arithmetic against the common vectors."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from service.chain_client.pallet.types import Slot
from service.roles.attester import rules as at

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "rules.json").read_text())
GENESIS = bytes.fromhex(VECTORS["inputs"]["genesis"])
ACCOUNT = bytes.fromhex(VECTORS["inputs"]["account"])
COPY, ERA = VECTORS["numbers"]["copy"], VECTORS["numbers"]["era"]


def test_draws() -> None:
    seed = bytes.fromhex(VECTORS["inputs"]["seed"])
    for case in VECTORS["draws"]:
        assert at.draw(case["tag"], seed, bytes.fromhex(case["ids"]), case["ctr"]) == int(case["value"])


def test_contract_id() -> None:
    assert at.contract_id(GENESIS, COPY).hex() == VECTORS["salt"]["contract_id"]


def test_links() -> None:
    chain = [bytes.fromhex(link) for link in VECTORS["chain"]]
    for link, following in itertools.pairwise(chain):
        assert at.next_link(GENESIS, ACCOUNT, link) == following


def test_link_chain_leads_to_its_anchor() -> None:
    chain = at.LinkChain(GENESIS, ACCOUNT, bytes(range(32)))
    link = chain.link(37)
    for _ in range(37):
        link = at.next_link(GENESIS, ACCOUNT, link)
    assert link == chain.anchor
    assert chain.link(at.CHAIN_LENGTH) == bytes(range(32))
    with pytest.raises(ValueError, match="outside a chain"):
        chain.link(at.CHAIN_LENGTH + 1)
    with pytest.raises(ValueError, match="32 bytes"):
        at.LinkChain(GENESIS, ACCOUNT, b"short")


def test_probes() -> None:
    link = bytes.fromhex(VECTORS["commit"]["p"])
    found = at.probes(link, COPY, ERA, 1_000_003, 13_000)
    for number, (probe, expected) in enumerate(zip(found, VECTORS["probes"], strict=True)):
        assert at.probe_hash(link, COPY, ERA, number).hex() == expected["q"]
        assert (probe.sector, probe.offset) == (expected["sector_of_1000003"], expected["block_of_13000"])
    with pytest.raises(ValueError, match="needs sectors"):
        at.probes(link, COPY, ERA, 0, 13_000)


def test_commit() -> None:
    case = VECTORS["commit"]
    served, latency, rate = (
        case["report"][:2] == "01",
        int.from_bytes(bytes.fromhex(case["report"])[1:5], "little"),
        int.from_bytes(bytes.fromhex(case["report"])[5:9], "little"),
    )
    report = at.Measurement(served, latency, rate)
    assert report.encode().hex() == case["report"]
    link, salt = bytes.fromhex(case["p"]), bytes.fromhex(case["salt"])
    leaf = bytes.fromhex(case["leaf"])
    assert at.commit_hash(GENESIS, ACCOUNT, ERA, COPY, report, link, leaf, salt).hex() == case["commit"]
    absent = at.commit_hash(GENESIS, ACCOUNT, ERA, COPY, at.NOT_SERVED, link, at.NO_LEAF, salt)
    assert absent.hex() == VECTORS["commit_not_served"]["commit"]


def slot(
    account: bytes, ask: int = 5, taken: int = 0, renewed: tuple[int, ...] = (), returned: int | None = None
) -> Slot:
    return Slot(account, ask, 0, taken, renewed, returned, ())


def test_committee_leaves_seats_empty() -> None:
    drawn = [
        slot(b"a"),
        slot(b"a"),
        None,
        slot(b"b", ask=11),
        slot(b"hoster"),
        slot(b"late", taken=4),
        slot(b"c", ask=10, taken=3),
        slot(b"renewed", renewed=(1, 4)),
        slot(b"now", renewed=(5,)),
        slot(b"back", returned=119),
        slot(b"d", renewed=(1, 3), returned=120),
        slot(b"late", taken=3),
    ]
    seated = at.committee(drawn, 9, 5, 120, frozenset({b"hoster"}), 10)
    assert [one.account for one in seated] == [b"a", b"c", b"d", b"late"]
    seated = at.committee(drawn, 2, 5, 120, frozenset({b"hoster"}), 10)
    assert [one.account for one in seated] == [b"a", b"c"], "no more than there are seats"
    assert list(at.seat_slots(bytes(32), 1, 2, 0)) == []
    assert all(0 <= place < 7 for place in at.seat_slots(bytes(32), 1, 2, 7))
