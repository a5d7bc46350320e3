"""The worker's machine and its frames, without a process, and the progress meter, without a clock."""

from __future__ import annotations

import io
from typing import Any

import pytest

from service.encoding import (
    BackendError,
    ComputationFault,
    EncodingError,
    ModulusError,
    PrivateKey,
    PrivateKeyError,
    ProfileError,
    SectorError,
    frames,
)
from service.encoding.frames import CodecContext
from service.encoding.progress import ProgressMeter
from service.encoding.worker import Machine, serve


def split(answer: bytes) -> tuple[int, bytes]:
    assert frames.frame_length(answer[:4]) == len(answer) - 4
    return answer[4], answer[5:]


def feed(machine: Machine, *sent: bytes) -> bytes:
    return b"".join(machine.receive(*split(one)) for one in sent)


def test_encode_and_decode(key: PrivateKey, salt: bytes, segment: Any) -> None:
    plain, encoded = segment.plain, segment.encoded
    machine = Machine()
    assert feed(machine, frames.open_frame(7, CodecContext(frames.ENCODE, salt, key.to_bytes()))) == b""
    assert feed(machine, frames.open_frame(8, CodecContext(frames.DECODE, salt, b"\1" + key.modulus))) == b""
    assert split(feed(machine, frames.run_frame(7, 3, plain[768:1536]))) == (frames.DONE, encoded[768:1536])
    assert split(feed(machine, frames.run_frame(8, 3, encoded[768:1536]))) == (frames.DONE, plain[768:1536])


@pytest.mark.parametrize("what", [frames.ENCODE, frames.DECODE])
def test_a_closed_context_is_gone(key: PrivateKey, salt: bytes, what: int) -> None:
    machine = Machine()
    secret = key.to_bytes() if what == frames.ENCODE else b"\1" + key.modulus
    feed(machine, frames.open_frame(1, CodecContext(what, salt, secret)), frames.close_frame(1), frames.close_frame(9))
    kind, body = split(feed(machine, frames.run_frame(1, 0, bytes(256))))
    assert kind == frames.FAILED
    assert "context 1 is not open" in str(frames.parse_failed(body))


@pytest.mark.parametrize(
    ("context", "error"),
    [
        (CodecContext(frames.ENCODE, bytes(32), b"\1\1short"), PrivateKeyError),
        (CodecContext(frames.DECODE, bytes(32), b"\1" + bytes(256)), ModulusError),
        (CodecContext(frames.DECODE, bytes(32), b"\2" + bytes(256)), ProfileError),
    ],
)
def test_a_refused_context_is_told_with_the_run(context: CodecContext, error: type[EncodingError]) -> None:
    machine = Machine()
    kind, body = split(feed(machine, frames.open_frame(0, context), frames.run_frame(0, 0, bytes(256))))
    assert kind == frames.FAILED
    assert type(frames.parse_failed(body)) is error
    feed(machine, frames.close_frame(0))


def test_errors_keep_their_type_and_message() -> None:
    for kind in (SectorError, ComputationFault, BackendError):
        told = frames.parse_failed(split(frames.failed_frame(kind("what: and where")))[1])
        assert type(told) is kind
        assert str(told) == "what: and where"


def test_unknown_frames() -> None:
    with pytest.raises(EncodingError, match="frame kind 99"):
        Machine().receive(99, b"")


def test_serving_ends_with_the_input(key: PrivateKey, salt: bytes, segment: Any) -> None:
    encoded = segment.encoded
    opened = frames.open_frame(0, CodecContext(frames.DECODE, salt, b"\1" + key.modulus))
    run = frames.run_frame(0, 0, encoded[:256])
    for cut in (0, 3, len(opened) - 1, len(opened), len(opened + run) - 1):
        sink = io.BytesIO()
        serve(io.BytesIO((opened + run)[:cut]), sink)
        assert sink.getvalue() == b""
    sink = io.BytesIO()
    serve(io.BytesIO(opened + run), sink)
    assert len(sink.getvalue()) == 5 + 256


class Unread(io.BytesIO):
    def write(self, data: Any) -> int:
        raise BrokenPipeError


def test_serving_ends_when_nobody_reads(key: PrivateKey, salt: bytes) -> None:
    opened = frames.open_frame(0, CodecContext(frames.DECODE, salt, b"\1" + key.modulus))
    source = io.BytesIO(opened + 2 * frames.run_frame(0, 0, bytes(256)))
    serve(source, Unread())
    assert source.read() != b""


def test_progress() -> None:
    now = [100.0]
    meter = ProgressMeter(50, 250, lambda: now[0])
    assert (meter.progress.done, meter.progress.total) == (50, 250)
    assert (meter.progress.rate, meter.progress.seconds_left) == (0.0, None)
    for _ in range(10):
        now[0] += 1
        meter.add(10)
    assert meter.progress.done == 150
    assert meter.progress.rate == pytest.approx(10)
    assert meter.progress.seconds_left == pytest.approx(10)
    for _ in range(20):  # it looks back ten seconds only
        now[0] += 1
        meter.add(2)
    assert meter.progress.done == 190
    assert meter.progress.rate == pytest.approx(2, rel=0.01)
    meter.add(60)
    assert meter.progress.seconds_left == 0
    now[0] += 1000  # a standstill shows
    assert meter.progress.rate < 0.1


def test_progress_without_a_total() -> None:
    meter = ProgressMeter(0, None, iter(float(i) for i in range(10**4)).__next__)
    for _ in range(5000):
        meter.add(1)
    assert meter.progress.seconds_left is None
    assert meter.progress.done == 5000
