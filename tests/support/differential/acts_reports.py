"""Reports of fraud: committed, then shown when they are old enough; right, or wrong in a chosen way."""

from __future__ import annotations

import hashlib
from typing import Any

from runtime_mock.model.datdot.limits import REPORT_AGE
from runtime_mock.model.datdot.records import BlockProof, Evidence, Opening, Root
from runtime_mock.model.scale import codec_of
from tests.support.differential.parties import Base, Party, digest
from tests.support.differential.segments import SECTOR
from tests.support.differential.small_feeds import READABLE, Feed

_EVIDENCE = codec_of(Evidence)


def encoded(evidence: dict[str, Any]) -> bytes:
    """`Evidence` in SCALE."""

    def roots(found: list[dict[str, Any]]) -> list[Root]:
        return [Root(**one) for one in found]

    block = evidence["block"]
    if block is not None:
        lists = {"roots": roots(block["roots"]), "siblings": roots(block["siblings"])}
        block = BlockProof(**block | lists)
    opening = Opening(**evidence["opening"])
    return _EVIDENCE.encode(Evidence(evidence["segment"], evidence["sector"], opening, block))


class Reports(Base):
    """Invalid encodings: no sector of these worlds decodes to its feed."""

    def report_hash(self, party: Party, copy: int, evidence: dict[str, Any]) -> bytes:
        """What a reporter commits to."""
        said = b"datdot/v1/report\0" + self.pair.genesis + party.id + copy.to_bytes(8, "little")
        return hashlib.blake2b(said + encoded(evidence), digest_size=32).digest()

    def commit_to(self, party: Party, copy: int, evidence: dict[str, Any]) -> None:
        self.call(party, "commit_report", hash=self.report_hash(party, copy, evidence))

    def evidence(self, segment: int, sector: int, block: dict[str, Any] | None) -> dict[str, Any]:
        """A sector with its opening, and a block or none."""
        tree = self.trees.get(segment)
        opening = tree.open(sector) if tree and sector < tree.sectors else {"data": bytes(SECTOR), "siblings": []}
        return {"segment": segment, "sector": sector, "opening": opening, "block": block}

    def block_under(self, segment: dict[str, Any], sector: int) -> tuple[Feed, int] | None:
        """The feed of a segment, and the first readable block that its sector has a byte of."""
        plan = self.pair.value("DatDot", "Plans", self.pair.value("DatDot", "Copies", segment["copy"])["plan"])
        head = segment["head"]
        feed = self.feeds.get((plan["feed"], head["length"], head["fork"])) if plan else None
        if feed is None:
            return None
        place, wanted = 0, segment["first_byte"] + SECTOR * sector
        for part in plan["ranges"]:
            for index in range(part["start"], min(part["end"], feed.length)):
                size = feed.sizes[index]
                if wanted < place + size and size <= READABLE:
                    return feed, index
                place += size
        return None

    def do_commit_report(self, who: int, number: int, _: int) -> None:
        self.call(self.party(who), "commit_report", hash=digest("report", number))

    def do_accuse(self, copy: int, sector: int, wrong: int) -> None:
        """Commit to a report of a copy."""
        key, found = self.pick("Copies", copy, lambda one: bool(one["segments"]))
        party = self.party(copy + sector)
        parts = found["segments"] if found else []
        number = parts[sector % len(parts)]["segment"] if parts else copy
        segment = self.pair.value("DatDot", "Segments", number)
        if segment is None:
            self._accuse(party, key, self.evidence(number, sector, None))
            return
        place = sector % max(1, segment["sectors"])
        if sector % 5 == 4:
            # what is behind the end
            self._accuse(party, key, self.evidence(number, segment["sectors"] - (wrong % 8 != 1), None))
            return
        under = self.block_under(segment, place)
        block = under[0].block_proof(under[1]) if under else None
        self._accuse(party, key, self._spoiled(self.evidence(number, place, block), wrong, under))

    def _accuse(self, party: Party, copy: int, evidence: dict[str, Any]) -> None:
        self.accusations.append((self.next_block, party, copy, evidence))
        self.commit_to(party, copy, evidence)

    @staticmethod
    def _spoiled(evidence: dict[str, Any], wrong: int, under: tuple[Feed, int] | None) -> dict[str, Any]:
        """The same, with something wrong."""
        block, kind = evidence["block"], wrong % 16
        if kind == 1:
            return evidence | {"segment": evidence["segment"] + 1}
        if kind == 2:
            return evidence | {"sector": evidence["sector"] + 1}
        if kind == 3:
            return evidence | {"opening": evidence["opening"] | {"data": bytes(SECTOR)}}
        if kind == 4:
            return evidence | {"block": None}
        if block is None or under is None:
            return evidence
        if kind == 5:
            block["data"] += b"x"
        elif kind == 6:
            block["index"] ^= 1
        elif kind == 7:
            block["length"] += 1
        elif kind == 8:
            block["roots"] = block["roots"][1:]
        elif kind == 9 and block["siblings"]:
            block["siblings"][0]["size"] = 2**64 - 1
        elif kind == 10:
            block["siblings"] = block["siblings"][:-1]
        elif kind == 11:
            # another block, most often of none of the sector's bytes
            block = under[0].block_proof(under[0].length - 1) if under[0].sizes[-1] <= READABLE else block
        return evidence | {"block": block}

    def do_accused(self, number: int, wrong: int, _: int) -> None:
        """Show a report that was committed to, the oldest that is old enough first; or too early, or another's."""
        ready = [one for one in self.accusations if self.next_block >= one[0] + REPORT_AGE]
        chosen = (ready if wrong % 8 != 1 else []) or self.accusations
        if not chosen:
            self.call(self.party(number), "report_invalid_encoding", copy=number, evidence=self.evidence(0, 0, None))
            return
        one = chosen[number % len(chosen)]
        _, party, copy, evidence = one
        if wrong % 8 == 2:
            party = self.party(number)
        elif wrong % 8 == 3:
            copy += 1
        elif wrong % 8 == 4:
            self.accusations.remove(one)
        call = ("DatDot", ("report_invalid_encoding", {"copy": copy, "evidence": evidence}))
        if wrong // 8 % 2:
            # where nobody asks before the block whether it was committed to
            self.pair.submit(party.account, "Utility", "batch_all", {"calls": [call]})
        else:
            self.call(party, "report_invalid_encoding", copy=copy, evidence=evidence)
