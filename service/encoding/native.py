"""The codec in Rust (pallet-spec/encoding/native), used where its wheel is installed.

The environment's DATDOT_CODEC is empty for that, `pure` to do without it, `native` to refuse to.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable, Sequence
from typing import ParamSpec, Protocol, TypeVar, cast

from . import errors
from .errors import BackendError, EncodingError

CHOICE = "DATDOT_CODEC"
INTERFACE = 1  # what the module must call itself
PANICS = "pyo3_runtime"  # the module of what a panic in Rust is raised as: no Exception, and nobody would catch it
_P = ParamSpec("_P")
_T = TypeVar("_T")


class NativeEncoder(Protocol):
    """The module's encoder of one segment, for use from any thread. Its methods release the GIL."""

    def encode(self, first_sector: int, run: bytes) -> bytes:
        """Return the encoded run."""
        ...

    def encode_and_hash(self, ctx: bytes, first_sector: int, run: bytes) -> tuple[bytes, bytes]:
        """Return the encoded run and its leaf hashes, one after another."""
        ...

    def close(self) -> None:
        """Drop the key and overwrite it."""
        ...


class NativeDecoder(Protocol):
    """The module's decoder of one segment, for use from any thread. It releases the GIL."""

    def decode(self, first_sector: int, run: bytes) -> bytes:
        """Return the decoded run."""
        ...


class Library(Protocol):
    """The module."""

    CodecError: type[Exception]

    def accelerated(self) -> bool:
        """Whether it takes eight roots at a time here."""
        ...

    def Encoder(self, primes: Sequence[bytes], salt: bytes, portable: bool = False) -> NativeEncoder:
        """Return an encoder; the primes are big endian."""
        ...

    def Decoder(self, modulus: bytes, salt: bytes, portable: bool = False) -> NativeDecoder:
        """Return a decoder."""
        ...

    def leaf_hashes(self, ctx: bytes, first_sector: int, run: bytes) -> bytes:
        """Return the leaf hashes of a run, one after another."""
        ...

    def parents(self, level: bytes) -> bytes:
        """Return the level above these nodes."""
        ...

    def segment_root(self, ctx: bytes, run: bytes) -> bytes:
        """Return the root of a segment from its sectors."""
        ...

    def opening(self, ctx: bytes, run: bytes, sector: int) -> tuple[bytes, bytes]:
        """Return the root of a segment, and a sector's siblings, one after another."""
        ...


def library() -> Library | None:
    """Return the module, or None where there is none or it is not wanted. Raises BackendError if it is missed."""
    return _library(os.environ.get(CHOICE, ""))


@functools.cache
def _library(choice: str) -> Library | None:
    if choice not in ("", "pure", "native"):
        raise BackendError(f"{CHOICE} is {choice!r}: it may be pure or native, or not set")
    if choice == "pure":
        return None
    try:
        module = importlib.import_module("datdot_codec")
    except ImportError as error:
        if choice == "native":
            raise BackendError(f"{CHOICE} is native, but {error}: run `make setup` where cargo is") from None
        return None
    found = getattr(module, "INTERFACE", 0)
    if found != INTERFACE:
        if choice == "native":
            raise BackendError(f"the codec has interface {found}, not {INTERFACE}: run `make setup` where cargo is")
        return None
    return cast(Library, module)


def told(library: Library, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Return what `work` of the module returns. Raises its errors as those of this room that have their names.

    A panic in it is a BackendError.
    """
    try:
        return work(*args, **kwargs)
    except library.CodecError as error:
        kind = getattr(errors, type(error).__name__, EncodingError)
        raise kind(str(error)) from None
    except BaseException as error:
        if type(error).__module__ != PANICS:
            raise
        raise BackendError(f"the codec in Rust ended in the midst of its work: {error}") from error
