"""What each event of a copy's life means to its hoster, its encoder or who reported it."""

from __future__ import annotations

from .words import Fields, Says, Words, penalty, unit, warning


def _copy_offered(event: Fields, me: str) -> Words:
    return Words(f"drawn to host copy {event['copy']} of plan {event['plan']}")


def _copy_accepted(event: Fields, me: str) -> Words:
    return Words(f"copy {event['copy']} was accepted: an encoder is drawn for it")


def _encoder_drawn(event: Fields, me: str) -> Words:
    who = "drawn to encode" if event["encoder"] == me else f"{event['encoder']} was drawn to encode"
    return Words(f"{who} copy {event['copy']}")


def _begin_missed(event: Fields, me: str) -> Words:
    if event["encoder"] != me:
        return Words(f"the encoder of copy {event['copy']} did not begin; another one is drawn")
    return penalty(
        f"copy {event['copy']} was not begun in time; {unit(event['burned'])} of the bond were taken",
        "the node was away, had no money for the fee, or could not reach the feed and did not decline the job in time",
        "let the encoder run all the time with some money to spend; it offers itself again by itself",
    )


def _segment_begun(event: Fields, me: str) -> Words:
    return Words(
        f"segment {event['segment']} of copy {event['copy']} was begun; its salt is drawn in block {event['salt_block']}"
    )


def _salt_drawn(event: Fields, me: str) -> Words:
    return Words(f"segment {event['segment']} of copy {event['copy']} can be encoded")


def _segment_confirmed(event: Fields, me: str) -> Words:
    return Words(
        f"segment {event['segment']} of copy {event['copy']} is confirmed: {event['bytes']} bytes in {event['sectors']} sectors"
    )


def _copy_active(event: Fields, me: str) -> Words:
    return Words(f"copy {event['copy']} is whole: it is served, proved and paid from now on")


def _stalled(event: Fields, me: str) -> Words:
    mine = {str(event["hoster"]): event["collateral"], str(event["encoder"]): event["bond"]}.get(me)
    if mine is None:
        return Words(f"copy {event['copy']} stalled")
    hosting = event["hoster"] == me
    return penalty(
        f"copy {event['copy']} stalled; {unit(mine)} of the {'collateral' if hosting else 'bond'} were taken",
        "its segment was not whole when the encoder's lease was over: "
        + (
            "the encoder was too slow or gone"
            if hosting
            else "this machine was too slow or away, or the hoster was gone"
        ),
        "a node confirms what was stored before the lease ends, if both are reachable: let it run, look for "
        "'peer not reached' in its log, "
        + ("and keep the port of --listen open" if hosting else "and leave its processors to the encoder"),
    )


_COPY_ENDS = {
    "NoEncoder": ("no encoder was found for it", "nothing: another copy is drawn by itself"),
    "Stalled": (
        "its segment was not whole when the encoder's lease was over",
        "keep the node running and reachable while copies are made",
    ),
    "Lost": ("its hoster said that it is lost", "look at the disk: what lost one copy may lose the next"),
    "Evicted": (
        "its hoster answered a storage challenge by none of its deadlines",
        "offer again when all copies ended",
    ),
    "Unserved": (
        "four of its last eight verdicts were that it is not served",
        "open the port of --listen, say with --announce where others reach the node, or name a --bootstrap",
    ),
    "Slow": (
        "seven of its last eight verdicts were slower than the plan allows",
        "look what else uses the line and the processors; plans with --max-latency want a faster place",
    ),
    "Invalid": (
        "its sectors were shown not to decode to the feed",
        "make sure that this is an unchanged datdot and that disk and memory of the machine are sound",
    ),
    "NoData": ("its encoders could not get the feed", "nothing: it is for the sponsor to have the feed served"),
}
_FOR_NOTHING = {
    "Declined": "this hoster declined it",
    "PlanEnded": "its plan ended",
    "Left": "its time to leave was over",
    "Replaced": "another copy took its place",
}
_BLAMELESS = ("NoEncoder", "NoData")


def _copy_ended(event: Fields, me: str) -> Words:
    text, reason = f"copy {event['copy']} ended", str(event["reason"])
    if reason in _COPY_ENDS:
        why, remedy = _COPY_ENDS[reason]
        return warning(text, why, remedy) if reason in _BLAMELESS else penalty(text, why, remedy)
    return Words(text, why=_FOR_NOTHING.get(reason, reason))


def _copy_struck(event: Fields, me: str) -> Words:
    return penalty(
        f"copy {event['copy']} has now {event['strikes']} strikes",
        "it was asked for by a storage challenge that was not answered in time",
        f"let the node run and answer; datdot hoster status {me} says until when. If the copy is lost, say so: "
        f"datdot hoster lost {event['copy']}",
    )


