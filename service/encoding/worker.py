"""One worker process of the pool: runs of sectors arrive on standard input, results leave on standard output.

It ends when its input does, so it cannot outlive the process that started it, however that ended.
"""

from __future__ import annotations

import os
import signal
from typing import BinaryIO

from . import frames
from .errors import EncodingError
from .keys import PrivateKey
from .profiles import get_profile
from .sectors import SectorDecoder, SectorEncoder


class Machine:
    """The worker as a machine: frames in, frames out. It keeps the contexts that the parent has opened."""

    def __init__(self) -> None:
        self._encoders: dict[int, tuple[SectorEncoder, bytes]] = {}
        self._decoders: dict[int, SectorDecoder] = {}
        self._refused: dict[int, EncodingError] = {}

    def receive(self, kind: int, body: bytes) -> bytes:
        """Return the answer to a frame, empty if none is due. Raises EncodingError for an unknown kind."""
        if kind == frames.RUN:
            try:
                return frames.frame(frames.DONE, self._run(*frames.parse_run(body)))
            except EncodingError as error:
                return frames.failed_frame(error)
        if kind == frames.OPEN:
            self._open(*frames.parse_open(body))
        elif kind == frames.CLOSE:
            self._close(frames.parse_close(body))
        else:
            raise EncodingError(f"frame kind {kind} is unknown to a worker")
        return b""

    def _open(self, number: int, context: frames.CodecContext) -> None:
        try:
            if context.what == frames.ENCODE:
                encoder = SectorEncoder(context.salt, PrivateKey.from_bytes(context.key))
                self._encoders[number] = encoder, context.ctx
            else:
                self._decoders[number] = SectorDecoder(context.salt, context.key[1:], get_profile(context.key[0]))
        except EncodingError as error:  # reported with the first run, because an OPEN has no answer
            self._refused[number] = error

    def _close(self, number: int) -> None:
        encoding = self._encoders.pop(number, None)
        if encoding is not None:
            encoding[0].close()
        self._decoders.pop(number, None)
        self._refused.pop(number, None)

    def _run(self, number: int, first_sector: int, data: bytes) -> bytes:
        if number in self._refused:
            raise self._refused[number]
        if number in self._encoders:
            encoder, ctx = self._encoders[number]
            if not ctx:
                return encoder.encode(first_sector, data)
            return b"".join(encoder.encode_and_hash(ctx, first_sector, data))
        if number in self._decoders:
            return self._decoders[number].decode(first_sector, data)
        raise EncodingError(f"context {number} is not open")


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer frames until the input ends or the reader is gone."""
    machine = Machine()
    while len(prefix := source.read(frames.LENGTH_SIZE)) == frames.LENGTH_SIZE:
        length = frames.frame_length(prefix)
        content = source.read(length)
        if len(content) < length:
            return
        answer = machine.receive(content[0], content[1:])
        if answer:
            try:
                sink.write(answer)
                sink.flush()
            except BrokenPipeError:
                return


def main() -> None:
    """Run the worker. Ctrl-C is the parent's business, and what libraries print must not get between the frames."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(source, sink)
    os._exit(0)  # nothing is left to clean up, and a broken pipe must not print a traceback
