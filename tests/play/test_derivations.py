"""What the specification and the README say of the rules' limits is what the programs compute."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from runtime_mock.model.datdot import limits

from .derivations import crowds, texts
from .derivations.__main__ import main
from .derivations.catalogue import README, SPECIFICATION, Derivation, Figures, Said, derivations
from .derivations.texts import figures, flat, missing, played, sections

ALL = derivations()
COMPUTED: dict[str, Figures] = {}

# Numbers of the limits that no program derives: names of fixed bounds, of the services', and of other documents.
NAMED = {
    SPECIFICATION: (
        "of more than 1,024 blocks whose mean is under 24 bytes; publication also refuses more than 1,024 empty ones in a row.",
        "attesters read 512 blocks at most",
        "an encoder of 350 KiB/s",
        "one of 5.5 MiB/s",
        "one of 350 KiB/s",
        "A block over 1 MiB",
        "its sector of j = 0 was opened",
        "Slow (7 of 8)",
        "a plan with 16 live copies",
        "one sector at price 0",
        "the other 192",
        "calls 11 to 14",
        "after forfeits",
        "so many equal copies, a challenge has k samples; 60 eras of a hoster that earns 60 if it keeps all",
        "collateral (50 eras of income)",
        "with half of its collateral, 25 eras.",
        "with 8 honest hosters of 16 GiB",
        "A need that sleeps has 8 tries an era",
        "Profile P5",
        "of the development chain",
        "In production",
        "(section 18; `carries`)",
        "chain of 6-second blocks",
        "make 12 plans",
        "seeds, can make a plan",
        "the 57,600 (each paid for",
        "57,600 (each paid for, with a copy)",
        "one draw of each gives",
        "(caps of 0, a region of its own)",
        "up to 256 GiB.",
        "in section 12).",
        "(docs/protocol/probe.md section 6)",
    ),
    README: (
        "Blocks over 1 MiB",
        "leaving after 1 MiB",
        "57,600 that run",
        "section 19",
        "pallet-spec/README.md#18-weights",
        "over IPv4",
    ),
}
PLACES = {SPECIFICATION: "19", README: "Limits"}


def found(one: Derivation) -> Figures:
    """Figures of a derivation, computed once."""
    if one.name not in COMPUTED:
        COMPUTED[one.name] = figures(one)
    return COMPUTED[one.name]


@pytest.mark.parametrize("name", ALL)
def test_the_documents_state_what_is_computed(name: str) -> None:
    assert missing(ALL[name].says(found(ALL[name]))) == []


@pytest.mark.parametrize("document", NAMED)
def test_no_number_of_the_limits_stands_alone(document: str) -> None:
    text = sections(document)[PLACES[document]]
    said = [flat(one.words) for each in ALL.values() for one in each.says(found(each)) if one.document == document]
    left = list(text)
    for words in (*said, *NAMED[document]):
        for match in re.finditer(re.escape(words), text):
            left[match.start() : match.end()] = " " * len(words)
    assert re.findall(r"\S+ \S+ \S*\d\S*", "".join(left)) == []


def test_each_is_named_beside_its_figures() -> None:
    text = "\n".join(sections(SPECIFICATION)[number] for number in ("9", "11", "18", "19"))
    assert [name for name in ALL if not re.search(rf"[`, ]{name}[`, ]", text)] == []


def test_a_wrong_number_in_a_document_is_found() -> None:
    said = ALL["pairs"].says(found(ALL["pairs"]))[0]
    assert missing([said]) == []
    wrong = replace(said, words=said.words.replace("15", "16"))
    assert missing([wrong]) == [f"{SPECIFICATION}, 19: {wrong.words}"]
    assert missing([Said(SPECIFICATION, "99", said.words)])


def test_a_rule_that_changes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures follow from the model's own rules: with another one they are not as stated."""
    monkeypatch.setattr("runtime_mock.model.datdot.ratio.MARGIN", limits.MARGIN + 20_000)
    assert missing(ALL["ratio"].says(ALL["ratio"].compute()))
    monkeypatch.setattr("tests.play.derivations.lives.passed_reputation", lambda value: value)
    assert missing(ALL["dropped"].says(ALL["dropped"].compute()))


def test_what_is_kept_of_the_long_ones_is_what_they_compute() -> None:
    """A part of each that takes a minute."""
    kept = played()
    assert set(kept) == {name for name, one in ALL.items() if one.played}
    eight = kept["whales"]["with 8"]
    assert eight[1] == crowds.waited_among_whales(8, 1)
    assert kept["sleepers"]["new plan among 0"] == crowds.new_plan_after(0)
    assert kept["sleepers"]["new copy among 0"] == crowds.new_copy_after(0)
    assert kept["held-capacity"] == crowds.held_capacity()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, one in ALL.items() if one.played])
def test_the_long_ones_are_as_stated(name: str) -> None:
    assert ALL[name].compute() == played()[name]


def test_the_command_tells_figures_and_fails_on_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["reputation", "--json"]) == 0
    told: Mapping[str, Mapping[str, object]] = json.loads(capsys.readouterr().out)
    assert told["reputation"]["figures"] == {"passes": 249, "eras": 42}
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(ALL)
    monkeypatch.setattr(texts, "sections", lambda _: {})
    assert main(["reputation"]) == 1
    assert capsys.readouterr().out.endswith("0 of 1 as stated\n")
    with pytest.raises(SystemExit):
        main(["nobody-wrote-this"])
    assert "there is no derivation nobody-wrote-this" in capsys.readouterr().err
