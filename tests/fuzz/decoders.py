"""The decoders, what each may raise, and valid inputs from which mutations begin."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from service.encoding import EncodingError, Frontier, SectorDecoder, check_modulus
from service.encoding.merkle import Opening, opening_root
from service.feeds.archive.format import ArchiveError, Unpacker
from service.feeds.archive.packing import pack
from service.hypercore import BlockRequest, Core, Corestore, KeyPair, ProofError, Request, UpgradeRequest
from service.hypercore.codec import CodecError, Reader, encode_buffer, encode_string, encode_uint
from service.hypercore.manifest import Authority, Manifest, ManifestError, default_manifest
from service.hypercore.net import PeerAddress
from service.hypercore.wire import messages as m
from service.hypercore.wire.errors import ProtocolError
from service.hypercore.wire.peer import PeerState
from service.hypercore.wire.protomux import Mux
from service.hypercore.wire.secretstream import SecretStream
from service.node.settings import NODE_FILE, NodeError, NodeSettings
from service.protocols.copy import messages as copying
from service.protocols.probe import messages as probing
from service.vault import KeyFileError, PeerKeys, Vault, load_keys, public_keys
from service.vault.files import read_json
from service.vault.polkadot_js import polkadot_js, read_polkadot_js
from service.vault.vaultfile import Cost

from . import swarm

GENESIS = bytes(range(32))


@dataclass(frozen=True)
class Decoder:
    """A function of bytes, the errors that are its answer to bad ones, and good ones to begin from."""

    decode: Callable[[bytes], Any]
    errors: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...] = ()

    def run(self, data: bytes) -> None:
        """Decode. Anything but the decoder's own errors is a fault."""
        with suppress(*self.errors):
            self.decode(data)


@cache
def feed() -> Core:
    """Return a feed of 20 blocks."""
    core = Corestore().create()
    core.append([bytes([number]) * (number * 7) for number in range(20)])
    return core


def typed(decode: Callable[[int, bytes], Any]) -> Callable[[bytes], Any]:
    """Return a decoder whose first byte is the message's type."""
    return lambda data: decode(data[0], data[1:]) if data else None


def proof(data: bytes) -> None:
    """Take a proof from a stranger into an empty copy of the feed, as a download does."""
    _, found = m.decode_data(data)
    copy = Corestore().get(feed().key)
    head = feed().prove(Request(upgrade=UpgradeRequest(0, feed().length), manifest=True))
    with suppress(ProofError):
        copy.verify(found)
    copy.apply(head)
    copy.verify(found)


def peer(data: bytes) -> None:
    """Let a peer's state take a message of any type."""
    state = PeerState(feed(), 0.0)
    state.open()
    state.allow_push(True)
    state.start_asking(0.0)
    state.ask(Request(block=BlockRequest(3, 0)), 0, 0.0)
    if data:
        state.take(data[0] % 12, data[1:], 1.0)
        state.tell()
        state.expire(100.0, 0.0)


def mux(data: bytes) -> None:
    """Let a mux take one frame, beside a channel of ours."""
    sent: list[bytes] = []
    end = Mux(sent.append, lambda: None)
    end.on_protocol("p", lambda identifier, handshake: identifier is None)
    end.open("q", None, b"", lambda handshake: None, lambda kind, body: None, lambda reason: None)
    end.receive_frame(data)
    end.settle()
    end.work()
    end.flush()


def stream(data: bytes) -> None:
    """Let both sides of a handshake take bytes."""
    for initiator in (True, False):
        one = SecretStream(initiator, KeyPair(bytes(32)), None)
        one.start()
        with suppress(ProtocolError):
            one.receive_bytes(data)


def archive(data: bytes) -> None:
    """Unpack an archive in pieces."""
    unpacker = Unpacker()
    for start in range(0, len(data), 97):
        for _ in unpacker.feed(data[start : start + 97]):
            pass
    unpacker.finish()


