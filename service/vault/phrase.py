"""The phrase that a vault's keys follow from: 12 or 24 words of BIP-39's English list, as Substrate's wallets read them."""

from __future__ import annotations

import bip39

from .keys import KeyFileError, PeerKeys

LENGTHS = (12, 24)


def new_phrase(words: int) -> str:
    """Return a new random phrase."""
    if words not in LENGTHS:
        raise ValueError(f"a phrase has {' or '.join(map(str, LENGTHS))} words, not {words}")
    return str(bip39.bip39_generate(words, "en"))


def keys_of_phrase(phrase: str) -> PeerKeys:
    """Return the keys of a phrase: the account is the one that other wallets derive without a path. Raises KeyFileError."""
    words = phrase.lower().split()
    joined = " ".join(words)
    if len(words) not in LENGTHS:
        raise KeyFileError(f"a phrase has {' or '.join(map(str, LENGTHS))} words; these are {len(words)}")
    if not bip39.bip39_validate(joined, "en"):
        raise KeyFileError("this is not a phrase: a word is misspelt, missing or in another place")
    return PeerKeys.of_account(bytes(bip39.bip39_to_mini_secret(joined, "", "en")))
