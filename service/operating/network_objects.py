"""What everybody on the chain sees, as typed objects: plans and their copies, hosters, encoders, attesters; and feeds kept here."""

from __future__ import annotations

from dataclasses import dataclass

from .shapes import Sum


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A plan. `lasts_eras` is for how long its pot pays at the mean burn since it was published; null: nothing burned yet."""

    plan: int
    feed: str
    state: str
    sponsor: str
    bytes: int
    replicas: int
    served: int
    making: int
    pot: Sum
    burned: Sum
    burned_per_era: Sum
    lasts_eras: int | None
    until: int
    ends_in_eras: int


@dataclass(frozen=True, slots=True)
class PlanPage:
    """Plans, the newest first; `next` is to be given as `before` for the next page, or null.

    `total` counts all that were ever published. A page has fewer plans than asked for where many are over and gone.
    """

    block: int
    plans: list[PlanRow]
    total: int
    next: int | None


@dataclass(frozen=True, slots=True)
class PlanCopy:
    """A copy of a plan."""

    copy: int
    state: str
    hoster: str
    encoder: str | None
    here: bool
    """Whether this node keeps or makes it."""
    strikes: int
    leaving: int
    sectors: int
    confirmed_sectors: int
    offered: int
    begun: int | None
    """The block in which its first segment was begun; null before."""
    active_since: int | None
    failed_eras: list[int]
    """Of the last eight eras with a verdict those in which its test fetches failed."""


@dataclass(frozen=True, slots=True)
class PlanDonor:
    """An account with shares of a plan, in millionths of all."""

    account: str
    share: int
    sponsor: bool


@dataclass(frozen=True, slots=True)
class PlanDetail:
    """A plan with its copies, its donors, and why hosters do not fit, if one is missing."""

    block: int
    plan: PlanRow
    copies: list[PlanCopy]
    """Those that have not ended."""
    ended_copies: int
    """Copies that have ended and whose records the chain still keeps."""
    donors: list[PlanDonor]
    donors_total: int
    max_ask_disk: Sum
    max_ask_encoding: Sum
    max_ask_receiving: Sum
    report_price: Sum
    min_reputation: int
    regions: list[str]
    live: bool
    missing: int
    fitting: int
    """Hosters that fit its terms and keep none of its copies."""
    why_not: list[str]
    """Sentences on the others, by reason."""
    outlook: str
    """What happens next, if a copy is missing; else empty."""
    remedy: str
    published: int
    """The block in which it was published."""
    fresh: int
    """Changes with its terms and its head: a donation names it, and is refused for another."""
    era_blocks: int
    runs_out: int | None
    """The block in which the plan ends unpaid at its mean burn, if that is before its terms end; else null."""
    left_at_end: Sum
    """What is left in the pot at the plan's end, at its mean burn."""


@dataclass(frozen=True, slots=True)
class HosterRow:
    """A hoster."""

    account: str
    here: bool
    open: bool
    step: int
    reputation: int
    passed: int
    missed: int
    ask_disk: Sum
    ask_receiving: Sum
    capacity: int
    used: int
    copies: int
    region: str


@dataclass(frozen=True, slots=True)
class EncoderRow:
    """An encoder."""

    account: str
    here: bool
    open: bool
    ask: Sum
    jobs: int
    confirmed: int


@dataclass(frozen=True, slots=True)
class AttesterRow:
    """An attester."""

    account: str
    here: bool
    slots: int


@dataclass(frozen=True, slots=True)
class NetworkState:
    """The whole network at a block. Lists are bounded; the totals are not."""

    block: int
    plans: int
    """Plans that were ever published."""
    copies_live: int
    """Copies that have a hoster and have not ended."""
    bytes_stored: int
    """Whole sectors of theirs that are confirmed."""
    capacity: int
    minted: Sum
    burned: Sum
    hosters: list[HosterRow]
    hosters_total: int
    encoders: list[EncoderRow]
    encoders_total: int
    attesters: list[AttesterRow]
    attesters_total: int


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A feed of which there are blocks here."""

    feed: str
    length: int
    here: int
    bytes: int
    fork: int
    writable: bool


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Feeds by key."""

    feeds: list[FeedRow]
    total: int


@dataclass(frozen=True, slots=True)
class FeedFile:
    """A file of an archive in a feed."""

    path: str
    bytes: int
    executable: bool


@dataclass(frozen=True, slots=True)
class FeedDetail:
    """A feed, and the files in it if it is an archive that is all here; `why_no_files` says why there are none."""

    row: FeedRow
    discovery_key: str
    tree_hash: str | None
    ranges: list[list[int]]
    """The first runs of blocks that are here: first block, and the one after the last."""
    files: list[FeedFile]
    files_total: int
    why_no_files: str
