"""Chains to test against: the model, the real runtime in wasm, and the real node, each as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime_mock.chainspec import artifacts
from tests.support.needs import free_port, node_binary

BACKENDS = ["model", "wasm", pytest.param("node", marks=pytest.mark.substrate)]
BLOCK_MS = {"model": 150, "wasm": 150, "node": 400}
START_SECONDS = 60


@dataclass(frozen=True)
class RunningChain:
    """A chain that serves RPC."""

    backend: str
    port: int

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def raw(self, body: bytes) -> bytes:
        """POST a body, whatever it is; the answer's body."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}", body, {"content-type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                found: bytes = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                found = error.read()
        return found


def command(backend: str, port: int, base: Path, block_ms: int) -> list[str]:
    if backend == "node":
        return [
            *(node_binary(), "--chain", str(artifacts() / "chain-spec.json"), "--dev"),
            *("--dev-block-time", str(block_ms), "--base-path", str(base), "--state-pruning", "archive"),
            *("--rpc-port", str(port), "--port", str(free_port()), "--no-telemetry", "--no-prometheus"),
        ]
    return [sys.executable, "-m", "runtime_mock", "--backend", backend, "--port", str(port), "--seal", str(block_ms)]


@contextmanager
def running_chain(backend: str, base: Path, block_ms: int | None = None) -> Iterator[RunningChain]:
    """Start a chain, wait until it answers, stop it."""
    chain = RunningChain(backend, free_port())
    log = base / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(backend, chain.port, base, block_ms or BLOCK_MS[backend]), stdout=output, stderr=output, cwd=base
        )
    try:
        for _ in range(START_SECONDS * 10):
            try:
                chain.raw(b'{"jsonrpc":"2.0","id":1,"method":"system_chain"}')
                break
            except OSError:
                assert process.poll() is None, log.read_text(errors="replace")[-2000:]
                time.sleep(0.1)
        else:
            pytest.fail(f"{backend} does not answer: {log.read_text(errors='replace')[-2000:]}")
        yield chain
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
