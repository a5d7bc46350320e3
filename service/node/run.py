"""The composition root of `datdot node`: one account's roles on one chain connection, one listening socket, one directory."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog

from service.chain_client import ChainClient, Follower, Signer
from service.encoding.pool import CodecPool
from service.feeds.serving import AuthorRole
from service.hypercore import Corestore, KeyPair
from service.hypercore.net import Connection, Peer, TcpTransport
from service.roles.attester.role import AttesterRole
from service.roles.common.context import Context, OnProgress, RolesConfig, no_progress
from service.roles.common.database import Database
from service.roles.common.registration import register
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from service.roles.hoster.sectors import make_directories
from service.vault.keyfile import KeyFile, KeyFileError

from .journal import Journal

log = structlog.get_logger(__name__)

NODE_FILE, KEY_FILE, ROLES_FILE, SIGNER_FILE = "node.json", "key.json", "roles.sqlite", "signer.sqlite"
ROLES = ("author", "sponsor", "hoster", "encoder", "attester")
"""An author's node serves its feeds; a sponsor's does nothing by itself: plans are published by command."""
CLOSE_SECONDS = 10.0


class NodeError(Exception):
    """Settings that no node can run with; names what is wrong."""


class Role(Protocol):
    """What the node needs of a role."""

    async def run(self) -> None:
        """Until cancelled."""
        ...

    def attach(self, connection: Connection) -> None:
        """Serve a connection."""
        ...


ON_CHAIN: dict[str, Callable[[Context], Role]] = {
    "hoster": HosterRole,
    "encoder": EncoderRole,
    "attester": AttesterRole,
}


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How a node runs; kept in its directory, so that it can be started again without them."""

    chain: str
    roles: tuple[str, ...]
    host: str
    port: int
    peers: tuple[str, ...] = ()
    key: str | None = None
    genesis: str | None = None

    def check(self) -> None:
        """Raises NodeError."""
        wrong = [role for role in self.roles if role not in ROLES or self.roles.count(role) > 1]
        if wrong or not self.roles:
            raise NodeError(f"roles {','.join(wrong) or '(none)'}: a node's roles are some of {', '.join(ROLES)}")

    @classmethod
    def load(cls, directory: Path) -> NodeSettings | None:
        """The settings of the last run; None before the first. Raises NodeError."""
        path = directory / NODE_FILE
        if not path.exists():
            return None
        try:
            fields = json.loads(path.read_text())
            return cls(**{**fields, "roles": tuple(fields["roles"]), "peers": tuple(fields["peers"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NodeError(f"{path} is not what a node left there: {error!r}") from error

    def save(self, directory: Path) -> None:
        """Durable on return."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        path = directory / NODE_FILE
        temporary = path.with_suffix(".new")
        with temporary.open("w") as file:
            json.dump(fields, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


@dataclass(slots=True)
class Node:
    """A running node."""

    context: Context
    transport: TcpTransport
    author: AuthorRole
    roles: list[Role] = field(default_factory=list)

    def accept(self, connection: Connection) -> None:
        """Serve a connection by all roles."""
        self.author.attach(connection)
        for role in self.roles:
            role.attach(connection)


def node_keys(directory: Path, key: str | None) -> tuple[KeyFile, str]:
    """The keys of a node, made at its first start, and where they are. Raises :class:`KeyFileError`."""
    path = key or str(directory / KEY_FILE)
    if key is None and not Path(path).exists():
        return KeyFile.create(Path(path)), path
    return KeyFile.load(path), path


def _check_account(directory: Path, keys: KeyFile) -> None:
    """What lies in the directory belongs to one account. Raises :class:`NodeError` when the last run was another's."""
    before = NodeSettings.load(directory)
    if before is None:
        return
    try:
        owner = KeyFile.load(before.key or directory / KEY_FILE)
    except KeyFileError:
        return  # moved meanwhile
    if owner.account != keys.account:
        raise NodeError(f"{directory} is account {owner.address}'s: it cannot be run with the key of {keys.address}")


async def run_node(
    directory: Path,
    settings: NodeSettings,
    on_ready: Callable[[dict[str, Any]], None],
    on_progress: OnProgress = no_progress,
    config: RolesConfig | None = None,
) -> None:
    """Run until cancelled. Raises NodeError, KeyFileError, ChainError, OSError."""
    settings.check()
    make_directories(directory)
    keys, key_path = node_keys(directory, settings.key)
    _check_account(directory, keys)
    peers = _parse_peers(settings.peers)
    async with AsyncExitStack() as stack:
        genesis = None if settings.genesis is None else bytes.fromhex(settings.genesis)
        client = await stack.enter_async_context(await ChainClient.connect(settings.chain, genesis))
        store = Corestore(directory)
        stack.callback(store.close)
        database = Database(directory / ROLES_FILE)
        stack.callback(database.close)
        pool = await stack.enter_async_context(CodecPool())
        follower = Follower(client)
        signer = Signer(client, keys.account_pair, directory / SIGNER_FILE, follower)
        stack.callback(signer.close)
        held: list[Node] = []
        transport = TcpTransport(KeyPair(keys.swarm_seed), peers, lambda connection: held[0].accept(connection))
        stack.push_async_callback(transport.close)
        context = Context(
            client,
            signer,
            keys,
            follower,
            transport,
            store,
            database,
            pool,
            directory,
            config or RolesConfig(),
            on_progress,
        )
        node = Node(context, transport, AuthorRole(store))
        node.roles = [ON_CHAIN[name](context) for name in settings.roles if name in ON_CHAIN]
        held.append(node)
        address = await transport.listen(settings.host, settings.port)
        kept = NodeSettings(
            settings.chain, settings.roles, *address, settings.peers, settings.key, client.genesis.hex()
        )
        kept.save(directory)
        ready = {
            "role": ",".join(settings.roles),
            "account": keys.address,
            "swarm_key": keys.swarm_key.hex(),
            "address": f"{address[0]}:{address[1]}",
            "peer": str(Peer(keys.swarm_key, *address)),
            "dir": str(directory),
            "key": key_path,
            "pid": os.getpid(),
        }
        await _work(node, lambda: on_ready(ready))


def _parse_peers(texts: Sequence[str]) -> list[Peer]:
    try:
        return [Peer.parse(text) for text in texts]
    except ValueError as error:
        raise NodeError(str(error)) from error


async def _work(node: Node, ready: Callable[[], None]) -> None:
    """The node's tasks: when one fails, all end."""
    context = node.context
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(context.follower.run())
            group.create_task(context.signer.run())
            group.create_task(_refresh(context.store))
            journal = Journal(context.client, context.follower, context.signer.account, context.database)
            group.create_task(journal.run())
            ready()
            if node.roles:
                await register(context.client, context.signer, context.follower, context.keys)
            for role in node.roles:
                group.create_task(role.run())
    except BaseExceptionGroup as errors:
        first = _first(errors)
        log.error("the node ends", error=f"{type(first).__name__}: {first}", exc_info=first)
        raise first from None


def _first(error: BaseException) -> BaseException:
    """What made a group of tasks fail."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _refresh(store: Corestore) -> None:
    """Blocks that another process appends to our feeds are announced to peers."""
    while True:
        await asyncio.sleep(1.0)
        store.refresh()
