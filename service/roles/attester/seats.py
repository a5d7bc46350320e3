"""An attester's seats of an era: found by the numbers of the copies first; only a copy that may have one is read."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.chain_client import ChainClient
from service.chain_client.pallet.constants import SEAT_DRAWS
from service.chain_client.pallet.types import Copy, CopyState, Slot

from .rules import committee, draw_start, may_sit, seat_slots, u128

SLICE = 256
"""Copies that are read at once: the event loop is free between two slices."""
MOST_KNOWN = 200_000
"""Copies of which is kept what their draws weigh; more are read anew where their numbers do not rule us out."""
UNREAD_PARTIES = 2
"""Of a copy that was never read: its sponsor and its hoster may be attesters. Encoders are passed over by their table."""
READ_PARTIES = 1
"""Of a copy that was read: the encoder that makes it longer now."""
COUNTERS = tuple(ctr.to_bytes(4, "little") for ctr in range(SEAT_DRAWS))


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a copy's draws weigh and no event changes once it was active: the price of a report, and who is barred."""

    price: int
    barred: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """What the committees of an era are drawn from. `slots` has None at a hole."""

    era: int
    start: int
    seed: bytes
    seats: int
    slots: Sequence[Slot | None]

    def has(self, account: bytes, number: int, copy: Copy, sponsor: bytes, price: int) -> bool:
        """Return whether the account sits for a copy, with a slot that it has not renewed in this era."""
        if copy.state is CopyState.ENDED or copy.active_since is None or copy.active_since >= self.start:
            return False
        barred = frozenset({sponsor, copy.hoster, *copy.encoders} | ({copy.encoder} if copy.encoder else set()))
        drawn = (self.slots[place] for place in seat_slots(self.seed, number, self.era, len(self.slots)))
        seated = committee(drawn, self.seats, self.era, self.start, barred, price)
        own = next((slot for slot in seated if slot.account == account), None)
        return own is not None and max(own.renewed, default=0) < self.era


class Sieve:
    """The draw of an era for one account, by the numbers of copies alone: it tells the copies that can have no seat for it.

    `encoders` are the attesters that may have encoded something. `cheapest` is the account's lowest ask, None if no slot of
    it can sit in this era.
    """

    def __init__(self, draw: Draw, account: bytes, encoders: Collection[bytes]) -> None:
        self._seed, self._era, self._seats = draw.seed, draw.era, draw.seats
        sitting = [slot if slot is not None and may_sit(slot, draw.era, draw.start) else None for slot in draw.slots]
        self._who = [None if slot is None else slot.account for slot in sitting]
        self._asks = [0 if slot is None else slot.ask for slot in sitting]
        self._account, self._encoders = account, frozenset(encoders)
        own = [slot.ask for slot in sitting if slot is not None and slot.account == account]
        self.cheapest = min(own, default=None)

    def left(self, numbers: Iterable[int], known: Mapping[int, Weighed]) -> list[int]:
        """Return the numbers of those copies for which the account may sit: few more than those for which it does."""
        return [number for number in numbers if self._may(number, known.get(number))]

    def _may(self, number: int, weighed: Weighed | None) -> bool:
        """Return False if so many others are drawn before the account that its seat is taken, whatever the copy says.

        Of a copy that was never read the price is unknown, but where we sit it is not below our own ask: who asks no more
        than we do takes a seat before us, unless it is a party.
        """
        if self.cheapest is None:
            return False
        if weighed is None:
            price, barred, parties = self.cheapest, self._encoders, UNREAD_PARTIES
        else:
            price, barred, parties = weighed.price, frozenset(weighed.barred), READ_PARTIES
        if self._account in barred and weighed is not None:
            return False
        begun = hashlib.blake2b(draw_start(self._seed, number, self._era), digest_size=32)
        who, asks, count, account = self._who, self._asks, len(self._who), self._account
        before, full = set[bytes](), self._seats + parties
        for ctr in COUNTERS:
            one = begun.copy()
            one.update(ctr)
            place = u128(one.digest()) % count
            drawn = who[place]
            if drawn == account and (weighed is None or asks[place] <= price):
                return True
            if drawn is not None and asks[place] <= price and drawn not in barred:
                before.add(drawn)
                if len(before) == full:
                    return False
        return False


