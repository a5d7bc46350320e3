"""The rules of the house that no linter knows: sizes, one name for one thing, one place that writes durably."""

from __future__ import annotations

import ast
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES, MAX_FUNCTION = 500, 50


def tracked(*patterns: str) -> list[Path]:
    """Files of the checkout that git knows, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).exists()]


SOURCES = tracked("*.py", "*.rs", "*.mjs")
PYTHON = [path for path in SOURCES if path.suffix == ".py"]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def calls(tree: ast.AST, owner: str, name: str) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == owner
        for node in ast.walk(tree)
    )


def test_no_file_is_over_500_lines() -> None:
    texts = {named(path): path.read_text() for path in SOURCES}
    long = {name: len(text.splitlines()) for name, text in texts.items() if not text.startswith("# Generated")}
    assert {name: lines for name, lines in long.items() if lines > MAX_LINES} == {}


def test_no_function_is_over_50_lines() -> None:
    found = []
    for path in PYTHON:
        for function in functions(ast.parse(path.read_text())):
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > MAX_FUNCTION:
                found.append(f"{named(path)}:{function.lineno} {function.name}: {lines} lines")
    assert found == []


def test_no_two_classes_of_the_service_share_a_name() -> None:
    homes = defaultdict(list)
    for path in PYTHON:
        if path.is_relative_to(ROOT / "service"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    homes[node.name].append(f"{named(path)}:{node.lineno}")
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


WHOLE_READS = {
    "service/chain_client/storage.py": "defines them",
    "service/roles/common/equivocation.py": "once for two histories of a feed: the plans of it",
}
"""Modules that may read all copies or plans of the chain, and why."""


NUMBER_READS = {"service/roles/attester/seats.py": "an era's draw is over the numbers of all copies"}
"""Modules that may ask for the numbers of all copies, which reads none of them, and why."""


def reads_all(tree: ast.AST) -> Iterator[str]:
    """Calls that read all copies or all plans."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            item = node.args[0] if node.args else None
            of_all = (
                node.func.attr in ("all_of", "pages") and isinstance(item, ast.Name) and item.id in ("COPIES", "PLANS")
            )
            if of_all or node.func.attr in (
                "all_copies",
                "all_plans",
                "pages_of_plans",
                "query_map",
            ):
                yield f"{node.lineno} {node.func.attr}"


def test_nothing_of_the_service_reads_all_copies_or_plans_of_the_chain() -> None:
    """Copies are found by their plan, by a hoster's slots, by their number or by events."""
    service = {named(path): path for path in PYTHON if path.is_relative_to(ROOT / "service")}
    found = {name: list(reads_all(ast.parse(path.read_text()))) for name, path in service.items()}
    assert {name for name, lines in found.items() if lines} == set(WHOLE_READS), found
    assert list(reads_all(ast.parse("await storage.all_of(COPIES, 8, at)")))


def test_the_numbers_of_all_copies_are_asked_for_by_the_draw_alone() -> None:
    service = [path for path in PYTHON if path.is_relative_to(ROOT / "service")]
    asking = {
        named(path)
        for path in service
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "numbers_of_copies"
    }
    assert asking == set(NUMBER_READS)


@pytest.mark.parametrize("name", ["fsync", "replace", "link"])
def test_only_one_module_writes_durably(name: str) -> None:
    """`os.fsync`, `os.replace` and `os.link` of the service are in service/durable.py."""
    service = [path for path in PYTHON if path.is_relative_to(ROOT / "service")]
    found = [named(path) for path in service if calls(ast.parse(path.read_text()), "os", name)]
    assert found == ["service/durable.py"]


def test_every_module_says_what_it_is_for() -> None:
    assert [
        named(path) for path in PYTHON if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text()))
    ] == []
