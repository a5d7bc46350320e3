"""What a sponsor's calls are refused for, and the plans they are about."""

from __future__ import annotations

from service.chain_client import BlockRef, ChainClient
from service.chain_client.pallet.types import Plan, PlanState

from .checks import BadHead, BadHeadSignature, BadRanges, BadTerms, PublicationError, SmallOrderKey, WrongFeedKey


class NoFunds(PublicationError):
    """The account cannot spend that much and keep the existential deposit."""


class AmendTooWide(BadTerms):
    """Terms that ask for more than the old ones, while others gave too much of the pot."""


class PlanRefused(PublicationError):
    """The plan does not exist, belongs to another account, or is in a state that does not allow the call."""


KINDS: dict[str, type[PublicationError]] = {
    "WrongFeedKey": WrongFeedKey,
    "BadManifest": WrongFeedKey,
    "BadSignature": BadHeadSignature,
    "SmallOrderKey": SmallOrderKey,
    "BadHead": BadHead,
    "BadRanges": BadRanges,
    "BadNodes": BadRanges,
    "BadPlanSize": BadRanges,
    "BadTerms": BadTerms,
    "AmendTooWide": AmendTooWide,
    "PotTooSmall": BadTerms,
    "DonationTooSmall": BadTerms,
    "AmountTooLarge": BadTerms,
    "InsufficientBalance": NoFunds,
    "NoSuchPlan": PlanRefused,
    "NotSponsor": PlanRefused,
    "PlanNotLive": PlanRefused,
    "AlreadyEnding": PlanRefused,
    "PotExhausted": PlanRefused,
    "TermsChanged": PlanRefused,
    "NotClaimable": PlanRefused,
    "NoShares": PlanRefused,
    "FeedFrozen": PlanRefused,
}
"""The kinds of the pallet's errors."""


def check_number(plan: int) -> None:
    """Raise PlanRefused if no plan can have that number."""
    if not 0 <= plan < 1 << 64:
        raise PlanRefused(f"plan {plan} does not exist")


async def find_plan(client: ChainClient, plan: int, at: BlockRef) -> Plan:
    """Return a plan. Raises PlanRefused."""
    found = await client.storage.plan(plan, at.hash)
    if found is None:
        raise PlanRefused(f"plan {plan} does not exist")
    return found


async def live_plan(client: ChainClient, plan: int, at: BlockRef) -> Plan:
    """Return a plan that goes on. Raises PlanRefused."""
    found = await find_plan(client, plan, at)
    if found.state is not PlanState.LIVE:
        raise PlanRefused(f"plan {plan} has ended")
    return found
