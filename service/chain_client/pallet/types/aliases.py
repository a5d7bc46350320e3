# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""Names of what is bytes here; a field may be called `bytes`."""

from __future__ import annotations

from typing import TypeAlias

AccountId: TypeAlias = bytes  # 32
Hash: TypeAlias = bytes  # 32
Bytes: TypeAlias = bytes  # a key, a signature, a sector, a manifest
