"""The versions of the committed runtime, as every signed extrinsic names them; written by hand, so that a change is seen."""

from __future__ import annotations

SPEC_VERSION, TRANSACTION_VERSION = 10, 4
#: What a signature covers of them.
VERSIONS = SPEC_VERSION.to_bytes(4, "little") + TRANSACTION_VERSION.to_bytes(4, "little")
