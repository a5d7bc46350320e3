"""What fills the blocks of a large network: the answers to storage challenges, and commits, reveals and verdicts of retrieval."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from runtime_mock.chainspec import artifacts
from runtime_mock.model.datdot import challenges, crypto, items, merkle
from runtime_mock.model.datdot.records import Report, Retrieval, Seat
from runtime_mock.model.datdot.segments import context_of
from runtime_mock.model.frame import system
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie
from service.chain_client import Call, Runtime
from service.chain_client.pallet import calls, types
from service.chain_client.pallet.constants import MAX_RETRIEVALS
from service.chain_client.runtime.extrinsic import Mortality, payload, signed
from service.roles.hoster.proofs import storage_proof

from ._network import SECTORS, Network, Party, go_to, made_up
from .proof import SparseTree

#: A block has room for no more challenges, and for no more calls of as many attesters.
CHALLENGED, SPEAKING = 640, 80
#: Challenges that a block issues at most.
ISSUED = 8

Signed = tuple[Party, Call]


class Load:
    """A network with open challenges, whose trees are real along all paths that are asked for; and what its parties send.

    `state` is that near the end of an era, `earlier` the same where the last era's reports are to be revealed.
    """

    def __init__(self, network: Network, spec_version: int, transaction_version: int) -> None:
        self.network = network
        self._runtime = Runtime((artifacts() / "metadata.scale").read_bytes(), spec_version, transaction_version)
        self.challenged = min(CHALLENGED, network.hosters // 2)
        self.speaking = network.attesting[:SPEAKING]
        self.revealing = self._seats(network.era - 1, range(network.open_verdicts))
        some = (copy for copy in range(network.copies) if copy < network.open_verdicts or copy % 3)
        self.committing = self._seats(network.era, some)
        self._challenge()
        self._trees = self._plant()
        self.state = network.state.trie()
        self.earlier = self._earlier()

    # ---- the state

    def _seats(self, era: int, copies: Iterable[int]) -> dict[Party, list[int]]:
        """Return the copies on whose committees those who speak sit, as many as a call takes of each."""
        found: dict[Party, list[int]] = {party: [] for party in self.speaking}
        for copy in copies:
            for party in self.network.committee(era, copy):
                if len(found.get(party, range(MAX_RETRIEVALS))) < MAX_RETRIEVALS:
                    found[party].append(copy)
            if all(len(some) == MAX_RETRIEVALS for some in found.values()):
                break
        return {party: some for party, some in found.items() if some}

    def _challenge(self) -> None:
        """Let the chain have issued challenges in the last blocks, which nobody has answered."""
        network = self.network
        for number in range(self.challenged):
            system.Number.put(network.state, network.at - (self.challenged - 1 - number) // ISSUED)
            hoster = network.hosting[number * network.hosters // self.challenged]
            challenges._challenge(network.state, hoster.id)
        system.reset_events(network.state)
        system.Number.put(network.state, network.at)

    def _plant(self) -> dict[int, SparseTree]:
        """Give each segment that is asked for a root to which the sectors lead. Return the trees."""
        network = self.network
        wanted: dict[int, set[int]] = defaultdict(set)
        for party in network.hosting:
            challenge = items.StorageChallenges.get(network.state, party.id)
            for sample in challenge.samples if challenge else ():
                wanted[sample.segment].add(sample.sector)
        for party, copies in self.revealing.items():
            for copy in copies:
                wanted[copy].add(network.probed(party, copy))
        trees = {}
        for number, sectors in wanted.items():
            segment = items.Segments.at(network.state, number)
            tree = trees[number] = SparseTree(self._context(number), SECTORS, sorted(sectors), number)
            segment.root = tree.root
            items.Segments.put(network.state, number, segment)
        return trees

    def _context(self, number: int) -> bytes:
        segment = items.Segments.at(self.network.state, number)
        found = context_of(self.network.state, segment, self.network.hoster_of(number).id)
        assert found is not None
        return found

    def _earlier(self) -> Trie:
        """Return the state a while after the era began, when reports of the last one are committed to and not revealed."""
        network, state = self.network, Overlay(self.state)
        block, era = network.era * network.times.era + network.times.reveal_from, network.era - 1
        go_to(state, block)
        items.Seeds.put(state, block, made_up("seed", block))
        for party in network.attesting:
            attester = items.Attesters.at(state, party.id)
            attester.link_era = era - 1
            attester.link = crypto.next_link(network.genesis, party.id, network.link(party))
            items.Attesters.put(state, party.id, attester)
        for party, copies in self.revealing.items():
            for copy in copies:
                record = items.Retrievals.at(state, era, copy)
                seats = [self._unsaid(seat, party, copy) for seat in record.seats]
                items.Retrievals.put(state, era, copy, Retrieval(seats, False))
        return state.trie()

    def _unsaid(self, seat: Seat, party: Party, copy: int) -> Seat:
        """Return a seat, that of the party with its commit and without its report."""
        return Seat(seat.slot, seat.account, self._commit(party, copy), None) if seat.account == party.id else seat

    def _commit(self, party: Party, copy: int) -> bytes:
        network, index = self.network, self.network.probed(party, copy)
        shown = merkle.leaf(self._context(copy), index, self._trees[copy].data[index])
        report, link = network.report(party, copy), network.link(party)
        salt = made_up("salt", party.id.hex())
        return crypto.commitment(network.genesis, party.id, network.era - 1, copy, report, link, shown, salt)

    # ---- extrinsics

    def proofs(self) -> Iterator[Signed]:
        """Yield the answers to all open challenges."""
        for party in self.network.hosting:
            challenge = items.StorageChallenges.get(self.network.state, party.id)
            if challenge is not None:
                samples = [types.Sample(one.copy, one.segment, one.sector) for one in challenge.samples]
                openings = [self._trees[one.segment].opening(one.sector) for one in samples]
                proof = storage_proof(samples, openings, {one.segment: SECTORS for one in samples})
                yield party, calls.submit_storage_proof(challenge.issued, proof)

    def commits(self) -> Iterator[Signed]:
        """Yield commits of attesters to reports of this era, none of whose records is there yet."""
        era = self.network.era
        for party, copies in self.committing.items():
            said = tuple(types.RetrievalCommit(copy, made_up("commit", era, copy)) for copy in copies)
            yield party, calls.commit_retrievals(era, said)

    def reveals(self) -> Iterator[Signed]:
        """Yield what attesters reveal of what they committed to in the last era: all were served."""
        network = self.network
        for party, copies in self.revealing.items():
            said = tuple(self._reveal(party, copy) for copy in copies)
            yield party, calls.reveal_retrievals(network.era - 1, network.link(party), said)

    def _reveal(self, party: Party, copy: int) -> types.RetrievalReveal:
        opening = self._trees[copy].opening(self.network.probed(party, copy))
        shown = types.ChainOpening(opening.data, opening.siblings)
        said = types.Report(*_fields(self.network.report(party, copy)))
        return types.RetrievalReveal(copy, said, made_up("salt", party.id.hex()), shown)

    def settlements(self) -> Iterator[Signed]:
        """Yield settlements of the last era's verdicts."""
        for copy in range(self.network.open_verdicts):
            party = self.network.sponsors[copy % len(self.network.sponsors)]
            yield party, calls.settle_retrieval(self.network.era - 1, copy)

    def signed(self, wanted: Iterable[Signed], last: int) -> Iterator[bytes]:
        """Sign for the block after `last`, each account's in their order."""
        nonces: Counter[bytes] = Counter()
        born = Mortality(last, made_up("block", last))
        for party, call in wanted:
            encoded, nonce = self._runtime.encode_call(call), nonces[party.id]
            nonces[party.id] += 1
            runtime, genesis = self._runtime, self.network.genesis
            message = payload(encoded, born, nonce, runtime.spec_version, runtime.transaction_version, genesis)
            yield signed(party.id, party.sign(message), encoded, born, nonce)


def _fields(report: Report) -> tuple[int, int, int]:
    return report.served, report.latency_ms, report.kib_per_s
