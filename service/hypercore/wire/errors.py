"""What can go wrong between two peers; each message names what the peer did."""

from __future__ import annotations


class WireError(Exception):
    """Base of this room's errors."""


class ProtocolError(WireError):
    """The peer broke the protocol: rubbish, another version, absurd lengths. The connection is of no more use."""


class ConnectError(WireError):
    """No connection to a peer could be made; names the peer and why."""


class ConnectionClosed(WireError):
    """The connection has ended; says why."""


class ChannelClosed(WireError):
    """The channel was rejected or has ended; says why."""


class ReplicationError(WireError):
    """What was asked for cannot be had from the peers; says why."""
