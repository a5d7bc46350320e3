"""The documents that are made of other files are up to date. `python -m tests.docs.test_docs` writes them anew."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- contracts begin -->\n", "<!-- contracts end -->\n"


def contracts(project: dict[str, Any]) -> str:
    """The contracts of import-linter as Markdown: a heading each, its layers from the top down, or its modules."""
    parts = []
    for contract in project["tool"]["importlinter"]["contracts"]:
        parts.append(f"**{contract['name']}**\n\n")
        if contract["type"] == "layers":
            names = [", ".join(f"`{name.strip()}`" for name in layer.split("|")) for layer in contract["layers"]]
            parts += [f"{place}. {line}\n" for place, line in enumerate(names, 1)]
        elif contract["type"] == "independence":
            parts.append("No arrows among: " + ", ".join(f"`{name}`" for name in contract["modules"]) + ".\n")
        elif contract["type"] == "forbidden":
            sources, targets = (
                ", ".join(f"`{name}`" for name in contract[key]) for key in ("source_modules", "forbidden_modules")
            )
            parts.append(f"No arrow from {sources} to {targets}.\n")
        else:
            raise ValueError(
                f"contract {contract['name']!r} has the type {contract['type']!r}: say here how it is shown"
            )
        parts.append("\n")
    return "".join(parts)


def with_contracts(page: str, project: dict[str, Any]) -> str:
    """The page with its section of contracts made anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n" + contracts(project) + END + after


def project_file() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_page_of_the_architecture_shows_the_contracts_as_they_are_checked() -> None:
    page = PAGE.read_text()
    told = "docs/architecture.md shows other contracts than pyproject.toml: python -m tests.docs.test_docs"
    assert page == with_contracts(page, project_file()), told


def test_another_contract_would_be_noticed() -> None:
    page, changed = PAGE.read_text(), project_file()
    changed["tool"]["importlinter"]["contracts"][0]["layers"].reverse()
    assert page != with_contracts(page, changed)


if __name__ == "__main__":
    PAGE.write_text(with_contracts(PAGE.read_text(), project_file()))
