"""The two ends of the copy protocol against each other, without IO: whole, resumed, partial and hostile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from service.chain_client.pallet.constants import MAX_SEGMENTS
from service.encoding import SectorEncoder
from service.encoding.profiles import SECTOR
from service.protocols.copy import messages as m
from service.protocols.copy import receiver as r
from service.protocols.copy.feeder import Feeder, TreePoint
from service.protocols.copy.job import SegmentJob, verify
from service.protocols.copy.sender import Begin, CopySender
from service.protocols.copy.stream import (
    BlockVerifier,
    CopyStream,
    PlanHead,
    Position,
    StreamError,
    StreamRange,
    longest_segment,
)
from tests.support.copy_machines import STARTS, Disk, connect
from tests.support.copy_world import (
    ENCODER_SIGNING,
    HOSTER_SIGNING,
    Feed,
    decoder,
    digest,
    encode_all,
    encoder_sign,
    make_feed,
    make_job,
    segment_key,
    stream_bytes,
)

SHAPES = {
    "aligned": ([512] * 8, None),
    "ragged": ([100, 1, 700, 0, 0, 3000, 256, 255, 257, 5], None),
    "tiny": ([3] * 300, None),
    "one byte": ([1], None),
    "empty blocks at the end": ([300, 0, 500, 0, 0], None),
    "ranges": ([200 + 7 * i for i in range(23)], [(0, 4), (6, 10), (20, 23)]),
    "large": ([70_000, 10, 40_000], None),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_segment_arrives_whole(name: str) -> None:
    sizes, ranges = SHAPES[name]
    feed = make_feed(sizes)
    job = make_job(feed, ranges)
    disk = Disk(job)
    assert connect(feed, job, disk)
    assert bytes(disk.sectors) == encode_all(feed, job)
    plain = decoder(job).decode(0, bytes(disk.sectors))
    assert plain[: job.length] == stream_bytes(feed, job)
    assert not any(plain[job.length :])
    assert disk.checkpoint is not None
    assert disk.checkpoint.root == disk.root()
    held = {block for start, end in disk.blocks for block in range(start, end)}
    assert held == {block for blocks in job.ranges for block in range(blocks.start, blocks.end)}
    assert disk.head == b"upgrade"


@pytest.mark.parametrize("name", SHAPES)
def test_it_resumes_at_every_message(name: str) -> None:
    sizes, ranges = SHAPES[name]
    feed = make_feed(sizes if name not in ("tiny", "large") else sizes[: len(sizes) // 5 or 2])
    job = make_job(feed, ranges)
    whole = encode_all(feed, job)
    for budget in range(1, 40, 13 if name == "large" else 1):
        disk, seen = Disk(job), 0
        for attempt in range(200):
            if connect(feed, job, disk, budget + attempt, run_sectors=3):
                break
            stored = disk.progress.sectors if disk.progress else 0
            assert stored >= seen, "what was acknowledged stays"
            assert bytes(disk.sectors) == whole[: len(disk.sectors)]
            seen = stored
        assert bytes(disk.sectors) == whole
        assert disk.checkpoint is not None


def test_a_copy_is_made_in_segments_of_64_checkpoints() -> None:
    assert [longest_segment(rest, 0, 256) for rest in (0, 1, 1020 << 20)] == [4 << 20] * 3
    assert longest_segment((1020 << 20) + 1, 0, 256) == (4 << 20) + 256, "else it would have too many"
    assert [longest_segment(rest, 0, 1 << 18) for rest in (1, 256 << 30)] == [4 << 30] * 2


@pytest.mark.parametrize("made", [0, 140, 200, 250, 255])
@pytest.mark.parametrize("rest", [1, 30 << 20, (600 << 20) + 77, 2 << 30, 256 << 30])
def test_no_copy_has_too_many_segments_and_one_place_is_left_for_a_salvage(made: int, rest: int) -> None:
    count = made
    while rest:
        rest -= min(rest, longest_segment(rest, count, 256))
        count += 1
    assert count <= max(MAX_SEGMENTS - 1, made + 1)


def test_a_partial_segment_cuts_a_block() -> None:
    feed = make_feed([700, 700, 0, 100, 700, 300])
    first = make_job(feed, most=1024)
    assert (first.length, first.sectors, first.ends_stream) == (1024, 4, False)
    disk = Disk(first)
    assert connect(feed, first, disk, run_sectors=2)
    assert len(disk.sectors) == 1024
    assert disk.progress == r.Stored(4, Position(1, 700))
    whole = stream_bytes(feed, first)
    assert decoder(first).decode(0, bytes(disk.sectors)) == whole[:1024]
    assert connect(feed, first, disk), "the receipt can be had again"

    second = make_job(feed, first_byte=1024, segment=12, most=1024)
    STARTS[12] = Position(1, 700)
    assert (second.length, second.sectors) == (1024, 4)
    disk2 = Disk(second, progress=r.Stored(0, Position(1, 700)), earlier=whole[:1024])
    assert connect(feed, second, disk2, run_sectors=1)
    third = make_job(feed, first_byte=2048, segment=13, most=1024)
    assert third.ends_stream
    assert disk2.progress is not None
    STARTS[13] = disk2.progress.position
    disk3 = Disk(third, progress=r.Stored(0, disk2.progress.position), earlier=whole[:2048])
    assert connect(feed, third, disk3)
    plain = b"".join(decoder(d.job).decode(0, bytes(d.sectors))[: d.job.length] for d in (disk, disk2, disk3))
    assert plain == whole


# ---- hostile encoders


def opened(feed: Feed, job: SegmentJob) -> tuple[Disk, r.CopyReceiver, Callable[[m.Message], list[m.Message]]]:
    disk = Disk(job)
    receiver = disk.receiver()

    def send(message: m.Message) -> list[m.Message]:
        answers: list[m.Message] = []
        disk.run(receiver, receiver.receive_message(m.decode(*m.encode(message))), answers.append)
        return answers

    return disk, receiver, send


def block_message(feed: Feed, job: SegmentJob, block: int = 0, **changes: object) -> m.BlockPaths:
    nodes = tuple(feed.nodes[index] for index in BlockVerifier(job.head, job.roots).siblings(block))
    fields = {"index": block, "length": len(feed.blocks[block]), "siblings": nodes} | changes
    return m.BlockPaths((m.BlockPath(**fields),))  # type: ignore[arg-type]


def test_a_tampered_sector_is_never_stored() -> None:
    feed = make_feed([600, 600])
    job = make_job(feed)
    data = bytearray(encode_all(feed, job))
    data[300] ^= 1
    disk, _, send = opened(feed, job)
    send(m.HeadProof(b""))
    send(m.Sectors(0, bytes(data)))
    with pytest.raises(m.CopyRefused, match="block 0 does not match"):
        send(block_message(feed, job))
    assert not disk.sectors


def test_a_wrong_order_is_refused() -> None:
    feed = make_feed([600, 600])
    job = make_job(feed)
    data = encode_all(feed, job)
    _, _, send = opened(feed, job)
    with pytest.raises(m.CopyRefused, match="Sectors came before the head"):
        send(m.Sectors(0, data))
    send(m.HeadProof(b""))
    for message, reason in (
        (m.HeadProof(b""), "second head"),
        (m.Sectors(1, data), "sector 1 came, expected sector 0"),
        (block_message(feed, job), "before its sectors"),
        (m.Ack(3), "not a message that an encoder sends"),
        (m.Checkpoint(5, bytes(32), bytes(64)), "over 5 sectors, but 0 are stored"),
    ):
        with pytest.raises(m.CopyRefused, match=reason):
            send(message)


def test_a_block_out_of_turn_or_of_another_feed_is_refused() -> None:
    feed, other = make_feed([600, 600, 600]), make_feed([600, 600, 601])
    job = make_job(feed)
    _, _, send = opened(feed, job)
    send(m.HeadProof(b""))
    send(m.Sectors(0, encode_all(feed, job)))
    with pytest.raises(m.CopyRefused, match=r"does not match|block 1"):
        send(block_message(feed, job, 1))
    with pytest.raises(m.CopyRefused, match=r"does not match|siblings"):
        send(block_message(feed, job, 0, siblings=tuple(other.nodes[i] for i in (2, 4))))


def test_nonzero_padding_is_refused() -> None:
    feed = make_feed([600])
    job = make_job(feed)
    plain = feed.blocks[0] + b"\x00" * 167 + b"\x01"
    data = SectorEncoder(job.salt, segment_key()).encode(0, plain)
    disk, _, send = opened(feed, job)
    send(m.HeadProof(b""))
    send(m.Sectors(0, data))
    with pytest.raises(m.CopyRefused, match="zero padding"):
        send(block_message(feed, job))
    assert not disk.sectors


def test_withheld_blocks_do_not_fill_the_memory() -> None:
    feed = make_feed([600])
    job = make_job(feed)
    _, receiver, _ = opened(feed, job)
    receiver.receive_message(m.HeadProof(b""))
    receiver.installed(job.roots)
    run = bytes(256 * SECTOR)
    for number in range(17):
        receiver.receive_message(m.Sectors(256 * number, run))
        receiver.decoded(run)
    with pytest.raises(m.CopyRefused, match="over 1 MiB"):
        receiver.receive_message(m.Sectors(256 * 17, run))


def finished(feed: Feed, job: SegmentJob) -> tuple[Disk, Callable[[m.Message], list[m.Message]], bytes]:
    disk, _, send = opened(feed, job)
    send(m.HeadProof(b""))
    send(m.Sectors(0, encode_all(feed, job)))
    send(block_message(feed, job))
    return disk, send, disk.root()


def test_checkpoints_must_be_right_and_signed_by_the_encoder() -> None:
    feed = make_feed([600])
    job = make_job(feed)
    disk, send, root = finished(feed, job)
    right = ENCODER_SIGNING.sign(job.statement(3, root)).signature
    wrong_root = digest("wrong")
    for checkpoint, reason in (
        (m.Checkpoint(3, root, HOSTER_SIGNING.sign(job.statement(3, root)).signature), "not signed by the encoder"),
        (m.Checkpoint(3, wrong_root, right), "not signed by the encoder"),
        (m.Checkpoint(2, root, right), "over 2 sectors, but 3"),
        (
            m.Checkpoint(3, wrong_root, ENCODER_SIGNING.sign(job.statement(3, wrong_root)).signature),
            "the encoder's root over 3 sectors is",
        ),
    ):
        with pytest.raises(m.CopyRefused, match=reason):
            send(checkpoint)
        assert disk.checkpoint is None
    (receipt,) = send(m.Checkpoint(3, root, right))
    assert isinstance(receipt, m.SignedRoot)
    assert verify(job.hoster.statement_key, job.statement(3, root), receipt.signature)
    with pytest.raises(m.CopyRefused, match="past the segment's end"):
        send(m.Sectors(3, bytes(256)))


def test_split_sizes_are_refused_on_both_sides() -> None:
    """An author signs a parent of 400 bytes over blocks of 300 and 200 (docs/protocol/copy.md section 3)."""
    honest = make_feed([300, 200])
    from service.hypercore.crypto import Node, parent_node, tree_hash

    left, right = honest.nodes[0], honest.nodes[2]
    parent = parent_node(left, Node(2, 100, right.hash))
    head = PlanHead(0, 2, tree_hash([parent]))
    ranges = (StreamRange(0, 2, 0, 400),)
    job = replace(make_job(honest), head=head, roots=(parent,), ranges=ranges)
    feeder = Feeder(job, Begin(0, 0, 0, 0), TreePoint(0, Position(0, 0)))
    feeder.siblings(0)
    feeder.block(0, honest.blocks[0], [Node(2, 100, right.hash)])
    with pytest.raises(StreamError, match="split sizes"):
        feeder.block(1, honest.blocks[1], [])
    feeder = Feeder(job, Begin(2, 1, 300, 0), TreePoint(2, Position(1, 300)))
    feeder.siblings(1)
    with pytest.raises(StreamError, match="split sizes"):
        feeder.block(1, honest.blocks[1], [Node(0, 200, left.hash)])


def test_an_oversized_block_is_named() -> None:
    feed = make_feed([(1 << 20) + 1])
    job = make_job(feed)
    feeder = Feeder(job, Begin(0, 0, 0, 0), TreePoint(0, Position(0, 0)))
    with pytest.raises(StreamError, match=r"block 0 has 1048577 bytes, over the limit of 1 MiB"):
        feeder.block(0, feed.blocks[0], [])
    with pytest.raises(m.CopyRefused, match="block 0 has 1048577 bytes"):
        m.decode(*m.encode(m.BlockPaths((m.BlockPath(0, 1048577, ()),))))


# ---- hostile hosters


def test_a_hosters_state_and_acks_are_checked() -> None:
    job = make_job(make_feed([600, 600]))

    def fresh(state: m.State | None = None) -> CopySender:
        sender = CopySender(job, encoder_sign, verify)
        if state:
            sender.receive_message(state)
        return sender

    good = m.State(11, 0, 0, 0, 0)
    for state, reason in (
        (m.State(12, 0, 0, 0, 0), "at segment 12"),
        (m.State(11, 6, 0, 0, 0), "claims 6 of 5"),
        (m.State(11, 1, 1, 600, 0), "has only 256 bytes"),
    ):
        with pytest.raises(m.CopyRefused, match=reason):
            fresh(state)
    with pytest.raises(m.CopyRefused, match="before the hoster's state"):
        fresh().receive_message(m.Ack(0))
    with pytest.raises(m.CopyRefused, match="second state"):
        fresh(good).receive_message(good)
    with pytest.raises(m.CopyRefused, match="1 sectors acknowledged, which is not between the 0 before and the 0 sent"):
        fresh(good).receive_message(m.Ack(1))
    with pytest.raises(m.CopyRefused, match="answers no checkpoint"):
        fresh(good).receive_message(m.SignedRoot(5, bytes(32), bytes(64)))
    with pytest.raises(m.PeerRefused, match="because"):
        fresh(good).receive_message(m.CopyRefusal("because"))
    sender = fresh(good)
    sender.sent(0, 5)
    sender.receive_message(m.Ack(5))
    sender.checkpoint(5, digest("root"))
    with pytest.raises(m.CopyRefused, match="not signed by the hoster"):
        sender.receive_message(m.SignedRoot(5, digest("root"), bytes(64)))


def test_the_window_bounds_what_is_unacknowledged() -> None:
    sender = CopySender(make_job(make_feed([100_000])), encoder_sign, verify, window=10 * SECTOR)
    sender.receive_message(m.State(11, 0, 0, 0, 0))
    assert sender.room() == 10
    sender.sent(0, 10)
    assert sender.room() == 0
    sender.receive_message(m.Ack(4))
    assert sender.room() == 4


# ---- messages


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (8, b"", "unknown message type 8"),
        (0, b"\x01", "state"),
        (0, b"\x01\x02\x03\x04\x05\x06", "state"),
        (1, bytes(m.MAX_UPGRADE + 1), "over the limit"),
        (2, b"\x00" + bytes(255), "not 1 to 256 sectors"),
        (2, b"\x00" + bytes(257 * 256), "not 1 to 256 sectors"),
        (2, b"\x00", "not 1 to 256 sectors"),
        (3, b"\x00", "0 blocks"),
        (3, b"\xff" + b"\xff" * 8, "blocks in one message|blocks:"),
        (3, b"\x01\x00\x01\xfe\xff\xff\xff\xff", "nodes, over the limit"),
        (5, b"\x01" + bytes(95), "checkpoint"),
        (6, b"\x01" + bytes(97), "receipt"),
        (7, b"\xfe\xff\xff\xff\xff", "refusal"),
    ],
)
def test_malformed_messages_are_named(kind: int, body: bytes, reason: str) -> None:
    with pytest.raises(m.CopyRefused, match=reason):
        m.decode(kind, body)


def test_handshakes_of_another_version_or_chain_are_refused() -> None:
    genesis = digest("genesis")
    m.check_handshake(m.encode_handshake(genesis), genesis)
    with pytest.raises(m.CopyRefused, match="version 2"):
        m.check_handshake(b"\x02" + genesis, genesis)
    with pytest.raises(m.CopyRefused, match="on chain"):
        m.check_handshake(m.encode_handshake(digest("other")), genesis)
    with pytest.raises(m.CopyRefused, match="handshake"):
        m.check_handshake(b"\x01short", genesis)


def test_the_stream_joins_ranges_without_padding() -> None:
    feed = make_feed([10, 20, 30, 40, 50])
    stream = CopyStream([feed.range(0, 2), feed.range(4, 5)])
    assert stream.total == 80
    assert stream.spans(1, 5) == ((1, 2), (4, 5))
    assert stream.offset(1, feed.offset(4)) == 30
    with pytest.raises(StreamError, match="has no ranges"):
        CopyStream([])
