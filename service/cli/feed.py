"""The commands `datdot feed`: create, import, fetch, serve, verify and export feeds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from service.durable import make_private_if_missing
from service.feeds.archive import Selection
from service.feeds.encryption import unlock
from service.feeds.export import export_feed
from service.feeds.fetch import fetch_feed
from service.feeds.held import held
from service.feeds.imports import check_apart, import_once, remove_feed
from service.feeds.verify import verify_feed
from service.hypercore import Core, Corestore, CryptoError, KeyPair, parse_key
from service.hypercore.corestore import FILE
from service.hypercore.net import Connection, PeerAddress, Replication, TcpTransport
from service.hypercore.net.taken import listening_at
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.transport import ANYWHERE, SwarmTransport
from service.node.settings import announced, public_address

from .addresses import parse_announce, parse_bootstrap, parse_listen, parse_peers, parse_relay, parse_upload_limit
from .failures import failure_of
from .options import Announce, Bootstrap, Directory, Json, Key, Listen, PassphraseFile, Peers, Relay, UploadLimit
from .output import Failure, Output, configure_logging, run
from .progress import bytes_progress
from .unlocking import own_keys

log = structlog.get_logger(__name__)

feed_app = typer.Typer(help="Create, import, serve, fetch, verify and export feeds (hypercores).", no_args_is_help=True)
Feed = Annotated[str, typer.Argument(metavar="KEY", help="The feed's key, in hex or z-base-32.")]


Encryption = Annotated[
    str | None,
    typer.Option(
        "--encryption-key", metavar="HEX", help="The key of an encrypted feed: 32 bytes in hex. DIR keeps it."
    ),
]


def encryption_key(text: str | None) -> bytes | None:
    """Parse an encryption key as typed by the user. Raises BadParameter."""
    try:
        key = None if text is None else bytes.fromhex(text)
    except ValueError:
        key = b""
    if key is not None and len(key) != 32:
        raise typer.BadParameter("--encryption-key: an encryption key is 32 bytes in hex (64 digits)")
    return key


def describe(core: Core) -> dict[str, Any]:
    """Return the JSON object of `feed create|import|info`."""
    return {
        "key": core.key.hex(),
        "discovery_key": core.discovery_key.hex(),
        "length": core.length,
        "byte_length": core.byte_length,
        "fork": core.fork,
        "tree_hash": core.tree_hash().hex(),
        "blocks_here": held(core).here,
    }


def tell_missing(core: Core) -> None:
    """Warn if blocks of a feed are not here: its length and size are those of the whole."""
    found = held(core)
    if found.first_missing is not None:
        log.warning(f"this copy of the feed is not whole: {found}", feed=core.key.hex())


def feed_key(text: str) -> bytes:
    """Parse a feed's key as typed by the user. Raises BadParameter."""
    try:
        return parse_key(text)
    except CryptoError as error:
        raise typer.BadParameter(str(error)) from error


def known(store: Corestore, key: bytes, directory: Path) -> Core:
    """Return a feed that is in the directory. Raises Failure if it is not."""
    core = store.known(key)
    if core is None:
        raise Failure("no_such_feed", f"feed {key.hex()} is not in {directory}", str(directory))
    return core


def transport_of(
    pair: KeyPair,
    bootstrap: tuple[Address, ...],
    peers: list[PeerAddress] | None = None,
    on_connection: Callable[[Connection], None] | None = None,
    relay: bytes | None = None,
    upload_limit: int | None = None,
) -> TcpTransport:
    """Return the transport of a command: with static peers, and by the DHT if there are nodes to begin with."""
    if bootstrap:
        return SwarmTransport(pair, bootstrap, peers or (), on_connection, relay=relay, upload_limit=upload_limit)
    return TcpTransport(pair, peers or (), on_connection, upload_limit=upload_limit)


def swarm_pair(out: Output, key: Path | None, passphrase_file: Path | None) -> KeyPair:
    """Return the swarm identity of a --key option, or a throw-away one without it."""
    return KeyPair.generate() if key is None else KeyPair(own_keys(out, key, passphrase_file).swarm_seed)


@feed_app.command()
def create(directory: Directory, encryption: Encryption = None, json: Json = False) -> None:
    """Create an empty feed."""
    out = Output(json)
    configure_logging(json)
    secret = encryption_key(encryption)

    async def main() -> None:
        with closing(made(directory)) as store:
            out.result(describe(store.create(encryption_key=secret)))

    run(out, main, lambda error: failure_of(error, str(directory)))


