"""What of the pallet conformance vectors show: calls, events, errors and deadlines, by the names of the metadata."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from runtime_mock.codec import Reader
from tests.support.differential.runtime_names import names

PALLET = "DatDot"
#: Calls in which other calls count as made if all of it succeeded.
WRAPPERS = {"Sudo.sudo", "Utility.batch_all"}
#: Calls nest up to 256 deep, several Python frames each.
STACK = 20_000


@dataclass(frozen=True)
class Shown:
    """Names of the pallet: calls that succeeded, events, errors that a call failed with, and deadlines that acted."""

    calls: frozenset[str]
    events: frozenset[str]
    errors: frozenset[str]
    deadlines: frozenset[str]

    def __or__(self, other: Shown) -> Shown:
        return Shown(*(getattr(self, one.name) | getattr(other, one.name) for one in fields(self)))

    def __sub__(self, other: Shown) -> Shown:
        return Shown(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(self)))

    def all(self) -> set[str]:
        """Everything, each with its kind in front."""
        return {f"{one.name}: {name}" for one in fields(self) for name in getattr(self, one.name)}


def everything() -> Shown:
    """What the metadata has."""
    known = names()

    def own(found: Iterator[str]) -> frozenset[str]:
        return frozenset(name.removeprefix(f"{PALLET}.") for name in found if name.startswith(f"{PALLET}."))

    kind = known.items[PALLET, "Deadlines"].keys[0]
    return Shown(
        own(f"{pallet}.{name}" for pallet, name in known.calls),
        own(iter(known.events)),
        own(iter(known.errors.values())),
        frozenset(known.variants(kind)),
    )


def shown_by(vector: dict[str, Any]) -> Shown:
    """What a vector shows."""
    calls: set[str] = set()
    events: set[str] = set()
    errors: set[str] = set()
    deadlines: set[str] = set()
    for block in vector["blocks"]:
        outcomes = zip(block["extrinsics"], block["refused"], block["errors"], strict=True)
        for extrinsic, refused, error in outcomes:
            if error is not None:
                errors.add(error)
            elif refused is None:
                calls.update(_calls(_call_of(bytes.fromhex(extrinsic))))
        events.update(block["events"])
        deadlines.update(_acted(block["changes"]))
    return Shown(*(_own(found) for found in (calls, events, errors)), frozenset(deadlines))  # type: ignore[call-arg]


def _own(found: set[str]) -> frozenset[str]:
    return frozenset(name.removeprefix(f"{PALLET}.") for name in found if name.startswith(f"{PALLET}."))


def _call_of(extrinsic: bytes) -> Any:
    """The call of a signed extrinsic of version 4."""
    reader = Reader(extrinsic)
    reader.compact()
    reader.take(1 + 1 + 32)  # version, kind of address, account
    reader.take(65 if reader.uint(1) == 2 else 64)  # signature, by its kind
    if reader.uint(1):
        reader.take(1)  # the second byte of an era
    reader.compact()  # nonce
    reader.compact()  # tip
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, STACK))
    try:
        found = names().types.reader(names().calls["Sudo", "sudo"][1][0][1])(reader)
    finally:
        sys.setrecursionlimit(limit)
    reader.end()
    return found


def _calls(call: Any) -> Iterator[str]:
    """The full names of a call and of those in it."""
    pallet, inner = call
    name, arguments = inner if isinstance(inner, tuple) else (inner, {})
    yield f"{pallet}.{name}"
    if f"{pallet}.{name}" in WRAPPERS:
        for one in arguments["calls"] if "calls" in arguments else [arguments["call"]]:
            yield from _calls(one)


def _acted(changes: dict[str, str | None]) -> Iterator[str]:
    """The kinds of the deadlines that were taken out of their queues."""
    for key, value in changes.items():
        found = names().named(bytes.fromhex(key)) if value is None else None
        if found is not None and (found[0].pallet, found[0].name) == (PALLET, "Deadlines"):
            yield found[1][0]
