"""Streams whose peer is gone before it is known here where the peer is."""

from __future__ import annotations

import asyncio

import pytest

from service.hypercore.swarm.udx.endpoint import Streams, UdxSocket
from service.hypercore.swarm.udx.packet import DESTROY, header
from service.hypercore.swarm.udx.receiver import WINDOW
from service.hypercore.swarm.udx.stream import Ended
from service.hypercore.swarm.udx.transport import UdxTransport
from tests.swarm.test_udx_sockets import Noted, burst


@pytest.mark.parametrize("connects", [True, False])
async def test_a_stream_that_its_peer_gave_up_before_it_was_connected_ends(*, connects: bool) -> None:
    """A peer may be gone again before its answer to the handshake, which goes another way, has come."""
    opened = UdxSocket("127.0.0.1", 0, Streams())
    waits = UdxTransport(opened, asyncio.Protocol())
    waits.accepts = lambda endpoint, sender: True
    gone = header(DESTROY, waits.local_id, WINDOW, 0, 0)
    await burst(opened, [(0, gone)])
    told = Noted()
    waits.set_protocol(told)
    if connects:
        waits.connect(7, opened.address)
        assert isinstance(await told.end(), ConnectionResetError)
    else:
        waits.abort()
        assert await told.end() is not None
    assert waits.ended is Ended.RESET
    assert waits.is_closing()
    assert not len(opened.streams)
    opened.close()
