"""protomux without a network: two muxes joined by lists, and one fed by hand with whatever a hostile peer sends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.hypercore.codec import encode_buffer, encode_string, encode_uint
from service.hypercore.net import ProtocolError
from service.hypercore.wire import protomux as p
from service.hypercore.wire.protomux import Endpoint, Mux


class End:
    """One side, with what happened on its channels."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.mux = Mux(self.sent.append, lambda: None)
        self.heard: list[tuple[object, ...]] = []

    def open(self, protocol: str = "p", identifier: bytes | None = None, handshake: bytes = b"") -> Endpoint:
        name = (protocol, identifier)
        return self.mux.open(
            protocol,
            identifier,
            handshake,
            lambda theirs: self.heard.append((*name, "open", theirs)),
            lambda kind, body: self.heard.append((*name, kind, body)),
            lambda reason: self.heard.append((*name, "close", reason)),
        )

    def serve(self, protocol: str = "p", accept: Callable[[bytes | None], bool] = lambda identifier: True) -> None:
        def notify(identifier: bytes | None, handshake: bytes) -> bool:
            if not accept(identifier):
                return False
            self.open(protocol, identifier, b"served")
            return True

        self.mux.on_protocol(protocol, notify)

    def take(self) -> list[bytes]:
        self.mux.flush()
        sent, self.sent[:] = list(self.sent), []
        return sent


def hear(end: End, message: bytes) -> None:
    """Let a side take a message of the stream, and all that is in it."""
    end.mux.receive_frame(message)
    end.mux.work()


def carry(one: End, two: End) -> None:
    """Until nobody says anything more."""
    while True:
        first, second = one.take(), two.take()
        if not first and not second:
            return
        for message in first:
            hear(two, message)
        for message in second:
            hear(one, message)


def joined() -> tuple[End, End]:
    return End(), End()


OPEN = b"\0\1"


def opening(number: int, protocol: str = "p", identifier: bytes = b"", handshake: bytes = b"") -> bytes:
    return OPEN + encode_uint(number) + encode_string(protocol) + encode_buffer(identifier) + handshake


def test_opened_from_one_side_and_served_by_the_other() -> None:
    one, two = joined()
    two.serve()
    channel = one.open("p", b"id", b"hello")
    carry(one, two)
    assert one.heard == [("p", b"id", "open", b"served")]
    assert two.heard == [("p", b"id", "open", b"hello")]
    one.mux.send(channel, 7, b"body")
    carry(one, two)
    assert two.heard[-1] == ("p", b"id", 7, b"body")
    one.mux.close(channel)
    carry(one, two)
    assert two.heard[-1] == ("p", b"id", "close", "the peer closed it")
    assert one.mux._local == two.mux._local == {}


def test_opened_from_both_sides_at_once() -> None:
    one, two = joined()
    for end in (one, two):
        end.open("p", b"id", b"x")
    carry(one, two)
    assert one.heard == two.heard == [("p", b"id", "open", b"x")]


def test_bytes_are_those_of_npm() -> None:
    """Taken from protomux's own layout: control frames, a single message, a batch over two channels."""
    one = End()
    first = one.open("ab", b"\1\2", b"hs")
    assert one.take() == [b"\0\1\1\2ab\2\1\2hs"]
    hear(one, opening(9 - 8, "ab", b"\1\2"))
    one.mux.send(first, 3, b"xy")
    assert one.take() == [b"\1\3xy"]
    second = one.open("c", None)
    one.take()
    hear(one, opening(2, "c"))
    one.mux.send(first, 0, b"a")
    one.mux.send(first, 1, b"b")
    one.mux.send(second, 2, b"")
    one.mux.close(first)
    assert one.take() == [b"\0\0\1\2\0a\2\1b\0\2\1\2\0\0\2\3\1"]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.binary(max_size=20)), max_size=30))
def test_batches_carry_everything_in_order(messages: list[tuple[int, int, bytes]]) -> None:
    one, two = joined()
    channels = [one.open(str(number)) for number in range(3)]
    for number in range(3):
        two.open(str(number))
    carry(one, two)
    two.heard.clear()
    for number, kind, body in messages:
        one.mux.send(channels[number], kind, body)
    assert len(one.sent) == 0
    carry(one, two)
    assert two.heard == [(str(number), None, kind, body) for number, kind, body in messages]


