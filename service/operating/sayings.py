"""What each event of the pallet means to an account, one function for each. A test holds them against all events there are."""

from __future__ import annotations

from service.chain_client.pallet.constants import PPM
from service.chain_client.pallet.errors import PalletError
from service.views.remedies import AFTER, MEANWHILE, answer

from .sayings_of_copies import SAYINGS_OF_COPIES
from .words import Fields, Says, Words, penalty, unit, warning


def _peer_registered(event: Fields, me: str) -> Words:
    return Words(f"registered with the swarm key {event['swarm_key']}")


def _swarm_key_rotated(event: Fields, me: str) -> Words:
    return Words(f"has the swarm key {event['swarm_key']} now, in place of {event['old_key']}")


def _operator_set(event: Fields, me: str) -> Words:
    operator = event["operator"]
    if operator is None:
        return Words(
            f"nobody makes the calls of {event['account']} but itself: a node with an operator's vault does no work"
        )
    return Words(f"{operator} is the operator of {event['account']}, and no other before it")


def _hosting_offered(event: Fields, me: str) -> Words:
    return Words(
        f"{event['capacity']} bytes are offered for {unit(event['ask_disk'])} per GiB and era; "
        f"{unit(event['collateral'])} are on hold as collateral"
    )


def _encoding_offered(event: Fields, me: str) -> Words:
    return Words(f"encoding is offered for {unit(event['ask'])} per GiB; {unit(event['bond'])} are on hold as bond")


def _attesting_offered(event: Fields, me: str) -> Words:
    return Words(f"{event['slots']} attester slots are taken, for {unit(event['ask'])} a report")


def _offer_withdrawn(event: Fields, me: str) -> Words:
    return Words(f"the offer of {event['role']} was withdrawn: nothing new is drawn for it")


def _released(event: Fields, me: str) -> Words:
    return Words(f"{unit(event['amount'])} that were on hold for {event['role']} are free")


def _slot_freed(event: Fields, me: str) -> Words:
    return Words(f"slot {event['slot']} was given back; {unit(event['amount'])} of its bond are free")


def _slot_taken_back(event: Fields, me: str) -> Words:
    if event["account"] != me:
        return Words(f"slot {event['slot']} was taken back: less than half of its bond was left")
    return penalty(
        f"slot {event['slot']} was taken back; what is left of its bond is free in three eras",
        "so many of its seats had no valid report that less than half of its bond was left",
        "the node takes another slot by itself; let it run all the time, or offer fewer slots",
    )


# ---- plans


def _plan_published(event: Fields, me: str) -> Words:
    return Words(f"plan {event['plan']} was published for feed {event['feed']} with a pot of {unit(event['pot'])}")


def _donated(event: Fields, me: str) -> Words:
    giver = "this account" if event["account"] == me else str(event["account"])
    return Words(f"{giver} gave {unit(event['amount'])} to plan {event['plan']}")


def _plan_ending(event: Fields, me: str) -> Words:
    return warning(
        f"plan {event['plan']} ends in block {event['block']}",
        "its sponsor called for its end, or its feed was forked",
        "copies are kept and paid until then; publish another plan if the feed is to stay online",
    )


def _pot_low(event: Fields, me: str) -> Words:
    return warning(
        f"the pot of plan {event['plan']} may not pay its tick in block {event['block']}",
        "after the last tick less was left in it than one era of its copies costs",
        f"give to it before that block: datdot plan donate {event['plan']} AMOUNT; else the plan ends there",
    )


_PLAN_ENDS = {
    "Until": ("it reached the block until which it was to run", "publish another plan if the feed is to stay online"),
    "Unpaid": ("its pot could not pay a tick", "publish another plan with a larger pot, and give to it in time"),
    "Called": ("its sponsor called for its end", "claim your share when it is claimable"),
    "Frozen": ("the feed's owner signed two histories", "a frozen feed gets no plan again; publish a new feed"),
    "Forked": ("its feed was forked", "publish a plan of the fork that is to be kept"),
}


