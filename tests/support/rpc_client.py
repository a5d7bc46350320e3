"""JSON-RPC over HTTP, and extrinsics signed without any client library."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from substrateinterface import Keypair

from runtime_mock.codec import blake2_256, compact, prefixed
from runtime_mock.secp256k1 import recover
from tests.support.chains import RunningChain
from tests.support.differential.driver import Account
from tests.support.differential.runtime_names import names
from tests.support.runtime_version import VERSIONS

PATIENCE = 60.0


class Refused(Exception):
    """An error answer."""


class Secp256k1:
    """An ECDSA key as Substrate takes it: the account is the hash of the compressed public key."""

    def __init__(self, secret: int) -> None:
        self._secret = ec.derive_private_key(secret, ec.SECP256K1())
        form = serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
        self._public = self._secret.public_key().public_bytes(*form)
        self.id = blake2_256(self._public)

    def sign(self, message: bytes) -> bytes:
        """r, s and which of the two keys that they could mean is ours."""
        digest = blake2_256(message)
        r, s = decode_dss_signature(self._secret.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))))
        both = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return next(one for one in (both + b"\0", both + b"\1") if recover(digest, one) == self._public)


Signer = Account | Keypair | Secp256k1


class Rpc:
    """A chain's methods."""

    def __init__(self, chain: RunningChain) -> None:
        self._chain = chain
        self.genesis = bytes.fromhex(self("chain_getBlockHash", 0)[2:])

    def __call__(self, name: str, *parameters: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": name, "params": list(parameters)}
        answer = json.loads(self._chain.raw(json.dumps(body).encode()))
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def height(self) -> int:
        """The best block's number."""
        return int(self("chain_getHeader")["number"], 16)

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Wait for something, generously."""
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
            time.sleep(0.05)

    def nonce(self, account: bytes) -> int:
        """The next one of an account, by the best block."""
        return int.from_bytes(
            bytes.fromhex(self("state_call", "AccountNonceApi_account_nonce", "0x" + account.hex())[2:]), "little"
        )

    def submit(self, signer: Signer, pallet: str, name: str, arguments: dict[str, Any], nonce: int) -> str:
        """Sign (ed25519, or whatever the pair is) and send; the hash."""
        call = names().call(pallet, name, arguments)
        return str(self("author_submitExtrinsic", "0x" + self.sign(signer, call, nonce).hex()))

    def sign(self, signer: Signer, call: bytes, nonce: int) -> bytes:
        """A signed immortal extrinsic."""
        extra = b"\0" + compact(nonce) + b"\0"
        payload = call + extra + VERSIONS + self.genesis * 2
        if len(payload) > 256:
            payload = blake2_256(payload)
        scheme = 0 if isinstance(signer, Account) else 2 if isinstance(signer, Secp256k1) else int(signer.crypto_type)
        return prefixed(b"\x84\0" + account_of(signer) + bytes([scheme]) + signer.sign(payload) + extra + call)


def account_of(signer: Signer) -> bytes:
    """The account of a key."""
    return bytes(signer.public_key) if isinstance(signer, Keypair) else signer.id


__all__ = ["PATIENCE", "Refused", "Rpc", "Secp256k1", "account_of"]
