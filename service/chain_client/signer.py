"""The one signer of an account: nonces in order, a table of what was sent that survives a restart, receipts on finality.

Only the finalized chain decides what became of an extrinsic, so the statuses of a node's pool are not subscribed to: an
`inBlock` may be `retracted`, and one that was `usurped`, `invalid` or `dropped` in one pool may be alive in another.
Their meaning is found out otherwise. An extrinsic is usurped once a finalized block's state is past its nonce. It is
invalid or dropped once the pool, to which it is handed again, refuses it. Instead of a `finalityTimeout` its mortality
ends the wait, so that no second one is made while the first may still be executed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import structlog
from scalecodec.utils.ss58 import ss58_encode

from .block import Block
from .call import Call
from .client import ChainClient
from .errors import (
    ChainError,
    ConnectionLost,
    DispatchError,
    InvalidTransaction,
    NotIncluded,
    OutcomeLost,
    RpcError,
    StateDiscarded,
    UnknownRuntime,
)
from .follower import Follower
from .mandate import Mandate
from .operators import operated
from .runtime.events import EventRecord
from .runtime.extrinsic import PERIOD, Mortality, extrinsic_hash, payload, signed, signer_of
from .runtime.metadata import Runtime
from .sent import Receipt, Sent, SentTable

log = structlog.get_logger(__name__)

SUBMIT_TRIES = 5
"""Tries to hand an extrinsic to the pool, `RETRY_SECONDS` apart."""
RETRY_SECONDS = 0.5
"""Pause between two tries, about the time in which a pool catches up with a new block."""
PUSH_AGAIN_BLOCKS = 8
"""Blocks after which an extrinsic that is in none is handed to the pool again: pools forget, nodes restart."""
FATE_BLOCKS = 600
"""Blocks for which the fate of an interrupted run's extrinsic is kept after its mortality, for a repeated command."""
# error codes of the transaction pool
INVALID, BANNED, ALREADY_IMPORTED, TOO_LOW, POOL_FULL = 1010, 1012, 1013, 1014, 1016
CURABLE = ("outdated", "bad signature", "ancient birth block")
"""Refusals that a later try cures: the nonce was taken, the code was just replaced, or the pool is behind the anchor."""
REMARK = Call("System", "remark", {"remark": b""})
"""A call that does nothing."""


class SigningPair(Protocol):
    """An sr25519 or ed25519 key pair, such as substrate-interface's."""

    @property
    def crypto_type(self) -> int:
        """The kind of its signatures: 0 ed25519, 1 sr25519."""
        ...

    @property
    def public_key(self) -> bytes:
        """The public key, 32 bytes."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return a signature of 64 bytes."""
        ...


