"""The swarm: peers that are found, and reached, without an address book."""

from .addresses import AddressWatch
from .dht.address import Address
from .dht.sockets import DhtError
from .peers import PeerInfo
from .policy import SwarmLimits
from .reach.reasons import Reason, Unreachable
from .reach.relay import BlindRelay
from .reach.server import DhtServer
from .reach.sockets import DHT
from .swarm import Swarm
from .topics import TopicSession

__all__ = [
    "DHT",
    "Address",
    "AddressWatch",
    "BlindRelay",
    "DhtError",
    "DhtServer",
    "PeerInfo",
    "Reason",
    "Swarm",
    "SwarmLimits",
    "TopicSession",
    "Unreachable",
]
