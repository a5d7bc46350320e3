"""The golden vectors of draws, statements, links, commits, salts, trees and heads hold for the model."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runtime_mock.model.datdot import crypto, deadlines, heads, merkle
from runtime_mock.model.datdot.items import SeedOverride, Seeds, Time
from runtime_mock.model.datdot.params import DEVELOPMENT
from runtime_mock.model.datdot.records import Opening, Report, Root, SignedHead
from runtime_mock.model.frame import system
from runtime_mock.model.frame.dispatch import DispatchError
from runtime_mock.model.scale import codec_of
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie

VECTORS = Path(__file__).parents[1] / "vectors"
RULES: dict[str, Any] = json.loads((VECTORS / "rules.json").read_text())
P1: dict[str, Any] = json.loads((VECTORS / "encoding" / "p1.json").read_text())
INPUTS = {name: bytes.fromhex(text) for name, text in RULES["inputs"].items()}
COPY, SEGMENT, ERA = (RULES["numbers"][name] for name in ("copy", "segment", "era"))
GENESIS, SEED, ACCOUNT = INPUTS["genesis"], INPUTS["seed"], INPUTS["account"]


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def test_draws() -> None:
    for one in RULES["draws"]:
        assert crypto.draw(one["tag"], SEED, raw(one["ids"]), one["ctr"]) == int(one["value"]), one
    assert crypto.contract_id(GENESIS, COPY) == raw(RULES["salt"]["contract_id"])
    assert crypto.chain_rand(SEED, SEGMENT) == raw(RULES["salt"]["chain_rand"])


def test_the_development_seed_is_the_block_s_seed_after_set_seed() -> None:
    state, one = Overlay(Trie()), RULES["development_seed"]
    Time.put(state, DEVELOPMENT)
    SeedOverride.put(state, raw(one["v"]))
    system.Number.put(state, one["block"])
    deadlines.on_initialize(state)
    assert Seeds.get(state, one["block"]) == raw(one["seed"])


def test_without_set_seed_the_seed_is_the_hash_of_the_parent_s() -> None:
    state = Overlay(Trie())
    Time.put(state, DEVELOPMENT)
    system.Number.put(state, 300)
    system.ParentHash.put(state, SEED)
    Seeds.put(state, 44, SEED)
    deadlines.on_initialize(state)
    assert Seeds.get(state, 300) == crypto.digest(SEED)
    assert Seeds.get(state, 44) is None, "seeds are kept for 256 blocks"


def test_statements_and_their_signatures() -> None:
    bind, segment = RULES["statements"]
    keys = raw(bind["swarm_key"]), raw(bind["statement_key"])
    message = crypto.bind_statement(GENESIS, ACCOUNT, *keys)
    assert message == raw(bind["message"])
    crypto.ensure_signed_by(raw(bind["swarm_signature"]), message, keys[0])
    crypto.ensure_signed_by(raw(bind["signature"]), message, keys[1])
    with pytest.raises(DispatchError, match="BadSignature"):
        crypto.ensure_signed_by(raw(bind["signature"]), message, keys[0])
    message = crypto.segment_statement(
        GENESIS,
        COPY,
        SEGMENT,
        **{name: INPUTS[name] for name in ("encoder", "hoster", "pk_hash", "salt", "root")},
        first_byte=segment["first_byte"],
        size=segment["bytes"],
        sectors=segment["sectors"],
    )
    assert message == raw(segment["message"])
    crypto.ensure_signed_by(raw(segment["signature"]), message, raw(segment["statement_key"]))


def test_links_and_probes() -> None:
    chain = [raw(link) for link in RULES["chain"]]
    for link, following in pairwise(chain):
        assert crypto.next_link(GENESIS, ACCOUNT, link) == following
    for j, one in enumerate(RULES["probes"]):
        q = crypto.probe(chain[0], COPY, ERA, j)
        assert q == raw(one["q"])
        assert crypto.low(q) % 1_000_003 == one["sector_of_1000003"]


def test_commits() -> None:
    served, absent = RULES["commit"], RULES["commit_not_served"]
    link, salt = raw(served["p"]), raw(served["salt"])
    for one, leaf in ((served, raw(served["leaf"])), (absent, bytes(32))):
        report = codec_of(Report).decode(raw(one["report"]))
        assert crypto.commitment(GENESIS, ACCOUNT, ERA, COPY, report, link, leaf, salt) == raw(one["commit"])


def test_the_salt_and_the_context_of_a_segment() -> None:
    fields = {name: raw(P1[name]) for name in ("encoder", "hoster", "feed_key", "feed_root", "chain_rand", "pk_hash")}
    assert crypto.pk_hash(raw(P1["modulus"])) == fields["pk_hash"]
    # the vector's contract id is a copy's of no chain: only the parts after it are checked through the salt
    salted = crypto.digest(
        b"repenc/v1/salt\x01",
        raw(P1["genesis"]),
        raw(P1["contract_id"]),
        *(fields[name] for name in ("encoder", "hoster", "feed_key", "feed_root", "chain_rand", "pk_hash")),
    )
    assert salted == raw(P1["salt"])
    ctx = crypto.context(
        raw(P1["contract_id"]), fields["encoder"], fields["hoster"], 1, fields["pk_hash"], raw(P1["salt"])
    )
    assert ctx == raw(P1["ctx"])


def test_a_salt_is_made_of_the_copy_s_contract_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "contract_id", lambda genesis, copy: raw(P1["contract_id"]))
    fields = {name: raw(P1[name]) for name in ("encoder", "hoster", "feed_key", "feed_root", "chain_rand", "pk_hash")}
    assert crypto.salt(raw(P1["genesis"]), COPY, **fields) == raw(P1["salt"])


def test_the_modulus_of_the_vectors_is_valid_and_its_neighbours_are_not() -> None:
    n = int.from_bytes(raw(P1["modulus"]), "big")
    assert crypto.valid_modulus(n.to_bytes(256, "big"))
    small = [(n + delta).to_bytes(256, "big") for delta in (1, -1)]
    low = (2**2048 - 2**1988 - 1).to_bytes(256, "big")
    divisible = next(m for m in range(n, n + 9_000, 2) if m % 4_093 == 0).to_bytes(256, "big")
    for wrong in (*small, low, divisible, bytes(256), b"\xff" * 256):
        # 2^2048 - 1 is divisible by 3
        assert not crypto.valid_modulus(wrong)


@pytest.mark.parametrize("number", range(len(P1["segments"])))
def test_openings_lead_to_the_root_and_no_other_does(number: int) -> None:
    one, ctx = P1["segments"][number], raw(P1["ctx"])
    encoded, root = raw(one["encoded"]), raw(one["root"])
    sectors = len(encoded) // 256
    for opened in one["openings"]:
        i = opened["sector"]
        data, siblings = encoded[256 * i : 256 * i + 256], [raw(sibling) for sibling in opened["siblings"]]
        assert merkle.opened_root(ctx, sectors, i, Opening(data, siblings)) == root
        spoiled = bytes([data[0] ^ 1]) + data[1:]
        assert merkle.opened_root(ctx, sectors, i, Opening(spoiled, siblings)) != root
        assert merkle.opened_root(ctx, sectors, i, Opening(data, [*siblings, root])) is None
        assert merkle.opened_root(ctx, sectors, sectors, Opening(data, siblings)) is None
        if siblings:
            assert merkle.opened_root(ctx, sectors, i, Opening(data, siblings[:-1])) is None
            other = i ^ 1 if i ^ 1 < sectors else i - 1
            assert merkle.opened_root(ctx, sectors, other, Opening(data, siblings)) != root


def test_small_order_keys_are_refused_whatever_the_host_accepts() -> None:
    small = RULES["small_order"]
    signature, message = raw(small["signature"]), raw(small["message"])
    honest = raw(RULES["statements"][0]["swarm_key"])
    for encoding in map(raw, small["encodings"]):
        assert crypto.small_order(encoding)
        with pytest.raises(DispatchError, match="SmallOrderKey"):
            crypto.ensure_signed_by(signature, message, encoding)
        with pytest.raises(DispatchError, match="SmallOrderKey"):
            crypto.ensure_signed_by(encoding + bytes(32), message, honest)
    assert not crypto.small_order(honest)


def npm_heads(name: str) -> list[tuple[str, SignedHead, bytes]]:
    """The signed heads of npm hypercore's cores of one signer, each with its kind and tree hash."""
    found = []
    for core in json.loads((VECTORS / "hypercore" / name).read_text()):
        manifest = raw(core["manifest"] or "")
        kinds = {(68, heads.V0): "v0", (70, heads.V1): "v1"}
        kind = "compat" if core["compat"] else kinds.get((len(manifest), manifest[: len(manifest) - 64]))
        if not core["length"] or kind is None:
            continue
        signature = raw(core["signature"])
        # a container of one signature: count, signer, the signature, no patch
        start = 2 if len(signature) == 68 else 0
        nodes = {index: Root(raw(hash_), size) for index, size, hash_ in core["nodes"]}
        head = SignedHead(
            raw(core["key"]),
            b"" if kind == "compat" else manifest,
            core["fork"],
            core["length"],
            [nodes[index] for index in core["roots"]],
            signature[start : start + 64],
        )
        found.append((kind, head, raw(core["treeHash"])))
    return found