def text_of(load: Callable[[Path], Any], name: str) -> Callable[[bytes], Any]:
    """Return a decoder of a file's content."""

    def decode(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / name
            path.write_bytes(data)
            path.chmod(0o600)
            load(path)

    return decode


def signatures(data: bytes) -> None:
    """Verify a signature container of a manifest with several signers."""
    signers = tuple(KeyPair(bytes([number]) * 32).public for number in (1, 2))
    manifest = default_manifest(signers[0])
    authority = Authority.of(manifest.key, manifest)
    authority.raw_signature(data)
    authority.verify(feed().roots(), feed().length, 0, data)


def opening(data: bytes) -> None:
    """Follow an opening to a root."""
    siblings = tuple(data[at : at + 32] for at in range(264, len(data), 32))
    opening_root(bytes(32), 1000, Opening(int.from_bytes(data[:8], "little"), data[8:264], siblings))


@cache
def packed() -> tuple[bytes, ...]:
    """Return archives of a file and of a folder."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "in"
        (root / "sub" / "empty").mkdir(parents=True)
        (root / "sub" / "file").write_bytes(b"data" * 30)
        (root / "none").write_bytes(b"")
        return b"".join(pack(root)), b"".join(pack(root / "sub" / "file"))


def hypercore_decoders() -> dict[str, Decoder]:
    """Return the decoders of what hypercore peers send."""
    core = feed()
    nodes = (core.roots()[0], core.roots()[1])
    request = Request(block=BlockRequest(3, 0), upgrade=UpgradeRequest(0, 20), manifest=True)
    answers = (
        m.encode_data(1, core.prove(Request(block=BlockRequest(5, 4)))),
        m.encode_data(1, core.prove(Request(upgrade=UpgradeRequest(0, 20), manifest=True))),
    )
    channel = b"\0\1\1" + encode_string("p") + encode_buffer(b"") + b"hi"
    batch = b"\0\0\0" + encode_buffer(channel[1:]) + b"\0\1" + encode_buffer(b"\1hello")
    sync = m.encode_sync(m.Sync(7, 0, 20, 3))
    codec = (CodecError,)
    return {
        "sync": Decoder(m.decode_sync, codec, (sync,)),
        "request": Decoder(m.decode_request, codec, (m.encode_request(1, 0, request),)),
        "data": Decoder(m.decode_data, codec, answers),
        "proof": Decoder(proof, (CodecError, ProofError), answers),
        "range": Decoder(m.decode_range, codec, (m.encode_range(3, 9), m.encode_range(3, 9, drop=True))),
        "want": Decoder(m.decode_want, codec, (m.encode_want(0, 100),)),
        "bitfield": Decoder(m.decode_bitfield, codec, (m.encode_bitfield(32, b"\x55" * 8),)),
        "nodes": Decoder(lambda data: m.decode_nodes(Reader(data)), codec, (m.encode_nodes(nodes),)),
        "peer": Decoder(peer, codec, (b"\0" + sync, b"\3" + answers[0], b"\5\0\1")),
        "manifest": Decoder(Manifest.decode, (ManifestError, CodecError), (core.manifest or b"",)),
        "signatures": Decoder(signatures, (ManifestError, CodecError), (core.head().signature,)),
        "mux": Decoder(mux, (ProtocolError,), (channel, batch, b"\0\3\1", b"\0\2\1")),
        "stream": Decoder(stream, (), (SecretStream(True, KeyPair(bytes(32))).start(),)),
        "uint": Decoder(lambda data: Reader(data).uint(), codec, tuple(map(encode_uint, (7, 300, 1 << 40)))),
    }


def protocol_decoders() -> dict[str, Decoder]:
    """Return the decoders of what encoders, hosters and attesters send."""
    nodes = (feed().roots()[0], feed().roots()[1])
    copied: list[copying.Message] = [
        copying.HeadProof(b"proof"),
        copying.Sectors(0, bytes(256)),
        copying.Ack(7),
        copying.BlockPaths((copying.BlockPath(3, 21, nodes),)),
        copying.Checkpoint(9, bytes(32), bytes(64)),
        copying.CopyRefusal("no"),
    ]
    ask = probing.Ask(1, 2, 3)
    probed: list[probing.Message] = [ask, probing.Answer(ask, Opening(3, bytes(256), (bytes(32),)))]
    return {
        "copy": Decoder(typed(copying.decode), (copying.CopyRefused,), with_kind(copied, copying.encode)),
        "copy handshake": Decoder(
            lambda data: copying.check_handshake(data, GENESIS),
            (copying.CopyRefused,),
            (copying.encode_handshake(GENESIS),),
        ),
        "probe": Decoder(typed(probing.decode), (probing.ProbeRefused,), with_kind(probed, probing.encode)),
        "probe handshake": Decoder(
            lambda data: probing.check_handshake(data, GENESIS), (probing.ProbeRefused,), (b"\1" + GENESIS,)
        ),
        "opening": Decoder(opening, (EncodingError,), (bytes(264 + 320),)),
        "modulus": Decoder(check_modulus, (EncodingError,), (bytes([0x80]) + bytes(254) + b"\1",)),
        "sector": Decoder(
            lambda data: SectorDecoder(bytes(32), bytes([0xFF]) * 256).decode(0, data), (EncodingError,), (bytes(256),)
        ),
    }


def file_decoders() -> dict[str, Decoder]:
    """Return the decoders of files, and of what people type."""
    return {
        "archive": Decoder(archive, (ArchiveError,), packed()),
        "frontier": Decoder(
            lambda data: Frontier.from_bytes(bytes(32), data), (EncodingError,), (Frontier(bytes(32)).to_bytes(),)
        ),
        "peer address": Decoder(
            lambda data: PeerAddress.parse(data.decode("utf-8", "replace")), (ValueError,), (b"0" * 64 + b"@[::1]:80",)
        ),
        "key file": Decoder(text_of(load_keys, "key.json"), (KeyFileError,), (key_file(),)),
        "vault": Decoder(text_of(public_keys, "vault.json"), (KeyFileError,), (vault_file(),)),
        "account of polkadot-js": Decoder(
            text_of(lambda path: read_polkadot_js(path, read_json(path), b"right"), "account.json"),
            (KeyFileError,),
            (json.dumps(polkadot_js(PeerKeys.generate(), b"right", "peer")).encode(),),
        ),
        "node settings": Decoder(
            text_of(lambda path: NodeSettings.load(path.parent), NODE_FILE), (NodeError,), (settings_file(),)
        ),
    }


@cache
def decoders() -> dict[str, Decoder]:
    """Return all decoders by name."""
    swarm_decoders = {name: Decoder(*found) for name, found in swarm.DECODERS.items()}
    return hypercore_decoders() | swarm_decoders | protocol_decoders() | file_decoders()


def with_kind(messages: list[Any], encode: Callable[[Any], tuple[int, bytes]]) -> tuple[bytes, ...]:
    """Return messages as `typed` takes them."""
    return tuple(bytes([kind]) + body for kind, body in map(encode, messages))


def key_file() -> bytes:
    """Return a key file's content."""
    seed = "0x" + "11" * 32
    return json.dumps({"version": 1, "account": seed, "swarm": seed, "statement": seed}).encode()


def vault_file() -> bytes:
    """Return a vault's content."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "vault"
        Vault(PeerKeys.generate()).create(path, b"right", Cost(8192, 1))
        return path.read_bytes()


def settings_file() -> bytes:
    """Return the content of a node's settings."""
    with tempfile.TemporaryDirectory() as directory:
        NodeSettings("ws://127.0.0.1:9944", ("hoster",), "127.0.0.1", 4000).save(Path(directory))
        return (Path(directory) / NODE_FILE).read_bytes()
