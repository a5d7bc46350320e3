"""A webhook on loopback: it takes what is posted to it as JSON, and refuses it while it is told to."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """What came, in order."""

    def __init__(self, port: int) -> None:
        self.url = f"json://127.0.0.1:{port}/alerts?token=SECRETWORD"
        self.came: queue.Queue[dict[str, Any]] = queue.Queue()
        self.refuses = False

    def next(self, seconds: float = 120) -> dict[str, Any]:
        """The next message; waits for it."""
        return self.came.get(timeout=seconds)


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Serve for the time of the context."""
    held: list[Webhook] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not held[0].refuses:
                held[0].came.put(body)
            self.send_response(503 if held[0].refuses else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.append(Webhook(server.server_port))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield held[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
