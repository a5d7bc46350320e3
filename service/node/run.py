"""The composition root of `datdot node`: one account's roles on one chain connection, one socket, one directory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from service.chain_client import ChainClient, ChainError, Follower, Signer
from service.disk import DISK_ERRORS, explained
from service.durable import make_private, tighten_all
from service.feeds.serving import FeedServer
from service.hypercore import Corestore, KeyPair
from service.hypercore.net import Connection, PeerAddress, TcpTransport
from service.hypercore.net.taken import listening_at
from service.hypercore.swarm.dht.address import Address, bootstrap_nodes
from service.hypercore.swarm.transport import SwarmTransport
from service.operating.alerts.table import AlertTable
from service.operating.editing import SettingsEditor
from service.operating.facts import NodeFacts, Sources
from service.operating.objects import ReachState
from service.operating.reaching import by_address, in_dht, silent
from service.operating.table import JournalTable
from service.ports import Ports
from service.roles.attester.role import AttesterRole
from service.roles.common.context import Context, OnProgress, no_progress
from service.roles.common.database import Database
from service.roles.common.equivocation import ConflictTeller
from service.roles.common.registration import RegistrationError, SwarmKeyChanged, register
from service.roles.common.terms import RolesConfig
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from service.roles.hoster.room import Room
from service.roles.sponsor.role import AuthorRole
from service.ui.acting import Acting
from service.ui.mounted import Dashboard
from service.vault import KeyFileError, Passphrase, PeerKeys, is_locked
from service.web.app import serving
from service.web.guards import LOOPBACK

from .alerting import NodeAlerts, Tap, node_alerts, targets_of
from .clock import watch_clock
from .config import Resolved
from .editing import SettingsFile
from .journal import Journal
from .options import host_and_port, shown_settings
from .other_keys import OtherKeys
from .rekeying import SwarmKeys, keys_to_listen_on
from .reloading import change_of, tell
from .settings import (
    KEY_FILE,
    NODE_FILE,
    ROLES_FILE,
    NodeError,
    NodeSettings,
    announced,
    check_account,
    check_mounted,
    host_port,
    node_keys,
    public_address,
    relay_key,
    signer_file,
)

log = structlog.get_logger(__name__)

KEYS = "keys"
"""The folder of encoders' and attesters' secrets."""
CLOSE_SECONDS = 10.0
EXPECTED = (ChainError, NodeError, RegistrationError, KeyFileError, *DISK_ERRORS)
"""Errors that say all in their message: where in the program they came up tells nobody anything."""


class NodeRole(Protocol):
    """The interface of a role, as far as the node uses it."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...

    def attach(self, connection: Connection) -> None:
        """Serve a connection."""
        ...


ON_CHAIN: dict[str, Callable[[Context], NodeRole]] = {
    "hoster": HosterRole,
    "encoder": EncoderRole,
    "attester": AttesterRole,
}


FOLLOWING = frozenset({"author", "sponsor"})
"""The roles that bring newer heads of the stored feeds to their live plans."""

SERVING = FOLLOWING | {"hoster"}
"""The roles whose nodes are found by who looks for a feed."""


@dataclass(slots=True)
class RunningNode:
    """A node that is up: its context, its transport and its roles."""

    context: Context
    transport: TcpTransport
    feeds: FeedServer
    journal: Journal
    facts: NodeFacts
    alerts: NodeAlerts
    settings: NodeSettings
    """What it runs with now: some settings change meanwhile."""
    others: OtherKeys
    roles: list[NodeRole] = field(default_factory=list)
    names: tuple[str, ...] = ()
    registered: bool = False
    """Whether one of them is a peer's, for which the account must be registered."""
    serves: bool = False
    """Whether it keeps feeds for others. Encoders and attesters have a few blocks of them for a while."""

    def accept(self, connection: Connection) -> None:
        """Offer a connection to the feed server and to all roles."""
        self.feeds.attach(connection)
        for role in self.roles:
            role.attach(connection)


