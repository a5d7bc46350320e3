# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's errors, by their names on the chain."""

from __future__ import annotations

from enum import Enum


class PalletError(Enum):
    """Why a call of DatDot failed (pallet-spec/README.md section 16); `DispatchError.kind`."""

    #: The account has not registered.
    NOT_A_PEER = "NotAPeer"
    #: The account has registered before.
    ALREADY_A_PEER = "AlreadyAPeer"
    #: A key that is or was bound, or both keys are the same.
    KEY_BOUND = "KeyBound"
    #: A key or a signature's R is of small order.
    SMALL_ORDER_KEY = "SmallOrderKey"
    #: The signature is not one of that key over what must be signed.
    BAD_SIGNATURE = "BadSignature"
    #: The account cannot spend that and keep the existential deposit.
    INSUFFICIENT_BALANCE = "InsufficientBalance"
    #: An ask, cap, price or parameter above 10^24.
    AMOUNT_TOO_LARGE = "AmountTooLarge"
    #: 256 changes of the draw tables wait for that block already: try in the next one.
    TOO_MANY_CHANGES = "TooManyChanges"
    #: A draw table has no free slot.
    TABLE_FULL = "TableFull"
    #: There is no such offer, or it is withdrawn already.
    NO_OFFER = "NoOffer"
    #: The offer stands: withdraw it first.
    OFFER_OPEN = "OfferOpen"
    #: The role was left less than three eras ago.
    TOO_EARLY = "TooEarly"
    #: A job, a second half or a copy's record is left.
    STILL_BOUND = "StillBound"
    #: More than 16 slots, or none.
    BAD_SLOT_COUNT = "BadSlotCount"
    #: Not exactly a single signer's manifest of version 0 or 1.
    BAD_MANIFEST = "BadManifest"
    #: The manifest's hash is not the feed's key.
    WRONG_FEED_KEY = "WrongFeedKey"
    #: Fork, length or sizes out of range, or not the roots of that length.
    BAD_HEAD = "BadHead"
    #: No range, too many, or one that is empty, touching the one before it, not after it, or outside the feed.
    BAD_RANGES = "BadRanges"
    #: The opened nodes are not exactly those that prove the ranges' bytes.
    BAD_NODES = "BadNodes"
    #: No byte, or more than 256 GiB.
    BAD_PLAN_SIZE = "BadPlanSize"
    #: Replicas not 1 to 16, or `until` past or too far.
    BAD_TERMS = "BadTerms"
    #: Less than the reserves of all replicas at the caps for one era.
    POT_TOO_SMALL = "PotTooSmall"
    #: There is no such plan, or it is closed.
    NO_SUCH_PLAN = "NoSuchPlan"
    #: Only the plan's sponsor may do that.
    NOT_SPONSOR = "NotSponsor"
    #: The plan has ended.
    PLAN_NOT_LIVE = "PlanNotLive"
    #: `end_plan` was called before.
    ALREADY_ENDING = "AlreadyEnding"
    #: Less than the smallest donation.
    DONATION_TOO_SMALL = "DonationTooSmall"
    #: The pot is worth less than a millionth of its shares.
    POT_EXHAUSTED = "PotExhausted"
    #: The remainder is not fixed yet.
    NOT_CLAIMABLE = "NotClaimable"
    #: The account has no shares of the plan, or claimed before.
    NO_SHARES = "NoShares"
    #: There is no such copy, or its records are gone.
    NO_SUCH_COPY = "NoSuchCopy"
    #: Not the copy's hoster or its drawn encoder, whichever must call.
    NOT_PARTY = "NotParty"
    #: The copy's state does not allow that.
    WRONG_STATE = "WrongState"
    #: The hoster declined eight copies in this era.
    TOO_MANY_DECLINES = "TooManyDeclines"
    #: There is no such profile of the encoding.
    BAD_PROFILE = "BadProfile"
    #: The modulus is out of bound, even, or has a prime factor below 4096.
    BAD_MODULUS = "BadModulus"
    #: A segment was begun with that modulus before.
    MODULUS_USED = "ModulusUsed"
    #: 32 segments were begun in this block: try in the next one.
    TOO_MANY_BEGINS = "TooManyBegins"
    #: Not the copy's current segment.
    WRONG_SEGMENT = "WrongSegment"
    #: Neither the rest nor a partial segment's length.
    BAD_SEGMENT_BYTES = "BadSegmentBytes"
    #: The copy has 256 segments: the last must be the rest.
    TOO_MANY_SEGMENTS = "TooManySegments"
    #: No storage challenge is open.
    NO_CHALLENGE = "NoChallenge"
    #: The open challenge was issued in another block.
    WRONG_CHALLENGE = "WrongChallenge"
    #: Not one opening per sample.
    WRONG_OPENING_COUNT = "WrongOpeningCount"
    #: A sector with its siblings does not lead to its segment's root.
    BAD_OPENING = "BadOpening"
    #: The window of blocks is not open.
    OUTSIDE_WINDOW = "OutsideWindow"
    #: The copy was not active before that era, or not until its end.
    NOT_UNDER_TEST = "NotUnderTest"
    #: The account has no seat in that committee, or lost it.
    NO_SEAT = "NoSeat"
    #: The seat has its commit.
    ALREADY_COMMITTED = "AlreadyCommitted"
    #: The seat has no commit.
    NOT_COMMITTED = "NotCommitted"
    #: The seat has its report.
    ALREADY_REVEALED = "AlreadyRevealed"
    #: `served` is neither 0 nor 1, or an opening is missing or not wanted.
    BAD_REPORT = "BadReport"
    #: The link does not lead to the last one, or is another than this era's.
    BAD_LINK = "BadLink"
    #: The reveal is not what was committed.
    COMMIT_MISMATCH = "CommitMismatch"
    #: The challenge has its verdict.
    ALREADY_SETTLED = "AlreadySettled"
