"""The command `python -m runtime_mock`: a Substrate development node in one Python process."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from .chainspec import ChainSpec, ChainSpecError, artifacts
from .node.chain import Chain
from .node.engine import INSTANT, MANUAL, Engine
from .node.store import Store, StoreError
from .rpc.access import Access, named
from .rpc.door import raise_file_limit, room
from .rpc.methods import Node
from .rpc.server import Server
from .runtime import CODE, Runtime

log = structlog.get_logger(__name__)


def _sealing(value: str) -> str | int:
    if value in (INSTANT, MANUAL):
        return value
    if value.isdecimal() and int(value) > 0:
        return int(value)
    raise argparse.ArgumentTypeError(f"{value!r} is neither instant nor manual nor a number of milliseconds")


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(value: str) -> int:
        if value.isdecimal() and least <= int(value) <= most:
            return int(value)
        raise argparse.ArgumentTypeError(f"{value!r} is not a number from {least} to {most}")

    return number


def options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m runtime_mock", description="A Substrate development node.")
    parser.add_argument("--backend", choices=("model", "wasm"), default="model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_number(0, 65535), default=9944, help="0 picks a free one")
    parser.add_argument("--seal", type=_sealing, default=INSTANT, metavar="instant|MS|manual")
    parser.add_argument("--state", type=Path, help="a SQLite file that keeps the chain (else it is in memory)")
    parser.add_argument("--chain-spec", type=Path, help="another raw chain spec than the project's own")
    parser.add_argument(
        "--keep-states", type=_number(2, 2**32), default=8192, help="states of that many blocks are kept"
    )
    parser.add_argument(
        "--rpc-cors",
        action="append",
        default=[],
        metavar="ORIGINS",
        help="web pages of other machines whose requests are taken, e.g. https://polkadot.js.org, or `all`; commas between",
    )
    parser.add_argument(
        "--rpc-hosts",
        action="append",
        default=[],
        metavar="NAMES",
        help="other names in the Host header than localhost, 127.0.0.1, [::1] and that of --host, or `all`; commas between",
    )
    parser.add_argument(
        "--control", action="store_true", help="offer the mock_* methods, which seal, reorganise and break on command"
    )
    return parser.parse_args()


def access(chosen: argparse.Namespace) -> Access:
    """Return who may use the server. The address that is listened on is a name of it, unless it stands for all of them."""
    own = frozenset() if chosen.host in ("0.0.0.0", "::") else frozenset({chosen.host.lower()})
    return Access(named(chosen.rpc_hosts) | own, named(chosen.rpc_cors), chosen.control)


def make_runtime(backend: str, spec: ChainSpec) -> Runtime:
    """Return the runtime of a chain spec. Only the one that is wanted is imported."""
    if backend == "wasm":
        from .wasm.runtime import WasmRuntime, default_cache

        code = spec.genesis.get(CODE)
        assert code is not None
        return WasmRuntime(code, default_cache())
    from .model import ModelRuntime

    return ModelRuntime(artifacts())


async def serve(chosen: argparse.Namespace) -> None:
    """Run until SIGINT or SIGTERM."""
    spec = ChainSpec.load(chosen.chain_spec or artifacts() / "chain-spec.json")
    chain = Chain(make_runtime(chosen.backend, spec), spec.genesis, chosen.keep_states)
    store = Store(chosen.state) if chosen.state is not None else None
    engine = Engine(chain, chosen.seal, store)
    server = Server(Node(engine, spec), access(chosen), room(raise_file_limit()))
    port = server.open(chosen.host, chosen.port)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    sealing = asyncio.create_task(engine.run())
    shown = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
    ready = {"rpc": f"ws://{shown}:{port}", "genesis": chain.genesis.hash.hex(), "backend": chosen.backend}
    print(json.dumps(ready), flush=True)
    log.info("ready", best=chain.best.number, **ready)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({sealing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    failed = sealing.done()
    for task in (sealing, stopping):
        task.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    await server.close()
    if store is not None:
        store.close()
    if failed:
        sealing.result()
    await asyncio.gather(sealing, return_exceptions=True)


def main() -> None:
    """Parse the command line and serve. A failure is reported in one line."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    chosen = options()
    try:
        asyncio.run(serve(chosen))
    except (ChainSpecError, StoreError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