async def run_node(
    directory: Path,
    settings: NodeSettings,
    on_ready: Callable[[dict[str, Any]], None],
    on_progress: OnProgress = no_progress,
    config: RolesConfig | None = None,
    ports: Ports | None = None,
    passphrase: Passphrase | None = None,
    changes: asyncio.Queue[Resolved] | None = None,
    editor: SettingsEditor | None = None,
) -> None:
    """Run a node until cancelled. `passphrase` finds that of its vault; `changes` brings other settings, those of `editor`, too.

    When its account gets another swarm key on the chain it begins anew with that. Raises NodeError, KeyFileError, ChainError
    and OSError.
    """
    settings.check()
    if not (directory / NODE_FILE).exists():
        check_mounted(directory)
    make_private(directory)
    if (directory / KEYS).is_dir():
        tighten_all(directory / KEYS)
    keys, key_path = node_keys(directory, settings.key, passphrase)
    check_account(directory, keys)
    changes = changes or asyncio.Queue()
    editor = editor or SettingsFile(None, {}, None, changes)
    base = _Base(directory, keys, config or RolesConfig(), on_progress, ports or Ports(), editor)
    while True:
        again = await _run(base, settings, key_path, on_ready, changes)
        base, settings, on_ready = again.base, again.settings, _began_anew


def _began_anew(ready: dict[str, Any]) -> None:
    log.warning("this node has another swarm key now", **{name: ready[name] for name in ("swarm_key", "peer")})


async def _run(
    base: _Base,
    settings: NodeSettings,
    key_path: str,
    on_ready: Callable[[dict[str, Any]], None],
    changes: asyncio.Queue[Resolved],
) -> _Again:
    """Run a node until cancelled, or until it must begin anew with another swarm key."""
    targets, peers = targets_of(settings), _parse_peers(settings.peers)
    async with AsyncExitStack() as stack:
        node = await _build(stack, base, settings, peers)
        node.alerts.sender.use(targets)
        context, transport = node.context, node.transport
        address = await _listen(transport, settings)
        http = await _serve(stack, node, settings, base.editor)
        dialled = announced(settings.announce, *address)
        if dialled is None:
            log.warning("listening everywhere: --announce HOST:PORT says where others reach this node", port=address[1])
        genesis, owner = context.client.genesis.hex(), base.keys.address

        def bound(now: NodeSettings) -> NodeSettings:
            return replace(now, host=address[0], port=address[1], genesis=genesis, account=owner, http=http)

        _keep(base.directory, bound(settings))
        swarm_key = context.keys.swarm_key.hex()
        ready = {
            "role": ",".join(settings.roles),
            "account": owner,
            "swarm_key": swarm_key,
            "address": host_port(*address),
            "peer": "" if dialled is None else f"{swarm_key}@{dialled}",
            "dir": str(base.directory),
            "key": key_path,
            "pid": os.getpid(),
            "http": "" if http is None else f"http://{http}",
        }
        where = Address.beside(*address), public_address(settings.announce)
        following = _follow_changes(node, Resolved(settings, base.config), changes)
        try:
            await _work(node, where, lambda: on_ready(ready), following)
        except SwarmKeyChanged as changed:
            base = replace(base, keys=changed.keys, config=context.config)
            return _Again(base, bound(node.settings))
    raise AssertionError("a node's tasks have no end of their own")


def _keep(directory: Path, settings: NodeSettings) -> None:
    """Save the settings if they changed. On a full disk a node that ran before starts all the same."""
    before = NodeSettings.load(directory)
    if before == settings:
        return
    try:
        settings.save(directory)
    except OSError as error:
        if before is None:
            raise
        log.error("cannot save the settings of this run", error=explained(directory / NODE_FILE, error))


async def _listen(transport: TcpTransport, settings: NodeSettings) -> tuple[str, int]:
    """Listen where the settings say. An OSError says who has the port."""
    with listening_at("--listen", host_port(settings.host, settings.port)):
        return await transport.listen(settings.host, settings.port)


async def _serve(
    stack: AsyncExitStack, node: RunningNode, settings: NodeSettings, editor: SettingsEditor
) -> str | None:
    """Serve health, metrics and API, if that is wanted, until the stack is closed; return where. OSError says who has the port."""
    if settings.http is None:
        return None
    host, port = host_and_port(settings.http)
    with listening_at("--http", settings.http):
        bound = await stack.enter_async_context(
            serving(node.facts, host, port, settings.http_names, _dashboard(node, settings, editor))
        )
    if host not in LOOPBACK:
        log.warning(
            "whoever reaches this address sees this node's metrics, its money among them", address=settings.http
        )
    return host_port(*bound)


