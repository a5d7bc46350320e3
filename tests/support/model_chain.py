"""The model's own rules over a dictionary, without extrinsics and fees: blocks of `on_initialize` and direct calls.

chain = ModelChain([Account.of("a sponsor")])
chain.block()
chain.call(offers.offer_encoding, account, 10**12)  # "NotAPeer"
"""

from __future__ import annotations

import bisect
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

from runtime_mock import ss58
from runtime_mock.model import genesis as presets
from runtime_mock.model import pallet
from runtime_mock.model.datdot import deadlines
from runtime_mock.model.datdot.check_state import check_money, check_state
from runtime_mock.model.datdot.params import times
from runtime_mock.model.datdot.types import Times
from runtime_mock.model.frame import balances, system
from runtime_mock.model.frame.dispatch import DispatchError
from runtime_mock.model.storage import Map
from tests.support.differential.driver import Account

MONEY = 1_000_000 * 10**12


class DictState:
    """Raw keys and values with nested transactions."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._layers: list[dict[bytes, bytes | None]] = []
        self._sorted: list[bytes] | None = None

    def get(self, key: bytes) -> bytes | None:
        for layer in reversed(self._layers):
            if key in layer:
                return layer[key]
        return self._values.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        if self._layers:
            self._layers[-1][key] = value
        else:
            self._values[key], self._sorted = value, None

    def delete(self, key: bytes) -> None:
        if self._layers:
            self._layers[-1][key] = None
        elif self._values.pop(key, None) is not None:
            self._sorted = None

    def begin(self) -> None:
        self._layers.append({})

    def commit(self) -> None:
        for key, value in self._layers.pop().items():
            if value is None:
                self.delete(key)
            else:
                self.put(key, value)

    def rollback(self) -> None:
        self._layers.pop()

    def next_key(self, key: bytes) -> bytes | None:
        """Between calls only: the rules never walk through a map."""
        assert not self._layers
        if self._sorted is None:
            self._sorted = sorted(self._values)
        place = bisect.bisect_right(self._sorted, key)
        return self._sorted[place] if place < len(self._sorted) else None

    def clear_prefix(self, prefix: bytes, limit: int | None) -> tuple[int, bool]:
        raise NotImplementedError

    def root(self, version: int) -> bytes:
        raise NotImplementedError


class ModelChain:
    """A chain of the development preset, with changes, on which `rich` accounts have money."""

    def __init__(self, rich: Sequence[Account], name: str = "", changed: dict[str, int] | None = None) -> None:
        pallet.register_all()
        self.state = DictState()
        preset = presets.preset("development")
        assert preset is not None
        config = presets.default() | json.loads(preset)
        config["balances"] = {"balances": [[ss58.encode(one.id, 42), MONEY] for one in rich], "devAccounts": None}
        config["datDot"]["times"] |= changed or {}
        presets.build(self.state, json.dumps(config).encode())
        self.genesis = self._hash("genesis", name)
        system.BlockHash.put(self.state, 0, self.genesis)
        self._issuance = balances.TotalIssuance.get(self.state)
        self.number = 0
        self.events: list[tuple[int, Any]] = []
        """All events, with their blocks."""
        self.errors: Counter[str] = Counter()

    @staticmethod
    def _hash(*parts: object) -> bytes:
        return hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=32).digest()

    @property
    def times(self) -> Times:
        return times(self.state)

    def block(self, check: bool = True) -> None:
        """Do what the next block does before its extrinsics, and check the state after it."""
        self.number += 1
        system.Number.put(self.state, self.number)
        system.ParentHash.put(self.state, self._hash(self.genesis.hex(), self.number))
        with self._listening():
            deadlines.on_initialize(self.state)
        if check:
            self.check()

    def check(self) -> None:
        check_state(self.state)
        check_money(self.state, self._issuance)

    def call(self, rule: Callable[..., Any], *arguments: Any) -> str | None:
        """The name of the error, or None."""
        self.state.begin()
        before = len(self.events)
        try:
            with self._listening():
                rule(self.state, *arguments)
        except DispatchError as error:
            self.state.rollback()
            del self.events[before:]
            self.errors[error.name] += 1
            return error.name
        self.state.commit()
        return None

    def _listening(self) -> Any:
        return patch.object(system, "deposit", lambda _, event: self.events.append((self.number, event)))

    def all(self, item: Map[Any, Any], *keys: Any) -> dict[Any, Any]:
        return dict(item.entries(self.state, *keys))

    def money(self, account: bytes) -> int:
        """What an account has, held money included."""
        data = system.Account.get(self.state, account).data
        return data.free + data.reserved
