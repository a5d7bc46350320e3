"""Peers and their offers: registration, hosting, encoding, attesting, withdrawal and release.

See pallet-spec/README.md sections 2, 10, 11 and 14.
"""

from __future__ import annotations

from ..storage import State, Value
from .block import deposit, era, genesis, less, now
from .changes import schedule
from .crypto import bind_statement, ensure_signed_by
from .errors import Error, ensure, error
from .events import (
    AttestingOffered,
    EncodingOffered,
    HostingOffered,
    OfferWithdrawn,
    PeerRegistered,
    Released,
    SlotFreed,
    SlotTakenBack,
    SwarmKeyRotated,
)
from .items import (
    Attesters,
    EncoderCount,
    EncoderDraws,
    Encoders,
    HoleCount,
    Holes,
    HosterCount,
    HosterDraws,
    Hosters,
    Keys,
    Peers,
    SlotCount,
    Slots,
)
from .limits import BOND_ERAS, DROP_PART, FIRST_REPUTATION, KEEP_ERAS, MAX_AMOUNT, MAX_ENTRIES, MAX_RECENT, MAX_SLOTS
from .money import MAX_BALANCE, burn, ensure_spendable, held, hold, unhold
from .params import amounts, times
from .queue import arm
from .regions import is_region
from .tables import collateral_due
from .types import (
    Attester,
    Encoder,
    EncoderDraw,
    EncoderOffered,
    EncoderReleased,
    EncoderWithdrawn,
    Hoster,
    HosterDraw,
    HosterOffered,
    HosterReleased,
    HosterWithdrawn,
    Peer,
    Role,
    Slot,
    Wait,
)


def register_peer(
    s: State,
    account: bytes,
    swarm_key: bytes,
    statement_key: bytes,
    swarm_signature: bytes,
    statement_signature: bytes,
) -> None:
    """Bind a swarm key and a statement key, both of which signed `bind`, to the account. Burns the peer fee."""
    ensure(not Peers.contains(s, account), Error.AlreadyAPeer)
    known = swarm_key == statement_key or Keys.contains(s, swarm_key) or Keys.contains(s, statement_key)
    ensure(not known, Error.KeyBound)
    message = bind_statement(genesis(s), account, swarm_key, statement_key)
    ensure_signed_by(swarm_signature, message, swarm_key)
    ensure_signed_by(statement_signature, message, statement_key)
    fee = amounts(s).peer_fee
    ensure_spendable(s, account, fee)
    burn(s, account, fee)
    Keys.put(s, swarm_key, account)
    Keys.put(s, statement_key, account)
    Peers.put(s, account, Peer(swarm_key, statement_key, now(s), FIRST_REPUTATION))
    deposit(s, PeerRegistered(account, swarm_key, statement_key))


def rotate_swarm_key(s: State, account: bytes, swarm_key: bytes, signature: bytes) -> None:
    """Bind another swarm key, which signed `bind`, in place of a peer's, which stays bound. Burns the peer fee."""
    peer = ensure_peer(s, account)
    ensure(not Keys.contains(s, swarm_key), Error.KeyBound)
    message = bind_statement(genesis(s), account, swarm_key, peer.statement_key)
    ensure_signed_by(signature, message, swarm_key)
    fee = amounts(s).peer_fee
    ensure_spendable(s, account, fee)
    burn(s, account, fee)
    Keys.put(s, swarm_key, account)
    old_key, peer.swarm_key = peer.swarm_key, swarm_key
    Peers.put(s, account, peer)
    deposit(s, SwarmKeyRotated(account, old_key, swarm_key))


def ensure_peer(s: State, account: bytes) -> Peer:
    """Return a peer. Raises NotAPeer."""
    peer = Peers.get(s, account)
    if peer is None:
        raise error(Error.NotAPeer)
    return peer


def _count_entry(s: State, entries: Value[int, int]) -> None:
    count = entries.get(s)
    ensure(count < MAX_ENTRIES, Error.TableFull)
    entries.put(s, count + 1)


