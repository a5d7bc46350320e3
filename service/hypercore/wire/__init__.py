"""Hypercore's wire protocols, without input or output: handshake, encryption, channels, messages."""
