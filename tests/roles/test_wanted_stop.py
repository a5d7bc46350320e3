"""A node that stops while it decodes: its workers go first, and that is no error."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from service.encoding.inline import InlineCodec
from service.encoding.pool import CodecPool
from service.hypercore.net import ConnectionClosed
from service.ports import Codec
from service.protocols.copy.receiver import Decode
from service.roles.hoster.receive import _Session
from tests.support.copy_world import segment_key


@pytest.mark.parametrize("codec", [InlineCodec, CodecPool])
async def test_a_closed_pool_ends_the_channel_as_a_closed_connection_does(codec: type[Codec]) -> None:
    async with codec() as pool:
        pass
    session = _Session(Mock(), Mock(salt=bytes(32), modulus=segment_key().modulus), Mock(pool=pool), Mock(), Mock())
    with pytest.raises(ConnectionClosed, match="this node stops"):
        await session._decode(Decode(0, bytes(1 << 20)))