HEADS = [one for name in ("dump10.json", "dump11.json") for one in npm_heads(name)]


def test_heads_that_npm_hypercore_signed() -> None:
    assert {kind for kind, _, _ in HEADS} == {"compat", "v0", "v1"}
    for _, signed, tree_hash in HEADS:
        assert heads.check(signed).tree_hash == tree_hash
        assert codec_of(SignedHead).decode(codec_of(SignedHead).encode(signed)) == signed


def test_heads_that_are_refused_by_name() -> None:
    for kind, signed, _ in HEADS:
        wrong = {
            "BadSignature": replace(signed, signature=signed.signature[:40] + b"\0" + signed.signature[41:]),
            "SmallOrderKey": replace(signed, signature=b"\1" + bytes(63)),
            "BadHead": replace(signed, length=signed.length + 1, roots=[]),
            "WrongFeedKey": replace(signed, key=ACCOUNT),
            "BadManifest": replace(signed, manifest=signed.manifest[:-1] or b"\0" * 70),
        }
        if kind == "compat":
            del wrong["WrongFeedKey"]
        for name, head in wrong.items():
            with pytest.raises(DispatchError, match=name):
                heads.check(head)
        with pytest.raises(DispatchError, match="BadHead"):
            heads.check(replace(signed, fork=2**53))


def test_tiles_are_the_roots_of_a_tree() -> None:
    assert heads.tiles(0, 0) == []
    assert [tile.index for tile in heads.tiles(0, 11)] == [7, 17, 20]
    assert [(tile.start, tile.end) for tile in heads.tiles(6, 16)] == [(6, 8), (8, 16)]
