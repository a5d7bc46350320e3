"""Reaching peers by their keys: handshakes that nodes of the DHT pass on, and holes that are punched into NATs."""
