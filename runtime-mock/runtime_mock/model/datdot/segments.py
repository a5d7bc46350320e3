"""Segments: begin, salt, confirmation (pallet-spec/README.md sections 8, 11 and 13)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..storage import State
from . import crypto
from .block import deposit, genesis, less, now
from .changes import reputation, schedule
from .crypto import digest, ensure_signed_by, valid_modulus
from .drops import replace_leaving
from .errors import Error, ensure, error
from .events import CopyActive, SaltDrawn, SegmentBegun, SegmentConfirmed
from .items import Begins, Copies, Encoders, Hosters, Moduli, NextSegment, Peers, Plans, Seeds, Segments, UsedModuli
from .jobs import want_encoder
from .limits import BEGINS, HALF_ERAS, MAX_SEGMENTS, PPM, PROFILE_P1, SECTOR, SEGMENT_CHECKPOINTS
from .money import burn_held, copy_and_plan, fee, pay, put_copy_and_plan
from .params import amounts, times
from .queue import arm, need_hoster
from .records import Copy, CopySegment, CopyState, Plan, Segment
from .types import Confirmed, Payment, Role, Wait


def paid_sectors(s: State, sectors: int) -> int:
    """Return the sectors that an encoder is paid for: at least a checkpoint, else nobody would encode a short end."""
    return max(sectors, times(s).checkpoint)


def part_sectors(s: State) -> int:
    """Return the sectors of the shortest partial segment."""
    return SEGMENT_CHECKPOINTS * times(s).checkpoint


def job_sectors(s: State, copy: Copy) -> int:
    """Return the sectors that the current job is paid for: the rest, at most the shortest partial segment's."""
    return paid_sectors(s, min(less(copy.sectors, copy.stored), part_sectors(s)))


def locate(copy: Copy, sector: int) -> tuple[int, int] | None:
    """Return the segment of a sector of the copy, and the index in it."""
    for part in copy.segments:
        if sector < part.sectors:
            return part.segment, sector
        sector -= part.sectors
    return None


def passed_reputation(value: int) -> int:
    """Return R after a pass."""
    return value + less(PPM, value) // 64


def begin_segment(s: State, account: bytes, copy_id: int, modulus: bytes, profile: int) -> None:
    """Begin a segment, by the drawn encoder: commit a new modulus (big endian).

    The salt is drawn `SeedDelay` blocks later.
    """
    copy = Copies.get(s, copy_id)
    if copy is None:
        raise error(Error.NoSuchCopy)
    ensure(copy.encoder == account, Error.NotParty)
    ensure(copy.state == CopyState.ASSIGNED, Error.WrongState)
    ensure(profile == PROFILE_P1, Error.BadProfile)
    ensure(valid_modulus(modulus), Error.BadModulus)
    used = digest(modulus)
    ensure(not UsedModuli.contains(s, used), Error.ModulusUsed)
    begins = Begins.get(s)
    ensure(begins < BEGINS, Error.TooManyBegins)
    ensure(Plans.contains(s, copy.plan), Error.NoSuchPlan)

    Begins.put(s, begins + 1)
    segment_id = NextSegment.get(s)
    NextSegment.put(s, segment_id + 1)
    UsedModuli.put(s, used, segment_id)
    Moduli.put(s, segment_id, modulus)
    pk_hash = crypto.pk_hash(modulus)
    segment = Segment(
        copy=copy_id,
        encoder=account,
        profile=profile,
        pk_hash=pk_hash,
        begun=now(s),
        salt=None,
        first_byte=copy.stored_bytes,
        bytes=0,
        sectors=0,
        root=bytes(32),
        head=copy.head,
        half=0,
    )
    Segments.put(s, segment_id, segment)
    copy.state = CopyState.BEGUN
    copy.current = segment_id
    Copies.put(s, copy_id, copy)
    delay = times(s).seed_delay
    arm(s, Wait.SALT, delay, copy_id, segment_id)
    arm(s, Wait.LEASE, times(s).lease, copy_id, segment_id)
    deposit(s, SegmentBegun(copy_id, segment_id, account, pk_hash, now(s) + delay))


