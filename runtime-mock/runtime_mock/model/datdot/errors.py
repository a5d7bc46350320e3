"""The pallet's errors."""

from __future__ import annotations

from enum import IntEnum

from ..frame.dispatch import ModuleError
from .limits import PALLET


class Error(IntEnum):
    """Why a call is refused. The texts are those of the pallet's metadata."""

    NotAPeer = 0
    AlreadyAPeer = 1
    KeyBound = 2
    SmallOrderKey = 3
    BadSignature = 4
    InsufficientBalance = 5
    AmountTooLarge = 6
    TooManyChanges = 7
    TableFull = 8
    NoOffer = 9
    OfferOpen = 10
    TooEarly = 11
    StillBound = 12
    BadSlotCount = 13
    BadManifest = 14
    WrongFeedKey = 15
    BadHead = 16
    BadRanges = 17
    BadNodes = 18
    BadPlanSize = 19
    BadTerms = 20
    PotTooSmall = 21
    NoSuchPlan = 22
    NotSponsor = 23
    PlanNotLive = 24
    AlreadyEnding = 25
    DonationTooSmall = 26
    PotExhausted = 27
    NotClaimable = 28
    NoShares = 29
    NoSuchCopy = 30
    NotParty = 31
    WrongState = 32
    TooManyDeclines = 33
    BadProfile = 34
    BadModulus = 35
    ModulusUsed = 36
    TooManyBegins = 37
    WrongSegment = 38
    BadSegmentBytes = 39
    TooManySegments = 40
    NoChallenge = 41
    WrongChallenge = 42
    WrongSectorCount = 43
    BadOpening = 44
    OutsideWindow = 45
    NotUnderTest = 46
    NoSeat = 47
    AlreadyCommitted = 48
    NotCommitted = 49
    AlreadyRevealed = 50
    BadReport = 51
    BadLink = 52
    CommitMismatch = 53
    AlreadySettled = 54
    FeedFrozen = 55
    BadExtension = 56
    HeadNotNewer = 57
    PlanFixed = 58
    AmendTooWide = 59
    AlreadyLeaving = 60
    PauseTooSoon = 61
    BadRegion = 62
    AlreadyReported = 63
    NoReport = 64
    NotProven = 65
    NothingSaid = 66
    TermsChanged = 67
    NotOperator = 68
    NotOperable = 69


def error(kind: Error) -> ModuleError:
    """Return one of the pallet's errors."""
    return ModuleError(PALLET, kind)


def ensure(rule: bool, kind: Error) -> None:
    """Raise the pallet's error unless the rule is kept."""
    if not rule:
        raise error(kind)