def _plan_ended(event: Fields, me: str) -> Words:
    why, remedy = _PLAN_ENDS.get(event["reason"], (str(event["reason"]), "look at the plan: datdot plan show ID"))
    text = f"plan {event['plan']} ended, and its copies with it"
    return Words(text, why=why) if event["reason"] in ("Until", "Called") else warning(text, why, remedy)


def _plan_claimable(event: Fields, me: str) -> Words:
    return warning(
        f"{unit(event['remainder'])} of plan {event['plan']} wait for those who gave to it",
        "the plan ended, and what its pot did not spend goes back",
        f"claim your share: datdot plan claim {event['plan']}",
    )


def _refunded(event: Fields, me: str) -> Words:
    giver = "this account" if event["account"] == me else str(event["account"])
    return Words(f"{giver} got {unit(event['amount'])} back from plan {event['plan']}")


def _plan_closed(event: Fields, me: str) -> Words:
    return Words(f"the last share of plan {event['plan']} was claimed: it is gone")


def _head_updated(event: Fields, me: str) -> Words:
    return Words(f"plan {event['plan']} follows its feed to {event['length']} blocks, {event['bytes']} bytes")


def _plan_waits(event: Fields, me: str) -> Words:
    return warning(
        f"plan {event['plan']} wants no hoster before its next tick",
        "nobody could get or encode its feed",
        "make sure that a node serves the feed (datdot feed serve KEY --bootstrap NODE) until the copies are made",
    )


def _need_sleeps(event: Fields, me: str) -> Words:
    return warning(
        f"plan {event['plan']} found no hoster; it asks again at its next tick",
        "no hoster with room asks as little as the plan pays, in its regions and with its least reputation",
        f"raise the caps or lower what the plan asks for: datdot plan amend {event['plan']} --max-ask-disk X",
    )


def _surcharged(event: Fields, me: str) -> Words:
    if int(event["amount"]) == 0:
        return Words(f"plan {event['plan']} paid {unit(event['base'])} and no surcharge")
    return warning(
        f"the pot of plan {event['plan']} lost {unit(event['amount'])} beyond the {unit(event['base'])} that it paid",
        "its sponsor's ratio is below 1: its account took more from the network than it gave",
        "host, encode or attest with the sponsor's account: datdot ratio shows what an ask costs",
    )


def _plan_amended(event: Fields, me: str) -> Words:
    return Words(f"the terms of plan {event['plan']} changed")


# ---- the hoster's ladder, attesting, everybody


def _storage_challenged(event: Fields, me: str) -> Words:
    return Words(f"{event['samples']} sectors are to be proved for the challenge of block {event['issued']}")


def _storage_proved(event: Fields, me: str) -> Words:
    return Words(f"the challenge of block {event['issued']} was answered; reputation {_percent(event['reputation'])}")


def _storage_missed(event: Fields, me: str) -> Words:
    return penalty(
        f"the challenge of block {event['issued']} was missed; reputation fell to {_percent(event['reputation'])}",
        "no proof came in time, or a copy that was asked for was declared lost",
        "let the node run and answer: an answer before the last deadline makes it good (datdot hoster status)",
    )


def _hoster_overdue(event: Fields, me: str) -> Words:
    suspended, how = int(event["step"]) > 1, answer(int(event["due"]))
    return penalty(
        f"{'suspended' if suspended else 'warned'}: the challenge of block {event['issued']} is overdue",
        f"no proof came by its deadline; until it does {MEANWHILE}",
        f"{how}. {AFTER}" if suspended else how,
    )


def _hoster_cleared(event: Fields, me: str) -> Words:
    return Words("no proof is owed any more")


def _hoster_evicted(event: Fields, me: str) -> Words:
    return penalty(
        "evicted: all copies of this hoster end, each for half of its collateral",
        "a storage challenge was answered by none of its three deadlines",
        "find out why the node was away or could not pay a proof's fee; when all copies have ended, offer again",
    )


def _hoster_paused(event: Fields, me: str) -> Words:
    return Words(f"a pause: this hoster may be away in blocks {int(event['start']) + 1} to {event['end']}")


