"""A probe reads a bounded number of blocks: a run of empty ones in a sector makes no honest hoster look as if it did not serve."""

from __future__ import annotations

import pytest

from service.feeds import reading
from service.roles.attester import probe as probing
from service.roles.attester.committee import read_target
from service.roles.attester.probe import FalseEncoding, Measured, probe
from tests.support.small_net import Net, copied, is_active

MOST = 8
SIZES = [100, *[0] * 40, 100, 20_000]


async def test_a_sector_that_spans_many_blocks_is_judged_by_some(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    class PartReader(reading._PartReader):
        def _size(self, block: int) -> int:
            read.append(block)
            return super()._size(block)

    monkeypatch.setattr(reading, "MAX_BLOCKS", MOST)
    monkeypatch.setattr(reading, "_PartReader", PartReader)
    async with copied(net, SIZES) as (writer, _, _, _, copy):
        await net.chain.until(is_active(net, copy))

        async def probed(sector: int) -> Measured:
            target = await read_target(net.chain.client, copy, sector, net.chain.latest.hash)
            return await probe(writer.transport, target, net.chain.client.times.probe_bytes)

        measured = await probed(0)
        assert measured.opening.sector == 0
        assert len(set(read)) < 2 * MOST + 6, "the walk, and the search for its first block"

        class Wrong(probing.SectorDecoder):
            place = 99

            def decode(self, first_sector: int, data: bytes) -> bytes:
                plain = bytearray(super().decode(first_sector, data))
                plain[self.place] ^= 1
                return bytes(plain)

        monkeypatch.setattr(probing, "SectorDecoder", Wrong)
        with pytest.raises(FalseEncoding):
            await probed(0)  # what was read of it is compared
        Wrong.place = 150
        assert isinstance(await probed(0), Measured), "nobody read that byte"
        Wrong.place = 255
        with pytest.raises(FalseEncoding):
            await probed(net.chain.copy(copy).sectors - 1)  # the padding
