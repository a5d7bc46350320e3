"""A hypercore for Python: signed append-only feeds with Merkle proofs, compatible with npm hypercore 10 and 11."""

from .codec import CodecError
from .conflict import Conflict
from .core import Core
from .corestore import Corestore
from .crypto import CryptoError, KeyPair, Node, discovery_key, parse_key, to_z32
from .heads import Appended, Available, BlockSource, Change, CoreHead, Dropped, Truncated
from .manifest import Manifest, ManifestError, default_manifest
from .store.storage import StorageError
from .stored import CoreError
from .tree.proof import (
    BlockProof,
    BlockRequest,
    HashProof,
    HashRequest,
    Proof,
    ProofError,
    Request,
    SeekProof,
    SeekRequest,
    UpgradeProof,
    UpgradeRequest,
)

__all__ = [
    "Appended",
    "Available",
    "BlockProof",
    "BlockRequest",
    "BlockSource",
    "Change",
    "CodecError",
    "Conflict",
    "Core",
    "CoreError",
    "CoreHead",
    "Corestore",
    "CryptoError",
    "Dropped",
    "HashProof",
    "HashRequest",
    "KeyPair",
    "Manifest",
    "ManifestError",
    "Node",
    "Proof",
    "ProofError",
    "Request",
    "SeekProof",
    "SeekRequest",
    "StorageError",
    "Truncated",
    "UpgradeProof",
    "UpgradeRequest",
    "default_manifest",
    "discovery_key",
    "parse_key",
    "to_z32",
]
