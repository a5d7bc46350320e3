"""A peer's keys in memory: its account (sr25519), its swarm key (Noise) and its statement key (both ed25519)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field, replace
from functools import cached_property

import bip39
import sr25519
from nacl.signing import SigningKey

from service.address import ss58

SEED_BYTES = 32
EXPANDED_BYTES = 64
"""An account's secret without its seed: scalar and nonce, as other wallets hand it over."""
MOST_ROTATIONS = 1_024
"""Numbers of swarm keys that are tried to find the one that the chain names: each rotation is paid for, so few are used."""
DEVELOPMENT_PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"


class KeyFileError(Exception):
    """A file with keys is missing, damaged, locked, readable by others, or would be overwritten. The message names it."""


@dataclass(frozen=True, slots=True)
class AccountPair:
    """An account's sr25519 key pair."""

    public_key: bytes
    _private_key: bytes = field(repr=False)

    @property
    def crypto_type(self) -> int:
        """The number of sr25519 in MultiSignature."""
        return 1

    def sign(self, data: bytes) -> bytes:
        """Return a signature of 64 bytes."""
        return bytes(sr25519.sign((self.public_key, self._private_key), data))

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Return whether the signature is this account's."""
        return bool(sr25519.verify(signature, data, self.public_key))


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What everybody may know of a peer's keys, 32 bytes each."""

    account: bytes
    swarm_key: bytes
    statement_key: bytes
    operator: bytes | None = None
    """The account that signs for it, if the keys are an operator's."""

    @property
    def address(self) -> str:
        """The account in SS58."""
        return ss58(self.account)

    def check_own(self) -> None:
        """Raise KeyFileError if these are an operator's keys, which have not the secret of the account."""
        if self.operator is not None:
            raise KeyFileError(f"these keys are an operator's: the secret of account {self.address} is not among them")


