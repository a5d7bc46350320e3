"""The pallet's constants: what the metadata shows is what the model has and what the specification says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runtime_mock.model.datdot import limits
from service.codegen.describe import Constant, Metadata
from service.codegen.names import upper

SPEC = Path(__file__).parents[2] / "pallet-spec"
ROW = re.compile(r"^\| `(\w+)` \| `\w+` \| ([\d,^]+) \| (.*) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def constants() -> list[Constant]:
    return Metadata((SPEC / "artifacts" / "metadata.scale").read_bytes()).constants()


def test_the_model_has_them_all(constants: list[Constant]) -> None:
    shown = {upper(one.name): one.value for one in constants}
    assert shown == {name: getattr(limits, name, None) for name in shown}


def test_the_specification_lists_them_all(constants: list[Constant]) -> None:
    readme = (SPEC / "README.md").read_text()
    section = readme[readme.index("**Constants**") : readme.index("**Presets**")]

    def number(text: str) -> int:
        base, _, power = text.replace(",", "").partition("^")
        return int(int(base) ** int(power or 1))

    listed = [(name, number(value), f"{what}.") for name, value, what in ROW.findall(section)]
    assert listed == [(one.name, one.value, one.doc) for one in constants if isinstance(one.value, int)]
