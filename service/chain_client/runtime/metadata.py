"""The metadata of one runtime version: encode calls and storage keys, decode storage and events."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import structlog
import xxhash
from scalecodec.base import ScaleBytes
from scalecodec.exceptions import InvalidScaleTypeValueException, RemainingScaleBytesNotEmptyException

from ..call import PALLET, Call
from ..errors import UnknownRuntime
from ..pallet.events import EVENTS, Event
from .convert import to_scale
from .events import EventRecord, Events
from .primitives import Reader, ScaleError, whole
from .registry import Registry
from .scale import Types
from .show import Shower

log = structlog.get_logger(__name__)

T = TypeVar("T")
UNDECODABLE = (
    InvalidScaleTypeValueException,
    RemainingScaleBytesNotEmptyException,
    NotImplementedError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)
"""The errors that scalecodec raises for bytes that are not of the type."""
KEPT_VALUES, KEPT_EVENTS = 4096, 64
EXTENSIONS = (
    "CheckNonZeroSender",
    "CheckSpecVersion",
    "CheckTxVersion",
    "CheckGenesis",
    "CheckMortality",
    "CheckNonce",
    "CheckWeight",
    "ChargeTransactionPayment",
    "CheckParty",
)


def blake2_256(data: bytes) -> bytes:
    """Return the BLAKE2b hash of 32 bytes."""
    return hashlib.blake2b(data, digest_size=32).digest()


def twox_128(text: str) -> bytes:
    """Return the hash under which pallets and storage items are stored."""
    data = text.encode()
    return b"".join(xxhash.xxh64_intdigest(data, seed=seed).to_bytes(8, "little") for seed in (0, 1))


_HASHERS = {
    "Twox64Concat": lambda key: xxhash.xxh64_intdigest(key, seed=0).to_bytes(8, "little") + key,
    "Blake2_128Concat": lambda key: hashlib.blake2b(key, digest_size=16).digest() + key,
    "Identity": lambda key: key,
}


class Runtime:
    """The metadata of one spec version, decoded once."""

    def __init__(self, metadata: bytes, spec_version: int, transaction_version: int) -> None:
        self.spec_version, self.transaction_version = spec_version, transaction_version
        self._config = Registry()
        self._metadata = self._config.create_scale_object("MetadataVersioned", data=ScaleBytes(metadata))
        try:
            self._metadata.decode()
            self._config.add_portable_registry(self._metadata)
        except UNDECODABLE as error:
            raise UnknownRuntime(
                f"the metadata of runtime {spec_version} cannot be read; only V14 is supported: {error}"
            ) from error
        self._config.set_active_spec_version_id(spec_version)
        self._types = Types([one.value["type"] for one in self._metadata.portable_registry["types"]])
        # Most values read block after block have not changed, and several readers decode each block's events.
        self._stored: Callable[..., Any] = lru_cache(maxsize=KEPT_VALUES)(self._decode_stored)
        self._events = lru_cache(maxsize=KEPT_EVENTS)(self._decode_events)
        self._unread: set[str] = set()
        self._pallets = {pallet.name: pallet for pallet in self._metadata.pallets}
        self._items = {
            (pallet.name, item.name): item
            for pallet in self._metadata.pallets
            for item in (pallet.storage or ())
            if item is not None
        }
        self._readers: dict[str, Reader | None] = {}
        try:
            self._event_reader = Events(self._types, self._value_type("System", "Events"), self._typed)
        except (ScaleError, LookupError, RecursionError) as error:
            raise self._other_form("System.Events", error) from error
        found = tuple(self._metadata.get_signed_extensions())
        self.cannot_sign = None if found == EXTENSIONS else f"its transaction extensions are {', '.join(found)}"
        """The reason why this service cannot sign for the runtime, or None."""

    def storage_key(self, pallet: str, item: str, *keys: bytes) -> bytes:
        """Return the raw key of an entry, or the prefix made by fewer keys."""
        hashers = self._item(pallet, item).get_param_hashers()
        hashed = b"".join(_HASHERS[hasher](key) for hasher, key in zip(hashers, keys, strict=False))
        return twox_128(pallet) + twox_128(item) + hashed

    def decode_storage(self, pallet: str, item: str, data: bytes, kind: type[T]) -> T:
        """Decode a storage value as `kind`. Raises UnknownRuntime if the runtime has it in another form."""
        found: T = self._stored(pallet, item, data, kind)
        return found

    def _decode_stored(self, pallet: str, item: str, data: bytes, kind: Any) -> Any:
        type_id = self._value_type(pallet, item)
        try:
            return self._types.read(type_id, data, kind)
        except ScaleError as error:
            self._read(type_id, data)  # raises if the bytes are not of the type at all
            raise self._other_form(f"{pallet}.{item}", error) from error

    def decode_storage_value(self, pallet: str, item: str, data: bytes) -> Any:
        """Decode a storage value to scalecodec's form. Raises UnknownRuntime if it is not of the item's type."""
        return self._read(self._value_type(pallet, item), data)

    def _value_type(self, pallet: str, item: str) -> int:
        ((kind, detail),) = self._item(pallet, item).value["type"].items()
        return int(detail if kind == "Plain" else detail["value"])

    def _read(self, type_id: int, data: bytes) -> Any:
        try:
            return self._types.read(type_id, data)
        except ScaleError as error:
            raise self._undecodable(data, f"type {type_id}", error) from error

    def _undecodable(self, data: bytes, what: str, error: Exception) -> UnknownRuntime:
        shown = f"{len(data)} bytes ({data[:32].hex()}…)"
        return UnknownRuntime(f"runtime {self.spec_version}: cannot decode {shown} as {what}: {error}")

    def storage_default(self, pallet: str, item: str) -> bytes | None:
        """Return the SCALE value of an absent entry, or None if absence means None."""
        found = self._item(pallet, item)
        # `value` shows bytes that happen to be UTF-8 as text; only the object below it has them unchanged
        return None if found.value["modifier"] == "Optional" else bytes(found.value_object["default"].value_object)

    def _other_form(self, what: str, error: Exception) -> UnknownRuntime:
        return UnknownRuntime(
            f"{what} of runtime {self.spec_version} has a form that this service does not know: {error!r}"
        )

    def decode_events(self, data: bytes) -> tuple[EventRecord, ...]:
        """Decode System.Events."""
        return self._events(data)

    def _decode_events(self, data: bytes) -> tuple[EventRecord, ...]:
        try:
            return self._event_reader.read(data)
        except ScaleError as error:
            raise self._undecodable(data, "events", error) from error

    def _typed(self, pallet: str, name: str, fields: Any, data: bytes) -> Event | None:
        """Return an event of ours, or None if a newer runtime has changed it: that is told once, and ends nothing.

        Decisions rest on the state. Events are for the log and for those who wait for one of their own.
        """
        if pallet != PALLET:
            return None
        if name not in self._readers:
            self._readers[name] = self._reader_of(name, fields)
        reader = self._readers[name]
        try:
            event: Event | None = None if reader is None else whole(reader, data)
            return event
        except ScaleError as error:
            self._tell_unread(name, f"this service knows it in another form: {error!r}")
            return None

    def _reader_of(self, name: str, fields: Any) -> Reader | None:
        """Return what reads an event of ours, or None if this service does not have it so. That is told."""
        try:
            return self._types.fields(fields, EVENTS[name])
        except KeyError:
            self._tell_unread(name, "this service does not know it")
        except ScaleError as error:
            self._tell_unread(name, f"this service knows it in another form: {error}")
        return None

    def _tell_unread(self, name: str, why: str) -> None:
        if name not in self._unread:
            self._unread.add(name)
            log.warning(
                "an event of this runtime is not logged any longer; all else goes on",
                event_name=f"{PALLET}.{name}",
                runtime=self.spec_version,
                reason=why,
                remedy="update datdot",
            )

    def show_event(self, record: EventRecord) -> Any:
        """Return an event's fields as JSON: accounts in SS58, bytes in hex, amounts as decimal strings."""
        event = next(one for one in self._pallets[record.pallet].events if one.name == record.name)
        return Shower(self._metadata.portable_registry).fields(event.value["fields"], record.fields)

    def encode_call(self, call: Call) -> bytes:
        """Encode a call. Raises UnknownRuntime if the runtime has no such call, or one with other arguments."""
        encoder = self._config.create_scale_object("Call", metadata=self._metadata)
        try:
            encoded = encoder.encode(self._call_value(call))
        except UNDECODABLE as error:
            raise UnknownRuntime(f"{call} cannot be encoded for runtime {self.spec_version}: {error}") from error
        return bytes(encoded.data)

    def decode_call(self, data: bytes, name: str, kinds: dict[str, type[Any]]) -> dict[str, Any] | None:
        """Return the arguments of a call of ours if it is the one named, each as its kind; None if it is another call.

        Raises UnknownRuntime if it has another form.
        """
        own = self._pallets[PALLET].value
        known = next((one for one in self._types.variants(own["calls"]["ty"]) if one["name"] == name), None)
        if known is None or data[:2] != bytes([own["index"], known["index"]]):
            return None
        try:
            found: dict[str, Any] = whole(self._types.named(known["fields"], kinds), data[2:])
            return found
        except ScaleError as error:
            raise self._other_form(f"{PALLET}.{name}", error) from error

    def _call_value(self, call: Call) -> dict[str, Any]:
        pallet = self._pallets.get(call.pallet)
        known = {one.name: one for one in (pallet.calls or ())} if pallet is not None else {}
        if call.name not in known:
            raise UnknownRuntime(f"runtime {self.spec_version} has no call {call}")
        wanted = [argument.name for argument in known[call.name].args]
        if wanted != list(call.arguments):
            raise UnknownRuntime(f"{call} of runtime {self.spec_version} takes {wanted}, not {list(call.arguments)}")
        arguments = {
            name: self._call_value(value) if isinstance(value, Call) else to_scale(value)
            for name, value in call.arguments.items()
        }
        return {"call_module": call.pallet, "call_function": call.name, "call_args": arguments}

    def dispatch_error(self, error: Any) -> tuple[str, str, str]:
        """Return pallet, name and documentation of a decoded DispatchError."""
        if isinstance(error, dict) and "Module" in error:
            index, code = error["Module"]["index"], bytes.fromhex(error["Module"]["error"][2:])[0]
            for pallet in self._metadata.pallets:
                for found in pallet.errors or ():
                    if (pallet.value["index"], found.value["index"]) == (index, code):
                        return pallet.name, found.name, " ".join(map(str, found.docs))
            return f"pallet {index}", f"error {code}", ""
        if isinstance(error, dict):
            name, detail = next(iter(error.items()))
            return "Runtime", name, str(detail)
        return "Runtime", str(error), ""

    def call_names(self, pallet: str = PALLET) -> dict[str, list[str]]:
        """Return a pallet's calls with the names of their arguments."""
        return {call.name: [argument.name for argument in call.args] for call in self._pallets[pallet].calls}

    def storage_names(self, pallet: str = PALLET) -> list[str]:
        """Return the names of a pallet's storage items."""
        return [item for (owner, item) in self._items if owner == pallet and not item.startswith(":")]

    def error_names(self, pallet: str = PALLET) -> list[str]:
        """Return the names of a pallet's errors."""
        return [error.name for error in self._pallets[pallet].errors]

    def _item(self, pallet: str, item: str) -> Any:
        try:
            return self._items[pallet, item]
        except KeyError:
            raise UnknownRuntime(f"runtime {self.spec_version} has no storage item {pallet}.{item}") from None
