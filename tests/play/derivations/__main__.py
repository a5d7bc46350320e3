"""`python -m tests.play.derivations [NAME...]`: the figures of the limits, and whether the documents state these."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from service import durable

from .catalogue import Derivation, Figures, derivations
from .texts import PLAYED, missing, played


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.play.derivations", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which of them (default: all)")
    parser.add_argument("--list", action="store_true", help="say what there is, and compute nothing")
    parser.add_argument("--json", action="store_true", help="the figures alone, for programs")
    asked = parser.parse_intermixed_args(arguments)
    unknown = [name for name in asked.names if name not in derivations()]
    if unknown:
        parser.error(f"there is no derivation {', '.join(unknown)}: --list says which there are")
    return asked


def _keep(name: str, figures: Figures) -> None:
    """Keep the figures of a derivation that takes a minute, against which the suite holds the documents."""
    kept = played() | {name: figures}
    durable.replace(PLAYED, (json.dumps(dict(sorted(kept.items())), indent=1) + "\n").encode(), mode=0o644)


def _tell(one: Derivation, figures: Figures, wrong: list[str]) -> None:
    sections = dict.fromkeys(f"{said.document}, {said.section}" for said in one.says(figures))
    print(f"{one.name}: {one.about}\n  states: {'; '.join(sections)}\n  assumes: {one.assumes}")
    for name, figure in figures.items():
        print(f"    {name}: {figure:.6g}" if isinstance(figure, float) else f"    {name}: {figure}")
    for words in wrong:
        print(f"  NOT STATED: {words}")


def main(arguments: Sequence[str]) -> int:
    """Compute what is asked for. Return 1 unless the documents state all of it."""
    asked = _parse(arguments)
    chosen = [one for name, one in derivations().items() if not asked.names or name in asked.names]
    found: dict[str, Any] = {}
    good = 0
    for one in chosen:
        if asked.list:
            print(f"{one.name:16} {'*' if one.played else ' '} {one.about}")
            continue
        figures = one.compute()
        wrong = missing(one.says(figures))
        good += not wrong
        found[one.name] = {"assumes": one.assumes, "figures": figures, "not stated": wrong}
        if one.played:
            _keep(one.name, figures)
        if not asked.json:
            _tell(one, figures, wrong)
    if asked.json:
        print(json.dumps(found, indent=1))
    elif not asked.list:
        print(f"{good} of {len(chosen)} as stated")
    return 0 if asked.list or good == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
