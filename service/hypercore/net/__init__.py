"""Hypercore's network layer: connections, channels, and replication with any hypercore peer."""

from ..wire.errors import ChannelClosed, ConnectError, ConnectionClosed, ProtocolError, ReplicationError, WireError
from .admission import origin_of
from .channel import Channel
from .connection import Connection
from .replication import CorePeer, Replication
from .replicator import Replicator, fetch
from .transport import PeerAddress, TcpTransport, Transport

__all__ = [
    "Channel",
    "ChannelClosed",
    "ConnectError",
    "Connection",
    "ConnectionClosed",
    "CorePeer",
    "PeerAddress",
    "ProtocolError",
    "Replication",
    "ReplicationError",
    "Replicator",
    "TcpTransport",
    "Transport",
    "WireError",
    "fetch",
    "origin_of",
]
