"""Model and runtime side by side: the same extrinsics in the same blocks, everything compared after each.

    pair = Pair()
    pair.submit(pair.accounts[0], "Balances", "transfer_keep_alive", {"dest": ("Id", bytes(32)), "value": 10**12})
    for outcome in pair.seal():
        print(outcome.error, [event.name for event in outcome.events])
    pair.value("System", "Number")

Any difference raises `Difference`, which says after which step of the block which keys differ, by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from nacl.signing import SigningKey

from runtime_mock import ss58
from runtime_mock.chainspec import artifacts, preset
from runtime_mock.codec import blake2_256, compact, prefixed
from runtime_mock.model import ModelRuntime
from runtime_mock.node.chain import Chain, Header
from runtime_mock.node.pool import EXTERNAL
from runtime_mock.runtime import Runtime, RuntimeFault
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie, ordered_root
from runtime_mock.wasm.runtime import WasmRuntime, default_cache
from tests.support.differential.runtime_names import names, show
from tests.support.runtime_version import VERSIONS

UNIT = 10**12
SHOWN = 12
SLOT_MS = 6_000


class Difference(AssertionError):
    """The two implementations do not agree; says where."""


@dataclass(frozen=True)
class Account:
    """An account with an ed25519 key: its signatures are always the same, so a run can be repeated exactly."""

    name: str
    secret: SigningKey

    @classmethod
    def of(cls, name: str) -> Account:
        return cls(name, SigningKey(hashlib.blake2b(name.encode(), digest_size=32).digest()))

    @property
    def id(self) -> bytes:
        return bytes(self.secret.verify_key)

    def sign(self, message: bytes) -> bytes:
        return bytes(self.secret.sign(message).signature)


@dataclass(frozen=True)
class Event:
    """An event: its phase (an extrinsic's index, or None), its full name, its fields."""

    extrinsic: int | None
    name: str
    fields: Any


@dataclass(frozen=True)
class Outcome:
    """What became of an extrinsic: refused (never in the block), failed (the error's name), or neither."""

    extrinsic: bytes
    refused: bytes | None
    error: str | None
    events: list[Event] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.refused is None and self.error is None


@dataclass(frozen=True)
class Sealed:
    """A block that both agree on: its state root, what became of what was queued, the names of its events, and the entries
    that it changed (None: removed)."""

    state_root: bytes
    outcomes: list[Outcome]
    events: list[str]
    changes: dict[bytes, bytes | None]


@cache
def runtimes() -> tuple[Runtime, Runtime]:
    """Model and wasm."""
    code = (artifacts() / "datdot_runtime.compact.compressed.wasm").read_bytes()
    return ModelRuntime(artifacts()), WasmRuntime(code, default_cache())


def merge(base: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Objects joined, everything else replaced."""
    joined = dict(base)
    for key, value in patch.items():
        before = joined.get(key)
        joined[key] = merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return joined


def genesis(runtime: Runtime, patch: dict[str, Any]) -> Trie:
    """The development preset with a patch. Without `:code`, so that its hash, which is in every signed statement, is the
    same whatever the runtime was compiled with."""
    config = merge(merge(preset(runtime, None), preset(runtime, "development")), patch)
    state = Overlay(Trie())
    answer = runtime.call(state, "GenesisBuilder_build_state", prefixed(json.dumps(config).encode()))
    assert answer == b"\0", answer
    return state.trie()


class Pair:
    """Both chains. `accounts` have money; the first one is sudo."""

    def __init__(self, accounts: int = 8, patch: dict[str, Any] | None = None) -> None:
        self.accounts = [Account.of(f"account {number}") for number in range(accounts)]
        rich = [[ss58.encode(one.id, 42), 1_000_000 * UNIT] for one in self.accounts]
        own = {"balances": {"balances": rich}, "sudo": {"key": rich[0][0]}}
        model, wasm = runtimes()
        self.patch = patch or {}
        self.history: list[Sealed] = []
        states = [genesis(runtime, merge(own, self.patch)) for runtime in (model, wasm)]
        self._compare("genesis", *states)
        self.model, self.wasm = Chain(model, states[0]), Chain(wasm, states[1])
        self.genesis = self.wasm.genesis.hash
        self._queue: list[bytes] = []
        self._nonces: dict[bytes, int] = {}

    # reading

    @property
    def number(self) -> int:
        """The last block."""
        return self.wasm.best.number

    @property
    def state(self) -> Trie:
        """The state after it."""
        return self.wasm.state(self.wasm.best)

    def value(self, pallet: str, item: str, *keys: Any) -> Any:
        """A storage item, decoded."""
        return names().value(pallet, item, self.state.get(names().key(pallet, item, *keys)))

    def entries(self, pallet: str, item: str, *keys: Any) -> dict[Any, Any]:
        """All entries of a map, or those under the first keys; by the last key."""
        prefix, found = names().key(pallet, item, *keys), {}
        key = self.state.next_key(prefix)
        while key is not None and key.startswith(prefix):
            named = names().named(key)
            assert named is not None
            found[named[1][-1]] = names().value(pallet, item, self.state.get(key))
            key = self.state.next_key(key)
        return found

    def events(self) -> list[Event]:
        """Those of the last block."""
        found = []
        for record in self.value("System", "Events"):
            phase = record["phase"]
            pallet, (name, fields) = _with_fields(record["event"])
            index = phase[1] if isinstance(phase, tuple) else None
            found.append(Event(index, f"{pallet}.{name}", fields))
        return found

    # extrinsics

    def nonce(self, account: Account) -> int:
        """The next one, queued extrinsics counted."""
        if account.id not in self._nonces:
            self._nonces[account.id] = self.value("System", "Account", account.id)["nonce"]
        return self._nonces[account.id]

    def call(self, pallet: str, name: str, arguments: dict[str, Any]) -> bytes:
        """A call's bytes."""
        return names().call(pallet, name, arguments)

    def sign(
        self,
        account: Account,
        call: bytes,
        *,
        nonce: int | None = None,
        tip: int = 0,
        era: bytes = b"\0",
        birth: int = 0,
    ) -> bytes:
        """A signed extrinsic, with its length in front; mortal ones are given their era's bytes and its first block."""
        extra = era + compact(self.nonce(account) if nonce is None else nonce) + compact(tip)
        block = self.wasm.at(birth)
        at = block.hash if block is not None else bytes(32)
        payload = call + extra + VERSIONS
        payload += self.genesis + at
        if len(payload) > 256:
            payload = blake2_256(payload)
        return prefixed(b"\x84\0" + account.id + b"\0" + account.sign(payload) + extra + call)

    def submit(self, account: Account, pallet: str, name: str, arguments: dict[str, Any], **how: Any) -> bytes:
        """Sign a call and queue it for the next block."""
        extrinsic = self.sign(account, self.call(pallet, name, arguments), **how)
        self.queue(extrinsic)
        if "nonce" not in how:
            self._nonces[account.id] = self.nonce(account) + 1
        return extrinsic

    def sudo(self, pallet: str, name: str, arguments: dict[str, Any]) -> bytes:
        """Queue a call as root."""
        inner = names().types.read(self._call_type, self.call(pallet, name, arguments))
        return self.submit(self.accounts[0], "Sudo", "sudo", {"call": inner})

    @property
    def _call_type(self) -> int:
        return names().calls["Sudo", "sudo"][1][0][1]

    def queue(self, extrinsic: bytes) -> None:
        """Queue raw bytes, with their length in front, for the next block."""
        self._queue.append(extrinsic)

    def validity(self, extrinsic: bytes) -> bytes:
        """What both answer to the pool."""
        return self.api(_VALIDATE, EXTERNAL + extrinsic + self.wasm.best.hash)

    def api(self, name: str, data: bytes) -> bytes:
        """A runtime API at the last block; the kind of failure where it has no answer."""
        ours, theirs = (
            _outcome_of(chain.runtime, Overlay(chain.state(chain.best)), name, data)
            for chain in (self.model, self.wasm)
        )
        if ours != theirs:
            raise Difference(f"{name} of {data.hex()}\n  model {_shown(ours)}\n  wasm  {_shown(theirs)}")
        return theirs if isinstance(theirs, bytes) else theirs.encode()

    # blocks

    def seal(self, check_validity: bool = True) -> list[Outcome]:
        """A block of what is queued, on both."""
        queued, self._queue, self._nonces = self._queue, [], {}
        if check_validity:
            for extrinsic in queued:
                self.validity(extrinsic)
        (ours, our_refused), (theirs, their_refused) = (
            chain.build(chain.best, queued) for chain in (self.model, self.wasm)
        )
        if ours.hash != theirs.hash or our_refused != their_refused:
            self._explain(queued)
            raise Difference(
                f"block {theirs.number}: {ours.header} is not {theirs.header}; refused {our_refused}, {their_refused}"
            )
        before = self.state
        self.model.add(ours)
        self.wasm.add(theirs)
        events = self.events()
        outcomes = self._outcomes(queued, dict(their_refused), events)
        changes = {key: self.state.get(key) for key in sorted(before.differing(self.state))}
        self.history.append(Sealed(theirs.header.state_root, outcomes, [event.name for event in events], changes))
        return outcomes

    def seal_many(self, count: int) -> None:
        """Empty blocks, but for what is queued."""
        for _ in range(count):
            self.seal()

    @staticmethod
    def _outcomes(queued: list[bytes], refused: dict[bytes, bytes], seen: list[Event]) -> list[Outcome]:
        by_index: dict[int | None, list[Event]] = {}
        for event in seen:
            by_index.setdefault(event.extrinsic, []).append(event)
        found, index = [], 1
        for extrinsic in queued:
            if extrinsic in refused:
                found.append(Outcome(extrinsic, refused[extrinsic], None))
                continue
            events = by_index.get(index, [])
            index += 1
            found.append(Outcome(extrinsic, None, _error_of(events), events))
        return found

    def _explain(self, queued: Iterable[bytes]) -> None:
        """Build the block step by step on both, and raise Difference at the first step after which they differ."""
        chains = (self.model, self.wasm)
        overlays = [Overlay(chain.state(chain.best)) for chain in chains]
        best = self.wasm.best
        header = Header(best.hash, best.number + 1, bytes(32), ordered_root([], 0), ())
        self._step("Core_initialize_block", header.encoded, overlays)
        self._check_step("Core_initialize_block", overlays)
        now = compact(1) + b"timstap0" + prefixed((SLOT_MS * (best.number + 1)).to_bytes(8, "little"))
        inherents = self._step("BlockBuilder_inherent_extrinsics", now, overlays)
        assert isinstance(inherents, bytes)
        for number, extrinsic in enumerate([inherents[1:], *queued]):
            for overlay in overlays:
                overlay.begin()
            what = f"extrinsic {number}"
            answer = self._step("BlockBuilder_apply_extrinsic", extrinsic, overlays, what)
            for overlay in overlays:
                # a trap leaves its changes to be dropped by the host
                overlay.commit() if isinstance(answer, bytes) and answer[:1] == b"\0" else overlay.rollback()
            self._check_step(what, overlays)
        self._step("BlockBuilder_finalize_block", b"", overlays)
        self._check_step("BlockBuilder_finalize_block", overlays)

    def _check_step(self, what: str, overlays: list[Overlay]) -> None:
        self._compare(f"block {self.number + 1}, after {what}", *(overlay.trie() for overlay in overlays))

    def _step(self, method: str, data: bytes, overlays: list[Overlay], what: str = "") -> bytes | str:
        where = f"block {self.number + 1}: {method} {what}"
        answers = [
            _outcome_of(chain.runtime, overlay, method, data)
            for chain, overlay in zip((self.model, self.wasm), overlays, strict=True)
        ]
        if answers[0] != answers[1]:
            raise Difference(f"{where} answers\n  model {_shown(answers[0])}\n  wasm  {_shown(answers[1])}")
        return answers[1]

    def _compare(self, where: str, ours: Trie, theirs: Trie) -> None:
        if ours.root(1) == theirs.root(1):
            return
        mine, right = dict(ours.items()), dict(theirs.items())
        unlike = [key for key in sorted(mine.keys() | right.keys()) if mine.get(key) != right.get(key)]
        lines = [f"{where}: {len(unlike)} entries differ (model, then wasm)"]
        before = self.state if self.history else None
        for key in unlike[:SHOWN]:
            lines.append("  " + names().show(key, mine.get(key), right.get(key)))
            if before is not None and before.get(key) is not None:
                lines.append("      before: " + names().show(key, before.get(key)))
        raise Difference("\n".join(lines))


_VALIDATE = "TaggedTransactionQueue_validate_transaction"


def _outcome_of(runtime: Runtime, overlay: Overlay, method: str, data: bytes) -> bytes | str:
    """The answer, or the kind of failure: what a panic says may differ."""
    try:
        return runtime.call(overlay, method, data)
    except RuntimeFault as error:
        return type(error).__name__


def _shown(answer: bytes | str) -> str:
    return answer if isinstance(answer, str) else answer.hex()


def _with_fields(value: Any) -> tuple[str, tuple[str, Any]]:
    pallet, inner = value
    return pallet, inner if isinstance(inner, tuple) else (inner, {})


def _error_of(events: list[Event]) -> str | None:
    for event in events:
        if event.name == "System.ExtrinsicFailed":
            return names().error(_dispatch_error(event.fields["dispatch_error"]))
        if event.name == "Sudo.Sudid" and event.fields["sudo_result"] != ("Ok", ()):
            return names().error(_dispatch_error(event.fields["sudo_result"][1]))
    return None


def _dispatch_error(value: Any) -> bytes:
    return names().types.write(names().dispatch_error, value)


__all__ = ["UNIT", "Account", "Difference", "Event", "Outcome", "Pair", "show"]
