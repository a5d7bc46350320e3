"""An attester's secrets on disk: durable before they are offered, found again, never mixed up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.chain_client.pallet.types import Attester
from service.roles.attester.links import LinksMissing, LinkStore
from service.roles.attester.rules import CHAIN_LENGTH, next_link
from service.roles.common.database import Database
from tests.support.copy_world import digest

GENESIS, ACCOUNT = digest("genesis"), digest("account")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "roles.sqlite")
    yield made
    made.close()


def store(tmp_path: Path, database: Database) -> LinkStore:
    return LinkStore(tmp_path, database, GENESIS, ACCOUNT)


def offer(anchor: bytes, era: int = 5, link: bytes | None = None) -> Attester:
    return Attester(anchor, era, link or anchor, (0,))


def test_a_secret_is_found_again_and_leads_to_its_anchor(tmp_path: Path, database: Database) -> None:
    anchor = store(tmp_path, database).unused(None)
    again = store(tmp_path, database)
    assert again.unused(None) == anchor, "what was never offered is offered now"
    link = again.link(offer(anchor), 8)
    assert link is not None
    for _ in range(3):
        link = next_link(GENESIS, ACCOUNT, link)
    assert link == anchor
    (path,) = (tmp_path / "keys").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_links_go_on_from_the_one_shown_last(tmp_path: Path, database: Database) -> None:
    links = store(tmp_path, database)
    anchor = links.unused(None)
    joined = offer(anchor)
    shown = links.link(joined, 9)
    assert shown is not None
    later = replace(joined, link_era=9, link=shown)
    assert links.link(later, 30) == links.link(joined, 30)
    assert links.link(joined, 5 + CHAIN_LENGTH) is not None
    assert links.link(joined, 6 + CHAIN_LENGTH) is None, "the chain has an end"


def test_an_anchor_in_use_is_followed_by_a_new_one(tmp_path: Path, database: Database) -> None:
    links = store(tmp_path, database)
    first = links.unused(None)
    second = links.unused(first)
    assert second != first
    assert links.unused(first) == second == store(tmp_path, database).unused(first)
    assert links.link(offer(first), 6) != links.link(offer(second), 6)


def test_missing_and_damaged_secrets_are_named(tmp_path: Path, database: Database) -> None:
    links = store(tmp_path, database)
    anchor = links.unused(None)
    with pytest.raises(LinksMissing, match="no secret for anchor"):
        links.link(offer(digest("other")), 6)
    with pytest.raises(LinksMissing, match="does not belong"):
        links.link(offer(anchor, link=digest("another chain's")), 6)
    (path,) = (tmp_path / "keys").iterdir()
    path.write_bytes(bytes(32))
    with pytest.raises(LinksMissing, match=path.name):
        store(tmp_path, database).link(offer(anchor), 6)
    path.unlink()
    with pytest.raises(LinksMissing, match=path.name):
        store(tmp_path, database).link(offer(anchor), 6)