def test_large_batches_are_cut() -> None:
    one, two = joined()
    channel = one.open()
    two.open()
    carry(one, two)
    for _ in range(5):
        one.mux.send(channel, 1, bytes(p.BATCH_BYTES // 2))
    sent = one.take()
    assert len(sent) > 1
    assert max(map(len, sent)) <= p.BATCH_BYTES + 64
    for message in sent:
        hear(two, message)
    assert len(two.heard) == 1 + 5


def test_what_nobody_serves_is_rejected() -> None:
    one, two = joined()
    two.mux.settle()
    one.open("nobody")
    two.serve("p", lambda identifier: identifier == b"yes")
    one.open("p", b"no")
    one.open("p", b"yes")
    carry(one, two)
    assert ("nobody", None, "close", "the peer does not serve that") in one.heard
    assert ("p", b"no", "close", "the peer does not serve that") in one.heard
    assert ("p", b"yes", "open", b"served") in one.heard
    assert len(one.mux._local) == 1


def test_what_the_peer_opens_early_waits_until_it_is_served() -> None:
    one, two = joined()
    channel = one.open("p", b"id", b"hello")
    one.open("q")
    one.mux.send(channel, 1, b"early")
    carry(one, two)
    assert one.heard == []
    two.serve("p")
    carry(one, two)
    assert one.heard == [("p", b"id", "open", b"served")]
    assert two.heard == [("p", b"id", "open", b"hello"), ("p", b"id", 1, b"early")]
    two.mux.settle()
    carry(one, two)
    assert one.heard[-1] == ("q", None, "close", "the peer does not serve that")
    assert two.mux._early_bytes == 0


def test_closed_before_the_peer_answered() -> None:
    """Its number stays taken until the answer comes, whatever that is; then the next one pairs rightly."""
    one, two = joined()
    two.serve()
    first = one.open("p", b"id")
    second_number = one.open("p", b"other").local_id
    one.mux.close(first)
    again = one.open("p", b"id")
    assert again.local_id not in (first.local_id, second_number)
    carry(one, two)
    assert again.opened
    assert len(one.mux._local) == len(two.mux._local) == 2
    assert one.open("p", b"third").local_id == first.local_id
    carry(one, two)
    assert one.heard[-1] == ("p", b"third", "open", b"served")
    one.mux.send(again, 5, b"works")
    carry(one, two)
    assert two.heard[-1] == ("p", b"id", 5, b"works")


def test_closed_before_it_was_served() -> None:
    one, two = joined()
    first = one.open("p", b"id")
    carry(one, two)
    one.mux.close(first)
    carry(one, two)
    assert one.mux._local == {}
    two.serve()
    again = one.open("p", b"id")
    carry(one, two)
    assert again.opened


def test_numbers_are_used_again() -> None:
    one, two = joined()
    two.serve()
    for _ in range(3 * p.MAX_CHANNELS):
        channel = one.open()
        carry(one, two)
        (one if _ % 2 else two).mux.close(channel if _ % 2 else next(iter(two.mux._local.values())))
        carry(one, two)
    assert one.mux._local == two.mux._local == {}
    assert len(two.mux._remote) == 1


def test_the_end_of_the_stream_ends_all_channels() -> None:
    one, two = joined()
    one.open("a")
    one.open("b")
    two.open("a")
    carry(one, two)
    one.mux.shut("gone")
    assert one.heard[-2:] == [("a", None, "close", "gone"), ("b", None, "close", "gone")]
    one.mux.flush()
    assert one.sent == []


# ---------------------------------------------------------------- a hostile peer


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (OPEN, "channel at offset 2: the message ends"),
        (b"\0\1\1\xff" + b"\xff" * 8, "length of protocol at offset 3: .* is over 256"),
        (b"\0\1\1\xfd\x01\x01" + bytes(257), "length of protocol at offset 3: 257 is over 256"),
        (b"\0\1\1\2ab\xfc" + bytes(252), "length of channel id at offset 6: 252 is over 64"),
        (b"\0\1\1\2\xff\xfe\0", "protocol at offset 3: not UTF-8"),
        (opening(0), "the peer opened channel 0"),
        (opening(2), "the peer opened channel 2, which is taken or skips a number"),
        (opening(2**52), "which is taken or skips a number"),
        (opening(1, handshake=bytes(4097)), "a channel's handshake of 4097 bytes"),
        (b"\0\2\5", "the peer rejected channel 5, which is not waiting for an answer"),
        (b"\0\0\1\xfe\xff\xff\xff\xffx", "a batched message of 4294967295 bytes"),
        (b"\0\0\0\4\0\1\1x", "a batch within a batch"),
        (b"\0\3", "closed channel at offset 2: the message ends"),
        (b"\xff" + b"\xff" * 8, "channel at offset 0: .* is over"),
    ],
)
def test_refused(message: bytes, named: str) -> None:
    with pytest.raises(ProtocolError, match=named):
        hear(End(), message)


