"""The failure codes of the service's errors, for people and machines."""

from __future__ import annotations

import sqlite3

from service.chain_client import (
    ChainError,
    ConnectionLost,
    DispatchError,
    InvalidTransaction,
    NotIncluded,
    OutcomeLost,
    StateDiscarded,
    UnknownRuntime,
    WrongChain,
)
from service.devnet.network import DevnetError
from service.devnet.processes import ProcessFailed
from service.disk import DiskError
from service.feeds.archive.format import ArchiveError
from service.feeds.encryption import EncryptionKeyError
from service.feeds.export import ExportError
from service.feeds.verify import VerifyError
from service.hypercore import CodecError, CoreError, CryptoError, ManifestError, ProofError
from service.hypercore.net import WireError
from service.hypercore.swarm import DhtError
from service.node.settings import NodeError
from service.roles.common.registration import RegistrationError
from service.roles.hoster.notices import HosterRefused
from service.roles.sponsor.checks import (
    BadHead,
    BadHeadSignature,
    BadRanges,
    BadTerms,
    OversizedBlock,
    PublicationError,
    SmallOrderKey,
    TinyBlocks,
    WrongFeedKey,
)
from service.roles.sponsor.lease import TooLong
from service.roles.sponsor.refusals import AmendTooWide, NoFunds, PlanRefused
from service.roles.sponsor.served import Unserved
from service.vault import KeyFileError, PassphraseError

from .output import INTERNAL, Failure

CODES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (PassphraseError, "passphrase"),
    (KeyFileError, "key_file"),
    (WrongFeedKey, "wrong_feed_key"),
    (BadHeadSignature, "bad_signature"),
    (SmallOrderKey, "small_order_key"),
    (BadHead, "bad_head"),
    (BadRanges, "bad_ranges"),
    (OversizedBlock, "oversized_block"),
    (TinyBlocks, "tiny_blocks"),
    (TooLong, "too_long"),
    (AmendTooWide, "amend_too_wide"),
    (BadTerms, "bad_terms"),
    (NoFunds, "no_funds"),
    (PlanRefused, "plan_refused"),
    (HosterRefused, "hoster_refused"),
    (Unserved, "unserved"),
    (PublicationError, "refused"),
    ((DiskError, sqlite3.Error), "storage"),
    (DispatchError, "dispatch"),
    (InvalidTransaction, "invalid_transaction"),
    (NotIncluded, "not_included"),
    (OutcomeLost, "outcome_lost"),
    (StateDiscarded, "state_discarded"),
    (UnknownRuntime, "unknown_runtime"),
    (WrongChain, "wrong_chain"),
    (ConnectionLost, "chain_unreachable"),
    (ChainError, "chain"),
    (WireError, "network"),
    (DhtError, "dht"),
    (ArchiveError, "archive"),
    (ExportError, "export"),
    (EncryptionKeyError, "encryption_key"),
    (VerifyError, "damaged"),
    ((CoreError, ManifestError, ProofError, CodecError, CryptoError), "feed"),
    ((NodeError, RegistrationError, DevnetError, ProcessFailed), "node"),
)


def failure_of(error: Exception, where: str = "") -> Failure:
    """Return the failure to show. An error without a code keeps its type in the message."""
    while isinstance(error, ExceptionGroup):  # of tasks that ended together, the first error tells why
        error = error.exceptions[0]
    if isinstance(error, Failure):
        return error
    if isinstance(error, DispatchError):
        return Failure("dispatch", str(error), f"{error.pallet}.{error.name}")
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return Failure("os", error.strerror or str(error), str(error.filename or where))
    for kind, code in CODES:
        if isinstance(error, kind):
            return Failure(code, str(error), where)
    return Failure(INTERNAL, f"{type(error).__name__}: {error}", where)
