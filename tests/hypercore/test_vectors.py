"""Golden vectors made by npm hypercore 10.38.2 and 11.39.5: keys, manifests, trees, signatures, block encryption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.hypercore import Core, Corestore, KeyPair, Manifest, Node, crypto, default_manifest, discovery_key
from service.hypercore.crypto import BlockCipher, leaf_node, parent_node, tree_hash
from service.hypercore.manifest import Authority
from service.hypercore.tree import flat

VECTORS = Path(__file__).parents[1] / "vectors" / "hypercore"
DUMPS = [dump for name in ("dump10", "dump11") for dump in json.loads((VECTORS / f"{name}.json").read_text())]
H = bytes.fromhex

every_core = pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: f"{dump['ver']}-{dump['name']}")


def test_namespaces() -> None:
    found = [one.hex() for one in crypto.namespace("hypercore", 6)]
    assert found == [
        "9fac70b50ca14efc4e91c833b204e75b8b5aad8b5881bfc0adb5ef38a3275b9c",
        "51812a2a359b50369536775df89e18e47740f3db72ac0ae70b29594c194dc316",
        "0438492d02970cc13528ac0262bca0074e0926260256865accc0bf15bd79127d",
        "e64b7108eacce47cfc61ac850568f55f8b15b82ec5ed78c4ec597b036e2a1498",
        "4144eea531e483d54e0c14f4ca68e0644f355343ff6fcb0f005200e12cd747cb",
        "9aedb6f1dea8487cc1e1698f97eb2f063f6db4c649695622e7b675e2ceafa6e9",
    ]


def test_there_are_fourteen_cores() -> None:
    assert len(DUMPS) == 14
    assert {dump["ver"] for dump in DUMPS} == {"10.38.2", "11.39.5"}


def authority(dump: dict[str, Any]) -> Authority:
    return Authority.of(H(dump["key"]), None if dump["compat"] else Manifest.decode(H(dump["manifest"])))


def tree(dump: dict[str, Any]) -> tuple[dict[int, Node], list[Node]]:
    """All nodes and the roots, from the blocks as they are stored."""
    nodes: dict[int, Node] = {}
    roots: list[Node] = []
    for number, block in enumerate(dump["raw"]):
        roots.append(leaf_node(number, H(block)))
        nodes[roots[-1].index] = roots[-1]
        while len(roots) > 1 and flat.sibling(roots[-1].index) == roots[-2].index:
            joined = parent_node(roots[-2], roots[-1])
            nodes[joined.index] = joined
            roots[-2:] = [joined]
    return nodes, roots


def signature(dump: dict[str, Any]) -> bytes:
    """The head's signature; npm gives a bare partial one for several signers, which is assembled here."""
    found = H(dump["signature"])
    several = len(Manifest.decode(H(dump["manifest"])).signers) > 1
    return b"\1\0" + found + b"\0\0" if several and len(found) == 64 else found


@every_core
def test_key_manifest_and_discovery_key(dump: dict[str, Any]) -> None:
    manifest = Manifest.decode(H(dump["manifest"]))
    assert manifest.encode() == H(dump["manifest"])
    assert manifest.version == dump["manifestObj"]["version"]
    assert H(dump["key"]) == (manifest.signers[0].public_key if dump["compat"] else manifest.key)
    assert discovery_key(H(dump["key"])) == H(dump["disc"])
    assert authority(dump).compat == dump["compat"]


@every_core
def test_every_hash_of_the_tree(dump: dict[str, Any]) -> None:
    nodes, roots = tree(dump)
    assert {(one.index, one.size, one.hash.hex()) for one in nodes.values()} == {tuple(one) for one in dump["nodes"]}
    assert [root.index for root in roots] == dump["roots"] == flat.full_roots(2 * dump["length"])
    assert tree_hash(roots) == H(dump["treeHash"])
    padding = 8 * dump["length"] if dump["encKey"] else 0
    assert sum(root.size for root in roots) == dump["byteLength"] + padding


@every_core
def test_the_head_is_signed_and_no_other(dump: dict[str, Any]) -> None:
    _, roots = tree(dump)
    signer, signed = authority(dump), signature(dump)
    length, fork = dump["length"], dump["fork"]
    assert signer.verify(roots, length, fork, signed)
    assert not signer.verify(roots, length, fork + 1, signed)
    assert not signer.verify(roots[:-1], length, fork, signed)
    assert not signer.verify(roots, length + 1, fork, signed)
    for place in range(len(signed)):
        changed = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]
        assert not signer.verify(roots, length, fork, changed), f"byte {place}"
    for cut in range(len(signed)):
        assert not signer.verify(roots, length, fork, signed[:cut])


@every_core
def test_we_sign_the_same(dump: dict[str, Any]) -> None:
    """ed25519 is deterministic: the same key pair gives the same bytes."""
    pair = KeyPair(bytes([7]) * 32)
    assert pair.public == H(dump["publicKey"])
    signer = authority(dump)
    raw = pair.sign(signer.message(H(dump["treeHash"]), dump["length"], dump["fork"]))
    if len(signer.manifest.signers) == 1:
        assert signer.container(raw) == H(dump["signature"])
        assert signer.raw_signature(H(dump["signature"])) == raw
    else:
        assert b"\1\0" + raw + b"\0\0" == signature(dump)


@pytest.mark.parametrize("dump", [dump for dump in DUMPS if dump["encKey"]], ids=lambda dump: dump["ver"])
def test_encrypted_blocks(dump: dict[str, Any]) -> None:
    cipher = BlockCipher(H(dump["key"]), H(dump["encKey"]), dump["compat"])
    for number, (plain, stored) in enumerate(zip(dump["blocks"], dump["raw"], strict=True)):
        assert cipher.encrypt(number, H(plain), dump["fork"]) == H(stored)
        assert cipher.decrypt(number, H(stored)) == H(plain)


OURS = [one for one in DUMPS if one["manifestObj"]["version"] == 1 and len(one["manifestObj"]["signers"]) == 1]


@pytest.mark.parametrize("dump", OURS, ids=lambda dump: f"{dump['ver']}-{dump['name']}")
def test_a_core_of_ours_comes_out_the_same(dump: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same key pair and blocks through our own storage."""
    monkeypatch.setattr(KeyPair, "generate", lambda: KeyPair(bytes([7]) * 32))
    encryption = H(dump["encKey"]) if dump["encKey"] else None
    store = Corestore()
    core: Core = store.create(compat=dump["compat"], encryption_key=encryption)
    if dump["fork"]:
        core.append([b"b%d" % number for number in range(9)])
        core.truncate(5)
        core.append(b"new")
    else:
        core.append([H(block) for block in dump["blocks"]])
    assert core.key == H(dump["key"])
    assert core.tree_hash() == H(dump["treeHash"])
    assert core.head().signature == H(dump["signature"])
    assert (core.length, core.byte_length, core.fork) == (dump["length"], dump["byteLength"], dump["fork"])
    assert [core.get(number) for number in range(core.length)] == [H(block) for block in dump["blocks"]]
    assert [core.raw(number) for number in range(core.length)] == [H(block) for block in dump["raw"]]
    store.close()


def test_the_default_manifest() -> None:
    public = H(DUMPS[0]["publicKey"])
    assert default_manifest(public).encode().hex() == DUMPS[0]["manifest"]
    assert len(default_manifest(public).encode()) == 70