def _dashboard(node: RunningNode, settings: NodeSettings, editor: SettingsEditor) -> Dashboard:
    """Return the dashboard, at which whoever has the passphrase of the node's vault can sign, and change settings."""
    path = settings.key or str(node.context.directory / KEY_FILE)
    return Dashboard(
        node.facts,
        Acting(
            node.context.signer, Path(path) if is_locked(path) else None, lambda: node.alerts.sender.targets, editor
        ),
        settings.http_readers,
    )


def _facts(context: Context, journal: Journal, transport: TcpTransport, now: Callable[[], NodeSettings]) -> NodeFacts:
    room = Room(context.directory, context.config.reserve)

    def reserve() -> int:
        room.use(context.config.reserve)
        return room.reserve

    return NodeFacts(
        Sources(
            context.client,
            context.follower,
            context.signer.account,
            context.signer.payer,
            now().roles,
            JournalTable(context.database),
            context.directory,
            reserve,
            lambda: transport.connections,
            lambda: journal.seen,
            AlertTable(context.database),
            context.store,
            lambda: shown_settings(now()),
            lambda: _reach(transport, now()),
        )
    )


def _reach(transport: TcpTransport, settings: NodeSettings) -> ReachState:
    """Return what peers from outside find, as far as the node knows by now."""
    host, port = transport.address or (settings.host, settings.port)
    if not isinstance(transport, SwarmTransport):
        return by_address(announced(settings.announce, host, port))
    view = transport.outside()
    if view is None:
        return silent(settings.bootstrap, host_port(host, port))
    return in_dht(view, port, settings.relay is not None)


@dataclass(frozen=True, slots=True)
class _Base:
    """What a node is built on."""

    directory: Path
    keys: PeerKeys
    config: RolesConfig
    on_progress: OnProgress
    ports: Ports
    editor: SettingsEditor


@dataclass(frozen=True, slots=True)
class _Again:
    """What a node begins anew with."""

    base: _Base
    settings: NodeSettings


async def _build(
    stack: AsyncExitStack, base: _Base, settings: NodeSettings, peers: Sequence[PeerAddress]
) -> RunningNode:
    """Open the parts of a node, each closed by the stack in the opposite order, and put them together."""
    directory, ports = base.directory, base.ports
    genesis = None if settings.genesis is None else bytes.fromhex(settings.genesis)
    rpc = ports.rpc(settings.chain, genesis)
    client = await stack.enter_async_context(await ChainClient.connect(settings.chain, rpc=rpc))
    account = ports.account(base.keys)
    keys = await keys_to_listen_on(client, base.keys.peer or account.public_key, base.keys)
    store = Corestore(directory)
    stack.callback(store.close)
    database = Database(directory / ROLES_FILE)
    stack.callback(database.close)
    pool = await stack.enter_async_context(ports.codec())
    follower = Follower(client)
    others = stack.enter_context(closing(OtherKeys(directory, base.keys)))
    signer = Signer(client, account, directory / signer_file(base.keys), follower, peer=base.keys.peer)
    stack.callback(signer.close)
    held: list[RunningNode] = []
    pair = KeyPair(keys.swarm_seed)
    transport = transport_of(settings, pair, peers, lambda connection: held[0].accept(connection))
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
        base.config,
        tap := Tap(base.on_progress),
    )
    journal = Journal(client, follower, signer.account, database, context.troubles, signer.payer)
    facts = _facts(context, journal, transport, lambda: held[0].settings if held else settings)
    alerts = node_alerts(context, journal, facts, tap, not SERVING.isdisjoint(settings.roles))
    node = RunningNode(
        context, transport, FeedServer(store), journal, facts, alerts, settings, others, names=settings.roles
    )
    node.roles = [ON_CHAIN[name](context) for name in settings.roles if name in ON_CHAIN]
    node.registered = bool(node.roles)
    node.serves = not SERVING.isdisjoint(settings.roles)
    if not FOLLOWING.isdisjoint(settings.roles):
        node.roles.append(AuthorRole(context))
    node.roles.append(ConflictTeller(context))
    held.append(node)
    return node


def _parse_peers(texts: Sequence[str]) -> list[PeerAddress]:
    try:
        return [PeerAddress.parse(text) for text in texts]
    except ValueError as error:
        raise NodeError(str(error)) from error