class SeatSearch:
    """An account's search for its seats, era after era. What events do not change of a copy is kept between them."""

    def __init__(self, client: ChainClient, account: bytes) -> None:
        self._client, self._account = client, account
        self._known: dict[int, Weighed] = {}
        self._names: dict[bytes, bytes] = {}
        """Each account of `_known` once."""

    async def find(self, era: int, at: bytes) -> dict[int, Copy]:
        """Return the copies under test in `era` on whose committee the account sits (pallet-spec/README.md section 10).

        `at` is the hash of a block of that era. The draw goes over the numbers of all copies, beside the event loop, since
        the probes of other roles must not wait for it; those copies are read whose numbers do not rule the account out.
        Raises ChainError.
        """
        draw = await self._draw(era, at)
        if draw is None:
            return {}
        sieve = Sieve(draw, self._account, await self._encoders(draw, at))
        if sieve.cheapest is None:
            return {}
        found: dict[int, Copy] = {}
        terms: dict[int, tuple[bytes, int]] = {}
        kept: dict[int, Weighed] = {}
        async for numbers in self._left(sieve, kept, at):
            found |= await self._seated(draw, numbers, kept, terms, at)
        self._known = kept
        self._names = {name: name for weighed in kept.values() for name in weighed.barred}
        return found

    async def _draw(self, era: int, at: bytes) -> Draw | None:
        storage, times = self._client.storage, self._client.times
        info, before = await storage.era(era, at), await storage.era(era - 1, at) if era else None
        if era < 2 or info is None or before is None or not before.slots:
            return None
        slots = await storage.slots_of(range(before.slots), at)
        return Draw(era, era * times.era, info.seed, times.seats, [slots.get(place) for place in range(before.slots)])

    async def _encoders(self, draw: Draw, at: bytes) -> set[bytes]:
        """Return the attesters that ever offered to encode: of a copy that was not read, each of them may be a party."""
        return await self._client.storage.encoders_among({slot.account for slot in draw.slots if slot is not None}, at)

    async def _left(self, sieve: Sieve, kept: dict[int, Weighed], at: bytes) -> AsyncIterator[list[int]]:
        """Yield the numbers of the copies that must be read, a slice at a time; keep what is known of those that exist."""
        waiting: list[int] = []
        async for numbers in self._client.storage.numbers_of_copies(at):
            kept |= {number: self._known[number] for number in numbers if number in self._known}
            waiting += await asyncio.to_thread(sieve.left, numbers, self._known)
            while len(waiting) >= SLICE:
                yield waiting[:SLICE]
                waiting = waiting[SLICE:]
        if waiting:
            yield waiting

    async def _seated(
        self,
        draw: Draw,
        numbers: list[int],
        kept: dict[int, Weighed],
        terms: dict[int, tuple[bytes, int]],
        at: bytes,
    ) -> dict[int, Copy]:
        """Read some copies, and the terms of their plans that are not known, and return those with a seat of ours."""
        storage = self._client.storage
        copies = await storage.copies_of(numbers, at)
        missing = {copy.plan for copy in copies.values()} - terms.keys()
        for plan_id, plan in (await storage.plans_of(missing, at)).items():
            terms[plan_id] = plan.sponsor, plan.terms.report_price
        for number, copy in copies.items():
            lasts = copy.active_since is not None and copy.state is not CopyState.ENDED
            if lasts and copy.plan in terms and (number in kept or len(kept) < MOST_KNOWN):
                sponsor, price = terms[copy.plan]
                parties = dict.fromkeys((sponsor, copy.hoster, *copy.encoders))
                kept[number] = Weighed(price, tuple(self._names.setdefault(one, one) for one in parties))
        return await asyncio.to_thread(_with_seat, draw, self._account, copies, terms)


def _with_seat(
    draw: Draw, account: bytes, copies: Mapping[int, Copy], terms: Mapping[int, tuple[bytes, int]]
) -> dict[int, Copy]:
    return {
        number: copy
        for number, copy in copies.items()
        if copy.plan in terms and draw.has(account, number, copy, *terms[copy.plan])
    }
