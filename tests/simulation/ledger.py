"""What the chain's events tell, block by block: nobody is paid twice for one challenge, and nothing goes wrong in quiet."""

from __future__ import annotations

from collections import Counter, defaultdict

from service.chain_client import ChainClient
from service.chain_client.pallet import events
from service.chain_client.pallet.types import Verdict
from service.chain_client.runtime.events import EventRecord

from .chain import SimChain


class Ledger:
    """Reads the whole finalized chain, once, at the end of a life."""

    def __init__(self) -> None:
        self._era = 1
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self._settled: set[tuple[int, int]] = set()
        self._proved: set[tuple[bytes, int]] = set()

    async def read(self, client: ChainClient, chain: SimChain, quiet: int) -> None:
        """`quiet`: the block from which on nothing may go wrong."""
        paid = 0
        self._era = client.times.era
        for number in range(1, chain.chain.finalized_number + 1):
            block = chain.chain.at(number)
            assert block is not None
            records = await client.events(block.hash)
            by_extrinsic: dict[int | None, list[EventRecord]] = defaultdict(list)
            for record in records:
                self.counts[record.name] += 1
                by_extrinsic[record.extrinsic].append(record)
                if isinstance(record.event, events.Paid):
                    paid += record.event.amount
                self._once(number, record)
                if number > quiet:
                    self._quiet(number, quiet, record)
            for own in by_extrinsic.values():
                self._paid_once(number, own)

    def _once(self, number: int, record: EventRecord) -> None:
        event = record.event
        if isinstance(event, events.RetrievalSettled):
            if (event.era, event.copy) in self._settled:
                self.failures.append(f"block {number}: era {event.era}, copy {event.copy} was settled twice")
            self._settled.add((event.era, event.copy))
        if isinstance(event, events.StorageProved):
            if (event.hoster, event.issued) in self._proved:
                self.failures.append(f"block {number}: the challenge of block {event.issued} was proved twice")
            self._proved.add((event.hoster, event.issued))

    def _paid_once(self, number: int, records: list[EventRecord]) -> None:
        """In the settlement of a challenge each account is paid once."""
        settled = [one.event for one in records if isinstance(one.event, events.RetrievalSettled)]
        if not settled:
            return
        paid = Counter(one.event.account for one in records if isinstance(one.event, events.Paid))
        for account, times in paid.items():
            if times > 1:
                self.failures.append(
                    f"block {number}: {account.hex()[:16]} was paid {times} times for era {settled[0].era}, "
                    f"copy {settled[0].copy}"
                )

    def _quiet(self, number: int, quiet: int, record: EventRecord) -> None:
        event = record.event
        missed = isinstance(event, events.StorageMissed) and event.issued > quiet
        failed = isinstance(event, events.RetrievalSettled) and event.verdict is Verdict.FAILED
        if missed or (failed and event.era * self._era > quiet):
            self.failures.append(f"block {number}: {event} though nothing went wrong since block {quiet}")