@feed_app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(exists=True, help="A file or a folder.")],
    directory: Directory,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="GLOB", help="Leave out what matches, as in .gitignore; may be repeated."),
    ] = None,
    skip_links: Annotated[bool, typer.Option("--skip-links", help="Leave out symbolic links.")] = False,
    json: Json = False,
) -> None:
    """Import a file or a folder into a new feed. An interrupted import resumes when it is repeated.

    What a folder's file .datdotignore lists is left out (its syntax is that of .gitignore).
    """
    out = Output(json)
    configure_logging(json)
    out.again = "type the same command again to go on"
    selection = Selection(tuple(exclude or ()), skip_links)

    async def main() -> None:
        check_apart(path, directory, selection)
        with closing(made(directory)) as store:
            with bytes_progress(out, "import") as show:
                core = await import_once(store, directory, path, show, selection)
            out.result(describe(core))

    run(out, main, lambda error: failure_of(error, str(path)))


@feed_app.command()
def remove(feed: Feed, directory: Directory, json: Json = False) -> None:
    """Remove a feed from DIR, its secret key included, and give the disk its room back."""
    out = Output(json)
    configure_logging(json)
    wanted = feed_key(feed)

    async def main() -> None:
        with closing(opened(directory)) as store:
            core = known(store, wanted, directory)
            await remove_feed(store, directory, core)
            out.result({"key": wanted.hex(), "removed": True, "writable": core.writable})

    run(out, main, lambda error: failure_of(error, str(directory)))


@feed_app.command("list")
def list_feeds(directory: Directory, json: Json = False) -> None:
    """Show all feeds in DIR: key, blocks here and in all, bytes, and whether they can be appended to."""
    out = Output(json)
    configure_logging(json)

    async def main() -> None:
        with closing(opened(directory)) as store:
            feeds = []
            for core in sorted(store.cores(), key=lambda one: one.key):
                here = held(core)
                feeds.append(
                    {
                        "key": core.key.hex(),
                        "length": here.length,
                        "blocks_here": here.here,
                        "byte_length": core.byte_length,
                        "writable": core.writable,
                    }
                )
        lines = [
            f"{one['key']}  {one['blocks_here']} of {one['length']} blocks here, {one['byte_length']} bytes"
            f"{', writable' if one['writable'] else ''}"
            for one in feeds
        ]
        out.result({"feeds": feeds}, "\n".join(lines) or "there is no feed here")

    run(out, main, lambda error: failure_of(error, str(directory)))


@feed_app.command()
def info(feed: Feed, directory: Directory, json: Json = False) -> None:
    """Show what is stored of a feed."""
    out = Output(json)
    configure_logging(json)
    wanted = feed_key(feed)

    async def main() -> None:
        with closing(opened(directory)) as store:
            core = known(store, wanted, directory)
            out.result(describe(core))
            tell_missing(core)

    run(out, main, lambda error: failure_of(error, str(directory)))


@feed_app.command()
def verify(feed: Feed, directory: Directory, json: Json = False) -> None:
    """Hash everything stored of a feed again, and check its signature."""
    out = Output(json)
    configure_logging(json)
    wanted = feed_key(feed)

    async def main() -> None:
        with closing(opened(directory)) as store:
            store.check_file()
            core = known(store, wanted, directory)
            with bytes_progress(out, "verify") as show:
                found = await verify_feed(core, show)
            out.result(
                {
                    "key": core.key.hex(),
                    "length": found.length,
                    "blocks_verified": found.blocks,
                    "bytes_verified": found.byte_length,
                    "tree_hash": core.tree_hash().hex(),
                    "blocks_missing": found.length - found.blocks,
                }
            )
            tell_missing(core)

    run(out, main, lambda error: failure_of(error, str(directory)))


