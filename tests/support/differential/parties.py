"""Who lives on both chains, with all keys, and how things are found there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from nacl.signing import SigningKey

from service.chain_client.operators import OPERABLE
from service.roles.attester.rules import LinkChain
from tests.support.differential.driver import Account, Outcome, Pair
from tests.support.differential.segments import Tree
from tests.support.differential.small_feeds import Feed

ED = 10**9
GIB = 1 << 30


def digest(*parts: object) -> bytes:
    """32 bytes that follow from anything."""
    return hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=32).digest()


class Party:
    """An account with its peer's keys and its attester's chains."""

    def __init__(self, account: Account, genesis: bytes) -> None:
        self.account, self.genesis = account, genesis
        self.swarm, self.statement = (SigningKey(digest(account.name, kind)) for kind in ("swarm", "statement"))
        self._chains: dict[int, LinkChain] = {}

    @property
    def id(self) -> bytes:
        return self.account.id

    def chain(self, number: int) -> LinkChain:
        if number not in self._chains:
            self._chains[number] = LinkChain(self.genesis, self.id, digest(self.account.name, "links", number))
        return self._chains[number]

    def link(self, attester: dict[str, Any], era: int) -> bytes | None:
        """The link of an era, by the last one shown; None where there is none."""
        steps = era - attester["link_era"]
        if steps == 0:
            found: bytes = attester["link"]
            return found
        for chain in self._chains.values():
            if chain.anchor == attester["anchor"]:
                age = 0
                while chain.link(age) != attester["link"]:
                    age += 1
                return chain.link(age + steps) if 0 <= age + steps <= 4096 else None
        return None

    def bind(self) -> dict[str, Any]:
        """The arguments of `register_peer`."""
        keys = bytes(self.swarm.verify_key), bytes(self.statement.verify_key)
        message = b"datdot/v1/bind\0" + self.genesis + self.id + keys[0] + keys[1]
        return {
            "swarm_key": keys[0],
            "statement_key": keys[1],
            "swarm_signature": bytes(self.swarm.sign(message).signature),
            "statement_signature": bytes(self.statement.sign(message).signature),
        }

    def rotate(self, number: int, statement: bytes | None = None) -> dict[str, Any]:
        """The arguments of `rotate_swarm_key` to the account's swarm key of that number; 0: the first.

        `statement` is the statement key that is signed with it, if not the account's own.
        """
        swarm = SigningKey(digest(self.account.name, "swarm", number)) if number else self.swarm
        key, own = bytes(swarm.verify_key), statement or bytes(self.statement.verify_key)
        message = b"datdot/v1/bind\0" + self.genesis + self.id + key + own
        return {"swarm_key": key, "signature": bytes(swarm.sign(message).signature)}


class Base:
    """All parties, and what they know beyond the chain."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.parties = [Party(account, pair.genesis) for account in pair.accounts]
        self._by_id = {party.id: party for party in self.parties}
        self.times: dict[str, int] = pair.value("DatDot", "Time")
        self.trees: dict[int, Tree] = {}
        self._committed: dict[tuple[int, int, bytes], dict[str, Any]] = {}
        self._moduli = 0
        self.outcomes: list[Outcome] = []
        # feeds that plans were published of, or grew to, by key, length and fork
        self.feeds: dict[tuple[bytes, int, int], Feed] = {}
        # reports that were committed to: in which block, by whom, of which copy, with what
        self.accusations: list[tuple[int, Party, int, dict[str, Any]]] = []
        self.actions: list[list[Any]] = []
        # who makes a party's calls, for all of the party's from then on
        self.operators: dict[bytes, Party] = {}

    @property
    def next_block(self) -> int:
        return self.pair.number + 1

    @property
    def era(self) -> int:
        return self.next_block // self.times["era"]

    def remember(self, feed: Feed) -> None:
        self.feeds[feed.key, feed.length, feed.fork] = feed

    def party(self, number: int) -> Party:
        return self.parties[number % len(self.parties)]

    def all(self, item: str) -> dict[Any, Any]:
        found: dict[Any, Any] = self.pair.entries("DatDot", item)
        return found

    def pick(self, item: str, number: int, wanted: Callable[[Any], bool] = lambda _: True) -> tuple[Any, Any]:
        """An entry of a map that is as wanted; else any; else none, under a key that is in no map."""
        entries = self.all(item)
        fitting = [key for key, value in entries.items() if wanted(value)] or list(entries)
        if not fitting:
            return number, None
        key = sorted(fitting)[number % len(fitting)]
        return key, entries[key]

    def call(self, party: Party | None, name: str, **arguments: Any) -> None:
        """A call of DatDot, by somebody whose keys are known here."""
        chosen = party or self.parties[-1]
        operator = self.operators.get(chosen.id)
        if operator is not None and name in OPERABLE:
            self.operate(operator, chosen.id, name, arguments)
        else:
            self.pair.submit(chosen.account, "DatDot", name, arguments)

    def operate(
        self, operator: Party, peer: bytes, name: str, arguments: dict[str, Any], pallet: str = "DatDot"
    ) -> None:
        """A call by an operator, or by who is none."""
        call = (pallet, (name, arguments))
        self.pair.submit(operator.account, "DatDot", "operate", {"peer": peer, "call": call})
