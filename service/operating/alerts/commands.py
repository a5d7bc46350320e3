"""The commands that remedies propose, as they can be pasted: with the node's own account, chain and directory."""

from __future__ import annotations

import re
from shlex import quote

from .facts import AlertFacts

FEED = re.compile(r"\b(?:feed|core) ([0-9a-f]{64})\b")
"""How errors name a feed."""
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


def fetching(facts: AlertFacts, error: str) -> str | None:
    """Return the command that tries to fetch the feed that an error names, None if it names none or no peer is known."""
    named = FEED.search(error)
    if named is None or not facts.ways:
        return None
    return " ".join(["datdot feed fetch", named[1], "--dir reader", *facts.ways])
