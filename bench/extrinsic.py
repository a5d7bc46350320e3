"""Time on the mock chain from an extrinsic's submission to its inclusion, with a block for each extrinsic."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from runtime_mock.chainspec import artifacts
from service.chain_client import Call, Runtime, frame
from service.chain_client.runtime.extrinsic import Mortality, payload, signed
from service.vault import load_keys

from .registry import Figures, Report, measures

WARM, COUNT = 5, 50
AIMS = {"model": 10.0, "wasm": 15.0}  # milliseconds
METADATA = "metadata.scale"
TO = bytes(range(32))


class Sender:
    """A signer for //Alice on a new chain, which asks the chain for nothing."""

    def __init__(self, genesis: bytes, spec_version: int, transaction_version: int) -> None:
        metadata = (artifacts() / METADATA).read_bytes()
        self._runtime = Runtime(metadata, spec_version, transaction_version)
        self._pair = load_keys("//Alice").account_pair
        self._genesis = genesis
        self.account = bytes(self._pair.public_key)

    def sign(self, call: Call, nonce: int) -> bytes:
        """Return the signed extrinsic, valid in the chain's first 64 blocks."""
        encoded, runtime = self._runtime.encode_call(call), self._runtime
        born = Mortality(0, self._genesis)
        message = payload(encoded, born, nonce, runtime.spec_version, runtime.transaction_version, self._genesis)
        return signed(self.account, bytes(self._pair.sign(message)), encoded, born, nonce)


@contextmanager
def mock_chain(backend: str, seal: str) -> Iterator[dict[str, Any]]:
    """Run a mock chain and yield its ready line."""
    command = [sys.executable, "-m", "runtime_mock", "--backend", backend, "--port", "0", "--control", "--seal", seal]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the mock chain ended: {process.stderr.read().decode(errors='replace')[-2000:]}")
            yield json.loads(line) | {"pid": process.pid}
        finally:
            process.kill()


async def _request(socket: aiohttp.ClientWebSocketResponse, method: str, *parameters: str) -> Any:
    await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)})
    answer = await socket.receive_json()
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    return answer["result"]


async def _inclusion(socket: aiohttp.ClientWebSocketResponse, extrinsic: bytes) -> float:
    """Return the milliseconds until the chain reports the block of the extrinsic."""
    start = time.perf_counter()
    subscription = await _request(socket, "author_submitAndWatchExtrinsic", "0x" + extrinsic.hex())
    found = None
    while True:
        params = (await socket.receive_json())["params"]
        if params["subscription"] != subscription:
            continue
        status = params["result"]
        if found is None and isinstance(status, dict) and "inBlock" in status:
            found = (time.perf_counter() - start) * 1e3
        if found is not None and isinstance(status, dict) and "finalized" in status:
            return found
        if isinstance(status, str) and status in ("invalid", "dropped"):
            raise RuntimeError(f"the extrinsic is {status}")


def processor_ms(pid: int) -> float | None:
    """Return the processor time that a process has used so far, or None where there is no /proc."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return None
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) * 1e3 / os.sysconf("SC_CLK_TCK")


async def _times(ready: dict[str, Any]) -> tuple[list[float], str]:
    """Return the milliseconds of each extrinsic, and in words how much of it the chain's process spent on the processor."""
    async with aiohttp.ClientSession() as session, session.ws_connect(ready["rpc"]) as socket:
        version = await _request(socket, "state_getRuntimeVersion")
        sender = Sender(bytes.fromhex(ready["genesis"]), version["specVersion"], version["transactionVersion"])
        many = [sender.sign(frame.transfer(TO, 10**12), nonce) for nonce in range(WARM + COUNT)]
        for one in many[:WARM]:
            await _inclusion(socket, one)
        before = processor_ms(ready["pid"])
        found = [await _inclusion(socket, one) for one in many[WARM:]]
        after = processor_ms(ready["pid"])
    used = "" if before is None or after is None else f", {(after - before) / COUNT:.1f} ms of processor time for each"
    return found, used


def _measure(backend: str, report: Report) -> Figures:
    report(f"{COUNT} extrinsics")
    with mock_chain(backend, "instant") as ready:
        found, used = asyncio.run(_times(ready))
    how = (
        f"`python -m runtime_mock --backend {backend} --seal instant`, one process: {COUNT} signed transfers over one "
        "WebSocket, one after another, from author_submitAndWatchExtrinsic to the notice of the block; the median "
        f"(from {min(found):.1f} to {max(found):.1f} ms{used}). The real node seals by the clock in development, so that it "
        "can be no peer: beside it stands the time that the mock aims at"
    )
    return Figures("ms", statistics.median(found), AIMS[backend], "the aim", how)


@measures("mock/model/extrinsic")
def model_extrinsic(report: Report) -> Figures:
    """Measure the runtime in Python."""
    return _measure("model", report)


@measures("mock/wasm/extrinsic")
def wasm_extrinsic(report: Report) -> Figures:
    """Measure the real runtime in wasmtime."""
    return _measure("wasm", report)
