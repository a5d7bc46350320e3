"""`datdot feed` between processes: what goes in comes out again, from this disk and over the network."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.support.cli_process import WAIT, Running, datdot, done, running

HEX32 = re.compile(r"[0-9a-f]{64}")


def tree(root: Path) -> dict[str, tuple[bytes | None, bool]]:
    """Every file (bytes, executable) and folder (None) below a folder; of a file, itself."""
    if root.is_file():
        return {"": (root.read_bytes(), bool(root.stat().st_mode & 0o100))}
    return {
        path.relative_to(root).as_posix(): (None, False)
        if path.is_dir()
        else (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in root.rglob("*")
    }


def check_description(described: dict[str, object]) -> None:
    assert list(described) == ["key", "discovery_key", "length", "byte_length", "fork", "tree_hash", "blocks_here"]
    for name in ("key", "discovery_key", "tree_hash"):
        assert HEX32.fullmatch(str(described[name]))
    assert all(type(described[name]) is int for name in ("length", "byte_length", "fork"))


def test_folder_there_and_back(tmp_path: Path, folder: Path) -> None:
    imported = done("feed", "import", folder, "--dir", tmp_path / "author")
    check_description(imported)
    assert imported["fork"] == 0
    assert imported["length"] == -(-int(imported["byte_length"]) // 65_536)
    key = imported["key"]
    assert done("feed", "info", key, "--dir", tmp_path / "author") == imported
    verified = done("feed", "verify", key, "--dir", tmp_path / "author")
    assert (verified["blocks_verified"], verified["bytes_verified"]) == (imported["length"], imported["byte_length"])
    done("feed", "export", key, tmp_path / "out", "--dir", tmp_path / "author")
    assert tree(tmp_path / "out") == tree(folder)


@pytest.mark.parametrize("data", [b"", b"x", bytes(65_536), b"\xff" * 200_001], ids=["empty", "1", "block", "many"])
def test_file_there_and_back(tmp_path: Path, data: bytes) -> None:
    source = tmp_path / "Über uns.bin"
    source.write_bytes(data)
    key = done("feed", "import", source, "--dir", tmp_path / "author")["key"]
    exported = done("feed", "export", key, tmp_path / "here" / "out", "--dir", tmp_path / "author")
    assert exported["out"] == str(tmp_path / "here" / "out")
    assert (tmp_path / "here" / "out").read_bytes() == data


def test_the_same_folder_gives_the_same_tree(tmp_path: Path, folder: Path) -> None:
    first = done("feed", "import", folder, "--dir", tmp_path / "author")
    again = done("feed", "import", folder, "--dir", tmp_path / "author")
    assert first["key"] != again["key"]
    assert first["tree_hash"] == again["tree_hash"]


def test_empty_feed(tmp_path: Path) -> None:
    made = done("feed", "create", "--dir", tmp_path / "author")
    check_description(made)
    assert (made["length"], made["byte_length"], made["fork"]) == (0, 0, 0)
    assert done("feed", "info", made["key"], "--dir", tmp_path / "author") == made
    assert done("feed", "verify", made["key"], "--dir", tmp_path / "author")["blocks_verified"] == 0
    refused = datdot("feed", "export", made["key"], tmp_path / "out", "--dir", tmp_path / "author", "--json")
    assert "is empty" in refused.failure("export")["message"]


def test_served_fetched_and_exported(tmp_path: Path, folder: Path) -> None:
    imported = done("feed", "import", folder, "--dir", tmp_path / "author")
    key = imported["key"]
    with running(tmp_path / "log", "feed", "serve", key, "--dir", tmp_path / "author", "--json") as server:
        ready = server.line()
        assert re.fullmatch(r"[0-9a-f]{64}@127\.0\.0\.1:[1-9][0-9]*", ready["peer"])
        fetched = done("feed", "fetch", key, "--dir", tmp_path / "reader", "--peer", ready["peer"])
        (source,) = fetched.pop("peers")
        assert (source["path"], source["bytes"]) == ("static", fetched["byte_length"])
        assert fetched == imported
        again = done("feed", "fetch", key, "--dir", tmp_path / "reader", "--peer", ready["peer"])
        assert again == imported | {"peers": [{**source, "bytes": 0}]}
        done("feed", "export", key, tmp_path / "direct", "--dir", tmp_path / "fresh", "--peer", ready["peer"])
        assert server.stop(signal.SIGINT) == 0
    assert tree(tmp_path / "direct") == tree(folder)
    done("feed", "export", key, tmp_path / "later", "--dir", tmp_path / "reader")  # the author is gone
    assert tree(tmp_path / "later") == tree(folder)
    assert done("feed", "verify", key, "--dir", tmp_path / "reader")["blocks_verified"] == imported["length"]


def test_a_key_file_names_the_server(tmp_path: Path, folder: Path) -> None:
    key = done("feed", "import", folder, "--dir", tmp_path / "author")["key"]
    keys = done("key", "create", tmp_path / "k.json")
    with running(
        tmp_path / "log",
        "feed",
        "serve",
        key,
        "--dir",
        tmp_path / "author",
        "--json",
        DATDOT_KEY=str(tmp_path / "k.json"),
    ) as server:
        assert server.line()["peer"].startswith(keys["swarm_key"] + "@")
        assert server.stop(signal.SIGTERM) == 0


def test_another_feed_is_exported_as_its_blocks(tmp_path: Path) -> None:
    from service.hypercore import Corestore

    store = Corestore(tmp_path)
    core = store.create()
    core.append([b"one\n", b"", b"two\n"])
    store.close()
    done("feed", "export", core.key.hex(), tmp_path / "out", "--dir", tmp_path)
    assert (tmp_path / "out").read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("what", ["link", "dangling", "fifo", "bytes"])
def test_what_cannot_be_packed_is_named_and_leaves_nothing(tmp_path: Path, folder: Path, what: str) -> None:
    import os

    strange = folder / "Grüße" / "strange"
    if what == "link":
        strange.symlink_to(folder / "README")
    elif what == "dangling":
        strange.symlink_to("/nowhere")
    elif what == "fifo":
        os.mkfifo(strange)
    else:
        strange = Path(os.fsdecode(os.fsencode(folder) + b"/strange\xff"))
        strange.write_bytes(b"")
    error = datdot("feed", "import", folder, "--dir", tmp_path / "author", "--json").failure("archive")
    assert "strange" in error["message"]
    assert cores(tmp_path / "author") == {}
    assert tree(tmp_path / "author").keys() <= {"corestore.sqlite", "import.json"}


@pytest.mark.parametrize("inside", [".", "store/deep"])
def test_a_folder_with_its_own_store_is_refused(tmp_path: Path, folder: Path, inside: str) -> None:
    (tmp_path / "link").symlink_to(folder)
    before = tree(folder)
    error = datdot("feed", "import", folder, "--dir", tmp_path / "link" / inside, "--json").failure("archive")
    assert "secret keys" in error["message"]
    assert tree(folder) == before


def test_nothing_is_overwritten(tmp_path: Path, folder: Path) -> None:
    key = done("feed", "import", folder, "--dir", tmp_path / "author")["key"]
    (tmp_path / "there").write_text("precious")
    error = datdot("feed", "export", key, tmp_path / "there", "--dir", tmp_path / "author", "--json").failure("archive")
    assert "exists" in error["message"]
    assert (tmp_path / "there").read_text() == "precious"


def cores(directory: Path) -> dict[str, int]:
    """The feeds of a directory and their lengths, as they are on its disk."""
    with sqlite3.connect(directory / "corestore.sqlite", timeout=30) as database:
        found = database.execute("SELECT key, length FROM core").fetchall()
    database.close()
    return {key.hex(): length for key, length in found}


# ---- what happens to a process


def some_blocks(child: Running, directory: Path) -> None:
    """Wait until some, but not all, of an import is durable."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        assert child.process.poll() is None, child.log.read_text()
        if (directory / "corestore.sqlite").exists():
            try:
                if any(cores(directory).values()):
                    return
            except sqlite3.OperationalError:
                pass  # its tables are not there yet
        time.sleep(0.01)
    pytest.fail("nothing was imported")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(200 << 20)
    return path


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_cut_off_import_goes_on(tmp_path: Path, large: Path, number: int) -> None:
    directory = tmp_path / "author"
    with running(tmp_path / "log", "feed", "import", large, "--dir", directory, "--json") as child:
        some_blocks(child, directory)
        assert child.stop(number) == (1 if number == signal.SIGINT else -number)
        if number == signal.SIGINT:
            assert child.line()["error"]["code"] == "interrupted"
    ((key, length),) = cores(directory).items()
    assert 0 < length < 3200
    large.unlink()
    with large.open("wb") as file:
        file.truncate(200 << 20)
    imported = done("feed", "import", large, "--dir", directory)
    assert imported["key"] == key
    assert cores(directory) == {key: imported["length"]}
    assert imported["byte_length"] > 200 << 20
    small = tmp_path / "small"
    small.write_bytes(b"next")
    assert done("feed", "import", small, "--dir", directory)["key"] != key