def _copy_removed(event: Fields, me: str) -> Words:
    return Words(f"the chain forgot copy {event['copy']}, which had ended")


_VERDICTS = {"Passed": "served", "Void": "neither served nor not (too few reports)"}


def _retrieval_settled(event: Fields, me: str) -> Words:
    copy, era, verdict = event["copy"], event["era"], str(event["verdict"])
    if verdict != "Failed":
        shown = f", {event['latency_ms']} ms, {event['kib_per_s']} KiB/s" if verdict == "Passed" else ""
        return Words(f"attesters found copy {copy} {_VERDICTS.get(verdict, verdict)} in era {era}{shown}")
    return penalty(
        f"attesters found copy {copy} not served in era {era}",
        f"{event['fails']} of {event['reports']} could not get its blocks",
        "make sure that the node is reached from outside (--listen, --announce, --bootstrap): four such verdicts of eight end it",
    )


_PAYMENTS = {
    "Storage": "keeping copy {copy}",
    "Receiving": "receiving a segment of copy {copy}",
    "FirstHalf": "encoding a segment of copy {copy}, the first half",
    "SecondHalf": "encoding a segment of copy {copy}, the second half",
    "Report": "a report on copy {copy}",
}


def _paid(event: Fields, me: str) -> Words:
    what = _PAYMENTS.get(str(event["what"]), "copy {copy}").format(copy=event["copy"])
    who = "earned" if event["account"] == me else f"{event['account']} earned"
    return Words(f"{who} {unit(event['amount'])} for {what}")


def _forfeited(event: Fields, me: str) -> Words:
    taken = int(event["burned"]) + int(event["pot"])
    if event["account"] != me:
        return Words(f"the hoster of copy {event['copy']} lost {unit(taken)} of its collateral")
    return penalty(
        f"copy {event['copy']} cost {unit(taken)} of its collateral, of which the plan's pot got {unit(event['pot'])}",
        "it was lost, not served, too slow, left within 60 eras, or its hoster was evicted: the end of the copy says which",
        "what ended the copy is in the next entries; the collateral that is left is free again with the offer",
    )


def _growth_begun(event: Fields, me: str) -> Words:
    return Words(f"copy {event['copy']} follows its plan: {event['sectors']} sectors more")


def _growth_left(event: Fields, me: str) -> Words:
    return Words(f"copy {event['copy']} did not become longer: it stays as it was, and is replaced")


def _copy_leaving(event: Fields, me: str) -> Words:
    if int(event["block"]) == 0:
        return Words(f"copy {event['copy']} is to be replaced; until then it is proved, served and paid")
    return Words(
        f"copy {event['copy']} ends when it is replaced, in block {event['block']} at the latest; keep it until then"
    )


def _job_declined(event: Fields, me: str) -> Words:
    who = "this encoder" if event["encoder"] == me else "its encoder"
    return Words(f"{who} declined copy {event['copy']}, whose feed it could not get or not encode in time")


def _report_committed(event: Fields, me: str) -> Words:
    return Words(f"a report of a wrong sector was committed to ({event['hash']})")


def _encoding_reported(event: Fields, me: str) -> Words:
    copy = event["copy"]
    if event["account"] == me:
        return Words(
            f"this account showed that copy {copy} does not decode to its feed, and got {unit(event['reward'])}"
        )
    return penalty(
        f"copy {copy} was shown not to decode to its feed; {unit(event['taken'])} were taken of its hoster and encoder",
        "both signed sectors that are not the feed's",
        "make sure that this is an unchanged datdot and that disk and memory of the machine are sound",
    )


SAYINGS_OF_COPIES: dict[str, Says] = {
    "CopyOffered": _copy_offered,
    "CopyAccepted": _copy_accepted,
    "EncoderDrawn": _encoder_drawn,
    "BeginMissed": _begin_missed,
    "SegmentBegun": _segment_begun,
    "SaltDrawn": _salt_drawn,
    "SegmentConfirmed": _segment_confirmed,
    "CopyActive": _copy_active,
    "Stalled": _stalled,
    "CopyEnded": _copy_ended,
    "CopyStruck": _copy_struck,
    "CopyRemoved": _copy_removed,
    "RetrievalSettled": _retrieval_settled,
    "Paid": _paid,
    "Forfeited": _forfeited,
    "GrowthBegun": _growth_begun,
    "GrowthLeft": _growth_left,
    "CopyLeaving": _copy_leaving,
    "JobDeclined": _job_declined,
    "ReportCommitted": _report_committed,
    "EncodingReported": _encoding_reported,
}
"""By event, what it means."""
