"""A wire with a delay between two interfaces of a namespace: linkem.py DEV_A DEV_B DELAY_MS. What netem does where there is one.

It prints `ready` once it carries. Frames carry their virtio header along, so that checksums and segmentation that are left to the
device stay right.
"""

from __future__ import annotations

import collections
import contextlib
import selectors
import socket
import sys
import time

SOL_PACKET, VNET_HDR, IGNORE_OUTGOING = 263, 15, 23
ALL_PROTOCOLS = 3
MOST_BYTES = 70_000
BURST = 64


def opened(device: str) -> socket.socket:
    """Open an interface."""
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    found.setsockopt(SOL_PACKET, VNET_HDR, 1)
    found.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    found.bind((device, 0))
    found.setblocking(False)
    return found


def carry(first: str, second: str, delay: float) -> None:
    """Carry frames both ways until the process is ended."""
    ends = [opened(first), opened(second)]
    waiting: list[collections.deque[tuple[float, bytes]]] = [collections.deque(), collections.deque()]
    selector = selectors.DefaultSelector()
    for number, end in enumerate(ends):
        selector.register(end, selectors.EVENT_READ, number)
    print("ready", flush=True)
    while True:
        due = [queue[0][0] for queue in waiting if queue]
        for key, _ in selector.select(max(0.0, min(due) - time.monotonic()) if due else None):
            at = time.monotonic() + delay
            with contextlib.suppress(BlockingIOError):
                for _ in range(BURST):
                    waiting[key.data].append((at, ends[key.data].recv(MOST_BYTES)))
        now = time.monotonic()
        for number, queue in enumerate(waiting):
            while queue and queue[0][0] <= now:
                with contextlib.suppress(OSError):  # a full queue loses frames, as wires do
                    ends[1 - number].send(queue.popleft()[1])


if __name__ == "__main__":
    carry(sys.argv[1], sys.argv[2], float(sys.argv[3]) / 1000)
