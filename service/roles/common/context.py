"""The context of a role: chain, keys, network, disk and terms. The node builds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from service.chain_client.client import ChainClient
from service.chain_client.follower import Follower
from service.chain_client.signer import Signer
from service.hypercore.corestore import Corestore
from service.hypercore.net.transport import Transport
from service.ports import Codec
from service.vault import PeerKeys

from .database import Database
from .terms import RolesConfig
from .troubles import Troubles

OnProgress = Callable[[dict[str, object]], None]


def no_progress(event: dict[str, object]) -> None:
    """Ignore a progress event."""


@dataclass(slots=True)
class Context:
    """Everything a role works with. The node owns it, the roles of one account share it.

    The node replaces `config` when its settings change; nothing else of it ever changes.

    `directory` is the node's DIR. `on_progress` gets {"role", "event", "copy", "segment", …}; it is called on the event
    loop and must not raise.
    """

    client: ChainClient
    signer: Signer
    keys: PeerKeys
    follower: Follower
    transport: Transport
    store: Corestore
    database: Database
    pool: Codec
    directory: Path
    config: RolesConfig = field(default_factory=RolesConfig)
    on_progress: OnProgress = no_progress
    troubles: Troubles = field(default_factory=Troubles)
    """What fails now, of which alerts are made."""
    reporting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the role that makes a report, so that two roles of the account do not make the same one."""