def test_the_rest_of_a_cut_off_import_is_removed_by_another(tmp_path: Path, large: Path, folder: Path) -> None:
    directory = tmp_path / "author"
    with running(tmp_path / "log", "feed", "import", large, "--dir", directory, "--json") as child:
        some_blocks(child, directory)
        child.stop(signal.SIGKILL)
    imported = done("feed", "import", folder, "--dir", directory)
    assert cores(directory) == {imported["key"]: imported["length"]}


def test_a_cut_off_import_of_what_has_changed_begins_anew(tmp_path: Path, large: Path) -> None:
    directory = tmp_path / "author"
    with running(tmp_path / "log", "feed", "import", large, "--dir", directory, "--json") as child:
        some_blocks(child, directory)
        child.stop(signal.SIGKILL)
    (partial,) = cores(directory)
    large.write_bytes(b"short now")
    imported = done("feed", "import", large, "--dir", directory)
    assert imported["key"] != partial
    assert cores(directory) == {imported["key"]: 1}


def test_ctrl_c_of_a_fetch(tmp_path: Path, large: Path) -> None:
    key = done("feed", "import", large, "--dir", tmp_path / "author")["key"]
    with running(tmp_path / "log", "feed", "serve", key, "--dir", tmp_path / "author", "--json") as server:
        peer = server.line()["peer"]
        arguments = ("feed", "fetch", key, "--dir", tmp_path / "reader", "--peer", peer, "--json")
        with running(tmp_path / "fetch.log", *arguments) as fetching:
            some_blocks(fetching, tmp_path / "reader")
            assert fetching.stop(signal.SIGINT) == 1
            assert fetching.line() == {"error": {"code": "interrupted", "message": "interrupted", "where": ""}}
        verified = done("feed", "verify", key, "--dir", tmp_path / "reader")
        assert verified["blocks_verified"] < verified["length"] == 3201
        done("feed", "fetch", key, "--dir", tmp_path / "reader", "--peer", peer)  # goes on from there
        assert done("feed", "verify", key, "--dir", tmp_path / "reader")["blocks_verified"] == 3201
        assert server.stop() == 0


