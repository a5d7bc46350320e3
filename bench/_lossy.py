"""A loopback of its own that loses packets: a network namespace, with nothing else in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from .registry import Unavailable

PROGRAMS = ("ip", "nft", "ethtool")
DATA_BYTES = 500
"""Datagrams above this are lost: those that carry data."""

_RULES = """
table ip lossy {{
  chain in {{ type filter hook input priority 0; meta l4proto udp udp length > {bytes} numgen random mod 1000 < {lost} counter drop
  }}
}}
"""


def _do(*command: str, given: str | None = None) -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()}")


@contextmanager
def lossy_loopback(lost_of_thousand: int) -> Iterator[tuple[str, ...]]:
    """Make it, and give what is put before a command to run it there. Raises Unavailable without root and the programs."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        raise Unavailable(
            f"packets are lost in a network namespace, for which root and {', '.join(PROGRAMS)} are needed"
        )
    name = f"datdot-{os.getpid()}-lossy"
    _do("ip", "netns", "add", name)
    inside = ("ip", "netns", "exec", name)
    try:
        _do("ip", "-n", name, "link", "set", "lo", "up")
        # a train of packets crosses loopback as one, and all of it would be lost at once
        _do(*inside, "ethtool", "-K", "lo", "tx-udp-segmentation", "off")
        _do(*inside, "nft", "-f", "-", given=_RULES.format(bytes=DATA_BYTES, lost=lost_of_thousand))
        yield inside
    finally:
        _do("ip", "netns", "del", name)
