"""What the chain refuses from a client that checks nothing: each by the name of its error, and honest calls go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from service.chain_client import InvalidTransaction, PalletError
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import BlockRange, OpenedNode, SignedHead, StorageProof
from service.encoding import PrivateKey
from service.hypercore import default_manifest
from service.vault import create_key_file
from tests.support.cli_process import RunningChain
from tests.support.copy_by_hand import (
    UNIT,
    assigned,
    encoded,
    enrolled,
    head_of,
    parties,
    published,
    refused,
    terms,
    until,
)

SMALL_ORDER = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")


HEADS: dict[str, tuple[Callable[[], SignedHead], PalletError]] = {
    "a small-order R": (
        lambda: replace(head_of(), signature=bytes(32) + b"\1" + bytes(31)),
        PalletError.SMALL_ORDER_KEY,
    ),
    "a flipped bit": (lambda: flipped(head_of()), PalletError.BAD_SIGNATURE),
    "a flipped bit, compat": (lambda: flipped(head_of(compat=True)), PalletError.BAD_SIGNATURE),
    "another fork": (lambda: replace(head_of(), fork=1), PalletError.BAD_SIGNATURE),
    "a small-order key": (lambda: replace(head_of(compat=True), key=SMALL_ORDER), PalletError.SMALL_ORDER_KEY),
    "a small-order key in a manifest": (lambda: manifest_of_small_order(), PalletError.SMALL_ORDER_KEY),
    "another feed's key": (lambda: replace(head_of(), key=bytes(range(32))), PalletError.WRONG_FEED_KEY),
    "a manifest that is none": (lambda: replace(head_of(), manifest=bytes(70)), PalletError.BAD_MANIFEST),
    "roots of another length": (lambda: replace(head_of(), length=4), PalletError.BAD_HEAD),
    "no block": (lambda: replace(head_of(), length=0, roots=()), PalletError.BAD_HEAD),
}


def flipped(head: SignedHead) -> SignedHead:
    return replace(head, signature=head.signature[:-1] + bytes([head.signature[-1] ^ 1]))


def manifest_of_small_order() -> SignedHead:
    manifest = default_manifest(SMALL_ORDER)
    return replace(head_of(), key=manifest.key, manifest=manifest.encode())


async def test_plans_that_the_chain_refuses(chain: RunningChain) -> None:
    async with parties(chain, "//Alice") as (alice,):
        best = await alice.client.best()
        issued = await alice.client.storage.next_plan()
        whole, good = (BlockRange(0, 3),), terms(best.number)
        for name, (make, error) in HEADS.items():
            try:
                await refused(alice, calls.publish_plan(make(), whole, (), good, 100 * UNIT), error)
            except AssertionError as wrong:
                raise AssertionError(f"{name}: {wrong}") from wrong
        head = head_of()
        for ranges in ((), (BlockRange(0, 4),), (BlockRange(2, 2),), (BlockRange(0, 2), BlockRange(2, 3))):
            await refused(alice, calls.publish_plan(head, ranges, (), good, 100 * UNIT), PalletError.BAD_RANGES)
        node = OpenedNode(1, 5, bytes(32), bytes(32))
        await refused(alice, calls.publish_plan(head, whole, (node,), good, 100 * UNIT), PalletError.BAD_NODES)
        await refused(alice, calls.publish_plan(head, whole, (), good, 1), PalletError.DONATION_TOO_SMALL)
        await refused(alice, calls.publish_plan(head, whole, (), good, UNIT // 50), PalletError.POT_TOO_SMALL)
        for bad in (replace(good, replicas=0), replace(good, replicas=17), replace(good, until=1)):
            await refused(alice, calls.publish_plan(head, whole, (), bad, 100 * UNIT), PalletError.BAD_TERMS)
        await refused(alice, calls.publish_plan(head, whole, (), good, 10**24), PalletError.INSUFFICIENT_BALANCE)
        await refused(alice, calls.donate(10**9, UNIT, 0), PalletError.NO_SUCH_PLAN)
        assert await alice.client.storage.next_plan() == issued


async def test_who_has_nothing_cannot_even_pay_the_fee(chain: RunningChain, tmp_path: Path) -> None:
    create_key_file(tmp_path / "key.json")
    async with parties(chain, str(tmp_path / "key.json")) as (poor,):
        now = (await poor.client.best()).number
        call = calls.publish_plan(head_of(), (BlockRange(0, 3),), (), terms(now), 100 * UNIT)
        with pytest.raises(InvalidTransaction, match="fees"):
            await poor.signer.submit(call)


@pytest.mark.slow
async def test_moduli_and_proofs_that_the_chain_refuses(chain: RunningChain) -> None:
    async with parties(chain, "//Alice", "//Charlie", "//Dave") as (alice, hoster, encoder):
        await asyncio.gather(
            enrolled(hoster, calls.offer_hosting(1 << 30, UNIT // 1000, 0, b"")),
            enrolled(encoder, calls.offer_encoding(UNIT // 1000)),
        )
        client, storage = alice.client, alice.client.storage
        account = hoster.signer.account
        with pytest.raises(InvalidTransaction, match="not expected"):
            await hoster.signer.submit(calls.submit_storage_proof(1, StorageProof((), ())))

        copy, _ = await assigned(client, await published(alice, head_of()))
        key = PrivateKey.generate()
        for modulus in (key.modulus[:-1] + b"\2", bytes(255) + b"\3", b"\xff" * 255 + b"\xfd"):
            await refused(encoder, calls.begin_segment(copy, modulus, 1), PalletError.BAD_MODULUS)
        await refused(encoder, calls.begin_segment(copy, key.modulus, 2), PalletError.BAD_PROFILE)
        await refused(hoster, calls.begin_segment(copy, key.modulus, 1), PalletError.NOT_PARTY)
        await encoder.signer.submit(calls.begin_segment(copy, key.modulus, 1))
        made = await encoded(encoder, hoster, copy, key)

        challenge = await until(client, lambda: storage.storage_challenge(account))
        asked = [sample.sector for sample in challenge.samples]
        good = made.proof(asked)
        other = made.proof([(sector + 1) % len(made.sectors) for sector in asked])
        first = good.sectors[0]
        one_bit = replace(good, sectors=(bytes([first[0] ^ 1]) + first[1:], *good.sectors[1:]))
        for issued, proof, error in (
            (challenge.issued - 1, good, PalletError.WRONG_CHALLENGE),
            (challenge.issued, other, PalletError.BAD_OPENING),
            (challenge.issued, one_bit, PalletError.BAD_OPENING),
            (challenge.issued, replace(good, siblings=(*good.siblings, bytes(32))), PalletError.BAD_OPENING),
            (challenge.issued, replace(good, sectors=good.sectors[1:]), PalletError.WRONG_SECTOR_COUNT),
        ):
            await refused(hoster, calls.submit_storage_proof(issued, proof), error)
        await hoster.signer.submit(calls.submit_storage_proof(challenge.issued, good))
        state = await storage.hoster(account)
        assert state is not None
        assert (state.passed, state.missed) == (1, 0)

        again, _ = await assigned(client, await published(alice, head_of(compat=True)))
        await refused(encoder, calls.begin_segment(again, key.modulus, 1), PalletError.MODULUS_USED)
        await encoder.signer.submit(calls.begin_segment(again, PrivateKey.generate().modulus, 1))
