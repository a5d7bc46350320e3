"""Calls of FRAME's own pallets."""

from __future__ import annotations

from .call import Call


def transfer(to: bytes, amount: int) -> Call:
    """Transfer money, keeping the sender alive."""
    return Call("Balances", "transfer_keep_alive", {"dest": {"Id": to}, "value": amount})


def sudo(call: Call) -> Call:
    """Make a call as root, by the key of pallet-sudo. Its failure is a DispatchError like any other."""
    return Call("Sudo", "sudo", {"call": call})
