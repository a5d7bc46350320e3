"""The errors between two peers. Each message says what the peer did."""

from __future__ import annotations


class WireError(Exception):
    """Base of all errors of the wire."""


class ProtocolError(WireError):
    """The peer broke the protocol: garbage, another version, absurd lengths. The connection must end."""


class ConnectError(WireError):
    """No connection to a peer could be made. The message names the peer and the reason."""


class ConnectionClosed(WireError):
    """The connection has ended. The message says why."""


class ChannelClosed(WireError):
    """The channel was rejected or has ended. The message says why."""


class ReplicationError(WireError):
    """The peers cannot provide what was asked for. The message says why."""
