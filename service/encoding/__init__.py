"""Replica encoding: what makes a copy unique, and the Merkle tree over its sectors, as pure functions of bytes.

The pool of worker processes is in `service.encoding.pool`, the tree on disk in `service.encoding.treefile`.
"""

from .derive import chain_rand, contract_id, derive_ctx, derive_salt, pk_hash
from .errors import (
    BackendError,
    ComputationFault,
    DamagedSectors,
    DamagedTree,
    EncodingError,
    KeyErased,
    ModulusError,
    OpeningError,
    PaddingError,
    PoolClosed,
    PrivateKeyError,
    ProfileError,
    SectorError,
    TreeFileError,
    WorkerError,
)
from .keys import PrivateKey, check_modulus
from .merkle import Frontier, Opening, leaf_hash, node_hash, opening_root, root_hash, sibling_count, verify_opening
from .profiles import MAX_SECTORS, P1, SECTOR, Profile, get_profile, sector_count
from .sectors import SectorDecoder, SectorEncoder, check_padding, pad

__all__ = [
    "MAX_SECTORS",
    "P1",
    "SECTOR",
    "BackendError",
    "ComputationFault",
    "DamagedSectors",
    "DamagedTree",
    "EncodingError",
    "Frontier",
    "KeyErased",
    "ModulusError",
    "Opening",
    "OpeningError",
    "PaddingError",
    "PoolClosed",
    "PrivateKey",
    "PrivateKeyError",
    "Profile",
    "ProfileError",
    "SectorDecoder",
    "SectorEncoder",
    "SectorError",
    "TreeFileError",
    "WorkerError",
    "chain_rand",
    "check_modulus",
    "check_padding",
    "contract_id",
    "derive_ctx",
    "derive_salt",
    "get_profile",
    "leaf_hash",
    "node_hash",
    "opening_root",
    "pad",
    "pk_hash",
    "root_hash",
    "sector_count",
    "sibling_count",
    "verify_opening",
]