def draw_salt(s: State, copy_id: int, segment_id: int, due: int) -> None:
    """Draw the salt with the seed of block `due`."""
    found = copy_and_plan(s, copy_id)
    segment, seed = Segments.get(s, segment_id), Seeds.get(s, due)
    if found is None or segment is None or seed is None:
        return
    copy, plan = found
    if copy.state != CopyState.BEGUN or copy.current != segment_id:
        return
    chain_rand = crypto.chain_rand(seed, segment_id)
    segment.salt = crypto.salt(
        genesis(s),
        copy_id,
        encoder=segment.encoder,
        hoster=copy.hoster,
        feed_key=plan.feed,
        feed_root=segment.head.tree_hash,
        chain_rand=chain_rand,
        pk_hash=segment.pk_hash,
    )
    copy.state = CopyState.ENCODING
    Segments.put(s, segment_id, segment)
    Copies.put(s, copy_id, copy)
    deposit(s, SaltDrawn(copy_id, segment_id, chain_rand, segment.salt))


def context_of(s: State, segment: Segment, hoster: bytes) -> bytes | None:
    """Return the ctx of a segment's Merkle tree, or None before its salt is drawn."""
    if segment.salt is None:
        return None
    contract_id = crypto.contract_id(genesis(s), segment.copy)
    return crypto.context(contract_id, segment.encoder, hoster, segment.profile, segment.pk_hash, segment.salt)


class Extent(Enum):
    """How much of a copy a segment is: all that was missing, a part, or the last checkpoint before a stall."""

    REST = 0
    PARTIAL = 1
    SALVAGE = 2


def _extent(s: State, copy: Copy, size: int) -> Extent:
    """Return what a segment of this size is. Raises BadSegmentBytes, and TooManySegments if it must be the rest."""
    rest = less(copy.bytes, copy.stored_bytes)
    if size == rest:
        return Extent.REST
    most = min(rest, part_sectors(s) * SECTOR)
    partial = most <= size < rest
    salvage = times(s).checkpoint * SECTOR <= size < most and not copy.stalls
    ensure(size % SECTOR == 0 and (partial or salvage), Error.BadSegmentBytes)
    ensure(len(copy.segments) + 1 < MAX_SEGMENTS, Error.TooManySegments)
    return Extent.PARTIAL if partial else Extent.SALVAGE


def confirm_segment(
    s: State, account: bytes, copy_id: int, segment_id: int, size: int, root: bytes, signature: bytes
) -> None:
    """Confirm a segment, by hoster or encoder, with the statement `segment` signed by the other."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        raise error(Error.NoSuchCopy)
    copy, plan = found
    drawn = copy.encoder
    if drawn is None:
        raise error(Error.WrongState)
    ensure(account in (copy.hoster, drawn), Error.NotParty)
    signer = drawn if account == copy.hoster else copy.hoster
    ensure(copy.state == CopyState.ENCODING, Error.WrongState)
    ensure(copy.current == segment_id, Error.WrongSegment)
    extent = _extent(s, copy, size)
    segment = Segments.get(s, segment_id)
    if segment is None:
        raise error(Error.WrongSegment)
    segment.bytes = size
    segment.sectors = -(-size // SECTOR)
    segment.root = root
    if segment.salt is None:
        raise error(Error.WrongState)
    statement = crypto.segment_statement(
        genesis(s),
        copy_id,
        segment_id,
        encoder=drawn,
        hoster=copy.hoster,
        pk_hash=segment.pk_hash,
        salt=segment.salt,
        first_byte=segment.first_byte,
        size=size,
        sectors=segment.sectors,
        root=root,
    )
    peer = Peers.get(s, signer)
    if peer is None:
        raise error(Error.NotAPeer)
    ensure_signed_by(signature, statement, peer.statement_key)
    _confirm(s, copy_id, copy, plan, Confirmation(segment_id, segment, account, drawn, extent))


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A segment that both sides signed: who sent it, which encoder made it, and how much of the copy it is."""

    id: int
    segment: Segment
    caller: bytes
    encoder: bytes
    extent: Extent


