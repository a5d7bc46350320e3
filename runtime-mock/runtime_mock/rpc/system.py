"""The methods about the node itself, a trial of an extrinsic, and sealing as a node of its kind is told to seal."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .. import ss58
from ..codec import CodecError, Reader
from .errors import CLIENT, RpcError, hex_bytes, invalid, text, to_hex
from .methods import Node, method

NOTHING_TO_SEAL, NO_PARENT = 12_000, 13_000


@method("system_chain", "chainSpec_v1_chainName")
def _system_chain(node: Node) -> Any:
    return node.spec.name


@method("system_chainType")
def _system_chain_type(node: Node) -> Any:
    return node.spec.chain_type


@method("system_name")
def _system_name(node: Node) -> Any:
    return "datdot runtime mock"


@method("system_version")
def _system_version(node: Node) -> Any:
    try:
        return version("datdot-service")
    except PackageNotFoundError:
        return "0.0.0"


@method("system_properties", "chainSpec_v1_properties")
def _system_properties(node: Node) -> Any:
    return node.spec.properties


@method("chainSpec_v1_genesisHash")
def _genesis_hash(node: Node) -> Any:
    return to_hex(node.chain.genesis.hash)


@method("system_health")
def _system_health(node: Node) -> Any:
    return {"peers": 0, "isSyncing": False, "shouldHavePeers": False}


@method("system_peers")
def _system_peers(node: Node) -> Any:
    return []


@method("system_nodeRoles")
def _system_node_roles(node: Node) -> Any:
    return ["Authority"]


@method("system_syncState")
def _system_sync_state(node: Node) -> Any:
    number = node.chain.best.number
    return {"startingBlock": 0, "currentBlock": number, "highestBlock": number}


@method("system_localPeerId")
def _local_peer_id(node: Node) -> Any:
    return node.peer_id


@method("system_localListenAddresses")
def _local_listen_addresses(node: Node) -> Any:
    return []


@method("system_accountNextIndex", "account_nextIndex")
def _next_index(node: Node, account: Any) -> Any:
    try:
        key = ss58.decode(text(account, "account"))
    except ss58.AddressError as error:
        raise invalid(str(error)) from None
    answer = node.call(node.chain.best, "AccountNonceApi_account_nonce", key)
    nonce = int.from_bytes(answer, "little")
    tags = {tag for one in node.engine.pool.all() if not one.missing for tag in one.validity.provides}
    while key + nonce.to_bytes(4, "little") in tags:
        nonce += 1
    return nonce


@method("system_dryRun", "system_dryRunAt")
def _dry_run(node: Node, extrinsic: Any, block: Any = None) -> Any:
    raw = hex_bytes(extrinsic, "extrinsic")
    try:
        Reader(raw).bytes()
    except CodecError as error:
        raise RpcError(2, "Unable to dry run extrinsic", f"not an extrinsic: {error}") from None
    try:
        return to_hex(node.call(node.block(block), "BlockBuilder_apply_extrinsic", raw))
    except RpcError as error:
        raise RpcError(1, "Unable to dry run extrinsic.", error.message.removeprefix("Client error: ")) from None


@method("engine_createBlock")
def _create_block(node: Node, empty: Any, finalize: Any, parent: Any = None) -> Any:
    if not isinstance(empty, bool) or not isinstance(finalize, bool):
        raise invalid("createEmpty and finalize: true or false is needed")
    if parent is not None and node.known(parent) is not node.chain.best:
        raise RpcError(NO_PARENT, "a block can be made on the best block only")
    if not empty and not node.engine.pool.ready():
        raise RpcError(NOTHING_TO_SEAL, "Transaction pool is empty")
    block = node.engine.seal()
    if finalize:
        node.engine.finalize(block.number)
    names = ("header_only", "clear_justification_requests", "needs_justification", "bad_justification")
    return {"hash": to_hex(block.hash), "aux": {**dict.fromkeys(names, False), "is_new_best": True}, "proof_size": 0}


@method("engine_finalizeBlock")
def _finalize_block(node: Node, block: Any, justification: Any = None) -> Any:
    found = node.block(block)
    if not node.chain.is_best(found):
        raise RpcError(CLIENT, "Client error: the block is not on the best chain")
    node.engine.finalize(found.number)
    return True
