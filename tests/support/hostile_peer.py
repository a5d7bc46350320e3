"""A peer that does what it likes: raw bytes over TCP, or whatever it wants behind a proper handshake."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from service.hypercore import KeyPair
from service.hypercore.codec import encode_buffer, encode_string, encode_uint
from service.hypercore.wire.secretstream import SecretStream, frame

WAIT = 60


def address_of(peer: str) -> tuple[str, int]:
    host, _, port = peer.partition("@")[2].rpartition(":")
    return host, int(port)


def read_to_the_end(connection: socket.socket) -> bytes:
    """What comes until the other side hangs up."""
    connection.settimeout(WAIT)
    found = b""
    try:
        while data := connection.recv(65536):
            found += data
    except ConnectionResetError:
        pass  # it hung up at once: what we had sent was not even read
    return found


def say(peer: str, raw: bytes) -> None:
    """Connect, say something, and wait until the peer hangs up."""
    with socket.create_connection(address_of(peer), timeout=WAIT) as connection:
        connection.sendall(raw)
        read_to_the_end(connection)


class Shaken:
    """Behind the handshake: what is sent is authenticated, but need not make sense."""

    def __init__(self, peer: str) -> None:
        self.socket = socket.create_connection(address_of(peer), timeout=WAIT)
        self.stream = SecretStream(True, KeyPair.generate())
        self.socket.sendall(self.stream.start())
        while not self.stream.opened:
            _, answer = self.stream.receive_bytes(self.socket.recv(65536))
            self.socket.sendall(answer)

    def end(self, raw: bytes) -> None:
        """Send, and wait until the peer hangs up."""
        with self.socket:
            self.socket.sendall(raw)
            read_to_the_end(self.socket)

    def message(self, body: bytes) -> None:
        """Send a message of the stream, and wait until the peer hangs up."""
        self.end(self.stream.send(body))

    def ask_and_listen(self, body: bytes) -> bytes:
        """Send a message; the first that comes back."""
        with self.socket:
            self.socket.sendall(self.stream.send(body))
            while True:
                messages, _ = self.stream.receive_bytes(self.socket.recv(65536))
                if messages:
                    return messages[0]


def opening(channel: int, protocol: str, identifier: bytes, handshake: bytes = b"") -> bytes:
    """The protomux message that opens a channel."""
    body = encode_uint(channel) + encode_string(protocol) + encode_buffer(identifier) + handshake
    return encode_uint(0) + encode_uint(1) + body


def wrong_stream_id(peer: str) -> None:
    """A handshake in order, and then a header as another version of the protocol would send it."""
    with socket.create_connection(address_of(peer), timeout=WAIT) as connection:
        stream = SecretStream(True, KeyPair.generate())
        connection.sendall(stream.start())
        answer = b""
        while not answer:
            _, answer = stream.receive_bytes(connection.recv(65536))
        handshake, header = answer[: -3 - 56], answer[-56:]
        connection.sendall(handshake + frame(bytes(32) + header[32:]))
        read_to_the_end(connection)


@contextmanager
def rubbish_server(raw: bytes) -> Iterator[str]:
    """Something that listens and answers everybody with these bytes; its address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(raw)
            read_to_the_end(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
