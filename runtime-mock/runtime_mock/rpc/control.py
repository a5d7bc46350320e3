"""Control methods for tests: what a real chain does not do on command.

They are there only where `--control` is given. Call them over HTTP, because faults hit WebSockets only.
"""

from __future__ import annotations

from typing import Any

from .. import ss58
from ..codec import CodecError
from ..node.chain import ExecutionError, Header, UnknownBlock
from ..node.engine import INSTANT, MANUAL
from .errors import CLIENT, RpcError, hex_bytes, hex_list, invalid, text, to_hex, whole_number
from .methods import MAX_BLOCK_NUMBER, MAX_KEYS, Node, method

MAX_SEALED = 100_000
MAX_UNDONE = 1_000
MAX_TIMES = 1_000
MAX_MS = 3_600_000


@method("mock_seal")
async def _seal(node: Node, count: Any = 1) -> Any:
    # a client that leaves cancels its call, and with it the rest of the blocks
    async for _ in node.turns.each(range(whole_number(count, "count", MAX_SEALED)), 1, lambda _: node.engine.seal()):
        pass
    return to_hex(node.chain.best.hash)


@method("mock_jump")
async def _jump(node: Node, count: Any) -> Any:
    await node.engine.jump(whole_number(count, "count", MAX_SEALED))
    return to_hex(node.chain.best.hash)


@method("mock_setSealing")
def _set_sealing(node: Node, mode: Any) -> Any:
    if mode not in (INSTANT, MANUAL):
        mode = whole_number(mode, f"{INSTANT}, {MANUAL} or milliseconds", MAX_MS)
        if not mode:
            raise invalid("the interval must not be 0 ms")
    node.engine.set_sealing(mode)
    return True


@method("mock_setFinality")
def _set_finality(node: Node, lag: Any) -> Any:
    node.engine.set_finality(None if lag is None else whole_number(lag, "lag", MAX_BLOCK_NUMBER))
    return to_hex(node.chain.finalized.hash)


@method("mock_finalize")
def _finalize(node: Node, number: Any) -> Any:
    node.engine.finalize(whole_number(number, "block number", MAX_BLOCK_NUMBER))
    return to_hex(node.chain.finalized.hash)


@method("mock_reorganise")
def _reorganise(node: Node, depth: Any, growth: Any = 1) -> Any:
    wanted = whole_number(depth, "depth", MAX_UNDONE), whole_number(growth, "growth", MAX_UNDONE)
    try:
        return to_hex(node.engine.reorganise(*wanted).hash)
    except ValueError as error:
        raise invalid(str(error)) from None


@method("mock_importBlock")
def _import_block(node: Node, header: Any, body: Any) -> Any:
    try:
        decoded = Header.decode(hex_bytes(header, "header"))
        block = node.chain.execute(decoded, hex_list(body, "body", MAX_KEYS))
    except CodecError as error:
        raise invalid(f"header: {error}") from None
    except UnknownBlock as error:
        raise RpcError(CLIENT, f"Client error: UnknownBlock: parent {error}") from None
    except ExecutionError as error:
        raise RpcError(CLIENT, f"Client error: {error}") from None
    node.engine.import_block(block)
    return to_hex(block.hash)


@method("mock_refuseNonce")
def _refuse_nonce(node: Node, account: Any, nonce: Any, times: Any = 1) -> Any:
    try:
        key = ss58.decode(text(account, "account"))
    except ss58.AddressError as error:
        raise invalid(str(error)) from None
    node.engine.refuse_nonce(key, whole_number(nonce, "nonce", 2**32 - 1), whole_number(times, "times", MAX_TIMES))
    return True


@method("mock_refuse")
def _refuse(node: Node, name: Any, error: Any, times: Any = 1) -> Any:
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        raise invalid("an error with code and message is needed")
    refusal = RpcError(error["code"], text(error.get("message"), "message"), error.get("data"))
    node.faults.refuse(text(name, "method"), refusal, whole_number(times, "times", MAX_TIMES))
    return True


@method("mock_dropSockets")
def _drop_sockets(node: Node) -> Any:
    return node.faults.drop()


@method("mock_hangSockets")
def _hang_sockets(node: Node, milliseconds: Any) -> Any:
    node.faults.hang(whole_number(milliseconds, "milliseconds", MAX_MS))
    return True
