"""The swarm: peers that are found, and reached, without an address book."""

from .dht.sockets import DhtError
from .reach.reasons import Reason, Unreachable
from .reach.relay import BlindRelay
from .reach.server import DhtServer
from .reach.sockets import DHT

__all__ = ["DHT", "BlindRelay", "DhtError", "DhtServer", "Reason", "Unreachable"]
