"""What an earlier release left on disk is read by this one: `tests/fixtures/made_by_6262d03.tar.xz`.

A run of the demo at commit 6262d03 left `author`, `hoster`, `attester` and `devnet.json`, with a plan of a feed of 30 kB. The
same code made `encoder` (a key of which the segment is not confirmed), `import` (killed in the middle), `tree` and `archive`.
`expected.json` has what it read there itself. The fixture never changes; a change of a format comes with a fixture of its own.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.chain_client.sent import SentTable
from service.devnet.network import kept_ports
from service.encoding.treefile import TreeFile
from service.feeds.archive import TreeWriter, Unpacker
from service.feeds.imports import import_once
from service.feeds.verify import verify_feed
from service.hypercore import Corestore
from service.node.settings import NodeSettings, check_account, node_keys
from service.roles.attester.links import LinkStore
from service.roles.attester.store import ReportStore
from service.roles.common.database import Database
from service.roles.encoder.store import EncoderStore
from service.roles.hoster.store import HostedCopies
from service.vault import Locker, load_keys

MADE = Path(__file__).parents[1] / "fixtures" / "made_by_6262d03.tar.xz"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    with tarfile.open(MADE) as packed:
        packed.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.fixture
def expected(made: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made / "expected.json").read_text())
    return found


@pytest.fixture
def database(made: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """The roles' database of the peer that the test is about."""
    with closing(Database(made / request.param / "roles.sqlite")) as found:
        yield found


@pytest.mark.parametrize("role", ["author", "hoster", "attester"])
def test_keys_and_settings(made: Path, expected: dict[str, Any], role: str) -> None:
    settings = NodeSettings.load(made / role)
    assert settings is not None
    settings.check()
    assert role in settings.roles
    assert (settings.host, len(settings.peers), settings.genesis) == ("127.0.0.1", 11, expected["genesis"])
    keys, _ = node_keys(made / role, settings.key)
    found = {
        "account": keys.address,
        "swarm_key": keys.swarm_key.hex(),
        "statement_key": keys.statement_key.hex(),
    }
    assert found == expected["keys"][role]
    check_account(made / role, keys)


def test_ports_of_a_network(made: Path) -> None:
    ports = kept_ports(made / "devnet.json", 12)
    assert ports == json.loads((made / "devnet.json").read_text())["ports"]


async def test_a_feed_of_ones_own(made: Path, expected: dict[str, Any]) -> None:
    with closing(Corestore(made / "author")) as store:
        store.check_file()
        (core,) = store.cores()
        data = b"".join(core.get(index) or b"" for index in range(core.length))
        found = {
            "key": core.key.hex(),
            "length": core.length,
            "byte_length": core.byte_length,
            "tree_hash": core.head().tree_hash.hex(),
            "sha256": hashlib.sha256(data).hexdigest(),
            "writable": core.writable,
        }
        assert found == expected["feed"]
        assert (await verify_feed(core)).blocks == core.length
        assert core.append([b"one more"]) == core.length == expected["feed"]["length"] + 1


@pytest.mark.parametrize("database", ["hoster"], indirect=True)
def test_a_hosted_copy(made: Path, expected: dict[str, Any], database: Database) -> None:
    wanted, size = expected["hoster"], expected["feed"]["byte_length"]
    hosted = HostedCopies(made / "hoster", database)
    (copy,) = hosted.copies()
    (segment,) = hosted.segments(copy)
    root = bytes.fromhex(wanted["root"])
    with hosted.tree(segment) as tree:
        assert tree.root() == root
    assert (copy, segment.job.segment, segment.progress.sectors) == (
        wanted["copy"],
        wanted["segment"],
        wanted["sectors"],
    )
    assert segment.checkpoint is not None
    assert segment.checkpoint.root.hex() == wanted["signed_root"]
    assert hosted.open_sector(segment.job.segment, 7, root, segment.progress.sectors).data.hex() == wanted["sector"]
    assert hashlib.sha256(hosted.plain(copy, 0, size)).hexdigest() == wanted["sha256"] == expected["feed"]["sha256"]
    hosted.forget(copy)
    assert not list((made / "hoster" / "copies").iterdir())


