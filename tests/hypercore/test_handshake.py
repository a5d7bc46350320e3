"""The Noise handshakes and the secret stream: both sides agree, and everything else is refused by name."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.hypercore import KeyPair
from service.hypercore.net import ProtocolError
from service.hypercore.wire.noise import Noise
from service.hypercore.wire.secretstream import MAX_MESSAGE, SecretStream, frame

ONE, TWO = KeyPair(bytes([1]) * 32), KeyPair(bytes([2]) * 32)
ROUNDS = {"XX": 3, "IK": 2}


def pair(pattern: str) -> tuple[Noise, Noise]:
    known = TWO.public if pattern == "IK" else None
    return Noise(pattern, True, ONE, b"prologue", known), Noise(pattern, False, TWO, b"prologue")


def run(initiator: Noise, responder: Noise) -> list[bytes]:
    sent, sides = [], [initiator, responder]
    while not (initiator.done and responder.done):
        sent.append(sides[0].write(b"payload"))
        assert sides[1].read(sent[-1]) == b"payload"
        sides.reverse()
    return sent


@pytest.mark.parametrize("pattern", ["XX", "IK"])
def test_both_sides_agree(pattern: str) -> None:
    one, two = pair(pattern)
    assert len(run(one, two)) == ROUNDS[pattern]
    assert (one.remote_static, two.remote_static) == (TWO.public, ONE.public)
    assert one.hash == two.hash
    assert len(one.hash) == 64
    assert (one.sending_key, one.receiving_key) == (two.receiving_key, two.sending_key)
    assert one.sending_key != one.receiving_key


def test_sizes_are_those_of_npm() -> None:
    one, two = Noise("XX", True, ONE), Noise("XX", False, TWO)
    first = one.write()
    two.read(first)
    second = two.write()
    one.read(second)
    assert [len(first), len(second), len(one.write())] == [32, 96, 64]


@pytest.mark.parametrize("pattern", ["XX", "IK"])
def test_every_changed_byte_is_noticed(pattern: str) -> None:
    """By the side that reads it, or by the handshake's next message."""
    rounds = ROUNDS[pattern]
    for number in range(rounds):
        one, two = pair(pattern)
        size = len(run(*pair(pattern))[number])
        for place in range(0, size, 5):
            one, two = pair(pattern)
            sides = [one, two]
            with pytest.raises(ProtocolError):  # noqa: PT012 - which message fails depends on the place
                for at in range(rounds):
                    message = sides[0].write(b"payload")
                    if at == number:
                        message = message[:place] + bytes([message[place] ^ 1]) + message[place + 1 :]
                    sides[1].read(message)
                    sides.reverse()
                raise AssertionError(f"byte {place} of message {number} was not noticed")


@pytest.mark.parametrize("key", [bytes(32), (1).to_bytes(32, "little"), b"\xff" * 32], ids=["zero", "identity", "none"])
def test_keys_of_small_order_are_refused(key: bytes) -> None:
    two = Noise("XX", False, TWO)
    two.read(key)
    with pytest.raises(ProtocolError, match="not a point of the curve, or of small order"):
        two.write()


def test_short_messages_are_refused() -> None:
    with pytest.raises(ProtocolError, match="too short"):
        Noise("XX", False, TWO).read(b"short")
    one, two = pair("XX")
    two.read(one.write(b""))
    with pytest.raises(ProtocolError):
        one.read(two.write()[:40])


def test_ik_without_a_key() -> None:
    with pytest.raises(ValueError, match="IK needs the responder's key"):
        Noise("IK", True, ONE)


# ---------------------------------------------------------------- the secret stream


def streams(expected: bytes | None = None) -> tuple[SecretStream, SecretStream]:
    return SecretStream(True, ONE, expected), SecretStream(False, TWO)