def transport_of(
    settings: NodeSettings, pair: KeyPair, peers: Sequence[PeerAddress], accept: Callable[[Connection], None]
) -> TcpTransport:
    """Return a node's transport: with static peers, and by the DHT if there are nodes to begin with. Raises NodeError."""
    nodes, limit = _parse_bootstrap(settings.bootstrap), settings.upload_limit
    if nodes:
        return SwarmTransport(pair, nodes, peers, accept, relay=_parse_relay(settings.relay), upload_limit=limit)
    return TcpTransport(pair, peers, accept, upload_limit=limit)


def _parse_relay(text: str | None) -> bytes | None:
    try:
        return None if text is None else relay_key(text)
    except ValueError as error:
        raise NodeError(f"relay: {error}") from error


def _parse_bootstrap(texts: Sequence[str]) -> tuple[Address, ...]:
    try:
        return bootstrap_nodes(texts)
    except ValueError as error:
        raise NodeError(f"bootstrap: {error}") from error


async def _follow_changes(node: RunningNode, now: Resolved, changes: asyncio.Queue[Resolved]) -> None:
    """Take over what can change while the node runs; say what waits for a restart."""
    while True:
        after = await changes.get()
        try:
            now = _take_over(node, now, after)
        except NodeError as error:
            log.error("the settings stay as they are", error=str(error))
        finally:
            changes.task_done()


def _take_over(node: RunningNode, now: Resolved, after: Resolved) -> Resolved:
    """Take over settings. Return what the node runs with then. Raises NodeError, in which case nothing has changed."""
    targets = targets_of(after.settings)
    tell(change_of(now, after))
    node.context.config = after.config
    if now.settings.alert_targets != after.settings.alert_targets:
        node.alerts.sender.use(targets)
    node.settings = replace(now.settings, terms=after.settings.terms, alert_targets=after.settings.alert_targets)
    return Resolved(node.settings, after.config)


async def _work(
    node: RunningNode,
    where: tuple[Address, Address | None],
    ready: Callable[[], None],
    changes: Coroutine[Any, Any, None],
) -> None:
    """Run the node's tasks. If one fails, all end."""
    context = node.context
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(context.follower.run())
            group.create_task(context.signer.run())
            group.create_task(_refresh(context.store, node.transport if node.serves else None))
            if isinstance(node.transport, SwarmTransport):
                group.create_task(node.transport.stay(*where))
            group.create_task(watch_clock(context.client, context.follower))
            group.create_task(node.journal.run())
            group.create_task(node.facts.run())
            group.create_task(node.alerts.run())
            group.create_task(changes)
            swarm_keys = SwarmKeys(context.client, context.signer, context.keys, node.transport)
            group.create_task(swarm_keys.run(context.follower))
            ready()
            await node.others.settled(context.client, context.follower)
            if node.registered:
                await register(
                    context.client, context.signer, context.follower, context.keys, node.names, context.config
                )
            for role in node.roles:
                group.create_task(role.run())
    except BaseExceptionGroup as errors:
        first = _first(errors)
        if isinstance(first, SwarmKeyChanged):
            raise first from None
        unexpected = None if isinstance(first, EXPECTED) else first
        log.error("the node stops because a task failed", error=f"{type(first).__name__}: {first}", exc_info=unexpected)
        raise first from None


def _first(error: BaseException) -> BaseException:
    """Return the first single error of a group: the one that made the tasks fail."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _served(store: Corestore) -> set[bytes]:
    return {core.discovery_key for core in store.cores() if any(True for _ in core.ranges())}


async def _refresh(store: Corestore, transport: TcpTransport | None) -> None:
    """Announce to peers the blocks that another process appends to our feeds.

    With a transport, be found by who looks for a feed of which there are blocks here.
    """
    offered: set[bytes] = set()
    failing = False
    while True:
        await asyncio.sleep(1.0)  # a poll: SQLite does not notify other processes
        try:
            store.refresh()
            failing = False
            if transport is not None and (here := _served(store)) != offered:
                transport.offer(sorted(here))
                offered = here
        except DISK_ERRORS as error:
            if not failing:
                log.error("cannot read the feeds on the disk; trying again each second", error=str(error))
            failing = True
