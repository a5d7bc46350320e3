"""Streams over paths that lose, delay, reorder, double and narrow, under a virtual clock."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.hypercore.swarm.udx.flight import Flight, Packet
from service.hypercore.swarm.udx.mtu import BASE, MOST
from service.hypercore.swarm.udx.packet import (
    DATA,
    DESTROY,
    END,
    HALF,
    HEADER_BYTES,
    HEARTBEAT,
    MASK,
    MAX_SACKS,
    MESSAGE,
    SACK,
    encode_ranges,
    header,
    unpack,
)
from service.hypercore.swarm.udx.rate import MAX_RTO
from service.hypercore.swarm.udx.receiver import WINDOW, Receiver
from service.hypercore.swarm.udx.sender import MAX_TIMEOUTS
from service.hypercore.swarm.udx.stream import MAX_MESSAGES, TRAIN, Ended, Stream
from tests.swarm.paths import Pair, Path

MEGABYTE = random.Random(1).randbytes(1_000_000)

PATHS = {
    "clean": (Path(), Path()),
    "no delay": (Path(delay=0.0), Path(delay=0.0)),
    "far": (Path(delay=0.2), Path(delay=0.2)),
    "loss": (Path(loss=0.01), Path(loss=0.01)),
    "much loss": (Path(loss=0.1), Path(loss=0.1)),
    "acknowledgements lost": (Path(), Path(loss=0.3)),
    "jitter": (Path(jitter=0.01, twice=0.05), Path(jitter=0.01, twice=0.05)),
    "bottleneck": (Path(delay=0.02, rate=1e6, room=30_000), Path(delay=0.02)),
    "narrow": (Path(mtu=1250), Path(mtu=1250)),
}


def whole(pair: Pair, data: bytes = MEGABYTE) -> None:
    """All of it goes from the first end to the second, and something back; then both end."""
    pair.write(0, data)
    pair.write(1, b"answer")
    pair.end(0)
    pair.end(1)
    assert pair.run(lambda: all(end.ended for end in pair.ends))
    assert bytes(pair.told[1]) == data
    assert bytes(pair.told[0]) == b"answer"
    assert {end.ended for end in pair.ends} == {Ended.FINISHED}


@pytest.mark.parametrize("name", PATHS)
def test_all_comes_in_order_and_whole(name: str) -> None:
    there, back = (replace(one) for one in PATHS[name])
    pair = Pair(there, back)
    whole(pair)
    assert there.largest <= there.mtu


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    loss=st.floats(0, 0.3),
    jitter=st.floats(0, 0.05),
    twice=st.floats(0, 0.3),
    writes=st.lists(st.integers(0, 5000), min_size=1, max_size=30),
)
def test_any_writes_over_any_path(seed: int, loss: float, jitter: float, twice: float, writes: list[int]) -> None:
    pair = Pair(Path(loss=loss, jitter=jitter, twice=twice), Path(loss=loss, jitter=jitter), seed)
    chance = random.Random(seed)
    data = b""
    for size in writes:
        piece = chance.randbytes(size)
        data += piece
        pair.write(0, piece)
        pair.run(seconds=chance.random() * 0.05)
    pair.end(0)
    pair.run(lambda: pair.ends[1].receiver.ended or pair.ends[0].ended is not None)
    if pair.ends[0].ended is not Ended.TIMED_OUT:  # seven losses in a row may be
        assert bytes(pair.told[1]) == data


def test_what_is_lost_is_sent_again_and_nothing_else() -> None:
    there = Path(loss=0.01)
    pair = Pair(there)
    whole(pair)
    sender = pair.ends[0].sender
    assert 0 < sender.resent <= there.dropped + sender.tail_probes
    assert (sender.timeouts, pair.ends[1].receiver.duplicates) == (0, 0)


def test_a_bottleneck_is_filled_and_its_queue_is_not() -> None:
    there = Path(delay=0.02, rate=1e6, room=1_000_000)
    pair = Pair(there, Path(delay=0.02))
    began = pair.now
    pair.write(0, MEGABYTE * 8)
    pair.run(lambda: len(pair.told[1]) >= 4_000_000)
    assert (there.free_at - pair.now) < 0.25  # of the second that it has room for
    pair.run(lambda: len(pair.told[1]) == 8 * len(MEGABYTE))
    assert 8e6 / (pair.now - began) > 0.85 * there.rate
    assert there.dropped == 0


@pytest.mark.parametrize(("mtu", "found"), [(1500, MOST), (1340, 1328), (1299, 1296), (1231, BASE)])
def test_the_largest_packet_is_found(mtu: int, found: int) -> None:
    there = Path(mtu=mtu)
    pair = Pair(there)
    for _ in range(20):
        pair.write(0, MEGABYTE[:200_000])
        pair.run(lambda: pair.ends[0].sender.flight.empty)
    assert pair.ends[0].sender.mtu.mtu == found
    assert bytes(pair.told[1]) == MEGABYTE[:200_000] * 20
    assert there.dropped <= 3


def test_after_a_change_of_path_nothing_is_lost_and_the_search_begins_anew() -> None:
    pair = Pair(Path(loss=0.02))
    pair.write(0, MEGABYTE)
    pair.run(lambda: len(pair.told[1]) > 500_000)
    assert pair.ends[0].sender.mtu.mtu > BASE
    pair.paths = (Path(mtu=1400, delay=0.1), Path(delay=0.1))
    there = pair.paths[0]
    pair.ends[0].change_path(22)
    assert pair.ends[0].sender.mtu.mtu == BASE
    pair.settle(0)
    pair.run(lambda: pair.ends[0].sender.flight.empty and not pair.ends[0].sender.queued, seconds=60)
    assert pair.ends[1].messages.popleft() == b""
    if there.dropped <= 3:
        assert bytes(pair.told[1]) == MEGABYTE


# ---- a slow reader


def test_who_does_not_read_bounds_the_sender() -> None:
    pair = Pair()
    pair.reading[1] = False
    pair.write(0, MEGABYTE * 6)
    pair.run(seconds=120)
    receiver = pair.ends[1].receiver
    assert WINDOW - MOST < receiver.unread < WINDOW + MOST
    assert receiver.refused == 0
    assert pair.ends[0].ended is None
    pair.reading[1] = True
    assert pair.run(lambda: len(pair.told[1]) == 6 * len(MEGABYTE), seconds=60)
    assert bytes(pair.told[1]) == MEGABYTE * 6


def test_a_window_that_opens_is_told_though_that_is_lost() -> None:
    back = Path()
    pair = Pair(Path(), back)
    pair.reading[1] = False
    pair.write(0, MEGABYTE * 6)
    pair.run(seconds=10)
    back.lose = lambda packet: True
    pair.told[1] += pair.ends[1].read()
    pair.flush()
    assert pair.ends[0].sender.unsent
    pair.run(seconds=3)
    back.lose = lambda packet: False
    pair.reading[1] = True
    assert pair.run(lambda: len(pair.told[1]) == 6 * len(MEGABYTE), seconds=120)


def test_a_slow_reader_that_is_gone_is_found_dead() -> None:
    """Nothing is under way to it that could be lost: only that it does not say anything tells that it is gone."""
    back = Path()
    pair = Pair(Path(), back)
    pair.reading[1] = False
    pair.write(0, MEGABYTE * 6)
    pair.run(seconds=3600)
    assert pair.ends[0].ended is None, "it is there, and does not read for an hour"
    began = pair.now
    back.lose = lambda packet: True
    assert pair.run(lambda: pair.ends[0].ended is not None, seconds=600)
    assert pair.ends[0].ended is Ended.TIMED_OUT
    assert pair.now - began < (MAX_TIMEOUTS + 2) * MAX_RTO
    assert pair.ends[0].deadline() is None


def test_a_slow_reader_that_was_away_for_a_while_gets_the_rest() -> None:
    back = Path()
    pair = Pair(Path(), back)
    pair.reading[1] = False
    pair.write(0, MEGABYTE * 6)
    pair.run(seconds=10)
    for _ in range(20):
        back.lose = lambda packet: True
        pair.run(seconds=2 * MAX_RTO)
        back.lose = lambda packet: False
        pair.run(seconds=2 * MAX_RTO)
    pair.reading[1] = True
    assert pair.run(lambda: len(pair.told[1]) == 6 * len(MEGABYTE), seconds=120)


def test_who_disregards_the_window_is_not_heard() -> None:
    receiver = Receiver()
    block = bytes(1000)
    for seq in range(2 * WINDOW // len(block)):
        receiver.take(seq, DATA, block)
    assert receiver.unread < WINDOW + len(block)
    assert receiver.refused >= WINDOW // len(block) - 1
    assert receiver.window() < len(block)
    ahead = Receiver()
    for seq in range(1, 2 * WINDOW // len(block)):
        ahead.take(seq, DATA, block)
    assert len(ahead._held) * len(block) < WINDOW + len(block)
    assert ahead.ranges() == [(1, 1 + len(ahead._held))]


# ---- ends


def test_the_last_acknowledgement_lost_costs_nothing() -> None:
    """The other side still answers for a while, so nobody sends its end into the void."""
    lost: list[bytes] = []

    def once(packet: bytes) -> bool:
        if unpack(packet)[2] == 0 and pair.ends[1].receiver.ended and not lost:
            lost.append(packet)
            return True
        return False

    back = Path()
    pair = Pair(Path(), back)
    pair.write(0, b"x")
    pair.run(lambda: pair.ends[0].sender.flight.empty)
    pair.end(1)
    pair.run(lambda: pair.ends[1].sender.done)
    back.lose = once
    pair.end(0)
    assert pair.run(lambda: all(end.ended for end in pair.ends))
    assert lost
    assert {end.ended for end in pair.ends} == {Ended.FINISHED}


def test_half_of_a_stream_goes_on() -> None:
    pair = Pair(Path(loss=0.05), Path(loss=0.05))
    pair.end(0)
    assert pair.run(lambda: pair.ends[1].receiver.ended)
    pair.write(1, MEGABYTE)
    assert pair.run(lambda: len(pair.told[0]) == len(MEGABYTE))
    assert [end.ended for end in pair.ends] == [None, None]
    pair.end(1)
    assert pair.run(lambda: all(end.ended for end in pair.ends))


def test_a_peer_that_is_gone_is_noticed_in_14_seconds() -> None:
    pair = Pair()
    pair.write(0, b"hello")
    pair.run(lambda: len(pair.told[1]) == 5 and pair.ends[0].sender.flight.empty)
    pair.paths[0].lose = lambda packet: True
    began = pair.now
    pair.write(0, b"still there?")
    assert pair.run(lambda: pair.ends[0].ended is not None)
    assert pair.ends[0].ended is Ended.TIMED_OUT
    assert 12 < pair.now - began < 15
    assert pair.ends[1].ended is None


def test_a_relay_that_drops_the_first_packet_costs_150_ms() -> None:
    dropped: list[bytes] = []

    def first(packet: bytes) -> bool:
        dropped.append(packet)
        return len(dropped) == 1

    pair = Pair(Path(lose=first), probe=0.15)
    began = pair.now
    pair.write(0, b"hello")
    assert pair.run(lambda: bytes(pair.told[1]) == b"hello")
    assert pair.now - began < 0.2


def test_a_stream_that_is_given_up_tells_the_peer() -> None:
    pair = Pair()
    pair.write(0, b"last words")
    pair.ends[0].destroy()
    pair.flush()
    assert pair.run(lambda: pair.ends[1].ended is not None)
    assert [end.ended for end in pair.ends] == [Ended.DESTROYED, Ended.RESET]
    assert bytes(pair.told[1]) == b"last words"
    pair.write(0, b"more")
    pair.ends[0].destroy()
    assert not pair.step()


# ---- numbers that wrap


def test_sequence_numbers_wrap() -> None:
    pair = Pair(Path(loss=0.02, jitter=0.002), Path(loss=0.02))
    start = MASK - 300
    for end, other in ((0, 1), (1, 0)):
        sender, receiver = pair.ends[end].sender, pair.ends[other].receiver
        sender.flight.seq = sender.flight.acked = sender.flight._highest = sender.flight._newest_seq = start
        pair.ends[end]._ack = start
        sender._window_ack = start
        receiver._next = start
        pair.ends[other].sender._window_seq = start
    whole(pair)
    assert pair.ends[1].receiver._next > MASK


# ---- bytes of strangers


def test_a_packet_before_the_address_is_known_waits_for_its_answer() -> None:
    stream = Stream(1, 0.0)
    stream.receive(memoryview(header(DATA, 1, WINDOW, 0, 0) + b"early"))
    stream.settle(0.0)
    assert stream.out == []
    assert stream.deadline() is None
    assert stream.read() == b"early"
    stream.connect(2)
    stream.settle(0.0)
    assert [unpack(train.data)[7] for train in stream.out] == [1]


def test_what_cannot_be_is_ignored() -> None:
    pair = Pair()
    pair.write(0, b"x" * 3000)
    stream = pair.ends[0]
    for packet in (
        header(0, 11, WINDOW, 0, 4),  # acknowledges what was never sent
        header(0, 11, 0, 0, MASK),
        header(DATA, 11, WINDOW, 0, 0, 9) + b"12345678",  # its data begins beyond its end
        header(DESTROY, 11, WINDOW, MASK, 0),  # of before
        header(SACK, 11, WINDOW, 0, 0) + encode_ranges([(3, 2), (0, 900), (MASK - 2, 1), (2, 2)]) + b"odd",
    ):
        stream.receive(memoryview(packet))
    stream.settle(pair.now)
    assert stream.sender.flight.acked == 0
    assert stream.ended is None
    assert len(stream.sender.flight.outgoing) == 3
    pair.run(lambda: len(pair.told[1]) == 3000)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 63), st.integers(0, 255), st.integers(0, MASK), st.integers(0, MASK) | st.integers(0, 40),
            st.integers(0, MASK) | st.integers(0, 40), st.binary(max_size=500),
        ),
        max_size=60,
    )
)  # fmt: skip
def test_no_packet_breaks_a_stream(packets: list[tuple[int, int, int, int, int, bytes]]) -> None:
    stream = Stream(1, 0.0)
    stream.connect(2)
    stream.write(bytes(20_000))
    now = 0.0
    for kind, offset, window, seq, ack, body in packets:
        now += 0.001
        stream.receive(memoryview(header(kind, 1, window, seq, ack, offset) + body))
        stream.settle(now)
        stream.read()
        at = stream.deadline()
        if at is not None and at <= now:
            stream.fire(now)
    flight = stream.sender.flight
    assert len(stream.messages) <= MAX_MESSAGES
    assert set(flight.under_way) | set(flight.lost) == set(flight.outgoing)
    assert not set(flight.under_way) & set(flight.lost)
    assert all(train.count <= TRAIN and len(train.data) <= 65_507 for train in stream.out)
    assert all(len(train.data) > train.size * (train.count - 1) for train in stream.out)


class Counted(dict[int, Packet]):
    """Packets, and how often one of them was looked for."""

    looked = 0

    def pop(self, *arguments: object) -> Any:
        self.looked += 1
        assert self.looked < 1000, "a peer decides how much work it is"
        return super().pop(*arguments)  # type: ignore[call-overload]


@pytest.mark.parametrize("acked", [0, 5, MASK - 3])
def test_ranges_of_what_was_never_sent_are_no_work(acked: int) -> None:
    """Found by fuzzing: numbers wrap, so that a range of 2^30 packets seemed to lie before the last one that was sent."""
    flight = Flight()
    flight.seq = flight.acked = acked & MASK
    for _ in range(10):
        flight.sent(flight.new(DATA, b"x"))
    flight.outgoing = Counted(flight.outgoing)
    far = [(start, end) for start in (0, 3, 1 << 30, HALF - 1, HALF + 5) for end in (1 << 29, HALF - 1, HALF, 3 << 30)]
    assert flight.take_ranges(((acked + start) & MASK, (acked + end) & MASK) for start, end in far) == []
    assert flight.take_ranges([((acked + 3) & MASK, (acked + 11) & MASK)]) == [], "beyond what was sent"
    assert len(flight.take_ranges([((acked + 3) & MASK, (acked + 10) & MASK)])) == 7
    assert flight.sacked == 7


def test_ranges_that_are_told_are_bounded() -> None:
    receiver = Receiver()
    for seq in range(1, 400, 2):
        receiver.take(seq, DATA, b"x")
    ranges = receiver.ranges()
    assert len(ranges) == MAX_SACKS
    assert ranges[0] == (1, 2)
    assert ranges[-1] == (399, 400)
    for seq in range(0, 400, 2):
        receiver.take(seq, DATA, b"y")
    assert (receiver.ranges(), receiver.ack, receiver.gaps) == ([], 400, False)
    assert receiver.read() == b"yx" * 200


def test_a_message_must_fit_a_packet() -> None:
    pair = Pair()
    with pytest.raises(ValueError, match="a message of 1153 bytes does not fit a packet of 1152"):
        pair.ends[0].message(bytes(1153))
    pair.ends[0].message(bytes(1152))
    pair.flush()
    assert pair.run(lambda: len(pair.ends[1].messages) == 1)


def test_a_heartbeat_is_answered() -> None:
    stream = Stream(1, 0.0)
    stream.connect(2)
    stream.receive(memoryview(header(HEARTBEAT, 1, WINDOW, 0, 0)))
    stream.settle(0.0)
    (train,) = stream.out
    assert unpack(train.data)[2:4] == (0, 0)
    assert len(train.data) == HEADER_BYTES


def test_kinds_are_as_on_the_wire() -> None:
    assert (DATA, END, SACK, MESSAGE, DESTROY, HEARTBEAT) == (1, 2, 4, 8, 16, 32)
