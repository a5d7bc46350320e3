"""What the ratio costs who takes and does not give, with the chain's own arithmetic (pallet-spec/README.md sections 11 and 19)."""

from __future__ import annotations

from dataclasses import dataclass

from runtime_mock.model.datdot import items
from runtime_mock.model.datdot.limits import UNIT
from runtime_mock.model.datdot.money import count_given, count_taken
from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS
from runtime_mock.model.datdot.ratio import cost
from runtime_mock.model.datdot.types import Peer
from tests.support.model_chain import DictState

from .catalogue import Figures, Said, derive, limits, specified
from .words import units

TAKEN = 100 * UNIT
STEPS = 400
"""Payments in which an amount is taken."""
ROUNDS = 200
MOST_PEERS = 60


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the chain's ratios, in a state of its own."""

    state: DictState
    id: bytes = bytes(32)

    @classmethod
    def fresh(cls) -> Account:
        """Return a new peer."""
        one = cls(DictState())
        items.Peers.put(one.state, one.id, Peer(bytes(32), bytes(32), 0, 0))
        return one

    def take(self, amount: int, steps: int = STEPS) -> int:
        """Take an amount in so many payments. Return the surcharge."""
        burned = 0
        for _ in range(steps):
            base = amount // steps
            count_taken(self.state, self.id, base)
            due = cost(self.state, self.id, base) - base
            count_taken(self.state, self.id, due)
            burned += due
        return burned

    def owe(self, amount: int) -> None:
        """Have taken an amount."""
        count_taken(self.state, self.id, amount)

    def give(self, amount: int) -> None:
        """Earn an amount."""
        count_given(self.state, self.id, amount)


def circular(each_way: int) -> int:
    """Return what it costs to take it all, when two accounts of one owner have hosted so much for each other before."""
    first, second, burned = Account.fresh(), Account.fresh(), 0
    for _ in range(ROUNDS):
        part = each_way // ROUNDS
        burned += first.take(part, 1) + second.take(part, 1)
        first.give(part)
        second.give(part)
    return burned + first.take(TAKEN)


def over_peers(count: int) -> int:
    """Return what it costs to take it all in equal parts by so many new peers."""
    return count * (DEFAULT_AMOUNTS.peer_fee + Account.fresh().take(TAKEN // count))


def _ratio_says(found: Figures) -> tuple[Said, ...]:
    alone, deal, peers, fair = (units(found[name]) for name in ("alone", "circular", "over peers", "fair"))
    return (
        *specified(
            19,
            f"The ratio: taking {units(TAKEN)} UNIT and giving none costs {alone} more, with the best circular deal {deal}, over "
            f"{found['peers']} new peers {peers}. Who gives as much pays {fair}.",
        ),
        *limits(
            f"taking {units(TAKEN)} UNIT costs {alone} more, over {found['peers']} new peers {peers}.",
        ),
    )


@derive(
    "ratio",
    "100 UNIT are taken in 400 equal payments, as much by each new peer; "
    "circular: two accounts of one owner give each other equal amounts, of which the "
    "best is sought in steps of 10 UNIT; each new peer pays its registration",
    _ratio_says,
)
def ratio() -> Figures:
    """What is paid on top of 100 UNIT that are taken by who gives nothing, and by who seems to give."""
    fair = Account.fresh()
    fair.give(TAKEN)
    deals = {part: circular(part * UNIT) for part in range(0, 101, 10)}
    peers = {count: over_peers(count) for count in range(1, MOST_PEERS)}
    best, most = min(deals, key=deals.__getitem__), min(peers, key=peers.__getitem__)
    return {
        "alone": Account.fresh().take(TAKEN),
        "circular": deals[best],
        "circular, each way": best,
        "over peers": peers[most],
        "peers": most,
        "fair": fair.take(TAKEN),
    }
