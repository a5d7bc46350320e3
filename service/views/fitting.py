"""Why hosters do not fit a plan, by pallet-spec/README.md section 6, as far as the chain's state tells. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from service.chain_client.pallet.types import Hoster, Plan, RegisteredPeer
from service.roles.common.ratio import cost
from service.units import decimal

SECTOR = 256
REASONS = {
    "closed": "{} offer nothing at present",
    "overdue": "{} have a storage challenge that is overdue",
    "paused": "{} paused",
    "has": "{} keep a copy of it already, or gave one up",
    "room": "{} have not enough room left",
    "price": "{} ask for more than the plan pays (disk {}, receiving {} UNIT per GiB)",
    "region": "{} are in no region that the plan names",
    "reputation": "{} have a lower reputation than the plan asks for",
}
BY_TERMS = ("price", "region", "reputation")
"""The reasons that a change of the plan's terms can take away."""


def misfit(plan: Plan, hoster: Hoster, peer: RegisteredPeer | None, ratio: int, paused: bool) -> str | None:
    """Return the first reason for which a hoster does not fit a plan whose sponsor has a ratio in millionths, or None."""
    terms = plan.terms
    if not hoster.open:
        return "closed"
    if hoster.step:
        return "overdue"
    if paused:
        return "paused"
    if hoster.capacity - hoster.used < SECTOR * plan.sectors:
        return "room"
    if cost(hoster.ask_disk, ratio) > terms.max_ask_disk or cost(hoster.ask_receiving, ratio) > terms.max_ask_receiving:
        return "price"
    if terms.regions and not any(hoster.region.startswith(one) for one in terms.regions):
        return "region"
    return "reputation" if peer is None or peer.reputation < terms.min_reputation else None


@dataclass(frozen=True, slots=True)
class Misfits:
    """How many hosters fit a plan and have no copy of it yet, and how many do not, by reason."""

    counts: Counter[str]

    @property
    def fitting(self) -> int:
        """Hosters that fit and have no copy yet."""
        return self.counts[""]

    @property
    def by_terms(self) -> bool:
        """Whether other terms would make more of them fit."""
        return any(self.counts[name] for name in BY_TERMS)

    def sentences(self, plan: Plan) -> list[str]:
        """Return a sentence on the hosters that do not fit, for each reason."""
        caps = (decimal(plan.terms.max_ask_disk), decimal(plan.terms.max_ask_receiving))
        return [text.format(self.counts[name], *caps) for name, text in REASONS.items() if self.counts[name]]


def misfits(
    plan: Plan,
    hosters: Mapping[bytes, Hoster],
    peers: Mapping[bytes, RegisteredPeer],
    having: Collection[bytes],
    ratio: int,
    paused: Collection[bytes] = (),
) -> Misfits:
    """Count the hosters that fit a plan, and those that do not. `having` are those that have a copy, or gave one up."""
    counts: Counter[str] = Counter()
    for account, hoster in hosters.items():
        reason = misfit(plan, hoster, peers.get(account), ratio, account in paused)
        counts["has" if account in having else reason or ""] += 1
    return Misfits(counts)
