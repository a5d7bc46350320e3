"""Whatever sources and documents cite is in the tree: files, sections, links, places."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.citations import Checker

ROOT = Path(__file__).parents[2]


def tracked(*patterns: str) -> list[Path]:
    """Files under version control, without those that are staged for removal."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in (ROOT / name for name in listed.split()) if path.is_file()]


def test_every_citation_has_its_target() -> None:
    checker = Checker(ROOT)
    files = tracked("*.py", "*.rs", "*.md")
    assert len(files) > 300
    wrong = [str(one) for path in files for one in checker.check(path)]
    assert not wrong, "\n".join(wrong)


def test_the_documents_that_the_sources_rest_on_are_cited() -> None:
    """Were comments not read, or sections not seen, nothing would be found wrong either."""
    text = "\n".join(path.read_text() for path in tracked("service/*.py", "runtime-mock/*.py", "pallet-spec/*.rs"))
    for document in ("docs/protocol/encoding.md", "docs/protocol/hypercore.md", "pallet-spec/README.md"):
        assert f"{document} section" in text


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "law.md").write_text("# Law\n\n## 1. One\n\nSee section 2.\n\n## 2. Two\n\n### 2.1 More\n")
    (tmp_path / "README.md").write_text("# Top\n\n## A part\n\n[law](docs/law.md), section 2; [here](#a-part)\n")
    return tmp_path


RIGHT = (
    ("a.py", '"""Do (docs/law.md section 1)."""\n# docs/law.md sections 1, 2 and 2.1\n'),
    ("a.py", 'NAME = "lost.md section 9"\n'),  # no comment: a string may be anything
    ("a.rs", "//! The law (docs/law.md\n//! section 2).\nfn f() {}\n"),
    ("docs/b.md", "[law](law.md), section 2, and docs/law.md section 1, and `docs/law.md`\n\n## 3. Own\n\nsection 3\n"),
    ("docs/b.md", "    section 9 of some code\n\n```\nsection 9\n```\n"),
)
WRONG = (
    ("a.py", '"""Do (docs/law.md section 3)."""\n', "docs/law.md has no section 3"),
    ("a.py", "x = 1  # docs/law.md sections 1 and 7\n", "docs/law.md has no section 7"),
    ("a.py", 'def f():\n    """Do (law.md, section 1)."""\n', "no such file"),
    ("a.py", '"""Do (section 1)."""\n', "a section of what?"),
    ("a.py", '"""As the specification, section "Weights", says."""\n', "name the document"),
    ("a.rs", "/// The law (docs/lost.md).\nfn f() {}\n", "no such file"),
    ("a.rs", "fn f() {}\n    // docs/law.md\n    // section 4\n", "docs/law.md has no section 4"),
    ("docs/b.md", "[law](law.md), section 5\n", "docs/law.md has no section 5"),
    ("docs/b.md", "[gone](gone.md)\n", "leads nowhere"),
    ("docs/b.md", "[part](../README.md#no-part)\n", "no such heading"),
    ("docs/b.md", "See section 1.\n", "docs/b.md has no section 1"),
    ("docs/b.md", "It lies in `service/nowhere.py`.\n", "no such file or folder"),
    ("docs/b.md", "Code:\n\n    section 9\n\nAnd section 8.\n", "docs/b.md has no section 8"),
)


@pytest.mark.parametrize(("name", "text"), RIGHT)
def test_a_right_citation_is_let_through(tree: Path, name: str, text: str) -> None:
    (tree / name).write_text(text)
    assert Checker(tree).check(tree / name) == []
    assert Checker(tree).check(tree / "README.md") == []


@pytest.mark.parametrize(("name", "text", "why"), WRONG)
def test_a_wrong_citation_is_found(tree: Path, name: str, text: str, why: str) -> None:
    (tree / name).write_text(text)
    found = [str(one) for one in Checker(tree).check(tree / name)]
    assert found
    assert why in found[0]
