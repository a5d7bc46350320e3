"""Actions of copies: segments, storage proofs and retrieval reports, right, or wrong in a chosen way."""

from __future__ import annotations

import hashlib
from typing import Any

from service.roles.attester.rules import next_link, probe_hash, u128
from tests.support.differential.parties import GIB, Base, Party, digest
from tests.support.differential.segments import MOST_SECTORS, SECTOR, Tree, context, modulus, storage_proof


class Copies(Base):
    """Segments, storage, retrieval."""

    def modulus(self, number: int) -> bytes:
        """The modulus of the encoder who is the n-th to begin a segment."""
        return modulus(number)

    def tree_of(self, number: int, segment: dict[str, Any], hoster: bytes, size: int) -> Tree:
        """What encoder and hoster make of a segment: rubbish."""
        ctx = context(self.pair.genesis, segment["copy"], segment, hoster)
        return Tree(number, ctx, -(-size // SECTOR))

    def do_begin(self, copy: int, wrong: int, _: int) -> None:
        key, found = self.pick("Copies", copy, lambda one: one["state"] == "Assigned")
        encoder = self._by_id[found["encoder"]] if found and found["encoder"] else None
        self._moduli += 1
        number, profile = self.modulus(self._moduli), 1
        if wrong % 8 == 1:
            encoder = self.party(wrong // 8)
        elif wrong % 8 == 2:
            number = modulus(1)
        elif wrong % 8 == 3:
            number = number[:-1] + bytes([number[-1] & 0xFE])
        elif wrong % 8 == 4:
            number = bytes(SECTOR)
        elif wrong % 8 == 5:
            number = (3 * (((1 << 2048) - (1 << 1980)) // 3)).to_bytes(SECTOR, "big")
        elif wrong % 8 == 6:
            profile = (0, 2, 5)[wrong // 8 % 3]
        self.call(encoder, "begin_segment", copy=key, modulus=number, profile=profile)

    def do_confirm(self, copy: int, wrong: int, part: int) -> None:
        key, found = self.pick("Copies", copy, lambda one: one["state"] == "Encoding")
        segment = (
            self.pair.value("DatDot", "Segments", found["current"]) if found and found["current"] is not None else None
        )
        if found is None or segment is None or segment["salt"] is None or found["encoder"] is None:
            nothing = {"bytes": 0, "root": bytes(32), "signature": bytes(64)}
            self.call(None, "confirm_segment", copy=key, segment=wrong, **nothing)
            return
        self._confirm(key, found, segment, wrong, part)

    def _confirm(self, key: int, copy: dict[str, Any], segment: dict[str, Any], wrong: int, part: int) -> None:
        number, rest = copy["current"], copy["bytes"] - copy["stored_bytes"]
        size = rest
        if part % 3 == 1:
            size = min(rest, 4 * GIB)
        elif part % 3 == 2:
            size = max(0, rest - 256 * part)
        if part // 6 % 3 == 1:
            # a checkpoint, when the other one is gone
            size = min(256 * (self.times["checkpoint"] + part), rest)
        sectors = -(-size // SECTOR)
        if wrong % 8 == 1:
            size += 1
        root = digest("root", number)
        if 1 <= sectors <= MOST_SECTORS:
            self.trees[number] = self.tree_of(number, segment, copy["hoster"], SECTOR * sectors)
            root = self.trees[number].root
        statement = b"datdot/v1/segment\0" + self.pair.genesis
        statement += key.to_bytes(8, "little") + number.to_bytes(8, "little") + copy["encoder"] + copy["hoster"]
        statement += segment["pk_hash"] + segment["salt"]
        statement += b"".join(one.to_bytes(8, "little") for one in (segment["first_byte"], size, sectors)) + root
        sides = [self._by_id[copy["hoster"]], self._by_id[copy["encoder"]]]
        origin, signer = sides if wrong // 8 % 2 == 0 else sides[::-1]
        if wrong % 8 == 2:
            signer = origin
        elif wrong % 8 == 3:
            origin = self.party(wrong // 16)
        elif wrong % 8 == 4:
            number += 1
        elif wrong % 8 == 5:
            root = bytes(32)
        signature = bytes(signer.statement.sign(statement).signature)
        if wrong % 8 == 6:
            signature = b"\1" + bytes(63)
        arguments = {"copy": key, "segment": number, "bytes": size, "root": root, "signature": signature}
        self.call(origin, "confirm_segment", **arguments)

    # storage

    def do_prove(self, hoster: int, wrong: int, _: int) -> None:
        account, challenge = self.pick("StorageChallenges", hoster)
        if challenge is None:
            nothing: dict[str, list[bytes]] = {"sectors": [], "siblings": []}
            self.call(self.party(hoster), "submit_storage_proof", issued=wrong, proof=nothing)
            return
        proof = storage_proof(self.trees, [(one["segment"], one["sector"]) for one in challenge["samples"]])
        sectors, siblings = proof["sectors"], proof["siblings"]
        issued, party = challenge["issued"], self._by_id[account]
        if wrong % 8 == 1:
            data = bytearray(sectors[0])
            data[wrong // 8 % SECTOR] ^= 1
            sectors[0] = bytes(data)
        elif wrong % 8 == 2:
            sectors.pop()
        elif wrong % 8 == 3:
            issued -= 1
        elif wrong % 8 == 4:
            siblings.append(bytes(32))
        elif wrong % 8 == 5:
            party = self.party(wrong // 8)
        elif wrong % 8 == 6 and wrong // 8 % 2 and len(siblings) > 1:
            siblings[:2] = siblings[1::-1]
        elif wrong % 8 == 6 and siblings:
            siblings.pop(wrong // 16 % len(siblings))
        self.call(party, "submit_storage_proof", issued=issued, proof=proof)

    # retrieval

    def _report(self, era: int, copy_id: int, copy: dict[str, Any], party: Party, link: bytes) -> dict[str, Any]:
        """What an attester says about a copy: most say served, some not, and each its own figures."""
        mood = digest("mood", era, copy_id, party.account.name)
        sector = u128(probe_hash(link, copy_id, era, 0)) % copy["sectors"]
        opening, leaf = None, bytes(32)
        for part in copy["segments"]:
            if sector < part["sectors"]:
                tree = self.trees.get(part["segment"])
                if tree is not None:
                    opening, leaf = tree.open(sector), tree.leaf(sector)
                break
            sector -= part["sectors"]
        served = opening is not None and mood[0] % 8 and digest("copy mood", era, copy_id)[0] % 4
        report = {"served": 1, "latency_ms": mood[1], "kib_per_s": mood[2] * 256}
        if not served:
            report, opening, leaf = {"served": 0, "latency_ms": mood[1], "kib_per_s": 0}, None, bytes(32)
        return {"report": report, "link": link, "salt": mood, "opening": opening, "leaf": leaf}

    def _commit(self, era: int, key: int, party: Party, found: dict[str, Any]) -> bytes:
        report = found["report"]
        numbers = bytes([report["served"]]) + b"".join(
            report[one].to_bytes(4, "little") for one in ("latency_ms", "kib_per_s")
        )
        ids = era.to_bytes(4, "little") + key.to_bytes(8, "little")
        body = self.pair.genesis + party.id + ids + numbers + found["link"] + found["leaf"] + found["salt"]
        return hashlib.blake2b(b"datdot/v1/commit\0" + body, digest_size=32).digest()

    def _seated(self, era: int, key: int) -> list[Party]:
        """Attesters that have a seat on the record, or any attester before there is one."""
        record = self.pair.value("DatDot", "Retrievals", era, key)
        if record is not None:
            return [self._by_id[seat["account"]] for seat in record["seats"]]
        return [self._by_id[account] for account, one in sorted(self.all("Attesters").items()) if one["slots"]]

    def do_commit(self, copy: int, who: int, wrong: int) -> None:
        """Commit for one or some active copies, and maybe for one that is not, or for none."""
        keys = [
            self.pick("Copies", copy + more, lambda one: one["state"] == "Active")[0]
            for more in range(1 + wrong // 8 % 4)
        ]
        if wrong % 8 == 2:
            keys = []
        elif wrong % 8 == 6:
            keys.insert(wrong // 32 % 2, self.pick("Copies", copy)[0])
        self._try_commit(self.era - (wrong % 4 == 3), keys, self.party(who))

    def _try_commit(self, era: int, keys: list[int], party: Party) -> None:
        """Commit for each of some copies in one call."""
        attester = self.pair.value("DatDot", "Attesters", party.id)
        link = party.link(attester, era) if attester else None
        commits = []
        for key in keys:
            copy, commit = self.pair.value("DatDot", "Copies", key), bytes(32)
            if copy is not None and copy["sectors"] and link is not None:
                report = self._report(era, key, copy, party, link)
                self._committed.setdefault((era, key, party.id), report)
                commit = self._commit(era, key, party, report)
            commits.append({"copy": key, "commit": commit})
        self.call(party, "commit_retrievals", era=max(0, era), commits=commits)

    def do_reveal(self, copy: int, who: int, wrong: int) -> None:
        mine = [one for one in sorted(self._committed) if one[2] == self.party(who).id] or sorted(self._committed)
        if not mine:
            report = {"served": 0, "latency_ms": 0, "kib_per_s": 0}
            reveals = [{"copy": copy, "report": report, "salt": bytes(32), "opening": None}] * (wrong % 2)
            self.call(self.party(who), "reveal_retrievals", era=copy, link=bytes(32), reveals=reveals)
            return
        era, key, account = mine[copy % len(mine)]
        others = [one[1] for one in sorted(self._committed) if (one[0], one[2]) == (era, account) and one[1] != key]
        self._try_reveal(era, [key, *others[: wrong // 64]], account, wrong)

    def _try_reveal(self, era: int, keys: list[int], account: bytes, wrong: int = 0) -> None:
        """Reveal what was committed to of some copies in one call; what is wrong is so with the first."""
        party, link = self._by_id[account], self._committed[era, keys[0], account]["link"]
        parts = ("report", "salt", "opening")
        reveals = [{"copy": key} | {part: self._committed[era, key, account][part] for part in parts} for key in keys]
        said = reveals[0]
        if wrong % 8 == 1:
            said["salt"] = bytes(32)
        elif wrong % 8 == 2:
            link = next_link(self.pair.genesis, account, link)
        elif wrong % 8 == 3:
            said["report"] = said["report"] | {"latency_ms": 77}
        elif wrong % 8 == 4:
            said["opening"] = None if said["opening"] else {"data": bytes(SECTOR), "siblings": []}
        elif wrong % 8 == 5:
            said["report"] = said["report"] | {"served": 2}
        elif wrong % 8 == 6:
            party = self.party(wrong // 8)
        elif wrong % 8 == 7 and said["opening"]:
            said["opening"] = said["opening"] | {"data": bytes(SECTOR)}
        self.call(party, "reveal_retrievals", era=era, link=link, reveals=reveals)

    def do_settle(self, who: int, copy: int, back: int) -> None:
        key, _ = self.pick("Copies", copy)
        self.call(self.party(who), "settle_retrieval", era=max(0, self.era - 1 - back % 4), copy=key)
