"""The operator of a peer: what naming one does, shown before it is signed, and doing it. What is done already is not done again."""

from __future__ import annotations

from dataclasses import dataclass

from service.address import ss58
from service.chain_client import Call, ChainClient, Signer, frame
from service.chain_client.pallet import calls
from service.roles.common.funding import how_to_get
from service.roles.common.registration import bind
from service.roles.common.submit import submit
from service.roles.sponsor.refusals import NoFunds
from service.units import EXISTENTIAL_DEPOSIT, money
from service.vault import PeerKeys, PublicKeys


class OperatorRefused(Exception):
    """An operator that makes no sense. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class PlannedOperator:
    """What is to be signed so that `operator` makes a peer's calls (None: nobody else does). Sums are in the smallest unit."""

    account: bytes
    operator: bytes | None
    now: bytes | None
    """Who makes them now."""
    registered: bool
    peer_fee: int
    """Burned for the registration; 0: the account is registered."""
    gift: int
    """What the operator lacks of the sum that it should have for fees."""
    fees: int
    """Of all calls, at most."""
    free: int

    @property
    def left(self) -> int:
        """What the account can spend afterwards."""
        return self.free - EXISTENTIAL_DEPOSIT - self.peer_fee - self.gift - self.fees

    def lines(self) -> list[str]:
        """Return what it does, in words."""
        who = "nobody else" if self.operator is None else ss58(self.operator)
        found = [f"{who} makes the calls of a node for {ss58(self.account)}"]
        if self.now not in (None, self.operator):
            found.append(f"{ss58(self.now or b'')} does not any more, from the next block on")
        if self.operator is not None:
            found.append(
                "it can hold the account's money for offers, and lose what these forfeit; it cannot send it away"
            )
        if self.peer_fee:
            found.append(f"the account is registered with its vault's keys: {money(self.peer_fee)} are burned")
        if self.gift:
            found.append(f"{money(self.gift)} go to it, for fees")
        return [*found, f"for fees of up to {money(self.fees)}; {money(self.left)} can be spent afterwards"]


def check_own(keys: PublicKeys) -> None:
    """Raise OperatorRefused if keys are an operator's themselves."""
    if keys.operator is not None:
        raise OperatorRefused(
            f"only the account's own key names its operator: --key takes the vault of {keys.address}, not its operator's"
        )


async def plan_operator(
    client: ChainClient, keys: PublicKeys, operator: bytes | None, wanted: int = 0
) -> PlannedOperator:
    """Return what naming an operator does, that is to have `wanted` for fees. Nothing is signed.

    Raises OperatorRefused, NoFunds and ChainError.
    """
    check_own(keys)
    if operator == keys.account:
        raise OperatorRefused(
            f"{ss58(operator)} is the account itself: name its operator's, as datdot vault operator shows it"
        )
    at = (await client.best()).hash
    peer = await client.storage.peer(keys.account, at)
    if peer is None and operator is None:
        raise OperatorRefused(f"account {keys.address} is not registered: nobody makes its calls")
    peer_fee = 0 if peer is not None else (await client.storage.amounts(at)).peer_fee
    has = 0 if operator is None else await client.balance(operator, at)
    gift = max(0, wanted - has)
    made: list[Call] = [calls.set_operator(operator)]
    if peer is None:
        made.append(calls.register_peer(bytes(32), bytes(32), bytes(64), bytes(64)))
    if operator is not None and gift:
        if has + gift < EXISTENTIAL_DEPOSIT:
            raise OperatorRefused(
                f"--give: an account with less than {money(EXISTENTIAL_DEPOSIT)} does not exist; give more"
            )
        made.append(frame.transfer(operator, gift))
    fees = sum([await client.fee(keys.account, one, at) for one in made])
    free = await client.balance(keys.account, at)
    now = await client.storage.operator(keys.account, at)
    planned = PlannedOperator(keys.account, operator, now, peer is not None, peer_fee, gift, fees, free)
    if planned.left < 0:
        get = how_to_get(keys.address, client.url, -planned.left)
        raise NoFunds(f"{money(-planned.left)} are missing for that on {keys.address}: {get}")
    return planned


async def name_operator(
    client: ChainClient, signer: Signer, keys: PeerKeys, operator: bytes | None, wanted: int = 0
) -> int:
    """Register the account if it is not, name its operator, and give that what it lacks. Return the last block of it.

    An earlier run that was cut off is gone on with. Raises OperatorRefused, NoFunds and ChainError.
    """
    planned = await plan_operator(client, keys.public, operator, wanted)
    if not planned.registered:
        await bind(client, signer, keys)

    async def held() -> bool:
        return await client.storage.operator(keys.account) == operator

    receipt = await signer.submit(calls.set_operator(operator), held)
    if not await held():  # it was the receipt of an earlier run, and another operator was named since
        receipt = await signer.submit(calls.set_operator(operator), held)
    if not await held():
        raise OperatorRefused(f"the operator of {keys.address} is another one already: somebody else names it, too")
    block = (await client.best()).number if receipt is None else receipt.block.number
    if operator is not None and planned.gift:

        async def check() -> None:
            await plan_operator(client, keys.public, operator, wanted)

        block = (await submit(signer, frame.transfer(operator, planned.gift), {}, check)).block.number
    return block
