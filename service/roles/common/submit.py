"""Submission of a call whose refusals by the pallet have kinds of their own here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from service.chain_client import Receipt, Signer
from service.chain_client.call import PALLET, Call
from service.chain_client.errors import DispatchError


async def submit(
    signer: Signer, call: Call, kinds: Mapping[str, type[Exception]], check: Callable[[], Awaitable[None]]
) -> Receipt:
    """Submit a call and return its receipt; `check` is awaited before anything is sent, and raises why not.

    It is not asked if an earlier run sent the same call: its outcome is told, whatever has passed since. A refusal by
    the pallet is raised as its name's kind in `kinds`; another as DispatchError. Raises ChainError.
    """

    async def held() -> bool:
        await check()
        return False

    try:
        receipt = await signer.submit(call, held)
    except DispatchError as error:
        kind = kinds.get(error.name) if error.pallet == PALLET else None
        if kind is None:
            raise
        raise kind(f"the chain refused {call}: {error}") from error
    assert receipt is not None, "nothing holds already"
    return receipt
