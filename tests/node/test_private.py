"""What is secret is readable by its owner alone, wherever a node or a command puts it; what was looser is tightened."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service import durable
from service.chain_client.sent import SentTable
from service.hypercore import Corestore
from service.roles.attester.links import LinkStore
from service.roles.common.database import Database
from service.roles.encoder.store import EncoderStore
from service.vault import KeyFileError, Locker, create_key_file, load_keys
from tests.support.cli_process import done, running, running_chain

PUBLIC = {"node.json"}
"""Files of a node's directory with nothing secret in them."""


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def looser(root: Path) -> dict[str, str]:
    """Every folder and file below a folder, and the folder, that others may look into."""
    found = {}
    for path in (root, *root.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077 and path.name not in PUBLIC:
            found[path.relative_to(root).as_posix()] = f"{mode:04o}"
    return found


def test_a_nodes_directory(tmp_path: Path) -> None:
    (tmp_path / "chain").mkdir()
    with running_chain("model", tmp_path / "chain") as chain:
        node = ("node", "--dir", tmp_path / "peer", "--roles", "author,hoster,encoder,attester", "--chain", chain.url)
        with running(tmp_path / "log", *node, "--json") as child:
            child.line()
            names = {path.name for path in (tmp_path / "peer").iterdir()}
            assert {"roles.sqlite", "roles.sqlite-wal", "signer.sqlite", "corestore.sqlite", "key.json"} <= names
            assert looser(tmp_path / "peer") == {}, "also while it runs"
            assert child.stop(signal.SIGTERM) == 0
        with closing(Database(tmp_path / "peer" / "roles.sqlite")) as database:
            EncoderStore(database, tmp_path / "peer", Locker(bytes(32))).make_key(1, 0)
        for path in (tmp_path / "peer", *(tmp_path / "peer").rglob("*")):
            if path.name != "key.json":
                path.chmod(0o755 if path.is_dir() else 0o644)
        with running(tmp_path / "log", *node, "--json") as child:
            child.line()
            assert looser(tmp_path / "peer") == {}, "what an older version left is tightened"
            assert child.stop(signal.SIGTERM) == 0


def test_every_store_makes_its_own_files_private(tmp_path: Path) -> None:
    top = tmp_path / "top"
    durable.make_private(top)
    with closing(Database(top / "roles.sqlite")) as database, closing(SentTable(top / "signer.sqlite")):
        store = Corestore(top)
        store.create().append(b"block")
        LinkStore(top, database, bytes(32), bytes(32)).unused(None)
        EncoderStore(database, top, Locker(bytes(32))).make_key(1, 0)
        create_key_file(top / "key.json")
        assert len(list(top.rglob("*"))) >= 10
        assert looser(top) == {}
        store.close()


def test_a_loose_database_and_its_side_files_are_tightened(tmp_path: Path) -> None:
    first = Database(tmp_path / "roles.sqlite")
    for path in tmp_path.iterdir():
        path.chmod(0o666)
    with closing(Database(tmp_path / "roles.sqlite")):
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    first.close()


def test_a_directory_that_a_command_makes_for_feeds(tmp_path: Path) -> None:
    done("feed", "create", "--dir", tmp_path / "new")
    assert looser(tmp_path / "new") == {}
    (tmp_path / "old").mkdir(0o755)
    done("feed", "create", "--dir", tmp_path / "old")
    assert looser(tmp_path / "old") == {".": "0755"}, "an existing one may be for other things as well"


@pytest.mark.parametrize("text", ["root:x:0:0:root:/root:/bin/bash\n", "{}", '{"version": 1}', "\udcff"])
def test_no_advice_about_what_is_no_key_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "passwd"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.chmod(0o644)
    with pytest.raises(KeyFileError) as raised:
        load_keys(path)
    assert "chmod" not in str(raised.value)
