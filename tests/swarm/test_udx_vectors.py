"""Datagrams that npm's udx-native 1.21.3 sent: each of them is read and written as it stands, and what they tell is right."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from service.hypercore.swarm.udx.packet import (
    DATA,
    HEADER_BYTES,
    SACK,
    decode_ranges,
    encode_ranges,
    header,
    is_udx,
    stream_of,
    unpack,
)
from service.hypercore.swarm.udx.receiver import Receiver
from service.hypercore.swarm.udx.stream import Ended, Stream

VECTORS = json.loads(lzma.decompress((Path(__file__).parents[1] / "vectors" / "swarm" / "udx.json.xz").read_bytes()))
A, B = "127.0.0.1:40001", "127.0.0.1:40002"
IDS = {A: 0x11111111, B: 0x22222222}
BULK = bytes((7 * i + (i >> 8)) & 255 for i in range(20_000)) * 12


def datagrams(name: str) -> list[tuple[str, bytes]]:
    return [(one["from"], bytes.fromhex(one["bytes"])) for one in VECTORS[name]["datagrams"]]


@pytest.mark.parametrize("name", VECTORS)
def test_each_is_read_and_written_as_it_stands(name: str) -> None:
    for sender, data in datagrams(name):
        assert is_udx(data)
        _, _, kind, offset, stream, window, seq, ack = unpack(data)
        assert stream == stream_of(data) == IDS[B if sender == A else A]
        assert header(kind, stream, window, seq, ack, offset) == data[:HEADER_BYTES]
        if kind == SACK:
            assert encode_ranges(decode_ranges(data, len(data) - HEADER_BYTES)) == data[HEADER_BYTES:]
        elif kind & DATA:
            assert data[HEADER_BYTES : HEADER_BYTES + offset] == bytes(offset)


@pytest.mark.parametrize(("name", "size"), [("bulk", 64_000), ("loss", len(BULK)), ("probe-loss", 100_000)])
def test_what_was_sent_in_pieces_is_put_together(name: str, size: int) -> None:
    """Two of the captures were cut off."""
    receiver = Receiver()
    told = b""
    for sender, data in datagrams(name):
        _, _, kind, offset, _, _, seq, _ = unpack(data)
        if sender == A and kind & DATA:
            receiver.take(seq, kind, data[HEADER_BYTES + offset :])
            told += receiver.read()
    assert len(told) >= size
    assert told == BULK[: len(told)]


class Talk:
    """The two machines, of which each must say what was captured."""

    def __init__(self, name: str) -> None:
        self._rest = datagrams(name)
        self.a, self.b = Stream(IDS[A], 0.0), Stream(IDS[B], 0.0)
        self.a.connect(IDS[B])
        self.b.connect(IDS[A])

    def says(self, who: Stream) -> bytes:
        """The next datagram is what this side has to send. The other is to take it."""
        who.settle(0.001)
        sender, captured = self._rest.pop(0)
        assert sender == (A if who is self.a else B)
        assert [train.data.hex() for train in who.out] == [captured.hex()]
        who.out.clear()
        return captured

    def tells(self, who: Stream) -> bytes:
        """The same, and the other takes and reads it at once."""
        other = self.b if who is self.a else self.a
        other.receive(memoryview(self.says(who)))
        return other.read()

    def skip(self) -> None:
        """What npm says, and need not."""
        sender, captured = self._rest.pop(0)
        (self.b if sender == A else self.a).receive(memoryview(captured))

    def over(self) -> None:
        assert not self._rest
        for one in (self.a, self.b):
            one.settle(0.001)
            assert one.out == []


def test_small_writes_a_message_heartbeats_and_ends() -> None:
    talk = Talk("small")
    a, b = talk.a, talk.b
    a.write(b"one")
    a.write(b"two")
    assert talk.tells(a) == b"onetwo"
    talk.tells(b)
    b.write(b"answer")
    assert talk.tells(b) == b"answer"
    talk.tells(a)
    a.message(b"unordered")
    talk.tells(a)
    assert b.messages.popleft() == b"unordered"
    for _ in range(2):
        a.heartbeat()
        talk.tells(a)
        talk.tells(b)
    a.end()
    talk.tells(a)
    assert b.receiver.ended
    talk.tells(b)
    talk.skip()  # an acknowledgement of an acknowledgement
    b.end()
    talk.tells(b)
    talk.tells(a)
    talk.over()
    assert (a.ended, b.ended) == (Ended.FINISHED, Ended.FINISHED)


def test_an_end_with_data_on_it() -> None:
    """Both ends are under way at a time."""
    talk = Talk("end-with-data")
    a, b = talk.a, talk.b
    a.write(bytes.fromhex(VECTORS["end-with-data"]["datagrams"][0]["bytes"])[HEADER_BYTES:])
    a.end()
    late = talk.says(a)
    b.end()
    talk.tells(b)
    b.receive(memoryview(late))
    assert len(b.read()) == 110
    talk.tells(a)
    talk.tells(b)
    talk.over()
    assert (a.ended, b.ended) == (Ended.FINISHED, Ended.FINISHED)


def test_a_stream_that_is_given_up() -> None:
    talk = Talk("destroy")
    a, b = talk.a, talk.b
    a.write(bytes.fromhex(VECTORS["destroy"]["datagrams"][0]["bytes"])[HEADER_BYTES:])
    assert len(talk.tells(a)) == 3
    talk.tells(b)
    a.destroy()
    talk.tells(a)
    talk.over()
    assert (a.ended, b.ended) == (Ended.DESTROYED, Ended.RESET)
