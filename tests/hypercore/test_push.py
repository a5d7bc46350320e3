"""What goes with a block that nobody asked for: enough for a peer to check it, as seen by a real core."""

from __future__ import annotations

import pytest

from service.hypercore import Corestore
from service.hypercore.tree.proof import BlockRequest, Request, UpgradeRequest
from service.hypercore.wire import messages as m
from service.hypercore.wire.peer import PeerState
from service.hypercore.wire.push import request_for, takes


@pytest.mark.parametrize("length", [1, 2, 5, 8, 13])
def test_a_peer_that_has_nothing_or_the_head_can_check_any_block(length: int) -> None:
    source = Corestore().create()
    source.append([bytes([number]) for number in range(13)][:length])
    for known in (0, length):
        for index in range(length):
            copy = Corestore().get(source.key)
            if known:
                copy.apply(source.prove(Request(upgrade=UpgradeRequest(0, length), manifest=True)))
            copy.apply(source.prove(request_for(index, length, known, first=known == 0)))
            assert copy.length == length
            assert copy.get(index) == bytes([index])


def test_a_block_within_the_peers_head_brings_what_it_may_lack_and_no_head() -> None:
    assert request_for(0, 5, 4, first=False) == Request(BlockRequest(0, 2))
    assert request_for(4, 5, 5, first=False) == Request(BlockRequest(4, 0))
    assert request_for(4, 6, 4, first=False) == Request(BlockRequest(4, 0), upgrade=UpgradeRequest(4, 2))


@pytest.mark.parametrize(("flags", "fork", "pushed"), [(31, 0, True), (27, 0, False), (15, 0, False), (31, 1, False)])
def test_who_allows_no_push_or_is_at_another_fork_gets_none(flags: int, fork: int, pushed: bool) -> None:
    peer = PeerState(Corestore().create(), 0.0)
    peer.open()
    assert not takes(peer, 0, 3), "it told nothing yet"
    peer.take(m.SYNC, m.encode_sync(m.Sync(flags, fork, 9, 0)), 0.0)
    assert takes(peer, 0, 3) == pushed
    peer.take(m.RANGE, m.encode_range(3, 1), 0.0)
    assert not takes(peer, 0, 3), "it has the block"
