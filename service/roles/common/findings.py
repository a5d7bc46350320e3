"""Evidence that copies do not decode to their feeds, on disk: what is to be reported, and what no report is taken of."""

from __future__ import annotations

import json
from typing import Any

from service.chain_client.pallet.types import ChainBlockProof, ChainOpening, Evidence, Root

from .database import Database

MAX_FINDINGS = 16
"""Copies against which evidence is kept at a time: it is up to 1 MiB each, and read with each block."""
MOST_REFUSED = 4
"""Reports of a copy that are refused before nothing more is reported of it: each costs two fees."""
MAX_REFUSALS = 4_096
"""Refusals that are remembered, those of the newest copies."""


class Findings:
    """The tables `findings`, the evidence against a copy, one for each, and `refused`, the sectors of which none is taken."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def keep(self, copy: int, evidence: Evidence) -> None:
        """Keep evidence against a copy, unless there is some, or of MAX_FINDINGS others. It is durable on return.

        The same evidence must be shown that was committed to: a later finding does not replace it. What is not kept is
        found again by a later probe.
        """
        self._db.execute(
            "INSERT OR IGNORE INTO findings SELECT ?, ? WHERE (SELECT count(*) FROM findings) < ?",
            (copy, _to_json(evidence), MAX_FINDINGS),
        )

    def all(self) -> dict[int, Evidence]:
        """Return the evidence by copy."""
        return {row[0]: _from_json(row[1]) for row in self._db.rows("SELECT copy, evidence FROM findings")}

    def forget(self, copy: int) -> None:
        """Delete what was found against a copy, and what was refused of it: it is reported, or gone."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM findings WHERE copy = ?", (copy,))
            db.execute("DELETE FROM refused WHERE copy = ?", (copy,))

    def refuse(self, copy: int, segment: int, sector: int, reason: str) -> None:
        """Put a refusal in the place of the evidence. It is durable on return."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM findings WHERE copy = ?", (copy,))
            db.execute("INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?)", (copy, segment, sector, reason))
            db.execute(
                "DELETE FROM refused WHERE copy < (SELECT copy FROM refused ORDER BY copy DESC LIMIT 1 OFFSET ?)",
                (MAX_REFUSALS,),
            )

    def refusal(self, copy: int, segment: int, sector: int) -> str | None:
        """Return why no report of a sector of a copy is made, or None."""
        rows = self._db.rows("SELECT segment, sector, reason FROM refused WHERE copy = ?", (copy,))
        same = next((reason for *place, reason in rows if place == [segment, sector]), None)
        if same is not None or len(rows) < MOST_REFUSED:
            return None if same is None else str(same)
        return f"{len(rows)} reports of it were refused, the first one because {rows[0][2]}"


def _to_json(evidence: Evidence) -> str:
    block, opening = evidence.block, evidence.opening
    shown = None
    if block is not None:
        shown = {
            "length": block.length,
            "index": block.index,
            "data": block.data.hex(),
            "roots": [[one.hash.hex(), one.size] for one in block.roots],
            "siblings": [[one.hash.hex(), one.size] for one in block.siblings],
        }
    return json.dumps(
        {
            "segment": evidence.segment,
            "sector": evidence.sector,
            "data": opening.data.hex(),
            "siblings": [one.hex() for one in opening.siblings],
            "block": shown,
        }
    )


def _from_json(text: str) -> Evidence:
    fields: dict[str, Any] = json.loads(text)

    def roots(pairs: list[Any]) -> tuple[Root, ...]:
        return tuple(Root(bytes.fromhex(digest), size) for digest, size in pairs)

    block = fields["block"]
    shown = None
    if block is not None:
        data = bytes.fromhex(block["data"])
        shown = ChainBlockProof(block["length"], roots(block["roots"]), block["index"], data, roots(block["siblings"]))
    siblings = tuple(bytes.fromhex(one) for one in fields["siblings"])
    return Evidence(fields["segment"], fields["sector"], ChainOpening(bytes.fromhex(fields["data"]), siblings), shown)