@feed_app.command()
def serve(
    feed: Feed,
    directory: Directory,
    listen: Listen = "127.0.0.1:0",
    announce: Announce = None,
    bootstrap: Bootstrap = None,
    relay: Relay = None,
    upload_limit: UploadLimit = None,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Serve a feed to any hypercore peer, until Ctrl-C."""
    out = Output(json)
    configure_logging(json)
    wanted = feed_key(feed)
    host, port = parse_listen(listen)
    told, nodes = parse_announce(announce), parse_bootstrap(bootstrap)
    through = parse_relay(relay, nodes)
    limit, pair = parse_upload_limit(upload_limit), swarm_pair(out, key, passphrase_file)

    async def main() -> None:
        with closing(opened(directory)) as store:
            core = known(store, wanted, directory)
            async with transport_of(pair, nodes, None, _server_of(store, core), through, limit) as transport:
                with listening_at("--listen", listen):
                    address = await transport.listen(host, port)
                await _found_by(transport, core, address, told)
                dialled = announced(told, *address)
                peer = "" if dialled is None else f"{pair.public.hex()}@{dialled}"
                here = held(core).here
                out.result({"peer": peer, "key": core.key.hex(), "length": core.length, "blocks_here": here})
                tell_missing(core)
                if dialled is None:
                    log.warning(
                        "listening everywhere: --announce HOST:PORT says where others reach it", port=address[1]
                    )
                while True:
                    await asyncio.sleep(1.0)
                    store.refresh()  # a poll: announces the blocks that another process appended

    run(out, main, lambda error: failure_of(error, listen), quiet_interrupt=True)


async def _found_by(transport: TcpTransport, core: Core, address: tuple[str, int], announce: str | None) -> None:
    """Let a feed be found by its discovery key, if there is a DHT. Raises DhtError and OSError."""
    if isinstance(transport, SwarmTransport):
        await transport.join(Address.beside(*address), public_address(announce), listen=True)
        transport.offer([core.discovery_key])
        if not await transport.offered():
            log.warning(
                "no node of the DHT takes the announcement yet: readers do not find the feed; it is tried again"
            )


def _server_of(store: Corestore, core: Core) -> Callable[[Connection], None]:
    def find(discovery_key: bytes) -> Core | None:
        store.refresh()
        return core if discovery_key == core.discovery_key else None

    return lambda connection: Replication.of(connection).serve(find)


@feed_app.command()
def fetch(
    feed: Feed,
    directory: Directory,
    peer: Peers = None,
    bootstrap: Bootstrap = None,
    relay: Relay = None,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    encryption: Encryption = None,
    json: Json = False,
) -> None:
    """Fetch a feed from peers into DIR."""
    out = Output(json)
    configure_logging(json)
    out.again = "what has come is kept; type the same command again to go on"
    wanted, peers, secret = feed_key(feed), parse_peers(peer), encryption_key(encryption)
    nodes = parse_bootstrap(bootstrap)
    if not (peers or nodes):
        raise typer.BadParameter("no peer to fetch from: add --peer KEY@HOST:PORT, or --bootstrap HOST:PORT")
    through = parse_relay(relay, nodes)
    pair = swarm_pair(out, key, passphrase_file)

    async def main() -> None:
        with closing(made(directory)) as store:
            core = store.get(wanted)
            sources = await _fetch(out, core, transport_of(pair, nodes, peers, relay=through))
            if secret is not None:
                unlock(core, secret)
            out.result({**describe(core), "peers": sources})

    run(out, main, lambda error: failure_of(error, str(directory)))


async def _fetch(out: Output, core: Core, transport: TcpTransport) -> list[dict[str, Any]]:
    """Fetch a feed. Return what each peer gave."""
    async with transport:
        if isinstance(transport, SwarmTransport):
            await transport.join(ANYWHERE)
        with bytes_progress(out, "fetch") as show:
            sources = await fetch_feed(core, transport, None, show)
    return [{"key": one.key.hex(), "path": one.path, "bytes": one.received} for one in sources]


@feed_app.command()
def export(
    feed: Feed,
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Path to write to; it must not exist.")],
    directory: Directory,
    peer: Peers = None,
    bootstrap: Bootstrap = None,
    relay: Relay = None,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    encryption: Encryption = None,
    json: Json = False,
) -> None:
    """Write the imported file or folder to OUT, or all blocks concatenated if the feed was not imported."""
    out = Output(json)
    configure_logging(json)
    wanted, peers, secret = feed_key(feed), parse_peers(peer), encryption_key(encryption)
    nodes = parse_bootstrap(bootstrap)
    through, pair = parse_relay(relay, nodes), swarm_pair(out, key, passphrase_file)

    async def main() -> None:
        with closing(made(directory) if peers or nodes else opened(directory)) as store:
            core = store.get(wanted) if peers or nodes else known(store, wanted, directory)
            if peers or nodes:
                await _fetch(out, core, transport_of(pair, nodes, peers, relay=through))
            if secret is not None:
                unlock(core, secret)
            with bytes_progress(out, "export") as show:
                await export_feed(core, target, show)
            out.result({"key": core.key.hex(), "out": str(target), "byte_length": core.byte_length})

    run(out, main, lambda error: failure_of(error, str(target)))


def made(directory: Path) -> Corestore:
    """Open the corestore of a directory, creating both if necessary."""
    make_private_if_missing(directory)
    return Corestore(directory)


def opened(directory: Path) -> Corestore:
    """Open the existing corestore of a directory. Raises Failure if there is none."""
    if not (directory / FILE).exists():
        raise Failure("no_such_feed", f"there are no feeds in {directory}", str(directory))
    return Corestore(directory)
