"""A core that knew a longer head before it got blocks of a shorter one: what it lacks, and how it is joined."""

from __future__ import annotations

import pytest

from service.hypercore import BlockRequest, Core, CoreError, Corestore, Node, ProofError, Request, UpgradeRequest
from service.hypercore.tree.proof import MissingNode
from tests.support.late_copy import late_copy, way_shown

MOST = 20


def feed(length: int) -> Core:
    core = Corestore().create("feed")
    core.append([b"%d" % number * (number % 7) for number in range(length)])
    return core


@pytest.fixture(scope="module")
def feeds() -> dict[int, Core]:
    return {length: feed(length) for length in range(1, MOST + 1)}


def unread(hosted: Core, length: int) -> list[int]:
    """Return the blocks that a reader who knows the hosted core's head alone does not get."""
    lacking = []
    for index in range(length):
        reader = Corestore().get(hosted.key)
        reader.apply(hosted.prove(Request(upgrade=UpgradeRequest(0, hosted.length), manifest=True)))
        try:
            answer = hosted.prove(Request(block=BlockRequest(index, reader.missing_nodes(2 * index))))
        except MissingNode:
            lacking.append(index)
        else:
            reader.apply(answer)
            assert reader.has(index)
    return lacking


def test_a_node_is_missing_exactly_if_a_reader_misses_a_block(feeds: dict[int, Core]) -> None:
    gaps = 0
    for long, core in feeds.items():
        for short in range(1, long + 1):
            hosted = late_copy(core, short)
            missing = hosted.unjoined(short)
            gaps += bool(missing)
            assert bool(missing) == bool(unread(hosted, short)), (short, long)
            assert hosted.join(short, way_shown(core, short))
            assert hosted.unjoined(short) == []
            assert unread(hosted, short) == [], (short, long)
    assert gaps > 40
    assert feeds[1].unjoined(0) == []


def test_the_way_to_a_longer_head_joins_and_that_to_a_shorter_one_does_not(feeds: dict[int, Core]) -> None:
    grown = Corestore().create("feed")
    shown = {}
    for length in (12, 14, 29, 40):
        grown.append([b"x"] * (length - grown.length))
        shown[length] = late_copy(grown, 10), way_shown(grown, 10)
    hosted, _ = shown[29]
    for length in (12, 14):
        assert not hosted.join(10, shown[length][1])
        assert hosted.unjoined(10) == [21, 27]
    assert hosted.join(10, shown[40][1])
    assert unread(hosted, 10) == []


def falsified(node: Node) -> list[Node]:
    return [
        node._replace(hash=bytes([node.hash[0] ^ 1]) + node.hash[1:]),
        node._replace(size=node.size + 1),
        node._replace(size=0),
    ]


def test_nothing_is_kept_of_nodes_that_do_not_lead_to_the_head() -> None:
    core = feed(29)
    hosted, way = late_copy(core, 10), way_shown(core, 10)
    wanted = hosted.unjoined(10)
    assert len(wanted) == 2
    tried = 0
    for place, node in enumerate(way):
        for false in falsified(node) if node.index in wanted else ():
            with pytest.raises(ProofError):
                hosted.join(10, [*way[:place], false, *way[place + 1 :]])
            assert hosted.unjoined(10) == wanted
            tried += 1
    assert tried == 6
    assert not hosted.join(10, [])
    assert hosted.join(10, way)


def test_what_is_known_is_not_taken_from_what_is_shown() -> None:
    core = feed(29)
    hosted, way = late_copy(core, 10), way_shown(core, 10)
    false = [node._replace(size=9_999) if node.index not in hosted.unjoined(10) else node for node in way]
    assert hosted.join(10, false)
    assert all(hosted.node(index) == core.node(index) for index in range(20) if hosted.node(index))


def test_without_the_roots_of_the_earlier_head_nothing_can_be_joined() -> None:
    core = feed(12)
    hosted = Corestore().get(core.key)
    hosted.apply(core.prove(Request(upgrade=UpgradeRequest(0, 12), manifest=True)))
    with pytest.raises(CoreError, match="tree node 17 is not here"):
        hosted.join(10, way_shown(core, 10))
