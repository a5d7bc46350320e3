"""What a hoster tells the chain by command: a pause, a copy that it leaves, a copy that it lost."""

from __future__ import annotations

from dataclasses import dataclass

from service.address import ss58
from service.chain_client import BlockRef, ChainClient, Signer
from service.chain_client.pallet import calls
from service.chain_client.pallet.constants import PAUSE_ERAS
from service.chain_client.pallet.events import CopyLeaving, HosterPaused
from service.chain_client.pallet.types import Copy, CopyState, Hoster

from ..common.submit import submit

LEFT_BY_HOSTER = 2
"""`Copy.leaving` of a copy that its hoster wishes to leave."""


class HosterRefused(Exception):
    """A notice that the chain would refuse. The message says why, and what to do."""


KINDS: dict[str, type[HosterRefused]] = dict.fromkeys(
    (
        "NoOffer",
        "NoSuchCopy",
        "NotParty",
        "WrongState",
        "AlreadyLeaving",
        "PauseTooSoon",
        "TooManyChanges",
    ),
    HosterRefused,
)


@dataclass(frozen=True, slots=True)
class Paused:
    """A finalized pause: the hoster may be away in blocks `first` to `last`."""

    block: BlockRef
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Leaving:
    """A finalized notice of leaving: the copy ends in block `until` at the latest."""

    block: BlockRef
    until: int


async def pause(client: ChainClient, signer: Signer) -> Paused:
    """Announce a pause. Raises HosterRefused and ChainError."""

    async def check() -> None:
        best = await client.best()
        found = await client.storage.hoster(signer.account, best.hash)
        check_pause(signer.account, found, client.times.era, best.number + 1)

    receipt = await submit(signer, calls.pause(), KINDS, check)
    told = receipt.told(HosterPaused)
    return Paused(receipt.block, told.start + 1, told.end)


async def leave_copy(client: ChainClient, signer: Signer, copy: int) -> Leaving:
    """Give notice of a copy of ours. Raises HosterRefused and ChainError."""

    async def check() -> None:
        await check_leaving(client, signer.account, copy)

    receipt = await submit(signer, calls.leave_copy(_checked(copy)), KINDS, check)
    told = receipt.told(CopyLeaving)
    return Leaving(receipt.block, told.block)


async def check_leaving(client: ChainClient, account: bytes, copy: int) -> None:
    """Check a notice against the chain as it is now. Raises HosterRefused."""
    found = await _own_copy(client, account, _checked(copy))
    if found.leaving == LEFT_BY_HOSTER:
        raise HosterRefused(f"copy {copy}: notice of it has been given already; it ends by itself")


async def declare_lost(client: ChainClient, signer: Signer, copy: int) -> BlockRef:
    """Say that a copy of ours is lost, and return the finalized block. Raises HosterRefused and ChainError."""

    async def check() -> None:
        found = await _own_copy(client, signer.account, copy)
        if found.dropping:
            raise HosterRefused(f"copy {copy}: its end is under way already; nothing is left to say")

    return (await submit(signer, calls.declare_lost(_checked(copy)), KINDS, check)).block


def check_pause(account: bytes, found: Hoster | None, era: int, block: int) -> None:
    """Raise HosterRefused unless the chain accepts a pause in `block`."""
    if found is None:
        raise HosterRefused(f"account {ss58(account)} never offered to host: there is nothing to pause")
    if found.step:
        raise HosterRefused(
            "a storage challenge was not answered in time: answer it first "
            f"(datdot hoster status {ss58(account)} says how), then pause"
        )
    again = next_pause(found, era)
    if block < again:
        raise HosterRefused(
            f"the last pause was announced in block {found.pause}: the next one can be from block {again} on"
        )


def next_pause(found: Hoster, era: int) -> int:
    """Return the first block in which a hoster may announce a pause."""
    return 0 if found.pause is None else found.pause + PAUSE_ERAS * era


def _checked(copy: int) -> int:
    if not 0 <= copy < 1 << 64:
        raise HosterRefused(f"copy {copy} does not exist")
    return copy


async def _own_copy(client: ChainClient, account: bytes, copy: int) -> Copy:
    """Return a copy that the account stores or stored whole. Raises HosterRefused."""
    found = await client.storage.copy(copy, (await client.best()).hash)
    if found is None:
        raise HosterRefused(f"copy {copy} does not exist, or its records are gone")
    if found.hoster != account:
        raise HosterRefused(f"copy {copy} is hosted by another account, {ss58(found.hoster)}: sign with its key")
    if found.state is CopyState.ENDED:
        raise HosterRefused(f"copy {copy} ended in block {found.ended}")
    if found.active_since is None:
        raise HosterRefused(
            f"copy {copy} is still being made ({found.state.value}): it ends by itself if it is not finished in time"
        )
    return found