class Signer:
    """The signer of one account's calls. Everything sent is recorded in `path` first.

    `run` must be running, as must the follower: it takes up what an earlier run sent, then gives receipts.
    """

    def __init__(
        self,
        client: ChainClient,
        keypair: SigningPair,
        path: Path,
        follower: Follower,
        until_told: bool = False,
        peer: bytes | None = None,
    ) -> None:
        """Open the table at `path`. Raises SignerBusy if another process signs with it.

        `peer` is the account whose operator the key pair is: its calls are made for that account.
        With `until_told`, what is in the chain stays in the table until `told` is called: for a caller that would repeat a
        call whose receipt it had, but could not pass on.
        """
        self._client, self._keypair, self._follower = client, keypair, follower
        self.payer = bytes(keypair.public_key)
        """The account that signs and pays the fees."""
        self.account = self.payer if peer is None else peer
        """The account that calls are made for: the payer, or the peer whose operator it is."""
        self.mandate = Mandate(client, self.account, self.payer)
        """Whether an operator's calls count: of use to who makes calls for another account."""
        self._address = ss58_encode(self.payer)
        self._table = SentTable(path)
        self._lock = asyncio.Lock()
        self._sent: dict[bytes, Sent] = {}
        self._earlier: dict[bytes, list[tuple[Sent, Receipt | OutcomeLost]]] = {}
        """By call: the outcome of extrinsics that an earlier run sent and that are in the chain."""
        self._until_told = until_told
        self._untold: list[Sent] = []
        self._ready = asyncio.Event()
        self._stopped: ChainError | None = None

    async def run(self) -> None:
        """Watch the finalized chain for what was sent. This is a task of the node; it survives connection faults."""
        try:
            await self._follower.wait_for(0)
            blocks = self._follower.blocks()
            await _outlive(self._recover)
            self._ready.set()
            async for block in blocks:
                if self._sent:
                    await _outlive(lambda block=block: self._look_into(block))  # type: ignore[misc]
        except ChainError as error:
            self._stop(error)
            raise
        finally:
            self._stop(ChainError("the signer was stopped"))

    def close(self) -> None:
        """Close the table."""
        self._table.close()

    def told(self) -> None:
        """Note that everybody who waited for the receipts given so far knows them."""
        while self._untold:
            self._table.forget(self._untold.pop())

    def under_way(self) -> list[str]:
        """Return the calls that were sent and may still take effect, or did so untold, by name."""
        mine = [sent for sent in self._sent.values() if not (sent.earlier and sent.orphaned)]
        return [sent.name for sent in (*mine, *self._untold)]

    async def submit(self, call: Call, held: Callable[[], Awaitable[bool]] | None = None) -> Receipt | None:
        """Sign, send, and wait until the call is in a finalized block. Concurrent calls are sent in turn, without waiting.

        If an earlier run sent the same call and did not learn its fate, it is not sent again: its receipt is returned,
        once, unless more than `FATE_BLOCKS` have passed. The same holds for a caller that was cancelled, as long as the
        call may still be included. Otherwise `held` is asked before anything is sent: if the fact already holds,
        nothing is sent and None is returned; what it raises is raised.

        Raises DispatchError, InvalidTransaction, NotIncluded, OutcomeLost, UnknownRuntime, NotOperable if an operator does
        not make such calls, NotOperator if it is none, and ConnectionLost if nothing was sent.
        """
        if self.made(call) is call:
            return await self._submit(call, held)
        return await self.mandate.submit(lambda: self._submit(call, held))

    async def _submit(self, call: Call, held: Callable[[], Awaitable[bool]] | None) -> Receipt | None:
        await self._ready.wait()
        async with self._lock:
            if self._stopped is not None:
                raise self._stopped
            _, encoded = await self._encode(call)
            earlier = self._take_earlier(encoded)
            if isinstance(earlier, OutcomeLost):
                raise earlier
            if earlier is not None:
                log.info(
                    "an earlier run already sent this call, and did not tell its outcome: it is not sent again; "
                    "repeat it once more to send another one",
                    call=str(call),
                    block=earlier.block.number,
                )
                return earlier
            sent = self._orphan(encoded)
            if sent is None:
                if held is not None and await held():
                    return None
                sent = await self._send(call)
            if self._stopped is not None:
                sent.orphaned = True
                raise self._stopped
        try:
            return await asyncio.shield(sent.done)
        except asyncio.CancelledError:
            sent.orphaned = True
            raise

    async def _encode(self, call: Call) -> tuple[Runtime, bytes]:
        """Return the runtime of the best block and the call encoded for it.

        The same bytes may be another call in the next runtime.
        """
        runtime = await self._client.runtime_at()
        if runtime.cannot_sign is not None:
            raise UnknownRuntime(f"cannot sign for runtime {runtime.spec_version}: {runtime.cannot_sign}")
        return runtime, runtime.encode_call(self.made(call))

    def made(self, call: Call) -> Call:
        """Return a call as it is sent: an operator's is wrapped. Raises NotOperable."""
        return call if self.payer == self.account else operated(call, self.account)

    def _take_earlier(self, encoded: bytes) -> Receipt | OutcomeLost | None:
        latest = self._follower.latest
        fates = self._earlier.pop(encoded, [])
        while fates:
            sent, fate = fates.pop(0)
            self._keep_until_told(sent)
            # checked again here, because this run may be long as well
            if latest is None or latest.number < sent.death + FATE_BLOCKS:
                if fates:
                    self._earlier[encoded] = fates
                return fate
        return None

    def _orphan(self, encoded: bytes) -> Sent | None:
        for sent in self._sent.values():
            if sent.orphaned and sent.call == encoded:
                sent.orphaned = False
                return sent
        return None

    async def _send(self, call: Call) -> Sent:
        for attempt in range(SUBMIT_TRIES):
            sent = await self._prepare(call)
            try:
                await self._push(sent)
            except (InvalidTransaction, NotIncluded) as error:
                self._fail(sent, error)
                if attempt == SUBMIT_TRIES - 1 or not _is_curable(error):
                    raise
                await asyncio.sleep(RETRY_SECONDS)
            except BaseException:
                # It may be in the pool all the same, so it stays in the table until it is found or too old.
                sent.orphaned = True
                raise
            else:
                return sent
        raise AssertionError("unreachable")

    async def _prepare(self, call: Call) -> Sent:
        # encoded again for each try: the runtime may have been replaced since
        runtime, encoded = await self._encode(call)
        name = str(call)
        anchor, best = await self._client.finalized(), await self._client.best()
        if best.number + 1 - anchor.number >= PERIOD:
            raise NotIncluded(
                f"{name}: not sent: block {anchor.number} is the last finalized one, too far behind {best.number} to sign on"
            )
        mortality = Mortality(anchor.number, anchor.hash)
        nonce = int(await self._client.rpc.request("system_accountNextIndex", self._address))
        # The pool may have lost some of ours. They are handed to it again, so their nonces are taken; gaps are free.
        # One that it bans and has not (else the next index were higher) keeps no nonce: what takes it usurps it.
        taken = {sent.nonce for sent in self._sent.values() if not sent.banned}
        while nonce in taken:
            nonce += 1
        sent = self._sign(runtime, name, encoded, mortality, nonce)
        self._table.add(self._client.genesis, sent)
        self._sent[sent.hash] = sent
        return sent

    def _sign(self, runtime: Runtime, name: str, encoded: bytes, mortality: Mortality, nonce: int) -> Sent:
        message = payload(
            encoded, mortality, nonce, runtime.spec_version, runtime.transaction_version, self._client.genesis
        )
        extrinsic = signed(
            self.payer, bytes(self._keypair.sign(message)), encoded, mortality, nonce, self._keypair.crypto_type
        )
        return Sent(
            extrinsic_hash(extrinsic),
            nonce,
            mortality.birth,
            mortality.death,
            encoded,
            extrinsic,
            name,
            pushed=mortality.birth,
        )

    async def _push(self, sent: Sent, again: bool = False) -> None:
        """Hand an extrinsic to the pool. On return the pool has it, or nobody knows and the chain decides.

        `again` says that the pool may have had it already: a block may hold it, for which the pool would refuse it.
        Raises InvalidTransaction and NotIncluded if it was refused for good.
        """
        sent.pushing = True
        try:
            await self._push_on(sent, again)
        finally:
            sent.pushing = False

    async def _push_on(self, sent: Sent, again: bool) -> None:
        refused: RpcError | None = None
        for attempt in range(SUBMIT_TRIES):
            if attempt:
                await asyncio.sleep(RETRY_SECONDS)
            if self._stopped is not None:
                raise self._stopped
            try:
                await self._client.rpc.request("author_submitExtrinsic", "0x" + sent.extrinsic.hex())
                sent.banned = False
                return
            except ConnectionLost as error:
                log.warning("the pool may or may not have this extrinsic", call=sent.name, error=str(error))
                again, refused = True, None
            except RpcError as error:
                if error.code == ALREADY_IMPORTED:
                    return
                refused = error
                if error.code != POOL_FULL:
                    break
        if refused is None or sent.done.done() or (again and await self._may_still_be(sent, refused)):
            return
        kind = InvalidTransaction if refused.code == INVALID else NotIncluded
        raise kind(f"{sent.name}: {refused}") from refused

    async def _may_still_be(self, sent: Sent, refused: RpcError) -> bool:
        """Return whether an extrinsic that a pool had before, and refuses now, may still be in the chain."""
        if refused.code == BANNED:
            # a pool bans for a while what was in a block, even if that block was retracted and the pool has it again, and
            # what became invalid
            sent.banned = True
            return True
        try:
            best = await self._client.best()
            return await self._find({sent.hash}, sent.birth, min(best.number, sent.death - 1), None)
        except ConnectionLost:
            return True  # unknown: the finalized chain decides

    async def _recover(self) -> None:
        """Take up what an earlier run sent: it is in the chain, still possible (then it is sent again), or too old."""
        found = self._table.load(self._client.genesis)
        if any(signer_of(sent.extrinsic) != self.payer for sent in found):
            raise ChainError(f"the table of sent extrinsics belongs to another account than {self._address}")
        finalized = await self._client.finalized()
        self._sent.clear()  # of an interrupted try
        self._earlier.clear()
        for sent in found:
            if finalized.number < sent.death + FATE_BLOCKS:
                self._sent[sent.hash] = sent
            else:
                self._table.forget(sent)
                log.info(
                    "an earlier run sent this, and no command asked for its outcome", call=sent.name, until=sent.death
                )
        if not self._sent:
            return
        found = list(self._sent.values())
        last = min(finalized.number, max(sent.death for sent in found) - 1)
        await self._find(set(self._sent), min(sent.birth for sent in found), last, self._settle)
        for sent in list(self._sent.values()):
            if finalized.number >= sent.death:
                self._fail(sent, NotIncluded(f"{sent.name}: its mortality passed while this service was away"))
            else:
                await self._push_again(sent, finalized.number)

    async def _find(
        self, hashes: set[bytes], first: int, last: int, settle: Callable[..., Awaitable[None]] | None
    ) -> bool:
        """Look for extrinsics in the blocks [first, last] and `settle` each. Return whether all were found."""
        for number in range(first, last + 1):
            block_hash = await self._client.block_hash(number)
            if block_hash is None or not hashes:
                break
            for index, name in enumerate(map(extrinsic_hash, await self._client.extrinsics(block_hash))):
                if name in hashes:
                    hashes.discard(name)
                    if settle is not None:
                        await settle(self._sent[name], await self._client.block(block_hash), index)
        return not hashes

    async def _look_into(self, block: Block) -> None:
        for index, name in enumerate(map(extrinsic_hash, await self._client.extrinsics(block.hash))):
            if name in self._sent:
                await self._settle(self._sent[name], block, index)
        if not self._sent:
            return
        try:
            next_nonce = await self._client.nonce(self.payer, block.hash)
        except StateDiscarded:
            return  # a later block shows the nonce as well
        for sent in sorted(self._sent.values(), key=lambda sent: sent.nonce):
            if sent.nonce < next_nonce and sent.birth < block.number:
                self._fail(sent, NotIncluded(f"{sent.name}: another extrinsic took nonce {sent.nonce} (usurped)"))
            elif block.number >= sent.death - 1:
                self._fail(sent, NotIncluded(f"{sent.name}: not in a block before its mortality passed"))
            elif block.number >= sent.pushed + PUSH_AGAIN_BLOCKS and not sent.pushing:
                await self._push_again(sent, block.number)
        await self._close_gap()

    async def _close_gap(self) -> None:
        """Let nothing wait behind a nonce that the pool has not: it would until its mortality, or until another call comes.

        The pool drops, and bans, what became invalid after it took it: a report of what another one reported first. It is
        handed to it again after `PUSH_AGAIN_BLOCKS`; when that failed, a remark takes its nonce.
        """
        if self._lock.locked() or not self._sent:
            return  # the next block shows it as well
        async with self._lock:
            nonce = int(await self._client.rpc.request("system_accountNextIndex", self._address))
            behind = [sent for sent in self._sent.values() if not sent.banned]
            if min((sent.nonce for sent in behind), default=0) <= nonce:
                return
            waiting = ", ".join(sent.name for sent in behind)
            log.info(
                "the pool lacks a call: a remark takes its nonce, so that others go on", nonce=nonce, waiting=waiting
            )
            try:
                (await self._send(REMARK)).orphaned = True
            except (InvalidTransaction, NotIncluded) as error:
                log.warning("calls wait behind one that the pool lacks", waiting=waiting, error=str(error))

    async def _push_again(self, sent: Sent, number: int) -> None:
        try:
            await self._push(sent, again=True)
            sent.pushed = number
        except (InvalidTransaction, NotIncluded) as error:
            self._fail(sent, error)

    async def _settle(self, sent: Sent, block: Block, index: int) -> None:
        own = tuple(record for record in block.events if record.extrinsic == index)
        failure = _failure(own)
        if failure is not None:
            runtime = await self._client.runtime_at(block.hash)
            self._fail(sent, DispatchError(*runtime.dispatch_error(failure)))
            return
        fate: Receipt | OutcomeLost = Receipt(block.ref, index, sent.hash, own)
        if block.discarded:
            fate = OutcomeLost(f"{sent.name}: sent before, and in block {block.number}; its outcome there is unknown")
            log.warning("the chain node has pruned the state of a block", call=sent.name, block=block.number)
        if sent.earlier and sent.orphaned:
            self._sent.pop(sent.hash, None)  # it stays in the table until the call is repeated
            self._earlier.setdefault(sent.call, []).append((sent, fate))
        elif isinstance(fate, OutcomeLost):
            self._fail(sent, fate)
        else:
            self._sent.pop(sent.hash, None)
            self._keep_until_told(sent)
            if not sent.done.done():
                sent.done.set_result(fate)

    def _keep_until_told(self, sent: Sent) -> None:
        """Forget what is in the chain, or note that it must be told first. Without a caller nobody will tell it now."""
        if not self._until_told:
            self._table.forget(sent)
        elif not sent.orphaned or sent.earlier:
            self._untold.append(sent)

    def _fail(self, sent: Sent, error: ChainError) -> None:
        self._forget(sent)
        if not sent.done.done():
            sent.done.set_exception(error)

    def _forget(self, sent: Sent) -> None:
        self._sent.pop(sent.hash, None)
        self._table.forget(sent)

    def _stop(self, error: ChainError) -> None:
        """End all waiting submissions. What they sent stays in the table."""
        if self._stopped is None:
            self._stopped = error
            self._ready.set()
            for sent in self._sent.values():
                if not sent.done.done():
                    sent.done.set_exception(error)


async def _outlive(step: Callable[[], Awaitable[None]]) -> None:
    """Repeat a step until the node answers all of its requests."""
    while True:
        try:
            return await step()
        except (ConnectionLost, RpcError) as error:
            log.warning("the signer waits for the node", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)


def _failure(events: tuple[EventRecord, ...]) -> Any:
    """Return the DispatchError among an extrinsic's events, also of a call made by sudo, or None."""
    for one in events:
        if one.pallet == "System" and one.name == "ExtrinsicFailed":
            return one.fields["dispatch_error"]
        if one.pallet == "Sudo" and "sudo_result" in (one.fields or {}) and "Err" in one.fields["sudo_result"]:
            return one.fields["sudo_result"]["Err"]
    return None


def _is_curable(error: ChainError) -> bool:
    cause = error.__cause__
    if not isinstance(cause, RpcError):
        return False
    return cause.code in (TOO_LOW, BANNED) or any(text in str(cause) for text in CURABLE)