@pytest.mark.parametrize("database", ["attester"], indirect=True)
async def test_links_reports_and_what_was_sent(made: Path, expected: dict[str, Any], database: Database) -> None:
    wanted, genesis = expected["attester"], bytes.fromhex(expected["genesis"])
    account = load_keys(made / "attester" / "key.json").account
    links = LinkStore(made / "attester", database, genesis, account)
    anchor = links.newest()
    assert anchor is not None
    assert (anchor.hex(), links._chain(anchor).link(7).hex()) == (wanted["anchor"], wanted["link_7"])
    reports = ReportStore(database)
    assert sorted(map(list, reports.answered())) == wanted["answered"]
    assert sorted(map(list, reports.reported())) == wanted["reported"]
    era, copy, link, salt = wanted["report"]
    report = reports.report(era, copy)
    assert report is not None
    assert (report.link.hex(), report.salt.hex()) == (link, salt)
    with closing(SentTable(made / "attester" / "signer.sqlite")) as sent:
        assert [one.hash.hex() for one in sent.load(genesis)] == wanted["sent"]


@pytest.mark.parametrize("database", ["encoder"], indirect=True)
def test_an_encoders_key_and_where_it_goes_on(made: Path, expected: dict[str, Any], database: Database) -> None:
    store = EncoderStore(database, made / "encoder", Locker(bytes(32)))
    (record,) = store.records()
    assert (record.copy, record.ordinal, record.modulus.hex()) == (3, 1, expected["encoder"]["modulus"])
    in_the_open = store.key_path(3, 1).read_bytes()
    key = store.key(3, 1)
    assert in_the_open[2:] not in store.key_path(3, 1).read_bytes(), "it is locked from now on"
    assert store.key(3, 1).to_bytes() == key.to_bytes()
    assert key.modulus == record.modulus
    assert hashlib.sha256(key.to_bytes()).hexdigest() == expected["encoder"]["key_sha256"]
    point = store.point(3, 1)
    assert point is not None
    assert (point.tree.sectors, point.tree.position.block, point.tree.position.offset) == (512, 1, 6)
    assert point.frontier == b"\5" * 32
    store.erase_key(3, 1)
    assert not store.records()
    assert not list((made / "encoder" / "keys").iterdir())


def test_a_tree(made: Path, expected: dict[str, Any]) -> None:
    sectors, root = expected["tree"]["sectors"], bytes.fromhex(expected["tree"]["root"])

    def read(first: int, count: int) -> bytes:
        assert first >= 1024, "whole groups are in the file"
        return b"".join(
            hashlib.sha256(number.to_bytes(4, "big")).digest() * 8 for number in range(first, first + count)
        )

    with TreeFile.open(made / "tree", b"\7" * 32, sectors, read, root) as tree:
        assert tree.root() == root


def test_an_archive(made: Path) -> None:
    unpacker, writer = Unpacker(), TreeWriter(made / "out")
    for event in unpacker.feed((made / "archive").read_bytes()):
        writer.write(event)
    unpacker.finish()
    writer.commit()
    found = {path.relative_to(made / "out").as_posix() for path in (made / "out").rglob("*")}
    assert found == {"a", "empty", "run", "sub", "sub/Grüße"}
    assert (made / "out" / "sub" / "Grüße").read_bytes() == b"two" * 100
    assert (made / "out" / "run").stat().st_mode & 0o100


async def test_an_import_that_was_cut_off_goes_on(made: Path, expected: dict[str, Any]) -> None:
    source, note = made / "one", made / "import" / "import.json"
    source.write_bytes(bytes(100_000))
    fields = json.loads(note.read_text())
    assert fields["path"] == expected["import"]["path"]
    note.write_text(json.dumps(fields | {"path": str(source)}))
    with closing(Corestore(made / "import")) as store:
        (before,) = store.cores()
        assert before.length == expected["import"]["length"]
        core = await import_once(store, made / "import", source)
        assert core.key.hex() == before.key.hex() == expected["import"]["key"]
        assert len(store.cores()) == 1
    assert note.read_bytes() == b""
