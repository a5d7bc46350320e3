"""The swarm: peers that are found, and reached, without an address book."""

from .dht.sockets import DHT, DhtError

__all__ = ["DHT", "DhtError"]
