"""What peers from outside find of a node, in a sentence, and what to do if they do not get through. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from service.hypercore.swarm.dht.address import is_bogon
from service.hypercore.swarm.dht.nat import Firewall
from service.hypercore.swarm.dht.outside import OutsideView

from .objects import ReachKind, ReachState
from .words import Level


def in_dht(view: OutsideView, port: int, relayed: bool) -> ReachState:
    """Judge what nodes of the DHT say. `port` is that of the node (0: any), `relayed` whether it names a blind relay."""
    seen = None if view.address is None else view.address.host
    where = "" if seen is None else f" (seen as {seen})"
    match view.firewall:
        case Firewall.OPEN:
            return _open(view)
        case Firewall.CONSISTENT:
            text = f"behind a NAT or firewall that keeps its port{where}: peers punch a hole, with the DHT's help"
            return ReachState(ReachKind.CONSISTENT, Level.NOTE, text, "", seen)
        case Firewall.RANDOM:
            return _random(seen, where, port, relayed)
    text = (
        f"not open{where}; too few nodes of the DHT answered to tell whether peers can punch a hole, which takes three"
    )
    remedy = f"{forward(port)}; or name three nodes of the DHT with --bootstrap, to know whether that is needed"
    return ReachState(ReachKind.CLOSED, Level.WARNING, text, remedy, seen)


def _open(view: OutsideView) -> ReachState:
    assert view.address is not None
    where = str(view.address)
    if view.announced:
        text = f"announced as open at {where}, which the running node has had nobody try"
        return ReachState(ReachKind.ANNOUNCED, Level.NOTE, text, "", where)
    text = f"open: peers dial it directly at {where}, where nodes of the DHT reached it unasked"
    if is_bogon(view.address.host):
        text += "; these are in its own network, and what is outside of that was not asked"
    return ReachState(ReachKind.OPEN, Level.NOTE, text, "", where)


def _random(seen: str | None, where: str, port: int, relayed: bool) -> ReachState:
    text = f"behind a NAT that takes another port for each peer{where}: peers behind one like it get through "
    if relayed:
        return ReachState(ReachKind.RANDOM, Level.NOTE, f"{text}by the relay only, others after seconds", "", seen)
    text += "through a relay only, and none is named; others after seconds"
    return ReachState(
        ReachKind.RANDOM, Level.WARNING, text, f"{forward(port)}; or name a blind relay: --relay KEY", seen
    )


def silent(nodes: Sequence[str], listen: str) -> ReachState:
    """Judge that no node of the DHT answers a node that listens at HOST:PORT, from where it asks as well."""
    text = f"no node of the DHT answers ({', '.join(nodes)}): nobody finds it by its key"
    remedy = "see that these nodes run, and that UDP goes out from here and comes back; or name others: --bootstrap HOST:PORT"
    if is_loopback(listen) and not all(map(is_loopback, nodes)):
        text += ", as it listens, and asks, on this machine only"
        remedy = "--listen 0.0.0.0:PORT"
    return ReachState(ReachKind.SILENT, Level.WARNING, text, remedy, None)


def by_address(where: str | None = None) -> ReachState:
    """Judge a node that is in no DHT by the address at which others dial it, HOST:PORT, None if nobody is told one."""
    if where is not None and not is_loopback(where):
        return ReachState(ReachKind.STATIC, Level.NOTE, f"others dial {where}, if its TCP port is open", "", where)
    text = "nobody elsewhere can dial it: " + (
        "it listens on this machine only" if where else "no address is announced"
    )
    remedy = "--listen 0.0.0.0:PORT with --announce HOST:PORT; or --bootstrap HOST:PORT, for a DHT"
    return ReachState(ReachKind.HIDDEN, Level.WARNING, text, remedy, None)


def forward(port: int, protocol: str = "UDP") -> str:
    """Return what to do about a router."""
    named = f"{protocol} port {port}" if port else f"a fixed {protocol} port (--listen HOST:PORT)"
    return f"forward {named} to this machine in the router, or open it in the firewall"


def is_loopback(where: str) -> bool:
    """Return whether HOST:PORT is on this machine for everybody."""
    host = where.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"
