"""People with duties on the model alone: honest ones do them all; what keeps others from them is in their sets here."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Any

from runtime_mock.model.datdot import challenges, items, offers, plans, retrieval, segments
from runtime_mock.model.datdot.crypto import commitment, low, probe, segment_statement
from runtime_mock.model.datdot.records import (
    BlockRange,
    Copy,
    CopyState,
    OpenedNode,
    Opening,
    Report,
    RetrievalCommit,
    RetrievalReveal,
    Root,
    SignedHead,
    StorageChallenge,
    StorageProof,
    Terms,
)
from tests.support.differential.driver import UNIT, Account
from tests.support.differential.parties import Party
from tests.support.differential.segments import Tree, modulus, storage_proof
from tests.support.differential.small_feeds import Feed
from tests.support.model_chain import ModelChain

SALT = b"s" * 32


def signed_head(feed: Feed) -> SignedHead:
    """A feed's head as the model takes it."""
    head = feed.head()
    return SignedHead(**head | {"roots": [Root(**root) for root in head["roots"]]})


def nodes_of(found: list[dict[str, Any]]) -> list[OpenedNode]:
    return [OpenedNode(**node) for node in found]


class ModelWorld:
    """A sponsor, hosters, encoders, attesters and others, all registered and offering."""

    def __init__(
        self,
        hosters: int,
        encoders: int,
        attesters: int,
        name: str,
        capacity: int = 1 << 30,
        changed: dict[str, int] | None = None,
    ) -> None:
        kinds = {"hoster": hosters, "encoder": encoders, "attester": attesters, "other": 3}
        accounts = {kind: [Account.of(f"{kind} {n}") for n in range(count)] for kind, count in kinds.items()}
        self.chain = ModelChain([one for group in accounts.values() for one in group], name, changed)
        people = {kind: [Party(one, self.chain.genesis) for one in group] for kind, group in accounts.items()}
        self.hosters, self.encoders, self.attesters = people["hoster"], people["encoder"], people["attester"]
        self.sponsor, self.donor, self.second_sponsor = people["other"]
        self.people = [one for group in people.values() for one in group]
        self.by_id = {one.id: one for one in self.people}
        self.random = random.Random(name)
        self.trees: dict[int, Tree] = {}
        self.lost: dict[bytes, set[object]] = {}
        """Segments, and (segment, sector), that a hoster has not got any more."""
        self._commits: dict[tuple[int, int, bytes], tuple[Report, bytes, Opening | None]] = {}
        self._confirm_at: dict[int, int] = {}
        self._moduli = 0
        self.chain.block()
        for one in self.people:
            self.must(offers.register_peer, one.id, *one.bind().values())
        for one in self.hosters:
            self.must(offers.offer_hosting, one.id, capacity, UNIT, UNIT // 200, b"")
        for one in self.encoders:
            self.must(offers.offer_encoding, one.id, UNIT)
        for one in self.attesters:
            self.must(offers.offer_attesting, one.id, 10**9, one.chain(0).anchor, 1)

    def must(self, rule: Any, *arguments: Any) -> None:
        error = self.chain.call(rule, *arguments)
        assert error is None, error

    def publish(self, sponsor: Party, feed: Feed, pot: int, terms: Terms) -> str | None:
        whole = [BlockRange(0, feed.length)]
        return self.chain.call(plans.publish_plan, sponsor.id, signed_head(feed), whole, [], terms, pot)

    def step(self, check: bool = True) -> None:
        """A block, and everybody's duties in it."""
        self.chain.block(check)
        self.work()

    def work(self) -> None:
        copies = self.chain.all(items.Copies)
        for copy_id, copy in copies.items():
            if copy.state == CopyState.ASSIGNED and not self.declines(copy_id, copy):
                self._moduli += 1
                self.chain.call(segments.begin_segment, copy.encoder, copy_id, modulus(self._moduli), 1)
            elif copy.state == CopyState.ENCODING and copy.current is not None:
                ready = self._confirm_at.setdefault(copy.current, self.chain.number + self.random.randint(2, 6))
                if self.chain.number >= ready:
                    self.confirm_if_there(copy_id, copy)
        for hoster, challenge in self.chain.all(items.StorageChallenges).items():
            self.prove(hoster, challenge)
        if self.attesters:
            self._attest(copies)

    # what worlds with faults change

    def declines(self, copy_id: int, copy: Copy) -> bool:
        """Whether the drawn encoder does anything else than to begin."""
        return False

    def confirm_if_there(self, copy_id: int, copy: Copy) -> None:
        self.confirm(copy_id, copy)

    def cannot_prove(self, hoster: bytes, challenge: StorageChallenge) -> None:
        """What a hoster does that lost a sector."""

    def sees_served(self, attester: Party, copy: Copy) -> bool:
        return True

    # duties

    def confirm(self, copy_id: int, copy: Copy, size: int | None = None, by_hoster: bool = True) -> str | None:
        """Confirm the current segment, which is the rest unless `size` is given."""
        state, segment_id = self.chain.state, copy.current
        assert segment_id is not None
        segment = items.Segments.at(state, segment_id)
        size = copy.bytes - copy.stored_bytes if size is None else size
        sectors = -(-size // 256)
        context = segments.context_of(state, segment, copy.hoster)
        assert context is not None
        assert segment.salt is not None
        tree = Tree(segment_id, context, sectors)
        statement = segment_statement(
            self.chain.genesis,
            copy_id,
            segment_id,
            encoder=segment.encoder,
            hoster=copy.hoster,
            pk_hash=segment.pk_hash,
            salt=segment.salt,
            first_byte=segment.first_byte,
            size=size,
            sectors=sectors,
            root=tree.root,
        )
        sender, other = (copy.hoster, segment.encoder) if by_hoster else (segment.encoder, copy.hoster)
        signature = bytes(self.by_id[other].statement.sign(statement).signature)
        error = self.chain.call(segments.confirm_segment, sender, copy_id, segment_id, size, tree.root, signature)
        if error is None:
            self.trees[segment_id] = tree
        return error

    def prove(self, hoster: bytes, challenge: StorageChallenge) -> None:
        if challenge.issued >= self.chain.number:
            return
        lost = self.lost.get(hoster, set())
        if any(one.segment in lost or (one.segment, one.sector) in lost for one in challenge.samples):
            self.cannot_prove(hoster, challenge)
            return
        proof = storage_proof(self.trees, [(one.segment, one.sector) for one in challenge.samples])
        self.must(challenges.submit_storage_proof, hoster, challenge.issued, StorageProof(**proof))

    def _attest(self, copies: dict[int, Copy]) -> None:
        times = self.chain.times
        era, offset = divmod(self.chain.number, times.era)
        if offset == times.probe_blocks and era >= 2:
            for copy_id, copy in copies.items():
                tested = copy.active_since is not None and copy.active_since < era * times.era
                if tested and copy.state != CopyState.ENDED:
                    self._commit(era, copy_id, copy)
        if offset == times.reveal_from:
            for (of, copy_id, account), (report, link, opening) in list(self._commits.items()):
                if of == era - 1:
                    said = RetrievalReveal(copy_id, report, SALT, opening)
                    self.chain.call(retrieval.reveal_retrievals, account, of, link, [said])
                    del self._commits[of, copy_id, account]
        if offset == times.settle_from and era:
            for copy_id in copies:
                self.chain.call(retrieval.settle_retrieval, era - 1, copy_id)

    def _commit(self, era: int, copy_id: int, copy: Copy) -> None:
        """Commit for every seat of a copy's committee."""
        state, start = self.chain.state, era * self.chain.times.era
        for seat in retrieval._committee(state, era, copy_id, copy)[0]:
            party = self.by_id[seat.account]
            link = party.link(asdict(items.Attesters.at(state, party.id)), era)
            assert link is not None
            sectors = sum(part.sectors for part in copy.segments if part.since < start)
            found = segments.locate(copy, low(probe(link, copy_id, era, 0)) % sectors)
            assert found is not None
            report, opening, leaf = Report(0, 0, 0), None, bytes(32)
            if self.sees_served(party, copy):
                tree = self.trees[found[0]]
                report, opening, leaf = Report(1, 50, 900), Opening(**tree.open(found[1])), tree.leaf(found[1])
            sealed = commitment(self.chain.genesis, party.id, era, copy_id, report, link, leaf, SALT)
            if self.chain.call(retrieval.commit_retrievals, party.id, era, [RetrievalCommit(copy_id, sealed)]) is None:
                self._commits[era, copy_id, party.id] = report, link, opening
