"""Two hosts behind gateways, and a public segment between them, in network namespaces. Nothing leads out of them.

    pub      router and public segment: 44.10.0.1 .. 44.10.0.12 on its loopback (nodes of the DHT, relay, public peers)
    ga, gb   gateways, 44.10.1.2 and 44.10.2.2
    ha, hb   hosts, 192.168.1.2 and 192.168.2.2

The addresses look public on purpose: hyperdht skips private ones. The router drops what arrives with a TTL below 10: it plays
the rest of the internet, in which the datagrams with a TTL of 5 that only open the sender's own gateway die.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

KINDS = {
    "pub": "no gateway: on the public segment",
    "cone": "full cone: the port is kept, and what comes in is passed to the host",
    "none": "no NAT, but a firewall that lets in only answers",
    "cons": "the port is kept, and only answers come in: most routers at home",
    "rand": "another port for each destination",
    "naive": "as cons, but what is not asked for takes the mapping away: a Linux box without a firewall",
    "block": "as cons, and no UDP goes between the two gateways",
    "lan": "both hosts behind one gateway",
}
PACKAGES = {"ip": "iproute2", "nft": "nftables"}
"""Programs that this needs, and the Debian packages that have them."""
PUBLIC_HOSTS = 12
NAME = re.compile(r"datdot-(\d+)-\w+")
ROLES = ("ha", "hb", "ga", "gb", "l1", "l2", "pub")
LINKEM = Path(__file__).with_name("linkem.py")

_RULES = """
table ip nat {{
  chain pre {{ type nat hook prerouting priority dstnat; {dnat}
  }}
  chain post {{ type nat hook postrouting priority srcnat; oifname wan meta l4proto udp {rule}
    oifname wan masquerade
  }}
}}
table ip filter {{
  chain input {{ type filter hook input priority 0; iifname wan ct state new {input}
  }}
  chain forward {{ type filter hook forward priority 0; iifname wan {forward}
  }}
}}
"""
_INTERNET = """
table ip internet {{
  chain forward {{ type filter hook forward priority 0;
    ip ttl < 10 counter drop
    {block}
  }}
  chain input {{ type filter hook input priority 0;
    iifname {{ w1, w2 }} ip ttl < 10 counter drop
  }}
}}
"""
_BLOCK = """ip saddr 44.10.1.0/24 ip daddr 44.10.2.0/24 meta l4proto udp drop
    ip saddr 44.10.2.0/24 ip daddr 44.10.1.0/24 meta l4proto udp drop"""


class TopologyError(Exception):
    """The namespaces could not be made. The message says why, and what to do."""


def what_is_missing() -> str | None:
    """Return what this machine lacks for namespaces, or None."""
    if not sys.platform.startswith("linux"):
        return "the matrix needs Linux: it makes network namespaces"
    if os.geteuid() != 0:
        return "the matrix needs root: it makes network namespaces (sudo make matrix)"
    lacking = [name for name in PACKAGES if shutil.which(name) is None]
    if lacking:
        names = " ".join(PACKAGES[name] for name in lacking)
        return f"{', '.join(lacking)} not found (Debian, Ubuntu: apt install {names})"
    probe = f"datdot-{os.getpid()}-probe"
    tried = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no network namespace can be made here: {tried.stderr.strip()} (in a container: it needs CAP_SYS_ADMIN)"
    _remove(probe)
    return None


def _do(*command: str, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TopologyError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _namespaces() -> list[str]:
    return [line.split()[0] for line in _do("ip", "netns", "list").splitlines() if line.split()]


def _remove(name: str) -> None:
    """Remove a namespace of ours, and the processes in it."""
    found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout
    for pid in map(int, found.split()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _do("ip", "netns", "del", name)


def _is_dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def sweep(own: bool) -> list[str]:
    """Remove what runs left behind that were killed; with `own` also all of this process. Return what was removed."""
    left = []
    for name in _namespaces():
        found = NAME.fullmatch(name)
        if found and (_is_dead(int(found[1])) or (own and int(found[1]) == os.getpid())):
            _remove(name)
            left.append(name)
    return left


class Topology:
    """One set of namespaces, as a context manager. `number` tells those of one process apart."""

    def __init__(self, number: int, kind_a: str, kind_b: str, delay_ms: float = 0.0) -> None:
        unknown = {kind_a, kind_b} - KINDS.keys()
        if unknown or (kind_a == "lan") != (kind_b == "lan"):
            raise TopologyError(f"{kind_a}:{kind_b}: kinds are {', '.join(KINDS)}, and lan goes with lan alone")
        self.kinds, self.delay_ms = (kind_a, kind_b), delay_ms
        self._prefix = f"datdot-{os.getpid()}-{number}x"
        self._made: list[str] = []
        self._wires: list[subprocess.Popen[bytes]] = []

    def namespace(self, role: str) -> str:
        """Return the name of the namespace with a role (see ROLES)."""
        return self._prefix + role

    def host(self, side: int) -> tuple[str, str | None]:
        """Return the namespace of a peer, 0 or 1, and the address that it must take, if it must take one."""
        if self.kinds[side] == "pub":
            return self.namespace("pub"), f"44.10.0.{10 + side}"
        return self.namespace("hb" if side else "ha"), None

    def __enter__(self) -> Topology:
        """Make it. Raises TopologyError."""
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove it, and every process in it."""
        while self._made:
            _remove(self._made.pop())
        while self._wires:
            self._wires.pop().wait()

    # ---- making it

    def _build(self) -> None:
        lan = self.kinds[0] == "lan"
        for role in ("pub", "ga", "ha", "hb", *(() if lan else ("gb",))):
            self._new(role)
        for number in range(1, PUBLIC_HOSTS + 1):
            self._ip("pub", "addr", "add", f"44.10.0.{number}/32", "dev", "lo")
        for role in ("pub", "ga", *(() if lan else ("gb",))):
            self.run(role, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self._side(1, "ga", "ha", self.kinds[0])
        if lan:
            self._second_host()
        else:
            self._side(2, "gb", "hb", self.kinds[1])
        wires = "{ w1 }" if lan else "{ w1, w2 }"
        block = _BLOCK if "block" in self.kinds else ""
        self.run("pub", "nft", "-f", "-", given=_INTERNET.format(block=block).replace("{ w1, w2 }", wires))
        if self.run("pub", "ip", "route", "show", "default").strip():
            raise TopologyError("the public segment has a way out: nothing is run")

    def _new(self, role: str) -> None:
        _do("ip", "netns", "add", self.namespace(role))
        self._made.append(self.namespace(role))
        self._ip(role, "link", "set", "lo", "up")

    def _ip(self, role: str, *arguments: str) -> None:
        _do("ip", "-n", self.namespace(role), *arguments)

    def run(self, role: str, *command: str, given: str | None = None) -> str:
        """Run a command in a namespace. Return what it printed. Raises TopologyError if it fails."""
        return _do("ip", "netns", "exec", self.namespace(role), *command, given=given)

    def _cable(self, near: str, device: str, far: str, far_device: str) -> None:
        _do(
            *("ip", "link", "add", device, "netns", self.namespace(near), "type", "veth"),
            *("peer", "name", far_device, "netns", self.namespace(far)),
        )

    def _up(self, role: str, device: str, *addresses: str) -> None:
        for address in addresses:
            self._ip(role, "addr", "add", address, "dev", device)
        self._ip(role, "link", "set", device, "up")

    def _wan(self, number: int, gateway: str) -> None:
        """Lay the cable between a gateway and the router, with a wire that delays in the middle if it is to have one."""
        if self.delay_ms:
            middle = f"l{number}"
            self._new(middle)
            self._cable("pub", f"w{number}", middle, "near")
            self._cable(middle, "far", gateway, "wan")
            for device in ("near", "far"):
                self._ip(middle, "link", "set", device, "up", "promisc", "on")
            command = ["ip", "netns", "exec", self.namespace(middle), sys.executable, str(LINKEM), "near", "far"]
            wire = subprocess.Popen([*command, str(self.delay_ms)], stdout=subprocess.PIPE, start_new_session=True)
            self._wires.append(wire)
            assert wire.stdout is not None
            with wire.stdout as told:
                if told.readline() != b"ready\n":
                    raise TopologyError("the wire with a delay did not begin")
        else:
            self._cable("pub", f"w{number}", gateway, "wan")
        self._up("pub", f"w{number}", f"44.10.{number}.1/30")
        self._up(gateway, "wan", f"44.10.{number}.2/30")
        self._ip(gateway, "route", "add", "default", "via", f"44.10.{number}.1")

    def _side(self, number: int, gateway: str, host: str, kind: str) -> None:
        self._wan(number, gateway)
        self._cable(gateway, "lan", host, "eth0")
        if kind == "none":
            self._up(gateway, "lan", f"44.10.{number}.5/30")
            self._up(host, "eth0", f"44.10.{number}.6/30")
            self._ip("pub", "route", "add", f"44.10.{number}.4/30", "via", f"44.10.{number}.2")
            self._ip(host, "route", "add", "default", "via", f"44.10.{number}.5")
        else:
            self._up(gateway, "lan", f"192.168.{number}.1/24")
            self._up(host, "eth0", f"192.168.{number}.2/24")
            self._ip(host, "route", "add", "default", "via", f"192.168.{number}.1")
        rules = {"rule": "masquerade", "input": "drop", "dnat": "", "forward": "ct state new drop"}
        if kind == "naive":
            rules["input"] = "accept"
        elif kind == "rand":
            rules["rule"] = "masquerade fully-random"
        elif kind == "none":
            rules["rule"] = "accept"
        elif kind == "cone":
            rules |= {"dnat": f"iifname wan meta l4proto udp dnat to 192.168.{number}.2", "forward": "accept"}
        self.run(gateway, "nft", "-f", "-", given=_RULES.format(**rules))

    def _second_host(self) -> None:
        """Put the second host behind the first one's gateway."""
        self._cable("ga", "lan2", "hb", "eth0")
        self._ip("ga", "link", "add", "br0", "type", "bridge")
        self._ip("ga", "addr", "flush", "dev", "lan")
        for device in ("lan", "lan2"):
            self._ip("ga", "link", "set", device, "master", "br0", "up")
        self._up("ga", "br0", "192.168.1.1/24")
        self._up("hb", "eth0", "192.168.1.3/24")
        self._ip("hb", "route", "add", "default", "via", "192.168.1.1")
