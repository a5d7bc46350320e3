"""Memory of the mock chain over many blocks."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from .extrinsic import mock_chain
from .registry import Figures, Report, Unavailable, measures

BEFORE, BLOCKS = 10_000, 10_000
"""The chain keeps the states of its last 8,192 blocks: before that it grows."""
MIB = 1 << 20


def _ask(ready: dict[str, Any], method: str, *parameters: Any) -> Any:
    url = str(ready["rpc"]).replace("ws://", "http://")
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"})) as answer:
        found = json.load(answer)
    if "error" in found:
        raise RuntimeError(f"{method}: {found['error']}")
    return found["result"]


def _resident(pid: int) -> float:
    """Return the resident memory of a process in MiB. Raises Unavailable without /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        raise Unavailable("resident memory is read from /proc, which this system does not have")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / MIB


@measures("mock/memory")
def memory(report: Report) -> Figures:
    """Measure whether the mock chain keeps something of each block: its memory before and after 10,000 of them."""
    with mock_chain("model", "manual") as ready:
        report(f"the first {BEFORE} blocks")
        _ask(ready, "mock_seal", BEFORE)
        before = _resident(ready["pid"])
        report(f"{BLOCKS} blocks more")
        _ask(ready, "mock_seal", BLOCKS)
        after = _resident(ready["pid"])
        head = int(_ask(ready, "chain_getHeader")["number"], 16)
        assert head == BEFORE + BLOCKS, head
    how = f"resident memory of `python -m runtime_mock`, the model, after {BEFORE + BLOCKS} blocks, and after the first {BEFORE}"
    return Figures("MiB", after, before, f"after {BEFORE} blocks", how)
