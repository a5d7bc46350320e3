"""The view of a plan, for people and other programs."""

from __future__ import annotations

from typing import Any

from service.address import ss58
from service.chain_client import BlockRef, ChainClient
from service.chain_client.pallet.items import HOSTERS
from service.chain_client.pallet.types import Copy, Plan, Segment
from service.roles.common.ratio import ratio_ppm
from service.units import EXISTENTIAL_DEPOSIT

from .outlook import missing_of, placement, runway


async def show_plan(client: ChainClient, plan: int, block: BlockRef | None = None) -> dict[str, Any] | None:
    """Return the object of `datdot plan show` at a block (None: the best), or None if the plan does not exist."""
    block = block or await client.best()
    at = block.hash
    found = await client.storage.plan(plan, at)
    if found is None:
        return None
    copies = await client.storage.copies_of(found.live, at)
    wanted = [part.segment for copy in copies.values() for part in copy.segments]
    wanted += [copy.current for copy in copies.values() if copy.current is not None]
    segments = await client.storage.segments_of(wanted, at)
    moduli = await client.storage.moduli_of(wanted, at)
    balance = await client.balance(client.pot_account(plan), at)
    pot = max(0, balance - EXISTENTIAL_DEPOSIT)
    is_peer = await client.storage.peer(found.sponsor, at) is not None
    ratio = ratio_ppm(await client.storage.ratio(found.sponsor, at), is_peer)
    return {
        "plan": plan,
        "feed": found.feed.hex(),
        "state": found.state.value,
        "pot": str(pot),
        "burned": str(found.burned),
        "copies": [_show_copy(number, copy, segments, moduli) for number, copy in copies.items()],
        "ended_copies": found.records - len(copies),
        "live": found.terms.live,
        "waiting": found.waiting,
        "stalls": found.stalls,
        "until": found.terms.until,
        "replicas": found.terms.replicas,
        "caps": {
            "disk": str(found.terms.max_ask_disk),
            "encoding": str(found.terms.max_ask_encoding),
            "receiving": str(found.terms.max_ask_receiving),
        },
        "ratio": ratio,
        **await _outlook(client, plan, found, (copies, pot, ratio), block),
    }


async def _outlook(
    client: ChainClient, number: int, plan: Plan, having: tuple[dict[int, Copy], int, int], block: BlockRef
) -> dict[str, Any]:
    """Return how long the pot lasts, and why copies have no hoster. `having`: copies, pot, the sponsor's ratio."""
    copies, pot, ratio = having
    now, at = block.number, block.hash
    money = runway(plan, pot, now, client.times.era)
    hosters = await client.storage.all_of(HOSTERS, 32, at) if missing_of(plan, copies) else {}
    peers = await client.storage.peers_of(hosters, at)
    placed = placement(number, plan, copies, hosters, peers, ratio, client.times, now)
    return {
        "burned_per_era": str(money.burned_per_era),
        "lasts_eras": money.lasts_eras,
        "ends_in_eras": money.ends_in_eras,
        "missing": placed.missing,
        "fitting": placed.fitting,
        "why_not": placed.why_not,
        "outlook": placed.outlook,
        "remedy": placed.remedy,
    }


def _show_copy(number: int, copy: Copy, segments: dict[int, Segment], moduli: dict[int, bytes]) -> dict[str, Any]:
    ids = [part.segment for part in copy.segments] + ([copy.current] if copy.current is not None else [])
    return {
        "copy": number,
        "hoster": ss58(copy.hoster),
        "encoder": ss58(copy.encoder or copy.encoders[-1]) if copy.encoder or copy.encoders else None,
        "state": copy.state.value,
        "strikes": copy.strikes,
        "segments": [_show_segment(one, segments[one], moduli.get(one)) for one in ids if one in segments],
        "fails": copy.fails.bit_count(),
        "slow": copy.slow.bit_count(),
        "leaving": copy.leaving,
        "sectors": copy.sectors,
        "confirmed_sectors": copy.stored,
    }


def _show_segment(number: int, segment: Segment, modulus: bytes | None) -> dict[str, Any]:
    return {
        "segment": number,
        "encoder": ss58(segment.encoder),
        "profile": segment.profile,
        "first_byte": segment.first_byte,
        "bytes": segment.bytes,
        "sectors": segment.sectors,
        "root": segment.root.hex(),
        "modulus": modulus.hex() if modulus is not None else None,
        "salt": segment.salt.hex() if segment.salt is not None else None,
        "length": segment.head.length,
        "fork": segment.head.fork,
        "tree_hash": segment.head.tree_hash.hex(),
    }