def connect(one: SecretStream, two: SecretStream, chunk: int = 1 << 20) -> None:
    """Carry bytes both ways until nobody has anything to say."""
    flows = [(two, one.start()), (one, two.start())]
    while any(data for _, data in flows):
        following = []
        for target, data in flows:
            answer = b""
            for start in range(0, len(data), chunk):
                messages, out = target.receive_bytes(data[start : start + chunk])
                assert messages == []
                answer += out
            following.append((one if target is two else two, answer))
        flows = following


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 20])
def test_the_stream_opens_whatever_the_pieces(chunk: int) -> None:
    one, two = streams(TWO.public)
    connect(one, two, chunk)
    assert one.opened
    assert two.opened
    assert one.handshake_hash == two.handshake_hash
    assert (one.remote_key, two.remote_key) == (TWO.public, ONE.public)
    wire = b"".join(one.send(b"x" * size) for size in (1, 300, 70_000)) + one.keep_alive()
    found: list[bytes] = []
    for start in range(0, len(wire), max(chunk, 3)):
        found += two.receive_bytes(wire[start : start + max(chunk, 3)])[0]
    assert [len(message) for message in found] == [1, 300, 70_000]
    assert two.held == 0


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.integers(1, 50))
def test_messages_come_as_they_were_sent(sent: list[bytes], chunk: int) -> None:
    one, two = streams()
    connect(one, two)
    wire = b"".join(map(two.send, sent))
    found = [
        message for start in range(0, len(wire), chunk) for message in one.receive_bytes(wire[start : start + chunk])[0]
    ]
    assert found == sent


def test_another_peer_than_expected() -> None:
    one, two = streams(expected=ONE.public)
    with pytest.raises(ProtocolError, match=f"the peer's key is {TWO.public.hex()}, not {ONE.public.hex()}"):
        connect(one, two)


def test_too_large_a_message_is_not_sent() -> None:
    one, two = streams()
    connect(one, two)
    assert len(one.send(bytes(MAX_MESSAGE))) == MAX_MESSAGE + 17 + 3
    with pytest.raises(ValueError, match="over the limit"):
        one.send(bytes(MAX_MESSAGE + 1))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "handshake frame of .* bytes: the peer speaks another protocol"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), "the peer speaks another protocol"),
        (frame(b""), "too short"),
        (frame(b"x" * 31), "too short"),
        (frame(bytes(32)), "not a point of the curve, or of small order"),
        (frame(bytes(range(256))[:257]), "not a point of the curve|does not decrypt"),
    ],
)
def test_rubbish_instead_of_a_handshake(data: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        SecretStream(False, TWO).receive_bytes(data)


def test_another_version_is_named() -> None:
    """The stream's id is derived from the protocol's name: another version has another."""
    one, two = streams()
    _, answer = two.receive_bytes(one.start())
    _, third = one.receive_bytes(answer)
    shake, header = third[: 3 + 64], third[3 + 64 :]
    two.receive_bytes(shake)
    changed = header[:10] + bytes([header[10] ^ 1]) + header[11:]
    with pytest.raises(ProtocolError, match="the stream's id is wrong: another version of the protocol"):
        two.receive_bytes(changed)
    one, two = streams()
    _, answer = two.receive_bytes(one.start())
    _, third = one.receive_bytes(answer)
    two.receive_bytes(third[: 3 + 64])
    with pytest.raises(ProtocolError, match="a stream header of 55 bytes, not 56"):
        two.receive_bytes(frame(bytes(55)))


def test_every_changed_bit_of_a_frame_is_noticed() -> None:
    chance = random.Random(2)
    for _ in range(40):
        one, two = streams()
        connect(one, two)
        wire = bytearray(one.send(b"hello" * 20))
        wire[chance.randrange(3, len(wire))] ^= 1 << chance.randrange(8)
        with pytest.raises(ProtocolError, match="a frame does not decrypt"):
            two.receive_bytes(bytes(wire))


def test_frames_cannot_be_replayed_dropped_or_swapped() -> None:
    for order in ([0, 0], [1], [1, 0]):
        one, two = streams()
        connect(one, two)
        frames = [one.send(b"first"), one.send(b"second")]
        with pytest.raises(ProtocolError, match="does not decrypt"):
            two.receive_bytes(b"".join(frames[number] for number in order))


def test_a_frame_too_short_for_its_tag() -> None:
    one, two = streams()
    connect(one, two)
    with pytest.raises(ProtocolError, match="a frame of 16 bytes is too short"):
        two.receive_bytes(frame(bytes(16)))


def test_what_is_held_is_what_came() -> None:
    """An announced frame of 16 MiB takes no memory before it comes."""
    one, two = streams()
    connect(one, two)
    assert two.receive_bytes(b"\xff\xff\xff" + bytes(100)) == ([], b"")
    assert two.held == 103
