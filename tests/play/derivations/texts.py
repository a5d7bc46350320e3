"""The sections of documents, and whether words with figures stand in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .catalogue import Derivation, Figures, Said

ROOT = Path(__file__).parents[3]
PLAYED = Path(__file__).with_name("played.json")
"""The figures of those that take a minute, as they were computed last."""
HEADING = re.compile(r"^#{1,6} (?:(\d+)\. )?(.*)$")


def flat(text: str) -> str:
    """Return a text with its lines joined."""
    return " ".join(text.split())


@cache
def sections(document: str) -> Mapping[str, str]:
    """Return the texts of a document by the numbers of its sections, or their titles where they have none."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (ROOT / document).read_text().splitlines():
        heading = HEADING.match(line)
        if heading:
            lines = found.setdefault(heading[1] or heading[2], [])
        else:
            lines.append(line)
    return {name: flat("\n".join(text)) for name, text in found.items()}


def missing(says: Iterable[Said]) -> list[str]:
    """Return what is not in the documents, each with where it should be."""
    return [
        f"{one.document}, {one.section}: {one.words}"
        for one in says
        if flat(one.words) not in sections(one.document).get(one.section, "")
    ]


def played() -> dict[str, Figures]:
    """Return the figures that are kept."""
    found: dict[str, Any] = json.loads(PLAYED.read_text()) if PLAYED.exists() else {}
    return found


def figures(one: Derivation) -> Figures:
    """Return a derivation's figures: computed now, or those kept of one that takes a minute."""
    return played()[one.name] if one.played else one.compute()
