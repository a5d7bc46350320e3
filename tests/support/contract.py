"""What other programs rely on of the command line, read from the program itself: commands, options, codes, keys, files."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import typer

import service
from service.cli.commands import COMMANDS, program
from service.cli.failures import CODES
from tests.support.cli_process import datdot, done, running


def commands() -> dict[str, Any]:
    """Return every command by its full name, with its arguments and options."""
    found: dict[str, Any] = {}
    _collect("datdot", typer.main.get_command(program(*COMMANDS)), found)
    return found


def _collect(name: str, command: Any, found: dict[str, Any]) -> None:
    found[name] = {parameter.name: _parameter(parameter) for parameter in command.params}
    for child in getattr(command, "commands", {}).values():
        _collect(f"{name} {child.name}", child, found)


def _parameter(parameter: Any) -> dict[str, Any]:
    default = parameter.default
    return {
        "kind": parameter.param_type_name,
        "names": sorted([*parameter.opts, *parameter.secondary_opts]),
        "type": parameter.type_descriptor.annotation.__name__,
        "required": parameter.required,
        "default": default if default is None or isinstance(default, bool | int | str) else str(default),
        "multiple": parameter.multiple,
        "environment": parameter.envvar,
        "limits": [parameter.min, parameter.max],
    }


def error_codes() -> list[str]:
    """Return every code that an error object can carry."""
    codes = set(CODES.values())
    for path in Path(service.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Failure":
                codes |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
    return sorted(codes)


MAYBE = {"lasts_eras": "int or NoneType"}
"""Values that are null or not by when they are asked for."""


def shape(value: Any) -> Any:
    """Return the names and types of a result: its keys in order, and of a list what its first item is."""
    if isinstance(value, dict):
        return {name: MAYBE.get(name) or shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


def files(directory: Path) -> list[str]:
    """Return the files below a directory, without SQLite's own side files."""
    names = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return sorted(name for name in names if not name.endswith(("-wal", "-shm")))


def recorded(base: Path, chain: str) -> dict[str, Any]:
    """Run each command that ends soon. Return the shapes of its results, and the files in the directories it made."""
    (base / "source").mkdir()
    (base / "source" / "file").write_bytes(bytes(100_000))
    author, reader, peer = base / "author", base / "reader", base / "peer"
    shapes = {
        "key create": done("key", "create", base / "keys.json"),
        "key show": done("key", "show", base / "keys.json"),
    }
    shapes["feed create"] = done("feed", "create", "--dir", author)
    shapes["feed import"] = done("feed", "import", base / "source", "--dir", author)
    key = shapes["feed import"]["key"]
    shapes["feed info"] = done("feed", "info", key, "--dir", author)
    shapes["feed verify"] = done("feed", "verify", key, "--dir", author)
    shapes["feed export"] = done("feed", "export", key, base / "out", "--dir", author)
    with running(base / "serve.log", "feed", "serve", key, "--dir", author, "--json") as server:
        shapes["feed serve"] = server.line()
        shapes["feed fetch"] = done("feed", "fetch", key, "--dir", reader, "--peer", shapes["feed serve"]["peer"])
        stopped = server.stop()
    signing = ("--chain", chain, "--key", "//Alice")
    shapes["chain status"] = done("chain", "status", "--chain", chain)
    terms = ("--replicas", 1, "--pot", 10**14, "--until", shapes["chain status"]["best"] + 2000)
    shapes["plan publish"] = done("plan", "publish", key, "--dir", author, "--unserved", *terms, *signing)
    number, block = shapes["plan publish"]["plan"], shapes["plan publish"]["block"]
    shapes["plan donate"] = done("plan", "donate", number, 10**13, *signing)
    shapes["plan show"] = done("plan", "show", number, "--chain", chain)
    shapes["plan amend"] = done("plan", "amend", number, "--replicas", 2, *signing)
    shapes["ratio"] = done("ratio", *signing)
    events = datdot("chain", "events", "--from", block, "--to", block, "--chain", chain, "--json").objects
    (shapes["chain events"],) = (one for one in events if one["event"] == "PlanPublished")
    shapes["plan end"] = done("plan", "end", number, *signing)
    with running(base / "log", "node", "--dir", peer, "--roles", "author", "--chain", chain, "--json") as node:
        shapes["node"] = node.line()
        interrupted = node.stop()
    no_feed = datdot("feed", "info", "ab" * 32, "--dir", author, "--json")
    no_option = datdot("feed", "info", "--json")
    return {
        "results": {name: shape(value) for name, value in shapes.items()},
        "files": {"feed": files(author), "peer": files(peer)},
        "node.json": shape(json.loads((peer / "node.json").read_text())),
        "key file": shape(json.loads((base / "keys.json").read_text())),
        "error": shape(no_feed.object),
        "exit codes": {"failed": no_feed.code, "usage": no_option.code, "serve": stopped, "node": interrupted},
    }