@dataclass(frozen=True)
class PeerKeys:
    """The three secrets of a peer. That of the account is a seed of 32 bytes, or 64 bytes of scalar and nonce.

    An operator's keys have an account of their own, with which they sign for the peer, and the peer's other two.
    """

    account_secret: bytes = field(repr=False)
    swarm_seed: bytes = field(repr=False)
    statement_seed: bytes = field(repr=False)
    peer: bytes | None = None
    """The account, 32 bytes, for which an operator's keys sign; None: their own."""
    peer_storage_key: bytes | None = field(default=None, repr=False)
    """That peer's `storage_key`."""

    @classmethod
    def generate(cls) -> PeerKeys:
        """Return new random keys."""
        account, swarm, statement = (secrets.token_bytes(SEED_BYTES) for _ in range(3))
        return cls(account, swarm, statement)

    @classmethod
    def of_account(cls, secret: bytes) -> PeerKeys:
        """Return the keys that follow from an account's secret, so that who has it back has all three back.

        They are the same for a seed and for what it expands to.
        """
        return cls(secret, _derived(secret, "swarm", 0), _derived(secret, "statement", 0))

    @classmethod
    def development(cls, uri: str) -> PeerKeys:
        """Return the keys of a development account, such as `//Alice`, which everybody knows. Raises KeyFileError."""
        name = uri[2:]
        if not name.isalnum() or len(name) > 30 or not name.isascii():
            raise KeyFileError(f"{uri}: only development accounts such as //Alice may start with //")
        root = sr25519.pair_from_seed(bytes(bip39.bip39_to_mini_secret(DEVELOPMENT_PHRASE, "", "en")))
        junction = bytes([len(name) << 2]) + name.encode()
        _, _, secret = sr25519.hard_derive_keypair((junction.ljust(32, b"\0"), *root), b"")
        swarm, statement = (
            hashlib.blake2b(f"{uri}/{purpose}".encode(), digest_size=SEED_BYTES).digest()
            for purpose in ("swarm", "statement")
        )
        return cls(bytes(secret), swarm, statement)

    @cached_property
    def account_pair(self) -> AccountPair:
        """The account's key pair."""
        if len(self.account_secret) == SEED_BYTES:
            return AccountPair(*map(bytes, sr25519.pair_from_seed(self.account_secret)))
        return AccountPair(bytes(sr25519.public_from_secret_key(self.account_secret)), self.account_secret)

    @property
    def account(self) -> bytes:
        """The peer's account, 32 bytes: whose copies, bonds and pay it is about."""
        return self.payer if self.peer is None else self.peer

    @property
    def payer(self) -> bytes:
        """The account, 32 bytes, that signs and pays the fees: the peer's own, or its operator's."""
        return self.account_pair.public_key

    def of_operator(self, before: PeerKeys | None = None) -> PeerKeys:
        """Return keys with which a node works for this account without its secret: those of a new operator.

        What the account's other keys locked, they open. With `before`, the operator is that of these keys. Raises
        KeyFileError if these are an operator's, or those before are not of one of this account.
        """
        self.check_own()
        if before is not None and before.peer != self.account:
            raise KeyFileError(f"the keys to keep are not of an operator of {self.address}")
        secret = secrets.token_bytes(SEED_BYTES) if before is None else before.account_secret
        return PeerKeys(secret, self.swarm_seed, self.statement_seed, self.account, self.storage_key)

    def check_own(self) -> None:
        """Raise KeyFileError if these are an operator's keys, which have not the secret of the account."""
        self.public.check_own()

    def with_swarm_key(self, number: int) -> PeerKeys:
        """Return these keys with the account's swarm key of that number, which follows from its secret alone.

        So nobody has to keep a key that is on its way to the chain. Number 0 is the one that a vault is made with.
        Raises KeyFileError if these keys are an operator's.
        """
        self.check_own()
        return replace(self, swarm_seed=_derived(self.account_secret, "swarm", number))

    def that_have(self, swarm_key: bytes) -> tuple[PeerKeys, int | None] | None:
        """Return these keys with the swarm seed of that public key, and its number; None if it is none of the account's.

        The number of the own seed is not known, and None.
        """
        if self.swarm_key == swarm_key:
            return self, None
        for number in range(MOST_ROTATIONS if self.peer is None else 0):
            found = self.with_swarm_key(number)
            if found.swarm_key == swarm_key:
                return found, number
        return None

    @cached_property
    def storage_key(self) -> bytes:
        """The key, 32 bytes, with which the peer locks secrets that it stores."""
        if self.peer_storage_key is not None:
            return self.peer_storage_key
        return hashlib.blake2b(_expanded(self.account_secret), key=b"datdot/storage", digest_size=SEED_BYTES).digest()

    @property
    def address(self) -> str:
        """The account in SS58."""
        return ss58(self.account)

    @property
    def swarm_key(self) -> bytes:
        """The public swarm key: the peer's name in the Noise handshake."""
        return bytes(SigningKey(self.swarm_seed).verify_key)

    @property
    def statement_key(self) -> bytes:
        """The public statement key: it signs checkpoints and nothing else."""
        return bytes(SigningKey(self.statement_seed).verify_key)

    @property
    def public(self) -> PublicKeys:
        """What everybody may know of them."""
        operator = None if self.peer is None else self.payer
        return PublicKeys(self.account, self.swarm_key, self.statement_key, operator)

    def sign_swarm(self, statement: bytes) -> bytes:
        """Return the swarm key's signature, 64 bytes, of a typed statement."""
        return bytes(SigningKey(self.swarm_seed).sign(statement).signature)

    def sign_statement(self, statement: bytes) -> bytes:
        """Return the statement key's signature, 64 bytes, of a typed statement."""
        return bytes(SigningKey(self.statement_seed).sign(statement).signature)


def _derived(secret: bytes, purpose: str, number: int) -> bytes:
    key = f"datdot/vault/{purpose}/{number}".encode()
    return hashlib.blake2b(_expanded(secret), key=key, digest_size=SEED_BYTES).digest()


def _expanded(secret: bytes) -> bytes:
    return secret if len(secret) == EXPANDED_BYTES else bytes(sr25519.pair_from_seed(secret)[1])
