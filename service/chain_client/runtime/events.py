"""Read a block's events: those of our pallet are typed, of all others only the name is read until somebody asks for more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..pallet.events import Event
from .primitives import Reader, ScaleError, compact, whole
from .scale import Types

INDEX_BYTES = 4
"""Of the number of an extrinsic."""


class EventRecord:
    """An event of a block. `extrinsic` is the index it belongs to.

    `event` is typed if the pallet is DatDot and the runtime has the event in the form that this service knows. `fields` are
    in scalecodec's form; they may be given as what reads them.
    """

    __slots__ = ("_fields", "event", "extrinsic", "name", "pallet")

    def __init__(
        self, pallet: str, name: str, fields: Any | Callable[[], Any], event: Event | None, extrinsic: int | None
    ) -> None:
        self.pallet, self.name, self.event, self.extrinsic = pallet, name, event, extrinsic
        self._fields = fields

    @property
    def fields(self) -> Any:
        """The fields, read when they are asked for."""
        if callable(self._fields):
            self._fields = self._fields()
        return self._fields

    def __repr__(self) -> str:
        return f"EventRecord({self.pallet}.{self.name}, {self.event or self.fields}, extrinsic={self.extrinsic})"


Typed = Callable[[str, str, Any, bytes], Event | None]
"""Types an event: the pallet's name, its own, its fields in the metadata, and their bytes."""


class _Kind:
    """A kind of event: its names, its fields in the metadata, and what passes over them."""

    def __init__(self, types: Types, pallet: str, name: str, fields: Any) -> None:
        self.pallet, self.name, self.fields = pallet, name, fields
        self.skip = types.skip_fields(fields)
        self._types = types
        self._reader: Reader | None = None

    def form(self, data: bytes) -> Any:
        """Return the fields in scalecodec's form, or None if there are none."""
        if not self.fields:
            return None
        if self._reader is None:
            self._reader = self._types.fields(self.fields)
        return whole(self._reader, data)


class Events:
    """The reader of System.Events, by the types of one metadata. `listed` is the id of the list of records."""

    def __init__(self, types: Types, listed: int, typed: Typed) -> None:
        self._types, self._typed = types, typed
        parts = types.parts(listed)
        # which phases have the index of an extrinsic
        self._applies = {one["index"]: one["name"] == "ApplyExtrinsic" for one in types.variants(parts["phase"])}
        self._pallets = {one["index"]: one for one in types.variants(parts["event"])}
        self._topics = types.skipper(parts["topics"])
        self._kinds: dict[tuple[int, int], _Kind] = {}

    def read(self, data: bytes) -> tuple[EventRecord, ...]:
        """Return the events. Raises ScaleError if the bytes are none."""
        try:
            count, at = compact(data, 0)
            found = []
            for _ in range(count):
                record, at = self._record(data, at)
                found.append(record)
        except LookupError as error:
            raise ScaleError(f"{len(data)} bytes are too few, or name what is not there: {error!r}") from error
        except RecursionError as error:
            raise ScaleError(f"{len(data)} bytes are of types that nest too deep") from error
        if at != len(data):
            raise ScaleError(f"{len(data) - at} bytes are left over")
        return tuple(found)

    def _record(self, data: bytes, at: int) -> tuple[EventRecord, int]:
        extrinsic = None
        if self._applies[data[at]]:
            extrinsic = int.from_bytes(data[at + 1 : at + 1 + INDEX_BYTES], "little")
            at += INDEX_BYTES
        kind = self._kinds.get((data[at + 1], data[at + 2])) or self._kind(data[at + 1], data[at + 2])
        start = at + 3
        end = kind.skip(data, start)
        own = data[start:end]
        typed = self._typed(kind.pallet, kind.name, kind.fields, own)
        return EventRecord(kind.pallet, kind.name, partial(kind.form, own), typed, extrinsic), self._topics(data, end)

    def _kind(self, pallet: int, event: int) -> _Kind:
        owner = self._pallets[pallet]
        known = {one["index"]: one for one in self._types.variants(owner["fields"][0]["type"])}
        found = _Kind(self._types, owner["name"], known[event]["name"], known[event]["fields"])
        self._kinds[pallet, event] = found
        return found
