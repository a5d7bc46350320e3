"""What every long-lived role is given: the chain, the keys, the network, the disk and its terms; the node builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from service.chain_client.client import ChainClient
from service.chain_client.follower import Follower
from service.chain_client.signer import Signer
from service.encoding.pool import CodecPool
from service.hypercore.corestore import Corestore
from service.hypercore.net.transport import Transport
from service.vault.keyfile import KeyFile

from ..attester.decisions import AttesterTerms
from ..encoder.decisions import EncoderTerms
from ..hoster.decisions import HosterTerms
from .database import Database

GIB = 1 << 30
UNIT = 10**12

OnProgress = Callable[[dict[str, object]], None]


def no_progress(event: dict[str, object]) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class RolesConfig:
    """The terms of each role, and limits that the chain knows nothing of.

    `confirm_grace`: blocks after which an encoder confirms a segment itself, if its hoster has not. `checkpoint_sectors`:
    an encoder signs a checkpoint whenever so many more are durable.
    """

    hosting: HosterTerms = field(default_factory=lambda: HosterTerms(10 * GIB, UNIT // 1000, UNIT // 1000))
    encoding: EncoderTerms = field(default_factory=lambda: EncoderTerms(UNIT // 100))
    attesting: AttesterTerms = field(default_factory=lambda: AttesterTerms(UNIT // 1000, 3))
    confirm_grace: int = 10
    checkpoint_sectors: int = 1 << 18


@dataclass(frozen=True, slots=True)
class Context:
    """Owned by the node, shared by the roles of one account; `directory` is the node's DIR.

    `on_progress` gets {"role", "event", "copy", "segment", …}; it is called on the event loop and must not raise.
    """

    client: ChainClient
    signer: Signer
    keys: KeyFile
    follower: Follower
    transport: Transport
    store: Corestore
    database: Database
    pool: CodecPool
    directory: Path
    config: RolesConfig = field(default_factory=RolesConfig)
    on_progress: OnProgress = no_progress
