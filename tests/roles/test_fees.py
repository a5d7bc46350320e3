"""The fee of a proof is taken first: a hoster that cannot pay it is told before, and proves again once it can."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime_mock.model.datdot import limits
from runtime_mock.model.datdot.challenges import sample_count
from service.address import ss58
from service.chain_client import frame
from service.chain_client.call import Call
from service.chain_client.pallet import calls, events
from service.chain_client.pallet.types import Amounts, Hoster, StorageProof
from service.roles.common.needs import dear_report
from service.roles.common.terms import HosterTerms
from service.roles.common.troubles import TooDear, TooPoor
from service.roles.hoster.fees import (
    GIB_SECTORS,
    LEAST_PROOFS,
    SIBLINGS,
    Means,
    Purse,
    largest_proof,
    read_means,
    samples,
)
from service.units import EXISTENTIAL_DEPOSIT, GIB, UNIT
from service.views.hoster import show_hoster
from tests.support.blank import blank
from tests.support.copy_world import digest
from tests.support.small_net import LivePeer, Net, copied, is_active

FALLS = "this account can hardly pay the fee of a storage proof"


def test_a_challenge_has_as_many_samples_as_the_chain_draws() -> None:
    sizes = [edge * GIB_SECTORS + more for edge in (0, 1, 3, 7, 15, 127, 16_383, 70_000) for more in (-1, 0, 1)]
    assert [samples(size) for size in sizes if size >= 0] == [sample_count(size) for size in sizes if size >= 0]


def siblings(leaves: int, indices: set[int]) -> int:
    """Return how many hashes a multi-proof of some leaves has (pallet-spec/README.md section 2)."""
    count = 0
    while leaves > 1:
        count += sum(index ^ 1 not in indices and index ^ 1 < leaves for index in indices)
        indices, leaves = {index // 2 for index in indices}, -(-leaves // 2)
    return count


@pytest.mark.parametrize("stored", [1, GIB_SECTORS, 100 * GIB_SECTORS, limits.MAX_PLAN_BYTES // limits.SECTOR, 1 << 36])
def test_no_proof_that_the_chain_can_ask_for_is_longer_than_what_is_reckoned_with(stored: int) -> None:
    """The samples may lie in one segment, as long as the largest copy, or each in one of its own."""
    reckoned: StorageProof = largest_proof(stored).arguments["proof"]
    largest = min(stored, limits.MAX_PLAN_BYTES // limits.SECTOR)
    count = sample_count(stored)
    spread = {largest * number // count for number in range(count)}
    trees = min(count, max(1, stored // largest))
    assert len(reckoned.sectors) == count
    assert siblings(largest, spread) <= len(reckoned.siblings)
    assert trees * siblings(largest, {0}) <= len(reckoned.siblings) <= limits.MAX_PROOF_SIBLINGS


def test_the_longest_segment_is_the_chains() -> None:
    assert siblings(limits.MAX_PLAN_BYTES // limits.SECTOR, {0}) == SIBLINGS == 30
    assert len(largest_proof(1 << 40).arguments["proof"].siblings) == limits.MAX_SAMPLES * SIBLINGS == 960


def test_the_remedy_is_how_much_to_send_to_whom() -> None:
    account = digest("account")
    assert Means(80, 10).remedy(account) == "nothing is due"
    poor = Means(79, 10)
    assert (poor.proofs, poor.low) == (7, True)
    assert f"send at least 1 to {ss58(account)}" in poor.remedy(account)


class Rich:
    """A client of an account that has money, some of it on hold; a proof takes 10."""

    def __init__(self, free: int, held: int) -> None:
        self.free, self.on_hold = free, held
        self.storage = self

    async def amounts(self) -> Any:
        return self

    collateral = 400

    async def held(self, *_: object) -> int:
        return self.on_hold

    async def balance(self, *_: object) -> int:
        return self.free

    async def fee(self, *_: object) -> int:
        return 10


async def test_an_offer_leaves_the_fees_of_proofs() -> None:
    terms = HosterTerms(2 * GIB, 1, 1)
    enough = 800 + LEAST_PROOFS * 10 + EXISTENTIAL_DEPOSIT

    async def check(free: int, held: int = 0, before: Hoster | None = None) -> None:
        client: Any = Rich(free, held)
        await Purse(client, bytes(32)).check_offer(terms, before)

    await check(enough)
    await check(enough - 300, held=300)
    await check(enough - 800, held=9_999)
    with pytest.raises(
        TooPoor, match=rf"takes 880: 800 more of collateral.* can spend {enough - 1 - EXISTENTIAL_DEPOSIT}"
    ):
        await check(enough - 1)
    with pytest.raises(TooPoor, match="takes 1280"):
        await check(enough, before=blank(Hoster, used=3 * GIB))


async def test_of_an_operator_the_account_has_the_collateral_and_it_the_fees() -> None:
    account, payer, terms = digest("account"), digest("operator"), HosterTerms(2 * GIB, 1, 1)
    has = {account: 800 + EXISTENTIAL_DEPOSIT, payer: LEAST_PROOFS * 10 + EXISTENTIAL_DEPOSIT}

    class Apart(Rich):
        async def balance(self, *asked: object) -> int:
            return has[bytes(asked[0])]  # type: ignore[call-overload]

    client: Any = Apart(0, 0)
    purse = Purse(client, account, payer)
    await purse.check_offer(terms, None)
    has[payer] -= 1
    with pytest.raises(TooPoor, match=f"its operator can pay 7 storage proofs: send at least 1 to {ss58(payer)}"):
        await purse.check_offer(terms, None)
    has[account] -= 1
    with pytest.raises(TooPoor, match=f"takes 800 more of collateral; {ss58(account)} can spend 799"):
        await purse.check_offer(terms, None)


async def test_an_ask_that_the_chain_takes_from_nobody_is_not_offered() -> None:
    client: Any = Rich(10**9 + EXISTENTIAL_DEPOSIT, 0)
    await Purse(client, bytes(32)).check_offer(HosterTerms(GIB, 1, 40), None)
    with pytest.raises(
        TooDear, match=r"--ask-receiving 0\.000000000041UNIT: lower it, .* at most 0\.00000000004UNIT per GiB"
    ):
        await Purse(client, bytes(32)).check_offer(HosterTerms(GIB, 1, 41), None)
    amounts = Amounts(*[7] * len(fields(Amounts)))
    assert dear_report(7, amounts) is None
    assert "--ask-report 0.000000000008UNIT" in str(dear_report(8, amounts))


async def leave(net: Net, hoster: LivePeer, amount: int) -> None:
    """Send away all that an account can spend but an amount."""
    assert hoster.line is not None
    line, sponsor = hoster.line, net.sponsor.signer.account
    free = await line.client.balance(hoster.account)
    fee = await line.client.fee(hoster.account, frame.transfer(sponsor, free))
    await line.signer.submit(frame.transfer(sponsor, free - fee - amount - EXISTENTIAL_DEPOSIT))


def proofs_heard(net: Net) -> list[Call]:
    """Return the proofs that reached the node."""
    return [calls.submit_storage_proof(*one.arguments) for one in net.chain.heard if one.name == "submit_storage_proof"]


async def test_a_hoster_that_cannot_pay_for_a_proof_is_told_before_and_proves_again_when_it_can(net: Net) -> None:
    """Played as it happens: the money goes, the proof is not taken, the hoster is warned; money comes, and it is cleared."""
    async with copied(net) as (_, _, hoster, _, copy):
        client, account = net.chain.client, hoster.account
        await net.chain.until(is_active(net, copy))
        await net.chain.until(lambda: net.chain.proved(account))
        stored = net.chain.copy(copy).stored
        means = await read_means(client, account, stored)
        for call in proofs_heard(net):
            assert await client.fee(account, call) <= means.proof < UNIT // 10
        fine: Any = await show_hoster(client, account)
        assert (fine["fees"]["remedy"], int(fine["fees"]["proof"])) == ("nothing is due", means.proof)
        assert fine["fees"]["proofs"] == int(fine["fees"]["spendable"]) // means.proof > LEAST_PROOFS

        with capture_logs() as lines:
            await leave(net, hoster, means.proof // 100)
            await net.chain.until(lambda: any(line["event"] == FALLS for line in lines))
            assert not net.chain.events(events.HosterOverdue), "it is told before"
            poor: Any = await show_hoster(client, account)
            assert poor["fees"]["proofs"] == 0
            assert f"to {ss58(account)}" in poor["fees"]["remedy"]
            await net.chain.until(lambda: net.chain.events(events.HosterOverdue))
        (told,) = [line for line in lines if line["event"] == FALLS]
        assert (told["proofs_left"], told["fee"], told["remedy"]) == (0, means.proof, poor["fees"]["remedy"])

        await net.sponsor.signer.submit(frame.transfer(account, UNIT))
        await net.chain.until(lambda: any(one.hoster == account for one in net.chain.events(events.HosterCleared)))
        assert not net.chain.events(events.HosterEvicted)
