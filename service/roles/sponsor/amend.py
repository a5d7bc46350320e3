"""Changes of a plan's terms by its sponsor, checked by the chain's own rules first."""

from __future__ import annotations

from dataclasses import dataclass, replace

from service.address import ss58
from service.chain_client import BlockRef, ChainClient, Signer
from service.chain_client.pallet import calls
from service.chain_client.pallet.constants import WIDENING_PART
from service.chain_client.pallet.events import CopyLeaving
from service.chain_client.pallet.types import Terms

from ..common.submit import submit
from .checks import BadTerms, check_bounds, check_terms
from .refusals import KINDS, AmendTooWide, PlanRefused, check_number, find_plan, live_plan


@dataclass(frozen=True, slots=True)
class Changes:
    """The terms to change; None leaves one as it is."""

    replicas: int | None = None
    max_ask_disk: int | None = None
    max_ask_encoding: int | None = None
    max_ask_receiving: int | None = None
    until: int | None = None
    min_reputation: int | None = None
    regions: tuple[bytes, ...] | None = None
    max_latency_ms: int | None = None
    min_kib_per_s: int | None = None

    def of(self, terms: Terms) -> Terms:
        """Return `terms`, changed."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return replace(terms, **{name: value for name, value in named.items() if value is not None})

    def __bool__(self) -> bool:
        """Return whether anything changes."""
        return self != Changes()


@dataclass(frozen=True, slots=True)
class Amended:
    """A finalized change of terms; `leaving` are the copies that it lets go."""

    block: BlockRef
    leaving: tuple[int, ...]


async def amend_plan(client: ChainClient, signer: Signer, plan: int, changes: Changes) -> Amended:
    """Change the terms of a plan of ours and return once that is finalized.

    Raises PlanRefused, BadTerms and AmendTooWide before anything is sent, and ChainError.
    """
    check_number(plan)
    terms = changes.of((await find_plan(client, plan, await client.best())).terms)
    check_bounds(terms)

    async def check() -> None:
        best = await client.best()
        found = await live_plan(client, plan, best)
        if found.sponsor != signer.account:
            raise PlanRefused(f"plan {plan} was published by another account, {ss58(found.sponsor)}")
        if terms == found.terms:
            raise PlanRefused(f"plan {plan} has these terms already: nothing would change")
        check_change(found.terms, terms)
        check_terms(terms, client.times, best.number)
        check_until(found.terms.until, terms.until, best.number + 1 + client.times.end_notice)
        own = await client.storage.share(plan, signer.account, best.hash) or 0
        if WIDENING_PART * (found.shares - own) > found.founded:
            check_narrower(found.terms, terms)

    receipt = await submit(signer, calls.amend_plan(plan, terms), KINDS, check)
    events = [record.event for record in receipt.events]
    return Amended(receipt.block, tuple(event.copy for event in events if isinstance(event, CopyLeaving)))


def check_change(old: Terms, new: Terms) -> None:
    """Raise BadTerms for a change that nobody can make."""
    if new.report_price != old.report_price:
        raise BadTerms(f"the price of a report stays {old.report_price}")
    if new.live and not old.live:
        raise BadTerms("a plan that is not live cannot become so: publish another one")


def check_until(old: int, new: int, notice: int) -> None:
    """Raise BadTerms for a plan that would end sooner than with notice, which is over at block `notice`."""
    if new < min(old, notice):
        raise BadTerms(f"until {new}: a plan ends no sooner than with notice, at block {min(old, notice)}")


def check_narrower(old: Terms, new: Terms) -> None:
    """Raise AmendTooWide unless `new` asks for no more than `old`: others' money pays for it."""
    wider = [
        f"{text} {getattr(new, name)}, above {getattr(old, name)}"
        for name, text in (
            ("replicas", "replicas"),
            ("max_ask_disk", "cap for disk"),
            ("max_ask_encoding", "cap for encoding"),
            ("max_ask_receiving", "cap for receiving"),
            ("min_reputation", "least reputation"),
        )
        if getattr(new, name) > getattr(old, name)
    ]
    if new.regions not in (old.regions, ()):
        wider.append("other regions")
    wider += [
        f"{text} {getattr(new, name)}, not {getattr(old, name)}"
        for name, text in (("max_latency_ms", "latency"), ("min_kib_per_s", "throughput"))
        if getattr(new, name) != getattr(old, name)
    ]
    if wider:
        raise AmendTooWide(
            f"this asks for more ({'; '.join(wider)}), which a sponsor may only while others gave at most 1/{WIDENING_PART} of "
            "what it gave before them: only lower these terms, or publish another plan"
        )