def offer_hosting(s: State, account: bytes, capacity: int, ask_disk: int, ask_receiving: int, region: bytes) -> None:
    """Offer `capacity` bytes in a region, or renew the offer. Tops up the collateral."""
    peer = ensure_peer(s, account)
    # What a lost copy forfeits is not less than what was paid for receiving it.
    most = min(MAX_AMOUNT, amounts(s).collateral // DROP_PART)
    ensure(ask_disk <= MAX_AMOUNT and ask_receiving <= most, Error.AmountTooLarge)
    ensure(is_region(region), Error.BadRegion)
    if not HosterDraws.contains(s, account):
        _count_entry(s, HosterCount)
        HosterDraws.put(s, account, HosterDraw(None, False, 0, 0, 0, peer.reputation))
    hoster = Hosters.get(s, account) or Hoster()
    capacity = max(capacity, hoster.used)
    on_hold = held(s, account, Role.HOSTING)
    missing = less(collateral_due(amounts(s).collateral, capacity), on_hold)
    ensure_spendable(s, account, missing)
    collateral = on_hold + missing
    schedule(s, HosterOffered(account, capacity, collateral, ask_disk, ask_receiving, region))
    hold(s, account, Role.HOSTING, missing)
    hoster.open = True
    hoster.capacity = capacity
    hoster.ask_disk = ask_disk
    hoster.ask_receiving = ask_receiving
    hoster.region = region
    Hosters.put(s, account, hoster)
    deposit(s, HostingOffered(account, capacity, ask_disk, ask_receiving, collateral))


def _new_encoder(s: State, account: bytes, reputation: int) -> Encoder:
    _count_entry(s, EncoderCount)
    EncoderDraws.put(s, account, EncoderDraw(None, False, 0, 0, reputation))
    return Encoder()


def offer_encoding(s: State, account: bytes, ask: int) -> None:
    """Offer encoding, or renew the offer. Tops up the bond."""
    peer = ensure_peer(s, account)
    ensure(ask <= MAX_AMOUNT, Error.AmountTooLarge)
    encoder = Encoders.get(s, account) or _new_encoder(s, account, peer.reputation)
    on_hold = held(s, account, Role.ENCODING)
    missing = less(amounts(s).encoder_bond, on_hold)
    ensure_spendable(s, account, missing)
    bond = on_hold + missing
    schedule(s, EncoderOffered(account, bond, ask))
    hold(s, account, Role.ENCODING, missing)
    encoder.open = True
    encoder.ask = ask
    Encoders.put(s, account, encoder)
    deposit(s, EncodingOffered(account, ask, bond))


def offer_attesting(s: State, account: bytes, ask: int, anchor: bytes, slots: int) -> None:
    """Take `slots` more slots, for a fee each. A new anchor counts all of the account's slots as taken in this era."""
    ensure_peer(s, account)
    ensure(ask <= amounts(s).report_price, Error.AmountTooLarge)
    this_era = era(s)
    attester = Attesters.get(s, account) or Attester(anchor, this_era, anchor, [])
    if attester.anchor != anchor:
        for index in attester.slots:
            _renew_slot(s, index, this_era)
        attester = Attester(anchor, this_era, anchor, attester.slots)
    bond = amounts(s).attester_bond
    total = bond * slots
    ensure(len(attester.slots) + slots <= MAX_SLOTS, Error.BadSlotCount)
    fee = amounts(s).slot_fee * slots
    ensure_spendable(s, account, fee + total)
    burn(s, account, fee)
    hold(s, account, Role.ATTESTING, total)
    for _ in range(slots):
        attester.slots.append(_take_slot(s, Slot(account, ask, bond, this_era)))
    ensure(bool(attester.slots), Error.BadSlotCount)
    Attesters.put(s, account, attester)
    deposit(s, AttestingOffered(account, ask, anchor, len(attester.slots)))


def _take_slot(s: State, slot: Slot) -> int:
    """Return the hole freed last, or else a new place at the end."""
    last = less(HoleCount.get(s), 1)
    index = Holes.get(s, last)
    if index is not None:
        Holes.remove(s, last)
        HoleCount.put(s, last)
    else:
        index = SlotCount.get(s)
        SlotCount.put(s, index + 1)
    Slots.put(s, index, slot)
    return index


def _renew_slot(s: State, index: int, this_era: int) -> None:
    """Count a slot as taken in this era as well."""
    slot = Slots.get(s, index)
    if slot is None or slot.renewed[-1:] == [this_era]:
        return
    slot.renewed = [*slot.renewed, this_era][-MAX_RECENT:]
    Slots.put(s, index, slot)


def withdraw_offer(s: State, account: bytes, role: Role) -> None:
    """Stop new draws. For attesting, give all slots back."""
    if role == Role.HOSTING:
        hoster = Hosters.get(s, account)
        if hoster is None or not hoster.open:
            raise error(Error.NoOffer)
        schedule(s, HosterWithdrawn(account))
        hoster.open, hoster.out_since = False, now(s)
        Hosters.put(s, account, hoster)
    elif role == Role.ENCODING:
        encoder = Encoders.get(s, account)
        if encoder is None or not encoder.open:
            raise error(Error.NoOffer)
        schedule(s, EncoderWithdrawn(account))
        encoder.open, encoder.out_since = False, now(s)
        Encoders.put(s, account, encoder)
    else:
        attester = Attesters.get(s, account)
        if attester is None or not attester.slots:
            raise error(Error.NoOffer)
        for index in attester.slots:
            _give_back_slot(s, index)
        attester.slots = []
        Attesters.put(s, account, attester)
    deposit(s, OfferWithdrawn(account, role))


def _give_back_slot(s: State, index: int) -> None:
    slot = Slots.get(s, index)
    if slot is not None:
        slot.returned = now(s)
        Slots.put(s, index, slot)
    arm(s, Wait.RECORDS, times(s).era * KEEP_ERAS, index, 1)


def take_back_slot(s: State, account: bytes, index: int) -> None:
    """Give back a slot that its account lost, as if it had done so itself."""
    attester = Attesters.get(s, account)
    if attester is not None:
        attester.slots = [slot for slot in attester.slots if slot != index]
        Attesters.put(s, account, attester)
    _give_back_slot(s, index)
    deposit(s, SlotTakenBack(account, index))


def free_slot(s: State, index: int) -> None:
    """Turn a slot that was given back into a hole, and return its bond."""
    slot = Slots.get(s, index)
    if slot is None:
        return
    Slots.remove(s, index)
    amount = unhold(s, slot.account, Role.ATTESTING, slot.bond)
    place = HoleCount.get(s)
    Holes.put(s, place, index)
    HoleCount.put(s, place + 1)
    deposit(s, SlotFreed(slot.account, index, amount))


def release(s: State, account: bytes, role: Role) -> None:
    """Free the hold of hosting or encoding, three eras after the role was left.

    An encoder's also waits for fourteen eras after its last confirmed segment.
    """
    change: HosterReleased | EncoderReleased
    until = 0
    if role == Role.HOSTING and (hoster := Hosters.get(s, account)) is not None:
        is_open, out_since, bound = hoster.open, hoster.out_since, hoster.records > 0 or hoster.step > 0
        change = HosterReleased(account)
    elif role == Role.ENCODING and (encoder := Encoders.get(s, account)) is not None:
        is_open, out_since, bound = encoder.open, encoder.out_since, encoder.jobs > 0 or encoder.halves > 0
        until = encoder.confirmed + times(s).era * BOND_ERAS if encoder.confirmed else 0
        change = EncoderReleased(account)
    else:
        raise error(Error.NoOffer)
    ensure(not is_open, Error.OfferOpen)
    ensure(now(s) >= max(out_since + times(s).era * KEEP_ERAS, until), Error.TooEarly)
    ensure(not bound, Error.StillBound)
    schedule(s, change)
    amount = unhold(s, account, role, MAX_BALANCE)
    deposit(s, Released(account, role, amount))
