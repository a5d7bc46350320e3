"""Finds what sources and documents cite of the documents in this tree, and what of it is not there.

A citation is the path of a .md file from the root of the tree, alone or with ` section N` or ` sections N and M` behind it. In a
Markdown file it may also be a link, with `, section N` behind it, or a bare `section N`, which is then one of the same file.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote

NUMBERS = r"(?P<numbers>\d+(?:\.\d+)*(?:(?:, | and | to )\d+(?:\.\d+)*)*)"
SECTIONS = re.compile(r"(?:(?P<path>[\w./-]+\.md)?\)?,?\s{1,16})?\b[Ss]ections? " + NUMBERS)
DOCUMENT = re.compile(r"(?<![\w./-])[\w./-]*\w\.md\b")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
PLACE = re.compile(r"`(?P<path>(?:service|runtime-mock|pallet-spec|tests|docs|examples|bench)/[\w./-]*[\w/])`")
OLD = re.compile(r"specification,? section|exact-rules|\(sections? \d")
CODE = re.compile(r"```.*?```|^    [^\n]*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Wrong:
    """A citation without its target."""

    file: str
    line: int
    text: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text!r}: {self.why}"


class Checker:
    """Checks files of the tree below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._sections = cache(self._read_sections)

    def check(self, path: Path) -> list[Wrong]:
        """What a .py, .rs or .md file cites wrongly."""
        name, text = path.relative_to(self.root).as_posix(), path.read_text()
        if path.suffix == ".md":
            return [*self._page(path, name, text)]
        prose = _python_prose(text) if path.suffix == ".py" else _rust_prose(text)
        return [wrong for line, said in prose for wrong in self._source(name, line, said)]

    # ---- sources

    def _source(self, name: str, line: int, text: str) -> Iterator[Wrong]:
        """A comment or docstring: every section belongs to a document, named by its path from the root."""
        for found in DOCUMENT.finditer(text):
            if not (self.root / found[0]).is_file():
                yield Wrong(name, _at(line, text, found), found[0], "no such file, seen from the root")
        for found in SECTIONS.finditer(text):
            document, where = found["path"], _at(line, text, found)
            if document is None:
                yield Wrong(name, where, found[0].strip(), "a section of what? Name the document by its path")
            elif (self.root / document).is_file():
                yield from self._missing(self.root / document, name, where, found)
        for found in OLD.finditer(text):
            yield Wrong(name, _at(line, text, found), found[0], "name the document by its path")

    # ---- pages

    def _page(self, path: Path, name: str, text: str) -> Iterator[Wrong]:
        text = CODE.sub(lambda found: "\n" * found[0].count("\n"), text)
        for found in LINK.finditer(text):
            yield from self._link(path, name, _at(1, text, found), found["target"])
        for found in PLACE.finditer(text):
            if not (self.root / found["path"]).exists():
                yield Wrong(name, _at(1, text, found), found["path"], "no such file or folder, seen from the root")
        plain = LINK.sub(lambda found: found["target"] if found["target"].endswith(".md") else found[0], text)
        for found in DOCUMENT.finditer(plain):
            if self._resolve(path, found[0]) is None and "://" not in plain[max(0, found.start() - 9) : found.end()]:
                yield Wrong(name, _at(1, plain, found), found[0], "no such file")
        for found in SECTIONS.finditer(plain):
            document = path if found["path"] is None else self._resolve(path, found["path"])
            if document is not None:
                yield from self._missing(document, name, _at(1, plain, found), found)

    def _link(self, path: Path, name: str, line: int, target: str) -> Iterator[Wrong]:
        if re.match(r"[a-z]+:", target):
            return
        file, _, anchor = target.partition("#")
        there = path if not file else path.parent / unquote(file)
        if not there.exists():
            yield Wrong(name, line, target, "the link leads nowhere")
        elif anchor and anchor not in {_anchor(title) for _, title in _headings(there.read_text())}:
            yield Wrong(name, line, target, "no such heading")

    def _resolve(self, path: Path, document: str) -> Path | None:
        for there in (path.parent / document, self.root / document):
            if there.is_file():
                return there
        return None

    # ---- sections

    def _missing(self, document: Path, name: str, line: int, found: re.Match[str]) -> Iterator[Wrong]:
        for number in re.findall(r"\d+(?:\.\d+)*", found["numbers"]):
            if number not in self._sections(document):
                told = f"{document.relative_to(self.root).as_posix()} has no section {number}"
                yield Wrong(name, line, found[0].strip(), told)

    def _read_sections(self, document: Path) -> frozenset[str]:
        numbered = (re.match(r"(\d+(?:\.\d+)*)\.?\s", title) for _, title in _headings(document.read_text()))
        return frozenset(found[1] for found in numbered if found)


def _headings(text: str) -> list[tuple[int, str]]:
    fenced = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [(len(marks), title) for marks, title in re.findall(r"^(#{1,6}) (.+)$", fenced, re.MULTILINE)]


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _at(line: int, text: str, found: re.Match[str]) -> int:
    return line + text.count("\n", 0, found.start())


def _python_prose(text: str) -> Iterator[tuple[int, str]]:
    """Comments and docstrings, with the line on which each begins."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def _rust_prose(text: str) -> Iterator[tuple[int, str]]:
    """Runs of comment lines, each run as one text."""
    run: list[str] = []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        comment = re.match(r"\s*//[/!]?(.*)", line)
        if comment:
            run.append(comment[1])
        elif run:
            yield number - len(run), "\n".join(run)
            run = []