# ---- damage


def flip(path: Path, needle: bytes, offset: int = 0) -> None:
    """Flip one bit of the file, `offset` bytes behind where these bytes stand."""
    data = bytearray(path.read_bytes())
    place = data.index(needle) + offset
    data[place] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_of_a_block_is_found(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"a" * 100_000 + b"the needle" + b"b" * 100_000)
    key = done("feed", "import", source, "--dir", tmp_path / "author")["key"]
    flip(tmp_path / "author" / "corestore.sqlite", b"the needle", 3)
    error = datdot("feed", "verify", key, "--dir", tmp_path / "author", "--json").failure("damaged")
    assert f"block 1 of feed {key}" in error["message"]


@pytest.mark.parametrize("column", ["signature", "hash"])
def test_a_flipped_bit_of_the_tree_is_found(tmp_path: Path, folder: Path, column: str) -> None:
    key = done("feed", "import", folder, "--dir", tmp_path / "author")["key"]
    file = tmp_path / "author" / "corestore.sqlite"
    database = sqlite3.connect(file)
    query = "SELECT signature FROM core" if column == "signature" else "SELECT hash FROM node WHERE idx = 2"
    (value,) = database.execute(query).fetchone()
    database.close()
    flip(file, value, 20)
    error = datdot("feed", "verify", key, "--dir", tmp_path / "author", "--json").failure("damaged")
    assert ("signed" if column == "signature" else "tree node 1 ") in error["message"]


def test_a_torn_file_is_named(tmp_path: Path, folder: Path) -> None:
    key = done("feed", "import", folder, "--dir", tmp_path / "author")["key"]
    file = tmp_path / "author" / "corestore.sqlite"
    file.write_bytes(file.read_bytes()[: 4096 * 3])
    error = datdot("feed", "verify", key, "--dir", tmp_path / "author", "--json").failure("storage")
    assert str(file) in error["message"] or str(tmp_path / "author") in error["where"]
    file.write_bytes(b"this is no database at all" * 1000)
    error = datdot("feed", "info", key, "--dir", tmp_path / "author", "--json").failure("storage")
    assert str(file) in error["message"]


def test_logs_go_to_stderr_and_lines_are_objects(tmp_path: Path) -> None:
    unreachable = f"{'ab' * 32}@127.0.0.1:1"
    ran = datdot("feed", "fetch", "cd" * 32, "--dir", tmp_path, "--peer", unreachable, "--json")
    assert "127.0.0.1:1" in ran.failure("network")["message"]
    assert [json.loads(line)["event"] for line in ran.err.splitlines()] == ["peer not reached"]
