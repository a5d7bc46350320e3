"""The commands that remedies propose, as they can be pasted: with the node's own account, chain and directory."""

from __future__ import annotations

from shlex import quote

from .facts import AlertFacts

NEEDED = {
    "chain status": ("chain",),
    "doctor": ("dir",),
    "hoster status": ("account", "chain"),
    "move": ("dir",),
    "verify": ("dir",),
}
"""What each command must be told."""


def pasted(command: str, facts: AlertFacts, *more: str) -> str:
    """Return `datdot COMMAND` with what it must be told of this node, then `more`. Raises KeyError for an unknown one."""
    told = {
        "account": facts.account,
        "chain": f"--chain {quote(facts.url)}",
        "dir": f"--dir {quote(facts.directory)}",
    }
    return " ".join(["datdot", command, *(told[one] for one in NEEDED[command]), *more])