def _retrieval_committed(event: Fields, me: str) -> Words:
    return Words(f"a report on copy {event['copy']} in era {event['era']} was fixed by {event['account']}")


def _retrieval_refused(event: Fields, me: str) -> Words:
    names = [error.value for error in PalletError]
    why = names[event["error"]] if event["error"] < len(names) else f"error {event['error']}"
    text = f"the chain did not take what {event['account']} said of copy {event['copy']} in era {event['era']}: {why}"
    if event["account"] != me:
        return Words(text)
    return warning(
        text,
        "the copy ended meanwhile, or it was said before",
        "nothing is to be done, unless this comes in each era: then the clock of the node or its database is an old one",
    )


def _retrieval_revealed(event: Fields, me: str) -> Words:
    return Words(f"a report on copy {event['copy']} in era {event['era']} was shown by {event['account']}")


def _seat_empty_handed(event: Fields, me: str) -> Words:
    text = f"the seat of slot {event['slot']} for copy {event['copy']} in era {event['era']} had no valid report"
    if event["account"] != me:
        return Words(text)
    return penalty(
        f"{text}; {unit(event['burned'])} of its bond were taken",
        "the node was away, could not reach the chain in time, or had lost the secrets of its anchor",
        "let an attester run all the time, with its directory; before a longer absence give the slots back",
    )


def _parameters_set(event: Fields, me: str) -> Words:
    return warning(
        "the chain's fees, fines and deposits were changed",
        "its root set them",
        "look whether what is on hold and what is offered still fits: datdot hoster status",
    )


def _seed_set(event: Fields, me: str) -> Words:
    return warning(
        "the chain's draws are no longer random", "its root set the seed", "this is for tests; ask who runs the chain"
    )


def _seed_unset(event: Fields, me: str) -> Words:
    return Words("the chain's draws are random again")


def _feed_is_frozen(event: Fields, me: str) -> Words:
    return warning(
        f"feed {event['feed']} is frozen: no plan of it goes on",
        "its owner signed two histories of it",
        "publish a new feed; find out who has its secret key",
    )


def _percent(ppm: object) -> str:
    return f"{int(str(ppm)) * 100 / PPM:.1f} %"


SAYINGS: dict[str, Says] = {
    **SAYINGS_OF_COPIES,
    "PeerRegistered": _peer_registered,
    "SwarmKeyRotated": _swarm_key_rotated,
    "OperatorSet": _operator_set,
    "HostingOffered": _hosting_offered,
    "EncodingOffered": _encoding_offered,
    "AttestingOffered": _attesting_offered,
    "OfferWithdrawn": _offer_withdrawn,
    "Released": _released,
    "SlotFreed": _slot_freed,
    "SlotTakenBack": _slot_taken_back,
    "PlanPublished": _plan_published,
    "Donated": _donated,
    "PlanEnding": _plan_ending,
    "PotLow": _pot_low,
    "PlanEnded": _plan_ended,
    "PlanClaimable": _plan_claimable,
    "Refunded": _refunded,
    "PlanClosed": _plan_closed,
    "HeadUpdated": _head_updated,
    "PlanWaits": _plan_waits,
    "NeedSleeps": _need_sleeps,
    "Surcharged": _surcharged,
    "PlanAmended": _plan_amended,
    "StorageChallenged": _storage_challenged,
    "StorageProved": _storage_proved,
    "StorageMissed": _storage_missed,
    "HosterOverdue": _hoster_overdue,
    "HosterCleared": _hoster_cleared,
    "HosterEvicted": _hoster_evicted,
    "HosterPaused": _hoster_paused,
    "RetrievalCommitted": _retrieval_committed,
    "RetrievalRefused": _retrieval_refused,
    "RetrievalRevealed": _retrieval_revealed,
    "SeatEmptyHanded": _seat_empty_handed,
    "ParametersSet": _parameters_set,
    "SeedSet": _seed_set,
    "SeedUnset": _seed_unset,
    "FeedIsFrozen": _feed_is_frozen,
}
"""By event, what it means."""
