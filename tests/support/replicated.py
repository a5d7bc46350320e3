"""A feed of three hundred blocks, and sides that replicate it."""

from __future__ import annotations

from contextlib import AsyncExitStack

from service.hypercore import (
    Core,
    Request,
)
from service.hypercore.wire import messages as m
from tests.support.wire_peers import Side, side

BLOCKS = [b"%d," % number * (number % 40 + 1) for number in range(300)]


async def sides(stack: AsyncExitStack, count: int) -> list[Side]:
    return [await stack.enter_async_context(side()) for _ in range(count)]


def feed(where: Side, blocks: list[bytes] = BLOCKS, **options: object) -> Core:
    core = where.store.create(**options)  # type: ignore[arg-type]
    core.append(blocks)
    return core


def content(core: Core) -> list[bytes | None]:
    return [core.get(index) for index in range(core.length)]


def honest(core: Core, number: int, request: Request) -> tuple[int, bytes]:
    return m.DATA, m.encode_data(number, core.prove(request))
