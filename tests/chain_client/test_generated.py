"""The chain's types are what the generator makes of the committed metadata, and what else the service holds of the chain's bounds
is the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.chain_client.pallet import constants
from service.codegen.__main__ import METADATA, ROOT, TARGET, differing, generated, in_form
from service.codegen.describe import Choice, Class, Constant, Member, Metadata
from service.codegen.names import upper
from service.codegen.render import call_part, constants_module, docstring, type_part
from service.encoding import MAX_SECTORS, SECTOR
from service.hypercore.codec import MAX_UINT
from service.protocols.copy.stream import MAX_SEGMENT, longest_segment
from service.protocols.probe.messages import MAX_SIBLINGS

HAND_WRITTEN = {TARGET / "__init__.py", TARGET / "item.py"}


@pytest.fixture(scope="module")
def files() -> dict[Path, str]:
    return generated()


def test_what_is_committed_is_what_the_metadata_says(files: dict[Path, str]) -> None:
    wrong = [str(path.relative_to(ROOT)) for path in differing(files)]
    assert not wrong, f"run `python -m service.codegen`: {', '.join(wrong)}"
    assert set(TARGET.rglob("*.py")) == set(files) | HAND_WRITTEN, "no file is left of what the pallet no longer has"


def test_a_changed_or_missing_file_is_found(files: dict[Path, str], tmp_path: Path) -> None:
    names = list(files)[:2]
    elsewhere = {tmp_path / path.name: files[path] for path in names}
    assert differing(elsewhere) == list(elsewhere)
    first, second = elsewhere
    first.write_text(elsewhere[first])
    second.write_text(elsewhere[second] + "\n")
    assert differing(elsewhere) == [second]


def test_no_generated_file_is_much_longer_than_one_by_hand(files: dict[Path, str]) -> None:
    assert max(len(text.splitlines()) for text in files.values()) <= 800


def test_the_command_writes_and_checks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service.codegen", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_check_fails_on_other_metadata(tmp_path: Path) -> None:
    data = METADATA.read_bytes()
    other = data.replace(b"A registered account.", b"A recognised account.")
    assert other != data
    (tmp_path / "metadata.scale").write_bytes(other)
    command = [sys.executable, "-m", "service.codegen", "--check", "--metadata", str(tmp_path / "metadata.scale")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("types/offers.py")


def test_names_in_capitals() -> None:
    names = ("MaxAmount", "NotAPeer", "ProfileP1", "Ppm", "AlreadyAPeer")
    assert [upper(name) for name in names] == ["MAX_AMOUNT", "NOT_A_PEER", "PROFILE_P1", "PPM", "ALREADY_A_PEER"]


def test_documentation_becomes_a_docstring() -> None:
    assert docstring("Short.", "") == ['    """Short."""']
    assert docstring("", "Otherwise.") == ['    """Otherwise."""']
    long = "The first sentence. " + "And words " * 20
    lines = docstring(long.strip() + ".", "")
    assert lines[:2] == ['    """The first sentence.', ""]
    assert lines[-1] == '    """'
    assert max(map(len, lines)) <= 120


def test_a_struct_an_enum_and_variants_with_fields() -> None:
    struct = Class("One", "A struct.", (Member("a", "int", "First."), Member("b", "Hash | None", "")))
    assert type_part(struct).splitlines()[1:] == [
        "class One:",
        '    """A struct."""',
        "",
        "    a: int",
        '    """First."""',
        "    b: Hash | None",
    ]
    plain = Choice("Two", "An enum.", (Member("NoEncoder", "", "None was found."),), ())
    assert type_part(plain).splitlines()[-2:] == ['    NO_ENCODER = "NoEncoder"', '    """None was found."""']
    mixed = Choice("Three", "Either.", (), (Class("Left", "", ()), Class("Right", "", (Member("x", "int", ""),))))
    assert in_form(type_part(mixed)).splitlines()[-2:] == ["Three = Left | Right", '"""Either."""']


def test_a_call_whose_argument_has_a_name_of_pythons() -> None:
    made = in_form(
        call_part(Class("trim", "Trim to `bytes`.", (Member("copy", "int", ""), Member("bytes", "int", ""))))
    )
    assert made.splitlines() == [
        "def trim(copy: int, length: int) -> Call:",
        '    """Trim to `length` bytes."""',
        '    return _datdot("trim", copy=copy, bytes=length)',
    ]


def test_numbers_and_bytes_of_constants() -> None:
    text = constants_module([Constant("MaxSafe", 2**53 - 1, "Largest."), Constant("PalletId", b"datdot/1", "")])
    assert text.splitlines()[-3:] == [
        "MAX_SAFE: Final = 9_007_199_254_740_991",
        '"""Largest."""',
        "PALLET_ID: Final = b'datdot/1'",
    ]


def test_a_type_without_counterpart_is_refused() -> None:
    metadata = Metadata(METADATA.read_bytes())
    unknown = next(
        number for number, one in enumerate(metadata._types) if one["path"] and one["path"][-1] == "RuntimeEvent"
    )
    with pytest.raises(ValueError, match=r"has no Python type for datdot_runtime::RuntimeEvent"):
        metadata.kind(unknown)


def test_rooms_that_know_no_chain_have_its_bounds() -> None:
    assert MAX_SECTORS * SECTOR == constants.MAX_PLAN_BYTES
    assert longest_segment(constants.MAX_PLAN_BYTES, 0, 1 << 18) == MAX_SEGMENT
    assert MAX_SIBLINGS == constants.MAX_SIBLINGS
    assert MAX_UINT == constants.MAX_SAFE