def _confirm(s: State, copy_id: int, copy: Copy, plan: Plan, by: Confirmation) -> None:
    """Record a confirmed segment: sectors, fees, and the copy's next state."""
    segment, old_fee = by.segment, copy.fee
    done = by.extent != Extent.PARTIAL
    schedule(s, Confirmed(copy_id, segment.sectors, by.encoder if done else None))
    _store_sectors(s, copy, segment.sectors)
    total = fee(copy.ask_encoding, paid_sectors(s, segment.sectors))
    segment.half = total - total // 2
    _add_segment(s, copy, by)
    copy.fee = 0 if done else fee(copy.ask_encoding, job_sectors(s, copy))
    _book_job(s, by.encoder, old_fee, copy.fee, segment.half, done)
    plan.declined = plan.stalls = 0
    first, plan.confirmed = not plan.confirmed, True
    if segment.half > 0:
        arm(s, Wait.HALF, times(s).era * HALF_ERAS, by.id)
    first_byte, size = segment.first_byte, segment.bytes
    deposit(s, SegmentConfirmed(copy_id, by.id, first_byte, size, segment.sectors, segment.root))
    pay(s, copy_id, copy, plan, by.encoder, total // 2, Payment.FIRST_HALF)
    receiving = fee(copy.ask_receiving, segment.sectors)
    pay(s, copy_id, copy, plan, copy.hoster, receiving, Payment.RECEIVING)
    Segments.put(s, by.id, segment)
    _go_on(s, copy_id, copy, plan, by)
    put_copy_and_plan(s, copy_id, copy, plan)
    if first:
        need_hoster(s, copy.plan)


def _add_segment(s: State, copy: Copy, by: Confirmation) -> None:
    """Add a confirmed segment to its copy."""
    ensure(len(copy.segments) < MAX_SEGMENTS, Error.TooManySegments)
    segment = by.segment
    copy.segments.append(CopySegment(by.id, segment.sectors, now(s)))
    copy.stored_bytes += segment.bytes
    copy.stored += segment.sectors
    copy.halves += segment.half
    # Who makes a copy longer later is no party: a live plan would use up all encoders.
    if copy.active_since is None and by.encoder not in copy.encoders:
        copy.encoders.append(by.encoder)
    copy.current = None
    copy.first_confirmed = now(s) if copy.first_confirmed is None else copy.first_confirmed


def _go_on(s: State, copy_id: int, copy: Copy, plan: Plan, by: Confirmation) -> None:
    """Take a copy to its next state after a confirmed segment."""
    if by.extent == Extent.PARTIAL:
        copy.state = CopyState.ASSIGNED
        copy.generation += 1
        arm(s, Wait.BEGIN, times(s).begin_window, copy_id, copy.generation)
        return
    copy.encoder, copy.ask_encoding = None, 0
    if by.extent == Extent.SALVAGE:
        # Whoever confirms a checkpoint pays for it, so that nobody shops for a friend.
        role = Role.HOSTING if by.caller == copy.hoster else Role.ENCODING
        burn_held(s, by.caller, role, amounts(s).stall_fine)
        copy.stalls = 1
        copy.state = CopyState.ACCEPTED
        want_encoder(s, copy_id, copy, plan)
        return
    copy.state, copy.stalls = CopyState.ACTIVE, 0
    if copy.active_since is None:
        copy.active_since = now(s)
        replace_leaving(s, copy_id, plan)
    deposit(s, CopyActive(copy_id))


def _book_job(s: State, account: bytes, old_fee: int, new_fee: int, half: int, done: bool) -> None:
    """Record what a confirmation changes for the encoder."""
    encoder = Encoders.get(s, account)
    if encoder is None:
        return
    encoder.unreleased = less(encoder.unreleased, old_fee) + half + new_fee
    encoder.halves += half > 0
    encoder.jobs = less(encoder.jobs, int(done))
    encoder.confirmed = now(s)
    Encoders.put(s, account, encoder)


def _store_sectors(s: State, copy: Copy, sectors: int) -> None:
    """Add sectors to what the hoster stores. They are not paid for the time before."""
    hoster = Hosters.get(s, copy.hoster)
    if hoster is None:
        raise error(Error.NoOffer)
    if hoster.stored == 0:
        hoster.last = now(s)
    following = passed_reputation(reputation(s, copy.hoster))
    copy.debt += sectors * (hoster.acc + following * less(now(s), hoster.last))
    hoster.stored += sectors
    Hosters.put(s, copy.hoster, hoster)