def test_nested_batches_do_not_pile_up() -> None:
    message = b"\0\0\0\1\1"
    for _ in range(2000):
        message = b"\0\0\0" + encode_buffer(message[1:])
    with pytest.raises(ProtocolError, match="a batch within a batch"):
        hear(End(), message)


def test_the_messages_of_a_batch_are_bounded() -> None:
    """The time that they take is that of each, and nothing else is done meanwhile."""
    end = End()
    hear(end, b"\0\0\1" + b"\1\0" * p.MAX_BATCH)
    with pytest.raises(ProtocolError, match="more than 65536 messages in a batch"):
        hear(end, b"\0\0\1" + b"\1\0" * (2 * p.MAX_BATCH + 1))
    with pytest.raises(ProtocolError, match="messages in a batch"):
        hear(end, b"\0\0\1" + b"\0\1" * (2 * p.MAX_BATCH + 1))
    one, two = joined()
    channel = one.open()
    two.open()
    carry(one, two)
    two.heard.clear()
    for _ in range(p.MAX_BATCH + 1):
        one.mux.send(channel, 1, b"")
    carry(one, two)
    assert len(two.heard) == p.MAX_BATCH + 1


def test_unknown_channels_are_passed_over_and_take_no_memory() -> None:
    end = End()
    for number in range(1, 3000):
        hear(end, encode_uint(number * 1000) + b"\1body")
        hear(end, b"\0\3" + encode_uint(number * 1000))
    assert end.mux._remote == {}
    hear(end, opening(1))
    hear(end, b"\0\x63")  # a control message of the future
    hear(end, b"\0")


def test_a_number_cannot_be_taken_twice() -> None:
    end = End()
    hear(end, opening(1))
    with pytest.raises(ProtocolError, match="the peer opened channel 1, which is taken"):
        hear(end, opening(1, "q"))


def test_too_many_channels() -> None:
    end = End()
    for number in range(1, p.MAX_CHANNELS + 1):
        hear(end, opening(number, "q", encode_uint(number)))
    with pytest.raises(ProtocolError, match="more than 2048 channels"):
        hear(end, opening(p.MAX_CHANNELS + 1))
    here = End()
    for _ in range(p.MAX_CHANNELS):
        here.open()
    with pytest.raises(ProtocolError, match="more than 2048 channels"):
        here.open()


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_messages_before_the_channel_is_open_are_bounded(size: int) -> None:
    end, held = End(), 0
    hear(end, opening(1))
    with pytest.raises(ProtocolError, match="more than 32 KiB on a channel that is not open"):  # noqa: PT012
        for _ in range(2000):
            hear(end, b"\1\1" + bytes(size))
            held += size + 64
    assert held <= p.MAX_EARLY
    many, count = End(), 0
    with pytest.raises(ProtocolError, match="that is not open"):  # noqa: PT012
        for number in range(1, 2000):
            hear(many, opening(number, "q", encode_uint(number)))
            hear(many, encode_uint(number) + b"\1" + bytes(20_000))
            count += 1
    assert count * 20_000 <= p.MAX_ALL_EARLY


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_rubbish_gives_the_rooms_own_error(messages: list[bytes]) -> None:
    end = End()
    end.serve()
    try:
        for message in messages:
            if message:
                hear(end, message)
    except ProtocolError:
        pass
